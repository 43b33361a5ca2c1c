//! The guard for other Rust services: it asks Tollgate whose key a caller sent, and what it may do.
//!
//! A service that has callers of its own, beside what Tollgate passes on, links this crate, reads the caller's
//! credential, and asks. It needs a key of its own that holds `keys:verify`.
//!
//! ```
//! use secrecy::SecretString;
//! use tollgate_client::{Credential, Denied, Guard, Permission, Question, Settings};
//!
//! # fn tollgate() -> (String, SecretString) {
//! #     use std::{io::{Read, Write}, net::TcpListener, thread};
//! #     let listener = TcpListener::bind("127.0.0.1:0").unwrap();
//! #     let url = format!("http://{}", listener.local_addr().unwrap());
//! #     thread::spawn(move || {
//! #         let (mut caller, _) = listener.accept().unwrap();
//! #         caller.read(&mut [0; 4096]).unwrap();
//! #         let window = r#"{"limit":60,"used":0,"remaining":60,"resets_at":null}"#;
//! #         let body = format!(
//! #             r#"{{"valid":true,"user_id":"0193a0b0c0d07000800000000000000a","environment":"live","tier":"pro",
//! #             "permissions":["services"],"metadata":{{}},
//! #             "rate_limit":{{"minute":{window},"hour":{window},"day":{window},"quota":{window}}}}}"#
//! #         );
//! #         let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
//! #         caller.write_all((head + &body).as_bytes()).unwrap();
//! #     });
//! #     (url, SecretString::from("sk_live_tg_of_this_service"))
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (base_url, service_key) = tollgate();
//! // Once, at the start. Clones share what is remembered.
//! let guard = Guard::new(Settings::new(base_url, service_key))?;
//!
//! // In every call.
//! let mut headers = http::HeaderMap::new();
//! headers.insert("x-api-key", "a-key-that-was-imported".parse()?);
//! let credential = Credential::from_headers(&headers)?;
//! let question =
//!     Question { permission: Some(Permission::Service("stocks".to_owned())), ..Question::default() };
//! match guard.check(&credential, &question).await {
//!     Ok(caller) => println!("{} may ask for stocks", caller.user_id),
//!     Err(Denied::Refused(refusal)) => println!("{}: {}", refusal.status, refusal.detail),
//!     Err(denied) => println!("{}: nobody is admitted: {denied}", denied.status()),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! [`Guard::check`] asks and counts nothing. [`Guard::charge`] also counts one request and so many tokens in the
//! caller's windows and quota, as a request to the gate does. `examples/actix.rs` is a whole service.
//!
//! **It refuses when it cannot ask.** Every way of not getting an answer ends in [`Denied::Unavailable`], or in
//! [`Denied::Misconfigured`] where waiting will not help. Neither admits anybody.
//!
//! **What is remembered**: answers to checks, admissions and refusals, for [`MAX_CACHE`] at most, counted from when
//! the question left. So a key that is revoked stops working here as soon as Tollgate knows (a second at most) and
//! what is remembered has gone (another). Refusals are remembered too, or one caller with one bad key could make
//! this service ask as often as it likes to be refused; that a key works a second late once it is enabled hurts nobody.
//! Like checks under way are one request. A charge is never remembered and never repeated: one whose answer got
//! lost may have been counted, so it is [`Denied::Unavailable`].
//!
//! **Keys for tests** are refused unless [`Settings::test_keys`] says otherwise: their quota is apart, so that a user
//! whose own is spent would go on with them.
//!
//! **Plain `http`** is taken, for a Tollgate beside the service or in one private network; the caller's keys and the
//! service's own cross that network as they are. Elsewhere write `https`.
//!
//! **Owns** one call of Tollgate's API, and what is remembered of its answers. **Must never see** a server, a
//! database, or anything of Tollgate but its plain rules: whoever links this gets the ids, permissions and tiers of
//! [`tollgate_domain`], and an HTTP client.

mod ask;
mod cache;
mod caller;
mod credential;
mod denied;
mod flight;
mod guard;
mod question;
mod settings;
mod wire;

pub use caller::{Caller, RateLimit, Standing};
pub use credential::Credential;
pub use denied::{Denied, Misconfigured, Refusal, Unavailable};
pub use guard::{Guard, MAX_COST_TOKENS};
pub use question::{MAX_MODEL_BYTES, Question};
pub use settings::{MAX_CACHE, MAX_IN_FLIGHT, MAX_TIMEOUT, Settings, SettingsError};
pub use tollgate_domain::{Environment, KeyId, Permission, Permissions, Tier, UserId};
