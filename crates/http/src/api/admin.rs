//! Administration.

pub mod create_user;
pub mod delete_user;
pub mod edit_key;
pub mod edit_user;
pub mod invite;
pub mod list_audit;
pub mod list_keys;
pub mod list_users;
pub mod password_reset;
pub mod reset_second_factor;
pub mod revoke_key;
pub mod show_user;
pub mod switch_user;
pub mod unlock_user;
pub mod user_stats;
