//! Tables: boxed and cut to the terminal's width for people, uncut and uncoloured when piped.

use std::io::{self, IsTerminal, Write};

use comfy_table::{
    Cell, CellAlignment, ColumnConstraint, ContentArrangement, ContentLineStyle, LineStyle, Row, TableStyle,
    Width,
};
use dialoguer::console::Term;
use tollgate_domain::Time;

use crate::{error::AdminError, output};

/// What stands where there is nothing to show.
pub const NOTHING: &str = "-";

const STYLE: TableStyle = TableStyle::new()
    .top_border(LineStyle::new('+', '-', '+', '+'))
    .header_lines(ContentLineStyle::new('|', '|', '|'))
    .header_separator(LineStyle::new('+', '-', '+', '+'))
    .content_lines(ContentLineStyle::new('|', '|', '|'))
    .bottom_border(LineStyle::new('+', '-', '+', '+'));

/// How much is kept, where columns are cut, of the first: by it rows are told apart, and keys and users are named. Twelve
/// digits of an id tell the millisecond of its making.
const NAMING: u16 = 13;
/// From this width a column on, the first is given so much.
const ROOMY: u16 = 10;
/// The spaces around a cell.
const PADDING: u16 = 2;

/// A column's heading, and whether numbers stand under it.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// The heading.
    pub heading: &'static str,
    /// Numbers stand to the right.
    pub is_number: bool,
}

/// A column of texts.
pub const fn text(heading: &'static str) -> Column {
    Column { heading, is_number: false }
}

/// A column of numbers.
pub const fn number(heading: &'static str) -> Column {
    Column { heading, is_number: true }
}

/// A table that is printed page by page, so that a long one needs no memory. Columns keep the width that
/// the first page gave them; only an uncut table makes them wider where a later page needs that.
pub struct Table<W: Write> {
    out: W,
    columns: &'static [Column],
    cut_to: Option<u16>,
    widths: Vec<u16>,
    bottom: String,
}

impl Table<io::StdoutLock<'static>> {
    /// A table on standard output, cut where that is a terminal.
    pub fn on_stdout(columns: &'static [Column]) -> Self {
        Self::new(io::stdout().lock(), columns, terminal_width())
    }
}

/// How wide the terminal is to which tables are cut; `None` where standard output is none.
fn terminal_width() -> Option<u16> {
    let size = io::stdout().is_terminal().then(|| Term::stdout().size_checked()).flatten();
    size.map(|(_rows, width)| width)
}

/// Characters that are left for the cells of the last of `columns`, up to `most`, where the others have what stands in
/// `rows`: something that is drawn is not to be cut.
pub fn room_for_last(columns: &[Column], rows: &[Vec<String>], most: u16) -> u16 {
    terminal_width().map_or(most, |width| left_of(width, columns, rows).min(most))
}

fn left_of(width: u16, columns: &[Column], rows: &[Vec<String>]) -> u16 {
    let others = columns.len().saturating_sub(1);
    let widest = |(at, column): (usize, &Column)| {
        let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count());
        cells.chain([column.heading.len()]).max().unwrap_or(0)
    };
    let taken: usize = columns.iter().take(others).enumerate().map(widest).sum();
    // Each column has its padding and a line before it, and there is a line behind the last.
    let frame = columns.len().saturating_mul(usize::from(PADDING) + 1).saturating_add(1);
    let taken = u16::try_from(taken.saturating_add(frame)).unwrap_or(u16::MAX);
    width.saturating_sub(taken)
}

impl<W: Write> Table<W> {
    fn new(out: W, columns: &'static [Column], cut_to: Option<u16>) -> Self {
        Self { out, columns, cut_to, widths: Vec::new(), bottom: String::new() }
    }

    /// Prints some more rows.
    ///
    /// # Errors
    /// [`AdminError::Output`], here and below.
    pub fn page(&mut self, rows: &[Vec<String>]) -> Result<(), AdminError> {
        let is_first = self.widths.is_empty();
        let table = self.laid_out(rows, is_first);
        let mut lines: Vec<String> = table.lines().collect();
        self.bottom = lines.pop().unwrap_or_default();
        // Between the corners of the border stand the columns.
        let columns = self.bottom.trim_matches('+').split('+');
        self.widths = columns.map(|column| u16::try_from(column.len()).unwrap_or(u16::MAX)).collect();
        let skipped = usize::from(!is_first);
        lines
            .iter()
            .skip(skipped)
            .try_for_each(|line| writeln!(self.out, "{line}"))
            .map_err(AdminError::Output)
    }

    /// Closes the box.
    pub fn end(mut self) -> Result<(), AdminError> {
        if self.widths.is_empty() {
            self.page(&[])?;
        }
        writeln!(self.out, "{}", self.bottom).and_then(|()| self.out.flush()).map_err(AdminError::Output)
    }

