//! Passing a stream on, event by event, with the client's back-pressure; all but its end.

use bytes::Bytes;
use futures::{StreamExt, stream::LocalBoxStream};

use super::{Ending, Open, broken, refuse};
use crate::{
    Endpoint, Refusal, UpstreamError,
    limit::Job,
    reply::{Chunks, Gone, Metered, ReplyTo},
    settle::plain_chunk,
    upstream::{Frame, FrameKind},
};

type Frames = LocalBoxStream<'static, Result<Frame, UpstreamError>>;

/// Waits for the first event before anything is answered, so that a provider that fails before it gives
/// a proper refusal.
pub(super) async fn pass_on(
    open: &mut Open,
    job: Box<Job>,
    metered: Metered,
    mut frames: Frames,
    mut reply: ReplyTo,
) -> Ending {
    let first = match reply.unless_gone(open.during(frames.next())).await {
        Err(Gone) => return Ending::Gone { answered: false },
        Ok(None) => return refuse(open, Refusal::UpstreamBroken, reply),
        Ok(Some(Err(error))) => return refuse(open, broken(error), reply),
        Ok(Some(Ok(frame))) if frame.kind == FrameKind::Error => {
            return refuse(open, Refusal::UpstreamBroken, reply);
        }
        Ok(Some(Ok(frame))) => frame,
    };
    let Ok(mut chunks) = reply.stream(metered) else {
        open.observe(&first.text, first.usage);
        return Ending::Gone { answered: false };
    };
    let mut id = None;
    let passed = relay(open, &job, first, &mut frames, &mut chunks, &mut id).await;
    match passed {
        Err(Gone) => Ending::Gone { answered: true },
        Ok(broken) => Ending::Streamed { job, id, chunks, broken },
    }
}

/// Passes events on until the end marker; what broke it off, if something did.
async fn relay(
    open: &mut Open,
    job: &Job,
    first: Frame,
    frames: &mut Frames,
    chunks: &mut Chunks,
    id: &mut Option<String>,
) -> Result<Option<Refusal>, Gone> {
    let mut frame = first;
    loop {
        match frame.kind {
            FrameKind::End => return Ok(None),
            FrameKind::Error => return Ok(Some(Refusal::UpstreamBroken)),
            FrameKind::Content | FrameKind::UsageOnly => {}
        }
        open.observe(&frame.text, frame.usage);
        open.count_long().await;
        if id.is_none() {
            id.clone_from(&frame.id);
        }
        if let Some(chunk) = shown(job, frame) {
            let bytes = u64::try_from(chunk.len()).unwrap_or(0);
            open.event.response_bytes = open.event.response_bytes.saturating_add(bytes);
            open.pass(chunks, chunk).await?;
        }
        frame = match chunks.unless_gone(open.during(frames.next())).await? {
            Some(Ok(next)) => next,
            Some(Err(error)) => return Ok(Some(broken(error))),
            // A provider that has said what was used has said all, with or without an end marker.
            None if open.is_reported() => return Ok(None),
            None => return Ok(Some(Refusal::UpstreamBroken)),
        };
    }
}

/// What of an event the client sees.
fn shown(job: &Job, frame: Frame) -> Option<Bytes> {
    match job.endpoint {
        Endpoint::LlmCompletion => (!frame.content.is_empty()).then(|| plain_chunk(&frame.content)),
        Endpoint::ChatCompletions | Endpoint::Models if job.request.include_usage => Some(frame.raw),
        Endpoint::ChatCompletions | Endpoint::Models => {
            let content = frame.kind == FrameKind::Content;
            content.then(|| frame.without_usage.unwrap_or(frame.raw))
        }
    }
}
