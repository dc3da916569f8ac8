//! Plays one situation, as its provider would: what is not answered 2xx is delivered again.

use std::time::Duration;

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};

use super::catalog;
use super::deliver::{Answer, deliver};
use super::fresh::Tag;
use super::judge::{Outcome, compared, is_right, shown};
use super::situation::{Delivery, Signature, Situation};
use crate::sandbox::{Call, Sandbox};

/// How often a delivery that fails is repeated before the next one comes, if that comes this much later.
const ROUNDS_BETWEEN: usize = 3;
const MUCH_LATER: SignedDuration = SignedDuration::from_hours(1);

/// How often everything that still fails is repeated in the end.
const ROUNDS_AT_THE_END: usize = 5;

/// How often it is looked whether a server still asks something.
const MOST_PAUSES: usize = 20;

/// What a situation came to.
#[derive(Debug, Clone)]
pub(super) struct Played {
    pub(super) outcome: Outcome,
    /// The licenses that are there, sorted.
    pub(super) found: Vec<String>,
    /// Whether they are exactly those that should be, blocked ones included.
    pub(super) is_exact: bool,
    /// The provider's deliveries that were never answered 2xx, and what was said last.
    pub(super) refused: Vec<String>,
    /// Why the server gave no answer at all, if it did not.
    pub(super) silent: Option<String>,
}

/// A delivery that was tried.
struct Tried<'a> {
    delivery: &'a Delivery,
    last: Answer,
}

impl Tried<'_> {
    /// A provider repeats what is not acknowledged. A stranger gives up.
    fn is_open(&self) -> bool {
        let by_the_provider =
            matches!(self.delivery.signature, Signature::Genuine | Signature::Rotated);
        by_the_provider && !(200..300).contains(&self.last.status)
    }

    /// A server says so by its status or in words, some with 200.
    fn is_not_handled(&self) -> bool {
        let said = self.said();
        matches!(self.last.status, 404 | 405 | 501)
            || ["not supported", "unsupported", "unhandled", "not handled"]
                .iter()
                .any(|words| said.contains(words))
    }

    fn is_ignored(&self) -> bool {
        self.said().contains("ignored")
    }

    fn said(&self) -> String {
        self.last.body.to_lowercase()
    }
}

/// Empties the sandbox and plays.
pub(super) async fn play(
    sandbox: &Sandbox,
    situation: &Situation,
    url: &str,
    tag: &Tag,
    pause: Duration,
) -> Played {
    sandbox.reset();
    catalog::fill(sandbox);
    let fresh = |delivery: &Delivery| Delivery {
        body: tag.put(situation.provider, &delivery.body),
        ..delivery.clone()
    };
    let deliveries: Vec<Delivery> = situation.deliveries.iter().map(fresh).collect();
    let send = async |delivery: &Delivery| {
        let answer = deliver(url, situation.provider, delivery).await;
        // A provider that gets no answer repeats, too.
        answer.unwrap_or_else(|reason| Answer { status: 0, body: reason })
    };
    let again = async |all: &mut Vec<Tried<'_>>, rounds: usize| {
        for _ in 0..rounds {
            for tried in all.iter_mut().filter(|tried| tried.is_open()) {
                tried.last = send(tried.delivery).await;
            }
        }
    };

    let mut tried: Vec<Tried<'_>> = Vec::new();
    let mut clock = Timestamp::UNIX_EPOCH;
    for group in deliveries.chunk_by(|_, next| next.together) {
        let at = group[0].at;
        if at > clock + MUCH_LATER {
            again(&mut tried, ROUNDS_BETWEEN).await;
        }
        clock = clock.max(at);
        sandbox.set_now(clock);
        for fault in group.iter().flat_map(|delivery| &delivery.faults) {
            sandbox.fault(fault.clone());
        }
        let answers = join_all(group.iter().map(send)).await;
        sandbox.clear_faults();
        sandbox.release_late();
        tried.extend(group.iter().zip(answers).map(|(delivery, last)| Tried { delivery, last }));
    }
    again(&mut tried, ROUNDS_AT_THE_END).await;
    if tried.iter().any(Tried::is_open) {
        quiet(sandbox, pause).await;
    }
    judged(sandbox, situation, tag, &tried)
}

/// Waits until the server has asked nothing for so long: one that refuses an event may have calls under way.
async fn quiet(sandbox: &Sandbox, pause: Duration) {
    for _ in 0..MOST_PAUSES {
        let calls = sandbox.calls().len();
        tokio::time::sleep(pause).await;
        if sandbox.calls().len() == calls {
            return;
        }
    }
}

fn judged(sandbox: &Sandbox, situation: &Situation, tag: &Tag, tried: &[Tried<'_>]) -> Played {
    let there = sandbox.licenses();
    let there: Vec<String> = there.iter().map(|one| tag.take_out(&shown(one))).collect();
    let found = compared(&there, &situation.licenses);
    let deletes = |call: &Call| call.method == "DELETE" && call.status == Some(204);
    let deleted = sandbox.calls().iter().filter(|call| deletes(call)).count();
    let is_not_handled =
        tried.iter().any(Tried::is_not_handled) || tried.iter().all(Tried::is_ignored);
    let outcome = match is_right(&found, &situation.licenses, deleted) {
        true => Outcome::Right,
        false if is_not_handled => Outcome::NotHandled,
        false => Outcome::Wrong,
    };
    let refused = tried.iter().filter(|tried| tried.is_open());
    let refused = refused
        .map(|tried| format!("{}: {}", tried.last.status, tag.take_out(tried.last.body.trim())));
    let is_exact = found == situation.licenses;
    let silent = tried.iter().find(|tried| tried.last.status == 0);
    let silent = silent.map(|tried| tried.last.body.clone());
    Played { outcome, found, is_exact, refused: refused.collect(), silent }
}
