//! Keys that were made by a key, by those, and so on.

use diesel::{prelude::*, sql_query};
use tollgate_domain::{ApiKey, KeyId, Time, UserId};
use tollgate_store::{Change, EntryOf};

use super::{find, mark_revoked};
use crate::{
    both::Conn,
    database::Effects,
    failure::Failure,
    pg,
    types::{self, Id},
};

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

/// A key and its descendants of the same user, but for those that are revoked, in the order of their ids. Each is visited
/// once, so that it ends. Whoever holds a key can make and revoke a great many by it: they are passed through where they
/// lie, and none is held.
fn live_of_tree(conn: &mut Conn, root: Id, user: Id) -> Result<Vec<Id>, Failure> {
    // Whose each is, is asked in the end: it would lead to an index of all that the user has.
    let tree = sql_query(
        "WITH RECURSIVE tree (id, user_id, revoked) AS ( \
             SELECT id, user_id, revoked_at IS NOT NULL FROM api_keys WHERE id = $1 \
             UNION \
             SELECT k.id, k.user_id, k.revoked_at IS NOT NULL FROM tree t JOIN api_keys k ON k.created_by_key = t.id \
         ) SELECT id FROM tree WHERE user_id = $2 AND NOT revoked ORDER BY id",
    );
    let tree = tree.bind::<types::sql::Id, _>(root).bind::<types::sql::Id, _>(user);
    let live: Vec<Live> = match conn {
        Conn::Pg(conn) => tree.load(conn)?,
        Conn::Sqlite(conn) => tree.load(conn)?,
    };
    Ok(live.into_iter().map(|live| live.id).collect())
}

#[derive(QueryableByName)]
struct Live {
    #[diesel(sql_type = types::sql::Id)]
    id: Id,
}
