//! The table of a story, row by row as it happens: so its columns have a fixed width.

use comfy_table::{Cell, Color, ColumnConstraint, Table, Width, presets};

/// What one step came to.
pub(super) struct Row {
    pub(super) right: bool,
    /// Empty if it is that of the row before.
    pub(super) day: String,
    pub(super) what: String,
    pub(super) case: String,
    pub(super) answer: String,
    pub(super) calls: usize,
    pub(super) licenses: String,
}

/// The columns, from left to right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Mark,
    Day,
    What,
    Answer,
    Calls,
    Licenses,
}

/// How wide everything is, in characters.
pub(super) struct Columns {
    widths: [(Column, u16); 6],
}

const GAP: u16 = 2;
const NARROWEST: u16 = 92;
const WIDEST: u16 = 120;

impl Columns {
    /// For a terminal, or for a file.
    pub(super) fn fitting() -> Columns {
        Columns::of(Table::new().width().unwrap_or(WIDEST))
    }

    /// How many characters the table needs, where this terminal has fewer.
    pub(super) fn missing() -> Option<u16> {
        Table::new().width().is_some_and(|width| width < NARROWEST).then_some(NARROWEST)
    }

    /// For so many characters, or a few more or less.
    pub(super) fn of(width: u16) -> Columns {
        let gaps = 5 * GAP;
        let left = width.clamp(NARROWEST, WIDEST) - gaps - 1 - 10 - 5;
        let licenses = 27;
        let what = (left - licenses).min(60) / 2 + 4;
        let answer = left - licenses - what;
        Columns {
            widths: [
                (Column::Mark, 1),
                (Column::Day, 10),
                (Column::What, what),
                (Column::Answer, answer),
                (Column::Calls, 5),
                (Column::Licenses, licenses),
            ],
        }
    }

    /// All of a line.
    pub(super) fn width(&self) -> u16 {
        self.widths.iter().map(|(_, width)| width + GAP).sum::<u16>() - GAP
    }

    /// Where the columns begin, and how wide they are.
    pub(super) fn places(&self) -> impl Iterator<Item = (Column, u16, u16)> {
        self.widths.iter().scan(0, |at, (column, width)| {
            let from = *at;
            *at += width + GAP;
            Some((*column, from, *width))
        })
    }

    /// The names of the columns, and a line below.
    pub(super) fn head(&self) -> Vec<String> {
        let names = ["", "day", "what happens", "answer", "calls", "licenses at Cryptlex now"];
        let mut lines: Vec<String> = self.lines(&names.map(Cell::new), false);
        lines.push("─".repeat(self.width().into()));
        lines
    }

    /// A row, which takes several lines; with colours only for a terminal.
    pub(super) fn row(&self, row: &Row, colours: bool) -> Vec<String> {
        let (mark, colour) = if row.right { ("✓", Color::Green) } else { ("✗", Color::Red) };
        let cells = [
            Cell::new(mark).fg(colour),
            Cell::new(&row.day),
            Cell::new(format!("{}\n  {}", row.what, row.case)),
            Cell::new(&row.answer),
            Cell::new(format!("{:>5}", row.calls)),
            Cell::new(&row.licenses),
        ];
        self.lines(&cells, colours)
    }

    fn lines(&self, cells: &[Cell], colours: bool) -> Vec<String> {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).add_row(cells.to_vec());
        if !colours {
            table.force_no_tty();
        }
        for (column, (_, width)) in table.column_iter_mut().zip(&self.widths) {
            let gap = if column.index + 1 == self.widths.len() { 0 } else { GAP };
            column.set_padding((0, gap));
            column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(width + gap)));
        }
        table.lines().map(|line| line.trim_end().to_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_line_up_at_any_width() {
        let row = Row {
            right: true,
            day: "2026-09-01".to_owned(),
            what: "A payment fails: grace begins".to_owned(),
            case: "subscription-updated-seats".to_owned(),
            answer: "200 Payment failure recorded successfully.".to_owned(),
            calls: 6,
            licenses: "5 yearly until 2027-09-08".to_owned(),
        };
        for width in [0, 80, 100, 110, 120, 300] {
            let columns = Columns::of(width);
            assert!((NARROWEST..=WIDEST).contains(&columns.width()), "{width}");
            let places: Vec<_> = columns.places().collect();
            let (_, licenses, _) = places[5];
            let lines = columns.row(&row, false);
            let cut = |line: &str, from: u16| line.chars().skip(from.into()).collect::<String>();
            assert_eq!(cut(&lines[0], licenses), row.licenses, "{width}");
            assert!(lines[0].starts_with("✓  2026-09-01  A payment fails"), "{lines:#?}");
            assert!(columns.head()[0].ends_with("  calls  licenses at Cryptlex now"));
            let longest = lines.iter().map(|line| line.chars().count()).max().unwrap();
            assert!(longest <= usize::from(columns.width()), "{lines:#?}");
        }
    }
}
