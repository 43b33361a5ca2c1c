//! What the program prints: results to standard output, all else to standard error.

use std::{
    fmt::Display,
    io::{self, Write},
};

use crate::error::AdminError;

/// Prints a line of the result.
pub fn line(text: &dyn Display) -> Result<(), AdminError> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}").map_err(AdminError::Output)?;
    out.flush().map_err(AdminError::Output)
}

/// Prints what is known of one thing, a line a property.
pub fn details(lines: &[(&str, String)]) -> Result<(), AdminError> {
    let widest = lines.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
    lines.iter().try_for_each(|(label, value)| {
        let colon = format!("{label}:");
        line(&format_args!("  {colon:<width$} {}", printable(value), width = widest + 1))
    })
}

/// Says something beside the result. Where nobody can be told, the work goes on.
pub fn note(text: &dyn Display) {
    let _unwritable = writeln!(io::stderr(), "{text}");
}

/// Says what went wrong.
pub fn complain(error: &dyn Display) {
    note(&format_args!("error: {error}"));
}

/// `text` without what would move the cursor or change the colours of a terminal.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// A list whose reader has seen enough (`list | head`) is done, not failed.
pub fn until_hung_up(printed: Result<(), AdminError>) -> Result<(), AdminError> {
    match printed {
        Err(AdminError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}
