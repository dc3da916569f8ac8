//! What a provider is told: a pure function of what became of the events it delivered.

use std::collections::BTreeSet;
use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use crate::domain::command::Outcome;
use crate::domain::contracts;
use crate::domain::ids::EventId;
use crate::execute::report::{Class, Failure, Refusal, Report};
use crate::infra::limits::TurnedAway;
use crate::providers::{Contract, Provider};

/// An HTTP answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// `application/json`, but for FastSpring's list of event ids.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
    /// `Retry-After`, where the failure passes by itself.
    pub retry_after: Option<Duration>,
}

/// How answers look: the path that was called decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyStyle {
    /// `/v1` and `/v2`: 200 with message and data, every failure 400 with a message.
    Cryptlex,
    /// `/webhooks/<provider>`: a status that monitoring can tell apart, and a fixed text.
    Lifecycle,
}

impl ReplyStyle {
    /// How a path answers.
    pub fn of(contract: Contract) -> Self {
        match contract {
            Contract::V1 | Contract::V2 => Self::Cryptlex,
            Contract::Lifecycle => Self::Lifecycle,
        }
    }
}

/// The answer to a delivery.
pub fn answer<P: Provider>(shape: ReplyStyle, handled: &Result<Vec<Report>, Refusal>) -> Reply {
    match handled {
        Ok(reports) => reply_for(shape, reports, P::BATCHES),
        Err(refused) => refusal(shape, refused),
    }
}

/// The answer to a delivery from somebody who may not call, or not so often.
pub fn turned_away(shape: ReplyStyle, refused: &TurnedAway) -> Reply {
    let (status, retry_after) = match refused {
        TurnedAway::NotAllowed(_) | TurnedAway::Unknown => (StatusCode::FORBIDDEN, None),
        TurnedAway::TooMany(_, wait) => (StatusCode::TOO_MANY_REQUESTS, Some(*wait)),
    };
    Reply { retry_after, ..worded(shape, status, &refused.to_string()) }
}

/// Told where the failure does not know how long it lasts.
const USUAL_RETRY: Duration = Duration::from_secs(30);

/// The answer to a delivery that did not come to its events.
pub fn refusal(shape: ReplyStyle, refusal: &Refusal) -> Reply {
    match (shape, refusal) {
        (
            ReplyStyle::Cryptlex,
            Refusal::NotConfigured(text) | Refusal::NotEvents(text) | Refusal::Damaged(text),
        ) => message(StatusCode::BAD_REQUEST, text),
        (ReplyStyle::Cryptlex, Refusal::Unsigned { header, .. }) => {
            message(StatusCode::BAD_REQUEST, &contracts::no_header(header))
        }
        (ReplyStyle::Cryptlex, Refusal::Forged(why)) => {
            message(StatusCode::BAD_REQUEST, &contracts::not_verified(why))
        }
        (ReplyStyle::Cryptlex, Refusal::Stopped) => {
            message(StatusCode::BAD_REQUEST, "an internal error stopped the delivery; see the log")
        }
        (ReplyStyle::Lifecycle, Refusal::NotConfigured(text)) => {
            error(StatusCode::INTERNAL_SERVER_ERROR, text)
        }
        (ReplyStyle::Lifecycle, Refusal::Unsigned { header, is_there: false }) => {
            error(StatusCode::BAD_REQUEST, &contracts::missing_header(header))
        }
        // An empty one is there, and wrong.
        (ReplyStyle::Lifecycle, Refusal::Forged(_) | Refusal::Unsigned { is_there: true, .. }) => {
            error(StatusCode::UNAUTHORIZED, contracts::NOT_VERIFIED)
        }
        (ReplyStyle::Lifecycle, Refusal::NotEvents(_) | Refusal::Damaged(_)) => {
            error(StatusCode::BAD_REQUEST, contracts::NOT_AN_EVENT)
        }
        (ReplyStyle::Lifecycle, Refusal::Stopped) => {
            error(StatusCode::INTERNAL_SERVER_ERROR, contracts::FAILED)
        }
    }
}

/// The text under the key that the contract has for it.
pub fn worded(shape: ReplyStyle, status: StatusCode, text: &str) -> Reply {
    match shape {
        ReplyStyle::Cryptlex => message(status, text),
        ReplyStyle::Lifecycle => error(status, text),
    }
}

fn error(status: StatusCode, text: &str) -> Reply {
    json_reply(status, &json!({ "error": text }))
}

/// The answer to a delivery whose events were handled.
pub fn reply_for(shape: ReplyStyle, reports: &[Report], batches: bool) -> Reply {
    match shape {
        ReplyStyle::Cryptlex => cryptlex(reports, batches),
        ReplyStyle::Lifecycle => lifecycle(reports, batches),
    }
}

