//! Reading a gated body: bounded in length and time, and only once its sender is known.

use std::time::Duration;

use actix_web::{HttpRequest, http::header, rt::time::timeout, web};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use tollgate_gate::BodyError;

use crate::extract;

/// How long a body may take from its first byte to its last.
const MAX_BODY_TIME: Duration = Duration::from_secs(120);

/// Reads the body of a `POST`.
pub async fn read(
    is_json: bool,
    declared: Option<usize>,
    payload: web::Payload,
    limit: usize,
) -> Result<Bytes, BodyError> {
    if !is_json {
        return Err(BodyError::NotJson);
    }
    if declared.is_some_and(|length| length > limit) {
        return Err(BodyError::TooLarge(limit));
    }
    timeout(MAX_BODY_TIME, collect(payload, limit)).await.unwrap_or(Err(BodyError::TooSlow))
}

async fn collect(mut payload: web::Payload, limit: usize) -> Result<Bytes, BodyError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_broken| BodyError::Broken)?;
        if body.len().saturating_add(chunk.len()) > limit {
            return Err(BodyError::TooLarge(limit));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// The length that the request declares.
pub fn declared_length(request: &HttpRequest) -> Option<usize> {
    request.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Whether the body is JSON by its own account; without any, it is taken for JSON. Compressed, it is not.
pub fn is_json(request: &HttpRequest) -> bool {
    if extract::is_encoded(request.headers()) {
        return false;
    }
    let declared = request.headers().get(header::CONTENT_TYPE);
    declared.is_none_or(|value| {
        let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
        essence.eq_ignore_ascii_case("application/json") || essence.to_ascii_lowercase().ends_with("+json")
    })
}
