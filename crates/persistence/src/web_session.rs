//! `WebSessionStore`: which cookie stands for which session.

use diesel::prelude::*;
use tollgate_domain::{Session, SessionId, Time};
use tollgate_store::{StoreError, WebSessionStore};

use crate::{
    database::Database,
    pg,
    rows::session::SessionRow,
    schema::{refresh_tokens, sessions, web_sessions},
    session,
    types::{Id, Ts},
};

impl WebSessionStore for Database {
    fn open(&self, hash: &[u8; 32], id: SessionId, now: Time) -> Result<bool, StoreError> {
        let hash = *hash;
        self.write(move |conn| {
            let id = Id::from(id);
            pg::lock_session(conn, id)?;
            if !session::find(conn, id)?.is_some_and(|session| session.is_open(now)) {
                return Ok(false);
            }
            diesel::delete(refresh_tokens::table.filter(refresh_tokens::session_id.eq(id))).execute(conn)?;
            diesel::insert_into(web_sessions::table)
                .values((
                    web_sessions::hash.eq(hash.as_slice()),
                    web_sessions::session_id.eq(id),
                    web_sessions::created_at.eq(Ts::from(now)),
                ))
                .execute(conn)?;
            Ok(true)
        })
    }

    fn by_hash(&self, hash: &[u8; 32]) -> Result<Option<Session>, StoreError> {
        let hash = *hash;
        self.lookup(move |conn| {
            let row = web_sessions::table
                .inner_join(sessions::table)
                .filter(web_sessions::hash.eq(hash.as_slice()))
                .select(SessionRow::as_select())
                .first(conn)
                .optional()?;
            Ok(row.map(Session::from))
        })
    }
}
