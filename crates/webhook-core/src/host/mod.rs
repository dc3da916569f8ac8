//! Two hosts for one router: Lambda when the Runtime API is there, else an HTTP server.

mod gateway;
mod lambda;
mod server;

use std::sync::Arc;

use crate::clock::Clock;
use crate::config::load;
use crate::deadline::Timing;
use crate::provider::Provider;
use crate::service::Service;

/// A process that cannot go on; its text says why.
pub type Fatal = Box<dyn std::error::Error + Send + Sync>;

/// Runs one provider's function until it is told to stop. `read` gives the value of an environment variable.
pub fn run<P: Provider>(read: impl Fn(&str) -> Option<String>) -> Result<(), Fatal> {
    let in_lambda = read("AWS_LAMBDA_RUNTIME_API").is_some();
    crate::telemetry::install(in_lambda, read("RUST_LOG").as_deref());
    let loaded = load::<P>(&read);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let service = Service::<P>::open(loaded, Clock::system(), Timing::default()).await;
        let service = Arc::new(service);
        service.report_configuration();
        let router = crate::router::router(Arc::clone(&service));
        match in_lambda {
            true => lambda::run(router).await,
            false => server::run(&service, router, &read).await,
        }
    })
}
