//! The port to model providers. Adapters know their addresses, keys and wire shapes; the line knows their
//! names and what it may spend.

use std::sync::Arc;

use bytes::Bytes;
use futures::{future::LocalBoxFuture, stream::LocalBoxStream};

use crate::usage;

/// A request to a provider, in OpenAI's shape.
#[derive(Debug, Clone)]
pub struct UpstreamRequest {
    /// The provider's name, as configured.
    pub provider: Arc<str>,
    /// The path below the provider's base URL, such as `/chat/completions`.
    pub path: &'static str,
    /// A JSON object.
    pub body: Bytes,
    /// Whether a stream of events is asked for.
    pub stream: bool,
    /// Whether the text and the id of a whole answer are needed even where the provider says what it used.
    pub needs_text: bool,
}

/// What a provider said it used. Absent is `None`, an explicit 0 is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReportedUsage {
    /// Tokens of the prompt.
    pub prompt: Option<u64>,
    /// Tokens of the completion, reasoning among them.
    pub completion: Option<u64>,
    /// Both together.
    pub total: Option<u64>,
    /// Tokens of the prompt that were cached.
    pub cached: Option<u64>,
    /// Tokens of the completion that were reasoning.
    pub reasoning: Option<u64>,
}

impl ReportedUsage {
    /// So many tokens, all of them the prompt's.
    pub(crate) const fn of_prompt(tokens: u64) -> Self {
        Self { prompt: Some(tokens), completion: Some(0), total: None, cached: None, reasoning: None }
    }

    /// Whether it says all that is charged: then nobody counts the text.
    pub fn suffices(&self) -> bool {
        usage::from_report(self).is_some()
    }
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Completion {
    /// The body as the provider sent it, without the operator's key should it stand there.
    pub body: Bytes,
    /// The provider's id of the answer; `None` also where nobody needs it.
    pub id: Option<String>,
    /// The text of every choice, one after the other, reasoning and tool calls among it; empty where nobody
    /// needs it ([`UpstreamRequest::needs_text`], [`ReportedUsage::suffices`]).
    pub text: String,
    /// The text of the first choice's message alone; empty likewise.
    pub content: String,
    /// What it used, if it said so.
    pub usage: Option<ReportedUsage>,
}

/// What an event of a stream is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    /// Part of the answer, or a comment.
    Content,
    /// Usage and nothing else: only for a client that asked for it.
    UsageOnly,
    /// The provider reports an error in the stream; it is over.
    Error,
    /// The end marker, `[DONE]`.
    End,
}

/// One event of a stream.
#[derive(Debug, Clone)]
pub struct Frame {
    /// What it is for.
    pub kind: FrameKind,
    /// The event as it came, with its line ends, without the operator's key should it stand there.
    pub raw: Bytes,
    /// The same without what it says of usage; `None` where it says nothing.
    pub without_usage: Option<Bytes>,
    /// The text that it adds, over all choices, reasoning and tool calls among it; empty for none.
    pub text: String,
    /// The text that it adds to the first choice's message.
    pub content: String,
    /// The provider's id of the answer.
    pub id: Option<String>,
    /// What was used, if it says so.
    pub usage: Option<ReportedUsage>,
}

/// An error that a provider answered with, without the operator's key should it stand there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProviderError {
    /// Its HTTP status.
    pub status: u16,
    /// What it says, cut to a bounded length; empty where it said nothing that can be read.
    pub message: String,
    /// Its own code.
    pub code: Option<String>,
    /// The parameter it names.
    pub param: Option<String>,
    /// When to come back, in seconds.
    pub retry_after_seconds: Option<u64>,
}

/// What a provider answered.
pub enum UpstreamAnswer {
    /// 2xx, all at once.
    Whole(Completion),
    /// 2xx, as events; dropping it ends the call.
    Stream(LocalBoxStream<'static, Result<Frame, UpstreamError>>),
    /// Any other status.
    Refused(ProviderError),
}

/// Why there is no answer, or no more of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// No connection.
    #[error("the provider cannot be reached: {0}")]
    Unreachable(String),
    /// No first byte in time, or too long a pause.
    #[error("the provider did not answer in time")]
    Timeout,
    /// It broke off.
    #[error("the provider broke off: {0}")]
    Broken(String),
    /// It answered what cannot be understood: HTML, an empty body, invalid JSON, too much.
    #[error("the provider's answer cannot be understood: {0}")]
    Unreadable(String),
}

/// Where requests are sent. One for each worker; its futures stay on it.
pub trait Upstream {
    /// Sends a request and waits for the first byte of the answer (a whole answer: for all of it).
    /// Dropping the future ends the call.
    fn send(&self, request: UpstreamRequest) -> LocalBoxFuture<'_, Result<UpstreamAnswer, UpstreamError>>;
}
