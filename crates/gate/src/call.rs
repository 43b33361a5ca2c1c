//! A request as it comes to the line.

use std::net::IpAddr;

use bytes::Bytes;
use futures::future::LocalBoxFuture;
use tollgate_domain::{Permission, RequestType};

use crate::upstream::UpstreamError;

/// The gated routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `POST /v1/chat/completions`.
    ChatCompletions,
    /// `POST /api/llm/completion`.
    LlmCompletion,
    /// `GET /v1/models`.
    Models,
}

impl Endpoint {
    /// The route, as in the OpenAPI document and in usage events.
    pub const fn path(self) -> &'static str {
        match self {
            Self::ChatCompletions => "/v1/chat/completions",
            Self::LlmCompletion => "/api/v1/llm/completion",
            Self::Models => "/v1/models",
        }
    }

    /// The HTTP method.
    pub const fn method(self) -> &'static str {
        match self {
            Self::ChatCompletions | Self::LlmCompletion => "POST",
            Self::Models => "GET",
        }
    }

    /// The permissions of which a caller needs one.
    pub const fn permissions(self) -> &'static [Permission] {
        match self {
            Self::ChatCompletions | Self::LlmCompletion => &[Permission::Chat],
            Self::Models => &[Permission::Chat, Permission::CodeGeneration, Permission::Embeddings],
        }
    }

    /// The kind of work that it asks for.
    pub const fn request_type(self) -> RequestType {
        RequestType::Chat
    }
}

/// Why a body could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyError {
    /// It is longer than this many bytes.
    TooLarge(usize),
    /// It did not come in time.
    TooSlow,
    /// Its encoding is wrong.
    Broken,
    /// Its sender went away in the middle of it.
    HalfSent,
    /// The bodies that are being read take all the memory that they may.
    NoRoom,
    /// It is not JSON by its own account.
    NotJson,
}

/// What a request presents itself with.
pub enum Credential {
    /// The text of an API key, or what is taken for one.
    ApiKey(String),
    /// Nothing, where nothing is needed.
    Anonymous,
}

/// A request, its body still to be read: strangers' bodies are not.
pub struct Call {
    /// The route.
    pub endpoint: Endpoint,
    /// What it presents itself with.
    pub credential: Credential,
    /// Reads the body.
    pub body: LocalBoxFuture<'static, Result<Bytes, BodyError>>,
    /// The answer's `X-Request-Id`.
    pub request_id: String,
    /// The caller's address.
    pub ip: Option<IpAddr>,
    /// The caller's program.
    pub user_agent: Option<String>,
}

impl Call {
    pub(crate) fn origin(&self) -> Origin<'_> {
        Origin {
            path: self.endpoint.path(),
            method: self.endpoint.method(),
            request_type: self.endpoint.request_type(),
            request_id: &self.request_id,
            ip: self.ip,
            user_agent: self.user_agent.as_deref(),
        }
    }
}

/// Where an event comes from.
pub(crate) struct Origin<'a> {
    pub path: &'static str,
    pub method: &'static str,
    pub request_type: RequestType,
    pub request_id: &'a str,
    pub ip: Option<IpAddr>,
    pub user_agent: Option<&'a str>,
}

/// How long a call may take before its first byte or between two is the upstream's business; this is what
/// the line makes of it.
impl From<UpstreamError> for crate::Refusal {
    fn from(error: UpstreamError) -> Self {
        match error {
            UpstreamError::Unreachable(_) => Self::UpstreamUnreachable,
            UpstreamError::Timeout => Self::UpstreamTimeout,
            UpstreamError::Broken(_) => Self::UpstreamBroken,
            UpstreamError::Unreadable(_) => Self::UpstreamUnreadable,
        }
    }
}
