//! What a body asks for: only what the line needs is parsed, the rest passes through as it came.

mod fields;
mod json;
mod prompt;
mod upstream_body;

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::{Endpoint, FieldError, Refusal};
use fields::Reader;
use json::Fields;
pub(crate) use prompt::Prompt;

/// The most outputs that a request may ask for.
const MAX_OUTPUTS: u64 = 128;
/// The highest output limit that is taken.
const MAX_OUTPUT_TOKENS: u64 = 1_000_000_000;

/// A request for a completion, checked.
#[derive(Debug)]
pub(crate) struct Request {
    pub model: Option<String>,
    pub stream: bool,
    /// Whether the client wants the usage chunk of its stream.
    pub include_usage: bool,
    pub max_tokens: Option<u64>,
    pub max_completion_tokens: Option<u64>,
    /// Tokens for thinking that come beside the output limit.
    pub thinking: u64,
    pub outputs: u64,
    pub end_user: Option<String>,
    pub prompt: Prompt,
    fields: Fields,
}

impl Request {
    /// Reads a body.
    ///
    /// # Errors
    /// `Malformed`, `Validation` with every field that is wrong, or `UnboundedPrompt`.
    pub fn read(endpoint: Endpoint, body: &Bytes) -> Result<Self, Refusal> {
        let fields = fields::parse(body)?;
        match endpoint {
            Endpoint::ChatCompletions | Endpoint::Models => Self::chat(fields),
            Endpoint::LlmCompletion => Self::chat(from_prompt(fields)?),
        }
    }

    fn chat(fields: Fields) -> Result<Self, Refusal> {
        let mut reader = Reader::new(&fields);
        let limit = |reader: &mut Reader<'_>, name| reader.integer(name, 1, MAX_OUTPUT_TOKENS);
        let max_tokens = limit(&mut reader, "max_tokens");
        let max_completion_tokens = limit(&mut reader, "max_completion_tokens");
        let outputs = ["n", "best_of"].map(|name| reader.integer(name, 1, MAX_OUTPUTS).unwrap_or(1));
        let stream = reader.boolean("stream").unwrap_or(false);
        let model = reader.text("model", 1);
        let end_user = reader.text("user", 0);
        let include_usage = reader.include_usage();
        let thinking = reader.thinking(MAX_OUTPUT_TOKENS);
        reader.other_spellings();
        reader.tools();
        let messages = reader.messages();
        reader.finish()?;
        let prompt = Prompt::of(&fields, &messages)?;
        Ok(Self {
            model,
            stream,
            include_usage,
            max_tokens,
            max_completion_tokens,
            thinking,
            outputs: outputs.into_iter().max().unwrap_or(1),
            end_user,
            prompt,
            fields,
        })
    }

    /// The output limit that the request names, the larger of both spellings.
    pub fn named_output_limit(&self) -> Option<u64> {
        self.max_tokens.max(self.max_completion_tokens)
    }

    /// Its parameters without any content, for the usage event: a JSON object.
    pub fn params(&self) -> String {
        fields::summary(&self.fields)
    }
}

/// The plain completion's `prompt` as a chat of one message.
fn from_prompt(mut fields: Fields) -> Result<Fields, Refusal> {
    let wrong =
        |code| Refusal::Validation(vec![FieldError::new("prompt", code, "give the prompt as a text")]);
    let prompt = fields.remove("prompt").filter(|prompt| prompt.get() != "null");
    let prompt = prompt.ok_or_else(|| wrong("missing"))?;
    if !prompt.get().starts_with('"') {
        return Err(wrong("wrong_type"));
    }
    let messages = format!(r#"[{{"role":"user","content":{}}}]"#, prompt.get());
    let messages = RawValue::from_string(messages).map_err(|error| Refusal::Malformed(error.to_string()))?;
    let kept = ["model", "max_tokens", "stream", "temperature", "user"];
    fields.retain(|name, _| kept.contains(&name.as_str()));
    fields.insert("messages".into(), messages);
    Ok(fields)
}

#[cfg(test)]
mod tests;
