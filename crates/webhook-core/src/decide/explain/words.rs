//! Facts and entitlements in words.

use jiff::{SignedDuration, Timestamp};

use crate::domain::command::{
    Amount, Effect, Funds, Line, Mapping, OfPayment, PaymentScope, ProductSource, Subscribed, Sum,
    SuspensionReason, Term, Through,
};
use crate::domain::entitlement::{End, Entitlements, Gone, Purchase, Seat};
use crate::domain::fact::{Covers, Described, Fact, MoneyBack, Ordered, Paid, Role, Says};
use crate::domain::ids::{PaymentId, plain};
use crate::domain::policy::{AtTheEnd, Policy, QuantityMeans, Refunded};

/// One part of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Topic {
    pub(super) text: String,
    /// Whether it is shown also where it says nothing.
    pub(super) is_always: bool,
}

/// A result, topic by topic; the topics of two results are in the same order.
pub(super) fn topics(of: &Entitlements) -> Vec<Topic> {
    let always = |text| Topic { text, is_always: true };
    let rarely = |text| Topic { text, is_always: false };
    vec![
        always(format!("purchase: {}", purchase(of.purchase))),
        always(format!("licenses: {}", licenses(&of.seats))),
        rarely(format!("former products: {}", former(of))),
        rarely(format!("lines without a Cryptlex product: {}", unmapped(of))),
        always(format!("end: {}", end(&of.end))),
        always(format!("status: {}", status(of))),
        rarely(match &of.new_owner {
            Some(customer) => format!("owner: new licenses are for customer {customer}"),
            None => "owner: the customer who ordered".to_owned(),
        }),
    ]
}

/// The choices of the vendor that the fold reads.
pub fn policy_in_words(policy: &Policy) -> String {
    let quantity = match policy.quantity_means {
        QuantityMeans::One => "one license",
        QuantityMeans::Licenses => "as many licenses",
        QuantityMeans::Activations => "one license with as many activations",
    };
    let end = match policy.at_the_end {
        AtTheEnd::Revoke => "revokes the licenses",
        AtTheEnd::Delete => "deletes the licenses",
        AtTheEnd::Suspend => "suspends the licenses",
        AtTheEnd::Nothing => "leaves the licenses until they expire",
    };
    let collection = match policy.pause_collection {
        true => "suspends them",
        false => "changes nothing",
    };
    let refund = match policy.refunded {
        Refunded::Suspends => "suspends them",
        Refunded::Revokes => "revokes them",
        Refunded::ChangesNothing => "changes nothing",
    };
    let (grace, leeway) = (days(policy.grace), policy.leeway.as_hours());
    format!(
        "a quantity buys {quantity}; the end of a subscription {end}; {grace} days of grace; \
         {leeway} hours of leeway; a pause of the collection {collection}; a full refund {refund}"
    )
}

fn days(duration: SignedDuration) -> i64 {
    duration.as_hours().checked_div(24).unwrap_or(0)
}

fn purchase(purchase: Purchase) -> &'static str {
    match purchase {
        Purchase::Unknown => "no purchase seen yet",
        Purchase::Foreign => "known, and it needs no license",
        Purchase::Unpaid => "ordered, and not paid yet",
        Purchase::Known => "known and paid",
        Purchase::SeenByPayment => "known from a payment only",
    }
}

fn licenses(seats: &[Seat]) -> String {
    let mut groups: Vec<(&Seat, usize)> = Vec::new();
    for seat in seats {
        let is_alike = |known: &Seat| {
            known.line == seat.line
                && known.mapping == seat.mapping
                && known.is_spare == seat.is_spare
        };
        match groups.iter_mut().find(|(known, _)| is_alike(known)) {
            Some((_, count)) => *count = count.saturating_add(1),
            None => groups.push((seat, 1)),
        }
    }
    let texts = groups.into_iter().map(|(seat, count)| {
        let mut text = format!("{count} of {}", product(&seat.line, seat.mapping.as_ref()));
        if let Some(activations) = seat.activations {
            text.push_str(&format!(" with {activations} activations"));
        }
        text.push_str(match &seat.line.term {
            Term::Perpetual => ", perpetual",
            Term::AsParent(_) => ", ending with what it was added to",
            Term::Template | Term::Every(_) => "",
        });
        if seat.is_spare {
            text.push_str(", given up: kept and suspended");
        }
        text
    });
    listed(texts)
}

fn product(line: &Line, mapping: Option<&Mapping>) -> String {
    let product = match mapping {
        Some(mapping) => format!("product {}", mapping.product),
        None => "the product of the licenses that are there".to_owned(),
    };
    match line.key.as_str() {
        "-" => product,
        key => format!("{product} (line {})", plain(key)),
    }
}

fn former(of: &Entitlements) -> String {
    listed(of.gone.iter().map(|(product, gone)| match gone {
        Gone::Replaced => format!("{product} was replaced by another product"),
        Gone::GivenUp => format!("{product} was given up"),
    }))
}

