//! Reading a gated body: bounded in length and time, and only once its sender is known. What all requests
//! together have read is bounded too.

use std::{
    cell::Cell,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
    time::Duration,
};

use actix_web::{HttpRequest, error::PayloadError, http::header, rt::time::timeout};
use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt, poll};
use tollgate_gate::BodyError;

use crate::extract;

/// How long a body may take from its first byte to its last.
const MAX_BODY_TIME: Duration = Duration::from_secs(120);
/// Bytes of gated bodies that all workers together hold; each takes a few times that while it is worked on.
const MAX_HELD_BYTES: usize = 512 * 1024 * 1024;

/// What gated requests hold of their bodies, over all workers.
#[derive(Debug)]
pub struct Bodies {
    held: AtomicUsize,
    most: usize,
}

impl Default for Bodies {
    fn default() -> Self {
        Self { held: AtomicUsize::new(0), most: MAX_HELD_BYTES }
    }
}

/// What one request holds of its body, until it is dropped.
pub struct Share {
    bodies: Arc<Bodies>,
    bytes: Cell<usize>,
}

impl Share {
    /// A share of nothing so far.
    pub const fn of(bodies: Arc<Bodies>) -> Self {
        Self { bodies, bytes: Cell::new(0) }
    }

    fn take(&self, bytes: usize) -> Result<(), BodyError> {
        let before = self.bodies.held.fetch_add(bytes, Ordering::Relaxed);
        self.bytes.set(self.bytes.get().saturating_add(bytes));
        if before.saturating_add(bytes) > self.bodies.most { Err(BodyError::NoRoom) } else { Ok(()) }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.bodies.held.fetch_sub(self.bytes.get(), Ordering::Relaxed);
    }
}

/// What a request says of its body.
#[derive(Clone, Copy)]
pub struct Declared {
    is_json: bool,
    length: Option<usize>,
}

impl Declared {
    /// By the headers of `request`.
    pub fn by(request: &HttpRequest) -> Self {
        Self { is_json: is_json(request), length: declared_length(request) }
    }
}

/// Reads the body of a `POST`, at most `limit` bytes, as `share` has room for it.
pub async fn read(
    declared: Declared,
    payload: impl Stream<Item = Result<Bytes, PayloadError>> + Unpin,
    limit: usize,
    share: &Share,
) -> Result<Bytes, BodyError> {
    if !declared.is_json {
        return Err(BodyError::NotJson);
    }
    if declared.length.is_some_and(|length| length > limit) {
        return Err(BodyError::TooLarge(limit));
    }
    let mut body = pin!(collect(payload, limit, share));
    // Most bodies came with their heads: they need no timer.
    if let Poll::Ready(body) = poll!(&mut body) {
        return body;
    }
    timeout(MAX_BODY_TIME, body).await.unwrap_or(Err(BodyError::TooSlow))
}

async fn collect(
    mut payload: impl Stream<Item = Result<Bytes, PayloadError>> + Unpin,
    limit: usize,
    share: &Share,
) -> Result<Bytes, BodyError> {
    let (mut body, mut longer) = (Bytes::new(), BytesMut::new());
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| match error {
            PayloadError::Incomplete(_) | PayloadError::Io(_) => BodyError::HalfSent,
            _ => BodyError::Broken,
        })?;
        if body.len().saturating_add(longer.len()).saturating_add(chunk.len()) > limit {
            return Err(BodyError::TooLarge(limit));
        }
        share.take(chunk.len())?;
        // A body in one piece is not copied.
        if body.is_empty() && longer.is_empty() {
            body = chunk;
        } else {
            longer.extend_from_slice(&std::mem::take(&mut body));
            longer.extend_from_slice(&chunk);
        }
    }
    Ok(if longer.is_empty() { body } else { longer.freeze() })
}

/// The length that the request declares.
fn declared_length(request: &HttpRequest) -> Option<usize> {
    request.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Whether the body is JSON by its own account; without any, it is taken for JSON. Compressed, it is not.
fn is_json(request: &HttpRequest) -> bool {
    if extract::is_encoded(request.headers()) {
        return false;
    }
    let declared = request.headers().get(header::CONTENT_TYPE);
    declared.is_none_or(|value| {
        let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
        essence.eq_ignore_ascii_case("application/json") || essence.to_ascii_lowercase().ends_with("+json")
    })
}

#[cfg(test)]
mod tests;
