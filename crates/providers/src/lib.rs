//! HTTP to model providers: the adapter of `gate`'s port [`Upstream`](tollgate_gate::upstream::Upstream).
//!
//! **Owns** providers' addresses and keys ([`Providers`]), the client that calls them ([`HttpUpstream`],
//! one a worker), OpenAI's shape of answers, streams and errors, and the provider `echo`, which stands in
//! where there is none.
//!
//! **Must never see** a database, a server, users or limits. The operator's key of a provider leaves in
//! the `Authorization` header of a call to that provider and nowhere else: what comes back is searched for
//! it, and neither errors nor `Debug` show it.
//!
//! To add a kind of provider, add it to [`ProviderKind`], give its shape a file beside `openai.rs` that
//! turns its answers into the port's, and send to it from `client.rs`.

mod client;
mod connections;
mod echo;
mod openai;
mod provider;
mod redact;
mod sse;
mod stream;
mod whole;

pub use client::HttpUpstream;
pub use provider::{Provider, ProviderKind, Providers, ProvidersError};
