//! Pages for people: HTML made on the server, which works without any script.
//!
//! A page is no part of the API. What it shows needs a cookie where it needs anybody, and that cookie is never
//! a credential of the API; what changes something is a form that its own page made.

pub mod layout;
pub mod style;
