//! Calls to the API of a server, bounded in time and size.

mod address;
mod refusal;

use std::{io, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::{
    Agent, Body, Error, RequestBuilder,
    http::{
        HeaderValue, Response, StatusCode,
        header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, InvalidHeaderValue, RETRY_AFTER},
    },
};

pub use address::{Address, NotAnAddress};
pub use refusal::{Refusal, ServerError};

/// How long a connection may take.
const MAX_CONNECT: Duration = Duration::from_secs(5);
/// How long a call may take from the name of the host to the last byte of the answer.
const MAX_CALL: Duration = Duration::from_secs(60);
/// The longest answer. A page of a hundred keys with all their notes, in both of its arrays, stays far below.
const MAX_ANSWER_BYTES: u64 = 16 * 1_024 * 1_024;
/// The longest head of an answer.
const MAX_HEAD_BYTES: usize = 64 * 1_024;
const SCHEME: &str = "Bearer ";
const JSON: &str = "application/json";
const PROBLEM: &str = "application/problem+json";
const USER_AGENT: &str = concat!("tollgate-admin/", env!("CARGO_PKG_VERSION"));

/// How a body is sent.
#[derive(Debug, Clone, Copy)]
pub enum Verb {
    /// `POST`.
    Post,
    /// `PATCH`.
    Patch,
}

/// A server, and what its API knows this program by.
pub struct Server {
    agent: Agent,
    address: Address,
    authorization: HeaderValue,
}

impl Server {
    /// Nothing is called yet.
    ///
    /// # Errors
    /// Where a token of these characters cannot be sent.
    pub fn new(address: Address, token: &SecretString) -> Result<Self, InvalidHeaderValue> {
        let mut authorization = HeaderValue::from_str(&format!("{SCHEME}{}", token.expose_secret().trim()))?;
        authorization.set_sensitive(true);
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            // The token is for the server that was named and for no other: it neither follows a redirect nor takes
            // a way that the environment names.
            .max_redirects(0)
            .proxy(None)
            .timeout_connect(Some(MAX_CONNECT))
            .timeout_global(Some(MAX_CALL))
            .max_response_header_size(MAX_HEAD_BYTES)
            .user_agent(USER_AGENT)
            .build()
            .new_agent();
        Ok(Self { agent, address, authorization })
    }

    /// What `GET` answers.
    ///
    /// # Errors
    /// See [`ServerError`], here and below.
    pub fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&'static str, String)],
    ) -> Result<T, ServerError> {
        let request = self.agent.get(self.address.of(path)).query_pairs(query.iter().map(|(k, v)| (*k, v)));
        self.read(&self.answered(self.authorized(request).call())?)
    }

    /// What a call with a body answers.
    pub fn send<T: DeserializeOwned>(&self, verb: Verb, path: &str, body: &Value) -> Result<T, ServerError> {
        let url = self.address.of(path);
        let request = match verb {
            Verb::Post => self.agent.post(url),
            Verb::Patch => self.agent.patch(url),
        };
        let request = self.authorized(request).header(CONTENT_TYPE, JSON);
        self.read(&self.answered(request.send(&body.to_string()))?)
    }

    /// `POST` without a body, for nothing but to have it done.
    pub fn post(&self, path: &str) -> Result<(), ServerError> {
        let request = self.authorized(self.agent.post(self.address.of(path)));
        self.done(&self.answered(request.send_empty())?)
    }

    /// `DELETE`.
    pub fn delete(&self, path: &str) -> Result<(), ServerError> {
        let request = self.authorized(self.agent.delete(self.address.of(path)));
        self.done(&self.answered(request.call())?)
    }

    fn authorized<B>(&self, request: RequestBuilder<B>) -> RequestBuilder<B> {
        request.header(AUTHORIZATION, self.authorization.clone()).header(ACCEPT, JSON)
    }

    /// The body of an answer that is not a refusal.
    fn answered(&self, response: Result<Response<Body>, Error>) -> Result<Answered, ServerError> {
        let mut response = response.map_err(|error| self.failed(&error))?;
        let (status, headers) = (response.status(), response.headers());
        let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let kind = text(CONTENT_TYPE).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let retry_after = text(RETRY_AFTER).and_then(|seconds| seconds.parse().ok());
        let body = response.body_mut().with_config().limit(MAX_ANSWER_BYTES).read_to_vec();
        let body = body.map_err(|error| self.failed(&error))?;
        if status.is_success() {
            return Ok(Answered { status, kind, body });
        }
        let problem = (kind == PROBLEM).then(|| Refusal::read(&body, status.as_u16(), retry_after)).flatten();
        match problem {
            // What it says is printed, and may be kept where tokens must not be.
            Some(refusal) if self.repeats_the_token(&refusal) => {
                Err(self.no_tollgate(format!("it answered {status} and repeats the token")))
            }
            Some(refusal) => Err(ServerError::Refused(refusal)),
            None => Err(self.no_tollgate(format!("it answered {status}"))),
        }
    }

    fn repeats_the_token(&self, refusal: &Refusal) -> bool {
        let header = self.authorization.to_str().unwrap_or_default();
        let token = header.strip_prefix(SCHEME).unwrap_or_default();
        !token.is_empty() && refusal.to_string().contains(token)
    }

    fn read<T: DeserializeOwned>(&self, answered: &Answered) -> Result<T, ServerError> {
        if answered.kind != JSON {
            return Err(self.no_tollgate(format!("its answer is {}, not JSON", named(&answered.kind))));
        }
        serde_json::from_slice(&answered.body)
            .map_err(|error| self.no_tollgate(format!("its answer means nothing here ({error})")))
    }

    fn done(&self, answered: &Answered) -> Result<(), ServerError> {
        if answered.status == StatusCode::NO_CONTENT {
            return Ok(());
        }
        Err(self.no_tollgate(format!("it answered {}", answered.status)))
    }

    fn failed(&self, error: &Error) -> ServerError {
        match error {
            Error::Timeout(_) => ServerError::Late { server: self.address.to_string() },
            Error::BodyExceedsLimit(_) => self.no_tollgate("its answer is too long".to_owned()),
            Error::Protocol(_) | Error::Http(_) => self.no_tollgate(error.to_string()),
            Error::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                self.unreachable(&"nothing listens there")
            }
            Error::Io(error) => self.unreachable(error),
            other => self.unreachable(other),
        }
    }

    fn unreachable(&self, why: &dyn std::fmt::Display) -> ServerError {
        ServerError::Unreachable { server: self.address.to_string(), why: why.to_string() }
    }

    fn no_tollgate(&self, what: String) -> ServerError {
        ServerError::NoTollgate { server: self.address.to_string(), what }
    }
}

/// An answer to a call that succeeded.
struct Answered {
    status: StatusCode,
    /// The media type, without parameters.
    kind: String,
    body: Vec<u8>,
}

fn named(kind: &str) -> &str {
    if kind.is_empty() { "of no media type" } else { kind }
}

#[cfg(test)]
mod tests;
