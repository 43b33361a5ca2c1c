//! The fields of a request: those that matter read and checked.

use serde::Deserialize;
use serde_json::value::RawValue;
use tollgate_domain::event::{MAX_PARAMS_BYTES, MAX_SHORT_TEXT_BYTES, bounded};

use super::json::{self, Fields, MAX_ITEMS};
use crate::{FieldError, Refusal};

/// The longest model name, in bytes.
const MAX_NAME_BYTES: usize = 200;
/// The most errors that one answer lists.
const MAX_ERRORS: usize = 20;

/// Parses a JSON object.
pub fn parse(body: &[u8]) -> Result<Fields, Refusal> {
    json::object(body).map_err(Refusal::Malformed)
}

/// Names that carry no content, in their order.
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
/// The longest value that is shown, in bytes.
const MAX_SHOWN_BYTES: usize = 32;

/// Scalars under names that carry no content: a JSON object.
pub fn summary(fields: &Fields) -> String {
    let mut summary = String::from("{");
    for (name, value) in fields.iter().map(|(name, value)| (name.as_str(), value.get())) {
        if SHOWN.binary_search(&name).is_ok() && is_shown(value) {
            let comma = if summary.len() > 1 { "," } else { "" };
            summary.extend([comma, "\"", name, "\":", value]);
        }
    }
    summary.push('}');
    if summary.len() <= MAX_PARAMS_BYTES { summary } else { "{}".to_owned() }
}

/// What comes in as JSON need not be readable to everybody later: 1e999, half a character.
fn is_shown(value: &str) -> bool {
    value.len() <= MAX_SHOWN_BYTES
        && !value.starts_with(['{', '['])
        && serde_json::from_str::<serde_json::Value>(value).is_ok()
}

/// Reads fields and gathers what is wrong with them.
pub struct Reader<'a> {
    fields: &'a Fields,
    errors: Vec<FieldError>,
}

/// A message, as far as anybody looks into it.
pub struct Message<'a> {
    /// All of it.
    pub raw: &'a RawValue,
    pub content: Option<&'a RawValue>,
    /// An earlier spoken answer, by its id.
    pub audio: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct MessageFields<'a> {
    #[serde(borrow)]
    role: Option<&'a RawValue>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    audio: Option<&'a RawValue>,
}

/// Names on whose values the hold depends.
const INTERPRETED: [&str; 11] = [
    "best_of",
    "max_completion_tokens",
    "max_tokens",
    "messages",
    "model",
    "n",
    "reasoning",
    "stream",
    "stream_options",
    "thinking",
    "thinking_budget",
];
/// What other APIs call an output limit.
const OTHER_LIMITS: [&str; 6] =
    ["max_length", "max_new_tokens", "max_output_tokens", "maxoutputtokens", "maxtokens", "num_predict"];

impl<'a> Reader<'a> {
    pub const fn new(fields: &'a Fields) -> Self {
        Self { fields, errors: Vec::new() }
    }

    /// # Errors
    /// `Validation` with everything that was wrong.
    pub fn finish(self) -> Result<(), Refusal> {
        if self.errors.is_empty() { Ok(()) } else { Err(Refusal::Validation(self.errors)) }
    }

    /// Names that mean what is held under others, to some providers: those that read names without case, and
    /// those that have names of their own.
    pub fn other_spellings(&mut self) {
        for name in self.fields.keys() {
            let spells = |known: &&str| name.eq_ignore_ascii_case(known);
            let other_case = INTERPRETED.iter().any(|known| spells(known) && name != known);
            if other_case || OTHER_LIMITS.iter().any(spells) {
                self.wrong(name.as_str(), "not_taken", "say it under OpenAI's name, such as max_tokens");
            }
        }
    }

