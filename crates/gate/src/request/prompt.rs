//! An upper bound of the prompt's tokens: everything that the provider may count is its bytes, since no
//! tokenizer makes more tokens than bytes; images count a fixed number; the rest cannot be bounded.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;
use tollgate_domain::event::{MAX_SHORT_TEXT_BYTES, bounded};

use super::{
    fields::Message,
    json::{self, Fields},
};
use crate::{Refusal, tokenizer};

/// Fields that no provider counts as prompt.
const SETTINGS: [&str; 29] = [
    "best_of",
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "max_tokens",
    "metadata",
    "min_p",
    "modalities",
    "model",
    "n",
    "parallel_tool_calls",
    "presence_penalty",
    "reasoning",
    "reasoning_effort",
    "repetition_penalty",
    "safety_identifier",
    "seed",
    "service_tier",
    "stop",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "thinking",
    "thinking_budget",
    "top_k",
    "top_logprobs",
    "top_p",
];
/// Fields by which a provider adds to the prompt what is not in the request.
const UNBOUNDED: [&str; 7] = [
    "cached_content",
    "data_sources",
    "enable_search",
    "plugins",
    "previous_response_id",
    "search_parameters",
    "web_search_options",
];
/// Parts of a message whose tokens their bytes bound.
const TEXT_PARTS: [&str; 6] = ["input_audio", "input_text", "output_text", "refusal", "text", "thinking"];
/// Parts of a message that count as an image.
const IMAGE_PARTS: [&str; 3] = ["image", "image_url", "input_image"];
/// Tools that only describe themselves.
const BOUNDED_TOOLS: [&str; 2] = ["custom", "function"];

/// What the provider may count as prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Prompt {
    /// Bytes of everything but images.
    pub bytes: u64,
    /// Images.
    pub images: u64,
    /// The texts themselves, for the tokenizer. They can be long, and are kept once.
    text: Arc<String>,
}

#[derive(Deserialize)]
struct Typed {
    r#type: Option<String>,
}

impl Prompt {
    /// The prompt of what asks no provider.
    pub fn empty() -> Self {
        Self { bytes: 0, images: 0, text: Arc::default() }
    }

    /// # Errors
    /// `UnboundedPrompt` names what cannot be bounded.
    pub fn of(fields: &Fields, messages: &[Message<'_>]) -> Result<Self, Refusal> {
        if let Some(name) = UNBOUNDED.into_iter().find(|name| asks(fields, name)) {
            return Err(Refusal::UnboundedPrompt(format!("`{name}` adds to the prompt")));
        }
        check_tools(fields)?;
        let mut prompt = Self::empty();
        for (name, value) in fields.iter().filter(|(name, _)| !SETTINGS.contains(&name.as_str())) {
            if name == "messages" {
                prompt.add_messages(messages)?;
            } else {
                prompt.add_text(value.get());
            }
        }
        Ok(prompt)
    }

    fn add_messages(&mut self, messages: &[Message<'_>]) -> Result<(), Refusal> {
        for message in messages {
            if message.audio.is_some() {
                return Err(Refusal::UnboundedPrompt("`audio` names an earlier answer".to_owned()));
            }
            match message.content.filter(|content| content.get().starts_with('[')) {
                Some(parts) => self.add_parts(message.raw, parts)?,
                None => self.add_text(message.raw.get()),
            }
        }
        Ok(())
    }

    /// A message in parts: its images count as images, all else by its bytes.
    fn add_parts(&mut self, message: &RawValue, parts: &RawValue) -> Result<(), Refusal> {
        let around = message.get().len().saturating_sub(parts.get().len());
        self.bytes = self.bytes.saturating_add(to_u64(around));
        for part in json::list(parts.get()).unwrap_or_default() {
            let kind = type_of(part).unwrap_or_default();
            if IMAGE_PARTS.contains(&kind.as_str()) {
                self.images = self.images.saturating_add(1);
            } else if TEXT_PARTS.contains(&kind.as_str()) {
                self.add_text(part.get());
            } else {
                return Err(Refusal::UnboundedPrompt(format!("a part of type `{kind}`")));
            }
        }
        Ok(())
    }

    fn add_text(&mut self, text: &str) {
        self.bytes = self.bytes.saturating_add(to_u64(text.len()));
        Arc::make_mut(&mut self.text).push_str(text);
    }

    /// The bound by bytes, in tokens.
    pub const fn bound(&self, image_tokens: u64) -> u64 {
        self.bytes.saturating_add(self.images.saturating_mul(image_tokens))
    }

    /// The bound by a tokenizer's count, raised by `factor_thousandths`, never more than by bytes.
    pub fn tokenized_bound(&self, factor_thousandths: u64, image_tokens: u64) -> u64 {
        let raised = tokenizer::count(&self.text).saturating_mul(factor_thousandths).div_ceil(1_000);
        let around = self.bytes.saturating_sub(to_u64(self.text.len()));
        raised.saturating_add(around).min(self.bytes).saturating_add(self.images.saturating_mul(image_tokens))
    }

    /// What the prompt probably has, in tokens: for requests whose usage nobody reported.
    pub fn estimate(&self, image_tokens: u64) -> u64 {
        tokenizer::estimate(&self.text).saturating_add(self.images.saturating_mul(image_tokens))
    }

    /// How long the text is that a tokenizer would have to read.
    pub fn text_bytes(&self) -> usize {
        self.text.len()
    }
}

fn asks(fields: &Fields, name: &str) -> bool {
    fields.get(name).is_some_and(|value| !matches!(value.get(), "null" | "false"))
}

fn check_tools(fields: &Fields) -> Result<(), Refusal> {
    let Some(tools) = fields.get("tools") else { return Ok(()) };
    let tools = json::list(tools.get()).unwrap_or_default();
    let kinds = tools.into_iter().map(|tool| type_of(tool).unwrap_or_default());
    match kinds.into_iter().find(|kind| !BOUNDED_TOOLS.contains(&kind.as_str())) {
        Some(kind) => Err(Refusal::UnboundedPrompt(format!("a tool of type `{kind}`"))),
        None => Ok(()),
    }
}

/// The type that a part or a tool names, once and as a text; a provider may make of everything else what we
/// do not.
fn type_of(value: &RawValue) -> Option<String> {
    let kind = serde_json::from_str::<Typed>(value.get()).ok()?.r#type?;
    Some(bounded(&kind, MAX_SHORT_TEXT_BYTES))
}

fn to_u64(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
