//! What handlers take: each type says what it demands.

mod actor;
mod body;
mod id;
mod query;

pub use actor::{Admin, Principal, SessionUser};
pub use body::{Body, JsonOrForm};
pub use id::Id;
pub use query::{Days, PageQuery, Params};
