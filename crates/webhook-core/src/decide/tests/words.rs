//! Facts in words, one event after each semicolon.
//!
//! `09-01 buy 2xA until 10-01` is an event of 1 September 2026, midnight in UTC; `2027-09-01T10` names year and hour. Payments are
//! `pay_<number of the event>` unless `as` names them.

use jiff::{SignedDuration, Timestamp};

use crate::domain::command::{
    Amount, Back, BackItem, Billed, Effect, Funds, Line, Mapping, PaidItem, Payment, PaymentScope,
    Previous, ProductSource, Subject, SubjectKind, Subscribed, SubscriptionRecord,
    SuspensionReason, Term, Through, Undated, Unmapped,
};
use crate::domain::fact::{Covers, Described, Fact, MoneyBack, Ordered, Paid, Role, Says};
use crate::domain::ids::{EventId, Mark, PaymentId, ProductId, SubjectId};
use crate::domain::policy::{AtTheEnd, Policy, QuantityMeans, Refunded, TestEvents};

/// Whose facts they are.
pub(in crate::decide) fn subject() -> Subject {
    let id = SubjectId::new("sub_1").unwrap();
    Subject { provider: "paddle", kind: SubjectKind::Subscription, id }
}

/// The choices that the words name: days of `grace 8`, hours of `leeway 2`, an end that does `revoke`, `delete` or `none`, a
/// refund that does `refund-revoke` or `refund-none`, a quantity that means `one` or `activations`, and `note-collection`. An
/// end suspends unless named.
pub(in crate::decide) fn policy(words: &str) -> Policy {
    let words = Words::of(words);
    let ends =
        [("revoke", AtTheEnd::Revoke), ("delete", AtTheEnd::Delete), ("none", AtTheEnd::Nothing)];
    let at_the_end = ends.into_iter().find(|(name, _)| words.has(name));
    let number = |word| words.after(word).map_or(0, |number| number.parse().unwrap());
    let quantities = [("one", QuantityMeans::One), ("activations", QuantityMeans::Activations)];
    let quantity = quantities.into_iter().find(|(name, _)| words.has(name));
    let refunds = [("refund-revoke", Refunded::Revokes), ("refund-none", Refunded::ChangesNothing)];
    let refunded = refunds.into_iter().find(|(name, _)| words.has(name));
    Policy {
        at_the_end: at_the_end.map_or(AtTheEnd::Suspend, |(_, end)| end),
        quantity_means: quantity.map_or(QuantityMeans::Licenses, |(_, means)| means),
        grace: SignedDuration::from_hours(24 * number("grace")),
        leeway: SignedDuration::from_hours(number("leeway")),
        refunded: refunded.map_or(Refunded::Suspends, |(_, refunded)| refunded),
        pause_collection: !words.has("note-collection"),
        accept_unmapped: false,
        test_events: TestEvents::Auto,
    }
}

/// The facts of each event of a story.
pub(in crate::decide) fn events(story: &str) -> Vec<Vec<Fact>> {
    let events = story.split(';').enumerate();
    events.map(|(place, text)| event(place + 1, &Words::of(text))).collect()
}

/// The words of one event.
struct Words<'w>(Vec<&'w str>);

impl<'w> Words<'w> {
    fn of(text: &'w str) -> Self {
        Self(text.split_whitespace().collect())
    }

    fn has(&self, word: &str) -> bool {
        self.0.contains(&word)
    }

    fn after(&self, word: &str) -> Option<&'w str> {
        let place = self.0.iter().position(|known| *known == word)?;
        self.0.get(place + 1).copied()
    }

    fn time(&self, word: &str) -> Option<Timestamp> {
        self.after(word).map(when)
    }

    /// `for 200 usd`.
    fn amount(&self) -> Option<Amount> {
        let value = self.after("for")?;
        let currency = self.after(value).map(str::to_owned);
        Some(Amount { value: value.parse().unwrap(), currency })
    }

    /// `items pro:600,help:300`.
    fn items(&self, word: &str) -> impl Iterator<Item = (String, Option<i64>)> {
        let items = self.after(word).into_iter().flat_map(|items| items.split(','));
        items.map(|item| {
            let (id, value) = item.split_once(':').unwrap();
            (id.to_owned(), value.parse().ok())
        })
    }

    fn lines(&self) -> Vec<Line> {
        self.0.iter().filter_map(|word| line(word)).collect()
    }

    /// `!key` is a line that names no product, and should.
    fn unmapped(&self) -> Vec<Unmapped> {
        let keys = self.0.iter().filter_map(|word| word.strip_prefix('!'));
        keys.map(|key| Unmapped { line: key.to_owned(), problem: "no product".to_owned() })
            .collect()
    }
}

