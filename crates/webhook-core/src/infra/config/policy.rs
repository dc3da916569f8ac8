//! What the vendor decides.

use jiff::SignedDuration;

use super::problem::Problem;
use super::reader::Reader;
use crate::domain::policy::{AtTheEnd, Policy, QuantityMeans, Refunded, TestEvents};
use crate::domain::profile::Profile;

/// The vendor's choices alone, for tools that look at what a function of that provider decides.
pub fn policy_of<P: Profile>(
    read: impl Fn(&str) -> Option<String>,
) -> Result<Policy, Vec<Problem>> {
    let mut reader = Reader::new(read);
    let policy = reader.policy::<P>();
    if reader.problems.is_empty() { Ok(policy) } else { Err(reader.problems) }
}

impl<R: Fn(&str) -> Option<String>> Reader<R> {
    pub(super) fn policy<P: Profile>(&mut self) -> Policy {
        let ends = [
            ("revoke", AtTheEnd::Revoke),
            ("delete", AtTheEnd::Delete),
            ("suspend", AtTheEnd::Suspend),
            ("none", AtTheEnd::Nothing),
        ];
        let mut policy = Policy::of::<P>();
        // The predecessor's documentation used both names.
        for variable in
            ["CRYPTLEX_SUBSCRIPTION_CANCELLATION_ACTION", "CRYPTLEX_CANCELLATION_ACTION"]
        {
            policy.at_the_end =
                self.choice(variable, policy.at_the_end, &ends, "revoke, delete, suspend or none");
        }
        let quantities = [
            ("one", QuantityMeans::One),
            ("total_licenses", QuantityMeans::Licenses),
            ("allowed_activations", QuantityMeans::Activations),
        ];
        policy.quantity_means = self.choice(
            "CRYPTLEX_MAPPINGS_QUANTITY",
            policy.quantity_means,
            &quantities,
            "one, total_licenses or allowed_activations",
        );
        policy.grace = days_of(self.number("GRACE_DAYS", 0, 0..=365, "0 to 365 days"));
        let hours = u64::try_from(policy.leeway.as_hours()).unwrap_or(0);
        policy.leeway =
            hours_of(self.number("EXPIRY_LEEWAY_HOURS", hours, 0..=720, "0 to 720 hours"));
        let refunds = [
            ("suspend", Refunded::Suspends),
            ("revoke", Refunded::Revokes),
            ("none", Refunded::ChangesNothing),
        ];
        policy.refunded =
            self.choice("REFUND_ACTION", policy.refunded, &refunds, "suspend, revoke or none");
        policy.accept_unmapped = self.choice(
            "UNMAPPED",
            policy.accept_unmapped,
            &[("accept", true), ("error", false)],
            "accept or error",
        );
        policy.pause_collection = self.choice(
            "PAUSE_COLLECTION",
            policy.pause_collection,
            &[("suspend", true), ("note", false)],
            "suspend or note",
        );
        policy.test_events = self.choice(
            "TEST_EVENTS",
            policy.test_events,
            &[
                ("auto", TestEvents::Auto),
                ("accept", TestEvents::Accept),
                ("refuse", TestEvents::Refuse),
            ],
            "auto, accept or refuse",
        );
        policy
    }
}

fn hours_of(n: u64) -> SignedDuration {
    SignedDuration::from_hours(i64::try_from(n).unwrap_or(0))
}

pub(super) fn days_of(n: u64) -> SignedDuration {
    hours_of(n.saturating_mul(24))
}
