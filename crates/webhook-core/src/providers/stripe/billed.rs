//! What an invoice bills: which subscription, until when, and how many.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{first_reference, is_metered, the_item};
use crate::domain::command::{Through, Unreadable};
use crate::domain::ids::SubjectId;
use crate::providers::json::Object;

/// What an invoice says about the subscription that it bills.
pub(super) struct Billing<'a> {
    pub(super) subscription: Option<&'a str>,
    /// Metadata of the subscription, frozen when the invoice was made.
    pub(super) metadata: Option<Object<'a>>,
}

pub(super) fn billing<'a>(invoice: &Object<'a>) -> Billing<'a> {
    let details = invoice
        .object("parent", "parent")
        .and_then(|parent| parent.object("subscription_details", "subscription details"));
    let old_details = invoice.object("subscription_details", "subscription details");
    let subscription = details.and_then(|details| details.value("subscription"));
    Billing {
        subscription: first_reference([subscription, invoice.value("subscription")]),
        metadata: [details, old_details]
            .into_iter()
            .flatten()
            .find_map(|d| d.object("metadata", "metadata")),
    }
}

/// Why an invoice of a subscription was made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    First,
    Change,
    /// So much was used that it is billed within the period.
    Threshold,
    Renewal,
    /// It bills no period of a subscription.
    Other,
}

impl Reason {
    /// `subscription` is how old API versions called all of them. What bills a period for a reason that we do not know renews.
    pub(super) fn of(invoice: &Object<'_>, billing: &Billing<'_>) -> Self {
        match invoice.text("billing_reason") {
            Some("subscription_create") => Self::First,
            Some("subscription_update") => Self::Change,
            Some("subscription_threshold") => Self::Threshold,
            Some("subscription_cycle" | "subscription") => Self::Renewal,
            Some(_) | None => {
                let bills_a_period =
                    billing.subscription.is_some() && !period_lines(invoice, billing).is_empty();
                if bills_a_period { Self::Renewal } else { Self::Other }
            }
        }
    }
}

/// Until when an invoice pays for a subscription. Where the lines of a renewal all lie in the past (usage), or the one that
/// pays may be among those that the webhook leaves out, it is the period that it was billed in. An invoice that does not say
/// when it was made is believed to pay until its lines end.
pub(super) fn through(
    invoice: &Object<'_>,
    billing: &Billing<'_>,
) -> Result<Option<Through>, Unreadable> {
    let billed_at = made_at(invoice)?;
    let latest = paid_period(invoice, billing)?;
    let to_come = latest.filter(|period| billed_at.is_none_or(|at| period.end > at));
    if let Some(period) = to_come.filter(|period| !period.is_proration) {
        return Ok(Some(Through::Until(period.end)));
    }
    let renews = Reason::of(invoice, billing) == Reason::Renewal;
    let used_until = if renews { used_until(invoice, billing)? } else { None };
    // What was added beside usage is not for the period that the usage renews.
    if let Some(period) = to_come.filter(|_| used_until.is_none()) {
        return Ok(Some(Through::Until(period.end)));
    }
    let has_more = has_more_lines(invoice);
    if used_until.is_none() && !(renews && has_more) {
        return Ok(latest.map(|period| Through::Until(period.end)));
    }
    let billed_at = billed_at.ok_or_else(|| invoice.lacks("created"))?;
    let id = invoice.text("id").ok_or_else(|| invoice.lacks("id"))?;
    let order = SubjectId::new(id).map_err(|_not_an_id| invoice.misshapen("id", "an id"))?;
    // A line on another page may end later.
    let used_until = used_until.filter(|_| !has_more).map(Box::new);
    Ok(Some(Through::Described { billed_at, order, used_until }))
}

/// Usage is billed when its period is over, with the renewal. `None` where nothing was used, or seats are renewed as none.
fn used_until(
    invoice: &Object<'_>,
    billing: &Billing<'_>,
) -> Result<Option<Timestamp>, Unreadable> {
    let mut latest = None;
    for line in &period_lines(invoice, billing) {
        if renews_none(invoice, line)? {
            return Ok(None);
        }
        latest = latest.max(Some(end_of(invoice, line)?));
    }
    Ok(latest)
}

/// `date` is what old API versions called it.
pub(super) fn made_at(invoice: &Object<'_>) -> Result<Option<Timestamp>, Unreadable> {
    match invoice.seconds("created")? {
        Some(at) => Ok(Some(at)),
        None => invoice.seconds("date"),
    }
}

