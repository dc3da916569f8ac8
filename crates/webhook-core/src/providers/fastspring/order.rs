//! `order.completed`: plain items, subscriptions, bundles and add-ons, in one order side by side.

use std::borrow::Cow;

use super::super::{
    Named, Profile as _, add_up, amount, marks, payment_ids, product_and_template, quantity,
    subject_of, subscribed_quantity,
};
use super::attributes::{Attributes, product_path};
use super::receiver::receiver;
use super::{DRIVER_KEY, FastSpring, ORDER_KEY, SUBSCRIPTION_KEY};
use crate::domain::command::{
    Action, Command, Customer, Grant, Line, Note, NoteEffect, PaidItem, Payment, PaymentScope,
    ProductSource, Subject, SubjectKind, Term, Unmapped, Unreadable,
};
use crate::domain::ids::Mark;
use crate::domain::interval::Interval;
use crate::providers::json::Object;
use jiff::Timestamp;

/// One command per subject: the order itself, and each subscription in it.
pub(super) fn completed(order: &Object<'_>) -> Result<Vec<Command>, Unreadable> {
    let id = order.text("id").or(order.reference("order"));
    let subject = subject_of(FastSpring::NAME, SubjectKind::Order, order, "id", id)?;
    if order.flag("completed") != Some(true) {
        return Ok(vec![command(subject, Action::Note(Note::of("the order is not completed")))]);
    }
    let items = order.objects("items", "order item");
    if items.is_empty() {
        return Err(order.lacks("items"));
    }
    let mut purchases = purchases(order, &subject, &items)?;
    let mapped = purchases.iter().any(|purchase| !purchase.lines.is_empty());
    let customer = if mapped { Some(receiver(order)?) } else { None };
    if !mapped {
        blame_the_lines(&mut purchases);
    }
    purchases.retain(|p| !p.lines.is_empty() || !p.unmapped.is_empty() || !p.foreign.is_empty());
    let payments = payment_ids([Some(subject.id.as_str())]);
    let amount = amount(order.thousandths("total"), order.currency("currency"));
    let command = |mut purchase: Purchase| {
        let (payments, amount) = (payments.clone(), amount.clone());
        let items = std::mem::take(&mut purchase.paid);
        let payment = Payment { amount, items, ..Payment::default() };
        Command { payments, payment, ..purchase.into_command(customer.clone()) }
    };
    Ok(purchases.into_iter().map(command).collect())
}

/// The items by whose they are.
fn purchases(
    order: &Object<'_>,
    subject: &Subject,
    items: &[Object<'_>],
) -> Result<Vec<Purchase>, Unreadable> {
    let mut purchases: Vec<Purchase> = Vec::new();
    for item in items {
        let belongs = belonging(order, subject, item, items)?;
        if !purchases.iter().any(|purchase| purchase.subject == belongs.subject) {
            purchases.push(Purchase::new(belongs.subject.clone()));
        }
        let Some(purchase) =
            purchases.iter_mut().find(|purchase| purchase.subject == belongs.subject)
        else {
            continue;
        };
        // What is added to a subscription does not pay for it; what renews by itself pays for itself.
        if !matches!(belongs.kind, Kind::AddOn { to_another: true }) {
            purchase.scope = PaymentScope::Period;
            purchase.ends(item)?;
        }
        purchase.take(line(item, items, &belongs)?);
        add_paid(&mut purchase.paid, item);
    }
    Ok(purchases)
}

/// `fulfillment.failed`: a paid order that FastSpring could not fulfil. `order.completed` does not come for it
/// (<https://developer.fastspring.com/docs/ordercompleted>), so a person must see to it.
pub(super) fn not_fulfilled(fulfillment: &Object<'_>) -> Result<Command, Unreadable> {
    let [order, subscription] = ["order", "subscription"].map(|field| fulfillment.reference(field));
    let (kind, field, id) = match subscription {
        Some(id) => (SubjectKind::Subscription, "subscription", Some(id)),
        None => (SubjectKind::Order, "order", order),
    };
    let subject = subject_of(FastSpring::NAME, kind, fulfillment, field, id)?;
    let line = product_path(fulfillment).map_or_else(|| subject.to_string(), str::to_owned);
    let problem = "FastSpring sends no order.completed for it, so no license is made".to_owned();
    let why = "a fulfillment failed, and the order was completed all the same";
    let effect = NoteEffect::Undelivered(Unmapped { line, problem });
    Ok(command(subject, Action::Note(Note { why, effect })))
}

/// What an order holds for one subject.
pub(super) struct Purchase {
    subject: Subject,
    lines: Vec<Line>,
    unmapped: Vec<Unmapped>,
    foreign: Vec<String>,
    pub(super) paid_through: Option<Timestamp>,
    /// What is bought later for a subscription does not pay for the subscription.
    pub(super) scope: PaymentScope,
    paid: Vec<PaidItem>,
}

impl Purchase {
    pub(super) fn new(subject: Subject) -> Self {
        Self {
            subject,
            lines: Vec::new(),
            unmapped: Vec::new(),
            foreign: Vec::new(),
            paid_through: None,
            scope: PaymentScope::OneOff,
            paid: Vec::new(),
        }
    }

    /// The next charge of a subscription is due when what was paid, or the trial, ends.
    fn ends(&mut self, item: &Object<'_>) -> Result<(), Unreadable> {
        let Some(subscription) = item.object("subscription", "subscription") else { return Ok(()) };
        self.paid_through = self.paid_through.max(subscription.millis("next")?);
        Ok(())
    }

    pub(super) fn take(&mut self, read: Read) {
        match read {
            Read::Line(line) => self.lines.push(*line),
            Read::Partly(unmapped) => self.unmapped.push(unmapped),
            Read::Foreign(path) => self.foreign.push(path),
            Read::BundleItself => {}
        }
    }

    /// Whether anything of it is ours.
    pub(super) fn has_lines(&self) -> bool {
        !self.lines.is_empty()
    }

    fn into_command(self, customer: Option<Customer>) -> Command {
        let (subject, grant) = self.into_grant(customer);
        command(subject, Action::Grant(grant))
    }

    pub(super) fn into_grant(self, customer: Option<Customer>) -> (Subject, Grant) {
        let mut lines = add_up(self.lines);
        // What was added takes its interval and expiry from what it was added to.
        lines.sort_by_key(|line| matches!(line.term, Term::AsParent(_)));
        let grant = Grant {
            customer: customer.filter(|_| !lines.is_empty()),
            nobody: None,
            lines,
            unmapped: self.unmapped,
            foreign: !self.foreign.is_empty(),
            paid_through: self.paid_through,
            scope: self.scope,
            named_by: ProductSource::Line,
            ordered_at: None,
            else_renews: None,
            is_paid: true,
        };
        (self.subject, grant)
    }
}

/// A return names its items by their path, so those of one path are one.
pub(super) fn add_paid(paid: &mut Vec<PaidItem>, item: &Object<'_>) {
    let Some(path) = product_path(item) else { return };
    let value = item.thousandths("subtotal");
    match paid.iter_mut().find(|paid| paid.id == path) {
        Some(sum) => sum.value = sum.value.zip(value).and_then(|(a, b)| a.checked_add(b)),
        None => paid.push(PaidItem { id: path.to_owned(), value }),
    }
}

fn command(subject: Subject, action: Action) -> Command {
    let marks = marks(&[subject_key(&subject)], subject.id.as_str());
    Command::new(subject, marks, action)
}

fn subject_key(subject: &Subject) -> &'static str {
    match subject.kind {
        SubjectKind::Subscription => SUBSCRIPTION_KEY,
        SubjectKind::Order | SubjectKind::Customer => ORDER_KEY,
    }
}