fn unmapped(of: &Entitlements) -> String {
    listed(of.unmapped.iter().map(|it| format!("{}: {}", plain(&it.line), plain(&it.problem))))
}

fn end(end: &End) -> String {
    let mut text = match (end.date, end.bought_at) {
        (Some(date), _) => format!("until {date}"),
        (None, Some(at)) => format!("what the license template says, counted from {at}"),
        (None, None) => "no date is known".to_owned(),
    };
    if let Some(one_more) = &end.one_more {
        text.push_str(&format!(", one interval more for the payment of {}", one_more.charged_at));
    }
    let grace = end.grace.filter(|grace| end.date.is_none_or(|date| *grace > date));
    if let Some(grace) = grace {
        text.push_str(&format!(", by days of grace not before {grace}"));
    }
    text
}

fn status(of: &Entitlements) -> String {
    let mut texts = Vec::new();
    if let Some(over) = of.over {
        let licenses = match of.the_end {
            AtTheEnd::Revoke => "licenses are revoked",
            AtTheEnd::Delete => "licenses are deleted",
            AtTheEnd::Suspend => "licenses are suspended",
            AtTheEnd::Nothing => "licenses stay until they expire",
        };
        texts.push(format!("ended at {over}, {licenses}"));
    }
    texts.extend(of.reasons.iter().map(|(cause, since)| {
        let why = match cause {
            SuspensionReason::Payment => "a payment failed",
            SuspensionReason::Pause => "the subscription is paused",
            SuspensionReason::Collection => "the collection of payments is paused",
            SuspensionReason::Refund => "the payment was refunded",
            SuspensionReason::Dispute => "the payment is disputed",
        };
        format!("suspended because {why} ({since})")
    }));
    let is_told = of.reasons.contains_key(&SuspensionReason::Payment);
    let failing = of.failing.filter(|_| !is_told);
    texts.extend(failing.map(|at| format!("a payment failed at {at} and is not made up for")));
    match texts.is_empty() {
        true => "no reason to suspend".to_owned(),
        false => texts.join("; "),
    }
}

/// A fact in one line.
pub(super) fn says(fact: &Fact) -> String {
    match &fact.says {
        Says::Ordered(ordered) => order(ordered),
        Says::Paid(paid) => payment(paid),
        Says::OfPayment(of) => of_payment(of),
        Says::Failed(None) => "a payment failed".to_owned(),
        Says::Failed(Some(through)) => format!("a payment failed that was {}", time_of(through)),
        Says::Described(described) => description(described),
        Says::Paused => "the subscription is paused".to_owned(),
        Says::Resumed => "the subscription is resumed".to_owned(),
        Says::MoneyBack(back) => money_back(back),
        Says::Ended => "the subscription ended".to_owned(),
    }
}

fn order(ordered: &Ordered) -> String {
    let what = match ordered.role {
        Role::Purchase => "ordered",
        Role::Addition => "ordered in addition",
        Role::OfAPayment => "a payment names what was bought",
    };
    let named_by = match ordered.named_by {
        ProductSource::Line => "",
        ProductSource::Configuration if ordered.lines.iter().all(|line| line.mapping.is_none()) => {
            "; no product is named yet"
        }
        ProductSource::Configuration => "; the configuration names the product",
        ProductSource::Subscription => "; the subscription names the product",
        ProductSource::Session => "; the checkout session names the product",
    };
    let mut text = format!("{what}: {}{named_by}", lines(&ordered.lines));
    for unmapped in &ordered.unmapped {
        text.push_str(&format!("; line {} names no Cryptlex product", plain(&unmapped.line)));
    }
    if let Some(customer) = &ordered.customer {
        text.push_str(&format!("; customer {customer}"));
    }
    text
}

fn lines(lines: &[Line]) -> String {
    listed(lines.iter().map(|line| {
        let product = match &line.mapping {
            Some(mapping) => format!("product {}", mapping.product),
            None => "a product that it does not name".to_owned(),
        };
        match line.key.as_str() {
            "-" => format!("{} of {product}", line.quantity),
            key => format!("{} of {product} (line {})", line.quantity, plain(key)),
        }
    }))
}

fn payment(paid: &Paid) -> String {
    let time = match &paid.covers {
        Covers::First(Some(end)) => format!("for the first period, until {end}"),
        Covers::First(None) => "for the purchase, without saying until when".to_owned(),
        Covers::Later(through) => time_of(through),
    };
    let what = match paid.scope {
        PaymentScope::Period => "",
        PaymentScope::Proration => " as a proration without a credit,",
        PaymentScope::PlanChange => " for a change of the subscription,",
        PaymentScope::OneOff => " for something in addition,",
    };
    let amount = amount(paid.payment.amount.as_ref());
    format!("paid{what} {time}{amount}{}", payments(&paid.ids))
}