/// A period that is paid for.
#[derive(Clone, Copy)]
pub(super) struct PaidPeriod {
    pub(super) end: Timestamp,
    /// Nothing depends on it alone, so what is no time is as good as none.
    pub(super) start: Option<Timestamp>,
    /// Whether only a proration pays for it, which was not switched to from another price.
    pub(super) is_proration: bool,
}

impl PaidPeriod {
    fn of(invoice: &Object<'_>, line: &Object<'_>) -> Result<Self, Unreadable> {
        let period = line
            .object("period", "line period")
            .ok_or_else(|| invoice.lacks("lines.data[].period"))?;
        let end = period.seconds("end")?;
        let end = end.ok_or_else(|| invoice.lacks("lines.data[].period.end"))?;
        let start = period.seconds("start").ok().flatten();
        Ok(Self { end, start, is_proration: false })
    }

    /// The one that ends last; of those, the whole one: a line that was added in between begins later.
    fn later(self, other: Self) -> Self {
        match self.end.cmp(&other.end) {
            Ordering::Greater => self,
            Ordering::Less => other,
            Ordering::Equal => {
                let start = [self.start, other.start].into_iter().flatten().min();
                Self { start, ..self }
            }
        }
    }
}

/// The latest period that a line of this subscription pays for.
///
/// `invoice.period_end` is no help: on a renewal it is the end of the period before.
pub(super) fn paid_period(
    invoice: &Object<'_>,
    billing: &Billing<'_>,
) -> Result<Option<PaidPeriod>, Unreadable> {
    let (mut paid, mut charged, mut credits) = (None::<PaidPeriod>, Vec::new(), Vec::new());
    for line in item_lines(invoice, billing) {
        match (is_proration(&line), line.amount("amount")) {
            (false, _) if renews_none(invoice, &line)? => {}
            (false, _) => {
                let period = PaidPeriod::of(invoice, &line)?;
                paid = Some(paid.map_or(period, |paid| paid.later(period)));
            }
            (true, Some(amount)) if amount > 0.0 => charged.push(Proration::of(invoice, &line)?),
            (true, Some(amount)) if amount < 0.0 => credits.push(Proration::of(invoice, &line)?),
            (true, Some(_) | None) => {}
        }
    }
    let made_at = made_at(invoice)?;
    let (switched, added): (Vec<_>, Vec<_>) = charged
        .into_iter()
        .filter(|charge| !credits.iter().any(|credit| credit.is_changed_by(charge)))
        .partition(|charge| credits.iter().any(|credit| credit.is_replaced_by(charge)));
    let switched = switched.into_iter().map(|charge| charge.period);
    let certain = switched.chain(paid).reduce(PaidPeriod::later);
    if certain.is_some_and(|period| made_at.is_none_or(|at| period.end > at)) {
        return Ok(certain);
    }
    let added = added.into_iter().map(|charge| PaidPeriod { is_proration: true, ..charge.period });
    Ok(added.chain(certain).reduce(PaidPeriod::later))
}

/// A credit or a charge for the rest of a period.
struct Proration<'a> {
    item: Option<&'a str>,
    price: Option<&'a str>,
    period: PaidPeriod,
}

impl<'a> Proration<'a> {
    fn of(invoice: &Object<'_>, line: &Object<'a>) -> Result<Self, Unreadable> {
        let period = PaidPeriod::of(invoice, line)?;
        Ok(Self { item: item_of(line), price: price_of(line), period })
    }

    /// Until the same end it is a change within a period, which another payment is for.
    fn is_changed_by(&self, charge: &Self) -> bool {
        self.item == charge.item && self.period.end == charge.period.end
    }

    /// With flexible billing the new period that a switch begins comes as a proration. A price has one interval, so another
    /// one has another price.
    fn is_replaced_by(&self, charge: &Self) -> bool {
        self.item == charge.item && self.price != charge.price
    }
}

/// A period to come of a quantity of 0 is not paid for. What is billed afterwards may be 0 for want of use.
fn renews_none(invoice: &Object<'_>, line: &Object<'_>) -> Result<bool, Unreadable> {
    let is_first = invoice.text("billing_reason") == Some("subscription_create");
    let is_to_come = || Ok(Some(end_of(invoice, line)?) > made_at(invoice)?);
    let is_zero = || match line.amount("quantity") {
        // Usage may be more than any number of seats.
        Some(quantity) => Ok(quantity == 0.0),
        None => Ok(line.count("quantity")? == Some(0)),
    };
    Ok(!is_first && is_zero()? && is_to_come()?)
}

