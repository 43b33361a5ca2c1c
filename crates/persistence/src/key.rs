//! `KeyStore`.

mod descendants;
mod secret;

use std::sync::Arc;

use diesel::{dsl::sql, prelude::*, sql_types::Bool};
use tollgate_domain::{ApiKey, AuditEntry, KeyHash, KeyId, KeyKind, Time, UserId};
use tollgate_store::{
    Change, Edit, EditorKey, EntryOf, Imported, KeyFilter, KeyImport, KeyRotation, KeyStore, ListedKey,
    Maker, NewKey, Page, PageRequest, StoreError,
};
use uuid::Uuid;

use crate::{
    both::{Conn, MultiBackend},
    database::{Database, Effects, UPKEEP},
    failure::Failure,
    import, pg,
    rows::key::{KeyRow, ListedRow, listed},
    schema::{api_keys, key_totals, users},
    session,
    types::{Id, Ts},
};

/// Hexadecimal digits of an id.
const ID_DIGITS: usize = 32;

/// Keys with what lists show beside them.
macro_rules! with_totals {
    () => {
        api_keys::table
            .inner_join(users::table)
            .left_join(key_totals::table.on(key_totals::key_id.eq(api_keys::id)))
            .select((
                KeyRow::as_select(),
                users::email,
                key_totals::request_count.nullable(),
                key_totals::last_used_at.nullable(),
            ))
    };
}

impl KeyStore for Database {
    fn create(&self, key: &NewKey, max_per_user: u32, audit: &[AuditEntry]) -> Result<bool, StoreError> {
        let audit = audit.to_vec();
        let key = key.clone();
        self.change(move |conn| {
            let user = Id::from(key.key.user_id);
            pg::lock_user(conn, user)?;
            let has: i64 = api_keys::table
                .filter(api_keys::user_id.eq(user))
                .filter(api_keys::revoked_at.is_null())
                .count()
                .get_result(conn)?;
            if has >= i64::from(max_per_user) {
                return Ok((false, Effects::NONE));
            }
            insert(conn, &key)?;
            Ok((true, Effects::new(vec![Change::Key(key.key.id)], audit)))
        })
    }

    fn by_hash(&self, hash: &KeyHash) -> Result<Option<ApiKey>, StoreError> {
        let hash = hash.0;
        let now = self.clock.now();
        self.lookup(move |conn| secret::by_hash(conn, &hash, now))
    }

    fn by_id(&self, id: KeyId) -> Result<Option<ListedKey>, StoreError> {
        self.read(move |conn| {
            let row: Option<ListedRow> =
                with_totals!().filter(api_keys::id.eq(Id::from(id))).first(conn).optional()?;
            Ok(row.map(listed).transpose()?)
        })
    }

    fn list(&self, filter: &KeyFilter, page: &PageRequest) -> Result<Page<ListedKey>, StoreError> {
        let (filter, page) = (*filter, *page);
        self.report(move |conn| {
            let mut query = with_totals!().into_boxed::<MultiBackend>();
            if let Some(user) = filter.user {
                query = query.filter(api_keys::user_id.eq(Id::from(user)));
            }
            if let Some(after) = page.after {
                query = query.filter(api_keys::id.lt(Id(after)));
            }
            if let Some(kind) = filter.kind {
                // Written out: SQLite finds an index of some rows by a value that it sees alone.
                query = query.filter(sql::<Bool>(&format!("api_keys.kind = '{}'", kind.as_str())));
            }
            if !filter.include_inactive {
                let now = Ts::from(filter.now);
                query = query.filter(api_keys::is_active).filter(api_keys::revoked_at.is_null()).filter(
                    api_keys::expires_at.is_null().or(api_keys::expires_at.assume_not_null().gt(now)),
                );
            }
            let rows: Vec<ListedRow> =
                query.order(api_keys::id.desc()).limit(i64::from(page.limit).saturating_add(1)).load(conn)?;
            let keys = rows.into_iter().map(listed).collect::<Result<Vec<_>, _>>()?;
            Ok(Page::from_overfull(keys, page.limit, |listed| listed.key.id.as_uuid()))
        })
    }

