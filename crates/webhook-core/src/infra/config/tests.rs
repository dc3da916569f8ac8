use std::path::PathBuf;

use super::*;
use crate::domain::policy::{AtTheEnd, QuantityMeans};
use crate::infra::networks::Networks;
use crate::providers::{FastSpring, Paddle, Stripe};
use secrecy::ExposeSecret as _;

const STRIPE: [(&str, &str); 3] = [
    ("STRIPE_WEBHOOK_SECRET", "whsec_test"),
    ("CRYPTLEX_ACCESS_TOKEN", "token"),
    ("CRYPTLEX_WEB_API_BASE_URL", "https://api.cryptlex.com"),
];

fn stripe(changes: &[(&str, &str)]) -> Loaded {
    load::<Stripe>(|name| {
        let all = changes.iter().chain(&STRIPE);
        all.filter(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()).next()
    })
}

#[test]
fn every_missing_variable_is_named_the_secret_first() {
    let problems = |loaded: Loaded| -> Vec<String> {
        loaded.config.unwrap_err().iter().map(ToString::to_string).collect()
    };
    for (secret, loaded) in [
        ("STRIPE_WEBHOOK_SECRET", load::<Stripe>(|_| None)),
        ("FASTSPRING_WEBHOOK_SECRET", load::<FastSpring>(|_| Some("  ".to_owned()))),
        ("PADDLE_WEBHOOK_SECRET", load::<Paddle>(|_| None)),
    ] {
        let expected = [secret, "CRYPTLEX_ACCESS_TOKEN", "CRYPTLEX_WEB_API_BASE_URL"]
            .map(|name| format!("{name} was not found in environment variables."));
        assert_eq!(problems(loaded), expected);
    }
}

#[test]
fn the_base_url_is_taken_with_and_without_version_and_slash() {
    for url in
        ["https://h.example", "https://h.example/", "https://h.example/v3", "https://h.example/v3/"]
    {
        let config = stripe(&[("CRYPTLEX_WEB_API_BASE_URL", url)]).config.unwrap();
        assert_eq!(config.cryptlex.base_url, "https://h.example", "{url}");
    }
    for url in [
        "api.cryptlex.com",
        "https://",
        "/v3",
        "ftp://h.example",
        "http://h.example:99999",
        "http://[::1",
        "http://user:password@h.example",
        "http://h.example?x",
    ] {
        let problems = stripe(&[("CRYPTLEX_WEB_API_BASE_URL", url)]).config.unwrap_err();
        assert_eq!(problems[0].variable(), "CRYPTLEX_WEB_API_BASE_URL", "{url}");
    }
}

#[test]
fn blanks_are_cut_off_with_a_warning() {
    let loaded = stripe(&[("CRYPTLEX_ACCESS_TOKEN", " token\n")]);
    assert!(loaded.warnings.iter().any(|w| w.contains("CRYPTLEX_ACCESS_TOKEN has blanks")));
    let config = loaded.config.unwrap();
    assert_eq!(config.cryptlex.access_token.expose_secret(), "token");
}

#[test]
fn values_that_mean_nothing_name_what_is_allowed() {
    for (variable, value) in [
        ("CRYPTLEX_CANCELLATION_ACTION", "explode"),
        ("CRYPTLEX_MAPPINGS_QUANTITY", "two"),
        ("CRYPTLEX_ACCESS_TOKEN", "two\nlines"),
        ("GRACE_DAYS", "-1"),
        ("EXPIRY_LEEWAY_HOURS", "1.5"),
        ("REFUND_ACTION", "delete"),
        ("UNMAPPED", "maybe"),
        ("NOTIFICATION_TOPIC_ARN", "my-topic"),
        ("PAUSE_COLLECTION", "maybe"),
        ("TEST_EVENTS", "yes"),
        ("SIGNATURE_TOLERANCE_SECS", "999999999"),
        ("DEADLINE_MS", "soon"),
        ("SETTLE_SECS", "99999"),
        ("CRYPTLEX_REQUESTS_PER_5S", "many"),
        ("EVENT_RETENTION_DAYS", "99999"),
        ("IP_ALLOWLIST", "stripe.com"),
        ("IP_ALLOWLIST", "203.0.113.7, 203.0.113.256"),
        ("IP_ALLOWLIST", "198.51.100.0/33"),
        ("IP_ALLOWLIST", "Provider"),
        ("IP_ALLOWLIST", ",;"),
        ("TRUSTED_PROXIES", "provider "),
        ("TRUSTED_PROXIES", "10.0.0.0-10.0.0.9"),
        ("RATE_LIMIT_PER_MINUTE", "fast"),
        ("RATE_LIMIT_PER_MINUTE", "-1"),
        ("RATE_LIMIT_PER_MINUTE", "1000001"),
        ("CONNECTIONS_PER_SOURCE", "513"),
        ("CONNECTIONS_PER_SOURCE", "-1"),
        ("RATE_LIMIT_BURST", "none"),
        ("RATE_LIMIT_BURST", "12.5"),
        ("RATE_LIMIT_BURST", "4294967297"),
    ] {
        let problems = stripe(&[(variable, value)]).config.unwrap_err();
        assert_eq!(problems.len(), 1, "{variable}");
        assert!(problems[0].to_string().starts_with(&format!("{variable} must be ")), "{variable}");
        assert!(!problems[0].to_string().contains(value), "{variable}");
    }
}

