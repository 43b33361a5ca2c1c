//! What happens at every beat while the line waits: what runs long leaves a snapshot, and a client that
//! takes nothing is given up.

use std::{
    pin::pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use futures::future::{LocalBoxFuture, poll_fn};

use super::Open;
use crate::{
    Timer,
    reply::{Chunks, Gone},
};

/// How often a running request leaves a snapshot. With the time in which the recorder writes it, at most
/// two seconds of an answer are missing after a `kill -9`.
pub(crate) const BEAT: Duration = Duration::from_millis(1_500);
/// A client that takes nothing for so long counts as gone.
pub(crate) const CLIENT_PAUSE: Duration = Duration::from_secs(60);

/// One request's beat.
pub(super) struct Beat {
    timer: Rc<dyn Timer>,
    /// Made when the request first waits: most never wait for a second one.
    sleep: Option<LocalBoxFuture<'static, ()>>,
}

impl Beat {
    pub fn new(timer: Rc<dyn Timer>) -> Self {
        Self { timer, sleep: None }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let sleep = self.sleep.get_or_insert_with(|| self.timer.sleep(BEAT));
        ready!(sleep.as_mut().poll(context));
        self.sleep = None;
        Poll::Ready(())
    }
}

impl Open {
    /// What `work` gives; snapshots are taken while it is waited for.
    pub async fn during<T>(&mut self, work: impl Future<Output = T>) -> T {
        self.beating(work, || None).await
    }

    /// Passes a chunk on when the client has room for it, unless that takes the client too long.
    pub async fn pass(&mut self, chunks: &mut Chunks, chunk: Bytes) -> Result<(), Gone> {
        // The first beat may come as soon as the waiting begins.
        let mut waited = None;
        let too_long = move || {
            let before = waited.map_or(Duration::ZERO, |waited| waited + BEAT);
            waited = Some(before);
            (before >= CLIENT_PAUSE).then_some(Err(Gone))
        };
        self.beating(chunks.send(chunk), too_long).await
    }

    /// What `work` gives, or what `late` gives instead at a beat.
    async fn beating<T>(&mut self, work: impl Future<Output = T>, mut late: impl FnMut() -> Option<T>) -> T {
        let mut work = pin!(work);
        poll_fn(|context| {
            loop {
                if let Poll::Ready(done) = work.as_mut().poll(context) {
                    return Poll::Ready(done);
                }
                ready!(self.beat.poll(context));
                self.keep();
                if let Some(instead) = late() {
                    return Poll::Ready(instead);
                }
            }
        })
        .await
    }
}
