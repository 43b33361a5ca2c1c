//! Bodies read to their end, within bounds of size and patience.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::FutureExt;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use tokio::time::timeout;
use tollgate_gate::upstream::UpstreamError;

/// The most bytes of a whole answer.
pub const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;
/// The most bytes of an answer that tells of an error.
pub const MAX_ERROR_BYTES: usize = 64 * 1024;

/// Reads `body`; each of its pieces comes within `pause`.
///
/// # Errors
/// `Timeout`, `Broken`, or `Unreadable` where it is longer than `max_bytes`.
pub async fn read(mut body: Incoming, max_bytes: usize, pause: Duration) -> Result<Bytes, UpstreamError> {
    let too_long = || UpstreamError::Unreadable(format!("it has more than {max_bytes} bytes"));
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > max_bytes {
        return Err(too_long());
    }
    let mut whole = BytesMut::new();
    while let Some(piece) = next_piece(&mut body, pause).await? {
        if whole.len() + piece.len() > max_bytes {
            return Err(too_long());
        }
        if whole.is_empty() {
            whole = BytesMut::from(piece);
        } else {
            whole.extend_from_slice(&piece);
        }
    }
    Ok(whole.freeze())
}

/// The next bytes of `body`, which come within `pause`; `None` at its end.
///
/// # Errors
/// `Timeout` or `Broken`.
pub async fn next_piece(body: &mut Incoming, pause: Duration) -> Result<Option<Bytes>, UpstreamError> {
    loop {
        // What is there already needs no timer.
        let frame = match body.frame().now_or_never() {
            Some(frame) => frame,
            None => timeout(pause, body.frame()).await.map_err(|_elapsed| UpstreamError::Timeout)?,
        };
        match frame {
            None => return Ok(None),
            Some(Err(error)) => return Err(broken(&error)),
            Some(Ok(frame)) => {
                // Trailers say nothing that is passed on.
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

fn broken(error: &hyper::Error) -> UpstreamError {
    let what =
        if error.is_parse() { "its answer is not HTTP" } else { "the connection ended within its answer" };
    UpstreamError::Broken(what.to_owned())
}
