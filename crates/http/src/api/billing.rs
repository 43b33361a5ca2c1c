//! Billing.

pub mod info;
