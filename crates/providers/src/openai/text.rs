//! The text of an answer: what a tokenizer is asked about where the provider does not say what it used.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::string;

/// A choice, of a whole answer (`message`), a chunk (`delta`) or a plain completion (`text`).
#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(borrow, default)]
    index: Option<&'a RawValue>,
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
    #[serde(borrow, default)]
    delta: Option<&'a RawValue>,
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
}

/// What a message, or what is added to it, says.
#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    reasoning_content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    reasoning: Option<&'a RawValue>,
    #[serde(borrow, default)]
    refusal: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tool_calls: Option<&'a RawValue>,
    #[serde(borrow, default)]
    function_call: Option<&'a RawValue>,
}

/// A part of a message's content.
#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
}

/// A call of a tool.
#[derive(Deserialize)]
struct ToolCall<'a> {
    #[serde(borrow, default)]
    function: Option<&'a RawValue>,
}

/// The function that a tool call names.
#[derive(Deserialize)]
struct Function<'a> {
    #[serde(borrow, default)]
    name: Option<&'a RawValue>,
    #[serde(borrow, default)]
    arguments: Option<&'a RawValue>,
}

/// Whether there are no choices: none at all, `null`, or an empty list.
pub fn is_empty(choices: Option<&RawValue>) -> bool {
    choices.is_none_or(|choices| list::<&RawValue>(choices).is_some_and(|choices| choices.is_empty()))
}

/// The text of all choices, and the content of the first alone.
pub fn of(choices: Option<&RawValue>) -> (String, String) {
    let (mut text, mut content) = (String::new(), String::new());
    let choices = choices.and_then(list::<&RawValue>).unwrap_or_default();
    for (place, choice) in choices.into_iter().enumerate() {
        let Some(choice) = super::object::<Choice<'_>>(choice.get().as_bytes()) else { continue };
        let before = text.len();
        push(choice.text, &mut text);
        let message = choice
            .message
            .or(choice.delta)
            .and_then(|raw| super::object::<Message<'_>>(raw.get().as_bytes()));
        if let Some(message) = &message {
            push(message.content, &mut text);
        }
        if is_first(choice.index, place) {
            content.push_str(&text[before..]);
        }
        if let Some(message) = message {
            push_rest(&message, &mut text);
        }
    }
    (text, content)
}

fn is_first(index: Option<&RawValue>, place: usize) -> bool {
    index.map_or(place == 0, |index| index.get() == "0")
}

/// What a message says beside its content. `reasoning` and `reasoning_content` are two names of one thing.
fn push_rest(message: &Message<'_>, text: &mut String) {
    push(message.reasoning_content.or(message.reasoning), text);
    push(message.refusal, text);
    let calls = message.tool_calls.and_then(list::<&RawValue>).unwrap_or_default();
    let called = calls.into_iter().filter_map(|call| {
        let call = super::object::<ToolCall<'_>>(call.get().as_bytes())?;
        call.function
    });
    for function in called.chain(message.function_call) {
        if let Some(function) = super::object::<Function<'_>>(function.get().as_bytes()) {
            push(function.name, text);
            push(function.arguments, text);
        }
    }
}

/// A string, or the texts of a list of parts.
fn push(raw: Option<&RawValue>, text: &mut String) {
    let Some(raw) = raw else { return };
    if let Some(string) = string(Some(raw)) {
        text.push_str(&string);
        return;
    }
    for part in list::<&RawValue>(raw).unwrap_or_default() {
        if let Some(string) =
            super::object::<Part<'_>>(part.get().as_bytes()).and_then(|part| string(part.text))
        {
            text.push_str(&string);
        }
    }
}

fn list<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Option<Vec<T>> {
    serde_json::from_str(raw.get()).ok()
}
