//! Every body of `events/`: what it is read as, and which calls it causes. A case without a snapshot fails, and so does
//! a snapshot without a case.

mod calls;
mod effects;
mod fields;
mod reading;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use devkit::corpus::{Case, cases, paths_of};
use devkit::sandbox::Settings;
use devkit::sign::{Provider as Signer, sign};
use http::{HeaderMap, HeaderValue};
use jiff::Timestamp;
use serde_json::Value;
use similar::{ChangeTag, TextDiff};
use webhook_core::domain::command::Notice;
use webhook_core::domain::ids::ProductId;
use webhook_core::providers::inbound::Inbound;
use webhook_core::providers::signature::{Secrets, Tolerance, verify};
use webhook_core::providers::{FastSpring, Paddle, ProductLookup, Provider, Stripe};

use self::calls::transcript;
use self::fields::{Fields, items, plain};
use self::reading::reading;
use crate::support::{Answer, App, PRODUCT, SECRET};

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

/// As the function of that path reads it.
fn source(path: &str) -> ProductLookup {
    let configured = ProductId::new(PRODUCT).unwrap();
    match path {
        "/v1" => ProductLookup::Configured(configured),
        "/v2" => ProductLookup::Metadata,
        _ => ProductLookup::MetadataOr(configured),
    }
}

fn answered(answer: &Answer) -> Vec<String> {
    let Ok(json) = serde_json::from_str::<Value>(&answer.body) else {
        return vec![format!("Answer: {} {}", answer.status, answer.body.replace('\n', " "))];
    };
    let mut said = Fields::of(json);
    let mut data = Fields::of(said.take("data"));
    let message = said.said(" ", "message").unwrap_or_default();
    let events = items(data.take("events")).into_iter().map(|event| plain(&event));
    let details = events.chain(data.rest()).chain(said.rest()).map(|line| format!("  {line}"));
    [format!("Answer: {}{message}", answer.status)].into_iter().chain(details).collect()
}

/// What becomes of a case on a path, one line per fact.
struct Account {
    on: &'static str,
    read: Vec<String>,
    calls: Vec<String>,
    answer: Answer,
    licenses: Vec<String>,
}

impl Account {
    async fn of(case: &'static Case, on: &'static str) -> Self {
        let app = App::with(Settings::default(), &[]).await;
        prepare_on(&app, case, on).await;
        let read = serde_json::to_value(notices(case, &source(on))).unwrap();
        let answer = app.deliver(case.provider, on, &case.body).await;
        let calls = transcript(&app.sandbox.calls());
        Self { on, read: reading(&read), calls, answer, licenses: app.licenses() }
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let indented = |lines: &[String]| -> Vec<String> {
            lines.iter().map(|line| format!("  {line}")).collect()
        };
        lines.extend(indented(&self.read));
        lines.extend((!self.calls.is_empty()).then(|| "Calls of Cryptlex:".to_owned()));
        lines.extend(indented(&self.calls));
        lines.extend(answered(&self.answer));
        lines.extend((!self.licenses.is_empty()).then(|| "Licenses then:".to_owned()));
        lines.extend(indented(&self.licenses));
        lines
    }

    /// What it has and the other has not, and the other way round.
    fn unlike(&mut self, usual: &Self) -> Vec<String> {
        // `/webhooks/<provider>` says no more than this; `it::lifecycle` looks at its answers.
        if self.answer.body == r#"{"status":"success"}"# && usual.answer.status == 200 {
            self.answer = usual.answer.clone();
        }
        let (usual, other) = (usual.lines(), self.lines());
        let (usual, other) = (refs(&usual), refs(&other));
        let diff = TextDiff::from_slices(&usual, &other);
        let lines = diff.iter_all_changes().filter_map(|change| match change.tag() {
            ChangeTag::Equal => None,
            ChangeTag::Delete => Some(format!("  not {}", change.value().trim_start())),
            ChangeTag::Insert => Some(format!("  but {}", change.value().trim_start())),
        });
        lines.collect()
    }
}

fn refs(lines: &[String]) -> Vec<&str> {
    lines.iter().map(String::as_str).collect()
}

