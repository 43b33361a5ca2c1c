//! `MailTokenStore`.

use std::sync::Arc;

use chrono::TimeDelta;
use diesel::prelude::*;
use tollgate_domain::{AuditEntry, Time, UserId};
use tollgate_store::{
    Confirmation, Confirmed, EntryOf, Issue, MailPurpose, MailToken, MailTokenStore, NewMail, PasswordReset,
    SignUp, SignedUp, StoreError,
};
use uuid::Uuid;

use crate::{
    account,
    both::Conn,
    database::{Database, Effects},
    failure::Failure,
    mail, pg,
    rows::named,
    schema::{mail_tokens, users},
    sign_up,
    types::{Id, Ts},
};

const TABLE: &str = "mail_tokens";
/// Over which time tokens are counted.
const COUNTED_FOR: TimeDelta = TimeDelta::hours(1);
/// Nobody's id.
const NOBODY: Id = Id(Uuid::nil());

type Row = (Vec<u8>, String, Option<Id>, Option<String>, Vec<u8>, Ts, Ts, Option<Ts>);

impl MailTokenStore for Database {
    fn issue(&self, issue: &Issue) -> Result<bool, StoreError> {
        let Issue { token, mails, max_per_hour, audit } = issue.clone();
        self.change(move |conn| {
            let issued = insert(conn, &token, &mails, max_per_hour)?;
            Ok((issued, if issued { Effects::new(Vec::new(), audit) } else { Effects::NONE }))
        })
    }

    fn by_hash(&self, hash: &[u8; 32]) -> Result<Option<MailToken>, StoreError> {
        let hash = *hash;
        self.lookup(move |conn| find(conn, &hash))
    }

    fn sign_up(&self, wish: &SignUp) -> Result<SignedUp, StoreError> {
        let wish = wish.clone();
        self.change(move |conn| sign_up::sign_up(conn, &wish))
    }

    fn reset_password(&self, reset: &PasswordReset, revoked: &EntryOf) -> Result<bool, StoreError> {
        let (reset, revoked) = (reset.clone(), Arc::clone(revoked));
        self.change(move |conn| account::reset_password(conn, &reset, &revoked))
    }

    fn confirm(&self, confirmation: &Confirmation) -> Result<Confirmed, StoreError> {
        let confirmation = confirmation.clone();
        self.change(move |conn| sign_up::confirm(conn, &confirmation))
    }

    fn disown(&self, token: &[u8; 32], now: Time, audit: &[AuditEntry]) -> Result<bool, StoreError> {
        let (token, audit) = (*token, audit.to_vec());
        self.change(move |conn| {
            let disowned = sign_up::disown(conn, &token, now)?;
            Ok(disowned.map_or((false, Effects::NONE), |changes| (true, Effects::new(changes, audit))))
        })
    }

    fn forget(&self, before: Time, limit: u32) -> Result<u64, StoreError> {
        self.write(move |conn| {
            let gone: Vec<Vec<u8>> = mail_tokens::table
                .filter(mail_tokens::expires_at.lt(Ts::from(before)))
                .limit(limit.into())
                .select(mail_tokens::hash)
                .load(conn)?;
            let deleted = diesel::delete(mail_tokens::table.filter(mail_tokens::hash.eq_any(gone)));
            Ok(u64::try_from(deleted.execute(conn)?).unwrap_or(u64::MAX))
        })
    }
}

