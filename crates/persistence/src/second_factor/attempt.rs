//! Codes: counted where they are wrong, used up where they are right.

use diesel::prelude::*;
use tollgate_domain::AuditEntry;
use tollgate_store::{CodeAttempt, Verdict};

use super::{Sealed, queue};
use crate::{
    both::Conn,
    failure::Failure,
    pg,
    schema::{backup_codes, second_factors},
    types::{Id, Ts},
};

/// Uses a code up, or counts it as wrong. The user must be held.
pub(super) fn take(conn: &mut Conn, attempt: &CodeAttempt) -> Result<(Verdict, Vec<AuditEntry>), Failure> {
    let user = Id::from(attempt.user);
    pg::lock_user(conn, user)?;
    let kept: Option<(Sealed, i32, Option<Ts>)> = second_factors::table
        .find(user)
        .select((second_factors::secret, second_factors::wrong, second_factors::paused_until))
        .first(conn)
        .optional()?;
    let Some((Some(secret), wrong, paused_until)) = kept else { return Ok((Verdict::Stale, Vec::new())) };
    if secret != attempt.secret {
        return Ok((Verdict::Stale, Vec::new()));
    }
    if let Some(until) = paused_until.map(Ts::time).filter(|until| attempt.now < *until) {
        return Ok((Verdict::TooManyCodes { until }, Vec::new()));
    }
    if is_step(conn, attempt)? {
        return Ok((Verdict::Done, Vec::new()));
    }
    if is_backup_code(conn, attempt)? {
        queue(conn, attempt.mail.as_ref())?;
        return Ok((Verdict::Done, attempt.backup_code_used.clone()));
    }
    let wrong = wrong.saturating_add(1);
    let most = i32::try_from(attempt.max_wrong).unwrap_or(i32::MAX);
    count(conn, user, wrong, (wrong >= most).then_some(attempt.paused_until.into()))?;
    if wrong == most {
        queue(conn, attempt.pausing.as_ref())?;
    }
    Ok((Verdict::WrongCode, attempt.failed.clone()))
}

/// Uses up a step and all before it.
fn is_step(conn: &mut Conn, attempt: &CodeAttempt) -> Result<bool, Failure> {
    let Some(step) = attempt.step else { return Ok(false) };
    let used = diesel::update(second_factors::table.find(Id::from(attempt.user)))
        .filter(second_factors::last_step.lt(step))
        .set(second_factors::last_step.eq(step))
        .execute(conn)?;
    Ok(used > 0)
}

fn is_backup_code(conn: &mut Conn, attempt: &CodeAttempt) -> Result<bool, Failure> {
    let hashes: Vec<Vec<u8>> = attempt.backup_code.iter().map(|hash| hash.to_vec()).collect();
    let used = diesel::update(backup_codes::table)
        .filter(backup_codes::user_id.eq(Id::from(attempt.user)))
        .filter(backup_codes::hash.eq_any(hashes))
        .filter(backup_codes::used_at.is_null())
        .set(backup_codes::used_at.eq(Some(Ts::from(attempt.now))))
        .execute(conn)?;
    Ok(used > 0)
}

/// Counts wrong codes from none on. The user must be held.
pub(crate) fn begin_anew(conn: &mut Conn, user: Id) -> Result<(), Failure> {
    count(conn, user, 0, None)
}

fn count(conn: &mut Conn, user: Id, wrong: i32, paused_until: Option<Ts>) -> Result<(), Failure> {
    diesel::update(second_factors::table.find(user))
        .set((second_factors::wrong.eq(wrong), second_factors::paused_until.eq(paused_until)))
        .execute(conn)?;
    Ok(())
}
