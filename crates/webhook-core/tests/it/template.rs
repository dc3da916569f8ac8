//! `template.yaml` against the source: what a function reads is set, what it calls is granted, and no more.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use webhook_core::config::load;
use webhook_core::provider::{FastSpring, Paddle, Provider, Stripe};

/// Read and not set, because Lambda sets it, because it is in the secret, or because the default is right there.
const NOT_SET: [&str; 15] = [
    "AWS_LAMBDA_RUNTIME_API",
    "CRYPTLEX_ACCESS_TOKEN",
    "CRYPTLEX_CA_CERTIFICATES",
    "CRYPTLEX_WEB_API_BASE_URL",
    // The old name of CRYPTLEX_CANCELLATION_ACTION.
    "CRYPTLEX_SUBSCRIPTION_CANCELLATION_ACTION",
    "DEADLINE_MS",
    // For servers.
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

/// The calls of the AWS SDK that a function makes, and what each needs.
const CALLS: [(&str, &str); 5] = [
    (".get_secret_value()", "secretsmanager:GetSecretValue"),
    (".batch_get_item()", "dynamodb:BatchGetItem"),
    // Of updates only, conditional ones.
    (".transact_write_items()", "dynamodb:UpdateItem"),
    (".publish()", "sns:Publish"),
    (".send_message()", "sqs:SendMessage"),
];

/// What Lambda does in the name of the function: its log, and its queue.
const BY_LAMBDA: [&str; 5] = [
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

/// The lines that stand below the line with this text, and deeper than it.
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
fn a_function_is_given_what_it_reads_and_nothing_else() {
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
        if function_name != "Stripe" {
            wanted.remove("CRYPTLEX_PRODUCT_ID");
        }
        assert_eq!(set, wanted, "{function_name}");
    }
}

#[test]
fn a_function_is_granted_what_it_calls_and_nothing_else() {
    let template = template();
    let mut called: BTreeSet<&str> = BY_LAMBDA.into_iter().collect();
    let mut files = vec![root().join("crates/webhook-core/src")];
    let mut source = String::new();
    while let Some(path) = files.pop() {
        match fs::read_dir(&path) {
            Ok(entries) => files.extend(entries.map(|entry| entry.unwrap().path())),
            Err(_) => source.push_str(&fs::read_to_string(&path).unwrap()),
        }
    }
    for (call, action) in CALLS {
        assert!(source.contains(call), "nothing makes {call} any more");
        called.insert(action);
    }
    for name in ["Stripe", "FastSpring", "Paddle"] {
        let role = below(&template, &format!("{name}Role:")).join("\n");
        let actions = role.lines().filter_map(|line| line.trim().strip_prefix("Action: "));
        let actions = actions.flat_map(|list| list.trim_matches(['[', ']']).split(", "));
        let granted: BTreeSet<&str> =
            actions.filter(|action| *action != "sts:AssumeRole").collect();
        assert_eq!(granted, called, "{name}");
        assert!(!role.contains("Resource: \"*\"") && !role.contains('*'), "{name}: too much");
    }
}

#[test]
fn the_api_has_the_routes_of_the_router_and_nothing_else() {
    let template = template();
    for (name, versions) in [("Stripe", 2), ("FastSpring", 1), ("Paddle", 1)] {
        let lower = name.to_lowercase();
        let mut wanted =
            BTreeSet::from([format!("POST /webhooks/{lower}"), format!("GET /{lower}/health")]);
        wanted.extend((1..=versions).map(|version| format!("POST /{lower}/v{version}")));
        let function = function(&template, name);
        let routes = function.lines().filter_map(|line| {
            let method = line.split_once("Method: ")?.1.split(',').next()?;
            let path = line.split_once(" Path: ")?.1.trim_end_matches([' ', '}']);
            Some(format!("{method} {path}"))
        });
        assert_eq!(routes.collect::<BTreeSet<String>>(), wanted, "{name}");
    }
}
