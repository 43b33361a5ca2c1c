//! Rows of `devices`.

use diesel::prelude::*;
use tollgate_store::DeviceWish;

use crate::{
    schema::devices,
    types::{Id, Ts},
};

/// What a device's questions are judged by.
#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = devices)]
pub struct DeviceRow {
    /// What the program calls itself.
    pub client: Option<String>,
    /// Until when it may be let in.
    pub expires_at: Ts,
    /// Seconds between two questions.
    pub pause: i32,
    /// The last question.
    pub polled_at: Option<Ts>,
    /// What became of it.
    pub status: String,
    /// Who decided.
    pub user_id: Option<Id>,
    /// And in which session.
    pub session_id: Option<Id>,
}

/// What people are shown of a device.
#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = devices)]
pub struct WishRow {
    client: Option<String>,
    ip: Option<String>,
    user_agent: Option<String>,
    created_at: Ts,
    expires_at: Ts,
}

impl From<WishRow> for DeviceWish {
    fn from(row: WishRow) -> Self {
        Self {
            client: row.client,
            ip: row.ip,
            user_agent: row.user_agent,
            created_at: row.created_at.time(),
            expires_at: row.expires_at.time(),
        }
    }
}
