//! `transaction.completed`: its origin tells a purchase from a renewal.

use jiff::Timestamp;
use serde_json_borrow::Value;

use super::super::{
    Named, Profile as _, add_up, amount, marks, payment_ids, product_and_template, quantity,
    subject_of,
};
use super::{Paddle, SUBSCRIPTION_KEY, TRANSACTION_KEY, about, unnamed_customer};
use crate::domain::command::{
    Action, Command, Customer, Grant, Line, Note, PaidItem, Payment, PaymentScope, ProductSource,
    Renew, Subject, SubjectKind, Term, Through, Unmapped, Unreadable,
};
use crate::domain::ids::CustomerId;
use crate::domain::interval::Interval;
use crate::providers::json::Object;

pub(super) enum Decided {
    Commands(Vec<Command>),
    Nothing(&'static str),
}

/// Who paid for what, by the transaction's origin.
pub(super) fn completed(transaction: &Object<'_>) -> Result<Decided, Unreadable> {
    let commands = match transaction.text("origin") {
        Some("web" | "api") => purchase(transaction)?,
        Some("subscription_recurring" | "subscription_update") if sold_once(transaction).all_is => {
            vec![charge(transaction)?]
        }
        Some("subscription_recurring" | "subscription_update") => renewal(transaction)?,
        Some("subscription_charge") => vec![charge(transaction)?],
        Some("subscription_payment_method_change") => {
            return Ok(Decided::Nothing("only the payment method changed"));
        }
        Some(_) => {
            return Ok(Decided::Nothing("the transaction has an origin that sells nothing"));
        }
        None => return Err(transaction.lacks("origin")),
    };
    let known = |command: Command| {
        let kind = command.subject.kind;
        let payments = payment_ids([transaction.text("id")]);
        let payment = payment(transaction, kind);
        Command { payments, payment, ..command }
    };
    Ok(Decided::Commands(commands.into_iter().map(known).collect()))
}

/// What the whole transaction brought, and what of it is the subject's.
fn payment(transaction: &Object<'_>, kind: SubjectKind) -> Payment {
    let details = transaction.object("details", "details");
    let totals = details.and_then(|details| details.object("totals", "totals"));
    // Where credit paid all of it, the grand total is 0 and the total is not. Otherwise refunds are compared with the total.
    let total = totals.and_then(|totals| {
        let [total, due] = ["total", "grand_total"].map(|field| totals.minor_units(field));
        due.filter(|due| *due == 0).or(total).or(due)
    });
    let currency = transaction
        .currency("currency_code")
        .or_else(|| totals.and_then(|totals| totals.currency("currency_code")));
    let lines = details.map(|details| details.objects("line_items", "line item"));
    let recurs = kind == SubjectKind::Subscription;
    let own = lines
        .unwrap_or_default()
        .into_iter()
        .filter(|line| is_of_a_recurring_price(transaction, line.text("price_id")) == recurs);
    let item = |line: Object<'_>| {
        let totals = line.object("totals", "totals");
        let value = totals.and_then(|totals| totals.minor_units("total"));
        Some(PaidItem { id: line.text("id")?.to_owned(), value })
    };
    // What was sold once has no period.
    let period = transaction.object("billing_period", "billing period").filter(|_| recurs);
    Payment {
        amount: amount(total, currency),
        items: own.filter_map(item).collect(),
        // Nothing depends on it alone, so what is no time is as good as none.
        starts: period.and_then(|period| period.rfc3339("starts_at").ok().flatten()),
        ..Payment::default()
    }
}

/// Whether a line is of a price that recurs. One whose price is not among the items recurs if the transaction belongs to a
/// subscription.
fn is_of_a_recurring_price(transaction: &Object<'_>, id: Option<&str>) -> bool {
    let items = transaction.value("items").and_then(Value::as_array).unwrap_or_default();
    let mut prices = items.iter().map(|item| item.get("price"));
    let own = prices.find(|price| price.get("id").as_str() == id);
    own.map_or_else(
        || transaction.text("subscription_id").is_some(),
        |price| price.get("billing_cycle").is_object(),
    )
}

/// A payment for the subscription, and for whatever was charged once and waited for its next period.
fn renewal(transaction: &Object<'_>) -> Result<Vec<Command>, Unreadable> {
    let subject = subscription(transaction)?;
    let renewal = match billing_period_end(transaction)? {
        Some(end) => {
            let else_buys = bought_by_renewing(transaction).map(Box::new);
            let (through, scope) = (Through::Until(end), PaymentScope::Period);
            about(subject, Action::Renew(Renew { through, scope, else_buys }))
        }
        None => about(subject, Action::Note(Note::of("the transaction has no billing period"))),
    };
    let mut commands = vec![renewal];
    // Most have none, and need nothing of their lines.
    if sold_once(transaction).anything_is {
        match one_time_lines(transaction) {
            Ok(grant) => commands.extend(grant),
            // The period is paid for all the same.
            Err(unreadable) => commands.push(unreadable_lines(itself(transaction)?, &unreadable)),
        }
    }
    Ok(commands)
}

