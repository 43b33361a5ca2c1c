//! Values separated by commas, semicolons or tabs, under a line of names.

use std::io::BufRead;

use csv::{ByteRecord, ErrorKind, ReaderBuilder, Terminator};
use serde_json::Value;
use tollgate_accounts::import::Record;

use super::source::{Each, Input};
use crate::error::AdminError;

/// Gives each record of a file, with the line on which it begins.
pub fn each(input: &mut Input, each: &mut Each<'_>) -> Result<(), AdminError> {
    let gauge = input.gauge.clone();
    // With the usual terminator a line that ends in CR LF counts only once the next record is read.
    let delimiter = match input.text.fill_buf() {
        Ok(beginning) => delimiter(beginning),
        Err(error) => return Err(input.failed(error)),
    };
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter)
        .flexible(true)
        .terminator(Terminator::Any(b'\n'))
        .from_reader(&mut input.text);
    let names: Result<Vec<String>, _> = reader.byte_headers().map(names);
    let names = match names {
        Ok(names) => names,
        Err(error) => return Err(input.failed(error.into())),
    };
    let mut row = ByteRecord::new();
    loop {
        gauge.next();
        match reader.read_byte_record(&mut row) {
            Ok(false) => return Ok(()),
            Ok(true) => {}
            Err(error) => {
                return Err(match error.into_kind() {
                    ErrorKind::Io(error) => input.failed(error),
                    other => input.failed(std::io::Error::other(format!("{other:?}"))),
                });
            }
        }
        if row.len() == 1 && row.get(0).is_some_and(|value| value.trim_ascii().is_empty()) {
            continue;
        }
        let line = line(&row, reader.position().line());
        each(line, record(&names, &row), gauge.read())?;
    }
}

/// What stands between the names of the first line. Where a comma writes decimals, programs export semicolons.
fn delimiter(beginning: &[u8]) -> u8 {
    let names = beginning.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let others = names.iter().copied().find(|byte| matches!(byte, b';' | b'\t'));
    others.filter(|_| !names.contains(&b',')).unwrap_or(b',')
}

/// The line on which a record begins after which `next` is the line: empty lines may have stood before it.
fn line(row: &ByteRecord, next: u64) -> u64 {
    let inside = row.as_slice().iter().filter(|byte| **byte == b'\n').count();
    let by_end = next.saturating_sub(1).saturating_sub(u64::try_from(inside).unwrap_or(0));
    row.position().map_or(0, csv::Position::line).max(by_end)
}

fn names(row: &ByteRecord) -> Vec<String> {
    row.iter().map(|name| String::from_utf8_lossy(name).trim().to_lowercase()).collect()
}

fn record(names: &[String], row: &ByteRecord) -> Result<Record, String> {
    if row.len() != names.len() {
        return Err(format!("has {} values under {} names", row.len(), names.len()));
    }
    names
        .iter()
        .zip(row)
        .map(|(name, value)| {
            let value = std::str::from_utf8(value).map_err(|_not_utf8| format!("{name} is not UTF-8"))?;
            Ok((name.clone(), Value::from(value.trim_end_matches('\r'))))
        })
        .collect()
}
