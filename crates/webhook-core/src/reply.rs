//! What a provider is told: a pure function of what became of the events it delivered.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use crate::command::Outcome;
use crate::ids::EventId;

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

/// What became of one event.
#[derive(Debug)]
pub struct Report {
    /// The event.
    pub event: EventId,
    /// Done, ignored and duplicate events have an outcome.
    pub result: Result<Outcome, Failure>,
}

/// An event that was not done; the provider is to deliver it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What happened, to which object, what to do. Nothing secret or personal.
    pub message: String,
    /// Whether a person must act.
    pub class: Class,
}

/// What it takes for a failure to pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// A person must fix something.
    Person,
    /// Time, or another event.
    Passing(Option<Duration>),
}

impl Failure {
    /// A failure that stays until a person acts.
    pub fn person(message: impl Into<String>) -> Self {
        Self { message: message.into(), class: Class::Person }
    }

    /// A failure that passes by itself.
    pub fn passing(message: impl Into<String>, retry_after: Option<Duration>) -> Self {
        Self { message: message.into(), class: Class::Passing(retry_after) }
    }
}

/// `{"message": ..}` with a status.
pub fn message(status: StatusCode, text: &str) -> Reply {
    json_reply(status, &json!({ "message": text }))
}

/// A JSON body with a status.
pub fn json_reply(status: StatusCode, body: &Value) -> Reply {
    Reply { status, content_type: "application/json", body: body.to_string(), retry_after: None }
}

/// The contract of `/v1` and `/v2`: 200 with message and data, every failure 400 with a message.
pub fn cryptlex(reports: &[Report], batches: bool) -> Reply {
    let done: Vec<(&EventId, &Outcome)> = reports
        .iter()
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
        (Some(_), done) if batches && !done.is_empty() => accepted(done),
        (Some(first), _) => {
            let text = told(&failed);
            let retry_after = match first.class {
                Class::Person => None,
                Class::Passing(after) => after,
            };
            Reply { retry_after, ..message(StatusCode::BAD_REQUEST, &text) }
        }
    }
}

/// The first failures; a batch may hold thousands.
fn told(failed: &[&Failure]) -> String {
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
    let text = format!("{} events processed successfully.", all.len());
    json_reply(StatusCode::OK, &json!({ "message": text, "data": { "events": events } }))
}

/// FastSpring repeats only what a 202 does not list, and everything after any other failure:
/// <https://developer.fastspring.com/reference/webhooks-overview>.
fn accepted(done: &[(&EventId, &Outcome)]) -> Reply {
    let ids: String = done.iter().map(|(id, _)| format!("{id}\n")).collect();
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
    use crate::command::LicenseLine;
    use crate::ids::{LicenseId, UserId};

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
    fn one_event_is_told_with_ids_and_expiry_and_never_with_a_key() {
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
}