    fn edit(
        &self,
        id: KeyId,
        edit: Edit<ApiKey>,
        now: Time,
        audit: &[AuditEntry],
    ) -> Result<Option<ApiKey>, StoreError> {
        let audit = audit.to_vec();
        self.change(move |conn| {
            pg::lock_key(conn, id.into())?;
            let Some(before) = find(conn, id.into())? else {
                return Ok((None, Effects::NONE));
            };
            let mut after = before.clone();
            edit(&mut after);
            // Whose it is, why it was made and that it was revoked are for ever.
            let after = ApiKey {
                id: before.id,
                user_id: before.user_id,
                kind: before.kind,
                revoked_at: before.revoked_at,
                created_at: before.created_at,
                updated_at: now,
                ..after
            };
            if (ApiKey { updated_at: before.updated_at, ..after.clone() }) == before {
                return Ok((Some(before), Effects::NONE));
            }
            diesel::update(api_keys::table.find(Id::from(id))).set(KeyRow::from(&after)).execute(conn)?;
            Ok((find(conn, id.into())?, Effects::new(vec![Change::Key(id)], audit)))
        })
    }

    fn revoke(
        &self,
        id: KeyId,
        owner: Option<UserId>,
        now: Time,
        audit: &[AuditEntry],
    ) -> Result<Option<ApiKey>, StoreError> {
        let audit = audit.to_vec();
        self.change(move |conn| {
            pg::lock_key(conn, id.into())?;
            let found = find(conn, id.into())?;
            let Some(key) = found.filter(|key| owner.is_none_or(|owner| owner == key.user_id)) else {
                return Ok((None, Effects::NONE));
            };
            if key.revoked_at.is_some() {
                return Ok((Some(key), Effects::NONE));
            }
            mark_revoked(conn, id.into(), now)?;
            Ok((find(conn, id.into())?, Effects::new(vec![Change::Key(id)], audit)))
        })
    }

    fn revoke_descendants(
        &self,
        id: KeyId,
        owner: Option<UserId>,
        now: Time,
        audit: &EntryOf,
    ) -> Result<Option<ApiKey>, StoreError> {
        let audit = Arc::clone(audit);
        self.change(move |conn| descendants::revoke(conn, id, owner, now, &audit))
    }

    fn rotate(&self, rotation: &KeyRotation) -> Result<Option<ApiKey>, StoreError> {
        let rotation = rotation.clone();
        self.change(move |conn| secret::rotate(conn, &rotation))
    }

    fn rehash(&self, from: &KeyHash, to: &KeyHash) -> Result<bool, StoreError> {
        let (from, to) = (from.0, to.0);
        // What remembers the key under the old hash is right to do so: it is the same secret.
        self.write(move |conn| secret::rehash(conn, &from, &to))
    }

    fn editor(&self, user: UserId) -> Result<Option<EditorKey>, StoreError> {
        self.read(move |conn| editor(conn, user.into()))
    }

    fn create_editor(&self, key: &NewKey, audit: &[AuditEntry]) -> Result<EditorKey, StoreError> {
        let audit = audit.to_vec();
        let key = key.clone();
        self.change(move |conn| {
            let user = Id::from(key.key.user_id);
            pg::lock_user(conn, user)?;
            if let Some(editor) = editor(conn, user)? {
                return Ok((editor, Effects::NONE));
            }
            insert(conn, &key)?;
            let made = editor(conn, user)?
                .ok_or(StoreError::Rejected("an editor key needs its kind and its sealed secret".into()))?;
            Ok((made, Effects::new(vec![Change::Key(key.key.id)], audit)))
        })
    }

    fn import(&self, batch: &[KeyImport], dry_run: bool) -> Result<Vec<Imported>, StoreError> {
        let batch = batch.to_vec();
        if dry_run {
            return self.within(UPKEEP, move |conn| import::judge_keys(conn, &batch));
        }
        self.change_within(UPKEEP, move |conn| import::keys(conn, &batch))
    }