pub(in crate::decide) fn when(text: &str) -> Timestamp {
    let (date, hour) = text.split_once('T').unwrap_or((text, "00"));
    let year = if date.len() == 5 { "2026-" } else { "" };
    format!("{year}{date}T{hour}:00:00Z").parse().unwrap()
}

/// `2xA`, `1xB@addon:pro/help`, `1x?@pro` where the product is not named. The key is the product's name unless told.
fn line(word: &str) -> Option<Line> {
    let (quantity, rest) = word.split_once('x')?;
    let quantity = quantity.parse().ok()?;
    let (product, key) = rest.split_once('@').unwrap_or((rest, rest));
    let mapping = (product != "?").then(|| Mapping {
        product: ProductId::new(product).unwrap(),
        template: None,
        entitlement_set: None,
    });
    let term = if key.starts_with("addon:") { Term::AsParent(None) } else { Term::Template };
    let parent = key.strip_prefix("addon:").and_then(|path| path.split_once('/'));
    let driver = parent.map(|(parent, _)| format!("addon_{parent}"));
    let mark = driver.as_deref().and_then(|driver| Mark::new("fastspring_driver", driver).ok());
    Some(Line {
        key: key.to_owned(),
        quantity,
        quantity_means: None,
        mapping,
        term,
        driver,
        max_release: None,
        metadata: mark.into_iter().collect(),
    })
}

fn event(number: usize, words: &Words<'_>) -> Vec<Fact> {
    let at = when(words.0[0]);
    let id = EventId::new(&format!("evt_{number}")).unwrap();
    let says = says(number, at, words);
    says.into_iter().map(|says| Fact { at, event: id.clone(), says }).collect()
}

fn says(number: usize, at: Timestamp, words: &Words<'_>) -> Vec<Says> {
    let until = words.time("until");
    match words.0[1] {
        "buy" => {
            vec![ordered(number, words, Role::Purchase), paid(number, words, Covers::First(until))]
        }
        "add" => vec![ordered(number, words, Role::Addition)],
        "order" => vec![ordered(number, words, Role::Purchase)],
        "first" => vec![paid(number, words, Covers::First(until))],
        "pay" => vec![paid(number, words, Covers::Later(through(number, at, until)))],
        "fail" => vec![Says::Failed(until.map(Through::Until))],
        "pause" => vec![Says::Paused],
        "resume" => vec![Says::Resumed],
        "end" => vec![Says::Ended],
        "is" => vec![described(words, words.after("is"))],
        "lists" => vec![described(words, None)],
        "refund" => vec![back(words, SuspensionReason::Refund, Funds::Withdrawn)],
        "unrefund" => vec![back(words, SuspensionReason::Refund, Funds::Reinstated)],
        "dispute" => vec![back(words, SuspensionReason::Dispute, Funds::Withdrawn)],
        "win" => vec![back(words, SuspensionReason::Dispute, Funds::Reinstated)],
        "lose" => vec![back(words, SuspensionReason::Dispute, Funds::Lost)],
        verb => panic!("no story has {verb}"),
    }
}

fn payment_id(number: usize, words: &Words<'_>) -> PaymentId {
    let own = format!("pay_{number}");
    PaymentId::new(words.after("as").unwrap_or(&own)).unwrap()
}

