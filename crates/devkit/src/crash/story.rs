//! What is sold, which events tell of it, and which licenses there must be in the end. Nothing of this is asked from the functions.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};

use super::CrashError;
use super::body::{self, happened, paid_until};
use crate::sign::Provider;

/// How far an event may be from its place.
const DISORDER: usize = 80;
const MOST_IN_A_BATCH: usize = 4;

/// What an event tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// A customer has a name and an e-mail.
    Customer,
    /// Somebody bought.
    Purchase,
    /// The same purchase once more, with the end of what was paid.
    FirstInvoice,
    /// The first or second later payment.
    Renewal(u8),
    /// Paused, or a payment is overdue.
    Pause,
    /// No longer paused.
    Resume,
    /// Over.
    End,
}

/// One subscription of one customer.
#[derive(Debug, Clone)]
pub(super) struct Sale {
    pub(super) number: usize,
    /// Some customers buy twice.
    pub(super) customer: usize,
    pub(super) seats: u8,
    /// Whether the first invoice pays longer than the template says.
    pub(super) longer_first: bool,
    fate: Fate,
    renewals: u8,
    renewals_wait: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Runs,
    Pauses,
    Resumes,
    /// The end is delivered when all else is done.
    Ends,
    /// The end may be delivered before the purchase.
    EndsInAnyOrder,
}

impl Sale {
    pub(super) fn email(&self) -> String {
        format!("buyer-{}@example.com", self.customer)
    }
}

/// One request, delivered until it is done.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) body: Vec<u8>,
    /// For people: `Renewal(1) of sale 17`.
    pub(super) what: String,
    pub(super) events: usize,
    /// Deliveries that must be done before.
    pub(super) after: Vec<usize>,
}

/// A license as it must be.
#[derive(Debug)]
pub(super) struct Expected {
    pub(super) slot: String,
    pub(super) product: &'static str,
    pub(super) owner: String,
    /// In seconds since 1970, several where the order of delivery decides; empty: no end.
    pub(super) ends: Vec<i64>,
    pub(super) suspended: bool,
    pub(super) revoked: bool,
    pub(super) must_exist: bool,
}

/// Everything that happens to one provider.
#[derive(Debug)]
pub(super) struct Story {
    pub(super) deliveries: Vec<Delivery>,
    pub(super) licenses: Vec<Expected>,
    /// By e-mail: whether there must be one user, or may be.
    pub(super) users: BTreeMap<String, bool>,
}

struct Event {
    sale: usize,
    what: What,
    text: String,
    /// The same for the same event.
    number: usize,
    again: bool,
    place: usize,
}

impl Story {
    /// As many events, a third of them duplicates. Without a ledger nothing happens whose outcome depends on its memory.
    pub(super) fn make(
        provider: Provider,
        events: usize,
        ledger: bool,
        seed: u64,
    ) -> Result<Story, CrashError> {
        let mut rng = StdRng::seed_from_u64(seed);
        let originals = events - events / 3;
        let (mut sales, mut told) = (Vec::new(), Vec::new());
        while told.len() < originals {
            let sale = Sale::any(provider, &sales, ledger, &mut rng);
            for what in sale.events(provider, &sales) {
                let number = told.len();
                let text = body::event(provider, what, &sale, number)?;
                told.push(Event { sale: sale.number, what, text, number, again: false, place: 0 });
            }
            sales.push(sale);
        }
        let again: Vec<usize> = (0..events.saturating_sub(told.len()))
            .map(|_| rng.random_range(0..told.len()))
            .collect();
        for number in again {
            let Event { sale, what, ref text, .. } = told[number];
            let text = text.clone();
            told.push(Event { sale, what, text, number, again: true, place: 0 });
        }
        for event in &mut told {
            event.place = event.number + rng.random_range(0..DISORDER);
        }
        told.sort_by_key(|event| event.place);
        let batches = batches(provider, &sales, told, &mut rng);
        let deliveries = deliveries(provider, &sales, &batches);
        let licenses: Vec<Expected> =
            sales.iter().flat_map(|sale| sale.expected(provider)).collect();
        Ok(Story { deliveries, licenses, users: users(provider, &sales) })
    }

