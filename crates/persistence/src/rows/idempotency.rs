//! Rows of `idempotent_calls`.

use diesel::prelude::*;

use crate::{schema::idempotent_calls, types::Ts};

/// What is known of a call.
#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = idempotent_calls)]
pub struct CallRow {
    /// The hash under which it is known.
    pub hash: Vec<u8>,
    /// Of what it asked for.
    pub fingerprint: Vec<u8>,
    /// Until when nobody else takes it over.
    pub running_until: Ts,
    /// Whether what it does is done.
    pub done: bool,
    /// What was answered, sealed.
    pub answer: Option<Vec<u8>>,
}
