//! A user's own keys.

pub mod change;
pub mod create;
pub mod list;
pub mod revoke;
pub mod revoke_self;
pub mod rotate;
pub mod show;
pub mod usage;
pub mod verify;
