//! The control plane's endpoints, one a file: take, call one use case on a pool, show.

pub mod admin;
pub mod auth;
pub mod billing;
pub mod keys;
pub mod usage;
