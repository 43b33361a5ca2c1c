//! `SessionStore`.

use diesel::prelude::*;
use tollgate_domain::{AuditEntry, Session, SessionId, Time, UserId};
use tollgate_store::{
    Change, ListedSession, NewSession, Page, PageRequest, Rotated, Rotation, SessionStore, StoreError,
};

use crate::{
    attempt,
    both::{Conn, MultiBackend},
    database::{Database, Effects},
    device,
    failure::Failure,
    password, pg,
    rows::session::SessionRow,
    schema::{refresh_tokens, sessions},
    second_factor,
    types::{Id, Ts},
};

impl SessionStore for Database {
    fn open(&self, session: &NewSession) -> Result<bool, StoreError> {
        let new = session.clone();
        // No memory needs to forget what nobody can have asked for yet: nothing is numbered.
        self.change(move |conn| {
            let user = Id::from(new.session.user_id);
            pg::lock_user(conn, user)?;
            // Whoever approved a device has brought the second factor before.
            if new.device.is_none() && second_factor::is_on(conn, user)? {
                return Ok((false, Effects::NONE));
            }
            let opened = insert(conn, &new)?;
            Ok((opened, if opened { Effects::new(Vec::new(), new.audit) } else { Effects::NONE }))
        })
    }

    fn by_id(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        self.lookup(move |conn| find(conn, id.into()))
    }

    fn by_refresh(&self, hash: &[u8; 32]) -> Result<Option<Session>, StoreError> {
        let hash = *hash;
        self.lookup(move |conn| {
            let row = refresh_tokens::table
                .inner_join(sessions::table)
                .filter(refresh_tokens::hash.eq(hash.as_slice()))
                .select(SessionRow::as_select())
                .first(conn)
                .optional()?;
            Ok(row.map(Session::from))
        })
    }

    fn rotate(&self, rotation: &Rotation) -> Result<Rotated, StoreError> {
        let rotation = rotation.clone();
        self.change(move |conn| {
            let id = Id::from(rotation.session);
            // What is read from here on stays so: whoever rotates or ends this session waits.
            pg::lock_session(conn, id)?;
            if !find(conn, id)?.is_some_and(|session| session.is_open(rotation.now)) {
                return Ok((Rotated::Refused, Effects::NONE));
            }
            let token: Option<(Option<Ts>, Option<Vec<u8>>)> = refresh_tokens::table
                .find(rotation.presented.as_slice())
                .filter(refresh_tokens::session_id.eq(id))
                .select((refresh_tokens::spent_at, refresh_tokens::answer))
                .first(conn)
                .optional()?;
            match token {
                None => Ok((Rotated::Refused, Effects::NONE)),
                Some((None, _)) => {
                    replace(conn, &rotation)?;
                    Ok((Rotated::Fresh, Effects::NONE))
                }
                // The answer is forgotten with the first use of the successor.
                Some((Some(spent_at), Some(answer))) if spent_at.time() > rotation.forgiven_after => {
                    Ok((Rotated::Again(answer), Effects::NONE))
                }
                Some((Some(_), _)) => {
                    diesel::update(sessions::table.find(id))
                        .set(sessions::ended_at.eq(Some(Ts::from(rotation.now))))
                        .execute(conn)?;
                    let ended = vec![Change::Session(rotation.session)];
                    Ok((Rotated::Reused, Effects::new(ended, rotation.reused)))
                }
            }
        })
    }

