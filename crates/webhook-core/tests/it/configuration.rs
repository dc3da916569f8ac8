//! `docs/configuration.md` against the code: every variable, who reads it, its values and its default.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use webhook_core::infra::config::{Loaded, Problem, is_of_environment, load};
use webhook_core::providers::{FastSpring, Paddle, Provider, Stripe};

/// Read before the configuration, by the process itself: a test of the host holds each.
const OF_THE_PROCESS: [&str; 4] = ["HOST", "PORT", "RUST_LOG", "STACK_NAME"];

/// Set by Lambda, and by nobody else.
const OF_LAMBDA: &str = "AWS_LAMBDA_RUNTIME_API";

/// A line of a table.
struct Row {
    functions: String,
    values: String,
    default: String,
}

fn page() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md"))
        .unwrap()
}

fn rows() -> BTreeMap<String, Row> {
    let mut rows = BTreeMap::new();
    for line in page().lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [name, functions, values, default, _what] = cells.as_slice() else { panic!("{line}") };
        let name = name.trim_matches('`').to_owned();
        let [functions, values, default] =
            [functions, values, default].map(|cell| (*cell).to_owned());
        assert!(rows.insert(name, Row { functions, values, default }).is_none(), "{line}");
    }
    rows
}

/// The variables that a function reads, but for those that belong to another one: its file, its value before a rotation.
fn read<P: Provider>() -> BTreeSet<String> {
    let asked: RefCell<BTreeSet<String>> = RefCell::default();
    load::<P>(|name| {
        asked.borrow_mut().insert(name.to_owned());
        None
    });
    let belongs = |name: &String| {
        ["_FILE", "_PREVIOUS", "_BEFORE_ROTATION"].iter().any(|end| name.ends_with(end))
    };
    asked.into_inner().into_iter().filter(|name| !belongs(name) && name != OF_LAMBDA).collect()
}

/// A configuration that works, with one variable set to this.
fn with<P: Provider>(variable: &str, value: &str) -> Loaded {
    load::<P>(|name| match name {
        _ if name == variable => Some(value.to_owned()),
        _ if name == P::SECRET_VARIABLE => Some("not_a_secret".to_owned()),
        "CRYPTLEX_ACCESS_TOKEN" => Some("not-a-token".to_owned()),
        "CRYPTLEX_WEB_API_BASE_URL" => Some("https://api.cryptlex.com".to_owned()),
        // Set, so that its absence is no warning.
        "CRYPTLEX_PRODUCT_ID" => Some("11111111-1111-4111-8111-000000000001".to_owned()),
        _ => None,
    })
}

fn shown(loaded: &Loaded) -> String {
    format!("{:?} {:?} {:?}", loaded.config, loaded.backends, loaded.limits)
}

/// What the page says of one function: `` `revoke`, fastspring `delete` `` is `delete` for FastSpring.
fn default_of(default: &str, function: &str) -> Option<String> {
    let own = default.split(", ").find_map(|part| part.strip_prefix(function));
    let common = default.split(", ").next().unwrap_or_default();
    let code = own.unwrap_or(common).trim().strip_prefix('`')?;
    code.strip_suffix('`').map(str::to_owned)
}

fn check<P: Provider>(rows: &BTreeMap<String, Row>) -> usize {
    let (variables, mut held) = (read::<P>(), 0);
    for (name, row) in rows {
        let is_named = row.functions == "all" || row.functions.split(", ").any(|it| it == P::NAME);
        // All functions read the product; only Stripe's has a use for it.
        let is_used = variables.contains(name)
            && (name != "CRYPTLEX_PRODUCT_ID" || P::CONFIGURED_PRODUCT)
            || OF_THE_PROCESS.contains(&name.as_str());
        assert_eq!(is_named, is_used, "{name}, {}: {}", P::NAME, row.functions);
        if !variables.contains(name) {
            continue;
        }
        if let Some(default) = default_of(&row.default, P::NAME) {
            let (set, unset) = (with::<P>(name, &default), with::<P>("NONE", ""));
            assert_eq!(
                shown(&set),
                shown(&unset),
                "{}: {default} is not the default of {name}",
                P::NAME
            );
            held += 1;
        }
        let problems = with::<P>(name, "\u{1}?").config.err().unwrap_or_default();
        let wanted = problems.iter().find_map(|problem| match problem {
            Problem::Invalid { variable, wanted } if variable == name => Some(*wanted),
            Problem::Missing(_) | Problem::Invalid { .. } | Problem::NoFile(_) => None,
        });
        if let Some(wanted) = wanted {
            // An example of a value may follow.
            let values = &row.values;
            let rest = wanted.strip_prefix(values.as_str()).filter(|_| !values.is_empty());
            let is_whole = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(", "));
            let is_whole = is_whole || rest.is_some_and(|rest| rest.starts_with(" such as "));
            assert!(is_whole, "{name} must be {wanted}; the page says {values}");
            held += 1;
        }
    }
    held
}

#[test]
fn the_page_lists_every_variable_with_its_default() {
    let rows = rows();
    let mut known: BTreeSet<String> = OF_THE_PROCESS.map(str::to_owned).into();
    known.extend([read::<Stripe>(), read::<FastSpring>(), read::<Paddle>()].into_iter().flatten());
    assert_eq!(rows.keys().cloned().collect::<BTreeSet<_>>(), known);
    let held = check::<Stripe>(&rows) + check::<FastSpring>(&rows) + check::<Paddle>(&rows);
    assert!(held > 60, "only {held} defaults and values were compared");
}

#[test]
fn the_page_lists_what_no_secret_can_hold() {
    let page = page();
    let list = page.split_once("These variables cannot be in the secret:").unwrap().1;
    let list = list.split_once(".\n").unwrap().0;
    for name in rows().keys() {
        let is_listed = list.contains(&format!("`{name}`"));
        let is_fixed = is_of_environment(name) || OF_THE_PROCESS.contains(&name.as_str());
        assert_eq!(is_listed, is_fixed, "{name}");
    }
}

/// What the process reads has its default where it is read.
#[test]
fn the_page_has_the_defaults_of_the_process() {
    let source = |file: &str| {
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(file)).unwrap()
    };
    let rows = rows();
    for (name, file) in [
        ("HOST", "http/host/server.rs"),
        ("PORT", "http/host/server.rs"),
        ("RUST_LOG", "infra/telemetry.rs"),
    ] {
        let default = rows[name].default.replace('`', "\"");
        assert!(source(file).contains(&default), "{file}: {default} is not the default of {name}");
    }
}
