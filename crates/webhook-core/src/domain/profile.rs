//! What everything else may know of the provider whose function this is.

use crate::domain::policy::{AtTheEnd, QuantityMeans};

/// A provider by its constants. There is no default for anything: each says it all.
pub trait Profile: Sized + Send + Sync + 'static {
    /// In paths, slots and logs: `stripe`.
    const NAME: &'static str;
    /// In messages: `Stripe`.
    const TITLE: &'static str;
    /// The variable that holds the signing secret.
    const SECRET_VARIABLE: &'static str;
    /// How values begin that are often taken for the signing secret, and what to take instead.
    const MISTAKEN_SECRETS: &'static [(&'static str, &'static str)] = &[];
    /// How long a delivery may take unless configured, in milliseconds.
    const DEADLINE_MS: u64;
    /// What a quantity means unless the product or the vendor says otherwise.
    const QUANTITY_MEANS: QuantityMeans;
    /// What the end of a subscription does unless the vendor says otherwise.
    const AT_THE_END: AtTheEnd;
    /// Whether its deliveries are batches, acknowledged event by event.
    const BATCHES: bool;
    /// Whether `/v1` grants licenses of `CRYPTLEX_PRODUCT_ID`, and `/v2` those that metadata names. Without it there is `/v1`
    /// alone, and products name their licenses.
    const CONFIGURED_PRODUCT: bool;

    /// The addresses that it publishes as those of its deliveries.
    fn addresses() -> Vec<&'static str>;
}
