//! Usage.

pub mod stats;
