//! Texts that are contracts. Providers, monitoring and log queries of vendors compare them word for word, so none of them
//! may ever change. `tests/it/texts.rs` has each of them written out.
//!
//! All other texts may be improved. Each lives where its kind does: answers in `http/reply.rs`, what became of an event in
//! `execute/outcome.rs`, problems of the configuration in `infra/config/problem.rs`, advice in `infra/notify.rs`.

use std::fmt::Display;

// Answers of `/v1` and `/v2`: `{"message": .., "data": ..}`.

/// One license was made.
pub const LICENSE_CREATED: &str = "License created successfully.";
/// Several were.
pub const LICENSES_CREATED: &str = "Licenses created successfully.";
/// A purchase changed licenses that were there.
pub const UPDATED: &str = "License(s) updated successfully.";
/// A payment moved the end.
pub const RENEWED: &str = "License(s) renewed successfully.";
/// Licenses are suspended now.
pub const SUSPENDED: &str = "License(s) suspended successfully.";
/// They run again.
pub const RESUMED: &str = "License(s) resumed successfully.";
/// They are revoked now.
pub const REVOKED: &str = "License(s) revoked successfully.";
/// The subscription has other lines now.
pub const CHANGED: &str = "License(s) changed successfully.";
/// A payment failed, and days of grace run.
pub const FAILURE_RECORDED: &str = "Payment failure recorded successfully.";
/// A customer has a user now.
pub const USER_CREATED: &str = "User created successfully.";
/// The user has another address or name now.
pub const USER_UPDATED: &str = "User updated successfully.";

/// The story of a subscription or an order is over.
pub fn ended(subject: impl Display) -> String {
    format!("{subject} ended successfully.")
}

/// A type of event that this project does not handle.
pub fn not_handled(kind: &str) -> String {
    format!("Webhook with event type {kind} is not handled: ignored.")
}

/// An event that goes on in the overflow queue.
pub fn accepted(event: impl Display) -> String {
    format!("Event {event} accepted for processing.")
}

/// A batch of several events, all of them done.
pub fn all_processed(events: usize) -> String {
    format!("{events} events processed successfully.")
}

/// A payment whose licenses are not there.
pub fn nothing_to_renew(subject: impl Display) -> String {
    format!("while attempting to renew licenses, no license of {subject} was found")
}

/// A purchase that does not tell its buyer.
pub fn no_email(object: impl Display) -> String {
    format!("Customer email not found in {object}")
}

/// The delivery has no signature, on `/v1` and `/v2`.
pub fn no_header(header: &str) -> String {
    format!("No {header} header was found.")
}

/// The signature proves nothing, on `/v1` and `/v2`.
pub fn not_verified(why: impl Display) -> String {
    format!("{NOT_VERIFIED}: {why}")
}

// Answers of `/webhooks/<provider>`: `{"status": ..}` or `{"error": ..}`.

/// Everything of the delivery is done.
pub const SUCCESS: &str = "success";
/// Something of it is not.
pub const FAILED: &str = "Failed to process webhook event";
/// The signature proves nothing; also the log line of it, on all paths.
pub const NOT_VERIFIED: &str = "Webhook signature verification failed";
/// The signature is right, and the body is not an event.
pub const NOT_AN_EVENT: &str = "Invalid payload encoding";

/// The delivery has no signature, on `/webhooks/<provider>`.
pub fn missing_header(header: &str) -> String {
    format!("Missing {header} header")
}

// Answers of all paths.

/// A variable is not set, or blank; also a log line at the start.
pub fn not_found(variable: &str) -> String {
    format!("{variable} was not found in environment variables.")
}

/// An event about test money that `TEST_EVENTS` keeps from having an effect.
pub const TEST_REFUSED: &str = "test event refused (TEST_EVENTS)";

// Log lines.

/// A server that takes connections: tools wait for this line.
pub fn listening(address: impl Display) -> String {
    format!("listening on http://{address}")
}

/// An event came, from the provider with this title.
pub fn received(title: &str, kind: &str, event: impl Display) -> String {
    format!("Received {title} webhook: {kind} ({event})")
}

/// It is done.
pub fn processed(event: impl Display) -> String {
    format!("Successfully processed webhook event {event}")
}

/// It is not.
pub fn failed(event: impl Display, why: impl Display) -> String {
    format!("{FAILED} {event}: {why}")
}

/// A signature that will soon be too old to be believed.
pub fn close_to_threshold(seconds: i64) -> String {
    format!("Webhook timestamp is close to threshold: {seconds} seconds old")
}
