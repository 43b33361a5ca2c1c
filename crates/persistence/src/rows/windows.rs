//! Rows of `saved_windows`, and what windows need of `usage_events`.

use diesel::prelude::*;
use tollgate_domain::Windows;
use tollgate_store::{SavedWindows, StoreError};

use super::named;
use crate::{
    schema::{saved_windows, usage_events},
    types::{Id, Ts},
};

const TABLE: &str = "saved_windows";

/// A key's windows.
#[derive(Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = saved_windows, treat_none_as_default_value = false)]
pub struct WindowsRow {
    /// The key.
    pub api_key_id: Id,
    /// Live or test.
    pub environment: String,
    /// Whose key.
    pub user_id: Id,
    /// The quarter-hour of the newest admission.
    pub quarter: i32,
    /// The windows.
    pub windows: Vec<u8>,
}

impl WindowsRow {
    /// Whose windows these are.
    pub fn owner(&self) -> (Id, String) {
        (self.api_key_id, self.environment.clone())
    }

    /// The windows.
    pub fn windows(&self) -> Result<Windows, StoreError> {
        let corrupt = StoreError::Corrupt { table: TABLE, what: "windows" };
        Windows::from_bytes(&self.windows).map_err(|_unreadable| corrupt)
    }
}

impl TryFrom<WindowsRow> for SavedWindows {
    type Error = StoreError;

    fn try_from(row: WindowsRow) -> Result<Self, StoreError> {
        Ok(Self {
            user_id: row.user_id.into(),
            api_key_id: row.api_key_id.into(),
            environment: named(&row.environment, TABLE, "environment")?,
            windows: row.windows()?,
        })
    }
}

/// An event, as far as windows need it.
#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = usage_events)]
pub struct AdmittedRow {
    /// Its place in its stream.
    pub seq: i64,
    /// When it was admitted.
    pub time: Ts,
    /// Whose.
    pub user_id: Id,
    /// By which key.
    pub api_key_id: Id,
    /// Live or test.
    pub environment: String,
    /// Whether it counts.
    pub counts: bool,
    /// How many requests it stands for.
    pub repeat: i64,
}
