//! The way of every gated request: seven calls in a row.

use std::{rc::Rc, sync::Arc};

use futures::channel::oneshot;
use tollgate_billing::PriceBook;
use tollgate_domain::{Clock, Randomness, Tiers};
use tollgate_store::Stores;
use tollgate_usage::{Meter, Recorder};

use crate::{
    Authenticator, Blocking, Call, Catalogue, Refusal, Reply, Timer, Upstream,
    metric::OPEN_REQUESTS,
    reply::{Metered, ReplyTo},
    reserve::Hold,
};

/// What the line is bounded by.
#[derive(Debug, Clone, Copy)]
pub struct LineSettings {
    /// The output limit where neither the request nor the model names one, in tokens.
    pub default_output_tokens: u64,
    /// What a tokenizer's count of a prompt is raised by, in thousandths.
    pub tokenizer_factor_thousandths: u64,
    /// Tokens that an image counts at most.
    pub image_tokens: u64,
    /// Requests of one key that may run at once.
    pub max_concurrent: Option<u32>,
}

/// What all workers' lines share.
pub struct Shared {
    /// Who asks.
    pub authenticator: Arc<Authenticator>,
    /// What a user used before this process knew the user.
    pub stores: Stores,
    /// Threads for that.
    pub lookups: Arc<dyn Blocking>,
    /// Windows, concurrency, quota.
    pub meter: Arc<dyn Meter>,
    /// Events.
    pub recorder: Arc<Recorder>,
    /// Providers and models.
    pub catalogue: Catalogue,
    /// What things cost.
    pub prices: PriceBook,
    /// What tiers allow.
    pub tiers: Tiers,
    /// The present time.
    pub clock: Arc<dyn Clock>,
    /// Randomness for ids.
    pub random: Arc<dyn Randomness>,
    /// Bounds.
    pub settings: LineSettings,
}

/// One worker's line.
#[derive(Clone)]
pub struct Line {
    pub(crate) shared: Arc<Shared>,
    pub(crate) upstream: Rc<dyn Upstream>,
    pub(crate) timer: Rc<dyn Timer>,
}

/// A refusal, and how the caller stands where that is known.
pub(crate) struct Refused {
    pub refusal: Refusal,
    pub metered: Option<Metered>,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, metered: None }
    }
}

impl Line {
    /// A line that sends what it admits to `upstream`, and waits by `timer`.
    pub fn new(shared: Arc<Shared>, upstream: Rc<dyn Upstream>, timer: Rc<dyn Timer>) -> Self {
        Self { shared, upstream, timer }
    }

    /// Serves a call to its end, and answers on `reply`. To be run as a task of its own: whoever waits for
    /// the answer may go away, and the call is settled and recorded all the same.
    pub async fn run(self, call: Call, reply: oneshot::Sender<Reply>) {
        let _counted = Counted::new();
        self.serve(call, ReplyTo(reply)).await;
    }

    async fn serve(&self, call: Call, reply: ReplyTo) {
        match self.admit(call).await {
            Ok(hold) => self.carry_out(hold, reply).await,
            Err(Refused { refusal, metered }) => {
                count_refusal(&refusal);
                // Who has gone away needs no refusal.
                reply.send(Reply::Refused { refusal: Box::new(refusal), metered }).unwrap_or_default();
            }
        }
    }

    /// What follows on an admission, whatever was admitted.
    pub(crate) async fn carry_out(&self, hold: Hold, reply: ReplyTo) {
        let flight = self.forward(hold, reply).await;
        let bill = self.settle(flight);
        self.record(bill).await;
    }

    async fn admit(&self, call: Call) -> Result<Hold, Refused> {
        let caller = self.authenticate(&call).await?;
        let grant = self.authorise(caller, call).await?;
        let pass = self.limit(grant);
        self.reserve(pass).await
    }
}

pub(crate) fn count_refusal(refusal: &Refusal) {
    metrics::counter!("tollgate_refusals_total", "code" => refusal.code()).increment(1);
}

/// A call that is being served, however it ends.
pub(crate) struct Counted;

impl Counted {
    pub fn new() -> Self {
        OPEN_REQUESTS.increment(1);
        Self
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        OPEN_REQUESTS.decrement(1);
    }
}

#[cfg(test)]
mod tests;
