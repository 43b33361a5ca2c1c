//! Answers in OpenAI's shape, as a play wants them.

use http::StatusCode;
use serde_json::{Value, json};

use super::Recorded;
use crate::{Body, End, Play, Usage};

/// Tokens of every prompt.
const PROMPT_TOKENS: u64 = 7;
/// Tokens of a completion whose limit is not lower.
const COMPLETION_TOKENS: u64 = 5;
/// The most words of an answer.
const MAX_WORDS: u64 = 100_000;
/// When every answer was created: 2026-11-21T12:00:00Z.
const CREATED: u64 = 1_795_262_400;
const END_MARKER: &str = "data: [DONE]\n\n";

/// What goes over the wire. Heads lack the header that says how long the body is.
pub enum Wire {
    Whole { head: String, body: Vec<u8> },
    Events { head: String, events: Vec<String> },
    Bytes(Vec<u8>),
}

/// The answer to `request`.
pub fn wire(play: &Play, request: &Recorded) -> Wire {
    let asked = Asked::of(play, request);
    let (content_type, body) = match &play.body {
        Some(Body::Bytes(bytes)) => return Wire::Bytes(bytes.clone().into_bytes()),
        Some(Body::Html) => ("text/html", "<html><body><h1>502 Bad Gateway</h1></body></html>".to_owned()),
        Some(Body::Empty) => ("application/json", String::new()),
        Some(Body::InvalidJson) => {
            ("application/json", r#"{"id": "chatcmpl-played", "choices": [{"#.to_owned())
        }
        Some(Body::Text(text)) => ("text/plain", text.clone()),
        Some(Body::Json(json)) => ("application/json", json.to_string()),
        None | Some(Body::EchoAuthorization) if !(200..300).contains(&play.status) => {
            ("application/json", asked.error(play.status).to_string())
        }
        None | Some(Body::EchoAuthorization) if request.method == "GET" => {
            ("application/json", models().to_string())
        }
        None | Some(Body::EchoAuthorization) if asked.stream => {
            return Wire::Events { head: head(play, "text/event-stream"), events: asked.events(play) };
        }
        None | Some(Body::EchoAuthorization) => ("application/json", asked.whole().to_string()),
    };
    Wire::Whole { head: head(play, content_type), body: body.into_bytes() }
}

fn head(play: &Play, content_type: &str) -> String {
    let reason = StatusCode::from_u16(play.status).ok().and_then(|status| status.canonical_reason());
    let content_type = play.content_type.as_deref().unwrap_or(content_type);
    let mut head = format!(
        "HTTP/1.1 {} {}\r\ncontent-type: {content_type}\r\n",
        play.status,
        reason.unwrap_or("Played")
    );
    for (name, value) in &play.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head
}

fn models() -> Value {
    json!({
        "object": "list",
        "data": [{"id": "played-model", "object": "model", "created": CREATED, "owned_by": "tollgate"}],
    })
}

/// What the request asks for, and what it gets.
struct Asked {
    chat: bool,
    stream: bool,
    include_usage: bool,
    model: Value,
    choices: u64,
    pieces: Vec<String>,
    finish: &'static str,
    usage: Option<Value>,
    authorization: Option<String>,
}

impl Asked {
    fn of(play: &Play, request: &Recorded) -> Self {
        let body = &request.body;
        let limit = body["max_completion_tokens"].as_u64().or_else(|| body["max_tokens"].as_u64());
        let words = match play.usage {
            Usage::OutputLimit => limit.unwrap_or(COMPLETION_TOKENS),
            _ => limit.unwrap_or(COMPLETION_TOKENS).min(COMPLETION_TOKENS),
        };
        let authorization = matches!(play.body, Some(Body::EchoAuthorization))
            .then(|| request.header("authorization").unwrap_or_default().to_owned());
        let word = |number| if number == 1 { "word1".to_owned() } else { format!(" word{number}") };
        let pieces = match (&authorization, &play.chunks) {
            (Some(authorization), _) => vec![format!("You sent {authorization}.")],
            (None, Some(chunks)) => chunks.clone(),
            (None, None) => (1..=words.min(MAX_WORDS)).map(word).collect(),
        };
        let choices = body["n"].as_u64().unwrap_or(1).clamp(1, 128);
        let usage = match &play.usage {
            Usage::Counted | Usage::OutputLimit => Some(tokens(PROMPT_TOKENS, words * choices)),
            Usage::Tokens { prompt, completion } => Some(tokens(*prompt, *completion)),
            Usage::Raw(raw) => Some(raw.clone()),
            Usage::None => None,
        };
        Self {
            chat: request.path.contains("/chat/"),
            stream: body["stream"] == true,
            include_usage: body["stream_options"]["include_usage"] == true,
            model: if body["model"].is_string() { body["model"].clone() } else { json!("played-model") },
            choices,
            pieces,
            finish: if limit.is_some_and(|limit| limit <= words) { "length" } else { "stop" },
            usage,
            authorization,
        }
    }

    fn error(&self, status: u16) -> Value {
        let said = self.authorization.as_deref().unwrap_or("Played");
        let message = format!("{said}: the provider answers with {status}.");
        json!({"error": {"message": message, "type": "played_error", "param": null, "code": "played"}})
    }

    fn answer(&self, object: &str, choices: Value) -> Value {
        let id = if self.chat { "chatcmpl-played" } else { "cmpl-played" };
        json!({"id": id, "object": object, "created": CREATED, "model": self.model, "choices": choices})
    }

    fn whole(&self) -> Value {
        let text = self.pieces.concat();
        let choice = |index| {
            let mut choice = json!({"index": index, "logprobs": null, "finish_reason": self.finish});
            if self.chat {
                choice["message"] = json!({"role": "assistant", "content": text, "refusal": null});
            } else {
                choice["text"] = json!(text);
            }
            choice
        };
        let choices: Vec<Value> = (0..self.choices).map(choice).collect();
        let object = if self.chat { "chat.completion" } else { "text_completion" };
        let mut answer = self.answer(object, json!(choices));
        if let Some(usage) = &self.usage {
            answer["usage"] = usage.clone();
        }
        answer
    }

    /// The events of a stream, `[DONE]` and what comes after it among them.
    fn events(&self, play: &Play) -> Vec<String> {
        let mut events = Vec::new();
        let mut sent = 0;
        for index in 0..self.choices {
            if self.chat {
                let role = json!({"role": "assistant", "content": "", "refusal": null});
                events.push(self.chunk(play, index, &role, "", None, sent));
            }
            for piece in &self.pieces {
                sent += 1;
                events.push(self.chunk(play, index, &json!({"content": piece}), piece, None, sent));
            }
            events.push(self.chunk(play, index, &json!({}), "", Some(self.finish), sent));
        }
        if let Some(usage) = self.usage.as_ref().filter(|_| self.include_usage) {
            let mut last = self.answer(self.chunk_object(), json!([]));
            last["usage"] = usage.clone();
            events.push(format!("data: {last}\n\n"));
        }
        if play.end != End::WithoutDone {
            events.push(END_MARKER.to_owned());
        }
        if play.end == End::SendsAfterDone {
            events.push(self.chunk(play, 0, &json!({"content": " late"}), " late", None, sent));
        }
        events
    }

    fn chunk(
        &self,
        play: &Play,
        index: u64,
        delta: &Value,
        text: &str,
        finish: Option<&str>,
        sent: u64,
    ) -> String {
        let mut choice = json!({"index": index, "logprobs": null, "finish_reason": finish});
        if self.chat {
            choice["delta"] = delta.clone();
        } else {
            choice["text"] = json!(text);
        }
        let mut chunk = self.answer(self.chunk_object(), json!([choice]));
        if play.usage_in_every_chunk {
            chunk["usage"] = tokens(PROMPT_TOKENS, sent);
        } else if self.include_usage {
            chunk["usage"] = Value::Null;
        }
        format!("data: {chunk}\n\n")
    }

    const fn chunk_object(&self) -> &'static str {
        if self.chat { "chat.completion.chunk" } else { "text_completion" }
    }
}

fn tokens(prompt: u64, completion: u64) -> Value {
    json!({
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt.saturating_add(completion),
    })
}