    pub(super) fn events(&self) -> usize {
        self.deliveries.iter().map(|delivery| delivery.events).sum()
    }
}

impl Sale {
    fn any(provider: Provider, before: &[Sale], ledger: bool, rng: &mut StdRng) -> Sale {
        let number = before.len();
        let customer = match before.last() {
            Some(last) if rng.random_ratio(1, 5) => last.customer,
            _ => number,
        };
        let fates: &[Fate] = match (ledger, provider) {
            (false, _) => &[Fate::Runs],
            (true, Provider::Stripe) => &[
                Fate::Runs,
                Fate::Runs,
                Fate::Runs,
                Fate::Pauses,
                Fate::Resumes,
                Fate::Ends,
                Fate::EndsInAnyOrder,
            ],
            (true, Provider::Fastspring | Provider::Paddle) => &[
                Fate::Runs,
                Fate::Runs,
                Fate::Runs,
                Fate::Pauses,
                Fate::Pauses,
                Fate::Ends,
                Fate::EndsInAnyOrder,
            ],
        };
        let seats = if provider == Provider::Paddle { rng.random_range(1..=2) } else { 1 };
        Sale {
            number,
            customer,
            seats,
            longer_first: ledger && rng.random_ratio(1, 2),
            fate: fates.choose(rng).copied().unwrap_or(Fate::Runs),
            renewals: rng.random_range(0..=2),
            renewals_wait: !ledger && seats > 1,
        }
    }

    fn events(&self, provider: Provider, before: &[Sale]) -> Vec<What> {
        let is_new = before.last().is_none_or(|last| last.customer != self.customer);
        let mut all = vec![What::Purchase];
        match provider {
            Provider::Stripe => {
                all.push(What::FirstInvoice);
                if is_new && self.customer.is_multiple_of(3) {
                    all.push(What::Customer);
                }
            }
            Provider::Fastspring => {}
            // A transaction does not say who its customer is.
            Provider::Paddle if is_new => all.push(What::Customer),
            Provider::Paddle => {}
        }
        all.extend((1..=self.renewals).map(What::Renewal));
        match self.fate {
            Fate::Runs => {}
            Fate::Pauses => all.push(What::Pause),
            Fate::Resumes => all.extend([What::Pause, What::Resume]),
            Fate::Ends | Fate::EndsInAnyOrder => all.push(What::End),
        }
        all
    }

    fn has_ended(&self) -> bool {
        matches!(self.fate, Fate::Ends | Fate::EndsInAnyOrder)
    }

    fn expected(&self, provider: Provider) -> Vec<Expected> {
        let last_payment = match self.renewals {
            0 => What::Purchase,
            number => What::Renewal(number),
        };
        let paused_last = happened(provider, What::Pause) > happened(provider, last_payment);
        let in_any_order = self.fate == Fate::EndsInAnyOrder;
        let renewals = if in_any_order { 0..=self.renewals } else { self.renewals..=self.renewals };
        let mut ends: Vec<i64> =
            renewals.map(|number| paid_until(provider, self, number)).collect();
        // The invoice that pays longer may be older than an end that came before it.
        if in_any_order {
            ends.push(paid_until(provider, &Sale { longer_first: false, ..self.clone() }, 0));
        }
        let one = |bought: body::Bought| Expected {
            slot: bought.slot,
            product: bought.product,
            owner: self.email(),
            ends: if bought.renews { ends.clone() } else { Vec::new() },
            suspended: bought.renews && self.fate == Fate::Pauses && paused_last,
            revoked: bought.renews && self.has_ended(),
            must_exist: !bought.renews || !in_any_order,
        };
        let all = body::bought(provider, self);
        // FastSpring's licenses are deleted at the end: none may be left.
        let deleted = provider == Provider::Fastspring && self.has_ended();
        all.into_iter().filter(|_| !deleted).map(one).collect()
    }
}

