//! Collecting what is wrong with a request, all of it at once.

use serde_json::Value;
use tollgate_domain::{Network, Permissions, limit::MAX_LIMIT};

use crate::{AccountsError, FieldError};

/// The most characters of a name.
pub const MAX_NAME_CHARS: usize = 100;
/// The most bytes of metadata, as JSON text.
pub const MAX_METADATA_BYTES: usize = 4_096;
/// The most levels of metadata, the outermost object among them.
pub const MAX_METADATA_LEVELS: usize = 16;
/// The most days until a key expires.
pub const MAX_EXPIRY_DAYS: i64 = 3_650;

/// The most permissions, networks or models of a key.
pub const MAX_ENTRIES: usize = 100;
/// The most characters of a model's name.
pub const MAX_MODEL_CHARS: usize = 200;
/// The most characters of what was sent that a fault repeats.
const SHOWN_CHARS: usize = 50;

/// Faults so far.
#[derive(Default)]
pub struct Faults(Vec<FieldError>);

impl Faults {
    pub fn add(&mut self, field: &'static str, code: &'static str, message: impl Into<String>) {
        self.0.push(FieldError { field, code, message: message.into() });
    }

    /// The value, or a fault of `field` with the error's words.
    pub fn take<T, E: std::fmt::Display>(
        &mut self,
        field: &'static str,
        code: &'static str,
        parsed: Result<T, E>,
    ) -> Option<T> {
        parsed.map_err(|fault| self.add(field, code, fault.to_string())).ok()
    }

    /// A name: trimmed, 1 to [`MAX_NAME_CHARS`] characters, no controls.
    pub fn name(&mut self, field: &'static str, text: &str) -> String {
        let name = text.trim();
        let chars = name.chars().count();
        if chars == 0 || chars > MAX_NAME_CHARS || name.chars().any(char::is_control) {
            let rule = format!("must have 1 to {MAX_NAME_CHARS} characters and no control characters");
            self.add(field, "invalid_name", rule);
        }
        name.to_owned()
    }

    /// A limit: 1 to [`MAX_LIMIT`].
    pub fn limit(&mut self, field: &'static str, limit: Option<u64>) {
        if limit.is_some_and(|limit| limit == 0 || limit > MAX_LIMIT) {
            self.add(field, "out_of_range", format!("must be 1 to {MAX_LIMIT}"));
        }
    }

    /// Tokens that are granted: 0 to [`MAX_LIMIT`].
    pub fn grant(&mut self, field: &'static str, tokens: Option<u64>) {
        if tokens.is_some_and(|tokens| tokens > MAX_LIMIT) {
            self.add(field, "out_of_range", format!("must be 0 to {MAX_LIMIT}"));
        }
    }

    /// Days until a key expires: 1 to [`MAX_EXPIRY_DAYS`].
    pub fn expiry_days(&mut self, field: &'static str, days: Option<i64>) {
        if days.is_some_and(|days| !(1..=MAX_EXPIRY_DAYS).contains(&days)) {
            self.add(field, "out_of_range", format!("must be 1 to {MAX_EXPIRY_DAYS}"));
        }
    }

    /// Networks: at most [`MAX_ENTRIES`], none twice.
    pub fn networks(&mut self, field: &'static str, texts: &[String]) -> Vec<Network> {
        self.bounded(field, texts.len());
        let mut networks: Vec<Network> = Vec::new();
        for text in texts.iter().take(MAX_ENTRIES) {
            match text.trim().parse::<Network>() {
                Ok(network) if networks.contains(&network) => {}
                Ok(network) => networks.push(network),
                Err(fault) => self.add(field, "invalid_network", format!("`{}` {fault}", shown(text))),
            }
        }
        networks
    }

    /// Public names of models: at most [`MAX_ENTRIES`], none twice, each 1 to [`MAX_MODEL_CHARS`] characters.
    pub fn models(&mut self, field: &'static str, names: &[String]) -> Vec<String> {
        self.bounded(field, names.len());
        let mut models: Vec<String> = Vec::new();
        for name in names.iter().take(MAX_ENTRIES) {
            let chars = name.chars().count();
            if chars == 0 || chars > MAX_MODEL_CHARS || name.chars().any(char::is_control) {
                let rule = format!("must be names of 1 to {MAX_MODEL_CHARS} characters without controls");
                self.add(field, "invalid_model", rule);
            } else if !models.contains(name) {
                models.push(name.clone());
            }
        }
        models
    }

    /// Permissions: at most [`MAX_ENTRIES`].
    pub fn permissions(&mut self, permissions: Option<&Permissions>) {
        self.bounded("permissions", permissions.map_or(0, |permissions| permissions.iter().count()));
    }

    fn bounded(&mut self, field: &'static str, entries: usize) {
        if entries > MAX_ENTRIES {
            self.add(field, "too_many", format!("must have at most {MAX_ENTRIES} entries"));
        }
    }

    /// Notes: a JSON object of at most [`MAX_METADATA_BYTES`] and [`MAX_METADATA_LEVELS`], as text.
    pub fn metadata(&mut self, metadata: Option<&serde_json::Map<String, Value>>) -> String {
        let Some(object) = metadata else { return "{}".to_owned() };
        let notes = Value::from(object.clone());
        let text = notes.to_string();
        if text.len() > MAX_METADATA_BYTES {
            self.add("metadata", "too_long", format!("must have at most {MAX_METADATA_BYTES} bytes"));
        }
        if is_deeper(&notes, MAX_METADATA_LEVELS) {
            self.add("metadata", "too_deep", format!("must have at most {MAX_METADATA_LEVELS} levels"));
        }
        text
    }

    /// Nothing was wrong.
    ///
    /// # Errors
    /// [`AccountsError::Invalid`] with all that was.
    pub fn none(self) -> Result<(), AccountsError> {
        if self.0.is_empty() { Ok(()) } else { Err(AccountsError::Invalid(self.0)) }
    }
}

/// Whether objects and arrays lie in one another beyond so many levels.
fn is_deeper(value: &Value, levels: usize) -> bool {
    let within = levels.checked_sub(1);
    let deeper = |inner: &Value| within.is_some_and(|levels| is_deeper(inner, levels));
    match value {
        Value::Array(items) => within.is_none() || items.iter().any(deeper),
        Value::Object(members) => within.is_none() || members.values().any(deeper),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// The beginning of what was sent, without controls.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(SHOWN_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults_of(notes: &str) -> Vec<&'static str> {
        let notes: Value = serde_json::from_str(notes).unwrap();
        let mut faults = Faults::default();
        faults.metadata(notes.as_object());
        faults.0.iter().map(|fault| fault.code).collect()
    }

    #[test]
    fn notes_have_so_many_levels_and_bytes() {
        let nested = |levels: usize| format!("{}{}", "{\"a\":".repeat(levels) + "1", "}".repeat(levels));
        assert!(faults_of(&nested(MAX_METADATA_LEVELS)).is_empty());
        assert_eq!(faults_of(&nested(MAX_METADATA_LEVELS + 1)), ["too_deep"]);
        let arrays = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
        assert!(faults_of(&arrays(MAX_METADATA_LEVELS - 1)).is_empty());
        assert_eq!(faults_of(&arrays(MAX_METADATA_LEVELS)), ["too_deep"]);
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(MAX_METADATA_BYTES - 8));
        assert_eq!(long.len(), MAX_METADATA_BYTES);
        assert!(faults_of(&long).is_empty());
        assert_eq!(faults_of(&long.replace(":\"x", ":\"xx")), ["too_long"]);
    }
}