/// What the recurring lines grant where nothing was bought before, if one of them names its product. What cannot be read of
/// them keeps no renewal from counting.
fn bought_by_renewing(transaction: &Object<'_>) -> Option<Grant> {
    let lines = lines(transaction, |recurring| recurring).ok()?;
    let buyer = buyer(transaction, &lines).ok()??;
    let paid_through = billing_period_end(transaction).ok()?;
    Some(Grant { paid_through, ..grant(lines, Some(buyer)) })
}

/// What of its items does not recur.
struct SoldOnce {
    anything_is: bool,
    all_is: bool,
}

/// Looked at in place: every renewal is asked.
fn sold_once(transaction: &Object<'_>) -> SoldOnce {
    let items = transaction.value("items").and_then(Value::as_array).unwrap_or_default();
    let prices = items.iter().filter_map(|item| item.get("price").as_object());
    let is_once = prices.map(|price| price.get("billing_cycle").is_none_or(Value::is_null));
    let (once, all) = is_once.fold((0, 0), |(n, all), is_once| (n + u32::from(is_once), all + 1));
    SoldOnce { anything_is: once > 0, all_is: once > 0 && once == all }
}

/// Recurring lines belong to the subscription, one-time lines to the transaction.
fn purchase(transaction: &Object<'_>) -> Result<Vec<Command>, Unreadable> {
    let lines = lines(transaction, |_any| true)?;
    let buyer = buyer(transaction, &lines)?;
    let (recurring, one_time): (Vec<_>, Vec<_>) =
        lines.into_iter().partition(|line| line.recurring);
    let mut commands = Vec::new();
    for (lines, kind) in [(recurring, SubjectKind::Subscription), (one_time, SubjectKind::Order)] {
        if lines.is_empty() {
            continue;
        }
        let grant = grant(lines, buyer.clone());
        let (subject, grant) = match kind {
            SubjectKind::Subscription => {
                let paid_through = billing_period_end(transaction)?;
                (subscription(transaction)?, Grant { paid_through, ..grant })
            }
            SubjectKind::Order | SubjectKind::Customer => (itself(transaction)?, grant),
        };
        commands.push(granting(subject, grant));
    }
    Ok(commands)
}

/// Something sold once on a running subscription.
fn charge(transaction: &Object<'_>) -> Result<Command, Unreadable> {
    if let Some(sold) = one_time_lines(transaction)? {
        return Ok(sold);
    }
    let note = Note::of("no one-time line of the charge is mapped to Cryptlex");
    Ok(about(itself(transaction)?, Action::Note(note)))
}

/// What the one-time lines grant, if any of them is ours. It resumes nothing and moves no expiry.
fn one_time_lines(transaction: &Object<'_>) -> Result<Option<Command>, Unreadable> {
    let mut lines = lines(transaction, |recurring| !recurring)?;
    lines.retain(ReadLine::is_ours);
    if lines.is_empty() {
        return Ok(None);
    }
    let buyer = buyer(transaction, &lines)?;
    Ok(Some(granting(itself(transaction)?, grant(lines, buyer))))
}

fn unreadable_lines(subject: Subject, why: &Unreadable) -> Command {
    let (line, problem) = ("what was charged once".to_owned(), why.to_string());
    let nothing = grant(Vec::new(), None);
    granting(subject, Grant { unmapped: vec![Unmapped { line, problem }], ..nothing })
}

/// Locks the customer, so that no other event works on them: their licenses may be moving from a placeholder to their user.
fn granting(subject: Subject, grant: Grant) -> Command {
    Command { locks_customer: true, ..about(subject, Action::Grant(grant)) }
}

fn grant(read: Vec<ReadLine>, buyer: Option<Customer>) -> Grant {
    let order_is_mapped = buyer.is_some();
    let (mut lines, mut unmapped, mut foreign) = (Vec::new(), Vec::new(), false);
    for line in read {
        match line.read {
            Read::Line(line) => lines.push(*line),
            Read::Partly(line) => unmapped.push(line),
            Read::Nothing(_) if order_is_mapped => foreign = true,
            Read::Nothing(line) => unmapped.push(line),
        }
    }
    let lines = add_up(lines);
    Grant {
        customer: buyer.filter(|_| !lines.is_empty()),
        nobody: None,
        lines,
        unmapped,
        foreign,
        paid_through: None,
        scope: PaymentScope::Period,
        named_by: ProductSource::Line,
        ordered_at: None,
        else_renews: None,
        is_paid: true,
    }
}

/// An entry of `items`: it alone knows whether a price recurs. Only a license that is made needs to know how often.
struct Item<'a> {
    price: &'a str,
    cycle: Option<Object<'a>>,
}

fn items<'a>(transaction: &Object<'a>) -> Vec<Item<'a>> {
    let told = transaction.objects("items", "transaction item");
    let mut items = Vec::with_capacity(told.len());
    for item in told {
        let Some(price) = item.object("price", "price") else {
            continue;
        };
        let Some(id) = price.text("id") else { continue };
        items.push(Item { price: id, cycle: price.object("billing_cycle", "billing cycle") });
    }
    items
}