/// Makes a token and queues its mails, unless there were too many.
pub(crate) fn insert(
    conn: &mut Conn,
    token: &MailToken,
    mails: &[NewMail],
    max_per_hour: u32,
) -> Result<bool, Failure> {
    pg::lock_address(conn, &token.address)?;
    let user = held(conn, token.user)?;
    let created_at = Ts::from(token.created_at);
    if token.purpose != MailPurpose::Invitation {
        let count: i64 = mail_tokens::table
            .filter(
                mail_tokens::address
                    .eq(token.address.as_slice())
                    .or(mail_tokens::user_id.eq(user.unwrap_or(NOBODY))),
            )
            .filter(mail_tokens::created_at.gt(Ts::from(token.created_at - COUNTED_FOR)))
            .filter(mail_tokens::purpose.ne(MailPurpose::Invitation.as_str()))
            .count()
            .get_result(conn)?;
        if count >= i64::from(max_per_hour) {
            return Ok(false);
        }
        diesel::update(mail_tokens::table)
            .filter(mail_tokens::purpose.eq(token.purpose.as_str()))
            .filter(mail_tokens::ended_at.is_null())
            .filter(
                mail_tokens::user_id.eq(user.unwrap_or(NOBODY)).or(mail_tokens::user_id
                    .is_null()
                    .and(mail_tokens::address.eq(token.address.as_slice()))),
            )
            .set(mail_tokens::ended_at.eq(Some(created_at)))
            .execute(conn)?;
    }
    diesel::insert_into(mail_tokens::table)
        .values((
            mail_tokens::hash.eq(token.hash.as_slice()),
            mail_tokens::purpose.eq(token.purpose.as_str()),
            mail_tokens::user_id.eq(user),
            mail_tokens::email.eq(token.email.as_ref().map(|email| email.as_str().to_owned())),
            mail_tokens::address.eq(token.address.as_slice()),
            mail_tokens::created_at.eq(created_at),
            mail_tokens::expires_at.eq(Ts::from(token.expires_at)),
            mail_tokens::ended_at.eq(token.ended_at.map(Ts::from)),
        ))
        .execute(conn)?;
    for mail in mails {
        mail::insert(conn, mail)?;
    }
    Ok(true)
}

/// The user, held until the end of the transaction; nobody where it was deleted meanwhile.
fn held(conn: &mut Conn, user: Option<UserId>) -> Result<Option<Id>, Failure> {
    let Some(user) = user.map(Id::from) else { return Ok(None) };
    pg::lock_user(conn, user)?;
    Ok(users::table.find(user).select(users::id).first(conn).optional()?)
}

/// Uses a token up: gives what it was, if it was good and for one of these purposes. Of two at once the second waits
/// here for the first, and finds it used.
pub(crate) fn spend(
    conn: &mut Conn,
    hash: &[u8; 32],
    purposes: &[MailPurpose],
    now: Time,
) -> Result<Option<MailToken>, Failure> {
    let names: Vec<&str> = purposes.iter().map(|purpose| purpose.as_str()).collect();
    let spent = diesel::update(mail_tokens::table.find(hash.as_slice()))
        .filter(mail_tokens::purpose.eq_any(names))
        .filter(mail_tokens::ended_at.is_null())
        .filter(mail_tokens::expires_at.gt(Ts::from(now)))
        .set(mail_tokens::ended_at.eq(Some(Ts::from(now))))
        .execute(conn)?;
    if spent == 0 { Ok(None) } else { find(conn, hash) }
}

/// Ends what was asked for while the user had another password: that, or another address, or the end of the account.
/// That the address is confirmed hangs on no password.
pub(crate) fn end_wishes(conn: &mut Conn, user: Id, now: Time) -> Result<(), Failure> {
    diesel::update(mail_tokens::table)
        .filter(mail_tokens::user_id.eq(user))
        .filter(mail_tokens::ended_at.is_null())
        .filter(mail_tokens::purpose.ne(MailPurpose::Verification.as_str()))
        .set(mail_tokens::ended_at.eq(Some(Ts::from(now))))
        .execute(conn)?;
    Ok(())
}

/// Ends every token of a user.
pub(crate) fn end_all(conn: &mut Conn, user: Id, now: Time) -> Result<(), Failure> {
    diesel::update(mail_tokens::table)
        .filter(mail_tokens::user_id.eq(user))
        .filter(mail_tokens::ended_at.is_null())
        .set(mail_tokens::ended_at.eq(Some(Ts::from(now))))
        .execute(conn)?;
    Ok(())
}

pub(crate) fn find(conn: &mut Conn, hash: &[u8; 32]) -> Result<Option<MailToken>, Failure> {
    let row: Option<Row> = mail_tokens::table.find(hash.as_slice()).first(conn).optional()?;
    Ok(row.map(token).transpose()?)
}

fn token(row: Row) -> Result<MailToken, StoreError> {
    let (hash, purpose, user, email, address, created_at, expires_at, ended_at) = row;
    let corrupt = |what| StoreError::Corrupt { table: TABLE, what };
    Ok(MailToken {
        hash: hash.try_into().map_err(|_other_length| corrupt("hash"))?,
        purpose: MailPurpose::from_name(&purpose).ok_or_else(|| corrupt("purpose"))?,
        user: user.map(UserId::from),
        email: email.map(|email| named(&email, TABLE, "email")).transpose()?,
        address: address.try_into().map_err(|_other_length| corrupt("address"))?,
        created_at: created_at.time(),
        expires_at: expires_at.time(),
        ended_at: ended_at.map(Ts::time),
    })
}
