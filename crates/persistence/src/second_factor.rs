//! `SecondFactorStore`. Everything that changes one holds its user: what is read there stays so until the end of the
//! transaction, and codes that come at once are counted and used up one after the other.

mod attempt;

use diesel::prelude::*;
use tollgate_domain::{AuditEntry, Time, UserId};
use tollgate_store::{
    CodeAttempt, ConfirmedChange, FactorChange, FactorReset, NewChallenge, NewMail, NewSecondFactor,
    NewSession, ProvedPassword, SecondFactor, SecondFactorStore, StoreError, Verdict,
};

use crate::{
    both::Conn,
    database::{Database, Effects},
    failure::Failure,
    mail, password, pg,
    schema::{backup_codes, mfa_tokens, second_factors, users},
    session,
    types::{Id, Ts},
};

pub(crate) use attempt::begin_anew;

/// A sealed secret, where there is one.
type Sealed = Option<Vec<u8>>;

/// Before every step that there is.
const NO_STEP: i64 = -1;

impl SecondFactorStore for Database {
    fn of_user(&self, user: UserId) -> Result<SecondFactor, StoreError> {
        self.read(move |conn| {
            let kept: Option<(Sealed, Sealed)> = second_factors::table
                .find(Id::from(user))
                .select((second_factors::secret, second_factors::pending))
                .first(conn)
                .optional()?;
            let Some((secret, pending)) = kept else { return Ok(SecondFactor::default()) };
            let left: i64 = backup_codes::table
                .filter(backup_codes::user_id.eq(Id::from(user)))
                .filter(backup_codes::used_at.is_null())
                .count()
                .get_result(conn)?;
            Ok(SecondFactor { secret, pending, backup_codes: u32::try_from(left).unwrap_or(u32::MAX) })
        })
    }

    fn propose(&self, user: UserId, pending: &[u8], audit: &[AuditEntry]) -> Result<bool, StoreError> {
        let (pending, audit) = (pending.to_vec(), audit.to_vec());
        self.change(move |conn| {
            let user = Id::from(user);
            pg::lock_user(conn, user)?;
            let kept: Option<Option<Vec<u8>>> =
                second_factors::table.find(user).select(second_factors::secret).first(conn).optional()?;
            match kept {
                Some(Some(_on)) => return Ok((false, Effects::NONE)),
                Some(None) => {
                    let values = second_factors::pending.eq(Some(pending));
                    diesel::update(second_factors::table.find(user)).set(values).execute(conn)?;
                }
                None => {
                    diesel::insert_into(second_factors::table)
                        .values((
                            second_factors::user_id.eq(user),
                            second_factors::pending.eq(Some(pending)),
                            second_factors::last_step.eq(NO_STEP),
                            second_factors::wrong.eq(0),
                        ))
                        .execute(conn)?;
                }
            }
            Ok((true, Effects::new(Vec::new(), audit)))
        })
    }

    fn enable(&self, factor: &NewSecondFactor) -> Result<bool, StoreError> {
        let factor = factor.clone();
        self.change(move |conn| {
            let user = Id::from(factor.user);
            pg::lock_user(conn, user)?;
            let none: Option<Vec<u8>> = None;
            let on = diesel::update(second_factors::table.find(user))
                .filter(second_factors::secret.is_null())
                .filter(second_factors::pending.eq(Some(&factor.pending)))
                .set((
                    second_factors::secret.eq(Some(&factor.pending)),
                    second_factors::pending.eq(none),
                    second_factors::last_step.eq(factor.step),
                ))
                .execute(conn)?;
            if on == 0 {
                return Ok((false, Effects::NONE));
            }
            replace_backup_codes(conn, user, &factor.backup_codes)?;
            queue(conn, factor.mail.as_ref())?;
            let ended = session::end_others(conn, factor.user, Some(factor.session), factor.now)?;
            Ok((true, Effects::new(ended, factor.audit)))
        })
    }

    fn challenge(&self, challenge: &NewChallenge) -> Result<bool, StoreError> {
        let challenge = challenge.clone();
        self.change(move |conn| {
            let user = Id::from(challenge.user);
            pg::lock_user(conn, user)?;
            if let Some(password) = &challenge.password
                && !password::is_still(conn, user, password)?
            {
                return Ok((false, Effects::NONE));
            }
            if !is_on(conn, user)? {
                return Ok((false, Effects::NONE));
            }
            let created_at = Ts::from(challenge.created_at);
            diesel::delete(mfa_tokens::table)
                .filter(mfa_tokens::user_id.eq(user))
                .filter(mfa_tokens::expires_at.le(created_at))
                .execute(conn)?;
            diesel::insert_into(mfa_tokens::table)
                .values((
                    mfa_tokens::hash.eq(challenge.token.as_slice()),
                    mfa_tokens::user_id.eq(user),
                    mfa_tokens::created_at.eq(created_at),
                    mfa_tokens::expires_at.eq(Ts::from(challenge.expires_at)),
                ))
                .execute(conn)?;
            Ok((true, Effects::new(Vec::new(), challenge.audit)))
        })
    }

    fn challenged(&self, tokens: &[[u8; 32]], now: Time) -> Result<Option<([u8; 32], UserId)>, StoreError> {
        let tokens: Vec<Vec<u8>> = tokens.iter().map(|hash| hash.to_vec()).collect();
        self.lookup(move |conn| {
            let found: Option<(Vec<u8>, Id)> = mfa_tokens::table
                .filter(mfa_tokens::hash.eq_any(tokens))
                .filter(mfa_tokens::expires_at.gt(Ts::from(now)))
                .select((mfa_tokens::hash, mfa_tokens::user_id))
                .first(conn)
                .optional()?;
            let Some((hash, user)) = found else { return Ok(None) };
            let hash = <[u8; 32]>::try_from(hash)
                .map_err(|_long| StoreError::Corrupt { table: "mfa_tokens", what: "hash" })?;
            Ok(Some((hash, user.into())))
        })
    }

