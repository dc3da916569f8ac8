//! One provider's function in a process of its own.

use std::sync::Arc;
use std::time::Duration;

use devkit::sign::Provider as Signer;
use webhook_core::domain::deadline::Timing;
use webhook_core::execute::delivery::Service;
use webhook_core::ledger::Store;
use webhook_core::providers::Contract;
use webhook_core::providers::{FastSpring, Paddle, Provider, Stripe};

use crate::support::{App, handle};

pub(crate) enum Function {
    Stripe(Arc<Service<Stripe>>),
    FastSpring(Arc<Service<FastSpring>>),
    Paddle(Arc<Service<Paddle>>),
}

impl Function {
    pub(crate) fn start(
        app: &App,
        provider: Signer,
        store: Arc<dyn Store>,
        timing: Timing,
    ) -> Self {
        match provider {
            Signer::Stripe => Self::Stripe(app.service(store, timing)),
            Signer::Fastspring => Self::FastSpring(app.service(store, timing)),
            Signer::Paddle => Self::Paddle(app.service(store, timing)),
        }
    }

    /// The status that a delivery to one of the predecessor's paths is answered with.
    pub(crate) async fn deliver(
        &self,
        app: &App,
        path: &str,
        body: &[u8],
        budget: Duration,
    ) -> u16 {
        match self {
            Self::Stripe(it) => deliver(it, app, Signer::Stripe, path, body, budget).await,
            Self::FastSpring(it) => deliver(it, app, Signer::Fastspring, path, body, budget).await,
            Self::Paddle(it) => deliver(it, app, Signer::Paddle, path, body, budget).await,
        }
    }
}

async fn deliver<P: Provider>(
    service: &Service<P>,
    app: &App,
    provider: Signer,
    path: &str,
    body: &[u8],
    budget: Duration,
) -> u16 {
    let contract = match path {
        "/v2" => Contract::V2,
        _ => Contract::V1,
    };
    handle(app, service, provider, contract, body, budget).await
}
