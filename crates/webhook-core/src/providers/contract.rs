//! What the path of a webhook decides: where a purchase finds its product.

use super::{ProductLookup, Provider};
use crate::infra::config::{Config, Problem};

/// How a purchase finds its product, and what answers look like: by the path of the webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contract {
    /// Stripe: the configured product. The others: what their products say.
    V1,
    /// Stripe: the metadata of the checkout session or of the subscription.
    V2,
    /// Stripe: such metadata, else the configured product. Answers tell a person's work from what passes by itself.
    Lifecycle,
}

impl Contract {
    /// The contracts that a provider's function has.
    pub fn all<P: Provider>() -> &'static [Self] {
        match P::CONFIGURED_PRODUCT {
            true => &[Self::V1, Self::V2, Self::Lifecycle],
            false => &[Self::V1, Self::Lifecycle],
        }
    }

    /// The path without the slash before it.
    pub fn path<P: Provider>(self) -> String {
        match self {
            Self::V1 => "v1".to_owned(),
            Self::V2 => "v2".to_owned(),
            Self::Lifecycle => format!("webhooks/{}", P::NAME),
        }
    }

    /// The contract of such a path.
    pub fn of<P: Provider>(path: &str) -> Option<Self> {
        Self::all::<P>().iter().copied().find(|it| it.path::<P>() == path)
    }

    /// Where its purchases find their product, or what is not configured for them.
    pub(crate) fn source<P: Provider>(self, config: &Config) -> Result<ProductLookup, Problem> {
        match (self, &config.product) {
            (Self::V1, Some(product)) => Ok(ProductLookup::Configured(product.clone())),
            (Self::V1, None) if P::CONFIGURED_PRODUCT => {
                Err(Problem::Missing("CRYPTLEX_PRODUCT_ID"))
            }
            (Self::Lifecycle, Some(product)) => Ok(ProductLookup::MetadataOr(product.clone())),
            (Self::V1 | Self::V2 | Self::Lifecycle, _) => Ok(ProductLookup::Metadata),
        }
    }
}
