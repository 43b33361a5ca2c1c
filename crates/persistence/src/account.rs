//! What happens to a whole account at once: it is made, cleaned of what others left in it, deleted.

use diesel::prelude::*;
use tollgate_domain::{KeyId, SessionId, Time, User, UserId};
use tollgate_store::{Change, Deletion, DeletionProof, EntryOf, MailPurpose, NewKey, NewUser, PasswordReset};

use crate::{
    attempt, audit,
    both::Conn,
    database::Effects,
    erasure,
    failure::Failure,
    key, mail, mail_token, password, pg,
    rows::user::UserRow,
    schema::{api_keys, external_identities, sessions, users},
    second_factor, session,
    types::Id,
};

/// Makes a user and perhaps its first key; gives what changed.
pub(crate) fn insert(
    conn: &mut Conn,
    new: &NewUser,
    first_key: Option<&NewKey>,
) -> Result<Vec<Change>, Failure> {
    let row = UserRow::from(&new.user);
    let values = (&row, users::password_hash.eq(new.password_hash.as_deref()));
    diesel::insert_into(users::table).values(values).execute(conn)?;
    let mut changes = vec![Change::User(new.user.id)];
    if let Some(first) = first_key {
        key::insert(conn, first)?;
        changes.push(Change::Key(first.key.id));
    }
    Ok(changes)
}

pub(crate) fn find(conn: &mut Conn, id: Id) -> Result<Option<User>, Failure> {
    let row = users::table.find(id).select(UserRow::as_select()).first(conn).optional()?;
    Ok(row.map(User::try_from).transpose()?)
}

/// Sets a password for who has read a mail; gives whether, and what that brings about. `revoked` tells of each key that
/// ends with it.
pub(crate) fn reset_password(
    conn: &mut Conn,
    reset: &PasswordReset,
    revoked: &EntryOf,
) -> Result<(bool, Effects), Failure> {
    let user = Id::from(reset.user);
    pg::lock_user(conn, user)?;
    let refused = || Ok((false, Effects::NONE));
    let Some(before) = find(conn, user)? else { return refused() };
    let good = mail_token::find(conn, &reset.token)?
        .is_some_and(|token| token.user == Some(reset.user) && token.email == before.email);
    if !good || mail_token::spend(conn, &reset.token, &[MailPurpose::Reset], reset.now)?.is_none() {
        return refused();
    }
    let was_verified = before.is_verified;
    let mut keys = Vec::new();
    if !was_verified || reset.revoke_keys {
        keys = revoke_all_keys(conn, reset.user, reset.now)?;
    }
    let after = User { is_verified: true, updated_at: reset.now, ..before };
    let values = (UserRow::from(&after), users::password_hash.eq(Some(&reset.password_hash)));
    diesel::update(users::table.find(user)).set(values).execute(conn)?;
    if !was_verified {
        // Whoever made the account without owning the address may have left a way in.
        second_factor::remove(conn, reset.user)?;
        diesel::delete(external_identities::table.filter(external_identities::user_id.eq(user)))
            .execute(conn)?;
    }
    // What was begun with the password before comes to nothing.
    second_factor::forget_first(conn, reset.user)?;
    attempt::clear(conn, &reset.attempts, Some(reset.user))?;
    mail_token::end_all(conn, user, reset.now)?;
    let ended = session::end_others(conn, reset.user, None, reset.now)?;
    mail::insert(conn, &reset.mail)?;
    let entries = reset.audit.iter().cloned().chain(keys.iter().map(|key| revoked(*key))).collect();
    let changes = [Change::User(reset.user)]
        .into_iter()
        .chain(keys.into_iter().map(Change::Key))
        .chain(ended)
        .collect();
    Ok((true, Effects::new(changes, entries)))
}

/// Revokes every key of a user, in the order of their ids, and forgets sealed secrets; gives which.
fn revoke_all_keys(conn: &mut Conn, user: UserId, now: Time) -> Result<Vec<KeyId>, Failure> {
    let keys: Vec<Id> = api_keys::table
        .filter(api_keys::user_id.eq(Id::from(user)))
        .filter(api_keys::revoked_at.is_null())
        .order(api_keys::id)
        .select(api_keys::id)
        .load(conn)?;
    for id in &keys {
        pg::lock_key(conn, *id)?;
        key::mark_revoked(conn, *id, now)?;
    }
    Ok(keys.into_iter().map(KeyId::from).collect())
}

/// Deletes a user where the proof holds; gives whether, and what that brings about.
pub(crate) fn delete_proved(conn: &mut Conn, deletion: &Deletion) -> Result<(bool, Effects), Failure> {
    let user = Id::from(deletion.user);
    let holds = match &deletion.proof {
        DeletionProof::Password(hash) => password::is(conn, user, hash)?,
        DeletionProof::Mail(token) => {
            pg::lock_user(conn, user)?;
            let own = mail_token::find(conn, token)?.is_some_and(|token| token.user == Some(deletion.user));
            own && mail_token::spend(conn, token, &[MailPurpose::Deletion], deletion.now)?.is_some()
        }
        DeletionProof::Trusted => {
            pg::lock_user(conn, user)?;
            find(conn, user)?.is_some()
        }
    };
    if !holds {
        return Ok((false, Effects::NONE));
    }
    let changes = delete(conn, deletion.user, deletion.now)?;
    if let Some(mail) = &deletion.mail {
        mail::insert(conn, mail)?;
    }
    Ok((true, Effects::new(changes, deletion.audit.clone())))
}

/// Deletes a user with all that is the user's; gives what changed. The user must be held.
pub(crate) fn delete(conn: &mut Conn, user: UserId, now: Time) -> Result<Vec<Change>, Failure> {
    erasure::insert(conn, user, now)?;
    let email: Option<Option<String>> =
        users::table.find(Id::from(user)).select(users::email).first(conn).optional()?;
    if let Some(email) = email.flatten() {
        audit::forget_email(conn, user, &email)?;
    }
    let keys: Vec<Id> = api_keys::table
        .filter(api_keys::user_id.eq(Id::from(user)))
        .order(api_keys::id)
        .select(api_keys::id)
        .load(conn)?;
    let open: Vec<Id> = sessions::table
        .filter(sessions::user_id.eq(Id::from(user)))
        .filter(sessions::ended_at.is_null())
        .select(sessions::id)
        .load(conn)?;
    diesel::delete(users::table.find(Id::from(user))).execute(conn)?;
    let mut changes = vec![Change::User(user)];
    changes.extend(keys.into_iter().map(|id| Change::Key(KeyId::from(id))));
    changes.extend(open.into_iter().map(|id| Change::Session(SessionId::from(id))));
    Ok(changes)
}