/// Everybody who bought is a user, except who bought nothing but what ended before.
fn users(provider: Provider, sales: &[Sale]) -> BTreeMap<String, bool> {
    let mut users = BTreeMap::new();
    for sale in sales {
        let told = provider == Provider::Paddle
            || (provider == Provider::Stripe && sale.customer.is_multiple_of(3));
        let must = users.entry(sale.email()).or_insert(false);
        *must |= told || sale.fate != Fate::EndsInAnyOrder;
    }
    users
}

/// Puts FastSpring's events together, in the order in which they were told.
fn batches(
    provider: Provider,
    sales: &[Sale],
    told: Vec<Event>,
    rng: &mut StdRng,
) -> Vec<Vec<Event>> {
    let mut batches: Vec<Vec<Event>> = Vec::new();
    let mut room = 0_usize;
    for event in told {
        let alone = waits_for(&event, sales).is_some() || provider != Provider::Fastspring;
        match batches.last_mut() {
            // No batch tells the same twice.
            Some(batch)
                if room > 0 && !alone && batch.iter().all(|other| other.number != event.number) =>
            {
                batch.push(event);
                room -= 1;
            }
            _ => {
                let is_batch = !alone && rng.random_ratio(2, 5);
                room = if is_batch { rng.random_range(1..MOST_IN_A_BATCH) } else { 0 };
                batches.push(vec![event]);
            }
        }
    }
    batches
}

/// What must be done before this event is delivered for the first time.
fn waits_for(event: &Event, sales: &[Sale]) -> Option<fn(What) -> bool> {
    let sale = &sales[event.sale];
    match event.what {
        What::End if sale.fate == Fate::Ends => Some(|what| what != What::End),
        // The ledger alone knows what was paid for a seat that is made later.
        What::Renewal(_) if sale.renewals_wait => Some(|what| what == What::Purchase),
        _ => None,
    }
}

