//! The FastSpring function: receives webhooks, keeps Cryptlex licenses as they were paid for.
//!
//! In Lambda it asks the Runtime API for events; anywhere else it serves HTTP on `HOST:PORT`.

use std::process::ExitCode;

fn main() -> ExitCode {
    #[expect(clippy::disallowed_methods, reason = "this is where the environment comes in")]
    let read = |name: &str| std::env::var(name).ok();
    match webhook_core::http::host::run::<webhook_core::providers::FastSpring>(read) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fatal) => {
            #[expect(clippy::print_stderr, reason = "the last words of a process")]
            {
                eprintln!("fastspring-webhook: {fatal}");
            }
            ExitCode::FAILURE
        }
    }
}