    fn laid_out(&self, rows: &[Vec<String>], with_header: bool) -> comfy_table::Table {
        let mut table = comfy_table::Table::new();
        table.load_style(STYLE);
        if with_header {
            table.set_header(self.columns.iter().map(|column| column.heading));
        }
        if let Some(width) = self.cut_to {
            table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
        }
        for cells in rows {
            let mut row = Row::from(cells.iter().zip(self.columns).map(|(cell, column)| {
                let alignment = if column.is_number { CellAlignment::Right } else { CellAlignment::Left };
                Cell::new(output::printable(cell)).set_alignment(alignment)
            }));
            if self.cut_to.is_some() {
                row.max_height(1);
            }
            table.add_row(row);
        }
        if let Some(width) = self.cut_to
            && self.widths.is_empty()
            && width >= ROOMY.saturating_mul(u16::try_from(self.columns.len()).unwrap_or(u16::MAX))
            && let Some(whole) = table.column_max_content_widths().first().copied()
            && let Some(first) = table.column_mut(0)
        {
            let kept = whole.min(NAMING).saturating_add(PADDING);
            first.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(kept)));
        }
        for (column, width) in table.column_iter_mut().zip(&self.widths) {
            let width = Width::Fixed(*width);
            column.set_constraint(match self.cut_to {
                Some(_) => ColumnConstraint::Absolute(width),
                None => ColumnConstraint::LowerBoundary(width),
            });
        }
        table
    }
}

/// A number with commas between the thousands.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The day of a time, in UTC.
pub fn day(time: Time) -> String {
    time.format("%Y-%m-%d").to_string()
}

/// A time to the second, in UTC.
pub fn second(time: Time) -> String {
    time.format("%Y-%m-%d %H:%M:%S").to_string()
}

/// A time to the minute, in UTC.
pub fn minute(time: Time) -> String {
    time.format("%Y-%m-%d %H:%M").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &[Column] = &[text("Key ID"), text("Name"), number("Tokens (7d)")];

    fn printed(cut_to: Option<u16>, pages: &[&[[&str; 3]]]) -> String {
        let mut out = Vec::new();
        let mut table = Table::new(&mut out, COLUMNS, cut_to);
        for page in pages {
            let rows: Vec<Vec<String>> =
                page.iter().map(|row| row.iter().map(ToString::to_string).collect()).collect();
            table.page(&rows).unwrap();
        }
        table.end().unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_box_goes_around_the_rows() {
        let expected = "\
+--------+----------+-------------+
| Key ID | Name     | Tokens (7d) |
+--------+----------+-------------+
| a1b2   | John Doe |      12,340 |
| f6e5   | Jane     |           0 |
+--------+----------+-------------+
";
        let rows = [["a1b2", "John Doe", "12,340"], ["f6e5", "Jane", "0"]];
        assert_eq!(printed(None, &[&rows]), expected);
        assert_eq!(printed(None, &[&rows[..1], &rows[1..]]), expected);
        assert_eq!(printed(Some(80), &[&rows[..1], &rows[1..]]), expected);
    }

    #[test]
    fn an_empty_table_has_its_heading() {
        assert_eq!(printed(None, &[]).lines().count(), 4);
        assert_eq!(printed(Some(40), &[&[]]).lines().count(), 4);
    }

    #[test]
    fn a_terminal_cuts_and_a_pipe_does_not() {
        let long = "x".repeat(200);
        let rows: [[&str; 3]; 1] = [["a1b2", &long, "1"]];
        let cut = printed(Some(60), &[&rows, &rows]);
        assert!(cut.lines().all(|line| line.chars().count() <= 60), "{cut}");
        assert_eq!(cut.lines().count(), 6, "{cut}");
        let short: [[&str; 3]; 1] = [["a1b2", "John", "1"]];
        assert!(printed(None, &[&short, &rows]).contains(&long));
    }

    #[test]
    fn what_is_drawn_has_the_room_that_the_others_leave() {
        let rows = [["2026-11-22", "12,340"].map(str::to_owned).to_vec()];
        let columns = [text("Day"), number("Tokens"), text("Drawn")];
        // +------------+--------+-----…-+
        assert_eq!(left_of(60, &columns, &rows), 60 - 10 - 6 - 10);
        assert_eq!(left_of(20, &columns, &rows), 0);
    }

    #[test]
    fn what_would_drive_a_terminal_is_not_printed() {
        let printed = printed(None, &[&[["a1b2", "\u{1b}[31mred\nline", "1"]]]);
        assert!(!printed.contains('\u{1b}') && printed.lines().count() == 5, "{printed}");
    }

    #[test]
    fn thousands_are_told_apart() {
        for (number, text) in [(0, "0"), (999, "999"), (12_340, "12,340"), (1_000_000, "1,000,000")] {
            assert_eq!(thousands(number), text);
        }
    }
}
