//! Every body of `events/`: what it is read as, and which calls it causes. A case without a snapshot fails, and so does
//! a snapshot without a case.

mod effects;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::LazyLock;

use devkit::corpus::{Case, cases};
use devkit::sandbox::{Call, Settings};
use devkit::sign::{Provider as Signer, sign};
use http::{HeaderMap, HeaderValue};
use jiff::Timestamp;
use webhook_core::domain::command::Notice;
use webhook_core::domain::ids::ProductId;
use webhook_core::providers::inbound::Inbound;
use webhook_core::providers::signature::{Secrets, Tolerance, verify};
use webhook_core::providers::{FastSpring, Paddle, ProductLookup, Provider, Stripe};

use crate::support::{App, PRODUCT, SECRET};

static CASES: LazyLock<Vec<Case>> = LazyLock::new(cases);

pub(crate) fn case(provider: Signer, name: &str) -> &'static Case {
    let found = CASES.iter().find(|case| (case.provider, &*case.name) == (provider, name));
    found.unwrap_or_else(|| panic!("{provider} has no case {name}"))
}

/// The path that vendors use, unless it has its effect on another one only.
pub(crate) fn path(provider: Signer, name: &str) -> &'static str {
    case(provider, name).path()
}

/// That path if the case has its effect there.
fn path_near(case: &'static Case, wanted: &'static str) -> &'static str {
    if case.paths().contains(&wanted) { wanted } else { case.path() }
}

pub(crate) async fn prepare(app: &App, provider: Signer, name: &str) {
    let case = case(provider, name);
    prepare_on(app, case, case.path()).await;
}

async fn prepare_on(app: &App, case: &'static Case, on: &'static str) {
    for earlier in &case.before {
        let earlier = self::case(case.provider, earlier);
        let answer = app.deliver(case.provider, path_near(earlier, on), &earlier.body).await;
        let (name, before) = (&earlier.name, &case.name);
        assert_eq!(answer.status, 200, "{name} before {before}: {}", answer.body);
    }
    app.sandbox.clear_calls();
}

fn notices(case: &Case, source: &ProductLookup) -> Vec<Notice> {
    fn read<P: Provider>(case: &Case, source: &ProductLookup) -> Vec<Notice> {
        let now = 1_700_000_000;
        let header = sign(case.provider, SECRET, &case.body, now);
        let mut headers = HeaderMap::new();
        headers.insert(P::SIGNATURE_HEADER, HeaderValue::from_str(&header).unwrap());
        let inbound = Inbound { headers, body: case.body.clone(), source: None };
        let secrets = Secrets::new(SECRET, []).unwrap();
        let now = Timestamp::from_second(now).unwrap();
        P::read(&verify::<P>(inbound, &secrets, Tolerance(300), now).unwrap(), source).unwrap()
    }
    match case.provider {
        Signer::Stripe => read::<Stripe>(case, source),
        Signer::Fastspring => read::<FastSpring>(case, source),
        Signer::Paddle => read::<Paddle>(case, source),
    }
}

/// Calls that run side by side arrive in any order, so neighbours of one method are sorted.
fn transcript(calls: &[Call]) -> String {
    let mut lines: Vec<String> = calls
        .iter()
        .map(|call| {
            let body = call.body.as_ref().map(|body| {
                let mut body = body.clone();
                if body.get("password").is_some() {
                    body["password"] = "[random]".into();
                }
                format!(" {body}")
            });
            let status = call.status.map_or("dropped".to_owned(), |status| status.to_string());
            format!("{} {}{} -> {status}", call.method, call.path, body.unwrap_or_default())
        })
        .collect();
    for neighbours in lines.chunk_by_mut(|a, b| kind_of(a) == kind_of(b)) {
        neighbours.sort();
    }
    lines.join("\n")
}

/// Reads are one kind, writes differ by what is written: `POST /v3/users`.
fn kind_of(line: &str) -> String {
    let words = if line.starts_with("GET") { 1 } else { 3 };
    line.split_inclusive([' ', '/', '?']).take(words + 1).collect()
}

#[tokio::test]
async fn every_case_is_read_and_answered_as_its_snapshot_says() {
    let mut names = BTreeSet::new();
    for case in cases() {
        let (provider, name) = (case.provider, case.name.as_str());
        let mut text = String::new();
        let configured = ProductLookup::Configured(ProductId::new(PRODUCT).unwrap());
        let mut sources = vec![("", ProductLookup::Metadata)];
        if provider == Signer::Stripe {
            sources = vec![(" on /v1", configured), (" on /v2", ProductLookup::Metadata)];
        }
        for (on, source) in sources {
            let read = serde_json::to_string_pretty(&notices(&case, &source)).unwrap();
            writeln!(text, "# read as{on}\n{read}\n").unwrap();
        }
        let app = App::with(Settings::default(), &[]).await;
        prepare(&app, provider, name).await;
        let on = path(provider, name);
        let answer = app.deliver(provider, on, &case.body).await;
        writeln!(text, "# calls on {on}\n{}\n", transcript(&app.sandbox.calls())).unwrap();
        writeln!(text, "# answer\n{} {}\n", answer.status, answer.body).unwrap();
        writeln!(text, "# licenses\n{}", app.licenses().join("\n")).unwrap();
        let snapshot = format!("{provider}__{name}");
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(snapshot.clone(), text);
        });
        names.insert(format!("{snapshot}.snap"));
    }
    assert!(names.len() > 60, "the corpus is not there");
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/snapshots");
    for entry in std::fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        assert!(names.contains(&file) || file.ends_with(".snap.new"), "{file} belongs to no case");
    }
}
