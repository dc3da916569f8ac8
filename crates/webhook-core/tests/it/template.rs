//! `template.yaml` against the source: what a function reads is set, what it calls is granted, and no more; alarms look at
//! what is measured. The values in it are held by `deploy/expected.py`.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use webhook_core::domain::deadline::Timing;
use webhook_core::domain::policy::Policy;
use webhook_core::domain::policy::Refunded;
use webhook_core::domain::profile::Profile as _;
use webhook_core::infra::config::load;
use webhook_core::providers::{FastSpring, Paddle, Provider, Stripe};

/// Read and not set, because Lambda sets it, because it is in the secret, or because the default is right there.
const NOT_SET: [&str; 16] = [
    "AWS_LAMBDA_RUNTIME_API",
    "CRYPTLEX_ACCESS_TOKEN",
    "CRYPTLEX_CA_CERTIFICATES",
    "CRYPTLEX_WEB_API_BASE_URL",
    // The old name of CRYPTLEX_CANCELLATION_ACTION.
    "CRYPTLEX_SUBSCRIPTION_CANCELLATION_ACTION",
    "DEADLINE_MS",
    // For servers.
    "CONNECTIONS_PER_SOURCE",
    "LEDGER_PATH",
    "RATE_LIMIT_BURST",
    "RATE_LIMIT_PER_MINUTE",
    "SETTLE_SECS",
    "SIGNATURE_TOLERANCE_SECS",
    // The gateway says who called.
    "TRUSTED_PROXIES",
    "STRIPE_WEBHOOK_SECRET",
    "FASTSPRING_WEBHOOK_SECRET",
    "PADDLE_WEBHOOK_SECRET",
];

/// The operations of AWS that the source asks for, and what a function needs for each.
const CALLS: [(&str, Option<&str>); 6] = [
    ("get_secret_value", Some("secretsmanager:GetSecretValue")),
    ("batch_get_item", Some("dynamodb:BatchGetItem")),
    // Of updates only, conditional ones.
    ("transact_write_items", Some("dynamodb:UpdateItem")),
    ("publish", Some("sns:Publish")),
    ("send_message", Some("sqs:SendMessage")),
    // `devkit unmapped` alone lists what there is.
    ("scan", None),
];

/// What is done in the name of the function: its log and its queue by Lambda, decrypting with a key of the customer's by
/// Secrets Manager.
const IN_ITS_NAME: [&str; 6] = [
    "kms:Decrypt",
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn template() -> String {
    fs::read_to_string(root().join("template.yaml")).unwrap()
}

/// The lines below the line with this text, and deeper than it.
fn below<'t>(text: &'t str, line: &str) -> Vec<&'t str> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut lines = text.lines().skip_while(|it| it.trim() != line);
    let depth = indent(lines.next().unwrap_or_else(|| panic!("the template has no {line}")));
    lines.take_while(|it| it.trim().is_empty() || indent(it) > depth).collect()
}

/// The variables that a part of the template sets.
fn set_in(part: &str) -> BTreeSet<String> {
    let lines = below(part, "Variables:");
    let name = |line: &&str| line.trim().split_once(": ").map(|(name, _)| name.to_owned());
    lines.iter().filter_map(name).filter(|name| !name.starts_with('#')).collect()
}

fn function(template: &str, name: &str) -> String {
    below(template, &format!("{name}Function:")).join("\n")
}

fn read<P: Provider>() -> BTreeSet<String> {
    let asked: RefCell<BTreeSet<String>> = RefCell::default();
    load::<P>(|name| {
        asked.borrow_mut().insert(name.to_owned());
        None
    });
    asked.into_inner()
}

fn is_set_elsewhere(name: &str) -> bool {
    let suffix = ["_PREVIOUS", "_BEFORE_ROTATION"].iter().find_map(|end| name.strip_suffix(end));
    // Lambda mounts no files.
    name.ends_with("_FILE") || NOT_SET.contains(&suffix.unwrap_or(name))
}

#[test]
fn a_function_is_given_the_variables_it_reads_alone() {
    let template = template();
    let common = set_in(&below(&template, "Globals:").join("\n"));
    for (function_name, asked) in [
        ("Stripe", read::<Stripe>()),
        ("FastSpring", read::<FastSpring>()),
        ("Paddle", read::<Paddle>()),
    ] {
        let own = set_in(&function(&template, function_name));
        let set: BTreeSet<String> = common.union(&own).cloned().collect();
        let mut wanted: BTreeSet<String> =
            asked.into_iter().filter(|name| !is_set_elsewhere(name)).collect();
        // Read before the rest, to know where the rest is.
        wanted.insert("SECRETS_ID".to_owned());
        // For the numbers alone.
        wanted.insert("STACK_NAME".to_owned());
        if function_name != "Stripe" {
            wanted.remove("CRYPTLEX_PRODUCT_ID");
        }
        assert_eq!(set, wanted, "{function_name}");
    }
}