    fn ids_by_prefix(&self, prefix: &str, limit: u32) -> Result<Vec<KeyId>, StoreError> {
        let Some((first, last)) = range(prefix) else {
            return Ok(Vec::new());
        };
        self.read(move |conn| {
            let ids: Vec<Id> = api_keys::table
                .filter(api_keys::id.between(first, last))
                .order(api_keys::id)
                .limit(limit.into())
                .select(api_keys::id)
                .load(conn)?;
            Ok(ids.into_iter().map(KeyId::from).collect())
        })
    }
}

/// That what a key or a secret is made with is still what it was when it was recognised: what has ended leaves none
/// behind, a secret that a rotation took neither, and what was narrowed none that holds more.
fn check_maker(conn: &mut Conn, maker: Option<Maker>, now: Time) -> Result<(), Failure> {
    let is_good = match maker {
        None => true,
        Some(Maker::Session(id)) => {
            session::find(conn, id.into())?.is_some_and(|session| session.is_open(now))
        }
        Some(Maker::Key(id, changed_at)) => {
            find(conn, id.into())?.is_some_and(|key| key.check(now).is_ok() && key.updated_at == changed_at)
        }
    };
    if is_good { Ok(()) } else { Err(StoreError::Conflict { entity: "key", field: "maker" }.into()) }
}

/// Inserts a key. Where it is the maker's own user's, that user must be held: whoever ends all sessions and keys of one is
/// then seen, or finds the new key.
pub fn insert(conn: &mut Conn, new: &NewKey) -> Result<(), Failure> {
    check_maker(conn, new.maker, new.key.created_at)?;
    diesel::insert_into(api_keys::table)
        .values((
            KeyRow::from(&new.key),
            api_keys::hash.eq(new.hash.0.as_slice()),
            api_keys::sealed.eq(new.sealed.as_deref()),
        ))
        .execute(conn)?;
    Ok(())
}

/// Revokes a key that is held, and forgets its sealed secret; whether it was not revoked before.
pub(crate) fn mark_revoked(conn: &mut Conn, id: Id, now: Time) -> Result<bool, Failure> {
    let open = api_keys::table.find(id).filter(api_keys::revoked_at.is_null());
    let revoked = diesel::update(open)
        .set((
            api_keys::revoked_at.eq(Some(Ts::from(now))),
            api_keys::updated_at.eq(Ts::from(now)),
            api_keys::sealed.eq(None::<Vec<u8>>),
        ))
        .execute(conn)?;
    Ok(revoked > 0)
}

fn find(conn: &mut Conn, id: Id) -> Result<Option<ApiKey>, Failure> {
    let row = api_keys::table.find(id).select(KeyRow::as_select()).first(conn).optional()?;
    Ok(row.map(ApiKey::try_from).transpose()?)
}

fn editor(conn: &mut Conn, user: Id) -> Result<Option<EditorKey>, Failure> {
    let row: Option<(KeyRow, Option<Vec<u8>>)> = api_keys::table
        .filter(api_keys::user_id.eq(user))
        .filter(api_keys::kind.eq(KeyKind::Editor.as_str()))
        .filter(api_keys::revoked_at.is_null())
        .select((KeyRow::as_select(), api_keys::sealed))
        .first(conn)
        .optional()?;
    let Some((row, sealed)) = row else { return Ok(None) };
    let sealed = sealed.ok_or(StoreError::Corrupt { table: "api_keys", what: "sealed secret" })?;
    Ok(Some(EditorKey { key: row.try_into()?, sealed }))
}

/// The first and the last id that begin with `prefix`; `None` where none can.
fn range(prefix: &str) -> Option<(Id, Id)> {
    if prefix.len() > ID_DIGITS || !prefix.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let filled = |digit: char| {
        let text: String = prefix.chars().chain(std::iter::repeat(digit)).take(ID_DIGITS).collect();
        Uuid::try_parse(&text).map(Id).ok()
    };
    filled('0').zip(filled('f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_hexadecimal_and_no_longer_than_an_id() {
        assert!(range("").is_some());
        assert!(range(&"a".repeat(32)).is_some_and(|(first, last)| first == last));
        for prefix in ["g", "0-", "é", &"a".repeat(33)] {
            assert_eq!(range(prefix), None, "{prefix}");
        }
    }
}
