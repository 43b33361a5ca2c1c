//! Pages for people: HTML made on the server, which works without any script.
//!
//! A page is no part of the API. What it shows needs a cookie where it needs anybody, and that cookie is never
//! a credential of the API; what changes something is a form that its own page made.

pub mod cookie;
pub mod device;
pub mod form;
pub mod layout;
pub mod mailed;
pub mod reset_password;
pub mod session;
pub mod sign_in;
pub mod sign_in_code;
pub mod sign_out;
pub mod style;
pub mod verify_email;

pub use form::PageForm;
pub use session::PageSession;
