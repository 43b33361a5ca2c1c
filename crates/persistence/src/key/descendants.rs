//! Keys that were made by a key, by those, and so on.

use std::collections::BTreeSet;

use diesel::prelude::*;
use tollgate_domain::{ApiKey, KeyId, Time, UserId};
use tollgate_store::{Change, EntryOf};

use super::{find, mark_revoked};
use crate::{both::Conn, database::Effects, failure::Failure, pg, schema::api_keys, types::Id};

/// Ids that are asked for in one statement.
const PIECE: usize = 500;

/// Revokes a key and its descendants; gives the key, and what that brings about.
pub fn revoke(
    conn: &mut Conn,
    id: KeyId,
    owner: Option<UserId>,
    now: Time,
    audit: &EntryOf,
) -> Result<(Option<ApiKey>, Effects), Failure> {
    let found = find(conn, id.into())?;
    let Some(key) = found.filter(|key| owner.is_none_or(|owner| owner == key.user_id)) else {
        return Ok((None, Effects::NONE));
    };
    // A key that is made meanwhile waits, or is found.
    pg::lock_user(conn, key.user_id.into())?;
    let mut revoked = Vec::new();
    for id in live_of_tree(conn, id.into(), key.user_id.into())? {
        pg::lock_key(conn, id)?;
        if mark_revoked(conn, id, now)? {
            revoked.push(KeyId::from(id));
        }
    }
    let entries = revoked.iter().map(|id| audit(*id)).collect();
    let changes = revoked.into_iter().map(Change::Key).collect();
    Ok((find(conn, id.into())?, Effects::new(changes, entries)))
}

/// A key and those of its descendants of the same user that are not revoked, in the order of their ids. Each is visited
/// once, so that it ends; what is revoked is passed through and not held, for there may be a great many.
fn live_of_tree(conn: &mut Conn, root: Id, user: Id) -> Result<BTreeSet<Id>, Failure> {
    let (mut seen, mut live) = (BTreeSet::from([root]), BTreeSet::from([root]));
    let mut parents = vec![root];
    while !parents.is_empty() {
        let mut children = Vec::new();
        for piece in parents.chunks(PIECE) {
            let made: Vec<(Id, bool)> = api_keys::table
                .filter(api_keys::created_by_key.eq_any(piece.iter().map(|id| Some(*id))))
                .filter(api_keys::user_id.eq(user))
                .select((api_keys::id, api_keys::revoked_at.is_null()))
                .load(conn)?;
            live.extend(made.iter().filter(|(_, live)| *live).map(|(id, _)| *id));
            children.extend(made.into_iter().map(|(id, _)| id));
        }
        parents = children.into_iter().filter(|child| seen.insert(*child)).collect();
    }
    Ok(live)
}
