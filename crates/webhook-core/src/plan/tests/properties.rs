use jiff::SignedDuration;
use proptest::prelude::*;
use serde_json::json;

use super::World;
use super::world::{POLICY, about, grant, line, purchase};
use crate::command::{
    Action, AtTheEnd, Cause, Command, Grant, Pays, QuantityMeans, Renew, Through,
};
use crate::config::Policy;
use crate::interval::shifted;

fn day(n: i64) -> jiff::Timestamp {
    shifted(super::at("2026-09-01"), SignedDuration::from_hours(24 * n))
}

fn policies() -> impl Strategy<Value = Policy> {
    let ends = prop::sample::select(vec![
        AtTheEnd::Revoke,
        AtTheEnd::Delete,
        AtTheEnd::Suspend,
        AtTheEnd::Nothing,
    ]);
    let quantities = prop::sample::select(vec![
        QuantityMeans::One,
        QuantityMeans::Licenses,
        QuantityMeans::Activations,
    ]);
    (ends, quantities, 0_i64..10, 0_i64..50).prop_map(
        |(at_the_end, quantity_means, days, hours)| Policy {
            at_the_end,
            quantity_means,
            grace: SignedDuration::from_hours(days * 24),
            leeway: SignedDuration::from_hours(hours),
            ..POLICY
        },
    )
}

fn pays() -> impl Strategy<Value = Pays> {
    prop::sample::select(vec![Pays::ForThePeriod, Pays::ForAChange, Pays::Beside])
}

fn commands() -> impl Strategy<Value = (Command, i64)> {
    let action = prop_oneof![
        (1_u32..4, prop::option::of(1_i64..800)).prop_map(|(quantity, end)| {
            let paid_through = end.map(day);
            Action::Grant(Grant { paid_through, ..purchase(vec![line("-", quantity)]) })
        }),
        (1_i64..800, pays()).prop_map(|(end, pays)| {
            Action::Renew(Renew { through: Through::Until(day(end)), pays })
        }),
        prop::sample::select(vec![Cause::Payment, Cause::Pause]).prop_map(Action::Suspend),
        Just(Action::Resume(&[Cause::Pause])),
        Just(Action::End),
    ];
    (action.prop_map(about), 0_i64..400)
}

fn world(policy: Policy, interval: &'static str, held: &[(i64, bool, bool)]) -> World {
    let mut world = World::new();
    world.policy = policy;
    world.interval = interval;
    for (end, suspended, revoked) in held {
        let end = (*end > 0).then(|| day(*end));
        world.add(json!({"expiresAt": end, "suspended": suspended, "revoked": revoked, "subscriptionInterval": interval}));
    }
    world
}

fn intervals() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["P1Y", "P1M", "P30D", "P3M10D", "P1D", ""])
}

proptest! {
    /// `World::settle` fails when a step is planned twice or planning does not end.
    #[test]
    fn nothing_is_planned_twice_and_a_second_delivery_plans_nothing(
        policy in policies(),
        interval in intervals(),
        held in prop::collection::vec((0_i64..800, any::<bool>(), any::<bool>()), 0..4),
        stories in prop::collection::vec(commands(), 1..8),
    ) {
        let mut world = world(policy, interval, &held);
        for (command, time) in stories {
            let event = day(time).to_string();
            if world.settle(&command, &event).is_ok() {
                prop_assert_eq!(world.settle(&command, &event), Ok(Vec::new()));
            }
        }
    }

    #[test]
    fn a_renewal_is_never_shorter_than_paid_and_adds_nothing_when_repeated(
        interval in intervals(),
        end in 1_i64..800,
        paid in 1_i64..800,
        event in 0_i64..400,
        hours in 0_i64..50,
    ) {
        prop_assume!(paid >= event);
        let policy = Policy { leeway: SignedDuration::from_hours(hours), ..POLICY };
        let mut world = world(policy, interval, &[(end, false, false)]);
        let renewal = about(Action::Renew(Renew { through: Through::Until(day(paid)), pays: Pays::ForThePeriod }));
        world.settle(&renewal, &day(event).to_string()).unwrap();
        let now = world.snapshot.licenses[0].expires_at.unwrap();
        let promised = shifted(day(paid), world.policy.leeway);
        prop_assert!(now >= promised);
        prop_assert!(now <= day(end).max(shifted(promised, SignedDuration::from_hours(24))), "longer than paid");
        prop_assert_eq!(world.settle(&renewal, &day(event).to_string()), Ok(Vec::new()));
    }

    #[test]
    fn any_interruption_goes_on_to_the_same_licenses(
        policy in policies(),
        quantity in 1_u32..5,
        lost_ledger in any::<bool>(),
    ) {
        let bought = grant(vec![line("a", quantity), line("b", 1)]);
        let event = day(0).to_string();
        let mut whole = world(policy.clone(), "P1M", &[]);
        whole.settle(&bought, &event).unwrap();
        let mut interrupted = world(policy, "P1M", &[]);
        // Only the first step of each plan happens before the next delivery.
        for _ in 0..40 {
            let Some(step) = interrupted.plan(&bought, &event).unwrap().steps.into_iter().next() else { break };
            interrupted.apply(&step);
            if lost_ledger {
                interrupted.snapshot.state = crate::ledger::SubjectState::default();
            }
        }
        prop_assert_eq!(interrupted.settle(&bought, &event), Ok(Vec::new()));
        prop_assert_eq!(interrupted.shown(), whole.shown());
    }
}
