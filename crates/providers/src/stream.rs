//! A provider's event stream as frames, in order and as they come.

use std::{sync::Arc, time::Duration};

use futures::{FutureExt, StreamExt, stream, stream::LocalBoxStream};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::timeout;
use tollgate_gate::upstream::{Frame, FrameKind, UpstreamError};

use crate::{
    connections::Lease,
    openai,
    provider::Endpoint,
    sse::{Event, MAX_EVENT_BYTES, MAX_STREAM_BYTES, Parser, TooLong},
    whole::next_piece,
};

/// How long the end of a body is waited for after the end marker, so that its connection can serve again.
const DRAIN_TIME: Duration = Duration::from_secs(1);
/// How many pieces are thrown away meanwhile.
const DRAIN_PIECES: usize = 16;

/// The frames of `body` up to its end marker, its end or the first error, whichever comes first.
pub fn frames(
    body: Incoming,
    lease: Lease,
    endpoint: Arc<Endpoint>,
) -> LocalBoxStream<'static, Result<Frame, UpstreamError>> {
    let reader = Reader { body, lease, parser: Parser::default(), endpoint };
    stream::unfold(Some(reader), |reader| async {
        let mut reader = reader?;
        match reader.next().await {
            Ok(None) => None,
            Ok(Some(frame)) if frame.kind == FrameKind::End => {
                reader.end();
                Some((Ok(frame), None))
            }
            Ok(Some(frame)) => Some((Ok(frame), Some(reader))),
            Err(error) => Some((Err(error), None)),
        }
    })
    .boxed_local()
}

struct Reader {
    body: Incoming,
    lease: Lease,
    parser: Parser,
    endpoint: Arc<Endpoint>,
}

impl Reader {
    async fn next(&mut self) -> Result<Option<Frame>, UpstreamError> {
        loop {
            if let Some(event) = self.parser.next().map_err(too_long)? {
                return self.frame(event).map(Some);
            }
            let Some(bytes) = next_piece(&mut self.body, self.endpoint.timeout).await? else { break };
            self.parser.push(&bytes).map_err(too_long)?;
        }
        match self.parser.finish() {
            None => Ok(None),
            Some(event) if openai::is_whole(&event) => self.frame(event).map(Some),
            Some(_) => Err(UpstreamError::Broken("its last event is cut off".to_owned())),
        }
    }

    fn frame(&self, mut event: Event) -> Result<Frame, UpstreamError> {
        if !event.is_readable() {
            return Err(UpstreamError::Unreadable("it is not an event stream".to_owned()));
        }
        event.raw = self.endpoint.redactor.bytes(event.raw);
        Ok(openai::frame(event))
    }

    /// Reads what little follows the end marker beside everything else: only a body read to its end leaves
    /// a connection that can be used again.
    fn end(self) {
        let Self { mut body, lease, .. } = self;
        if let Some(None) = body.frame().now_or_never() {
            return lease.done();
        }
        let drain = async move {
            for _ in 0..DRAIN_PIECES {
                match body.frame().await {
                    Some(Ok(_)) => {}
                    Some(Err(_)) => break,
                    None => return lease.done(),
                }
            }
        };
        drop(tokio::spawn(timeout(DRAIN_TIME, drain)));
    }
}

fn too_long(TooLong: TooLong) -> UpstreamError {
    UpstreamError::Unreadable(format!(
        "an event has more than {MAX_EVENT_BYTES} bytes, or the stream more than {MAX_STREAM_BYTES}"
    ))
}
