//! How a problem is written.

use actix_web::{
    HttpResponse,
    body::BoxBody,
    http::{
        StatusCode,
        header::{CONTENT_TYPE, HeaderName, HeaderValue, WWW_AUTHENTICATE},
    },
};
use secrecy::ExposeSecret;
use serde::Serialize;
use utoipa::ToSchema;

use super::{FieldProblem, Problem};

/// What problems are served as.
pub const MEDIA_TYPE: &str = "application/problem+json";
const X_SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// A problem as clients read it (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// A URI reference of this kind of problem.
    #[serde(rename = "type")]
    #[schema(example = "urn:tollgate:problem:validation_failed")]
    kind: String,
    /// The status in words.
    title: String,
    /// The HTTP status.
    status: u16,
    /// The HTTP status once more, for older clients.
    status_code: u16,
    /// What is wrong and what to do, for people.
    detail: String,
    /// What is wrong, for programs: stable, in snake_case.
    #[schema(value_type = String, example = "validation_failed")]
    code: &'static str,
    /// The answer's `X-Request-Id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    /// Which fields are wrong, where the request did not validate.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldProblem>,
    /// With the code `mfa_required`: what `POST /api/v1/auth/2fa/verify` takes together with a code, for five minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    mfa_token: Option<String>,
    /// The same for OpenAI's clients, under `/v1/`; where OAuth's clients call, the name that RFC 6749 gives it.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<OtherError>,
}

/// An error as other protocols' clients read it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum OtherError {
    /// OpenAI's.
    OpenAi(OpenAiError),
    /// OAuth's, such as `authorization_pending`.
    #[schema(value_type = String)]
    OAuth(&'static str),
}

/// An error as OpenAI's clients read it.
#[derive(Debug, Serialize, ToSchema)]
pub struct OpenAiError {
    /// What is wrong and what to do.
    message: String,
    /// The kind of error.
    #[serde(rename = "type")]
    #[schema(value_type = String, example = "invalid_request_error")]
    kind: &'static str,
    /// The problem's code.
    #[schema(value_type = String)]
    code: &'static str,
    /// The field that is wrong.
    param: Option<String>,
}

/// Writes `problem` into `response`: status, headers, body. With `openai`, in OpenAI's shape as well.
pub fn write(
    problem: &Problem,
    request_id: Option<&str>,
    openai: bool,
    response: &mut HttpResponse<BoxBody>,
) {
    let status = problem.status();
    let body = ProblemBody {
        kind: format!("urn:tollgate:problem:{}", problem.code),
        title: status.canonical_reason().unwrap_or("Error").to_owned(),
        status: status.as_u16(),
        status_code: status.as_u16(),
        detail: problem.detail.clone(),
        code: problem.code,
        request_id: request_id.map(str::to_owned),
        errors: problem.errors.clone(),
        mfa_token: problem.mfa_token.as_ref().map(|token| token.expose_secret().to_owned()),
        error: match openai {
            true => Some(OtherError::OpenAi(openai_error(problem))),
            false => problem.oauth.map(OtherError::OAuth),
        },
    };
    // A struct of texts and numbers always serialises.
    let text = serde_json::to_vec(&body).unwrap_or_default();
    *response.status_mut() = status;
    for (name, value) in problem.headers() {
        response.headers_mut().insert(name.clone(), value.clone());
    }
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    if status == StatusCode::UNAUTHORIZED {
        let challenge = challenge(problem.code);
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    if problem.code == "insufficient_quota" {
        // OpenAI's clients try a 429 again unless told not to.
        response.headers_mut().insert(X_SHOULD_RETRY, HeaderValue::from_static("false"));
    }
    let taken = std::mem::replace(response, HttpResponse::new(status));
    *response = taken.set_body(BoxBody::new(text));
}

/// RFC 6750: the error is named only where credentials were sent.
fn challenge(code: &str) -> &'static str {
    match code {
        "missing_credentials" => r#"Bearer realm="tollgate""#,
        _ => r#"Bearer realm="tollgate", error="invalid_token""#,
    }
}

fn openai_error(problem: &Problem) -> OpenAiError {
    let kind = match (problem.status().as_u16(), problem.code) {
        (401, _) => "authentication_error",
        (403, _) => "permission_error",
        (429, "insufficient_quota") => "insufficient_quota",
        (429, _) => "rate_limit_error",
        (500.., _) => "server_error",
        (_, _) => "invalid_request_error",
    };
    let param = problem.errors.first().map(|error| error.field.to_string());
    OpenAiError { message: problem.detail.clone(), kind, code: problem.code, param }
}
