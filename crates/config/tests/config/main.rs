//! Reading configurations from outside, as the programs do.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod arbitrary;
mod loading;
mod problems;
mod secrets;
mod support;
mod token;