fn deliveries(provider: Provider, sales: &[Sale], batches: &[Vec<Event>]) -> Vec<Delivery> {
    let first_told = |sale: usize, is_waited_for: fn(What) -> bool| {
        let waited_for =
            move |event: &Event| !event.again && event.sale == sale && is_waited_for(event.what);
        let holding = batches.iter().enumerate();
        let holding = holding.filter(move |(_, batch)| batch.iter().any(waited_for));
        holding.map(|(at, _)| at).collect::<Vec<_>>()
    };
    let one = |batch: &Vec<Event>| {
        let texts: Vec<&str> = batch.iter().map(|event| event.text.as_str()).collect();
        let names: Vec<String> =
            batch.iter().map(|event| format!("{:?} of sale {}", event.what, event.sale)).collect();
        let waiting = batch.iter().find_map(|event| Some((event.sale, waits_for(event, sales)?)));
        Delivery {
            body: body::delivery(provider, &texts),
            what: names.join(", "),
            events: batch.len(),
            after: waiting.map(|(sale, what)| first_told(sale, what)).unwrap_or_default(),
        }
    };
    batches.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_seed_tells_one_story_with_the_events_that_were_asked_for() {
        for provider in Provider::ALL {
            for ledger in [true, false] {
                let [one, same, other] = [7, 7, 8]
                    .map(|seed| Story::make(provider, 300, ledger, seed).expect("the corpus"));
                assert_eq!(format!("{one:?}"), format!("{same:?}"));
                assert_ne!(format!("{one:?}"), format!("{other:?}"));
                assert!((300..306).contains(&one.events()), "{provider}: {}", one.events());
                let slots: BTreeSet<&str> =
                    one.licenses.iter().map(|it| it.slot.as_str()).collect();
                assert_eq!(slots.len(), one.licenses.len());
            }
        }
    }

    #[test]
    fn bodies_are_json_and_name_no_person_of_the_corpus() {
        for provider in Provider::ALL {
            let story = Story::make(provider, 300, true, 3).expect("the corpus");
            let mut ids = BTreeSet::new();
            for delivery in &story.deliveries {
                let json: serde_json::Value = serde_json::from_slice(&delivery.body).expect("JSON");
                let text = json.to_string();
                for known in ["ada@", "bea@", "sub_1", "sub_0", "txn_0", "ctm_0", "cus_U", "8Iab57"]
                {
                    assert!(!text.contains(known), "{provider}: {known} in {text}");
                }
                let batch = json["events"].as_array().cloned().unwrap_or_else(|| vec![json]);
                assert_eq!(batch.len(), delivery.events);
                for event in batch {
                    let id = event.get("event_id").or(event.get("id")).cloned();
                    ids.insert(id.expect("an id").to_string());
                }
            }
            let shared = story.events() - ids.len();
            assert!((90..=100).contains(&shared), "{provider}: {shared} duplicates");
        }
    }

    #[test]
    fn expected_ends_follow_from_the_last_payment() {
        let sale = |fate, renewals| Sale {
            number: 1,
            customer: 1,
            seats: 2,
            longer_first: true,
            fate,
            renewals,
            renewals_wait: false,
        };
        let shown = |provider, fate, renewals| -> Vec<String> {
            let all = sale(fate, renewals).expected(provider);
            let one = |it: &Expected| {
                let day = |end: &i64| jiff::Timestamp::from_second(*end).unwrap().to_string();
                let days: Vec<String> =
                    it.ends.iter().map(|end| day(end)[..10].to_owned()).collect();
                let flags = [(it.suspended, " suspended"), (it.revoked, " revoked")];
                let flags: String =
                    flags.iter().filter(|(on, _)| *on).map(|(_, name)| *name).collect();
                format!("{}{flags}{}", days.join("|"), if it.must_exist { "" } else { " or none" })
            };
            all.iter().map(one).collect()
        };
        use Provider::{Fastspring, Paddle, Stripe};
        assert_eq!(shown(Stripe, Fate::Runs, 0), ["2027-09-15"]);
        assert_eq!(shown(Stripe, Fate::Pauses, 0), ["2027-09-15 suspended"]);
        assert_eq!(shown(Stripe, Fate::Pauses, 1), ["2028-09-01"]);
        assert_eq!(shown(Stripe, Fate::Resumes, 0), ["2027-09-15"]);
        assert_eq!(shown(Stripe, Fate::Ends, 2), ["2029-09-01 revoked"]);
        assert_eq!(
            shown(Stripe, Fate::EndsInAnyOrder, 1),
            ["2027-09-15|2028-09-01|2027-09-01 revoked or none"]
        );
        assert_eq!(shown(Fastspring, Fate::Pauses, 1), ["2028-09-01 suspended"]);
        assert_eq!(shown(Fastspring, Fate::Pauses, 2), ["2029-09-01"]);
        assert!(shown(Fastspring, Fate::Ends, 2).is_empty());
        assert_eq!(
            shown(Paddle, Fate::Pauses, 1),
            ["2026-11-01 suspended", "2026-11-01 suspended", ""]
        );
        assert_eq!(shown(Paddle, Fate::Ends, 2), ["2026-12-01 revoked", "2026-12-01 revoked", ""]);
    }

    #[test]
    fn ends_wait_for_the_rest_of_their_sale() {
        let story = Story::make(Provider::Stripe, 600, true, 5).expect("the corpus");
        let waiting = story.deliveries.iter().filter(|delivery| !delivery.after.is_empty());
        let mut seen = 0;
        for delivery in waiting {
            let (what, sale) = delivery.what.split_once(' ').expect("words");
            assert_eq!(what, "End");
            for before in &delivery.after {
                assert!(story.deliveries[*before].what.ends_with(sale), "{}", delivery.what);
            }
            seen += 1;
        }
        assert!(seen > 3);
    }
}
