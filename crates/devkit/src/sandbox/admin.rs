//! `/sandbox/...`: what Rust code does with a [`Sandbox`](super::Sandbox), over HTTP. No token, not logged.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{
    deliveries::Announcement,
    fault::Fault,
    instant,
    reply::{Refusal, Reply},
    request::Request,
    state::State,
};

/// What `GET /sandbox` shows.
const CONTROLS: [&str; 11] = [
    "GET /: licenses, customers and calls on a page, for people",
    "GET /sandbox/state: licenses and users",
    "GET, DELETE /sandbox/calls: what was asked so far",
    r#"GET, POST /sandbox/deliveries: {"event": "stripe checkout-subscription"}, before an event is delivered; PUT /sandbox/deliveries/ID: {"answered": 200}, after it"#,
    r#"GET, PUT /sandbox/clock: {"now": "2026-10-01T00:00:00Z"}"#,
    "GET, PATCH /sandbox/settings: what the documentation leaves open, the rate limit, the latency",
    r#"POST /sandbox/faults: {"matches": {"method": "POST", "pathContains": "/renew"}, "kind": "droppedAnswer"}"#,
    "GET, DELETE /sandbox/faults: how many calls they will still hit, and have hit",
    "POST /sandbox/late: let effects arrive that were held back",
    "POST /sandbox/reset: as new",
    "everything else is the Web API under /v3, with the access token",
];

/// How long the texts of an announcement are at most. They are kept, and the page shows less.
const MOST_CHARS: usize = 1_000;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Clock {
    now: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ended {
    /// Nothing if no answer came.
    answered: Option<u16>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Faults {
    One(Fault),
    Several(Vec<Fault>),
}

/// Carries a request out.
pub(super) fn answer(state: &mut State, request: &Request) -> Reply {
    carry_out(state, request).unwrap_or_else(Reply::from).for_people()
}

fn carry_out(state: &mut State, request: &Request) -> Result<Reply, Refusal> {
    let segments: Vec<&str> = request.segments.iter().skip(1).map(String::as_str).collect();
    match (request.method.as_str(), segments.as_slice()) {
        ("GET", []) => Ok(Reply::json(200, &json!(CONTROLS))),
        ("GET", ["state"]) => {
            let licenses: Vec<_> = state.world.licenses.all().collect();
            let users: Vec<_> = state.world.users.all().collect();
            Ok(Reply::json(200, &json!({ "licenses": licenses, "users": users })))
        }
        ("GET", ["calls"]) => Ok(Reply::json(200, &state.calls)),
        ("DELETE", ["calls"]) => {
            state.clear_calls();
            Ok(Reply::no_content())
        }
        ("GET", ["deliveries"]) => Ok(Reply::json(200, &state.deliveries.all())),
        ("POST", ["deliveries"]) => {
            let posted: Announcement = read(&request.body)?;
            let texts = [Some(&posted.event), posted.about.as_ref()];
            if texts.into_iter().flatten().any(|text| text.chars().count() > MOST_CHARS) {
                let wrong = format!("'event' and 'about' have at most {MOST_CHARS} characters");
                return Err(Refusal::invalid(wrong));
            }
            let id = state.begin_delivery(posted);
            Ok(Reply::json(200, &json!({ "id": id })))
        }
        ("PUT", ["deliveries", id]) => {
            let Ended { answered } = read(&request.body)?;
            match id.parse().is_ok_and(|id| state.end_delivery(id, answered)) {
                true => Ok(Reply::no_content()),
                false => Err(Refusal::not_found(format!("delivery {id} is not under way"))),
            }
        }
        ("GET", ["clock"]) => Ok(clock(state)),
        ("PUT", ["clock"]) => {
            let posted: Clock = read(&request.body)?;
            let now = instant::read(&posted.now);
            let wrong = || {
                let wanted = "an ISO 8601 date-time with an offset, in a year from 0001 to 9999";
                Refusal::invalid(format!("'now' must be {wanted}"))
            };
            state.world.set_now(now.filter(|now| instant::has_date(*now)).ok_or_else(wrong)?);
            Ok(clock(state))
        }
        ("GET", ["settings"]) => Ok(Reply::json(200, &state.settings)),
        ("PATCH", ["settings"]) => {
            let changes: serde_json::Map<String, Value> = read(&request.body)?;
            let mut settings = json!(state.settings);
            for (name, value) in changes {
                settings[name] = value;
            }
            let wrong = |error: serde_json::Error| Refusal::invalid(error.to_string());
            state.settings = serde_json::from_value(settings).map_err(wrong)?;
            Ok(Reply::json(200, &state.settings))
        }
        ("POST", ["faults"]) => {
            match read(&request.body)? {
                Faults::One(fault) => state.faults.push(fault),
                Faults::Several(faults) => faults.into_iter().for_each(|it| state.faults.push(it)),
            }
            Ok(Reply::json(200, &json!({ "left": state.faults.left() })))
        }
        ("GET", ["faults"]) => {
            let (left, hits) = (state.faults.left(), *state.hits.borrow());
            Ok(Reply::json(200, &json!({ "left": left, "hits": hits })))
        }
        ("DELETE", ["faults"]) => {
            state.faults.clear();
            Ok(Reply::no_content())
        }
        ("POST", ["late"]) => Ok(Reply::json(200, &json!({ "released": state.release_late() }))),
        ("POST", ["reset"]) => {
            state.reset();
            Ok(Reply::no_content())
        }
        (method, path) => {
            Err(Refusal::not_found(format!("no call {method} /sandbox/{}", path.join("/"))))
        }
    }
}

fn clock(state: &State) -> Reply {
    Reply::json(200, &Clock { now: format!("{:.7}", state.world.now()) })
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| Refusal::invalid(error.to_string()))
}
