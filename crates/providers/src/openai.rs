//! OpenAI's shape: what an answer, an event of a stream and an error say.
//!
//! Providers differ in what they leave out, so every field is read on its own: one of the wrong type is a
//! field that says nothing, never an answer that cannot be read.

mod text;
mod usage;

use std::borrow::Cow;

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, de::IgnoredAny, ser::SerializeMap};
use serde_json::value::RawValue;
use tollgate_gate::upstream::{Completion, Frame, FrameKind, ProviderError, ReportedUsage, UpstreamError};

use crate::{redact::Redactor, sse::Event};

/// The most characters kept of what a provider says about an error.
const MAX_MESSAGE_CHARS: usize = 1_000;
/// The most characters kept of an error's code and parameter, and of an answer's id.
const MAX_NAME_CHARS: usize = 200;
/// What ends a stream.
const END_MARKER: &[u8] = b"[DONE]";
/// The member that says what was used.
const USAGE: &str = "usage";

/// The members of an answer or a chunk that matter here.
#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    choices: Option<&'a RawValue>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

/// The members of an answer that are looked at where nobody needs its text.
#[derive(Deserialize)]
struct Told<'a> {
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(default)]
    error: Option<IgnoredAny>,
}

/// A string, borrowed where it has no escapes.
#[derive(Deserialize)]
struct Str<'a>(#[serde(borrow)] Cow<'a, str>);

/// `raw` as a string; `None` where it is none.
fn string<'a>(raw: Option<&'a RawValue>) -> Option<Cow<'a, str>> {
    serde_json::from_str::<Str<'a>>(raw?.get()).ok().map(|text| text.0)
}

fn name(raw: Option<&RawValue>) -> Option<String> {
    string(raw).map(|name| cut(&name, MAX_NAME_CHARS)).filter(|name| !name.is_empty())
}

fn cut(text: &str, chars: usize) -> String {
    text.chars().take(chars).collect()
}

/// Reads a whole answer; its text and its id only where `needs_text`, or where it does not say what was used.
///
/// # Errors
/// `Unreadable` where it is not a JSON object, or an error.
pub fn completion(body: Bytes, needs_text: bool) -> Result<Completion, UpstreamError> {
    if !needs_text
        && let Some(Told { usage: Some(usage), error: None }) = object(&body)
        && let Some(usage) = usage::of(usage).filter(ReportedUsage::suffices)
    {
        let (id, text, content) = Default::default();
        return Ok(Completion { id, text, content, usage: Some(usage), body });
    }
    let answer: Answer<'_> = object(&body).ok_or_else(|| unreadable(&body))?;
    if answer.error.is_some() && text::is_empty(answer.choices) {
        return Err(UpstreamError::Unreadable("an error with a status of success".to_owned()));
    }
    let (text, content) = text::of(answer.choices);
    let (id, usage) = (name(answer.id), answer.usage.and_then(usage::of));
    Ok(Completion { id, text, content, usage, body })
}

/// Reads an event of a stream.
pub fn frame(event: Event) -> Frame {
    let mut frame = Frame {
        kind: FrameKind::Content,
        raw: event.raw.clone(),
        without_usage: None,
        text: String::new(),
        content: String::new(),
        id: None,
        usage: None,
    };
    let Some(data) = event.data() else { return frame };
    if data.trim_ascii() == END_MARKER {
        frame.kind = FrameKind::End;
        return frame;
    }
    let Some(chunk) = object::<Answer<'_>>(&data) else { return frame };
    frame.id = name(chunk.id);
    frame.usage = chunk.usage.and_then(usage::of);
    (frame.text, frame.content) = text::of(chunk.choices);
    if chunk.error.is_some() {
        frame.kind = FrameKind::Error;
    } else if chunk.usage.is_some() && text::is_empty(chunk.choices) {
        frame.kind = FrameKind::UsageOnly;
    }
    if chunk.usage.is_some() {
        frame.without_usage = without_usage(&data).map(|data| event.with_data(&data));
    }
    frame
}

/// Whether an event is whole: the last one of a stream that broke off may not be.
pub fn is_whole(event: &Event) -> bool {
    event.data().is_none_or(|data| data.trim_ascii() == END_MARKER || object::<Answer<'_>>(&data).is_some())
}

/// Reads what a provider says about an error: OpenAI's shape, or plain text.
pub fn error(status: u16, body: &[u8], redactor: &Redactor) -> ProviderError {
    let redacted = |text: &str, chars| cut(&redactor.text(text.trim().to_owned()), chars);
    let mut error = ProviderError { status, ..ProviderError::default() };
    let Some(shape) = object::<ErrorShape<'_>>(body) else {
        let text = String::from_utf8_lossy(body);
        if !text.trim_start().starts_with(['<', '{', '[']) {
            error.message = redacted(&text, MAX_MESSAGE_CHARS);
        }
        return error;
    };
    let inner = shape.error.and_then(|inner| object::<ErrorBody<'_>>(inner.get().as_bytes()));
    let message = match &inner {
        Some(inner) => string(inner.message),
        None => string(shape.error).or_else(|| string(shape.message)).or_else(|| string(shape.detail)),
    };
    error.message = message.map(|message| redacted(&message, MAX_MESSAGE_CHARS)).unwrap_or_default();
    if let Some(inner) = inner {
        error.code =
            code(inner.code).or_else(|| code(inner.kind)).map(|code| redacted(&code, MAX_NAME_CHARS));
        error.param = string(inner.param).map(|param| redacted(&param, MAX_NAME_CHARS));
    }
    error
}

/// The shapes in which providers tell of errors.
#[derive(Deserialize)]
struct ErrorShape<'a> {
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
    #[serde(borrow, default)]
    detail: Option<&'a RawValue>,
}

/// OpenAI's `error`.
#[derive(Deserialize)]
struct ErrorBody<'a> {
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
    #[serde(borrow, default)]
    code: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow, default)]
    param: Option<&'a RawValue>,
}

/// A code is a string, with some providers a number.
fn code(raw: Option<&RawValue>) -> Option<String> {
    let number = || serde_json::from_str::<i64>(raw?.get()).ok().map(|number| number.to_string());
    string(raw).map(Cow::into_owned).or_else(number).filter(|code| !code.is_empty())
}

/// `bytes` as a JSON object with the members of `T`. Other JSON is `None`: a struct would also be read from
/// an array.
fn object<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Option<T> {
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return None;
    }
    serde_json::from_slice(bytes).ok()
}

fn unreadable(body: &[u8]) -> UpstreamError {
    let what = match body.trim_ascii_start().first() {
        None => "it is empty",
        Some(b'<') => "it is HTML or XML, not JSON",
        Some(b'{') => "it is not valid JSON",
        Some(_) => "it is not a JSON object",
    };
    UpstreamError::Unreadable(what.to_owned())
}

/// `data` without its member `usage`, everything else as it was and in its order.
fn without_usage(data: &[u8]) -> Option<Vec<u8>> {
    let members: Members<'_> = serde_json::from_slice(data).ok()?;
    serde_json::to_vec(&members).ok()
}

/// The members of an object in their order, save `usage`.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::with_capacity(8);
                while let Some((Str(key), value)) = map.next_entry::<Str<'de>, &'de RawValue>()? {
                    if key != USAGE {
                        members.push((key, value));
                    }
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

impl Serialize for Members<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in &self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests;
