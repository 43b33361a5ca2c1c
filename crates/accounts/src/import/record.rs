//! The columns of a record, in the several forms that other systems give them.

use std::str::FromStr;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, Utc};
use serde_json::{Map, Value};
use tollgate_domain::{Permissions, Time};

use crate::field::Faults;

/// A record: its columns by their names in lower case. All may be texts, as in a CSV file; MongoDB's extended JSON is
/// understood.
pub type Record = Map<String, Value>;

/// The most characters of an id by which another system knows something.
const MAX_ID_CHARS: usize = 200;
/// Numbers from here on are milliseconds, below seconds: the one begins in 1973, the other ends in 5138.
const MILLISECONDS_FROM: i64 = 100_000_000_000;
/// The last year of a moment.
const MAX_YEAR: i32 = 9_999;

/// A record that is being read, and what is wrong with it.
pub struct Fields<'a> {
    record: &'a Record,
    /// What is wrong with it.
    pub faults: Faults,
}

impl<'a> Fields<'a> {
    pub fn of(record: &'a Record) -> Self {
        Self { record, faults: Faults::default() }
    }

    /// Whether there is such a column, be it empty.
    pub fn has(&self, name: &str) -> bool {
        self.record.contains_key(name)
    }

    /// The first of these columns that is not empty.
    pub fn value(&self, names: &[&'static str]) -> Option<(&'static str, &'a Value)> {
        names.iter().find_map(|name| {
            let value = plain(self.record.get(*name)?);
            let empty = value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty());
            (!empty).then_some((*name, value))
        })
    }

