//! Rows of `open_requests`, in the database and in the spool.

use diesel::prelude::*;
use tollgate_domain::{Time, UsageEvent};
use tollgate_store::StoreError;

use crate::{
    schema::open_requests,
    types::{Id, Ts},
};

/// A request that runs.
#[derive(Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = open_requests, treat_none_as_default_value = false)]
pub struct OpenRequestRow {
    id: Id,
    kept_at: Ts,
    event: String,
}

impl OpenRequestRow {
    /// The rows of `requests`, kept now.
    ///
    /// # Errors
    /// `Rejected` where one cannot be written down.
    pub fn all(requests: &[UsageEvent], now: Time) -> Result<Vec<Self>, StoreError> {
        let row = |event: &UsageEvent| {
            Ok(Self { id: event.id.into(), kept_at: now.into(), event: to_text(event)? })
        };
        requests.iter().map(row).collect()
    }

    /// How far it had come.
    ///
    /// # Errors
    /// `Corrupt`.
    pub fn event(&self) -> Result<UsageEvent, StoreError> {
        from_text(&self.event, "open_requests")
    }
}

/// An event as text.
///
/// # Errors
/// `Rejected`.
pub fn to_text(event: &UsageEvent) -> Result<String, StoreError> {
    serde_json::to_string(event).map_err(|error| StoreError::Rejected(error.into()))
}

/// The event that [`to_text`] wrote.
///
/// # Errors
/// `Corrupt`.
pub fn from_text(text: &str, table: &'static str) -> Result<UsageEvent, StoreError> {
    serde_json::from_str(text).map_err(|_other| StoreError::Corrupt { table, what: "event" })
}
