//! Passwords: the hash in a user's row, read and written together with what hangs on it.

use diesel::prelude::*;
use tollgate_store::{Change, Credentials, PasswordChange, ProvedPassword};

use crate::{
    both::Conn,
    database::Effects,
    failure::Failure,
    mail, mail_token, pg,
    rows::user::UserRow,
    schema::users,
    second_factor, session,
    types::{Id, Ts},
};

/// The user of this id, with the hash.
pub fn credentials(conn: &mut Conn, user: Id) -> Result<Option<Credentials>, Failure> {
    let row: Option<(UserRow, Option<String>)> = users::table
        .find(user)
        .select((UserRow::as_select(), users::password_hash))
        .first(conn)
        .optional()?;
    let credentials =
        |(row, password_hash): (UserRow, _)| Ok(Credentials { user: row.try_into()?, password_hash });
    row.map(credentials).transpose()
}

/// Changes a password and ends the other sessions; gives whether, and what changed.
pub fn change(conn: &mut Conn, change: &PasswordChange) -> Result<(bool, Effects), Failure> {
    let user = Id::from(change.user);
    if !is(conn, user, &change.before)? {
        return Ok((false, Effects::NONE));
    }
    let own = session::find(conn, change.session.into())?
        .is_some_and(|session| session.user_id == change.user && session.is_open(change.now));
    if !own {
        return Ok((false, Effects::NONE));
    }
    let values = (users::password_hash.eq(Some(&change.after)), users::updated_at.eq(Ts::from(change.now)));
    diesel::update(users::table.find(user)).set(values).execute(conn)?;
    second_factor::forget_first(conn, change.user)?;
    mail_token::end_wishes(conn, user, change.now)?;
    if let Some(mail) = &change.mail {
        mail::insert(conn, mail)?;
    }
    let mut changes = vec![Change::User(change.user)];
    changes.extend(session::end_others(conn, change.user, Some(change.session), change.now)?);
    Ok((true, Effects::new(changes, change.audit.clone())))
}

/// Whether a password is still the one that was checked; if so, replaces its hash where that is outdated, of which
/// nobody who remembers the user needs to hear.
pub fn is_still(conn: &mut Conn, user: Id, password: &ProvedPassword) -> Result<bool, Failure> {
    if !is(conn, user, &password.hash)? {
        return Ok(false);
    }
    if let Some(replacement) = &password.replacement {
        diesel::update(users::table.find(user))
            .set(users::password_hash.eq(Some(replacement)))
            .execute(conn)?;
    }
    Ok(true)
}

/// Whether this is the user's hash. Who changes it waits until the end of the transaction.
pub(crate) fn is(conn: &mut Conn, user: Id, hash: &str) -> Result<bool, Failure> {
    pg::lock_user(conn, user)?;
    let stored: Option<Option<String>> =
        users::table.find(user).select(users::password_hash).first(conn).optional()?;
    Ok(stored.flatten().as_deref() == Some(hash))
}