/// Where nothing at all is mapped, every line that could have been is at fault.
fn blame_the_lines(purchases: &mut [Purchase]) {
    for purchase in purchases.iter_mut() {
        let problem = "cryptlex_product_id and cryptlex_license_template_id are not set";
        let foreign = std::mem::take(&mut purchase.foreign);
        let blamed = foreign.into_iter().map(|line| Unmapped { line, problem: problem.to_owned() });
        purchase.unmapped.extend(blamed);
    }
    if purchases.iter().all(|purchase| purchase.unmapped.is_empty())
        && let Some(first) = purchases.first_mut()
    {
        let problem = "the order holds a bundle and none of its members".to_owned();
        first.unmapped.push(Unmapped { line: first.subject.to_string(), problem });
    }
}

/// Whose license an item's is, and what it came with.
pub(super) struct Belonging {
    pub(super) subject: Subject,
    kind: Kind,
    driver_path: Option<String>,
}

/// How an item came into an order.
pub(super) enum Kind {
    Plain,
    AddOn { to_another: bool },
    BundleMember,
}

pub(super) fn belonging(
    order: &Object<'_>,
    order_subject: &Subject,
    item: &Object<'_>,
    items: &[Object<'_>],
) -> Result<Belonging, Unreadable> {
    let driver = item.object("driver", "driver");
    let driver_path = driver.and_then(|driver| driver.text("path"));
    let driver_type = driver.and_then(|driver| driver.text("type"));
    let own = item.reference("subscription");
    let (kind, subscription) = match (driver_type, driver_path) {
        (Some("addon"), Some(path)) => {
            let parent = item.reference("parentSubscription");
            let shares = |other: &Object<'_>| {
                product_path(other) == Some(path) && other.reference("subscription") == own
            };
            let shared = own.is_some() && items.iter().any(shares);
            let of = item.object("subscription", "subscription").and_then(|of| product_path(&of));
            let of_another = of.is_some() && of != product_path(item);
            let to_another = parent.is_some() || shared || of_another;
            (Kind::AddOn { to_another }, parent.or(own))
        }
        (Some("bundle"), Some(path)) => {
            let parent = items.iter().find(|item| product_path(item) == Some(path));
            (Kind::BundleMember, own.or(parent.and_then(|parent| parent.reference("subscription"))))
        }
        _ => (Kind::Plain, own),
    };
    let subject = match subscription {
        Some(id) => subject_of(
            FastSpring::NAME,
            SubjectKind::Subscription,
            order,
            "items[].subscription",
            Some(id),
        )?,
        None => order_subject.clone(),
    };
    Ok(Belonging { subject, kind, driver_path: driver_path.map(str::to_owned) })
}

