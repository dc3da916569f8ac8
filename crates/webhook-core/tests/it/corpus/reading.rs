//! What an event is read as, one line per fact.
//!
//! Made of the JSON of its notices. A test changes each value in it and looks whether the words change.

use serde_json::Value;

use super::fields::{Fields, is_empty, items, plain};

pub(super) fn reading(notices: &Value) -> Vec<String> {
    items(notices.clone()).into_iter().flat_map(notice).collect()
}

fn notice(value: Value) -> Vec<String> {
    let mut notice = Fields::of(value);
    let mut title = format!("{} {}", plain(&notice.take("kind")), plain(&notice.take("id")));
    title.extend(notice.flag("live", ", live", ", not live"));
    let (result, meaning) = Fields::variant(notice.take("meaning"));
    let mut lines = Vec::new();
    if result != "Ok" {
        title.push_str(&format!(", cannot be read: {}", plain(&meaning)));
    } else if let (ignored, why) = Fields::variant(meaning.clone())
        && ignored == "Ignore"
    {
        title.push_str(&ignored_because(why));
    } else {
        let mut act = Fields::of(Fields::variant(meaning).1);
        title.push_str(&act.said(", at ", "at").unwrap_or_default());
        lines.extend(commands(items(act.take("commands"))));
        lines.extend(act.rest());
    }
    lines.extend(notice.rest());
    let lines = indented(lines);
    [vec![title], lines].concat()
}

fn ignored_because(why: Value) -> String {
    match Fields::variant(why) {
        (why, Value::Null) if why == "UnhandledType" => {
            ", ignored: its type is not handled".to_owned()
        }
        (why, detail) => format!(", ignored: {why} {}", plain(&detail)),
    }
}

fn commands(commands: Vec<Value>) -> Vec<String> {
    let mut lines = Vec::new();
    let mut earlier = (String::new(), Vec::new());
    for value in commands {
        let mut command = Fields::of(value);
        let mut subject = Fields::of(command.take("subject"));
        let id = plain(&subject.take("id"));
        let kind = plain(&subject.take("kind")).to_lowercase();
        let who = format!("{} {kind} {id}", plain(&subject.take("provider")));
        let (what, details) = action(command.take("action"), &id);
        let about = about(command, &id);
        // An event that asks for two things says the rest once.
        let is_same = earlier == (who.clone(), about.clone());
        lines.push(format!("{who}{}: {what}", if is_same { ", as above" } else { "" }));
        lines.extend(indented(details));
        if !is_same {
            lines.extend(indented(about.clone()));
        }
        earlier = (who, about);
    }
    lines
}

/// What comes with an action.
fn about(mut command: Fields, id: &str) -> Vec<String> {
    let mut lines = Vec::new();
    lines.extend(marks("marked ", command.take("marks"), id));
    let ids = command.said("", "payments");
    let mut payment = Fields::of(command.take("payment"));
    let amount = amount(payment.take("amount"));
    let mut paid: Vec<String> = amount.into_iter().chain(payment.said("from ", "starts")).collect();
    for item in items(payment.take("items")) {
        let mut item = Fields::of(item);
        paid.push(format!("{} for {}", plain(&item.take("value")), plain(&item.take("id"))));
        paid.extend(item.rest());
    }
    paid.extend(payment.rest());
    if ids.is_some() || !paid.is_empty() {
        let ids = ids.unwrap_or("without id".to_owned());
        let colon = if paid.is_empty() { "" } else { ": " };
        lines.push(format!("payment {ids}{colon}{}", paid.join(", ")));
    }
    for (words, field) in [("described", "record"), ("before", "previous")] {
        lines.extend(
            description(command.take(field)).into_iter().map(|it| format!("{words}: {it}")),
        );
    }
    let subscribed = command.take("subscribed");
    if !is_empty(&subscribed) {
        lines.extend(subscription("subscribed to", subscribed, id));
    }
    lines.extend(command.said("a person is told: ", "concern"));
    lines.extend(command.rest());
    lines
}

