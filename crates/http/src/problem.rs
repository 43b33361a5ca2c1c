//! The one place where errors become answers: `application/problem+json` (RFC 9457), with OpenAI's shape
//! beside it under `/v1/`.
//!
//! A [`Problem`] is made from an error of a ring below in `problem/`, in matches that name every variant, so
//! that a new one does not compile before it has a status, a code and a text. What a problem says is for
//! clients; its cause is for the log, and the two are different fields.

mod accounts;
mod body;
mod gate;
mod request;

use std::{borrow::Cow, fmt};

use actix_web::{
    HttpResponse, ResponseError,
    body::BoxBody,
    http::{
        StatusCode,
        header::{HeaderName, HeaderValue, RETRY_AFTER},
    },
};
use secrecy::SecretString;
use serde::Serialize;
use utoipa::ToSchema;

pub use body::{MEDIA_TYPE, ProblemBody};

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldProblem {
    /// The field, as a path such as `messages[0].role`.
    #[schema(value_type = String)]
    pub field: Cow<'static, str>,
    /// A stable name of the fault.
    #[schema(value_type = String, example = "too_short")]
    pub code: Cow<'static, str>,
    /// What to do about it.
    #[schema(value_type = String)]
    pub message: Cow<'static, str>,
}

/// An answer that is not what was asked for.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    errors: Vec<FieldProblem>,
    headers: Vec<(HeaderName, HeaderValue)>,
    cause: Option<String>,
    /// The `error` of RFC 6749 that stands beside it.
    oauth: Option<&'static str>,
    /// What stands for the first factor where the second is asked for.
    mfa_token: Option<SecretString>,
}

impl Problem {
    /// A problem with a stable code and words that say what to do.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            errors: Vec::new(),
            headers: Vec::new(),
            cause: None,
            oauth: None,
            mfa_token: None,
        }
    }

    /// A problem of an OAuth endpoint, whose code is also its `error`.
    pub fn oauth(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { oauth: Some(code), ..Self::new(status, code, detail) }
    }

    /// The same at an OAuth endpoint: a request that cannot be taken is an `invalid_request`, and what does not
    /// validate is 400 there.
    #[must_use]
    pub fn as_oauth(self) -> Self {
        match self.status {
            StatusCode::UNPROCESSABLE_ENTITY => {
                Self { status: StatusCode::BAD_REQUEST, oauth: Some("invalid_request"), ..self }
            }
            status if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS => {
                Self { oauth: self.oauth.or(Some("invalid_request")), ..self }
            }
            _ => self,
        }
    }

    /// Fields of the request that are wrong: 422.
    pub fn validation(errors: Vec<FieldProblem>) -> Self {
        let first =
            errors.first().map_or_else(String::new, |error| format!("{}: {}", error.field, error.message));
        let problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "validation_failed", first);
        Self { errors, ..problem }
    }

    /// One field that is wrong: 422.
    pub fn field(
        field: impl Into<Cow<'static, str>>,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        let (field, code, message) = (field.into(), code.into(), message.into());
        Self::validation(vec![FieldProblem { field, code, message }])
    }

    /// Not there, or not the caller's: 404.
    pub fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("There is no such {what}."))
    }

    /// Something here went wrong: 500. The cause goes to the log only.
    pub fn internal(cause: impl Into<String>) -> Self {
        Self {
            cause: Some(cause.into()),
            ..Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal_error",
                "Something went wrong here; the request id helps to find out what.",
            )
        }
    }

    /// The same with a cause for the log.
    #[must_use]
    pub fn caused_by(self, cause: impl Into<String>) -> Self {
        Self { cause: Some(cause.into()), ..self }
    }

    /// The same with a header more.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The same, with what stands for the first factor.
    #[must_use]
    pub fn with_mfa_token(self, mfa_token: SecretString) -> Self {
        Self { mfa_token: Some(mfa_token), ..self }
    }

    /// The same, to be tried again after so many seconds.
    #[must_use]
    pub fn retry_after(self, seconds: u64) -> Self {
        self.with_header(RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// Its stable code.
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// What is wrong and what to do, for people.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// Its status.
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// What the log is told and nobody else.
    pub fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// Headers of its own.
    pub(crate) fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.headers
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status.as_u16(), self.code)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    /// The answer without request id; the boundary writes the body anew with what it knows.
    fn error_response(&self) -> HttpResponse<BoxBody> {
        let mut response = HttpResponse::new(self.status);
        write(self, None, false, &mut response);
        response
    }
}

pub(crate) use body::write;

#[cfg(test)]
mod tests;
