//! Rows of `sessions`.

use diesel::prelude::*;
use tollgate_domain::Session;

use crate::{
    schema::sessions,
    types::{Id, Ts},
};

/// A session.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = sessions, treat_none_as_default_value = false)]
pub struct SessionRow {
    id: Id,
    user_id: Id,
    created_at: Ts,
    expires_at: Ts,
    ended_at: Option<Ts>,
    ip: Option<String>,
    user_agent: Option<String>,
}

impl From<&Session> for SessionRow {
    fn from(session: &Session) -> Self {
        Self {
            id: session.id.into(),
            user_id: session.user_id.into(),
            created_at: session.created_at.into(),
            expires_at: session.expires_at.into(),
            ended_at: session.ended_at.map(Ts::from),
            ip: session.ip.clone(),
            user_agent: session.user_agent.clone(),
        }
    }
}

impl From<SessionRow> for Session {
    fn from(row: SessionRow) -> Self {
        Self {
            id: row.id.into(),
            user_id: row.user_id.into(),
            created_at: row.created_at.time(),
            expires_at: row.expires_at.time(),
            ended_at: row.ended_at.map(Ts::time),
            ip: row.ip,
            user_agent: row.user_agent,
        }
    }
}
