//! `SessionStore`.

use diesel::prelude::*;
use tollgate_domain::{Session, SessionId, Time, UserId};
use tollgate_store::{Change, NewSession, SessionStore, StoreError};

use crate::{
    database::Database,
    rows::session::SessionRow,
    schema::{refresh_tokens, sessions},
    types::{Id, Ts},
};

impl SessionStore for Database {
    fn open(&self, session: &NewSession) -> Result<(), StoreError> {
        let row = SessionRow::from(&session.session);
        let id = Id::from(session.session.id);
        let created_at = Ts::from(session.session.created_at);
        let hash = session.refresh_hash;
        // No memory needs to forget what nobody can have asked for yet: nothing is numbered.
        self.write(move |conn| {
            diesel::insert_into(sessions::table).values(row).execute(conn)?;
            diesel::insert_into(refresh_tokens::table)
                .values((
                    refresh_tokens::hash.eq(hash.as_slice()),
                    refresh_tokens::session_id.eq(id),
                    refresh_tokens::created_at.eq(created_at),
                ))
                .execute(conn)?;
            Ok(())
        })
    }

    fn by_id(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        self.lookup(move |conn| {
            let row =
                sessions::table.find(Id::from(id)).select(SessionRow::as_select()).first(conn).optional()?;
            Ok(row.map(Session::from))
        })
    }

    fn end(&self, id: SessionId, now: Time) -> Result<bool, StoreError> {
        self.change(move |conn| {
            let ended = diesel::update(sessions::table.find(Id::from(id)))
                .filter(sessions::ended_at.is_null())
                .filter(sessions::expires_at.gt(Ts::from(now)))
                .set(sessions::ended_at.eq(Some(Ts::from(now))))
                .execute(conn)?;
            let changes = if ended > 0 { vec![Change::Session(id)] } else { Vec::new() };
            Ok((ended > 0, changes))
        })
    }

    fn end_all(&self, user: UserId, now: Time) -> Result<u64, StoreError> {
        self.change(move |conn| {
            let ended: Vec<Id> = diesel::update(sessions::table)
                .filter(sessions::user_id.eq(Id::from(user)))
                .filter(sessions::ended_at.is_null())
                .filter(sessions::expires_at.gt(Ts::from(now)))
                .set(sessions::ended_at.eq(Some(Ts::from(now))))
                .returning(sessions::id)
                .get_results(conn)?;
            let changes: Vec<_> = ended.into_iter().map(|id| Change::Session(id.into())).collect();
            Ok((u64::try_from(changes.len()).unwrap_or(u64::MAX), changes))
        })
    }
}