fn end_of(invoice: &Object<'_>, line: &Object<'_>) -> Result<Timestamp, Unreadable> {
    Ok(PaidPeriod::of(invoice, line)?.end)
}

/// Of the item that counts. Lines of one item are tiers of its price; that it is 0 of says nothing in a first invoice:
/// usage begins so.
pub(super) fn quantity(
    invoice: &Object<'_>,
    billing: &Billing<'_>,
) -> Result<Option<u32>, Unreadable> {
    quantity_of(&period_lines(invoice, billing))
}

/// Of an invoice that no subscription made: its lines are invoice items.
pub(super) fn quantity_sold(invoice: &Object<'_>) -> Result<Option<u32>, Unreadable> {
    let mut lines = lines(invoice);
    lines.retain(|line| !is_proration(line));
    quantity_of(&lines)
}

fn quantity_of(lines: &[Object<'_>]) -> Result<Option<u32>, Unreadable> {
    let mut items: BTreeMap<&str, (u32, Option<&str>)> = BTreeMap::new();
    for line in lines {
        if is_metered(line.object("price", "price").as_ref()) {
            continue;
        }
        let Some(quantity) = line.count("quantity")? else { continue };
        let price = price_of(line);
        let item = item_of(line).or(price).or(line.text("id")).unwrap_or_default();
        let (sum, _) = items.entry(item).or_insert((0, price));
        *sum = sum.saturating_add(quantity);
    }
    Ok(the_item(items.into_values()).map(|(quantity, _)| quantity).filter(|n| *n > 0))
}

fn item_of<'a>(line: &Object<'a>) -> Option<&'a str> {
    let details = item_details(line);
    first_reference([
        details.and_then(|details| details.value("subscription_item")),
        line.value("subscription_item"),
    ])
}

fn price_of<'a>(line: &Object<'a>) -> Option<&'a str> {
    let details = line
        .object("pricing", "pricing")
        .and_then(|pricing| pricing.object("price_details", "price details"));
    first_reference([
        details.and_then(|details| details.value("price")),
        line.value("price").or(line.value("plan")),
    ])
}

fn has_more_lines(invoice: &Object<'_>) -> bool {
    invoice.object("lines", "lines").and_then(|lines| lines.flag("has_more")).unwrap_or(false)
}

/// Lines of this subscription that are neither proration nor invoice item.
fn period_lines<'a>(invoice: &Object<'a>, billing: &Billing<'_>) -> Vec<Object<'a>> {
    item_lines(invoice, billing).into_iter().filter(|line| !is_proration(line)).collect()
}

/// Lines of items of this subscription.
fn item_lines<'a>(invoice: &Object<'a>, billing: &Billing<'_>) -> Vec<Object<'a>> {
    let mut lines = lines(invoice);
    lines.retain(|line| is_of_an_item(line, billing.subscription));
    lines
}

fn lines<'a>(invoice: &Object<'a>) -> Vec<Object<'a>> {
    let lines = invoice.object("lines", "lines");
    lines.map(|lines| lines.objects("data", "line")).unwrap_or_default()
}

fn item_details<'a>(line: &Object<'a>) -> Option<Object<'a>> {
    let parent = line.object("parent", "line parent")?;
    parent.object("subscription_item_details", "subscription item details")
}

fn is_proration(line: &Object<'_>) -> bool {
    let details = item_details(line).and_then(|details| details.flag("proration"));
    details.or(line.flag("proration")).unwrap_or(false)
}

fn is_of_an_item(line: &Object<'_>, subscription: Option<&str>) -> bool {
    let parent = line.object("parent", "line parent");
    let details = item_details(line);
    let billed = first_reference([
        details.and_then(|details| details.value("subscription")),
        line.value("subscription"),
    ]);
    // Old prorations are invoice items that name the subscription's item.
    let of_item = line.text("subscription_item").is_some();
    let of_none = parent.and_then(|parent| parent.text("type")) == Some("invoice_item_details")
        || (line.text("type") == Some("invoiceitem") && !(is_proration(line) && of_item));
    let ours = billed.is_none_or(|billed| Some(billed) == subscription);
    let of_subscription =
        details.is_some() || line.text("type") == Some("subscription") || billed.is_some();
    ours && of_subscription && !of_none
}
