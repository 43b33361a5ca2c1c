//! Taking over users and keys of other systems.

use diesel::prelude::*;
use tollgate_domain::{ApiKey, KeyHash, User, UserId};
use tollgate_store::{
    Change, StoreError,
    import::{Imported, KeyImport, UserImport},
};

use crate::{
    both::{Conn, each},
    database::Effects,
    failure::Failure,
    pg,
    rows::{key::KeyRow, user::UserRow},
    schema::{api_keys, imported_keys, key_totals, users},
    types::{Id, Ts},
};

/// What would become of these users.
pub(crate) fn judge_users(conn: &mut Conn, batch: &[UserImport]) -> Result<Vec<Imported>, Failure> {
    batch.iter().map(|new| Ok(known(conn, &new.user)?.unwrap_or(Imported::Made))).collect()
}

/// Takes users over; gives what became of each, and what that brings about.
pub(crate) fn users(conn: &mut Conn, batch: &[UserImport]) -> Result<(Vec<Imported>, Effects), Failure> {
    pg::lock_imports(conn)?;
    let mut effects = Effects::NONE;
    let mut became = Vec::with_capacity(batch.len());
    for new in batch {
        became.push(match known(conn, &new.user)? {
            Some(known) => known,
            None if insert_user(conn, new, &mut effects)? => Imported::Made,
            // Somebody else has made the user just now.
            None => Imported::Known,
        });
    }
    Ok((became, effects))
}

/// What would become of these keys.
pub(crate) fn judge_keys(conn: &mut Conn, batch: &[KeyImport]) -> Result<Vec<Imported>, Failure> {
    batch
        .iter()
        .map(|new| {
            Ok(match is_known(conn, &new.hashes)? {
                true => Imported::Known,
                false if owner_of(conn, &new.owner.user)?.is_some() => Imported::Made,
                false => Imported::MadeWithOwner,
            })
        })
        .collect()
}

/// Takes keys over; gives what became of each, and what that brings about.
pub(crate) fn keys(conn: &mut Conn, batch: &[KeyImport]) -> Result<(Vec<Imported>, Effects), Failure> {
    pg::lock_imports(conn)?;
    let mut effects = Effects::NONE;
    let mut became = Vec::with_capacity(batch.len());
    for new in batch {
        became.push(key(conn, new, &mut effects)?);
    }
    Ok((became, effects))
}

fn key(conn: &mut Conn, new: &KeyImport, effects: &mut Effects) -> Result<Imported, Failure> {
    let hash = new.hashes.first().ok_or(StoreError::Rejected("an imported key needs a hash".into()))?;
    if is_known(conn, &new.hashes)? {
        if new.hashes.len() > 1 {
            // Under the newest pepper as well: the others may go.
            note(conn, hash)?;
        }
        return Ok(Imported::Known);
    }
    note(conn, hash)?;
    let found = owner_of(conn, &new.owner.user)?;
    let made = found.is_none() && insert_user(conn, &new.owner, effects)?;
    let owner = match found {
        Some(owner) => Some(owner),
        None if made => Some(new.owner.user.id),
        // Somebody else has made the user just now.
        None => owner_of(conn, &new.owner.user)?,
    };
    let Some(owner) = owner.map(|owner| held(conn, owner)).transpose()?.flatten() else {
        forget(conn, hash)?;
        return Ok(Imported::Contended);
    };
    let key = ApiKey { user_id: owner, ..new.key.clone() };
    diesel::insert_into(api_keys::table)
        .values((
            KeyRow::from(&key),
            api_keys::hash.eq(hash.0.as_slice()),
            api_keys::sealed.eq(None::<&[u8]>),
        ))
        .execute(conn)?;
    if let Some(used) = new.last_used_at {
        let values = (
            key_totals::key_id.eq(Id::from(key.id)),
            key_totals::request_count.eq(0),
            key_totals::last_used_at.eq(Ts::from(used)),
        );
        diesel::insert_into(key_totals::table).values(values).execute(conn)?;
    }
    effects.changes.push(Change::Key(key.id));
    effects.audit.push(new.audit.clone());
    Ok(if made { Imported::MadeWithOwner } else { Imported::Made })
}

