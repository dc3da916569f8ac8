//! The server that is compared: where its paths are, what it must be told, and whether it heard.

use std::io::ErrorKind;
use std::str::FromStr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::Instant;

use super::catalog::CONFIGURED_PRODUCT;
use super::deliver::{Answer, deliver};
use super::fresh::Tag;
use super::pace::Pace;
use super::situation::{Delivery, Signature, Situation};
use super::words::printable;
use crate::corpus;
use crate::sandbox::{ACCESS_TOKEN, Sandbox};
use crate::sign::Provider;

/// Between two looks whether the server is there.
const PAUSE: Duration = Duration::from_millis(200);

/// A server that acknowledges a purchase asks Cryptlex within this time.
const FIRST_CALL: Duration = Duration::from_secs(10);

/// What a URL is for: `stripe=http://..`, or all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    place: Place,
    url: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Any,
    Of(Provider),
    /// Stripe's, for bodies that name no product.
    Unnamed,
}

/// Why nothing can be compared.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// A provider was chosen, and no URL is for it.
    #[error("no --url is for {0}: give --url {0}=http://..")]
    None(Provider),
    /// Nobody listens, or nothing was answered in time.
    #[error(
        "{url} gives no answer: {reason}\nStart the server that you want to compare, with these variables:\n\n{exports}"
    )]
    Silent {
        /// Where it should be.
        url: String,
        /// What was tried last.
        reason: String,
        /// What it should be started with.
        exports: String,
    },
    /// It died.
    #[error("{url} is gone since the situation {situation}: {reason}")]
    Stopped {
        /// What was called.
        url: String,
        /// What was played.
        situation: String,
        /// What the connection said.
        reason: String,
    },
    /// The path is wrong.
    #[error("{url} answered {status}: is that the path of {provider}'s webhooks?")]
    WrongPath {
        /// What was called.
        url: String,
        /// Whose webhook it was.
        provider: Provider,
        /// 404 or 405.
        status: u16,
    },
    /// It did nothing, or asked another Cryptlex.
    #[error(
        "{url} answered a purchase with {status} and asked this sandbox nothing. It said: {said}\n\
         Was it started with these variables?\n\n{exports}"
    )]
    Elsewhere {
        /// What was called.
        url: String,
        /// What it answered.
        status: u16,
        /// What it said.
        said: String,
        /// What it should be started with.
        exports: String,
    },
    /// It asked with another token.
    #[error(
        "{url} asked this sandbox with another access token than {ACCESS_TOKEN}: set CRYPTLEX_ACCESS_TOKEN"
    )]
    WrongToken {
        /// What was called.
        url: String,
    },
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (place, url) = match text.split_once('=') {
            Some((name, url)) if !name.contains('/') => (place_of(name)?, url),
            _ => (Place::Any, text),
        };
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err("a URL begins with http://".to_owned());
        }
        Ok(Self { place, url: url.to_owned() })
    }
}

fn place_of(name: &str) -> Result<Place, String> {
    if name == "stripe-unnamed" {
        return Ok(Place::Unnamed);
    }
    let provider = Provider::ALL.into_iter().find(|known| known.name() == name);
    provider.map(Place::Of).ok_or(format!("{name} is neither a provider nor stripe-unnamed"))
}

/// The URL that is meant most closely for a situation.
pub(super) fn url_for<'a>(targets: &'a [Target], situation: &Situation) -> Option<&'a str> {
    let unnamed = Place::Unnamed;
    let places = match (situation.provider, situation.names_product) {
        (Provider::Stripe, false) => [unnamed, Place::Of(Provider::Stripe), Place::Any],
        (provider, _) => [Place::Of(provider), Place::Of(provider), Place::Any],
    };
    let at = |place| targets.iter().find(|target| target.place == place);
    places.into_iter().find_map(at).map(|target| target.url.as_str())
}

/// What a server under test is started with. The last ones are ours: what the expectations assume.
pub(super) fn variables(sandbox_url: &str) -> Vec<(&'static str, String)> {
    let secrets = Provider::ALL
        .map(|provider| (provider.secret_variable(), provider.demo_secret().to_owned()));
    let cryptlex = [
        ("CRYPTLEX_WEB_API_BASE_URL", sandbox_url.to_owned()),
        ("CRYPTLEX_ACCESS_TOKEN", ACCESS_TOKEN.to_owned()),
        ("CRYPTLEX_PRODUCT_ID", CONFIGURED_PRODUCT.to_owned()),
    ];
    let assumed = ASSUMED.map(|(name, value, _)| (name, value.to_owned()));
    secrets.into_iter().chain(cryptlex).chain(assumed).collect()
}