pub(super) fn interval(cycle: &Object<'_>) -> Result<Interval, Unreadable> {
    let unit = match cycle.text("interval") {
        Some("day") => 'D',
        Some("week") => 'W',
        Some("month") => 'M',
        Some("year") => 'Y',
        Some(_) => return Err(cycle.misshapen("interval", "day, week, month or year")),
        None => return Err(cycle.lacks("interval")),
    };
    let frequency = cycle.count("frequency")?.ok_or_else(|| cycle.lacks("frequency"))?;
    Interval::of(frequency, unit)
        .map_err(|_not_positive| cycle.misshapen("frequency", "a number above 0"))
}

struct ReadLine {
    recurring: bool,
    read: Read,
}

impl ReadLine {
    /// Whether its product says anything about Cryptlex.
    fn is_ours(&self) -> bool {
        match self.read {
            Read::Line(_) | Read::Partly(_) => true,
            Read::Nothing(_) => false,
        }
    }
}

enum Read {
    Line(Box<Line>),
    Partly(Unmapped),
    Nothing(Unmapped),
}

/// Lines that are not wanted, recurring or one-time ones, need not be readable.
fn lines(
    transaction: &Object<'_>,
    is_wanted: impl Fn(bool) -> bool,
) -> Result<Vec<ReadLine>, Unreadable> {
    let items = items(transaction);
    let details =
        transaction.object("details", "details").ok_or_else(|| transaction.lacks("details"))?;
    let lines = details.objects("line_items", "line item");
    if lines.is_empty() {
        return Err(transaction.lacks("details.line_items"));
    }
    let mut read = Vec::new();
    for line in &lines {
        let price = line.text("price_id").ok_or_else(|| line.lacks("price_id"))?;
        let item = items.iter().find(|item| item.price == price);
        // A line whose price is not among the items recurs if the transaction belongs to a subscription.
        let recurring =
            item.map_or(transaction.text("subscription_id").is_some(), |item| item.cycle.is_some());
        if is_wanted(recurring) {
            let cycle = item.and_then(|item| item.cycle.as_ref());
            let line = read_line(transaction, line, price, (recurring, cycle))?;
            read.push(ReadLine { recurring, read: line });
        }
    }
    Ok(read)
}

fn read_line(
    transaction: &Object<'_>,
    line: &Object<'_>,
    price: &str,
    (recurring, cycle): (bool, Option<&Object<'_>>),
) -> Result<Read, Unreadable> {
    let custom_data = line
        .object("product", "product")
        .and_then(|product| product.object("custom_data", "custom data"));
    let custom = |name| custom_data.as_ref().and_then(|data| data.text(name));
    let names = ["cryptlex_product_id", "cryptlex_license_template_id"];
    let unmapped = |problem| Unmapped { line: price.to_owned(), problem };
    let [product, template] = names.map(custom);
    Ok(match product_and_template(product, template, names) {
        Named::Partly(problem) => Read::Partly(unmapped(problem)),
        Named::None => Read::Nothing(unmapped(format!("{} are not set", names.join(" and ")))),
        Named::Whole(mapping) => {
            let (subject, key) = match recurring {
                true => (subscription(transaction)?, SUBSCRIPTION_KEY),
                false => (itself(transaction)?, TRANSACTION_KEY),
            };
            let term = match (cycle, recurring) {
                (Some(cycle), _) => Term::Every(interval(cycle)?),
                (None, true) => Term::Template,
                (None, false) => Term::Perpetual,
            };
            Read::Line(Box::new(Line {
                key: price.to_owned(),
                quantity: quantity(line)?,
                quantity_means: None,
                mapping: Some(mapping),
                term,
                driver: None,
                max_release: None,
                metadata: marks(&[key], subject.id.as_str()),
            }))
        }
    })
}

fn subscription(transaction: &Object<'_>) -> Result<Subject, Unreadable> {
    let id = transaction.text("subscription_id");
    subject_of(Paddle::NAME, SubjectKind::Subscription, transaction, "subscription_id", id)
}

fn itself(transaction: &Object<'_>) -> Result<Subject, Unreadable> {
    subject_of(Paddle::NAME, SubjectKind::Order, transaction, "id", transaction.text("id"))
}

/// Who gets the licenses, if any of the lines names a product.
fn buyer(transaction: &Object<'_>, lines: &[ReadLine]) -> Result<Option<Customer>, Unreadable> {
    if !lines.iter().any(|line| matches!(line.read, Read::Line(_))) {
        return Ok(None);
    }
    let id = transaction.text("customer_id").ok_or_else(|| transaction.lacks("customer_id"))?;
    let id =
        CustomerId::new(id).map_err(|_not_an_id| transaction.misshapen("customer_id", "an id"))?;
    Ok(Some(unnamed_customer(id)))
}

/// Until when a transaction pays, also the first one: a trial, free or paid, and a period of an invoice are as long as it
/// says, whatever the interval of the price is.
fn billing_period_end(transaction: &Object<'_>) -> Result<Option<Timestamp>, Unreadable> {
    match transaction.object("billing_period", "billing period") {
        Some(period) => period.rfc3339("ends_at"),
        None => Ok(None),
    }
}
