//! The port that counts: windows, concurrency and quota, admitted in one atomic step.
//!
//! Counters live by user and by key, not with what is remembered of them: forgetting a key, rotating it
//! or changing its limits never resets what was counted.

use futures::future::BoxFuture;
use tollgate_domain::{
    Checks, Environment, KeyId, Month, Time, UserId, quota::QuotaState, window::WindowKind,
};

/// Whose counters: live and test requests of a user are counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scope {
    /// The user.
    pub user: UserId,
    /// Live or test.
    pub environment: Environment,
}

/// What a request asks to be admitted with.
#[derive(Debug, Clone, Copy)]
pub struct Ask {
    /// Whose counters.
    pub scope: Scope,
    /// The key, whose windows count too.
    pub key: KeyId,
    /// The limits that apply.
    pub checks: Checks,
    /// The present time.
    pub now: Time,
    /// How many requests of the key may run at once.
    pub max_concurrent: Option<u32>,
    /// The tokens that the request may use at most.
    pub quota: QuotaAsk,
}

/// The tokens that a request may use at most: `prompt + outputs * output_limit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaAsk {
    /// The month that the tokens are taken from.
    pub month: Month,
    /// Tokens that the month allows.
    pub limit: u64,
    /// An upper bound of the prompt; 0 with no output holds nothing, whatever is left.
    pub prompt: u64,
    /// How many outputs there will be.
    pub outputs: u64,
    /// Tokens of each output.
    pub output_limit: u64,
    /// Whether a smaller output limit, down to 1, will do where this one does not fit.
    pub shrink: bool,
}

impl QuotaAsk {
    /// The whole hold with an output limit of `output_limit`.
    pub const fn tokens(&self, output_limit: u64) -> u64 {
        self.prompt.saturating_add(self.outputs.saturating_mul(output_limit))
    }
}

/// How one window stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// Which window.
    pub window: WindowKind,
    /// The limit that leaves less of those checked.
    pub limit: u64,
    /// Requests inside.
    pub used: u64,
    /// When the remaining next grows, if nothing is admitted meanwhile; `None` while nothing is inside.
    pub resets_at: Option<Time>,
}

impl Reading {
    /// Requests that still fit.
    pub const fn remaining(&self) -> u64 {
        self.limit.saturating_sub(self.used)
    }
}

/// How the three windows stand, in the order of `WindowKind::ALL`.
pub type Readings = [Reading; 3];

/// A request that was admitted and not yet settled. Whoever has it owes a settlement or a release.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "an admission holds tokens until it is settled or released"]
pub struct Ticket {
    /// Whose counters.
    pub scope: Scope,
    /// The key.
    pub key: KeyId,
    /// When it was admitted: never before an earlier admission of the same user.
    pub time: Time,
    /// The month its tokens are taken from: that of the admission.
    pub month: Month,
    /// Tokens held.
    pub held: u64,
}

/// An admission.
#[derive(Debug)]
pub struct Admission {
    /// What must be settled or released.
    pub ticket: Ticket,
    /// The windows, this request counted.
    pub readings: Readings,
    /// The quota, this request's hold taken.
    pub quota: QuotaState,
    /// The output limit that was granted.
    pub output_limit: u64,
}

/// Why a request is not admitted. Nothing was counted or held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denied {
    /// What the user used this month is not known here yet: [`Meter::seed`] it and ask again.
    Unseeded,
    /// A window is full.
    Window {
        /// The windows.
        readings: Readings,
        /// When one more would fit in all of them, if none is admitted meanwhile.
        free_at: Time,
    },
    /// As many requests of the key run as may.
    Concurrency {
        /// The windows.
        readings: Readings,
        /// How many may run at once.
        limit: u32,
    },
    /// The tokens do not fit.
    Quota {
        /// The windows.
        readings: Readings,
        /// The quota.
        state: QuotaState,
        /// Whether they would fit but for what running requests hold.
        reserved: bool,
    },
}

/// How an admitted request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Tokens that it takes from the quota.
    pub used: u64,
    /// Whether its answer counts in the windows.
    pub counts: bool,
}

/// Counts windows, concurrency and quota.
pub trait Meter: Send + Sync {
    /// Admits a request to everything it asks for, or to nothing.
    fn admit<'a>(&'a self, ask: &'a Ask) -> BoxFuture<'a, Result<Admission, Denied>>;

    /// How windows and quota stand for a request that is not admitted; no quota while it is unseeded.
    fn read<'a>(&'a self, ask: &'a Ask) -> BoxFuture<'a, (Readings, Option<QuotaState>)>;

    /// Tells what a user used in a month before this process knew the user; and, after that, of the month to
    /// come, which an earlier process' clock may have reached already. A later telling changes nothing.
    fn seed(&self, scope: Scope, month: Month, used: u64);

    /// Swaps a hold for what was used, after that was recorded; gives what the quota has used and holds
    /// now.
    fn settle(&self, ticket: Ticket, outcome: Outcome) -> (u64, u64);

    /// Gives everything back, as if the request had never been.
    fn release(&self, ticket: Ticket);
}
