//! The main job on one screen: each provider's story is delivered to the real binaries, and after each step one sees what
//! was delivered, what was answered, and what the licenses look like now.

use std::io;
use std::path::PathBuf;

use comfy_table::{ContentArrangement, Table, presets};
use jiff::Timestamp;

use crate::corpus::{CorpusError, case};
use crate::runtime_api::Server;
use crate::sandbox::{ACCESS_TOKEN, License, Sandbox, Settings, catalogue};
use crate::send::{SendError, now_unix, post};
use crate::sign::Provider;

/// Why the demo could not be played to its end.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// A server did not start.
    #[error("{what}: {reason}")]
    Start {
        /// Which.
        what: String,
        /// Why.
        reason: io::Error,
    },
    /// A body is missing.
    #[error(transparent)]
    Corpus(#[from] CorpusError),
    /// A delivery was not answered.
    #[error(transparent)]
    Send(#[from] SendError),
}

struct Step {
    /// The day on which it happens, for Cryptlex.
    day: &'static str,
    what: &'static str,
    case: &'static str,
    /// How every license must stand afterwards: `end flags`.
    expected: &'static [&'static str],
}

const fn step(
    day: &'static str,
    what: &'static str,
    case: &'static str,
    expected: &'static [&'static str],
) -> Step {
    Step { day, what, case, expected }
}

const STRIPE: &[Step] = &[
    step("2026-09-01", "a customer signs up", "customer-created", &[]),
    step("2026-09-01", "buys a year, by checkout", "checkout-subscription", &["2027-09-01 active"]),
    step("2026-09-01", "and by its first invoice", "invoice-create", &["2027-09-01 active"]),
    step("2026-09-01", "the checkout once more", "checkout-subscription", &["2027-09-01 active"]),
    step("2026-10-01", "pauses", "subscription-paused", &["2027-09-01 suspended"]),
    step("2026-10-08", "resumes", "subscription-resumed", &["2027-09-01 active"]),
    step("2027-09-01", "renews", "invoice-cycle", &["2028-09-01 active"]),
    step("2027-09-01", "the renewal once more", "invoice-cycle", &["2028-09-01 active"]),
    step("2027-10-01", "cancels for good", "subscription-deleted", &["2028-09-01 revoked"]),
];

const FASTSPRING: &[Step] = &[
    step("2026-09-01", "buys a year", "order-subscription", &["2027-09-01 active"]),
    step("2026-09-01", "the order once more", "order-subscription", &["2027-09-01 active"]),
    step(
        "2026-12-01",
        "adds support, which ends with it",
        "order-addon-later",
        &["2027-09-01 active", "2027-09-01 active"],
    ),
    step(
        "2027-08-30",
        "a payment is overdue",
        "payment-overdue",
        &["2027-09-01 suspended", "2027-09-01 suspended"],
    ),
    step(
        "2027-09-03",
        "pays after all",
        "charge-completed-late",
        &["2028-09-01 active", "2028-09-01 active"],
    ),
    step(
        "2027-09-03",
        "the charge once more",
        "charge-completed-late",
        &["2028-09-01 active", "2028-09-01 active"],
    ),
    step("2027-10-01", "ends: FastSpring's policy deletes", "deactivated", &[]),
    step(
        "2027-10-02",
        "three other buyers in one delivery",
        "batch-three-orders",
        &["2028-10-02 active", "never active", "never active", "never active"],
    ),
];

const PADDLE: &[Step] = &[
    step(
        "2026-09-01",
        "two seats a month and a tool for ever",
        "transaction-web",
        &["2026-10-01 active", "2026-10-01 active", "never active"],
    ),
    step(
        "2026-09-01",
        "the transaction once more",
        "transaction-web",
        &["2026-10-01 active", "2026-10-01 active", "never active"],
    ),
    step(
        "2026-09-01",
        "the buyer's name and e-mail come",
        "customer-created",
        &["2026-10-01 active", "2026-10-01 active", "never active"],
    ),
    step(
        "2026-10-01",
        "renews",
        "transaction-recurring",
        &["2026-11-01 active", "2026-11-01 active", "never active"],
    ),
    step(
        "2026-10-08",
        "pauses",
        "subscription-paused",
        &["2026-11-01 suspended", "2026-11-01 suspended", "never active"],
    ),
    step(
        "2026-10-20",
        "resumes by paying",
        "transaction-recurring-resume",
        &["2026-11-20 active", "2026-11-20 active", "never active"],
    ),
    step(
        "2026-11-01",
        "cancels",
        "subscription-canceled",
        &["2026-11-20 revoked", "2026-11-20 revoked", "never active"],
    ),
];

