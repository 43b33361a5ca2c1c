//! The line: authenticate, authorise, limit, reserve, forward, settle, record.

pub mod upstream;
