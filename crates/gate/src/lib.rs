//! The line: authenticate, authorise, limit, reserve, forward, settle, record.
//!
//! **Owns** the way of every gated request, one file a step ([`mod@line`] shows them in a row), the ports
//! [`Upstream`], [`Blocking`] and [`Timer`], and the [`Refusal`]s that callers can meet.
//!
//! **Must never see** a database, a server, an HTTP client or a runtime: a program gives it adapters and
//! runs each call as a task of its own.
//!
//! Each step takes a type that only the step before it can make: `Caller`, `Grant`, `Pass`, `Hold`,
//! `Flight`, `Bill`. To add an endpoint, name it in [`call::Endpoint`] and read its body in `request`.

pub mod authenticate;
mod authorise;
pub mod blocking;
pub mod call;
pub mod catalogue;
mod event;
#[cfg(test)]
mod fixture;
mod forward;
mod limit;
pub mod line;
mod metric;
mod record;
pub mod refusal;
pub mod reply;
mod request;
mod reserve;
mod settle;
mod timer;
mod tokenizer;
mod unknown_keys;
pub mod upstream;
mod usage;
mod verify;

pub use authenticate::{Authenticator, Caller};
pub use blocking::Blocking;
pub use call::{BodyError, Call, Credential, Endpoint};
pub use catalogue::{Catalogue, Model, ProviderInfo};
pub use line::{Line, LineSettings, Shared};
pub use refusal::{FieldError, Refusal};
pub use reply::{CutOff, Metered, Reply, ReplyStream};
pub use timer::Timer;
pub use tokenizer::warm_up;
pub use upstream::{Upstream, UpstreamAnswer, UpstreamError, UpstreamRequest};
pub use verify::{MAX_COST, Question, Subject, Verdict};