fn time_of(through: &Through) -> String {
    match through {
        Through::Until(end) => format!("for the time until {end}"),
        Through::NextPeriod { charged_at, .. } => {
            format!("for one interval more, charged at {charged_at}")
        }
        Through::Described { billed_at, used_until: Some(used_until), .. } => format!(
            "for what was used until {used_until} and the period that began then, billed at {billed_at}"
        ),
        Through::Described { billed_at, .. } => {
            format!("for the period that began by {billed_at}, when it was billed")
        }
    }
}

fn of_payment(of: &OfPayment) -> String {
    match of {
        OfPayment::Captured { ids, amount: captured } => {
            format!(
                "an authorised payment was captured{}{}",
                amount(captured.as_ref()),
                payments(ids)
            )
        }
        OfPayment::Quantity { ids, quantity } => {
            format!("the invoice says how many were bought: {quantity}{}", payments(ids))
        }
        OfPayment::Part { id, of, amount: brought } => {
            format!("payment {id} is a part of {of}{}", amount(brought.as_ref()))
        }
    }
}

fn description(described: &Described) -> String {
    let record = &described.record;
    let mut texts = Vec::new();
    texts.extend(record.status.as_deref().map(|status| format!("status {}", plain(status))));
    texts.extend(period(record.period_start, record.period_end));
    texts.extend(described.subscribed.as_ref().map(subscribed));
    let flags = [
        (record.cancel_at_period_end, "it will not renew"),
        (record.is_pause_scheduled, "a pause is scheduled"),
        (described.collects.map(|collects| !collects), "payments are not collected"),
    ];
    texts.extend(
        flags.iter().filter(|(is_so, _)| *is_so == Some(true)).map(|(_, it)| (*it).to_owned()),
    );
    texts.extend(record.customer.as_ref().map(|customer| format!("customer {customer}")));
    match texts.is_empty() {
        true => "the subscription is described".to_owned(),
        false => format!("the subscription is described: {}", texts.join(", ")),
    }
}

fn period(start: Option<Timestamp>, end: Option<Timestamp>) -> Option<String> {
    match (start, end) {
        (Some(start), Some(end)) => Some(format!("period {start} to {end}")),
        (None, Some(end)) => Some(format!("period until {end}")),
        (Some(start), None) => Some(format!("period from {start}")),
        (None, None) => None,
    }
}

fn subscribed(subscribed: &Subscribed) -> String {
    let when = match subscribed.takes_effect {
        Effect::AtOnce => "",
        Effect::WhenCharged => " from the charge on that bills it",
    };
    let mut text = format!("{}{when}", lines(&subscribed.lines));
    for unmapped in &subscribed.unmapped {
        text.push_str(&format!(" and line {} without a product", plain(&unmapped.line)));
    }
    text
}

fn money_back(back: &MoneyBack) -> String {
    let what = match (back.cause, back.funds, back.back.sum) {
        (_, _, Sum::Failed) => "a refund failed",
        (SuspensionReason::Dispute, Funds::Withdrawn, _) => "a dispute withdrew money",
        (SuspensionReason::Dispute, Funds::Lost, _) => "a dispute was lost",
        (SuspensionReason::Dispute, Funds::Reinstated, _) => {
            "a dispute ended and the vendor has the money"
        }
        (_, Funds::Reinstated, _) => "a refund was taken back",
        (_, Funds::Withdrawn | Funds::Lost, Sum::SoFar) => "refunded so far",
        (_, Funds::Withdrawn | Funds::Lost, Sum::Single) => "refunded",
    };
    let mut text = format!("{what}{}{}", amount(back.back.amount.as_ref()), payments(&back.ids));
    text.push_str(match back.back.is_whole {
        Some(true) => "; the provider calls it all of it",
        Some(false) => "; the provider calls it a part",
        None => "",
    });
    let items = back.back.items.iter().map(|item| plain(&item.id).into_owned());
    if !back.back.items.is_empty() {
        text.push_str(&format!("; of {}", listed(items)));
    }
    text
}

/// Amounts are in the smallest unit that the provider tells.
fn amount(amount: Option<&Amount>) -> String {
    match amount {
        Some(Amount { value, currency: Some(currency) }) => {
            format!(", {value} {}", plain(currency))
        }
        Some(Amount { value, currency: None }) => format!(", amount {value}"),
        None => String::new(),
    }
}

fn payments(ids: &[PaymentId]) -> String {
    match ids.is_empty() {
        true => String::new(),
        false => format!(", payment {}", listed(ids.iter().map(ToString::to_string))),
    }
}

fn listed(texts: impl Iterator<Item = String>) -> String {
    let texts: Vec<String> = texts.collect();
    match texts.is_empty() {
        true => "none".to_owned(),
        false => texts.join(", "),
    }
}