/// 200, 202 with the ids that are done, 500 for what a person must fix, 503 for what passes by itself.
fn lifecycle(reports: &[Report], batches: bool) -> Reply {
    let undone = undone(reports);
    let events = reports.iter().map(|report| &report.event);
    let done: Vec<&EventId> = events.filter(|event| !undone.contains(event)).collect();
    let failed: Vec<&Failure> =
        reports.iter().filter_map(|report| report.result.as_ref().err()).collect();
    if failed.is_empty() {
        let status = match are_refused_tests(reports) {
            true => contracts::TEST_REFUSED,
            false => contracts::SUCCESS,
        };
        return json_reply(StatusCode::OK, &json!({ "status": status }));
    }
    if batches && !done.is_empty() {
        return accepted(&done);
    }
    let passing = failed.iter().filter_map(|failure| match failure.class {
        Class::Person | Class::Token => None,
        Class::Passing(after) | Class::Delayed(after) => Some(after.unwrap_or(USUAL_RETRY)),
        Class::Buyer => Some(USUAL_RETRY),
    });
    match passing.max() {
        Some(after) => Reply {
            retry_after: Some(after),
            ..error(StatusCode::SERVICE_UNAVAILABLE, contracts::FAILED)
        },
        None => error(StatusCode::INTERNAL_SERVER_ERROR, contracts::FAILED),
    }
}

/// Somebody tries something, and would look for a license for long.
fn are_refused_tests(reports: &[Report]) -> bool {
    let mut outcomes = reports.iter().filter_map(|report| report.result.as_ref().ok());
    !reports.is_empty() && outcomes.all(|outcome| outcome.message == contracts::TEST_REFUSED)
}

/// `{"message": ..}` with a status.
pub fn message(status: StatusCode, text: &str) -> Reply {
    json_reply(status, &json!({ "message": text }))
}

/// A JSON body with a status.
pub fn json_reply(status: StatusCode, body: &Value) -> Reply {
    Reply { status, content_type: "application/json", body: body.to_string(), retry_after: None }
}

fn cryptlex(reports: &[Report], batches: bool) -> Reply {
    let undone = undone(reports);
    let done: Vec<(&EventId, &Outcome)> = reports
        .iter()
        .filter(|report| !undone.contains(&report.event))
        .filter_map(|report| Some((&report.event, report.result.as_ref().ok()?)))
        .collect();
    let failed: Vec<&Failure> =
        reports.iter().filter_map(|report| report.result.as_ref().err()).collect();
    match (failed.first(), done.as_slice()) {
        (None, [(_, outcome)]) => json_reply(
            StatusCode::OK,
            &json!({ "message": outcome.message, "data": data(outcome) }),
        ),
        (None, all) => all_done(all),
        (Some(_), done) if batches && !done.is_empty() => {
            accepted(&done.iter().map(|(id, _)| *id).collect::<Vec<_>>())
        }
        (Some(first), _) => {
            let text = texts_of(&failed);
            let retry_after = match first.class {
                Class::Person | Class::Token | Class::Buyer => None,
                Class::Passing(after) | Class::Delayed(after) => after,
            };
            Reply { retry_after, ..message(StatusCode::BAD_REQUEST, &text) }
        }
    }
}

/// The events of a batch that are not done. An id may come twice: it is done when it is done each time.
fn undone(reports: &[Report]) -> BTreeSet<&EventId> {
    reports.iter().filter(|report| report.result.is_err()).map(|report| &report.event).collect()
}

/// The first failures; a batch may hold thousands.
fn texts_of(failed: &[&Failure]) -> String {
    let mut texts: Vec<&str> =
        failed.iter().take(10).map(|failure| failure.message.as_str()).collect();
    let more = format!("and {} more failures", failed.len().saturating_sub(texts.len()));
    if failed.len() > texts.len() {
        texts.push(&more);
    }
    texts.join("; ")
}

fn all_done(all: &[(&EventId, &Outcome)]) -> Reply {
    let events: Vec<Value> = all
        .iter()
        .map(|(id, outcome)| json!({ "id": id, "message": outcome.message, "data": data(outcome) }))
        .collect();
    let text = contracts::all_processed(all.len());
    json_reply(StatusCode::OK, &json!({ "message": text, "data": { "events": events } }))
}

