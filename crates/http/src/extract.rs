//! What handlers take: each type says what it demands.

mod actor;
mod after;
mod body;
mod client;
mod id;
mod once;
mod present;
mod query;

pub use actor::{
    Admin, Holder, KeyManager, KeyVerifier, MaybeSessionUser, Principal, SessionUser, session_of,
};
pub use after::After;
pub(crate) use body::is_encoded;
pub use body::{Body, Form, JsonOrForm, MaybeBody, MaybeJsonOrForm};
pub use client::{Asking, client_of};
pub use id::Id;
pub use once::{IDEMPOTENCY_KEY, IdempotencyHeader, Once, Repeatable};
pub use present::present;
pub use query::{Days, PageQuery, Params};
