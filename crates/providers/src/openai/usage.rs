//! What a provider says it used, in the spellings that are about.
//!
//! The figures are handed on as they are. Where they do not add up (Gemini's endpoint leaves thinking out
//! of `completion_tokens`, but not out of `total_tokens`), the settlement decides.

use serde::Deserialize;
use serde_json::value::RawValue;
use tollgate_gate::upstream::ReportedUsage;

use super::object;

/// A count beyond this is a mistake, and says nothing.
const MAX_COUNT: u64 = 1_000_000_000;

/// OpenAI's names, those of its newer API, and those that GLM, Qwen, DeepSeek and Moonshot use beside them.
#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow, default)]
    prompt_tokens: Option<&'a RawValue>,
    #[serde(borrow, default)]
    completion_tokens: Option<&'a RawValue>,
    #[serde(borrow, default)]
    total_tokens: Option<&'a RawValue>,
    #[serde(borrow, default)]
    input_tokens: Option<&'a RawValue>,
    #[serde(borrow, default)]
    output_tokens: Option<&'a RawValue>,
    #[serde(borrow, default)]
    prompt_tokens_details: Option<&'a RawValue>,
    #[serde(borrow, default)]
    input_tokens_details: Option<&'a RawValue>,
    #[serde(borrow, default)]
    completion_tokens_details: Option<&'a RawValue>,
    #[serde(borrow, default)]
    output_tokens_details: Option<&'a RawValue>,
    #[serde(borrow, default)]
    prompt_cache_hit_tokens: Option<&'a RawValue>,
    #[serde(borrow, default)]
    cached_tokens: Option<&'a RawValue>,
    #[serde(borrow, default)]
    reasoning_tokens: Option<&'a RawValue>,
}

/// What stands in the `…_details`.
#[derive(Deserialize)]
struct Details<'a> {
    #[serde(borrow, default)]
    cached_tokens: Option<&'a RawValue>,
    #[serde(borrow, default)]
    reasoning_tokens: Option<&'a RawValue>,
}

/// What `raw` says was used; `None` where it says nothing that can be read.
pub fn of(raw: &RawValue) -> Option<ReportedUsage> {
    let fields: Fields<'_> = object(raw.get().as_bytes())?;
    let prompt = details(fields.prompt_tokens_details).or_else(|| details(fields.input_tokens_details));
    let completion =
        details(fields.completion_tokens_details).or_else(|| details(fields.output_tokens_details));
    let usage = ReportedUsage {
        prompt: count(fields.prompt_tokens).or_else(|| count(fields.input_tokens)),
        completion: count(fields.completion_tokens).or_else(|| count(fields.output_tokens)),
        total: count(fields.total_tokens),
        cached: count(prompt.and_then(|details| details.cached_tokens))
            .or_else(|| count(fields.prompt_cache_hit_tokens))
            .or_else(|| count(fields.cached_tokens)),
        reasoning: count(completion.and_then(|details| details.reasoning_tokens))
            .or_else(|| count(fields.reasoning_tokens)),
    };
    (usage != ReportedUsage::default()).then_some(usage)
}

fn details(raw: Option<&RawValue>) -> Option<Details<'_>> {
    object(raw?.get().as_bytes())
}

fn count(raw: Option<&RawValue>) -> Option<u64> {
    raw?.get().parse().ok().filter(|count| *count <= MAX_COUNT)
}
