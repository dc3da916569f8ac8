//! The tables of `docs/comparison.md`: what the files of `situations/results/` say.

use std::fmt::Write as _;

use super::judge::Outcome;
use super::results::Results;
use super::situation::{Situation, published, situations};
use super::table::for_a_page;

/// A count per server and verdict, then every situation.
pub fn tables() -> String {
    let (situations, servers) = (situations(), published());
    let mut page = counts(&situations, &servers);
    page.push_str(&for_a_page(&situations, &servers));
    page
}

fn counts(situations: &[Situation], servers: &[Results]) -> String {
    let words = [Outcome::Right, Outcome::Wrong, Outcome::NotHandled];
    let header = words.map(|outcome| format!(" {} |", outcome.word())).concat();
    let mut table = format!("| of {} situations |{header} played |\n", situations.len());
    table.push_str("|---|---|---|---|---|\n");
    for Results { server, about, played, situations } in servers {
        let count = |of: Outcome| situations.values().filter(|it| it.outcome == of).count();
        let cells = words.map(|outcome| format!(" {} |", count(outcome))).concat();
        writeln!(table, "| {server}: {about} |{cells} {played} |").unwrap_or_default();
    }
    table
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const BEGIN: &str =
        "<!-- from here on written by COMPARISON=write cargo test -p devkit comparison -->\n";

    #[test]
    fn the_page_of_the_comparison_says_what_the_results_say() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/comparison.md");
        let page = std::fs::read_to_string(&path).unwrap();
        let (text, _) = page.split_once(BEGIN).expect("a line that begins the tables");
        let written = format!("{text}{BEGIN}\n{}", tables());
        if std::env::var_os("COMPARISON").is_some_and(|value| value == "write") {
            std::fs::write(&path, written).unwrap();
        } else {
            assert!(page == written, "docs/comparison.md differs: COMPARISON=write writes it");
        }
    }

    #[test]
    fn every_server_of_the_page_played_every_situation() {
        let names: Vec<String> = situations().into_iter().map(|it| it.name).collect();
        for Results { server, situations, .. } in published() {
            let played: Vec<&String> = situations.keys().collect();
            assert_eq!(played, names.iter().collect::<Vec<_>>(), "{server}");
        }
    }
}
