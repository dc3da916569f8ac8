//! Results as tables: of one server for a terminal, of several for a page.

use std::fmt::Write as _;

use comfy_table::{ContentArrangement, Table, presets};

use super::judge::{Outcome, grouped, meaning};
use super::results::{ResultOf, Results};
use super::situation::Situation;
use super::words::in_a_cell;
use crate::sign::Provider;

/// A table for a terminal.
pub(super) fn for_a_terminal(situations: &[Situation], results: &Results) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_BORDERS_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(["", "situation", "what should be there", "what is there"]);
    if table.width().is_none() {
        table.set_width(140);
    }
    for (situation, result) in of_both(situations, results) {
        let right = result.outcome == Outcome::Right;
        let mut there = match &result.found {
            None => "the same".to_owned(),
            Some(found) if right => grouped(found),
            Some(found) => {
                let means = means(found, situation, result);
                format!("{}\n{}: {means}", grouped(found), result.outcome.word())
            }
        };
        if result.unacknowledged > 0 {
            write!(there, "\n{}", unacknowledged(result)).unwrap_or_default();
        }
        table.add_row([
            if right { "✓" } else { "✗" }.to_owned(),
            format!("{}\n  {}", situation.what, situation.name),
            grouped(&situation.licenses),
            there,
        ]);
    }
    table.to_string()
}

/// Tables for a page, one per provider: a column per server.
pub(super) fn for_a_page(situations: &[Situation], servers: &[Results]) -> String {
    let mut page = String::new();
    for provider in Provider::ALL {
        let of_it: Vec<&Situation> =
            situations.iter().filter(|situation| situation.provider == provider).collect();
        if of_it.is_empty() {
            continue;
        }
        let names: Vec<String> = servers.iter().map(|it| format!(" {} |", it.server)).collect();
        write!(page, "\n### {}\n\n| situation | should be |{}\n", title(provider), names.concat())
            .unwrap_or_default();
        writeln!(page, "|---|---|{}", "---|".repeat(servers.len())).unwrap_or_default();
        for situation in of_it {
            let cells: Vec<String> = servers.iter().map(|server| cell(situation, server)).collect();
            let should = grouped(&situation.licenses);
            writeln!(page, "| {} | {should} |{}", linked(situation), cells.concat())
                .unwrap_or_default();
        }
    }
    page
}

/// With a link to its files.
fn linked(situation: &Situation) -> String {
    format!("[{}](../situations/{}/situation.json)", situation.what, situation.name)
}

fn cell(situation: &Situation, server: &Results) -> String {
    let Some(result) = server.situations.get(&situation.name) else {
        return " not played |".to_owned();
    };
    let refused = match result.unacknowledged {
        0 => String::new(),
        count => format!("; {count} refused"),
    };
    match &result.found {
        Some(found) if result.outcome != Outcome::Right => {
            let means = means(found, situation, result);
            let word = result.outcome.word();
            format!(" **{word}**: {} ({means}){refused} |", in_a_cell(&grouped(found)))
        }
        _ => format!(" {}{refused} |", result.outcome.word()),
    }
}

fn means(found: &[String], situation: &Situation, result: &ResultOf) -> String {
    match result.leftover {
        0 => meaning(found, &situation.licenses),
        count => format!("leftover: {count} of another situation, made too late"),
    }
}

fn unacknowledged(result: &ResultOf) -> String {
    let last = result.refusal.as_deref().unwrap_or_default();
    format!("{} of its webhooks never answered 2xx, the last with {last}", result.unacknowledged)
}

fn of_both<'a>(
    situations: &'a [Situation],
    results: &'a Results,
) -> impl Iterator<Item = (&'a Situation, &'a ResultOf)> {
    situations.iter().filter_map(|it| Some((it, results.situations.get(&it.name)?)))
}

fn title(provider: Provider) -> &'static str {
    match provider {
        Provider::Stripe => "Stripe",
        Provider::Fastspring => "FastSpring",
        Provider::Paddle => "Paddle",
    }
}