/// What an item is to us.
pub(super) enum Read {
    Line(Box<Line>),
    Partly(Unmapped),
    Foreign(String),
    BundleItself,
}

pub(super) fn line(
    item: &Object<'_>,
    items: &[Object<'_>],
    belongs: &Belonging,
) -> Result<Read, Unreadable> {
    let path = product_path(item).ok_or_else(|| item.lacks("product"))?;
    let attributes = Attributes::of(item);
    if attributes.are_of_a_bundle() {
        return Ok(Read::BundleItself);
    }
    let names = ["cryptlex_product_id", "cryptlex_license_template_id"];
    let [product, template] = names.map(|name| attributes.text(name));
    let mapping = match product_and_template(product.as_deref(), template.as_deref(), names) {
        Named::Whole(mapping) => mapping,
        Named::Partly(problem) => {
            return Ok(Read::Partly(Unmapped { line: path.to_owned(), problem }));
        }
        Named::None => return Ok(Read::Foreign(path.to_owned())),
    };
    let declared = match attributes.interval() {
        Ok(declared) => declared,
        Err(problem) => {
            return Ok(Read::Partly(Unmapped { line: path.to_owned(), problem }));
        }
    };
    let driver_path = belongs.driver_path.as_deref().unwrap_or_default();
    let (key, driver, term) = match belongs.kind {
        Kind::Plain => (path.to_owned(), None, declared.unwrap_or(Term::Template)),
        Kind::AddOn { to_another } => {
            let term = match to_another {
                true => Term::AsParent(declared_by_parent(items, belongs)),
                false => declared.unwrap_or(Term::Template),
            };
            (format!("addon:{driver_path}/{path}"), Some(format!("addon_{driver_path}")), term)
        }
        Kind::BundleMember => {
            let term = match belongs.subject.kind {
                SubjectKind::Subscription => declared.unwrap_or(Term::Template),
                SubjectKind::Order | SubjectKind::Customer => Term::Perpetual,
            };
            (format!("bundle:{driver_path}/{path}"), Some(format!("bundle_{driver_path}")), term)
        }
    };
    let mut metadata = marks(&[subject_key(&belongs.subject)], belongs.subject.id.as_str());
    metadata.extend(driver.as_deref().and_then(|driver| Mark::new(DRIVER_KEY, driver).ok()));
    Ok(Read::Line(Box::new(Line {
        key,
        quantity: quantity(item)?,
        quantity_means: attributes.quantity_means(),
        mapping: Some(mapping),
        term,
        driver,
        max_release: attributes.text("cryptlex_max_allowed_release_version").map(Cow::into_owned),
        metadata,
    })))
}

/// A line of a subscription as an event about the subscription tells it: its own product, or what was `added_to` that.
/// Without webhook expansion it names the product by its path only.
pub(super) fn subscribed_line(
    item: &Object<'_>,
    subject: &Subject,
    path: &str,
    added_to: Option<&str>,
) -> Result<Read, Unreadable> {
    let attributes = Attributes::of(item);
    if attributes.are_of_a_bundle() {
        return Ok(Read::BundleItself);
    }
    let names = ["cryptlex_product_id", "cryptlex_license_template_id"];
    let [product, template] = names.map(|name| attributes.text(name));
    let partly = |problem| Ok(Read::Partly(Unmapped { line: path.to_owned(), problem }));
    let mapping = match product_and_template(product.as_deref(), template.as_deref(), names) {
        Named::Whole(mapping) => Some(mapping),
        Named::Partly(problem) => return partly(problem),
        Named::None => None,
    };
    let declared = match attributes.interval() {
        Ok(declared) => declared.unwrap_or(Term::Template),
        Err(problem) => return partly(problem),
    };
    let mut metadata = marks(&[SUBSCRIPTION_KEY], subject.id.as_str());
    let (key, driver, term) = match added_to {
        None => (path.to_owned(), None, declared),
        Some(parent) => {
            let driver = format!("addon_{parent}");
            metadata.extend(Mark::new(DRIVER_KEY, &driver).ok());
            (format!("addon:{parent}/{path}"), Some(driver), Term::AsParent(None))
        }
    };
    Ok(Read::Line(Box::new(Line {
        key,
        quantity: subscribed_quantity(item)?,
        quantity_means: attributes.quantity_means(),
        mapping,
        term,
        driver,
        max_release: attributes.text("cryptlex_max_allowed_release_version").map(Cow::into_owned),
        metadata,
    })))
}

/// The interval that the parent's own line in this order declares, if it is in it.
fn declared_by_parent(items: &[Object<'_>], belongs: &Belonging) -> Option<Interval> {
    let parent = items
        .iter()
        .find(|item| item.reference("subscription") == Some(belongs.subject.id.as_str()))?;
    match Attributes::of(parent).interval().ok().flatten()? {
        Term::Every(interval) => Some(interval),
        Term::Template | Term::Perpetual | Term::AsParent(_) => None,
    }
}