/// A subscription as an event describes it: status and period, what was bought, and the rest.
fn description(value: Value) -> Vec<String> {
    if is_empty(&value) {
        return Vec::new();
    }
    let mut record = Fields::of(value);
    let status = record.said("", "status");
    let period = match (record.said("", "period_start"), record.said("", "period_end")) {
        (Some(start), Some(end)) => Some(format!("period {start} to {end}")),
        (Some(start), None) => Some(format!("period from {start}")),
        (None, end) => end.map(|end| format!("period until {end}")),
    };
    let bought = [record.said("quantity ", "quantity"), record.said("plan ", "plan")];
    let flags = [
        record.flag("cancel_at_period_end", "will not renew", "will renew"),
        record.flag("is_pause_scheduled", "a pause is scheduled", "no pause is scheduled"),
        record.flag("collects", "payments are collected", "payments are not collected"),
    ];
    let mut rest: Vec<String> = flags.into_iter().flatten().collect();
    rest.extend(record.rest());
    let lines = [
        [status, period].into_iter().flatten().collect(),
        bought.into_iter().flatten().collect(),
        rest,
    ];
    lines.iter().filter(|it: &&Vec<String>| !it.is_empty()).map(|it| it.join(", ")).collect()
}

/// The action in a few words, and a line for each thing that belongs to it.
fn action(value: Value, id: &str) -> (String, Vec<String>) {
    let (name, value) = Fields::variant(value);
    match name.as_str() {
        "Grant" => ("is bought".to_owned(), purchase(value, id)),
        "Renew" => {
            let mut renew = Fields::of(value);
            let mut what = format!("is renewed{}", through(renew.take("through")));
            what.push_str(&format!(", paying for {}", scope(renew.take("scope"))));
            let else_buys = renew.take("else_buys");
            let mut lines = renew.rest();
            if !is_empty(&else_buys) {
                lines.push("is bought, if nobody knows it:".to_owned());
                lines.extend(indented(purchase(else_buys, id)));
            }
            (what, lines)
        }
        "PaymentFailed" => (format!("a payment failed{}", through(value)), Vec::new()),
        "Suspend" => (format!("is suspended because of {}", plain(&value)), Vec::new()),
        "Resume" => (format!("is not suspended any more because of {}", plain(&value)), Vec::new()),
        "End" => ("ends".to_owned(), Vec::new()),
        "Reverse" => reversal(value),
        "ChangePlan" => ("is changed".to_owned(), subscription("to", value, id)),
        "SyncCustomer" => {
            let mut parts = items(value).into_iter();
            let who = customer(parts.next().unwrap_or_default());
            let address = parts.next().unwrap_or_default();
            let address = match address.as_str() {
                Some("AsItIs") => "has this address".to_owned(),
                Some("Changed") => "has a new address".to_owned(),
                _ => plain(&address),
            };
            (address, vec![who])
        }
        "Note" => {
            let mut note = Fields::of(value);
            let what = format!("is noted: {}", plain(&note.take("why")));
            let effect = note.take("effect");
            let effect = (effect != "Nothing").then(|| format!("remembers {}", plain(&effect)));
            (what, effect.into_iter().chain(note.rest()).collect())
        }
        other => (format!("{other} {}", plain(&value)), Vec::new()),
    }
}

fn purchase(value: Value, id: &str) -> Vec<String> {
    let mut grant = Fields::of(value);
    let buyer = grant.take("customer");
    let mut lines = vec![if is_empty(&buyer) {
        "by somebody who is not known".to_owned()
    } else {
        format!("by {}", customer(buyer))
    }];
    for line in items(grant.take("lines")) {
        lines.push(self::line(line, id));
    }
    for line in items(grant.take("unmapped")) {
        let mut line = Fields::of(line);
        lines.push(format!(
            "no license for {}: {}",
            plain(&line.take("line")),
            plain(&line.take("problem"))
        ));
        lines.extend(line.rest());
    }
    let scope = Some(format!("pays for {}", scope(grant.take("scope"))));
    let until = grant.said("paid until ", "paid_through");
    let named = grant.said("product named by ", "named_by");
    let mut terms: Vec<String> = [until, scope, named].into_iter().flatten().collect();
    if grant.take("foreign") == true {
        terms.push("may be of no interest here".to_owned());
    }
    terms.extend(grant.rest());
    lines.push(terms.join(", "));
    lines
}

fn line(value: Value, id: &str) -> String {
    let mut line = Fields::of(value);
    let key = line.take("key");
    let of = if key == "-" { String::new() } else { format!(" of {}", plain(&key)) };
    let mut text = format!("quantity {}{of}", plain(&line.take("quantity")));
    let mut mapping = Fields::of(line.take("mapping"));
    let product =
        mapping.said("product ", "product").unwrap_or("the product that it has".to_owned());
    let template = mapping.said("template ", "template");
    let mut said: Vec<String> = [Some(product), template].into_iter().flatten().collect();
    said.extend(mapping.rest());
    said.extend(match Fields::variant(line.take("term")) {
        (term, _) if term == "Template" => None,
        (term, Value::Null) => Some(term.to_lowercase()),
        (term, interval) => Some(format!("{} {}", term.to_lowercase(), plain(&interval))),
    });
    said.extend(line.said("quantity means ", "quantity_means"));
    let metadata = marks("with ", line.take("metadata"), id);
    said.extend(line.rest());
    said.extend(metadata);
    text.push_str(&format!(": {}", said.join(", ")));
    text
}