    /// The field's text, unless it is absent or `null`.
    fn present(&self, name: &str) -> Option<&'a str> {
        present(self.fields, name)
    }

    fn wrong(&mut self, field: impl Into<String>, code: &'static str, message: impl Into<String>) {
        if self.errors.len() < MAX_ERRORS {
            self.errors.push(FieldError::new(field, code, message));
        }
    }

    pub fn integer(&mut self, name: &'static str, least: u64, most: u64) -> Option<u64> {
        self.integer_of(name, self.present(name)?, least, most)
    }

    fn integer_of(&mut self, name: &str, text: &str, least: u64, most: u64) -> Option<u64> {
        let message = || format!("must be a whole number from {least} to {most}");
        match serde_json::from_str::<i128>(text) {
            Ok(number) => {
                let fitting = u64::try_from(number).ok().filter(|n| (least..=most).contains(n));
                if fitting.is_none() {
                    self.wrong(name, "out_of_range", message());
                }
                fitting
            }
            Err(_not_an_integer) => {
                self.wrong(name, "wrong_type", message());
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
        let Some(options) = self.object("stream_options") else { return false };
        let wanted = present(&options, "include_usage").map(serde_json::from_str);
        if matches!(wanted, Some(Err(_))) {
            self.wrong("stream_options.include_usage", "wrong_type", "must be true or false");
        }
        wanted.and_then(Result::ok).unwrap_or(false)
    }

    /// The field's own fields, where it has any: `null`, `true` and `false` have none.
    fn object(&mut self, name: &'static str) -> Option<Fields> {
        let text = self.present(name)?;
        let object = json::object(text.as_bytes()).ok();
        if object.is_none() {
            self.wrong(name, "wrong_type", "must be an object");
        }
        object
    }

    /// Thinking budgets that a provider may count beside the output limit; the largest named.
    pub fn thinking(&mut self, most: u64) -> u64 {
        let mut largest = self.integer("thinking_budget", 0, most).unwrap_or(0);
        for name in ["thinking", "reasoning"] {
            // Some providers take a switch or a word here.
            if !self.present(name).is_some_and(|value| value.starts_with(['{', '['])) {
                continue;
            }
            let Some(object) = self.object(name) else { continue };
            for field in ["budget_tokens", "max_tokens"] {
                let Some(text) = present(&object, field) else { continue };
                let budget = self.integer_of(&format!("{name}.{field}"), text, 0, most);
                largest = largest.max(budget.unwrap_or(0));
            }
        }
        largest
    }

    /// `tools` must be a list.
    pub fn tools(&mut self) {
        if self.present("tools").is_some_and(|tools| json::list(tools).is_none()) {
            self.wrong("tools", "wrong_type", format!("must be a list of at most {MAX_ITEMS} tools"));
        }
    }

    /// `messages` must be a list of at least one object with a role.
    pub fn messages(&mut self) -> Vec<Message<'a>> {
        let Some(text) = self.present("messages") else {
            self.wrong("messages", "missing", "give at least one message");
            return Vec::new();
        };
        if !text.starts_with('[') {
            self.wrong("messages", "wrong_type", "must be a list of messages");
            return Vec::new();
        }
        let messages = json::list(text).unwrap_or_default();
        if messages.is_empty() {
            self.wrong("messages", "out_of_range", format!("must have 1 to {MAX_ITEMS} messages"));
        }
        let read = |(at, raw)| self.message(at, raw);
        messages.into_iter().enumerate().filter_map(read).collect()
    }

    fn message(&mut self, at: usize, raw: &'a RawValue) -> Option<Message<'a>> {
        let object = raw.get().starts_with('{');
        let parsed = serde_json::from_str::<MessageFields<'_>>(raw.get()).ok().filter(|_| object);
        let Some(MessageFields { role, content, audio }) = parsed else {
            self.wrong(
                format!("messages[{at}]"),
                "wrong_type",
                "must be an object with `role` and `content`",
            );
            return None;
        };
        if !role.is_some_and(|role| role.get().starts_with('"') && role.get().len() > 2) {
            self.wrong(format!("messages[{at}].role"), "missing", "must be a role such as \"user\"");
        }
        self.content(at, content.map_or("null", RawValue::get));
        Some(Message { raw, content, audio })
    }

    fn content(&mut self, at: usize, content: &str) {
        if !content.starts_with(['"', '[']) && content != "null" {
            self.wrong(format!("messages[{at}].content"), "wrong_type", "must be a text or a list of parts");
        }
        if content.starts_with('[') && json::list(content).is_none() {
            self.wrong(
                format!("messages[{at}].content"),
                "out_of_range",
                format!("must have at most {MAX_ITEMS} parts"),
            );
        }
    }
}

/// A field's text, unless it is absent or `null`.
fn present<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    fields.get(name).map(|value| value.get()).filter(|value| *value != "null")
}