fn ordered(number: usize, words: &Words<'_>, role: Role) -> Says {
    Says::Ordered(Box::new(Ordered {
        payments: vec![payment_id(number, words)],
        lines: words.lines(),
        unmapped: words.unmapped(),
        named_by: named_by(words),
        ordered_at: None,
        customer: None,
        role,
    }))
}

/// `named-by session`; each line for itself unless told.
fn named_by(words: &Words<'_>) -> ProductSource {
    match words.after("named-by") {
        None => ProductSource::Line,
        Some("configuration") => ProductSource::Configuration,
        Some("subscription") => ProductSource::Subscription,
        Some("session") => ProductSource::Session,
        Some(source) => panic!("nothing is named by {source}"),
    }
}

fn through(number: usize, at: Timestamp, until: Option<Timestamp>) -> Through {
    let order = SubjectId::new(&format!("order_{number}")).unwrap();
    until.map_or(
        Through::NextPeriod { charged_at: at, order, why: Undated::NothingDue },
        Through::Until,
    )
}

fn paid(number: usize, words: &Words<'_>, covers: Covers) -> Says {
    let scope = match (words.has("change"), words.has("one-off")) {
        (true, _) => PaymentScope::PlanChange,
        (false, true) => PaymentScope::OneOff,
        (false, false) if words.has("proration") => PaymentScope::Proration,
        (false, false) => PaymentScope::Period,
    };
    let bills = words.after("bills").into_iter().flat_map(|billed| billed.split(','));
    let bills = bills.map(|billed| {
        let (quantity, path) = billed.split_once('x').unwrap();
        Billed { path: path.to_owned(), quantity: quantity.parse().unwrap() }
    });
    let payment = Payment {
        amount: words.amount(),
        items: words.items("items").map(|(id, value)| PaidItem { id, value }).collect(),
        starts: words.time("from"),
        bills: bills.collect(),
    };
    Says::Paid(Box::new(Paid { ids: vec![payment_id(number, words)], scope, covers, payment }))
}

fn described(words: &Words<'_>, status: Option<&str>) -> Says {
    let is_charged = words.has("when-charged");
    let lists = status.is_none() || !words.lines().is_empty() || !words.unmapped().is_empty();
    let subscribed = lists.then(|| Subscribed {
        lines: words.lines(),
        unmapped: words.unmapped(),
        with_add_ons: true,
        takes_effect: if is_charged { Effect::WhenCharged } else { Effect::AtOnce },
    });
    // `3xA changed-from 5`.
    let before = words.after("changed-from").and_then(|quantity| quantity.parse().ok());
    let now = words.lines().first().map(|line| line.quantity);
    let previous =
        before.map(|it| Box::new(Previous { quantity: Some(it), ..Previous::default() }));
    let record = SubscriptionRecord {
        status: status.map(str::to_owned),
        quantity: now.filter(|_| before.is_some()),
        period_start: words.time("from"),
        period_end: words.time("until"),
        ..SubscriptionRecord::default()
    };
    let collects = [("collected", true), ("not-collected", false)];
    let collects = collects.into_iter().find(|(word, _)| words.has(word));
    let collects = collects.map(|(_, collects)| collects);
    Says::Described(Box::new(Described { record, subscribed, collects, previous }))
}

/// Of the payment that `of` names; without a sum it is all of it in the provider's word.
fn back(words: &Words<'_>, cause: SuspensionReason, funds: Funds) -> Says {
    let amount = words.amount();
    let ids = vec![PaymentId::new(words.after("of").unwrap()).unwrap()];
    let id = format!("{cause:?} {}", words.after("named").unwrap_or("1"));
    let is_told = amount.is_none() || words.has("whole") || words.has("part");
    let is_whole = is_told.then(|| !words.has("part"));
    // The subject is Paddle's.
    let ends_another = (cause, funds) == (SuspensionReason::Dispute, Funds::Reinstated);
    let items = words.items("takes").map(|(id, value)| BackItem { id, value, is_whole: None });
    let items = items.collect();
    let back = Back { id: Some(id), ends_another, amount, is_whole, items, ..Back::default() };
    Says::MoneyBack(Box::new(MoneyBack { cause, funds, since: None, ids, back }))
}