fn subscription(words: &str, value: Value, id: &str) -> Vec<String> {
    let mut changed = Fields::of(value);
    let lines = items(changed.take("lines")).into_iter();
    let mut lines: Vec<String> = lines.map(|it| format!("{words} {}", line(it, id))).collect();
    let rest = changed.rest();
    if !rest.is_empty() {
        lines.push(rest.join(", "));
    }
    lines
}

fn reversal(value: Value) -> (String, Vec<String>) {
    let mut reversal = Fields::of(value);
    let (cause, funds) = (plain(&reversal.take("cause")), plain(&reversal.take("funds")));
    let mut back = Fields::of(reversal.take("back"));
    let mut what = format!("{cause}, the money is {}", funds.to_lowercase());
    what.extend(amount(back.take("amount")).map(|it| format!(": {it}")));
    what.extend(amount(back.take("of")).map(|of| format!(" of {of}")));
    what.extend(back.flag(
        "is_whole",
        ", which the provider calls all of it",
        ", which the provider calls a part",
    ));
    let mut lines: Vec<String> = back.said("known as ", "id").into_iter().collect();
    lines.extend(back.said("by refund ", "refund"));
    lines.extend(reversal.said("of payment ", "ids"));
    lines.extend(items(back.take("items")).iter().map(|item| format!("of item {}", plain(item))));
    lines.extend(back.rest());
    lines.extend(reversal.rest());
    (what, lines)
}

fn scope(value: Value) -> String {
    match value.as_str() {
        Some("Period") => "a period".to_owned(),
        Some("Proration") => "the rest of a period".to_owned(),
        Some("PlanChange") => "a change of plan".to_owned(),
        Some("OneOff") => "something once".to_owned(),
        _ => plain(&value),
    }
}

fn customer(value: Value) -> String {
    let mut customer = Fields::of(value);
    let (kind, email) = Fields::variant(customer.take("email"));
    let mut said = Vec::new();
    if kind == "Real" {
        let mut email = Fields::of(email);
        let (address, spelt) = (email.take("address"), email.take("spelt"));
        said.push(plain(&address));
        said.extend((address != spelt).then(|| format!("spelt {}", plain(&spelt))));
        said.extend(email.rest());
    } else {
        said.push(format!("{kind} {}", plain(&email)));
    }
    let mut name = Fields::of(customer.take("name"));
    said.extend(name.said("first name ", "first"));
    said.extend(name.said("last name ", "last"));
    said.extend(name.rest());
    let id = customer.take("id");
    said.extend((!is_empty(&id)).then(|| format!("customer {}", plain(&id))));
    let mark = customer.take("mark");
    said.extend(if is_empty(&mark) { None } else { marks("marked ", mark, &plain(&id)) });
    said.extend(customer.rest());
    said.join(", ")
}

/// Keys whose value is the id of what they are about need no value.
fn marks(words: &str, value: Value, id: &str) -> Option<String> {
    let marks: Vec<String> = items(value)
        .into_iter()
        .map(|mark| {
            let mut mark = Fields::of(mark);
            let (key, value) = (plain(&mark.take("key")), plain(&mark.take("value")));
            let said = if value == id { key } else { format!("{key}={value}") };
            [vec![said], mark.rest()].concat().join(" ")
        })
        .collect();
    (!marks.is_empty()).then(|| format!("{words}{}", marks.join(" + ")))
}

fn through(value: Value) -> String {
    if is_empty(&value) {
        return String::new();
    }
    match Fields::variant(value) {
        (name, until) if name == "Until" => format!(" until {}", plain(&until)),
        (name, value) if name == "NextPeriod" => format!(" by one period {}", plain(&value)),
        (name, value) => format!(" by {name} {}", plain(&value)),
    }
}

fn amount(value: Value) -> Option<String> {
    if is_empty(&value) {
        return None;
    }
    let mut amount = Fields::of(value);
    let mut said = vec![plain(&amount.take("value"))];
    said.extend(amount.said("", "currency"));
    said.extend(amount.rest());
    Some(said.join(" "))
}

fn indented(lines: Vec<String>) -> Vec<String> {
    lines.into_iter().map(|line| format!("  {line}")).collect()
}
