//! How a playable provider behaves.

use serde::Deserialize;
use serde_json::Value;

/// How one request is answered. By default as OpenAI would: whole or streamed as the request asks, five
/// words (fewer where the output limit is lower), a prompt of 7 tokens.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Play {
    /// The HTTP status; other than 2xx, the body is an error in OpenAI's shape.
    pub status: u16,
    /// Headers beside the usual ones.
    pub headers: Vec<(String, String)>,
    /// Another content type than the body's own.
    pub content_type: Option<String>,
    /// Whether the answer waits for `release`.
    pub hold: bool,
    /// Milliseconds before the first byte of the answer.
    pub delay_before_first_byte_ms: u64,
    /// Milliseconds between two events of a stream.
    pub delay_between_chunks_ms: u64,
    /// The pieces of the answer's text; `None` for one word a token.
    pub chunks: Option<Vec<String>>,
    /// What the answer says was used.
    pub usage: Usage,
    /// Whether a stream says what was used so far in every chunk, asked or not, as some servers do.
    pub usage_in_every_chunk: bool,
    /// How the answer ends.
    pub end: End,
    /// Another body than a good one, or than an error in OpenAI's shape.
    pub body: Option<Body>,
}

/// What an answer says was used.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Usage {
    /// 7 tokens of prompt, and as many of completion as the text has words: 5, or the output limit where it
    /// is lower.
    Counted,
    /// 7 tokens of prompt, and exactly the output limit (5 where there is none), with as many words.
    OutputLimit,
    /// These.
    Tokens {
        /// Tokens of the prompt.
        prompt: u64,
        /// Tokens of the completion.
        completion: u64,
    },
    /// This, whatever it is.
    Raw(Value),
    /// Nothing: there is no `usage`.
    None,
}

/// How an answer ends. `after` counts the events of a stream that were sent; a whole answer stops in the
/// middle of its body whatever the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// As it should: a stream with `[DONE]`.
    Done,
    /// A stream ends in good order, but without `[DONE]`.
    WithoutDone,
    /// A stream goes on after `[DONE]` with more text.
    SendsAfterDone,
    /// The connection ends.
    BreakOff {
        /// After so many events.
        after: usize,
    },
    /// Nothing more comes, and the connection stays.
    Stall {
        /// After so many events.
        after: usize,
    },
    /// The connection ends before the answer begins.
    HangUp,
}

/// A body to be sent in place of the usual one.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// A page, as proxies in between send it.
    Html,
    /// No bytes.
    Empty,
    /// JSON that stops in the middle.
    InvalidJson,
    /// An answer (an error where the status says so, a stream where one is asked for) with the request's
    /// `Authorization` in its text.
    EchoAuthorization,
    /// This text.
    Text(String),
    /// This JSON.
    Json(Value),
    /// Bytes in place of all of the answer, its head too.
    Bytes(String),
}

impl Default for Play {
    fn default() -> Self {
        Self {
            status: 200,
            headers: Vec::new(),
            content_type: None,
            hold: false,
            delay_before_first_byte_ms: 0,
            delay_between_chunks_ms: 0,
            chunks: None,
            usage: Usage::Counted,
            usage_in_every_chunk: false,
            end: End::Done,
            body: None,
        }
    }
}

impl Play {
    /// An answer that waits for `release`.
    pub fn held() -> Self {
        Self { hold: true, ..Self::default() }
    }

    /// An error of this status in OpenAI's shape.
    pub fn status(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    /// A good answer that says it used this.
    pub fn using(prompt: u64, completion: u64) -> Self {
        Self { usage: Usage::Tokens { prompt, completion }, ..Self::default() }
    }

    /// An answer that ends so.
    pub fn ending(end: End) -> Self {
        Self { end, ..Self::default() }
    }

    /// An answer with this body.
    pub fn with_body(body: Body) -> Self {
        Self { body: Some(body), ..Self::default() }
    }
}