/// FastSpring repeats only what a 202 does not list, and everything after any other failure:
/// <https://developer.fastspring.com/reference/webhooks-overview>.
fn accepted(done: &[&EventId]) -> Reply {
    let ids: String = done.iter().map(|id| format!("{id}\n")).collect();
    Reply { status: StatusCode::ACCEPTED, content_type: "text/plain", body: ids, retry_after: None }
}

fn data(outcome: &Outcome) -> Value {
    let mut data = serde_json::Map::new();
    if let Some(user) = &outcome.user {
        data.insert("userId".to_owned(), json!(user));
    }
    if !outcome.licenses.is_empty() {
        data.insert("licenses".to_owned(), json!(outcome.licenses));
    }
    Value::Object(data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::command::LicenseLine;
    use crate::domain::ids::{LicenseId, UserId};

    fn report(id: &str, result: Result<&str, &str>) -> Report {
        let outcome = |message: &str| Outcome { message: message.to_owned(), ..Outcome::default() };
        let failure = |message: &str| Failure::passing(message, Some(Duration::from_secs(7)));
        Report { event: EventId::new(id).unwrap(), result: result.map(outcome).map_err(failure) }
    }

    fn check(reports: &[Report], batches: bool, status: u16, body: &str) {
        let reply = cryptlex(reports, batches);
        assert_eq!((reply.status.as_u16(), reply.body.as_str()), (status, body));
    }

    #[test]
    fn an_event_is_answered_with_ids_and_expiry_but_no_key() {
        let mut one = report("e1", Ok("License created successfully."));
        one.result = one.result.map(|outcome| Outcome {
            user: UserId::new("u1").ok(),
            licenses: vec![LicenseLine {
                id: LicenseId::new("l1").unwrap(),
                expires_at: "2027-09-01T00:00:00Z".parse().ok(),
            }],
            ..outcome
        });
        check(
            &[one],
            false,
            200,
            r#"{"data":{"licenses":[{"expiresAt":"2027-09-01T00:00:00Z","id":"l1"}],"userId":"u1"},"message":"License created successfully."}"#,
        );
        check(&[report("e1", Ok("Noted."))], true, 200, r#"{"data":{},"message":"Noted."}"#);
        check(&[report("e1", Err("no"))], false, 400, r#"{"message":"no"}"#);
    }

    #[test]
    fn a_batch_is_done_partly_done_or_failed() {
        let (done, failed) = (|| report("e1", Ok("a")), || report("e2", Err("b")));
        check(&[done(), failed()], true, 202, "e1\n");
        check(&[done(), report("e3", Ok("c")), failed()], true, 202, "e1\ne3\n");
        check(&[failed(), report("e4", Err("d"))], true, 400, r#"{"message":"b; d"}"#);
        assert_eq!(cryptlex(&[done(), report("e3", Ok("c"))], true).status, StatusCode::OK);
        check(
            &[],
            true,
            200,
            r#"{"data":{"events":[]},"message":"0 events processed successfully."}"#,
        );
        assert_eq!(cryptlex(&[failed()], true).retry_after, Some(Duration::from_secs(7)));
    }

    #[test]
    fn the_lifecycle_contract_tells_lasting_from_passing_failures() {
        let told = |reports: &[Report], batches| {
            let reply = lifecycle(reports, batches);
            (reply.status.as_u16(), reply.body, reply.retry_after.map(|after| after.as_secs()))
        };
        let (done, passing) = (|| report("e1", Ok("a")), || report("e2", Err("b")));
        let person = || Report { result: Err(Failure::person("c")), ..report("e3", Ok("")) };
        let unknown =
            || Report { result: Err(Failure::passing("d", None)), ..report("e4", Ok("")) };
        let failed = || r#"{"error":"Failed to process webhook event"}"#.to_owned();
        let success = || r#"{"status":"success"}"#.to_owned();
        assert_eq!(told(&[done()], false), (200, success(), None));
        assert_eq!(told(&[], true), (200, success(), None));
        assert_eq!(told(&[person()], false), (500, failed(), None));
        assert_eq!(told(&[passing()], false), (503, failed(), Some(7)));
        assert_eq!(told(&[unknown()], false), (503, failed(), Some(30)));
        assert_eq!(told(&[person(), passing()], true), (503, failed(), Some(7)));
        assert_eq!(told(&[person(), done()], true), (202, "e1\n".to_owned(), None));
    }

    #[test]
    fn an_id_given_twice_is_done_when_both_events_are_done() {
        let reports = [
            report("e1", Ok("a")),
            report("e2", Ok("b")),
            report("e1", Err("c")),
            report("e3", Ok("d")),
        ];
        check(&reports, true, 202, "e2\ne3\n");
        assert_eq!(lifecycle(&reports, true).body, "e2\ne3\n");
    }
}