#[test]
fn an_invalid_product_is_not_called_missing() {
    let long = "x".repeat(600);
    for id in ["a\tb", long.as_str(), "subscription_empty"] {
        let problems = stripe(&[("CRYPTLEX_PRODUCT_ID", id)]).config.unwrap_err();
        let text = "CRYPTLEX_PRODUCT_ID must be the id of a Cryptlex product.";
        assert_eq!(problems[0].to_string(), text, "{id}");
    }
}

#[test]
fn a_file_with_the_name_of_the_secrets_is_readable_or_a_problem() {
    let problems = stripe(&[("SECRETS_ID_FILE", "/nowhere")]).config.unwrap_err();
    assert_eq!(problems, [Problem::NoFile("SECRETS_ID_FILE".to_owned())]);
    assert!(stripe(&[("SECRETS_ID", "payments")]).config.is_ok());
}

#[test]
fn an_id_in_place_of_the_signing_secret_is_a_warning() {
    let warned = |value: &str| {
        let loaded = stripe(&[("STRIPE_WEBHOOK_SECRET", value)]);
        assert!(loaded.config.is_ok(), "the old secret may still be right");
        loaded.warnings.iter().any(|text| text.contains("STRIPE_WEBHOOK_SECRET looks like"))
    };
    assert!(warned("we_1abc") && warned("sk_test_abc") && !warned("whsec_we_sk_"));
    let paddle =
        load::<Paddle>(|name| (name == "PADDLE_WEBHOOK_SECRET").then(|| "ntfset_1".into()));
    let advice = "PADDLE_WEBHOOK_SECRET looks like the id of a notification destination. \
                  Use its secret key, pdl_ntfset_..";
    assert!(paddle.warnings.iter().any(|text| text == advice), "{:?}", paddle.warnings);
}

#[test]
fn proxies_that_match_anybody_are_a_warning() {
    for (list, wide) in [
        ("0.0.0.0/0", Some("0.0.0.0/0")),
        ("::/0", Some("::/0")),
        ("::ffff:0.0.0.0/96", Some("0.0.0.0/0")),
        ("10.0.0.1, 128.0.0.0/1", Some("128.0.0.0/1")),
        ("2000::/3", Some("2000::/3")),
        ("10.0.0.0/8 172.16.0.0/12 fc00::/7 203.0.113.7", None),
    ] {
        let loaded = stripe(&[("TRUSTED_PROXIES", list)]);
        assert!(loaded.config.is_ok(), "{list}: a warning, and webhooks are served");
        let warned: Vec<_> =
            loaded.warnings.iter().filter(|text| text.contains("TRUSTED_PROXIES")).collect();
        assert_eq!(warned.len(), usize::from(wide.is_some()), "{list}: {warned:?}");
        let text =
            wide.map(|wide| format!("TRUSTED_PROXIES names {wide}: anybody there may claim"));
        assert!(warned.iter().all(|warned| warned.starts_with(text.as_deref().unwrap())));
    }
    // For everybody may deliver.
    let loaded = stripe(&[("IP_ALLOWLIST", "0.0.0.0/0")]);
    assert!(loaded.config.is_ok() && !loaded.warnings.iter().any(|it| it.contains("0.0.0.0")));
}

#[test]
fn lists_of_networks_are_read_in_all_their_forms() {
    let limits = |changes: &[(&str, &str)]| {
        let loaded = stripe(changes);
        assert!(loaded.config.is_ok(), "{changes:?}");
        loaded.limits
    };
    let networks = |list: &str| Networks::parse(list, None).unwrap();
    let unset = limits(&[("IP_ALLOWLIST", " ")]);
    assert_eq!((unset.allowed, unset.proxies), (None, Networks::default()));
    for variable in ["IP_ALLOWLIST", "TRUSTED_PROXIES"] {
        for (list, same) in [
            ("203.0.113.7", "203.0.113.7/32"),
            (" 203.0.113.7,198.51.100.0/24 ", "203.0.113.7/32 198.51.100.0/24"),
            (",203.0.113.7,,\n\t198.51.100.0/24,", "203.0.113.7/32 198.51.100.0/24"),
            ("2001:db8::1 2001:db8:1::/48", "2001:db8::1/128,2001:db8:1::/48"),
            ("::ffff:203.0.113.7", "203.0.113.7/32"),
            ("::ffff:198.51.100.0/120", "198.51.100.0/24"),
        ] {
            let read = limits(&[(variable, list)]);
            let read =
                if variable == "IP_ALLOWLIST" { read.allowed.unwrap() } else { read.proxies };
            assert_eq!(read, networks(same), "{variable}={list}");
        }
    }
    assert!(stripe(&[("IP_ALLOWLIST", ", ,")]).config.is_err());
    let and_own = limits(&[("IP_ALLOWLIST", "provider, 203.0.113.7")]).allowed;
    assert_ne!(and_own, limits(&[("IP_ALLOWLIST", "provider")]).allowed);
    assert_ne!(and_own, Some(networks("203.0.113.7")));
}

