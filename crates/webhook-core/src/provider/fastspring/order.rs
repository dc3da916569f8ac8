//! `order.completed`: plain items, subscriptions, bundles and add-ons, in one order side by side.

use std::borrow::Cow;

use jiff::Timestamp;
use serde_json_borrow::Value;

use super::super::{
    Named, Provider as _, add_up, customer, marks, payment_ids, product_and_template, quantity,
    subject_of, subscribed_quantity,
};
use super::{DRIVER_KEY, FastSpring, ORDER_KEY, SUBSCRIPTION_KEY};
use crate::command::{
    Action, Command, Customer, Email, Grant, Keeps, Line, Name, NamedBy, Note, Pays, QuantityMeans,
    Subject, SubjectKind, Term, Unmapped, Unreadable,
};
use crate::ids::{CustomerId, Mark};
use crate::interval::Interval;
use crate::json::Object;

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
    let mut purchases: Vec<Purchase> = Vec::new();
    for item in &items {
        let belongs = belonging(order, &subject, item, &items)?;
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
            purchase.pays = Pays::ForThePeriod;
            purchase.ends(item)?;
        }
        match line(item, &items, &belongs)? {
            Read::Line(line) => purchase.lines.push(*line),
            Read::Partly(unmapped) => purchase.unmapped.push(unmapped),
            Read::Foreign(path) => purchase.foreign.push(path),
            Read::BundleItself => {}
        }
    }
    let mapped = purchases.iter().any(|purchase| !purchase.lines.is_empty());
    let customer = if mapped { Some(receiver(order)?) } else { None };
    if !mapped {
        blame_the_lines(&mut purchases);
    }
    purchases.retain(|p| !p.lines.is_empty() || !p.unmapped.is_empty() || !p.foreign.is_empty());
    let payments = payment_ids([Some(subject.id.as_str())]);
    let command = |purchase: Purchase| {
        let payments = payments.clone();
        Command { payments, ..purchase.into_command(customer.clone()) }
    };
    Ok(purchases.into_iter().map(command).collect())
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
    let why = "a fulfillment failed of an order that was completed";
    let keeps = Keeps::Undelivered(Unmapped { line, problem });
    Ok(command(subject, Action::Note(Note { why, keeps })))
}

struct Purchase {
    subject: Subject,
    lines: Vec<Line>,
    unmapped: Vec<Unmapped>,
    foreign: Vec<String>,
    paid_through: Option<Timestamp>,
    /// What is bought later for a subscription does not pay for the subscription.
    pays: Pays,
}

impl Purchase {
    fn new(subject: Subject) -> Self {
        Self {
            subject,
            lines: Vec::new(),
            unmapped: Vec::new(),
            foreign: Vec::new(),
            paid_through: None,
            pays: Pays::Beside,
        }
    }

    /// The next charge of a subscription is due when what was paid, or the trial, ends.
    fn ends(&mut self, item: &Object<'_>) -> Result<(), Unreadable> {
        let Some(subscription) = item.object("subscription", "subscription") else { return Ok(()) };
        self.paid_through = self.paid_through.max(subscription.millis("next")?);
        Ok(())
    }

    fn into_command(self, customer: Option<Customer>) -> Command {
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
            pays: self.pays,
            named_by: NamedBy::Lines,
            lines_at: None,
            else_renews: None,
            is_paid: true,
        };
        command(self.subject, Action::Grant(grant))
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
struct Belonging {
    subject: Subject,
    kind: Kind,
    driver_path: Option<String>,
}

enum Kind {
    Plain,
    AddOn { to_another: bool },
    BundleMember,
}

fn belonging(
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

fn line(item: &Object<'_>, items: &[Object<'_>], belongs: &Belonging) -> Result<Read, Unreadable> {
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

pub(super) fn product_path<'a>(item: &Object<'a>) -> Option<&'a str> {
    let expanded = item.object("product", "product");
    item.text("product").or(expanded.and_then(|p| p.text("product").or(p.text("id"))))
}

/// Product attributes, which stand on the item, on the expanded product, or on the subscription.
struct Attributes<'a>(Vec<Object<'a>>);

