//! What is wrong with a request before any use case sees it.

use actix_web::{error::PayloadError, http::StatusCode};
use serde::de::IgnoredAny;

use super::{FieldProblem, Problem, accounts::sentence};
use crate::{credentials::Unreadable, pool::PoolError};

/// Seconds after which to ask again when too many waited.
const RETRY_SOON: u64 = 1;

impl From<Unreadable> for Problem {
    fn from(error: Unreadable) -> Self {
        let said = sentence(&error.to_string());
        match error {
            Unreadable::Missing => Self::new(StatusCode::UNAUTHORIZED, "missing_credentials", said),
            Unreadable::OtherScheme => Self::new(StatusCode::UNAUTHORIZED, "invalid_credentials", said),
            Unreadable::Ambiguous => Self::new(StatusCode::BAD_REQUEST, "ambiguous_credentials", said),
            Unreadable::NotText => Self::new(StatusCode::BAD_REQUEST, "malformed_request", said),
        }
    }
}

impl From<PoolError> for Problem {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Full => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "overloaded",
                "Too much is under way here; try again in a moment.",
            )
            .retry_after(RETRY_SOON),
            PoolError::Panicked => Self::internal("a job panicked"),
        }
    }
}

impl Problem {
    /// The server does not serve yet.
    pub(crate) fn starting() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "store_unavailable",
            "The server is starting and cannot serve yet; try again in a moment.",
        )
        .retry_after(RETRY_SOON)
    }

    /// No route has this path.
    pub(crate) fn no_route() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "Nothing is at this path; /docs lists what there is.")
    }

    /// The path exists, for other methods.
    pub(crate) fn wrong_method(allowed: &str) -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            format!("This path takes {allowed} only."),
        )
    }

    /// The body is longer than is taken.
    pub(crate) fn too_large(limit: usize) -> Self {
        let said = format!("The body is longer than {limit} bytes.");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", said)
    }

    /// The body has another media type than is taken.
    pub(crate) fn wrong_media_type(taken: &str) -> Self {
        let said = format!("The body must be sent as {taken}.");
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", said)
    }

    /// The body is encoded, as it may not be.
    pub(crate) fn encoded_body() -> Self {
        let said = "The body must be sent as it is, without Content-Encoding.";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", said)
    }

    /// The request itself cannot be read.
    pub(crate) fn malformed(said: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed_request", said)
    }

    /// An answer of the server beneath that no handler gave.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::no_route(),
            StatusCode::PAYLOAD_TOO_LARGE => {
                Self::new(status, "payload_too_large", "The body is longer than is taken here.")
            }
            StatusCode::REQUEST_TIMEOUT => {
                Self::new(status, "request_timeout", "The request did not come in time.")
            }
            other if other.is_server_error() => Self::internal(format!("a bare answer with status {other}")),
            _ => Self::new(status, "malformed_request", "The request cannot be read."),
        }
    }
}

impl From<PayloadError> for Problem {
    fn from(error: PayloadError) -> Self {
        match error {
            PayloadError::Overflow => Self::of_status(StatusCode::PAYLOAD_TOO_LARGE),
            other => {
                Self::malformed("The body broke off or its encoding is wrong.").caused_by(other.to_string())
            }
        }
    }
}

impl Problem {
    /// What is wrong with `body`: broken JSON is malformed; JSON of other types, with other fields, or with what no text
    /// or number holds, does not validate.
    pub fn unfit(error: &serde_path_to_error::Error<serde_json::Error>, body: &[u8]) -> Self {
        if !error.inner().is_data() && !is_json(body) {
            return Self::malformed(format!("The body is not JSON: {}.", error.inner()));
        }
        let mut words = in_words_of_json(&without_place(&error.inner().to_string()));
        if words == "expected value" {
            // What reads a name says so of anything else.
            "invalid type: expected a string".clone_into(&mut words);
        }
        let path = error.path().to_string();
        let named = words.split('`').nth(1).unwrap_or_default();
        let (field, code) = if words.starts_with("missing field") {
            (within(&path, named), "missing")
        } else if words.starts_with("unknown field") {
            // The path names the field already.
            (path, "unknown_field")
        } else if words.starts_with("duplicate field") {
            (within(&path, named), "duplicate")
        } else if words.starts_with("invalid type") {
            (path, "wrong_type")
        } else if words == "recursion limit exceeded" {
            "has too many levels".clone_into(&mut words);
            let outermost = path.split(['.', '[']).next().unwrap_or_default();
            (outermost.to_owned(), "too_deep")
        } else {
            (path, "invalid_value")
        };
        let field = if field == "." { "body".to_owned() } else { field };
        Self::validation(vec![FieldProblem { field: field.into(), code: code.into(), message: words.into() }])
    }
}

/// Whether it is JSON by its grammar, whatever it holds.
fn is_json(body: &[u8]) -> bool {
    std::str::from_utf8(body).is_ok() && serde_json::from_slice::<IgnoredAny>(body).is_ok()
}

fn within(path: &str, field: &str) -> String {
    if path == "." { field.to_owned() } else { format!("{path}.{field}") }
}

/// What Rust calls otherwise than JSON.
const NAMES: [(&str, &str); 7] = [
    ("expected u64", "expected a whole number that is not negative"),
    ("expected u32", "expected a whole number that is not negative"),
    ("expected i64", "expected a whole number"),
    ("expected a sequence", "expected an array"),
    ("expected a map", "expected an object"),
    ("invalid type: sequence", "invalid type: array"),
    ("invalid type: map", "invalid type: object"),
];

/// The words of a JSON error without names of Rust's.
fn in_words_of_json(words: &str) -> String {
    NAMES.iter().fold(words.to_owned(), |words, (rust, json)| words.replace(rust, json))
}

/// The words of a JSON error without `at line 1 column 2`: the field says where.
fn without_place(words: &str) -> String {
    words.rsplit_once(" at line ").map_or(words, |(words, _)| words).to_owned()
}
