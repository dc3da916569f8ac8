//! What was measured, next to its budget.

use comfy_table::{Table, presets};

/// One line of the result.
pub(super) struct Row {
    what: String,
    unit: &'static str,
    /// Sorted, never empty.
    values: Vec<f64>,
    floor: Option<f64>,
    budget: Option<Budget>,
}

/// What the median may be.
#[derive(Clone, Copy)]
pub(super) enum Budget {
    AtMost(f64),
    /// So many times the median of the least that is possible on this machine.
    TimesFloor(f64),
}

const HEAD: [&str; 8] = ["what", "unit", "min", "median", "max", "x floor", "budget", "met"];

impl Row {
    pub(super) fn of(what: impl Into<String>, unit: &'static str, mut values: Vec<f64>) -> Row {
        values.sort_by(f64::total_cmp);
        Row { what: what.into(), unit, values, floor: None, budget: None }
    }

    pub(super) fn at_most(self, most: f64) -> Row {
        Row { budget: Some(Budget::AtMost(most)), ..self }
    }

    pub(super) fn over(self, floor: &Row, times: f64) -> Row {
        Row { floor: Some(floor.median()), budget: Some(Budget::TimesFloor(times)), ..self }
    }

    /// Shown in units of another one's median; the budget is another matter.
    pub(super) fn beside(self, floor: &Row) -> Row {
        Row { floor: Some(floor.median()), ..self }
    }

    /// The value that so many of a hundred do not exceed.
    pub(super) fn percentile(&self, of_100: usize) -> f64 {
        let last = self.values.len() - 1;
        self.values[(self.values.len() * of_100 / 100).min(last)]
    }

    fn median(&self) -> f64 {
        self.percentile(50)
    }

    fn limit(&self) -> Option<f64> {
        match (self.budget?, self.floor) {
            (Budget::AtMost(most), _) => Some(most),
            (Budget::TimesFloor(times), Some(floor)) => Some(times * floor),
            (Budget::TimesFloor(_), None) => None,
        }
    }

    /// Whether it is within its budget, if it has one.
    pub(super) fn is_met(&self) -> Option<bool> {
        self.limit().map(|limit| self.median() <= limit)
    }

    fn cells(&self) -> [String; 8] {
        let ratio = self.floor.map(|floor| format!("{:.2}", self.median() / floor));
        let budget = match self.budget {
            Some(Budget::AtMost(most)) => shown(most),
            Some(Budget::TimesFloor(times)) => format!("{} x floor", shown(times)),
            None => String::new(),
        };
        let met = self.is_met().map(|met| if met { "yes" } else { "NO" });
        [
            self.what.clone(),
            self.unit.to_owned(),
            shown(self.percentile(0)),
            shown(self.median()),
            shown(self.percentile(100)),
            ratio.unwrap_or_default(),
            budget,
            met.unwrap_or_default().to_owned(),
        ]
    }
}

/// Three digits that count, and no more.
fn shown(value: f64) -> String {
    match value.abs() {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        1.0.. => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// For a terminal.
pub(super) fn table(rows: &[Row]) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY).set_header(HEAD);
    for row in rows {
        table.add_row(row.cells());
    }
    table.to_string()
}

/// For a file that is read.
pub(super) fn markdown(rows: &[Row]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let mut text = line(&HEAD.map(str::to_owned));
    text.push_str(&line(&HEAD.map(|_| "---".to_owned())));
    for row in rows {
        text.push_str(&line(&row.cells()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_met_by_its_median() {
        let floor = Row::of("floor", "ms", vec![2.0]);
        for (median, met) in [(2.9, true), (3.1, false)] {
            let row = Row::of("start", "ms", vec![99.0, 1.0, median]).over(&floor, 1.5);
            assert_eq!(row.is_met(), Some(met), "{median}");
        }
        assert_eq!(Row::of("size", "MB", vec![5.0]).at_most(5.0).is_met(), Some(true));
        assert_eq!(floor.is_met(), None);
    }

    #[test]
    fn a_percentile_is_a_value_that_was_measured() {
        let row = Row::of("latency", "ms", (1..=200).map(f64::from).collect());
        assert_eq!([0, 50, 99, 100].map(|p| row.percentile(p)), [1.0, 101.0, 199.0, 200.0]);
    }

    #[test]
    fn markdown_has_a_line_for_each_row() {
        let text = markdown(&[Row::of("start", "ms", vec![1.0, 2.5, 123.4]).at_most(12.0)]);
        assert_eq!(text.lines().nth(2), Some("| start | ms | 1.00 | 2.50 | 123 |  | 12.0 | yes |"));
    }
}
