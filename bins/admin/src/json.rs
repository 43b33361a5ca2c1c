//! What `--json` prints: the names and forms of the API.

pub mod answer;
pub mod entry;
pub mod key;
pub mod stats;
pub mod user;

use std::io::{self, Seek, Write};

use serde::Serialize;
use serde_json::value::RawValue;
use tempfile::SpooledTempFile;

use crate::{error::AdminError, output};

/// How much of the second array of a list is kept in memory.
const MAX_COPY_BYTES: usize = 4 * 1_024 * 1_024;

/// Prints one thing.
pub fn print(value: &impl Serialize) -> Result<(), AdminError> {
    output::line(&text(value)?)
}

fn text(value: &impl Serialize) -> Result<String, AdminError> {
    serde_json::to_string(value).map_err(|error| AdminError::Output(error.into()))
}

/// Prints a list item by item as `{"items": […], "<also>": […], "next_cursor": null}`. The second array is the same as
/// the first, so its text is kept until the end: of a long list in a temporary file.
pub struct List<W: Write> {
    out: W,
    also: Option<(&'static str, SpooledTempFile)>,
    begun: bool,
}

impl<W: Write> List<W> {
    /// Begins a list on `out`.
    pub fn begin(out: W, also: &'static str) -> Result<Self, AdminError> {
        let copy = SpooledTempFile::new(MAX_COPY_BYTES);
        Ok(Self { also: Some((also, copy)), ..Self::begin_plain(out)? })
    }

    /// Begins a list without a second array.
    pub fn begin_plain(mut out: W) -> Result<Self, AdminError> {
        write!(out, "{{\"items\":[").map_err(AdminError::Output)?;
        Ok(Self { out, also: None, begun: false })
    }

    /// One more item.
    pub fn item(&mut self, item: &impl Serialize) -> Result<(), AdminError> {
        let item = format!("{}{}", if self.begun { ",\n" } else { "\n" }, text(item)?);
        self.begun = true;
        if let Some((_, copy)) = &mut self.also {
            copy.write_all(item.as_bytes()).map_err(AdminError::Output)?;
        }
        self.out.write_all(item.as_bytes()).map_err(AdminError::Output)
    }

    /// Ends the list.
    pub fn end(mut self) -> Result<(), AdminError> {
        self.close().map_err(AdminError::Output)
    }

    fn close(&mut self) -> io::Result<()> {
        if let Some((name, copy)) = &mut self.also {
            write!(self.out, "],\"{name}\":[")?;
            copy.rewind()?;
            io::copy(copy, &mut self.out)?;
        }
        writeln!(self.out, "],\"next_cursor\":null}}")?;
        self.out.flush()
    }
}

/// Stored notes as they are; `null` where the text is no JSON.
fn notes(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap_or_else(|_no_json| RawValue::NULL.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_one_document_with_the_same_array_twice() {
        let long: Vec<String> = (0..3_000).map(|item| format!("{item:>2000}")).collect();
        assert!(long.concat().len() > MAX_COPY_BYTES);
        let short = |items: &[&str]| items.iter().map(ToString::to_string).collect::<Vec<_>>();
        for items in [short(&[]), short(&["one"]), short(&["one", "two", "three"]), long] {
            let mut out = Vec::new();
            let mut list = List::begin(&mut out, "keys").unwrap();
            items.iter().for_each(|item| list.item(item).unwrap());
            list.end().unwrap();
            let read: serde_json::Value = serde_json::from_slice(&out).unwrap();
            assert_eq!(read, serde_json::json!({"items": items, "keys": items, "next_cursor": null}));
        }
    }
}
