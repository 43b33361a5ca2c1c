//! What the line answers: a whole answer, a stream, or a refusal. The channel carries bytes and nothing
//! else; who hangs up closes it and cancels nothing.

use std::{
    cell::Cell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures::{
    FutureExt, SinkExt, Stream,
    channel::{mpsc, oneshot},
    future::{Either, select},
};
use tollgate_domain::quota::QuotaState;
use tollgate_usage::Readings;

use crate::Refusal;

/// Chunks of a stream on their way to a client that reads slowly.
const CHUNKS: usize = 4;

/// How the caller's windows and quota stand, for the answer's headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metered {
    /// The windows.
    pub readings: Readings,
    /// The quota, where it was looked at.
    pub quota: Option<QuotaState>,
}

/// An answer.
pub enum Reply {
    /// JSON, all at once.
    Whole {
        /// How windows and quota stand, this request settled.
        metered: Metered,
        /// The body.
        body: Bytes,
    },
    /// Server-sent events.
    Stream {
        /// How windows and quota stand, this request's hold taken.
        metered: Metered,
        /// The body.
        body: ReplyStream,
    },
    /// Something else than was asked for.
    Refused {
        /// What.
        refusal: Box<Refusal>,
        /// How windows and quota stand, where the caller is known.
        metered: Option<Metered>,
    },
}

/// The body of a streamed answer.
pub struct ReplyStream {
    chunks: mpsc::Receiver<Bytes>,
    /// Whether the last chunk was the end, or the want of one was told.
    ended: Rc<Cell<bool>>,
    /// Whether the end is known to be missing.
    cut_off: bool,
    /// Dropped with the rest when the client goes: the line is told at once, even between two chunks.
    _alive: oneshot::Sender<()>,
}

/// A streamed answer has no end: its client was given up, or the line's task ended before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the answer was cut off")]
pub struct CutOff;

impl Stream for ReplyStream {
    type Item = Result<Bytes, CutOff>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match ready!(Pin::new(&mut self.chunks).poll_next(context)) {
            Some(chunk) => Poll::Ready(Some(Ok(chunk))),
            None if self.ended.get() => Poll::Ready(None),
            // What came before is to be on its way first: a server drops what it gathers when it hears of this.
            None if !std::mem::replace(&mut self.cut_off, true) => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
            None => {
                self.ended.set(true);
                Poll::Ready(Some(Err(CutOff)))
            }
        }
    }
}

/// The line's end of an answer not yet begun.
pub(crate) struct ReplyTo(pub oneshot::Sender<Reply>);

/// The client has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gone;

impl ReplyTo {
    /// Answers; nobody may be there any more.
    pub fn send(self, reply: Reply) -> Result<(), Gone> {
        self.0.send(reply).map_err(|_unsent| Gone)
    }

    /// Whether the client has gone already.
    pub fn is_gone(&self) -> bool {
        self.0.is_canceled()
    }

    /// Begins a streamed answer.
    pub fn stream(self, metered: Metered) -> Result<Chunks, Gone> {
        let (chunks, received) = mpsc::channel(CHUNKS);
        let (alive, gone) = oneshot::channel();
        let ended = Rc::<Cell<bool>>::default();
        let body = ReplyStream { chunks: received, ended: Rc::clone(&ended), cut_off: false, _alive: alive };
        self.send(Reply::Stream { metered, body })?;
        Ok(Chunks { chunks, ended, gone })
    }

    /// What `work` gives, unless the client goes first.
    pub async fn unless_gone<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Gone> {
        match select(std::pin::pin!(work), self.0.cancellation()).await {
            Either::Left((done, _)) => Ok(done),
            Either::Right(_) => Err(Gone),
        }
    }
}

/// The line's end of a streamed answer.
pub(crate) struct Chunks {
    chunks: mpsc::Sender<Bytes>,
    ended: Rc<Cell<bool>>,
    gone: oneshot::Receiver<()>,
}

impl Chunks {
    /// Passes a chunk on, when the client has room for it: not when the client has taken it.
    pub async fn send(&mut self, chunk: Bytes) -> Result<(), Gone> {
        self.chunks.feed(chunk).await.map_err(|_closed| Gone)
    }

    /// Ends the answer. Dropped without it, the answer is cut off.
    pub fn end(self) {
        self.ended.set(true);
    }

    /// What `work` gives, unless the client goes first.
    pub async fn unless_gone<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Gone> {
        match select(std::pin::pin!(work), (&mut self.gone).fuse()).await {
            Either::Left((done, _)) => Ok(done),
            Either::Right(_) => Err(Gone),
        }
    }
}
