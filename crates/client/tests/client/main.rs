//! The guard, and the example's service with it, against a Tollgate that misbehaves as it is told.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test whose helper fails has failed")]

#[path = "../../examples/actix.rs"]
mod example;
mod fake;
mod guard;
mod service;