    /// The same of a column that may hold JSON as text, in which nothing is `null`.
    fn written(&self, names: &[&'static str]) -> Option<(&'static str, &'a Value)> {
        self.value(names).filter(|(_, value)| value.as_str().is_none_or(|text| text.trim() != "null"))
    }

    /// A text, or a number as text.
    pub fn text(&mut self, names: &[&'static str]) -> Option<(&'static str, String)> {
        let (name, value) = self.value(names)?;
        match value {
            Value::String(text) => return Some((name, text.trim().to_owned())),
            Value::Number(number) => return Some((name, number.to_string())),
            _ => self.faults.add(name, "not_a_text", "must be a text"),
        }
        None
    }

    /// What a text stands for.
    pub fn parsed<T: FromStr<Err: std::fmt::Display>>(&mut self, names: &[&'static str]) -> Option<T> {
        let (name, text) = self.text(names)?;
        self.faults.take(name, "invalid", text.parse())
    }

    /// The same of names in lower case, such as a tier's.
    pub fn named<T: FromStr<Err: std::fmt::Display>>(&mut self, names: &[&'static str]) -> Option<T> {
        let (name, text) = self.text(names)?;
        self.faults.take(name, "invalid", text.to_lowercase().parse())
    }

    /// An id by which the other system knows something.
    pub fn id(&mut self, names: &[&'static str]) -> Option<String> {
        let (name, id) = self.text(names)?;
        if id.chars().count() > MAX_ID_CHARS || id.chars().any(char::is_control) {
            let rule = format!("must have at most {MAX_ID_CHARS} characters and no control characters");
            self.faults.add(name, "invalid_id", rule);
            return None;
        }
        Some(id)
    }

    /// A name.
    pub fn name(&mut self, names: &[&'static str]) -> Option<String> {
        let (name, text) = self.text(names)?;
        Some(self.faults.name(name, &text))
    }

    /// Yes or no.
    pub fn flag(&mut self, names: &[&'static str]) -> Option<bool> {
        let (name, value) = self.value(names)?;
        let word = match value {
            Value::Bool(flag) => return Some(*flag),
            Value::Number(number) => number.to_string(),
            Value::String(text) => text.trim().to_lowercase(),
            _ => String::new(),
        };
        match word.as_str() {
            "true" | "t" | "1" | "yes" | "y" => return Some(true),
            "false" | "f" | "0" | "no" | "n" => return Some(false),
            _ => self.faults.add(name, "not_a_flag", "must be true or false"),
        }
        None
    }

    /// A limit.
    pub fn limit(&mut self, names: &[&'static str]) -> Option<u64> {
        let (name, text) = self.text(names)?;
        // A column of decimal numbers writes 100 as 100.0.
        let limit = text.trim_end_matches(".0").parse::<u64>().ok();
        // What is no whole number is out of range as well.
        self.faults.limit(name, limit.or(Some(0)));
        limit
    }

    /// A moment; without a zone, of UTC.
    pub fn time(&mut self, names: &[&'static str]) -> Option<Time> {
        let (name, value) = self.value(names)?;
        let time = match value {
            Value::Number(number) => from_number(&number.to_string()),
            Value::String(text) => from_text(text.trim()),
            _ => None,
        };
        let time = time.filter(|time| (1970..=MAX_YEAR).contains(&time.year()));
        if time.is_none() {
            let rule = "must be a time such as 2026-11-21T12:00:00Z, or seconds since 1970";
            self.faults.add(name, "not_a_time", rule);
        }
        time
    }

    /// Permissions: a list, or names joined by commas.
    pub fn permissions(&mut self) -> Option<Permissions> {
        let (name, value) = self.written(&["permissions"])?;
        let parsed = match value {
            Value::String(text) => serde_json::from_str::<Value>(text).ok().filter(Value::is_array),
            other => Some(other.clone()),
        };
        let names = match parsed {
            Some(Value::Array(names)) => {
                let names: Option<Vec<_>> =
                    names.iter().map(|name| name.as_str().map(str::to_owned)).collect();
                names.map(|names| names.join(","))
            }
            Some(_) => None,
            // As Postgres writes an array.
            None => value.as_str().map(|text| text.trim_matches(['{', '}']).replace('"', "")),
        };
        match names {
            Some(names) => self.faults.take(name, "unknown_permission", Permissions::from_text(&names)),
            None => {
                self.faults.add(name, "not_a_list", "must be a list of names");
                None
            }
        }
    }

    /// Notes: an object, or one as text.
    pub fn notes(&mut self) -> Map<String, Value> {
        let Some((name, value)) = self.written(&["metadata"]) else { return Map::new() };
        let object = match value {
            Value::Object(object) => Some(object.clone()),
            Value::String(text) => serde_json::from_str(text).ok(),
            _ => None,
        };
        object.unwrap_or_else(|| {
            self.faults.add(name, "not_an_object", "must be a JSON object");
            Map::new()
        })
    }
}

/// A value without the type that MongoDB's extended JSON puts around it.
fn plain(value: &Value) -> &Value {
    const TYPES: [&str; 5] = ["$oid", "$date", "$numberInt", "$numberLong", "$numberDouble"];
    let inner = value.as_object().filter(|object| object.len() == 1).and_then(|object| {
        let (name, inner) = object.iter().next()?;
        TYPES.contains(&name.as_str()).then_some(inner)
    });
    match inner {
        // A date may have a number of a type inside.
        Some(inner) if inner.is_object() => {
            let deeper = inner.as_object().filter(|object| object.len() == 1);
            deeper.and_then(|object| object.get("$numberLong")).unwrap_or(inner)
        }
        Some(inner) => inner,
        None => value,
    }
}

fn from_number(text: &str) -> Option<Time> {
    let whole = text.split('.').next()?.parse::<i64>().ok()?;
    if whole >= MILLISECONDS_FROM {
        DateTime::from_timestamp_millis(whole)
    } else {
        DateTime::from_timestamp(whole, 0)
    }
}

fn from_text(text: &str) -> Option<Time> {
    const ZONED: [&str; 2] = ["%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M:%S%.f%#z"];
    const LOCAL: [&str; 4] =
        ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"];
    if text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return from_number(text);
    }
    let text = text.strip_suffix(" UTC").unwrap_or(text);
    let zoned = || ZONED.iter().find_map(|form| DateTime::parse_from_str(text, form).ok());
    let local = || LOCAL.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    let day = || NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0);
    DateTime::parse_from_rfc3339(text)
        .ok()
        .or_else(zoned)
        .map(|time| time.with_timezone(&Utc))
        .or_else(|| local().or_else(day).map(|time| time.and_utc()))
}
