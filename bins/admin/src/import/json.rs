//! JSON: an array of objects, an object a line, or objects over several lines one after another.

use std::{fmt, io::BufRead};

use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde_json::Value;
use tollgate_accounts::import::Record;

use super::source::{Each, Gauge, Input};
use crate::error::AdminError;

/// Gives each record of a file: with its line, or its place where records have several.
pub fn each(input: &mut Input, each: &mut Each<'_>) -> Result<(), AdminError> {
    let first = match skip_space(input) {
        Ok(first) => first,
        Err(error) => return Err(input.failed(error)),
    };
    match first {
        Some((b'[', _)) => array(input, each),
        Some((b'{', _)) if opens_alone(input) => objects(input, each),
        Some((_, line)) => lines(input, line, each),
        None => Ok(()),
    }
}

/// The first byte that is no space, and its line.
fn skip_space(input: &mut Input) -> std::io::Result<Option<(u8, u64)>> {
    let mut line = 1_u64;
    loop {
        input.gauge.next();
        let Some(first) = input.text.fill_buf()?.first().copied() else { return Ok(None) };
        if !first.is_ascii_whitespace() {
            return Ok(Some((first, line)));
        }
        line = line.saturating_add(u64::from(first == b'\n'));
        input.text.consume(1);
    }
}

/// Whether nothing stands beside the first brace on its line: what was written to be read by people.
fn opens_alone(input: &Input) -> bool {
    let mut lines = input.text.buffer().splitn(2, |byte| *byte == b'\n');
    let first = lines.next().and_then(|line| line.get(1..));
    first.is_some_and(|rest| rest.trim_ascii().is_empty()) && lines.next().is_some()
}

fn objects(input: &mut Input, each: &mut Each<'_>) -> Result<(), AdminError> {
    let gauge = input.gauge.clone();
    let mut values = serde_json::Deserializer::from_reader(&mut input.text).into_iter::<Value>();
    let mut place = 0_u64;
    loop {
        gauge.next();
        match values.next() {
            None => return Ok(()),
            Some(Ok(value)) => {
                place = place.saturating_add(1);
                each(place, record(value), gauge.read())?;
            }
            Some(Err(error)) => return Err(input.failed(error.into())),
        }
    }
}

fn lines(input: &mut Input, mut number: u64, each: &mut Each<'_>) -> Result<(), AdminError> {
    let mut line = Vec::new();
    loop {
        input.gauge.next();
        line.clear();
        match input.text.read_until(b'\n', &mut line) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) => return Err(input.failed(error)),
        }
        if !line.trim_ascii().is_empty() {
            let parsed = serde_json::from_slice(&line).map_err(|error| said(&error)).and_then(record);
            each(number, parsed, input.gauge.read())?;
        }
        number = number.saturating_add(1);
    }
}

fn array(input: &mut Input, each: &mut Each<'_>) -> Result<(), AdminError> {
    let mut stopped = None;
    let gauge = input.gauge.clone();
    let entries = Entries { gauge, each, stopped: &mut stopped };
    let mut reader = serde_json::Deserializer::from_reader(&mut input.text);
    let read = reader.deserialize_seq(entries).and_then(|()| reader.end());
    match (stopped, read) {
        (Some(error), _) => Err(error),
        (None, Err(error)) => Err(input.failed(error.into())),
        (None, Ok(())) => Ok(()),
    }
}

/// What goes wrong with a line. Serde repeats texts that it did not expect, which may be secret.
fn said(error: &serde_json::Error) -> String {
    format!("is no JSON (column {})", error.column())
}

/// Takes the entries of an array one by one.
struct Entries<'a, 'b> {
    gauge: Gauge,
    each: &'a mut Each<'b>,
    stopped: &'a mut Option<AdminError>,
}

impl<'de> Visitor<'de> for Entries<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let mut place = 0_u64;
        self.gauge.next();
        while let Some(entry) = entries.next_element::<Value>()? {
            place = place.saturating_add(1);
            if let Err(error) = (self.each)(place, record(entry), self.gauge.read()) {
                *self.stopped = Some(error);
                return Err(A::Error::custom("stopped"));
            }
            self.gauge.next();
        }
        Ok(())
    }
}

/// A record from an object.
pub fn record(value: Value) -> Result<Record, String> {
    match value {
        Value::Object(object) => {
            Ok(object.into_iter().map(|(name, value)| (name.to_lowercase(), value)).collect())
        }
        _ => Err("is no JSON object".to_owned()),
    }
}