/// Plays all stories; `false` when a step differs from what it expects.
pub async fn play() -> Result<bool, DemoError> {
    let mut as_expected = true;
    for (provider, story) in
        [(Provider::Stripe, STRIPE), (Provider::Fastspring, FASTSPRING), (Provider::Paddle, PADDLE)]
    {
        as_expected &= tell(provider, story).await?;
    }
    let verdict = match as_expected {
        true => "Every step left exactly the licenses that were paid for.",
        false => "A step differs from what it should be: see the lines marked ✗.",
    };
    println!("\n{verdict}");
    Ok(as_expected)
}

async fn tell(provider: Provider, story: &[Step]) -> Result<bool, DemoError> {
    let started = |what: &str, reason| DemoError::Start { what: what.to_owned(), reason };
    let sandbox =
        Sandbox::start(Settings::default()).await.map_err(|e| started("the sandbox", e))?;
    let binary = sibling(provider.binary());
    let environment = [
        (provider.secret_variable(), provider.demo_secret()),
        ("CRYPTLEX_ACCESS_TOKEN", ACCESS_TOKEN),
        ("CRYPTLEX_WEB_API_BASE_URL", &sandbox.url()),
        ("CRYPTLEX_PRODUCT_ID", catalogue::YEARLY_PRODUCT),
    ];
    let server = Server::start(&binary, &environment)
        .await
        .map_err(|e| started(&binary.to_string_lossy(), e))?;
    let path = if provider == Provider::Stripe { "/v2" } else { "/v1" };
    let url = format!("{}{path}", server.url());
    println!(
        "\n{}: {} on {url}, Cryptlex sandbox on {}",
        title(provider),
        provider.binary(),
        sandbox.url()
    );

    let mut table = Table::new();
    table
        .load_style(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(140)
        .set_header([
            "day",
            "what happens",
            "delivered",
            "answered",
            "calls",
            "the licenses now",
            "",
        ]);
    let mut as_expected = true;
    for step in story {
        let midnight: Option<Timestamp> = format!("{}T00:00:00Z", step.day).parse().ok();
        sandbox.set_now(midnight.unwrap_or_else(|| sandbox.now()));
        let body = case(provider, step.case)?.body;
        sandbox.clear_calls();
        let answer = post(&url, provider, provider.demo_secret(), &body, now_unix()).await?;
        let licenses = sandbox.licenses();
        let mut ends: Vec<String> = licenses.iter().map(stand).collect();
        ends.sort();
        let right = answer.status == 200 && ends == step.expected;
        as_expected &= right;
        let shown = all_shown(&licenses);
        table.add_row([
            step.day.to_owned(),
            step.what.to_owned(),
            step.case.to_owned(),
            format!("{} {}", answer.status, message(&answer.body)),
            sandbox.calls().len().to_string(),
            if right { shown } else { format!("{shown}\nexpected: {:?}", step.expected) },
            if right { "✓" } else { "✗" }.to_owned(),
        ]);
    }
    println!("{table}");
    Ok(as_expected)
}

fn sibling(binary: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    own.with_file_name(binary)
}

fn title(provider: Provider) -> &'static str {
    match provider {
        Provider::Stripe => "Stripe",
        Provider::Fastspring => "FastSpring",
        Provider::Paddle => "Paddle",
    }
}

fn message(body: &str) -> String {
    let json: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    json["message"].as_str().unwrap_or(body).to_owned()
}

fn stand(license: &License) -> String {
    let end =
        license.expires_at.map_or("never".to_owned(), |end| end.strftime("%Y-%m-%d").to_string());
    let flag = match (license.revoked, license.suspended) {
        (true, _) => "revoked",
        (false, true) => "suspended",
        (false, false) => "active",
    };
    format!("{end} {flag}")
}

/// Licenses that look the same are one line.
fn all_shown(licenses: &[License]) -> String {
    let mut lines: Vec<(usize, String)> = Vec::new();
    for line in licenses.iter().map(shown) {
        match lines.iter_mut().find(|(_, known)| known == &line) {
            Some((count, _)) => *count += 1,
            None => lines.push((1, line)),
        }
    }
    let counted = lines.iter().map(|(count, line)| match count {
        1 => line.clone(),
        more => format!("{more} x {line}"),
    });
    let all: Vec<String> = counted.collect();
    if all.is_empty() { "none".to_owned() } else { all.join("\n") }
}

fn shown(license: &License) -> String {
    let product = match license.product_id.as_str() {
        catalogue::YEARLY_PRODUCT => "yearly",
        catalogue::MONTHLY_PRODUCT => "monthly",
        catalogue::PERPETUAL_PRODUCT => "perpetual",
        _ => "other",
    };
    let owner = license.user.as_ref().map_or("nobody", |user| user.email.as_str());
    // Stand-ins are long; their beginning says enough.
    let owner: String = owner.chars().take(24).collect();
    format!("{product}, {}, {owner}", stand(license))
}
