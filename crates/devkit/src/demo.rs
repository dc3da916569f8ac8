//! The main job on one screen: each provider's story is delivered to the real binaries, and after each step one sees what
//! was delivered, what was answered, and what the licenses look like now.

use std::io::{self, Write as _};
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
    /// Nobody reads any more.
    #[error("the table could not be printed: {0}")]
    Unprinted(io::Error),
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
    /// The expected state of every license afterwards: `end flags`.
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
    step("2026-09-01", "buys a year, by checkout", "checkout-subscription", &["active 2027-09-01"]),
    step(
        "2026-09-01",
        "of three seats, says its invoice",
        "invoice-create",
        &["active 2027-09-01"; 3],
    ),
    step(
        "2026-09-01",
        "the checkout once more",
        "checkout-subscription",
        &["active 2027-09-01"; 3],
    ),
    step(
        "2027-02-28",
        "upgrades to five seats",
        "subscription-updated-seats",
        &["active 2027-09-01"; 5],
    ),
    step(
        "2027-09-01",
        "a payment fails: days of grace",
        "invoice-payment-failed",
        &["active 2027-09-08"; 5],
    ),
    step("2027-09-01", "pays after all", "invoice-cycle", &["active 2028-09-01"; 5]),
    step("2027-09-01", "which payment it was", "invoice-payment-paid", &["active 2028-09-01"; 5]),
    step("2027-09-01", "the renewal once more", "invoice-cycle", &["active 2028-09-01"; 5]),
    step("2027-09-07", "gets a part back", "charge-refunded-partial", &["active 2028-09-01"; 5]),
    step("2027-09-08", "gets all of it back", "charge-refunded", &["suspended 2028-09-01"; 5]),
    step("2027-10-01", "cancels for good", "subscription-deleted", &["revoked 2028-09-01"; 5]),
];

const FASTSPRING: &[Step] = &[
    step("2026-09-01", "buys a year", "order-subscription", &["active 2027-09-01"]),
    step("2026-09-01", "the order once more", "order-subscription", &["active 2027-09-01"]),
    step(
        "2026-12-01",
        "adds support, which ends with it",
        "order-addon-later",
        &["active 2027-09-01", "active 2027-09-01"],
    ),
    step(
        "2027-09-01",
        "a charge fails: days of grace",
        "charge-failed",
        &["active 2027-09-08", "active 2027-09-08"],
    ),
    step(
        "2027-09-03",
        "pays after all",
        "charge-completed-late",
        &["active 2028-09-01", "active 2028-09-01"],
    ),
    step(
        "2027-09-03",
        "the charge once more",
        "charge-completed-late",
        &["active 2028-09-01", "active 2028-09-01"],
    ),
    step("2027-10-01", "ends: FastSpring's policy deletes", "deactivated", &[]),
    step(
        "2026-09-01",
        "somebody else buys three seats",
        "order-subscription-seats",
        &["active 2027-09-01"; 3],
    ),
    step(
        "2026-12-01",
        "orders five, from the next charge on",
        "updated-seats",
        &["active 2027-09-01"; 3],
    ),
    step(
        "2026-12-16",
        "another buyer",
        "order-plain",
        &["active 2027-09-01", "active 2027-09-01", "active 2027-09-01", "active for ever"],
    ),
    step(
        "2026-12-17",
        "who gets all of it back",
        "return-full",
        &["active 2027-09-01", "active 2027-09-01", "active 2027-09-01", "suspended for ever"],
    ),
];

const PADDLE: &[Step] = &[
    step(
        "2026-09-01",
        "two seats a month and a tool for ever",
        "transaction-web",
        &["active 2026-10-01", "active 2026-10-01", "active for ever"],
    ),
    step(
        "2026-09-01",
        "the transaction once more",
        "transaction-web",
        &["active 2026-10-01", "active 2026-10-01", "active for ever"],
    ),
    step(
        "2026-09-01",
        "the buyer's name and e-mail come",
        "customer-created",
        &["active 2026-10-01", "active 2026-10-01", "active for ever"],
    ),
    step(
        "2026-09-12",
        "upgrades to four seats",
        "subscription-updated-seats",
        &[
            "active 2026-10-01",
            "active 2026-10-01",
            "active 2026-10-01",
            "active 2026-10-01",
            "active for ever",
        ],
    ),
    step(
        "2026-10-01",
        "a payment fails: days of grace",
        "subscription-past-due",
        &[
            "active 2026-10-08",
            "active 2026-10-08",
            "active 2026-10-08",
            "active 2026-10-08",
            "active for ever",
        ],
    ),
    step(
        "2026-10-01",
        "pays after all",
        "transaction-recurring",
        &[
            "active 2026-11-01",
            "active 2026-11-01",
            "active 2026-11-01",
            "active 2026-11-01",
            "active for ever",
        ],
    ),
    step(
        "2026-10-05",
        "asks for the money",
        "adjustment-refund-pending",
        &[
            "active 2026-11-01",
            "active 2026-11-01",
            "active 2026-11-01",
            "active 2026-11-01",
            "active for ever",
        ],
    ),
    step(
        "2026-10-06",
        "and gets it",
        "adjustment-refund",
        &[
            "suspended 2026-11-01",
            "suspended 2026-11-01",
            "suspended 2026-11-01",
            "suspended 2026-11-01",
            "active for ever",
        ],
    ),
    step(
        "2026-11-01",
        "cancels",
        "subscription-canceled",
        &[
            "revoked 2026-11-01",
            "revoked 2026-11-01",
            "revoked 2026-11-01",
            "revoked 2026-11-01",
            "active for ever",
        ],
    ),
];

