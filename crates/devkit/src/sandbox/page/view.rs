//! What the page shows, as texts that are short enough. The template escapes them.

use askama::Template;
use jiff::Timestamp;

use super::super::{
    catalogue,
    deliveries::Delivery,
    license::{License, StartTrigger},
    state::{Call, State},
    user::User,
};

/// How many rows of a table are shown.
const MOST_ROWS: usize = 100;
/// How many characters of a text are shown.
const MOST_CHARS: usize = 120;

#[derive(Template)]
#[template(path = "sandbox.html")]
pub(super) struct Page {
    style: &'static str,
    script: &'static str,
    clock: String,
    /// One sentence, which a screen reader is told when it changes.
    summary: String,
    licenses: Rows<LicenseRow>,
    customers: Rows<CustomerRow>,
    log: Rows<Group>,
}

/// The newest first.
struct Rows<T> {
    shown: Vec<T>,
    /// How many there are in addition.
    more: usize,
}

struct LicenseRow {
    id: String,
    product: String,
    /// Whether the product is one of every sandbox, with a short name.
    known: bool,
    key: String,
    /// Name and e-mail.
    customer: Option<(String, String)>,
    end: End,
    status: Status,
}

enum End {
    /// For machines, and for people.
    At(String, String),
    Never,
    OnActivation,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Status {
    Active,
    Suspended,
    Revoked,
    Expired,
}

struct CustomerRow {
    id: String,
    name: String,
    email: String,
    licenses: usize,
}

/// Calls that came one after the other and belong to the same event, if one is known.
struct Group {
    /// Unlike that of any other group, and the same while the group is shown.
    key: String,
    delivery: Option<DeliveryRow>,
    calls: Vec<CallRow>,
}

struct DeliveryRow {
    about: Option<String>,
    event: String,
    day: String,
    answer: String,
    /// Whether it succeeded and certainly made no call.
    without_calls: bool,
}

struct CallRow {
    method: String,
    path: String,
    answer: String,
    failed: bool,
}

impl Page {
    pub(super) fn of(state: &State, style: &'static str, script: &'static str) -> Page {
        let now = state.world.now();
        let licenses: Vec<&License> = state.world.licenses.all().collect();
        let users: Vec<&User> = state.world.users.all().collect();
        Page {
            style,
            script,
            clock: day_and_time(now),
            summary: summary(&licenses, now),
            customers: newest(&users, |user| CustomerRow::of(user, &licenses)),
            licenses: newest(&licenses, |license| LicenseRow::of(license, now)),
            log: log(&state.calls, state.deliveries.all()),
        }
    }
}

/// `5 licenses: 4 active, 1 suspended`
fn summary(licenses: &[&License], now: Timestamp) -> String {
    if licenses.is_empty() {
        return "No licenses yet".to_owned();
    }
    let all = [Status::Active, Status::Suspended, Status::Revoked, Status::Expired];
    let counted = all.into_iter().filter_map(|status| {
        let number = licenses.iter().filter(|it| Status::of(it, now) == status).count();
        (number > 0).then(|| format!("{number} {}", status.word()))
    });
    let counted = counted.collect::<Vec<_>>().join(", ");
    let noun = if licenses.len() == 1 { "license" } else { "licenses" };
    format!("{} {noun}: {counted}", licenses.len())
}

fn newest<T, R>(all: &[&T], row: impl Fn(&T) -> R) -> Rows<R> {
    let shown: Vec<R> = all.iter().rev().take(MOST_ROWS).map(|item| row(item)).collect();
    Rows { more: all.len() - shown.len(), shown }
}

impl LicenseRow {
    fn of(license: &License, now: Timestamp) -> LicenseRow {
        let name = catalogue::product_name(&license.product_id);
        LicenseRow {
            id: clip(&license.id),
            product: clip(name.unwrap_or(&license.product_id)),
            known: name.is_some(),
            key: clip(&license.key),
            customer: license.user.as_ref().map(|user| (clip(&user.name), clip(&user.email))),
            end: match (license.expires_at, license.subscription_start_trigger) {
                (Some(end), _) => End::At(end.to_string(), day_and_time(end)),
                (None, Some(StartTrigger::Activation)) => End::OnActivation,
                (None, Some(StartTrigger::Creation) | None) => End::Never,
            },
            status: Status::of(license, now),
        }
    }
}

impl Status {
    fn of(license: &License, now: Timestamp) -> Status {
        match license {
            License { revoked: true, .. } => Status::Revoked,
            License { suspended: true, .. } => Status::Suspended,
            License { expires_at: Some(end), .. } if *end <= now => Status::Expired,
            License { .. } => Status::Active,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Status::Active => "active",
            Status::Suspended => "suspended",
            Status::Revoked => "revoked",
            Status::Expired => "expired",
        }
    }
}

impl CustomerRow {
    fn of(user: &User, licenses: &[&License]) -> CustomerRow {
        let own = |license: &&&License| license.user.as_ref().is_some_and(|it| it.id == user.id);
        CustomerRow {
            id: clip(&user.id),
            name: clip(&user.name),
            email: clip(&user.email),
            licenses: licenses.iter().filter(own).count(),
        }
    }
}

/// The last calls, and the deliveries around them, newest first.
fn log(calls: &[Call], deliveries: &[Delivery]) -> Rows<Group> {
    let first = calls.len().saturating_sub(MOST_ROWS);
    let begun = deliveries.iter().skip(deliveries.len().saturating_sub(MOST_ROWS));
    let mut begun = begun.filter(|delivery| delivery.first_call >= first).peekable();
    // The last group's delivery, and the group. A call belongs to the last group or begins the next one.
    let mut groups: Vec<(Option<u64>, Group)> = Vec::new();
    for at in first..=calls.len() {
        while let Some(delivery) = begun.next_if(|delivery| delivery.first_call <= at) {
            let key = format!("event-{}", delivery.id);
            groups.push((Some(delivery.id), Group::of(key, Some(delivery))));
        }
        let Some(call) = calls.get(at) else { break };
        if groups.last().is_none_or(|(during, _)| *during != call.during) {
            let known = deliveries.iter().find(|delivery| Some(delivery.id) == call.during);
            groups.push((call.during, Group::of(format!("call-{at}"), known)));
        }
        if let Some((_, group)) = groups.last_mut() {
            group.calls.insert(0, CallRow::of(call));
        }
    }
    let mut shown: Vec<Group> = groups.into_iter().rev().map(|(_, group)| group).collect();
    for group in &mut shown {
        if let Some(delivery) = &mut group.delivery {
            delivery.without_calls &= group.calls.is_empty();
        }
    }
    Rows { shown, more: first }
}

impl Group {
    fn of(key: String, delivery: Option<&Delivery>) -> Group {
        Group { key, delivery: delivery.map(DeliveryRow::of), calls: vec![] }
    }
}

impl DeliveryRow {
    fn of(delivery: &Delivery) -> DeliveryRow {
        DeliveryRow {
            about: delivery.announcement.about.as_deref().map(clip),
            event: clip(&delivery.announcement.event),
            day: day_and_time(delivery.at),
            answer: match (delivery.answered, delivery.over) {
                (Some(status), _) => format!("answered {status}"),
                (None, true) => "not answered".to_owned(),
                (None, false) => "under way".to_owned(),
            },
            without_calls: delivery.sure && delivery.answered.is_some_and(|it| it < 300),
        }
    }
}

impl CallRow {
    fn of(call: &Call) -> CallRow {
        let answer = call.status.map_or("none".to_owned(), |status| status.to_string());
        CallRow {
            method: clip(&call.method),
            path: clip(&call.path),
            answer: match &call.fault {
                Some(fault) => format!("{answer} (fault: {})", clip(fault)),
                None => answer,
            },
            failed: call.status.is_none_or(|status| status >= 400),
        }
    }
}

/// `2027-09-01`, with the time if it is not midnight.
fn day_and_time(instant: Timestamp) -> String {
    let midnight = instant.as_second().rem_euclid(24 * 60 * 60) == 0;
    instant.strftime(if midnight { "%Y-%m-%d" } else { "%Y-%m-%d %H:%M" }).to_string()
}

fn clip(text: &str) -> String {
    match text.char_indices().nth(MOST_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
