//! Two hosts for one router: Lambda when the Runtime API is there, else an HTTP server.

mod arguments;
mod healthy;
mod invocation;
mod lambda;
mod mounted;
mod places;
mod server;

use std::sync::Arc;

use arguments::Asked;

use crate::domain::clock::Clock;
use crate::domain::deadline::Timing;
use crate::execute::delivery::Service;
use crate::execute::runtime::Variables;
use crate::infra::metrics::Numbers;
use crate::providers::Provider;

/// A process that cannot go on; its text says why.
pub type Fatal = Box<dyn std::error::Error + Send + Sync>;

/// Does what the command line asks: without arguments, runs one provider's function until it is told to stop. `read` gives
/// the value of an environment variable.
pub fn run<P: Provider>(
    read: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
) -> Result<(), Fatal> {
    let read: Variables = Arc::new(mounted::or_in_a_file(read));
    let in_lambda = read("AWS_LAMBDA_RUNTIME_API").is_some();
    // A container image for Lambda may be given the name of a handler.
    let arguments = std::env::args().skip(1).filter(|_| !in_lambda);
    match arguments::asked::<P>(arguments)? {
        Asked::Serve => {}
        Asked::Healthy => return healthy::ask(&*read),
        Asked::Say(text) => {
            arguments::say(&text);
            return Ok(());
        }
    }
    host::<P>(read)
}

/// [`run`] for a program that has arguments of its own: looks at no command line.
pub fn serve<P: Provider>(
    read: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
) -> Result<(), Fatal> {
    host::<P>(Arc::new(mounted::or_in_a_file(read)))
}

fn host<P: Provider>(read: Variables) -> Result<(), Fatal> {
    let in_lambda = read("AWS_LAMBDA_RUNTIME_API").is_some();
    crate::infra::telemetry::install(in_lambda, read("RUST_LOG").as_deref());
    // Once more, now that somebody hears of a file that cannot be read.
    read("RUST_LOG");
    let stack = read("STACK_NAME").filter(|stack| !stack.trim().is_empty());
    let numbers = Numbers::collect(P::NAME, stack);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // Each has memory of its own: for names that are looked up, and a ledger in a file, these are enough.
        .max_blocking_threads(4)
        .build()?;
    runtime.block_on(async {
        let opened = Service::<P>::open(Arc::clone(&read), Clock::system(), Timing::default());
        let service = Arc::new(Box::pin(opened).await);
        let router = crate::http::router::router(Arc::clone(&service));
        match in_lambda {
            true => Box::pin(lambda::run(&service, router, numbers)).await,
            false => Box::pin(server::run(&service, router, numbers, &*read)).await,
        }
    })
}