impl<'a> Attributes<'a> {
    fn of(item: &Object<'a>) -> Self {
        let product = item.object("product", "product");
        let subscription = item.object("subscription", "subscription");
        let places = [Some(*item), product, subscription].into_iter().flatten();
        Self(places.filter_map(|place| place.object("attributes", "attributes")).collect())
    }

    fn value(&self, name: &str) -> Option<&'a Value<'a>> {
        self.0.iter().find_map(|attributes| attributes.value(name))
    }

    /// Whatever type it was given: a release version `2` is a number in the JSON.
    fn written(&self, name: &str) -> Option<Cow<'a, str>> {
        match self.value(name)? {
            Value::Str(text) => Some(Cow::Borrowed(text.trim())),
            // A float stays one: release `2.0` is not `2`.
            Value::Number(number) => Some(Cow::Owned(match (number.as_i64(), number.as_f64()) {
                (None, Some(float)) => format!("{float:?}"),
                (Some(_) | None, _) => number.to_string(),
            })),
            Value::Bool(flag) => Some(Cow::Borrowed(if *flag { "true" } else { "false" })),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }

    fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        self.written(name).filter(|text| !text.is_empty())
    }

    /// A bundle that is no license itself.
    fn are_of_a_bundle(&self) -> bool {
        self.text("cryptlex_is_bundle").is_some_and(|flag| flag.eq_ignore_ascii_case("true"))
    }

    /// The name that the code of the predecessor reads first, then the one that was documented. Empty means perpetual.
    fn interval(&self) -> Result<Option<Term>, String> {
        for name in ["cryptlex_license_subscription_interval", "cryptlex_subscription_interval"] {
            match self.written(name).as_deref() {
                None => {}
                Some("") => return Ok(Some(Term::Perpetual)),
                Some(text) => {
                    let interval = Interval::parse(text).map_err(|e| format!("{name}: {e}"))?;
                    return Ok(Some(Term::Every(interval)));
                }
            }
        }
        Ok(None)
    }

    /// A value that nobody documents counts as one license, as it did with the predecessor.
    fn quantity_means(&self) -> Option<QuantityMeans> {
        Some(match self.text("cryptlex_mappings_quantity")?.as_ref() {
            "total_licenses" => QuantityMeans::Licenses,
            "allowed_activations" => QuantityMeans::Activations,
            _ => QuantityMeans::One,
        })
    }
}

/// The buyer, unless exactly one recipient has another e-mail: then it is a gift to him.
fn receiver(order: &Object<'_>) -> Result<Customer, Unreadable> {
    let buyer = order.object("customer", "customer");
    let expanded = order.object("account", "account");
    let contact = expanded.and_then(|account| account.object("contact", "contact"));
    let buyer_email =
        [buyer, contact].into_iter().flatten().find_map(|c| c.text("email").and_then(Email::real));
    let recipients = order.objects("recipients", "recipients");
    let recipients = recipients.iter().filter_map(|entry| entry.object("recipient", "recipient"));
    let mut others: Vec<(Object<'_>, Email)> = Vec::new();
    for recipient in recipients {
        let Some(email) = recipient.text("email").and_then(Email::real) else { continue };
        let is_buyer = buyer_email.as_ref().is_some_and(|buyer| buyer.as_str() == email.as_str());
        if !is_buyer && !others.iter().any(|(_, known)| known.as_str() == email.as_str()) {
            others.push((recipient, email));
        }
    }
    let account = order.reference("account");
    if let [(recipient, email)] = others.as_slice() {
        // Under the buyer's own account the buyer is known, not whom he makes gifts to.
        let of_recipient = recipient.reference("account").filter(|id| Some(*id) != account);
        return Ok(person(recipient, email.clone(), of_recipient));
    }
    let email = buyer_email
        .ok_or_else(|| Unreadable(format!("Customer email not found in {}", order.title())))?;
    let person_fields = buyer.or(contact).ok_or_else(|| order.lacks("customer"))?;
    Ok(person(&person_fields, email, account))
}

fn person(fields: &Object<'_>, email: Email, account: Option<&str>) -> Customer {
    let id = account.and_then(|id| CustomerId::new(id).ok());
    let name = Name::of(fields.text("first"), fields.text("last"));
    let company = fields.text("company").map(str::to_owned);
    Customer { company, ..customer::<FastSpring>(id, email, name) }
}
