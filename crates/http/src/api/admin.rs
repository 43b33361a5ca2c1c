//! Administration.

pub mod delete_user;
pub mod edit_key;
pub mod edit_user;
pub mod invite;
pub mod list_audit;
pub mod password_reset;
pub mod reset_second_factor;
pub mod unlock_user;
