//! What tests share. Only ever a dev-dependency: `cargo xtask tidy` refuses anything else.
//!
//! | what | for |
//! |---|---|
//! | [`FixedClock`], [`SeededRandomness`] | time that stands still until it is told otherwise, and randomness that is the same every time |
//! | [`PlayableProvider`] | a model provider on a port of its own, in OpenAI's shape, that answers as a [`Play`] says: late, in pieces, broken off, with wrong usage or none. `examples/playable_provider.rs` is the same as a program |
//! | [`PlayableIssuer`], [`SigningKey`] | an OpenID Connect issuer on a port of its own, and keys that sign tokens good and forged |
//! | [`Faulty`] | real stores whose methods fail before or after their commit, hang or refuse, by name |
//! | [`Absent`] | every port of a store, away: for what a test does not ask |
//! | [`Client`] | an HTTP client that shows answers as they come, and can hang up |
//!
//! **Owns** what plays the other side. **Must never see** a program, nor stand in for what is tested: there
//! is no store in memory here, tests run on real databases.
//!
//! Nothing here sleeps so that something else may happen meanwhile. What a test waits for has a method that
//! waits for just that ([`PlayableProvider::await_requests`], [`Faulty::await_hanging`]) and fails the test
//! by a panic after [`PATIENCE`]. To hold requests open, play [`Play::held`] and
//! [`release`](PlayableProvider::release) them when the test has seen enough.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! use serde_json::json;
//! use tollgate_testkit::{Client, Play, PlayableProvider};
//!
//! let provider = PlayableProvider::start();
//! provider.queue(Play { status: 503, ..Play::default() });
//!
//! let client = Client::new(&provider.base_url());
//! let ask = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
//! assert_eq!(client.post_json("/chat/completions", &ask).await.status, 503);
//! let answer = client.post_json("/chat/completions", &ask).await.json();
//! assert_eq!(answer["usage"]["total_tokens"], 12);
//! assert_eq!(provider.requests().len(), 2);
//! # });
//! ```

#![expect(clippy::panic, clippy::expect_used, reason = "what tests use fails by failing the test")]

mod absent;
mod client;
mod clock;
mod faulty;
mod issuer;
mod patience;
mod play;
mod playable;
mod random;

pub use absent::Absent;
pub use client::{Answer, Client, Streaming};
pub use clock::FixedClock;
pub use faulty::{Fault, Faulty};
pub use issuer::{Instead, PlayableIssuer, SigningKey, hs256, parts, unsigned};
pub use patience::PATIENCE;
pub use play::{Body, End, Play, Usage};
pub use playable::{PlayableProvider, Recorded};
pub use random::SeededRandomness;
