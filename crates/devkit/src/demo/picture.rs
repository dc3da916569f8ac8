//! The demo as a picture for a web page: an SVG of a terminal, in the reader's light or dark colours.
//!
//! Each piece of text has its place and its length, so that columns line up in whatever font the reader has.

use std::fmt::Write as _;

use super::table::{Column, Columns, Row};

const CHAR: u32 = 8;
const LINE: u32 = 19;
const MARGIN: u32 = 20;
/// Between two rows.
const ROW_GAP: u32 = 5;
/// From the top of a line to the foot of its letters.
const FOOT: u32 = 14;

const STYLE: &str = "
  .paper { fill: #ffffff; stroke: #d0d7de; }
  text { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, \"DejaVu Sans Mono\", monospace; fill: #1f2328; }
  .minor { fill: #59636e; }
  .strong { font-weight: 600; }
  .right { fill: #0a6b3d; font-weight: 600; }
  .wrong { fill: #b3261e; font-weight: 600; }
  .rule { stroke: #d0d7de; }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #0d1117; stroke: #3d444d; }
    text { fill: #e6edf3; }
    .minor { fill: #9198a1; }
    .right { fill: #6fd3a4; }
    .wrong { fill: #ff9a92; }
    .rule { stroke: #3d444d; }
  }
";

/// A drawing that grows from top to bottom.
pub(super) struct Picture {
    columns: Columns,
    body: String,
    /// Where the next line begins.
    top: u32,
}

impl Picture {
    pub(super) fn new(columns: Columns) -> Picture {
        Picture { columns, body: String::new(), top: MARGIN }
    }

    /// A line of prose.
    pub(super) fn line(&mut self, text: &str, class: &str) {
        self.text(0, text, class);
        self.top += LINE;
    }

    /// The names of the columns, and a line below.
    pub(super) fn head(&mut self) {
        let head = self.columns.head();
        for line in head.iter().filter(|line| !line.starts_with('─')) {
            self.cells(line, |_, _| "minor");
        }
        let (from, to) = (MARGIN, MARGIN + CHAR * u32::from(self.columns.width()));
        let y = self.top + ROW_GAP;
        let rule =
            format!("<line class=\"rule\" x1=\"{from}\" x2=\"{to}\" y1=\"{y}\" y2=\"{y}\"/>");
        writeln!(self.body, "{rule}").expect("a string takes all");
        self.top += 2 * ROW_GAP;
    }

    /// One step.
    pub(super) fn row(&mut self, row: &Row) {
        for line in self.columns.row(row, false) {
            self.cells(&line, |column, text| match column {
                Column::Mark if row.right => "right",
                Column::Mark => "wrong",
                Column::What if text == row.case => "minor",
                Column::Licenses if text.starts_with("for ") => "minor",
                Column::What | Column::Licenses => "strong",
                Column::Day | Column::Answer | Column::Calls => "plain",
            });
        }
        self.top += ROW_GAP;
    }

    /// All of it.
    pub(super) fn finish(self, title: &str) -> String {
        let width = 2 * MARGIN + CHAR * u32::from(self.columns.width());
        let height = self.top + MARGIN;
        let title = escaped(title);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\" aria-label=\"{title}\">\n\
             <title>{title}</title>\n<style>{STYLE}</style>\n\
             <rect class=\"paper\" x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"8\"/>\n{}</svg>\n",
            width - 1,
            height - 1,
            self.body
        )
    }

    fn cells(&mut self, line: &str, class: impl Fn(Column, &str) -> &'static str) {
        let places: Vec<_> = self.columns.places().collect();
        for (column, from, width) in places {
            let cell: String = line.chars().skip(from.into()).take(width.into()).collect();
            let text = cell.trim();
            let indent = cell.chars().take_while(|letter| *letter == ' ').count();
            let indent = u16::try_from(indent).expect("a cell is narrow");
            self.text(from + indent, text, class(column, text));
        }
        self.top += LINE;
    }

    fn text(&mut self, column: u16, text: &str, class: &str) {
        if text.is_empty() {
            return;
        }
        let x = MARGIN + CHAR * u32::from(column);
        let y = self.top + FOOT;
        let length = CHAR * u32::try_from(text.chars().count()).expect("a line is short");
        let text = escaped(text);
        writeln!(
            self.body,
            "<text class=\"{class}\" x=\"{x}\" y=\"{y}\" textLength=\"{length}\" lengthAdjust=\"spacingAndGlyphs\">{text}</text>"
        )
        .expect("a string takes all");
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_have_their_place_length_and_meaning() {
        let mut picture = Picture::new(Columns::of(104));
        picture.line("$ a <b> & \"c\"", "plain");
        picture.head();
        picture.row(&Row {
            right: false,
            day: "2026-09-01".to_owned(),
            what: "Ada signs up".to_owned(),
            case: "customer-created".to_owned(),
            answer: "200".to_owned(),
            calls: 3,
            licenses: "none".to_owned(),
        });
        let svg = picture.finish("the demo");
        let length = "lengthAdjust=\"spacingAndGlyphs\"";
        for piece in [
            format!(
                "x=\"20\" y=\"34\" textLength=\"104\" {length}>$ a &lt;b&gt; &amp; &quot;c&quot;<"
            ),
            format!("<text class=\"wrong\" x=\"20\" y=\"82\" textLength=\"8\" {length}>✗<"),
            format!(
                "<text class=\"plain\" x=\"44\" y=\"82\" textLength=\"80\" {length}>2026-09-01<"
            ),
            format!(
                "<text class=\"strong\" x=\"140\" y=\"82\" textLength=\"96\" {length}>Ada signs up<"
            ),
            format!(
                "<text class=\"minor\" x=\"156\" y=\"101\" textLength=\"128\" {length}>customer-created<"
            ),
            "viewBox=\"0 0 872 131\"".to_owned(),
        ] {
            assert!(svg.contains(&piece), "{piece} is not in\n{svg}");
        }
    }
}