    fn list(&self, user: UserId, page: &PageRequest, now: Time) -> Result<Page<ListedSession>, StoreError> {
        let page = *page;
        self.read(move |conn| {
            let mut query = sessions::table
                .filter(sessions::user_id.eq(Id::from(user)))
                .filter(sessions::ended_at.is_null())
                .filter(sessions::expires_at.gt(Ts::from(now)))
                .into_boxed::<MultiBackend>();
            if let Some(after) = page.after {
                query = query.filter(sessions::id.lt(Id(after)));
            }
            let rows: Vec<(SessionRow, Option<Ts>)> = query
                .order(sessions::id.desc())
                .limit(i64::from(page.limit).saturating_add(1))
                .select((SessionRow::as_select(), sessions::last_seen_at))
                .load(conn)?;
            let listed = rows.into_iter().map(|(row, seen)| {
                let session = Session::from(row);
                let last_seen_at = seen.map_or(session.created_at, Ts::time);
                ListedSession { session, last_seen_at }
            });
            Ok(Page::from_overfull(listed.collect(), page.limit, |listed| listed.session.id.as_uuid()))
        })
    }

    fn end(
        &self,
        id: SessionId,
        owner: Option<UserId>,
        now: Time,
        audit: &[AuditEntry],
    ) -> Result<bool, StoreError> {
        let audit = audit.to_vec();
        self.change(move |conn| {
            let mut ending = diesel::update(sessions::table)
                .filter(sessions::id.eq(Id::from(id)))
                .filter(sessions::ended_at.is_null())
                .filter(sessions::expires_at.gt(Ts::from(now)))
                .set(sessions::ended_at.eq(Some(Ts::from(now))))
                .into_boxed::<MultiBackend>();
            if let Some(owner) = owner {
                ending = ending.filter(sessions::user_id.eq(Id::from(owner)));
            }
            let ended = ending.execute(conn)?;
            let effects = Effects::new(vec![Change::Session(id)], audit);
            Ok((ended > 0, if ended > 0 { effects } else { Effects::NONE }))
        })
    }

    fn end_all(&self, user: UserId, now: Time, audit: &[AuditEntry]) -> Result<u64, StoreError> {
        let audit = audit.to_vec();
        self.change(move |conn| {
            // Two that end the same sessions would lock them in any order.
            pg::lock_user(conn, user.into())?;
            let changes = end_others(conn, user, None, now)?;
            let audit = if changes.is_empty() { Vec::new() } else { audit };
            Ok((u64::try_from(changes.len()).unwrap_or(u64::MAX), Effects::new(changes, audit)))
        })
    }

    fn forget(&self, answers: Time, sessions: Time, limit: u32) -> Result<u64, StoreError> {
        self.write(move |conn| {
            let answers = forget_answers(conn, answers.into(), limit)?;
            let gone = forget_sessions(conn, sessions.into(), limit)?;
            Ok(u64::try_from(answers.saturating_add(gone)).unwrap_or(u64::MAX))
        })
    }
}

/// Opens a session, whose second factor is no matter here, and does what goes with it; gives whether. The user must be
/// held.
pub(crate) fn insert(conn: &mut Conn, new: &NewSession) -> Result<bool, Failure> {
    let Session { id, user_id: user, created_at, .. } = new.session;
    if let Some(password) = &new.password
        && !password::is_still(conn, user.into(), password)?
    {
        return Ok(false);
    }
    if let Some(device) = &new.device
        && !device::spend(conn, device, user, created_at)?
    {
        return Ok(false);
    }
    diesel::insert_into(sessions::table)
        .values((SessionRow::from(&new.session), sessions::last_seen_at.eq(Some(Ts::from(created_at)))))
        .execute(conn)?;
    insert_token(conn, &new.refresh_hash, id.into(), created_at.into())?;
    if let Some(attempts) = &new.attempts {
        attempt::settle(conn, user, attempts, created_at)?;
    }
    Ok(true)
}

/// Ends a user's open sessions but `kept`; gives the changes. The user must be held.
pub(crate) fn end_others(
    conn: &mut Conn,
    user: UserId,
    kept: Option<SessionId>,
    now: Time,
) -> Result<Vec<Change>, Failure> {
    let mut ending = diesel::update(sessions::table)
        .filter(sessions::user_id.eq(Id::from(user)))
        .filter(sessions::ended_at.is_null())
        .filter(sessions::expires_at.gt(Ts::from(now)))
        .set(sessions::ended_at.eq(Some(Ts::from(now))))
        .into_boxed::<MultiBackend>();
    if let Some(kept) = kept {
        ending = ending.filter(sessions::id.ne(Id::from(kept)));
    }
    let ended: Vec<Id> = ending.returning(sessions::id).get_results(conn)?;
    Ok(ended.into_iter().map(|id| Change::Session(id.into())).collect())
}