/// Settings of our functions that the expectations assume, and why.
const ASSUMED: [(&str, &str, &str); 5] = [
    ("CRYPTLEX_MAPPINGS_QUANTITY", "total_licenses", "a quantity of Stripe is that many licenses"),
    ("EXPIRY_LEEWAY_HOURS", "0", "licenses end when what was paid ends, not a day later"),
    ("SETTLE_SECS", "0", "what failed is delivered again at once, not minutes later"),
    ("CRYPTLEX_REQUESTS_PER_5S", "0", "the sandbox has no limit of calls"),
    ("RATE_LIMIT_PER_MINUTE", "0", "the deliveries of many months come within seconds"),
];

/// The same for a shell.
pub(super) fn exports(sandbox_url: &str) -> String {
    let lines = variables(sandbox_url).into_iter().map(|(name, value)| {
        let assumed = ASSUMED.iter().find(|(known, _, _)| *known == name);
        let why = assumed.map_or(String::new(), |(_, _, why)| format!("  # ours: {why}"));
        format!("export {name}={value}{why}")
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Sells something, and sees whether the server comes to this sandbox for it. Waits for a server that is not there yet.
pub(super) async fn probe(
    sandbox: &Sandbox,
    url: &str,
    provider: Provider,
    tag: &Tag,
    wait: Duration,
    pace: &mut Pace,
) -> Result<(), TargetError> {
    let case = match provider {
        Provider::Stripe => "checkout-subscription",
        Provider::Fastspring => "order-subscription",
        Provider::Paddle => "transaction-web",
    };
    let body = corpus::case(provider, case).map(|case| case.body).unwrap_or_default();
    let delivery = Delivery {
        body: tag.put(provider, &String::from_utf8_lossy(&body)),
        at: sandbox.now(),
        signature: Signature::Genuine,
        together: false,
        faults: Vec::new(),
    };
    let until = Instant::now() + wait;
    let exports = exports(&sandbox.url());
    let url = url.to_owned();
    let Answer { status, body: said } = loop {
        match deliver(&url, provider, &delivery).await {
            Ok(answer) => break answer,
            Err(unanswered) if Instant::now() >= until => {
                let reason = printable(&unanswered.reason);
                return Err(TargetError::Silent { url, reason, exports });
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    };
    if (200..300).contains(&status) && sandbox.calls().is_empty() {
        pace.call(sandbox, FIRST_CALL).await;
    }
    pace.quiet(sandbox).await;
    let calls = sandbox.calls();
    if calls.is_empty() && matches!(status, 404 | 405) {
        return Err(TargetError::WrongPath { url, provider, status });
    }
    if calls.is_empty() {
        let said = printable(&said);
        return Err(TargetError::Elsewhere { url, status, said, exports });
    }
    if calls.iter().all(|call| call.status == Some(401)) {
        return Err(TargetError::WrongToken { url });
    }
    Ok(())
}

/// Whether nobody listens any more.
pub(super) async fn is_gone(url: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(url) else { return false };
    let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
        return false;
    };
    let connected = TcpStream::connect((host.trim_matches(['[', ']']), port)).await;
    connected.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::situation::situations;

    fn targets(words: &[&str]) -> Vec<Target> {
        words.iter().map(|word| word.parse().unwrap()).collect()
    }

    #[test]
    fn a_url_is_taken_where_it_is_meant_for() {
        let all = situations();
        let one = |provider, named| {
            let fits = |it: &&Situation| it.provider == provider && it.names_product == named;
            all.iter().find(fits).unwrap()
        };
        let urls =
            targets(&["http://a/v1", "stripe=http://b/v2?x=y", "stripe-unnamed=http://c/v1"]);
        assert_eq!(url_for(&urls, one(Provider::Paddle, true)), Some("http://a/v1"));
        assert_eq!(url_for(&urls, one(Provider::Stripe, true)), Some("http://b/v2?x=y"));
        assert_eq!(url_for(&urls, one(Provider::Stripe, false)), Some("http://c/v1"));
        assert_eq!(url_for(&urls[1..2], one(Provider::Stripe, false)), Some("http://b/v2?x=y"));
        assert_eq!(url_for(&urls[1..], one(Provider::Paddle, true)), None);
        for wrong in ["strip=http://a", "a", "stripe=a"] {
            assert!(wrong.parse::<Target>().is_err(), "{wrong}");
        }
    }
}