const LEGEND: &str = "Each row is one signed webhook, posted to the real binary. day: the sandbox's clock. calls: what Cryptlex was asked.
✓: the licenses are as they should be.";

/// Plays all stories; `false` when a step differs from what it expects.
pub async fn play() -> Result<bool, DemoError> {
    writeln!(io::stdout(), "{LEGEND}").map_err(DemoError::Unprinted)?;
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
    writeln!(io::stdout(), "\n{verdict}").map_err(DemoError::Unprinted)?;
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
        ("CRYPTLEX_MAPPINGS_QUANTITY", "total_licenses"),
        ("GRACE_DAYS", "7"),
        // Ends are shown as they were paid.
        ("EXPIRY_LEEWAY_HOURS", "0"),
    ];
    let server = Server::start(&binary, &environment)
        .await
        .map_err(|e| started(&binary.to_string_lossy(), e))?;
    let url = format!("{}{}", server.url(), provider.path());
    writeln!(
        io::stdout(),
        "
{}: {} on {url}, Cryptlex sandbox on {}",
        title(provider),
        provider.binary(),
        sandbox.url()
    )
    .map_err(DemoError::Unprinted)?;

    let mut table = Table::new();
    table
        .load_style(presets::UTF8_BORDERS_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(["", "day", "what happens", "answered", "calls", "the licenses now"]);
    if table.width().is_none() {
        table.set_width(120);
    }
    let mut as_expected = true;
    let (mut day, mut delivered) = ("", Vec::new());
    for step in story {
        let midnight: Option<Timestamp> = format!("{}T00:00:00Z", step.day).parse().ok();
        sandbox.set_now(midnight.unwrap_or_else(|| sandbox.now()));
        let body = case(provider, step.case)?.body;
        sandbox.clear_calls();
        let answer = post(&url, provider, provider.demo_secret(), &body, now_unix()).await?;
        let (licenses, calls) = (sandbox.licenses(), sandbox.calls().len());
        let mut ends: Vec<String> = licenses.iter().map(stand).collect();
        ends.sort();
        let mut expected: Vec<&str> = step.expected.to_vec();
        expected.sort_unstable();
        let right = answer.status == 200 && ends == expected;
        as_expected &= right;
        let said = match delivered.contains(&step.case) && calls == 0 {
            true => format!("{}, as before", answer.status),
            false => format!("{} {}", answer.status, message(&answer.body)),
        };
        let shown = all_shown(&licenses);
        table.add_row([
            if right { "✓" } else { "✗" }.to_owned(),
            if step.day == day { String::new() } else { step.day.to_owned() },
            format!("{}\n  {}", step.what, step.case),
            said,
            calls.to_string(),
            if right { shown } else { format!("{shown}\nexpected: {:?}", step.expected) },
        ]);
        day = step.day;
        delivered.push(step.case);
    }
    writeln!(io::stdout(), "{table}").map_err(DemoError::Unprinted)?;
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

/// Long ids are shortened: their beginning tells them apart.
fn message(body: &str) -> String {
    let json: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    let words = json["message"].as_str().unwrap_or(body).split(' ');
    words.map(|word| shortened(word, 20)).collect::<Vec<_>>().join(" ")
}

fn shortened(word: &str, most: usize) -> String {
    if word.chars().count() <= most {
        return word.to_owned();
    }
    word.chars().take(most.saturating_sub(6)).chain(['…']).collect()
}

fn stand(license: &License) -> String {
    let end = license
        .expires_at
        .map_or("for ever".to_owned(), |end| end.strftime("%Y-%m-%d").to_string());
    let state = match (license.revoked, license.suspended) {
        (true, _) => "revoked",
        (false, true) => "suspended",
        (false, false) => "active",
    };
    format!("{state} {end}")
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

/// `active until 2027-09-01, yearly, ada@example.com`
fn shown(license: &License) -> String {
    let product = match license.product_id.as_str() {
        catalogue::YEARLY_PRODUCT => "yearly",
        catalogue::MONTHLY_PRODUCT => "monthly",
        catalogue::PERPETUAL_PRODUCT => "lifetime",
        _ => "add-on",
    };
    let stand = stand(license);
    let stand =
        if license.expires_at.is_some() { stand.replacen(' ', " until ", 1) } else { stand };
    let owner = license.user.as_ref().map_or("nobody", |user| user.email.as_str());
    format!("{stand}, {product}, {}", shortened(owner, 26))
}