#[test]
fn defaults_are_the_same_in_the_template() {
    let template = template();
    let default = |parameter: &str| {
        let lines = below(&template, &format!("{parameter}:"));
        let default = lines.iter().find_map(|line| line.trim().strip_prefix("Default: "));
        default.map(ToOwned::to_owned).unwrap_or_else(|| panic!("{parameter} has no default"))
    };
    let policy = Policy::of::<Stripe>();
    assert_eq!(default("ExpiryLeewayHours"), policy.leeway.as_hours().to_string());
    assert_eq!(default("GraceDays"), (policy.grace.as_hours() / 24).to_string());
    assert_eq!(policy.refunded, Refunded::Suspends);
    assert_eq!(default("RefundAction"), "suspend");
}

fn source(path: &str) -> String {
    let path = root().join("crates/webhook-core/src").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every file of the source that uses the SDK of an AWS service, without blanks and comments.
fn users_of_aws() -> Vec<(PathBuf, String)> {
    let mut paths = vec![root().join("crates/webhook-core/src")];
    let mut users = Vec::new();
    while let Some(path) = paths.pop() {
        match fs::read_dir(&path) {
            Ok(entries) => paths.extend(entries.map(|entry| entry.unwrap().path())),
            Err(_) => {
                let text = fs::read_to_string(&path).unwrap();
                let code = text.lines().filter_map(|line| line.split("//").next());
                let code = code.flat_map(|line| line.split_whitespace()).collect::<String>();
                if code.contains("aws_sdk_") {
                    users.push((path, code));
                }
            }
        }
    }
    users
}

/// The operations that a file asks for: the methods of its client, as in `self.client.publish()`.
fn calls_in(code: &str) -> Vec<&str> {
    let after = code.match_indices("client.").map(|(at, it)| &code[at + it.len()..]);
    after.filter_map(|rest| rest.split_once("()")).map(|(call, _)| call).collect()
}

#[test]
fn a_function_is_granted_the_actions_it_calls_alone() {
    let mut called = BTreeSet::new();
    let users = users_of_aws();
    for (path, code) in &users {
        let calls = calls_in(code);
        let sent = code.matches(".send()").count();
        // A call of a client by another name would be granted or not without this test.
        assert_eq!(calls.len(), sent, "{}: {calls:?}", path.display());
        called.extend(calls);
    }
    let known = CALLS.iter().map(|(call, _)| *call).collect::<BTreeSet<&str>>();
    assert_eq!(called, known, "say in CALLS what it needs");

    let needed = CALLS.iter().filter_map(|(_, action)| *action);
    let needed = needed.chain(IN_ITS_NAME).collect::<BTreeSet<&str>>();
    let template = template();
    for name in ["Stripe", "FastSpring", "Paddle"] {
        let role = below(&template, &format!("{name}Role:")).join("\n");
        let actions = role.lines().filter_map(|line| line.trim().strip_prefix("Action: "));
        let actions = actions.flat_map(|list| list.trim_matches(['[', ']']).split(", "));
        let granted: BTreeSet<&str> =
            actions.filter(|action| *action != "sts:AssumeRole").collect();
        assert_eq!(granted, needed, "{name}");
        assert!(!role.contains('*'), "{name}: too much");
    }
}

/// The value of a name in a line of the template: `Name: value,`.
fn value<'t>(line: &'t str, name: &str) -> Option<&'t str> {
    let rest = line.split_once(&format!("{name}: "))?.1;
    rest.split([',', ' ', '}']).next()
}

/// The dimensions in a line of the template, names and values.
fn dimensions(line: &str) -> Vec<(&str, &str)> {
    let list = line.split_once("Dimensions: ").map_or("", |(_, list)| list);
    let each = list.split("{ Name: ").skip(1).filter_map(|it| it.split(" }").next());
    each.filter_map(|it| it.split_once(", Value: ")).collect()
}