/// Its account where vendors deliver it, and how other paths differ.
async fn snapshot(case: &'static Case) -> String {
    let usual = Account::of(case, case.path()).await;
    let mut alike = vec![usual.on];
    let mut unlike: Vec<(Vec<&str>, Vec<String>)> = Vec::new();
    for on in paths_of(case.provider).iter().filter(|path| **path != usual.on) {
        let difference = Account::of(case, on).await.unlike(&usual);
        match unlike.iter_mut().find(|(_, known)| *known == difference) {
            _ if difference.is_empty() => alike.push(on),
            Some((paths, _)) => paths.push(on),
            None => unlike.push((vec![on], difference)),
        }
    }
    let places = if unlike.is_empty() { "every path".to_owned() } else { alike.join(" and ") };
    let mut lines = vec![format!("Read on {places} as:")];
    lines.extend(usual.lines());
    for (paths, difference) in unlike {
        lines.push(format!("On {}:", paths.join(" and ")));
        lines.extend(difference);
    }
    lines.join("\n")
}

fn snapshots() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/snapshots")
}

#[tokio::test]
async fn every_case_is_read_and_answered_as_its_snapshot_says() {
    let mut names = BTreeSet::new();
    for case in CASES.iter() {
        let name = format!("{}__{}", case.provider, case.name);
        let text = snapshot(case).await;
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(name.clone(), text);
        });
        names.insert(format!("{name}.snap"));
    }
    assert!(names.len() > 60, "the corpus is not there");
    for entry in std::fs::read_dir(snapshots()).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        assert!(names.contains(&file) || file.ends_with(".snap.new"), "{file} belongs to no case");
    }
}

/// People read them, in `git diff`.
#[test]
fn snapshots_stay_short() {
    let files = std::fs::read_dir(snapshots()).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|it| it == "snap"));
    let lines: usize =
        files.map(|path| std::fs::read_to_string(path).unwrap().lines().count()).sum();
    assert!(lines <= 3_500, "{lines} lines");
}

/// Every place of a JSON value that holds no others.
fn leaves(value: &Value, at: &str, all: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, inner)| leaves(inner, &format!("{at}/{name}"), all));
        }
        Value::Array(items) => {
            let items = items.iter().enumerate();
            items.for_each(|(number, inner)| leaves(inner, &format!("{at}/{number}"), all));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            all.push(at.to_owned());
        }
    }
}

/// The places whose change does not change the words.
fn hidden<T: PartialEq>(value: &Value, words: impl Fn(&Value) -> T) -> Vec<String> {
    let said = words(value);
    let mut all = Vec::new();
    leaves(value, "", &mut all);
    all.retain(|place| {
        let mut changed = value.clone();
        let leaf = changed.pointer_mut(place).unwrap();
        *leaf = if let Some(is_so) = leaf.as_bool() {
            (!is_so).into()
        } else if let Some(number) = leaf.as_i64() {
            (number + 1).into()
        } else {
            format!("{}x", leaf.as_str().unwrap_or_default()).into()
        };
        words(&changed) == said
    });
    all
}

#[tokio::test]
async fn snapshots_show_every_value_of_readings_and_calls() {
    let mut shown = 0;
    for case in CASES.iter() {
        let name = format!("{} {}", case.provider, case.name);
        for on in paths_of(case.provider) {
            let read = serde_json::to_value(notices(case, &source(on))).unwrap();
            assert_eq!(hidden(&read, reading), Vec::<String>::new(), "{name}: {read:#}");
            shown += 1;
        }
        let app = App::with(Settings::default(), &[]).await;
        prepare_on(&app, case, case.path()).await;
        app.deliver(case.provider, case.path(), &case.body).await;
        for body in app.sandbox.calls().iter().filter_map(|call| call.body.as_ref()) {
            let mut hidden = hidden(body, calls::body);
            hidden.retain(|place| place != "/password");
            assert_eq!(hidden, Vec::<String>::new(), "{name}: {body:#}");
        }
    }
    assert!(shown > 300, "{shown}");
}
