//! Administration.

mod change;
pub mod edit_key;
pub mod edit_user;
pub mod list_audit;