#[test]
fn an_alarm_looks_at_what_is_measured() {
    let template = template();
    let measured = source("infra/metrics.rs");
    // The template counts these itself, in the log of API Gateway.
    let filters = template.lines().filter(|line| line.contains("MetricNamespace: "));
    let filtered: Vec<&str> = filters.filter_map(|line| value(line, "MetricName")).collect();
    let (_, alarms) = template.split_once("# ---- alarms").unwrap();
    let mut namespace = None;
    let mut providers: BTreeMap<&str, usize> = BTreeMap::new();
    for line in alarms.lines() {
        namespace = value(line, "Namespace").or(namespace);
        let Some(ours) = namespace.filter(|it| !it.starts_with("AWS/")) else { continue };
        if let Some(metric) = value(line, "MetricName") {
            assert!(measured.contains(&format!("NAMESPACE: &str = \"{ours}\"")), "{line}");
            let counted = measured.contains(&format!("\"{metric}\""));
            assert!(counted || filtered.contains(&metric), "{line}");
        }
        let dimensions = dimensions(line);
        if let Some(first) = dimensions.first() {
            assert_eq!(*first, ("Stack", "!Ref AWS::StackName"), "{line}");
        }
        for (name, value) in dimensions {
            assert!(measured.contains(&format!("\"{name}\"")), "{line}");
            if name == "Provider" {
                *providers.entry(value).or_default() += 1;
            }
        }
    }
    assert_eq!(
        providers.keys().copied().collect::<BTreeSet<&str>>(),
        BTreeSet::from([Stripe::NAME, FastSpring::NAME, Paddle::NAME])
    );
    let counts = providers.values().collect::<BTreeSet<_>>();
    assert_eq!(counts.len(), 1, "an alarm leaves one out: {providers:?}");
}

#[test]
fn an_alarm_rings_before_a_delivery_takes_longer_than_it_may() {
    let template = template();
    let Timing { record, hand_over, .. } = Timing::default();
    let kept = u64::try_from((record + hand_over).as_millis()).unwrap();
    for (name, deadline) in [
        ("Stripe", Stripe::DEADLINE_MS),
        ("FastSpring", FastSpring::DEADLINE_MS),
        ("Paddle", Paddle::DEADLINE_MS),
    ] {
        let alarm = below(&template, &format!("{name}SlowAlarm:"));
        let threshold = alarm.iter().find_map(|line| value(line, "Threshold"));
        assert_eq!(threshold, Some(&*((deadline - kept) * 5 / 6).to_string()), "{name}");
    }
}

#[test]
fn the_table_is_the_one_that_the_ledger_writes() {
    let template = template();
    let table = below(&template, "Ledger:").join("\n");
    let ledger = source("ledger/dynamo.rs");
    let named = |under: &str| {
        let line = table.lines().find(|line| line.contains(under));
        let name = line.and_then(|line| value(line, "AttributeName"));
        name.unwrap_or_else(|| panic!("{under} names no attribute"))
    };
    let (key, expires) = (named("KeySchema"), named("TimeToLiveSpecification"));
    assert!(ledger.contains(&format!("item.remove(\"{key}\")")), "{key}");
    assert!(ledger.contains(&format!("(\"#expires\", \"{expires}\")")), "{expires}");
}

#[test]
fn a_function_is_built_from_the_package_of_its_provider() {
    let template = template();
    for (title, name) in
        [("Stripe", Stripe::NAME), ("FastSpring", FastSpring::NAME), ("Paddle", Paddle::NAME)]
    {
        let function = function(&template, title);
        let binary = function.lines().find_map(|line| value(line, "Binary")).unwrap();
        assert_eq!(binary, format!("{name}-webhook"));
        let main = root().join("crates").join(binary).join("src/main.rs");
        let main = fs::read_to_string(main).unwrap();
        assert!(main.contains(title), "{binary} is not {title}'s");
    }
}

/// The routes of the API: function, method and path.
fn routes(template: &str) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    let (mut path, mut method) = ("", "");
    for line in below(template, "paths:").into_iter().map(str::trim) {
        if line.starts_with('/') {
            path = line.split(':').next().unwrap();
        } else if let Some(verb) = line.strip_prefix("- ").and_then(|it| it.strip_suffix(':')) {
            method = verb;
        } else if let Some((_, function)) = line.split_once("/functions/${") {
            let (name, _) = function.split_once("Function.Arn}").unwrap();
            found.insert((name.to_owned(), format!("{} {path}", method.to_uppercase())));
        }
    }
    found
}

#[test]
fn the_api_has_the_routes_of_the_router_and_nothing_else() {
    let mut wanted = BTreeSet::new();
    for (name, versions) in [("Stripe", 2), ("FastSpring", 1), ("Paddle", 1)] {
        let lower = name.to_lowercase();
        let mut add = |route: String| wanted.insert((name.to_owned(), route));
        add(format!("POST /webhooks/{lower}"));
        add(format!("GET /{lower}/health"));
        for version in 1..=versions {
            add(format!("POST /{lower}/v{version}"));
        }
    }
    assert_eq!(routes(&template()), wanted);
}