    fn sign_in(
        &self,
        session: &NewSession,
        token: &[u8; 32],
        attempt: &CodeAttempt,
    ) -> Result<Verdict, StoreError> {
        let (new, token, attempt) = (session.clone(), *token, attempt.clone());
        self.change(move |conn| {
            let user = Id::from(new.session.user_id);
            pg::lock_user(conn, user)?;
            let known: Option<Vec<u8>> = mfa_tokens::table
                .find(token.as_slice())
                .filter(mfa_tokens::user_id.eq(user))
                .filter(mfa_tokens::expires_at.gt(Ts::from(attempt.now)))
                .select(mfa_tokens::hash)
                .first(conn)
                .optional()?;
            if known.is_none() || attempt.user != new.session.user_id {
                return Ok((Verdict::Stale, Effects::NONE));
            }
            let (verdict, mut told) = attempt::take(conn, &attempt)?;
            if verdict != Verdict::Done {
                return Ok((verdict, Effects::new(Vec::new(), told)));
            }
            diesel::delete(mfa_tokens::table.find(token.as_slice())).execute(conn)?;
            begin_anew(conn, user)?;
            session::insert(conn, &new)?;
            told.extend(new.audit);
            Ok((Verdict::Done, Effects::new(Vec::new(), told)))
        })
    }

    fn confirm(&self, confirmed: &ConfirmedChange) -> Result<Verdict, StoreError> {
        let ConfirmedChange { attempt, password, change, audit, mail } = confirmed.clone();
        self.change(move |conn| {
            let user = Id::from(attempt.user);
            pg::lock_user(conn, user)?;
            if !is_password(conn, user, password.as_ref())? {
                return Ok((Verdict::Stale, Effects::NONE));
            }
            let (verdict, mut told) = attempt::take(conn, &attempt)?;
            if verdict != Verdict::Done {
                return Ok((verdict, Effects::new(Vec::new(), told)));
            }
            match change {
                FactorChange::Off => drop(remove(conn, attempt.user)?),
                FactorChange::BackupCodes(codes) => replace_backup_codes(conn, user, &codes)?,
            }
            queue(conn, mail.as_ref())?;
            told.extend(audit);
            Ok((Verdict::Done, Effects::new(Vec::new(), told)))
        })
    }

    fn reset(&self, reset: &FactorReset) -> Result<bool, StoreError> {
        let reset = reset.clone();
        self.change(move |conn| {
            pg::lock_user(conn, reset.user.into())?;
            if !remove(conn, reset.user)? {
                return Ok((false, Effects::NONE));
            }
            queue(conn, reset.mail.as_ref())?;
            let ended = session::end_others(conn, reset.user, None, reset.now)?;
            Ok((true, Effects::new(ended, reset.audit)))
        })
    }

    fn forget(&self, before: Time, limit: u32) -> Result<u64, StoreError> {
        self.write(move |conn| {
            let old: Vec<Vec<u8>> = mfa_tokens::table
                .filter(mfa_tokens::expires_at.lt(Ts::from(before)))
                .limit(limit.into())
                .select(mfa_tokens::hash)
                .load(conn)?;
            let forgotten =
                diesel::delete(mfa_tokens::table.filter(mfa_tokens::hash.eq_any(old))).execute(conn)?;
            Ok(u64::try_from(forgotten).unwrap_or(u64::MAX))
        })
    }
}

/// Ends a user's second factor with all that belongs to it; gives whether there was one, pending or on. The user must
/// be held.
pub(crate) fn remove(conn: &mut Conn, user: UserId) -> Result<bool, Failure> {
    // Backup codes and tokens go with it.
    Ok(diesel::delete(second_factors::table.find(Id::from(user))).execute(conn)? > 0)
}

/// Makes every token useless that stands for a first factor which is none any more. The user must be held.
pub(crate) fn forget_first(conn: &mut Conn, user: UserId) -> Result<(), Failure> {
    diesel::delete(mfa_tokens::table.filter(mfa_tokens::user_id.eq(Id::from(user)))).execute(conn)?;
    Ok(())
}

/// Whether a user's is on. The user must be held where that shall stay so.
pub(crate) fn is_on(conn: &mut Conn, user: Id) -> Result<bool, Failure> {
    let secret: Option<Option<Vec<u8>>> =
        second_factors::table.find(user).select(second_factors::secret).first(conn).optional()?;
    Ok(secret.flatten().is_some())
}

/// Whether this is the user's password, or none where the user has none.
fn is_password(conn: &mut Conn, user: Id, password: Option<&ProvedPassword>) -> Result<bool, Failure> {
    if let Some(password) = password {
        return password::is_still(conn, user, password);
    }
    let stored: Option<Option<String>> =
        users::table.find(user).select(users::password_hash).first(conn).optional()?;
    Ok(stored == Some(None))
}

fn replace_backup_codes(conn: &mut Conn, user: Id, hashes: &[[u8; 32]]) -> Result<(), Failure> {
    diesel::delete(backup_codes::table.filter(backup_codes::user_id.eq(user))).execute(conn)?;
    for hash in hashes {
        diesel::insert_into(backup_codes::table)
            .values((backup_codes::user_id.eq(user), backup_codes::hash.eq(hash.as_slice())))
            .execute(conn)?;
    }
    Ok(())
}

fn queue(conn: &mut Conn, mail: Option<&NewMail>) -> Result<(), Failure> {
    mail.map_or(Ok(()), |mail| mail::insert(conn, mail))
}