pub(crate) fn find(conn: &mut Conn, id: Id) -> Result<Option<Session>, Failure> {
    let row = sessions::table.find(id).select(SessionRow::as_select()).first(conn).optional()?;
    Ok(row.map(Session::from))
}

fn insert_token(conn: &mut Conn, hash: &[u8; 32], session: Id, created_at: Ts) -> Result<(), Failure> {
    diesel::insert_into(refresh_tokens::table)
        .values((
            refresh_tokens::hash.eq(hash.as_slice()),
            refresh_tokens::session_id.eq(session),
            refresh_tokens::created_at.eq(created_at),
        ))
        .execute(conn)?;
    Ok(())
}

/// Spends the presented token: its successor takes its place, and its answer that of the token before.
fn replace(conn: &mut Conn, rotation: &Rotation) -> Result<(), Failure> {
    let (id, now) = (Id::from(rotation.session), Ts::from(rotation.now));
    diesel::update(refresh_tokens::table)
        .filter(refresh_tokens::session_id.eq(id))
        .filter(refresh_tokens::answer.is_not_null())
        .set(refresh_tokens::answer.eq(None::<Vec<u8>>))
        .execute(conn)?;
    diesel::update(refresh_tokens::table.find(rotation.presented.as_slice()))
        .set((
            refresh_tokens::spent_at.eq(Some(now)),
            refresh_tokens::answer.eq(Some(rotation.answer.as_slice())),
        ))
        .execute(conn)?;
    insert_token(conn, &rotation.successor, id, now)?;
    diesel::update(sessions::table.find(id)).set(sessions::last_seen_at.eq(Some(now))).execute(conn)?;
    Ok(())
}

/// Forgets answers to tokens that were spent before `before`; gives how many.
fn forget_answers(conn: &mut Conn, before: Ts, limit: u32) -> Result<usize, Failure> {
    let hashes: Vec<Vec<u8>> = refresh_tokens::table
        .filter(refresh_tokens::answer.is_not_null())
        .filter(refresh_tokens::spent_at.lt(before))
        .limit(limit.into())
        .select(refresh_tokens::hash)
        .load(conn)?;
    Ok(diesel::update(refresh_tokens::table.filter(refresh_tokens::hash.eq_any(hashes)))
        .set(refresh_tokens::answer.eq(None::<Vec<u8>>))
        .execute(conn)?)
}

/// Forgets sessions that ended or expired before `before`. A session may have many tokens: they go first,
/// and it goes when none is left. Gives how many of both.
fn forget_sessions(conn: &mut Conn, before: Ts, limit: u32) -> Result<usize, Failure> {
    let gone: Vec<Id> = sessions::table
        .filter(sessions::ended_at.lt(before).or(sessions::expires_at.lt(before)))
        .order(sessions::id)
        .limit(limit.into())
        .select(sessions::id)
        .load(conn)?;
    let tokens: Vec<Vec<u8>> = refresh_tokens::table
        .filter(refresh_tokens::session_id.eq_any(&gone))
        .limit(limit.into())
        .select(refresh_tokens::hash)
        .load(conn)?;
    let all = tokens.len() < usize::try_from(limit).unwrap_or(usize::MAX);
    let forgotten =
        diesel::delete(refresh_tokens::table.filter(refresh_tokens::hash.eq_any(tokens))).execute(conn)?;
    if !all {
        return Ok(forgotten);
    }
    let ended = diesel::delete(sessions::table.filter(sessions::id.eq_any(gone))).execute(conn)?;
    Ok(forgotten.saturating_add(ended))
}