/// Whether there is such a key, or was one that was imported.
fn is_known(conn: &mut Conn, hashes: &[KeyHash]) -> Result<bool, Failure> {
    for hash in hashes {
        let hash = hash.0.as_slice();
        let here: i64 = api_keys::table.filter(api_keys::hash.eq(hash)).count().get_result(conn)?;
        if here > 0 {
            return Ok(true);
        }
        let before: i64 =
            imported_keys::table.filter(imported_keys::hash.eq(hash)).count().get_result(conn)?;
        if before > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Notes for ever that a key was imported.
fn note(conn: &mut Conn, hash: &KeyHash) -> Result<(), Failure> {
    let value = imported_keys::hash.eq(hash.0.as_slice());
    each!(conn, conn => {
        diesel::insert_into(imported_keys::table).values(value).on_conflict_do_nothing().execute(conn)
    })?;
    Ok(())
}

fn forget(conn: &mut Conn, hash: &KeyHash) -> Result<(), Failure> {
    diesel::delete(imported_keys::table.filter(imported_keys::hash.eq(hash.0.as_slice()))).execute(conn)?;
    Ok(())
}

/// What an import tells of a user who is here already; `None` of one who is not.
fn known(conn: &mut Conn, user: &User) -> Result<Option<Imported>, Failure> {
    let Some(id) = owner_of(conn, user)? else { return Ok(None) };
    let Some(email) = &user.email else { return Ok(Some(Imported::Known)) };
    let own: Option<Option<String>> =
        users::table.find(Id::from(id)).select(users::email).first(conn).optional()?;
    let is_other = own.flatten().is_some_and(|own| own != email.as_str());
    Ok(Some(if is_other { Imported::IdTaken } else { Imported::Known }))
}

/// By external id, then by our own, then by address.
fn owner_of(conn: &mut Conn, user: &User) -> Result<Option<UserId>, Failure> {
    if let Some(external_id) = &user.external_id {
        let id: Option<Id> = users::table
            .filter(users::external_id.eq(external_id))
            .select(users::id)
            .first(conn)
            .optional()?;
        if let Some(id) = id {
            return Ok(Some(id.into()));
        }
        if let Ok(own) = external_id.parse::<UserId>() {
            let id: Option<Id> = users::table.find(Id::from(own)).select(users::id).first(conn).optional()?;
            if let Some(id) = id {
                return Ok(Some(id.into()));
            }
        }
    }
    let Some(email) = &user.email else { return Ok(None) };
    let id: Option<Id> =
        users::table.filter(users::email.eq(email.as_str())).select(users::id).first(conn).optional()?;
    Ok(id.map(UserId::from))
}

/// The user, held until the end of the transaction; `None` where it is gone.
fn held(conn: &mut Conn, user: UserId) -> Result<Option<UserId>, Failure> {
    pg::lock_user(conn, user.into())?;
    let id: Option<Id> = users::table.find(Id::from(user)).select(users::id).first(conn).optional()?;
    Ok(id.map(UserId::from))
}

/// Makes a user; `false` where somebody else has the address or the external id.
fn insert_user(conn: &mut Conn, new: &UserImport, effects: &mut Effects) -> Result<bool, Failure> {
    let row = UserRow::from(&new.user);
    let values = (&row, users::password_hash.eq(new.password_hash.as_deref()));
    let made = each!(conn, conn => {
        diesel::insert_into(users::table).values(values).on_conflict_do_nothing().execute(conn)
    })?;
    if made > 0 {
        effects.changes.push(Change::User(new.user.id));
        effects.audit.push(new.audit.clone());
    }
    Ok(made > 0)
}
