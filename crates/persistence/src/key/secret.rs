//! Secrets of keys: which key one opens, and how another takes its place.

use diesel::prelude::*;
use tollgate_domain::{ApiKey, KeyKind, Time};
use tollgate_store::{Change, KeyRotation, key::MAX_RETIRED};

use super::{check_maker, find};
use crate::{
    both::Conn,
    database::Effects,
    failure::Failure,
    pg,
    rows::key::KeyRow,
    schema::{api_keys, retired_secrets},
    types::{Id, Ts},
};

/// The key whose secret has this hash; by a retired secret, it expires with the grace.
pub fn by_hash(conn: &mut Conn, hash: &[u8], now: Time) -> Result<Option<ApiKey>, Failure> {
    let row =
        api_keys::table.filter(api_keys::hash.eq(hash)).select(KeyRow::as_select()).first(conn).optional()?;
    match row {
        Some(row) => Ok(Some(ApiKey::try_from(row)?)),
        None => by_retired(conn, hash, now),
    }
}

fn by_retired(conn: &mut Conn, hash: &[u8], now: Time) -> Result<Option<ApiKey>, Failure> {
    let found: Option<(KeyRow, Ts)> = retired_secrets::table
        .inner_join(api_keys::table)
        .filter(retired_secrets::hash.eq(hash))
        .filter(retired_secrets::good_until.gt(Ts::from(now)))
        .select((KeyRow::as_select(), retired_secrets::good_until))
        .first(conn)
        .optional()?;
    let Some((row, good_until)) = found else { return Ok(None) };
    let key = ApiKey::try_from(row)?;
    let end = good_until.time();
    let expires_at = Some(key.expires_at.map_or(end, |expires| expires.min(end)));
    Ok(Some(ApiKey { expires_at, ..key }))
}

/// Gives a key another secret; gives the key, and what that brings about.
pub fn rotate(conn: &mut Conn, rotation: &KeyRotation) -> Result<(Option<ApiKey>, Effects), Failure> {
    let id = Id::from(rotation.id);
    pg::lock_key(conn, id)?;
    let mine = |key: &ApiKey| rotation.owner.is_none_or(|owner| owner == key.user_id);
    let Some(key) = find(conn, id)?.filter(|key| mine(key) && key.revoked_at.is_none()) else {
        return Ok((None, Effects::NONE));
    };
    check_maker(conn, rotation.maker, rotation.now)?;
    let kind = if key.kind == KeyKind::Legacy { KeyKind::Ordinary } else { key.kind };
    let before: Vec<u8> = api_keys::table.find(id).select(api_keys::hash).first(conn)?;
    diesel::update(api_keys::table.find(id))
        .set((
            api_keys::hash.eq(rotation.hash.0.as_slice()),
            api_keys::kind.eq(kind.as_str()),
            api_keys::prefix.eq(&rotation.prefix),
            api_keys::preview.eq(&rotation.preview),
            api_keys::sealed.eq(rotation.sealed.as_deref()),
            api_keys::updated_at.eq(Ts::from(rotation.now)),
        ))
        .execute(conn)?;
    retire(conn, id, &before, rotation)?;
    let effects = Effects::new(vec![Change::Key(rotation.id)], rotation.audit.clone());
    Ok((find(conn, id)?, effects))
}

/// Keeps a secret under another hash; whether there was one.
pub fn rehash(conn: &mut Conn, from: &[u8], to: &[u8]) -> Result<bool, Failure> {
    let own = diesel::update(api_keys::table.filter(api_keys::hash.eq(from)))
        .set(api_keys::hash.eq(to))
        .execute(conn)?;
    let retired = diesel::update(retired_secrets::table.filter(retired_secrets::hash.eq(from)))
        .set(retired_secrets::hash.eq(to))
        .execute(conn)?;
    Ok(own > 0 || retired > 0)
}

/// Keeps the old secret as long as the grace lasts. A rotation without grace ends earlier ones' too: whoever asks for
/// it has lost a secret.
fn retire(conn: &mut Conn, key: Id, hash: &[u8], rotation: &KeyRotation) -> Result<(), Failure> {
    let Some(until) = rotation.grace_until else {
        diesel::delete(retired_secrets::table.filter(retired_secrets::key_id.eq(key))).execute(conn)?;
        return Ok(());
    };
    diesel::insert_into(retired_secrets::table)
        .values((
            retired_secrets::hash.eq(hash),
            retired_secrets::key_id.eq(key),
            retired_secrets::good_until.eq(Ts::from(until)),
        ))
        .execute(conn)?;
    // What was good until now goes on however short its grace is beside others'.
    let others: Vec<(Vec<u8>, Ts)> = retired_secrets::table
        .filter(retired_secrets::key_id.eq(key))
        .filter(retired_secrets::hash.ne(hash))
        .order(retired_secrets::good_until.desc())
        .select((retired_secrets::hash, retired_secrets::good_until))
        .load(conn)?;
    let room = MAX_RETIRED.saturating_sub(1);
    let over = |(place, (_, until)): &(usize, &(Vec<u8>, Ts))| *place >= room || until.time() <= rotation.now;
    let gone: Vec<&[u8]> =
        others.iter().enumerate().filter(over).map(|(_, (hash, _))| hash.as_slice()).collect();
    diesel::delete(retired_secrets::table.filter(retired_secrets::hash.eq_any(gone))).execute(conn)?;
    Ok(())
}
