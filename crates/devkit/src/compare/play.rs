//! Plays one situation, as its provider would: what is not answered 2xx is delivered again.

use std::time::Duration;

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};

use super::catalog;
use super::deliver::{Answer, Unanswered, deliver};
use super::fresh::Tag;
use super::judge::{Outcome, compared, is_right, shown};
use super::pace::Pace;
use super::situation::{Delivery, Signature, Situation};
use super::words::{printable, says_not_handled};
use crate::sandbox::{Call, Sandbox};

/// How often a delivery that fails is repeated before the next one comes, if that comes this much later.
const ROUNDS_BETWEEN: usize = 3;
const MUCH_LATER: SignedDuration = SignedDuration::from_hours(1);

/// How often everything that still fails is repeated in the end.
const ROUNDS_AT_THE_END: usize = 5;

/// How often a delivery is tried that is not answered in time: each costs as long as a provider waits.
const MOST_TIMEOUTS: usize = 2;

/// So long a server that did nothing for an acknowledged delivery is waited for, when the licenses are not right.
const LINGER: Duration = Duration::from_secs(1);

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
    /// How many of the licenses are of another situation: the server was late with them.
    pub(super) leftover: usize,
    /// Whether the server still worked on it when it was thought to be done.
    pub(super) was_hurried: bool,
    /// Why the last of the deliveries without an answer had none.
    pub(super) silent: Option<String>,
}

/// A delivery that was tried.
struct Tried<'a> {
    delivery: &'a Delivery,
    last: Answer,
    timeouts: usize,
}

impl Tried<'_> {
    /// A provider repeats what is not acknowledged. A stranger gives up.
    fn is_open(&self) -> bool {
        self.is_by_the_provider() && !self.is_acknowledged()
    }

    fn is_by_the_provider(&self) -> bool {
        matches!(self.delivery.signature, Signature::Genuine | Signature::Rotated)
    }

    fn is_acknowledged(&self) -> bool {
        (200..300).contains(&self.last.status)
    }

    /// A server says so by its status or in words, some with 200.
    fn is_not_handled(&self) -> bool {
        matches!(self.last.status, 405 | 501)
            || says_not_handled(&self.last.body, &self.delivery.body)
    }

    fn is_ignored(&self) -> bool {
        self.last.body.to_lowercase().contains("ignored")
    }
}

/// Empties the sandbox and plays.
pub(super) async fn play(
    sandbox: &Sandbox,
    situation: &Situation,
    url: &str,
    tag: &Tag,
    pace: &mut Pace,
) -> Played {
    // What the server still has to do belongs to what was played before.
    pace.quiet(sandbox).await;
    sandbox.reset();
    catalog::fill(sandbox);
    let fresh = |delivery: &Delivery| Delivery {
        body: tag.put(situation.provider, &delivery.body),
        ..delivery.clone()
    };
    let deliveries: Vec<Delivery> = situation.deliveries.iter().map(fresh).collect();
    let send = async |delivery: &Delivery| match deliver(url, situation.provider, delivery).await {
        Ok(answer) => (answer, 0),
        Err(Unanswered { reason, timed_out }) => {
            (Answer { status: 0, body: reason }, usize::from(timed_out))
        }
    };
    let again = async |all: &mut Vec<Tried<'_>>, rounds: usize, pace: &mut Pace| {
        for _ in 0..rounds {
            let open = |tried: &&mut Tried<'_>| tried.is_open() && tried.timeouts < MOST_TIMEOUTS;
            for tried in all.iter_mut().filter(open) {
                let (last, timeouts) = send(tried.delivery).await;
                tried.last = last;
                tried.timeouts += timeouts;
                pace.quiet(sandbox).await;
            }
        }
    };

    let mut tried: Vec<Tried<'_>> = Vec::new();
    let mut clock = Timestamp::UNIX_EPOCH;
    let mut did_nothing = false;
    for group in deliveries.chunk_by(|_, next| next.together) {
        let at = group[0].at;
        if at > clock + MUCH_LATER {
            again(&mut tried, ROUNDS_BETWEEN, pace).await;
        }
        clock = clock.max(at);
        sandbox.set_now(clock);
        for fault in group.iter().flat_map(|delivery| &delivery.faults) {
            sandbox.fault(fault.clone());
        }
        let before = sandbox.calls().len();
        let answers = join_all(group.iter().map(send)).await;
        let together = group.iter().zip(answers);
        let together: Vec<Tried<'_>> = together
            .map(|(delivery, (last, timeouts))| Tried { delivery, last, timeouts })
            .collect();
        pace.quiet(sandbox).await;
        did_nothing |=
            sandbox.calls().len() == before && together.iter().any(Tried::is_acknowledged);
        sandbox.clear_faults();
        sandbox.release_late();
        tried.extend(together);
    }
    again(&mut tried, ROUNDS_AT_THE_END, pace).await;
    let mut played = judged(sandbox, situation, tag, &tried);
    if did_nothing && played.outcome != Outcome::Right && pace.call(sandbox, LINGER).await {
        pace.quiet(sandbox).await;
        played = Played { was_hurried: true, ..judged(sandbox, situation, tag, &tried) };
    }
    played
}

fn judged(sandbox: &Sandbox, situation: &Situation, tag: &Tag, tried: &[Tried<'_>]) -> Played {
    let there: Vec<String> = sandbox.licenses().iter().map(shown).collect();
    let leftover = there.iter().filter(|one| tag.is_of_another(one)).count();
    let there: Vec<String> = there.iter().map(|one| printable(&tag.take_out(one))).collect();
    let found = compared(&there, &situation.licenses);
    let deletes = |call: &Call| call.method == "DELETE" && call.status == Some(204);
    let deleted = sandbox.calls().iter().filter(|call| deletes(call)).count();
    let is_not_handled =
        tried.iter().any(Tried::is_not_handled) || tried.iter().all(Tried::is_ignored);
    let outcome = match is_right(&found, &situation.licenses, deleted) {
        _ if leftover > 0 => Outcome::Wrong,
        true => Outcome::Right,
        false if is_not_handled => Outcome::NotHandled,
        false => Outcome::Wrong,
    };
    let refused = tried.iter().filter(|tried| tried.is_open());
    let refused = refused.map(|tried| {
        format!("{}: {}", tried.last.status, printable(&tag.take_out(&tried.last.body)))
    });
    let is_exact = found == situation.licenses;
    let silent = tried.iter().rfind(|tried| tried.last.status == 0);
    let silent = silent.map(|tried| printable(&tried.last.body));
    let refused = refused.collect();
    Played { outcome, found, is_exact, refused, leftover, was_hurried: false, silent }
}
