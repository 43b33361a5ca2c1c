//! The fields of a JSON object: each kept as it came, those that matter read and checked.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use tollgate_domain::event::{MAX_PARAMS_BYTES, MAX_SHORT_TEXT_BYTES, bounded};

use crate::{FieldError, Refusal};

/// By name; of a name that stands twice, the last counts, for us and for the provider alike.
pub type Fields = BTreeMap<String, Box<RawValue>>;

/// The most messages of a chat.
const MAX_MESSAGES: usize = 100_000;
/// The longest model name, in bytes.
const MAX_NAME_BYTES: usize = 200;
/// The most errors that one answer lists.
const MAX_ERRORS: usize = 20;

/// Parses a JSON object.
pub fn parse(body: &[u8]) -> Result<Fields, Refusal> {
    serde_json::from_slice(body).map_err(|error| Refusal::Malformed(error.to_string()))
}

/// Scalars under names that carry no content, and how many messages there are.
pub fn summary(fields: &Fields) -> String {
    const SHOWN: [&str; 13] = [
        "frequency_penalty",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "n",
        "presence_penalty",
        "reasoning_effort",
        "seed",
        "stream",
        "temperature",
        "top_k",
        "top_logprobs",
        "top_p",
    ];
    let shown: Vec<_> = SHOWN
        .iter()
        .filter_map(|name| fields.get(*name).map(|value| (name, value.get())))
        .filter(|(_, value)| value.len() <= 32 && !value.starts_with(['{', '[']))
        .map(|(name, value)| format!("\"{name}\":{value}"))
        .collect();
    let summary = format!("{{{}}}", shown.join(","));
    if summary.len() <= MAX_PARAMS_BYTES { summary } else { "{}".to_owned() }
}

/// Reads fields and gathers what is wrong with them.
pub struct Reader<'a> {
    fields: &'a Fields,
    errors: Vec<FieldError>,
}

/// A message, as far as it is checked.
#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    role: Option<&'a RawValue>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct StreamOptions {
    include_usage: Option<bool>,
}

impl<'a> Reader<'a> {
    pub const fn new(fields: &'a Fields) -> Self {
        Self { fields, errors: Vec::new() }
    }

    /// # Errors
    /// `Validation` with everything that was wrong.
    pub fn finish(mut self) -> Result<(), Refusal> {
        self.errors.truncate(MAX_ERRORS);
        if self.errors.is_empty() { Ok(()) } else { Err(Refusal::Validation(self.errors)) }
    }

    /// The field's text, unless it is absent or `null`.
    fn present(&self, name: &str) -> Option<&'a str> {
        self.fields.get(name).map(|value| value.get()).filter(|value| *value != "null")
    }

    fn wrong(&mut self, field: impl Into<String>, code: &'static str, message: impl Into<String>) {
        self.errors.push(FieldError::new(field, code, message));
    }

    pub fn integer(&mut self, name: &'static str, least: u64, most: u64) -> Option<u64> {
        let text = self.present(name)?;
        let message = format!("must be a whole number from {least} to {most}");
        match serde_json::from_str::<i128>(text) {
            Ok(number) => {
                let fitting = u64::try_from(number).ok().filter(|n| (least..=most).contains(n));
                if fitting.is_none() {
                    self.wrong(name, "out_of_range", message);
                }
                fitting
            }
            Err(_not_an_integer) => {
                self.wrong(name, "wrong_type", message);
                None
            }
        }
    }

    pub fn boolean(&mut self, name: &'static str) -> Option<bool> {
        let text = self.present(name)?;
        let value = serde_json::from_str(text).ok();
        if value.is_none() {
            self.wrong(name, "wrong_type", "must be true or false");
        }
        value
    }

    /// A short text of at least `least` bytes.
    pub fn text(&mut self, name: &'static str, least: usize) -> Option<String> {
        let text = self.present(name)?;
        match serde_json::from_str::<String>(text) {
            Ok(value) if name == "model" && !(least..=MAX_NAME_BYTES).contains(&value.len()) => {
                self.wrong(name, "out_of_range", format!("must have 1 to {MAX_NAME_BYTES} bytes"));
                None
            }
            Ok(value) => Some(bounded(&value, MAX_SHORT_TEXT_BYTES)),
            Err(_not_a_text) => {
                self.wrong(name, "wrong_type", "must be a text");
                None
            }
        }
    }

    pub fn include_usage(&mut self) -> bool {
        let Some(text) = self.present("stream_options") else { return false };
        match serde_json::from_str::<StreamOptions>(text) {
            Ok(options) => options.include_usage.unwrap_or(false),
            Err(_wrong) => {
                self.wrong(
                    "stream_options",
                    "wrong_type",
                    "must be an object such as {\"include_usage\": true}",
                );
                false
            }
        }
    }

    /// Thinking budgets that a provider may count beside the output limit; the largest named.
    pub fn thinking(&mut self, most: u64) -> u64 {
        #[derive(Deserialize)]
        struct Budget {
            budget_tokens: Option<u64>,
            max_tokens: Option<u64>,
        }
        let flat = self.integer("thinking_budget", 0, most).unwrap_or(0);
        let nested = ["thinking", "reasoning"].into_iter().filter_map(|name| {
            let budget = serde_json::from_str::<Budget>(self.present(name)?).ok()?;
            budget.budget_tokens.max(budget.max_tokens)
        });
        nested.max().unwrap_or(0).max(flat).min(most)
    }

    /// `messages` must be a list of at least one object with a role.
    pub fn messages(&mut self) {
        let Some(text) = self.present("messages") else {
            return self.wrong("messages", "missing", "give at least one message");
        };
        let Ok(messages) = serde_json::from_str::<Vec<&RawValue>>(text) else {
            return self.wrong("messages", "wrong_type", "must be a list of messages");
        };
        if messages.is_empty() || messages.len() > MAX_MESSAGES {
            self.wrong("messages", "out_of_range", format!("must have 1 to {MAX_MESSAGES} messages"));
        }
        for (at, message) in messages.into_iter().enumerate().take(MAX_MESSAGES) {
            self.message(at, message);
        }
    }

    fn message(&mut self, at: usize, message: &RawValue) {
        let field = format!("messages[{at}]");
        let object = message.get().starts_with('{');
        let parsed = serde_json::from_str::<Message<'_>>(message.get()).ok().filter(|_| object);
        let Some(message) = parsed else {
            return self.wrong(field, "wrong_type", "must be an object with `role` and `content`");
        };
        if !message.role.is_some_and(|role| role.get().starts_with('"') && role.get().len() > 2) {
            self.wrong(format!("{field}.role"), "missing", "must be a role such as \"user\"");
        }
        let content = message.content.map_or("null", RawValue::get);
        if !content.starts_with(['"', '[']) && content != "null" {
            self.wrong(format!("{field}.content"), "wrong_type", "must be a text or a list of parts");
        }
    }
}