#[test]
fn rates_are_read_and_zero_is_none() {
    let rate = |changes: &[(&str, &str)]| {
        let rate = stripe(changes).limits.rate?;
        Some((rate.replenish_interval(), rate.burst_size().get()))
    };
    let (minute, burst) = ("RATE_LIMIT_PER_MINUTE", "RATE_LIMIT_BURST");
    assert_eq!(rate(&[]), Some((Duration::from_millis(60), 100)));
    assert_eq!(rate(&[(minute, "")]), Some((Duration::from_millis(60), 100)));
    assert_eq!(rate(&[(minute, "1"), (burst, "1")]), Some((Duration::from_secs(60), 1)));
    let most = Some((Duration::from_micros(60), 1_000_000));
    assert_eq!(rate(&[(minute, "1000000"), (burst, "1000000")]), most);
    assert_eq!(rate(&[(minute, "0"), (burst, "7")]), None);
    assert!(stripe(&[(burst, "0")]).config.is_err());
}

#[test]
fn limits_apply_while_other_variables_are_wrong() {
    let loaded = stripe(&[
        ("CRYPTLEX_ACCESS_TOKEN", ""),
        ("IP_ALLOWLIST", "203.0.113.7"),
        ("GRACE_DAYS", "x"),
    ]);
    assert_eq!(loaded.config.unwrap_err().len(), 2);
    assert_eq!(loaded.limits.allowed, Networks::parse("203.0.113.7", None));
}

#[test]
fn the_ledger_is_a_table_before_a_file_before_memory() {
    let ledger = |changes: &[(&str, &str)]| {
        let loaded = stripe(changes);
        let about: Vec<String> = loaded
            .warnings
            .into_iter()
            .chain(loaded.alarms)
            .filter(|t| t.contains("LEDGER"))
            .collect();
        (loaded.backends.ledger.place, about.len())
    };
    let (table, path) = (("LEDGER_TABLE", "ledger"), ("LEDGER_PATH", "/var/ledger"));
    let lambda = ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001");
    let file = LedgerPlace::File(PathBuf::from("/var/ledger"));
    assert_eq!(ledger(&[]), (LedgerPlace::Memory, 1));
    assert_eq!(ledger(&[path]), (file.clone(), 0));
    assert_eq!(ledger(&[table, path]), (LedgerPlace::Table("ledger".to_owned()), 1));
    assert_eq!(ledger(&[path, lambda]), (file, 1));
    assert_eq!(ledger(&[lambda]), (LedgerPlace::Memory, 1));
    assert_eq!(ledger(&[table, lambda]), (LedgerPlace::Table("ledger".to_owned()), 0));
}

#[test]
fn defaults_differ_by_provider() {
    let common = |name: &str| {
        Some(if name.ends_with("BASE_URL") { "http://h" } else { "x" }.to_owned()).filter(|_| {
            name.ends_with("_SECRET") || name.ends_with("TOKEN") || name.ends_with("BASE_URL")
        })
    };
    let defaults = |loaded: Loaded| {
        let config = loaded.config.unwrap();
        (config.policy.quantity_means, config.policy.at_the_end, config.deadline.as_millis())
    };
    assert_eq!(defaults(load::<Stripe>(common)), (QuantityMeans::One, AtTheEnd::Revoke, 10_000));
    assert_eq!(
        defaults(load::<FastSpring>(common)),
        (QuantityMeans::Licenses, AtTheEnd::Delete, 10_000)
    );
    assert_eq!(
        defaults(load::<Paddle>(common)),
        (QuantityMeans::Licenses, AtTheEnd::Revoke, 4_000)
    );
}

#[test]
fn no_secret_shows_in_debug() {
    let loaded = stripe(&[("STRIPE_WEBHOOK_SECRET_PREVIOUS", "whsec_older")]);
    let shown = format!("{loaded:?}");
    assert!(!shown.contains("whsec") && !shown.contains("token\""), "{shown}");
    assert!(shown.contains("2 of them"));
}
