//! `AuditStore`, and how entries get their place in the chain.

use diesel::prelude::*;
use tollgate_domain::{AuditEntry, AuditHead, AuditRow, Pepper, Personal, UserId};
use tollgate_store::{AuditFilter, AuditStore, ChainedRow, ListedEntry, StoreError};
use uuid::Uuid;

use crate::{
    both::{Conn, MultiBackend},
    database::{Database, Effects},
    failure::Failure,
    schema::{audit_head, audit_log, audit_personal},
    types::{Id, Ts},
};

/// The kinds of what an entry may be about, as they stand before its id.
const KINDS: [&str; 3] = ["user", "key", "session"];

type Row = (i64, Id, Ts, String, String, String, Vec<u8>);
type PersonalRow = (Option<Id>, Option<String>, Option<String>, Option<String>);

/// Chains entries to the last row. From here to the commit everybody else who has something to tell waits.
pub fn append(conn: &mut Conn, pepper: &Pepper, entries: &[AuditEntry]) -> Result<(), Failure> {
    if entries.is_empty() {
        return Ok(());
    }
    let count = i64::try_from(entries.len()).unwrap_or(i64::MAX);
    // Raised before it is read: who comes at the same time waits here, and reads what this one has written.
    let (last, stored): (i64, Vec<u8>) = diesel::update(audit_head::table)
        .set(audit_head::seq.eq(audit_head::seq + count))
        .returning((audit_head::seq, audit_head::hash))
        .get_result(conn)?;
    let mut hash = read_hash(&stored)?;
    for (seq, entry) in (last.saturating_sub(count).saturating_add(1)..).zip(entries) {
        let row = AuditRow::new(seq, entry);
        hash = row.hashes(pepper, &hash).into_iter().next().unwrap_or_default();
        insert(conn, &row, &hash, &entry.personal)?;
    }
    diesel::update(audit_head::table).set(audit_head::hash.eq(hash.as_slice())).execute(conn)?;
    Ok(())
}

fn insert(conn: &mut Conn, row: &AuditRow, hash: &[u8], personal: &Personal) -> Result<(), Failure> {
    diesel::insert_into(audit_log::table)
        .values((
            audit_log::seq.eq(row.seq),
            audit_log::id.eq(Id::from(row.id)),
            audit_log::at.eq(Ts::from(row.at)),
            audit_log::actor.eq(&row.actor),
            audit_log::action.eq(&row.action),
            audit_log::subject.eq(&row.subject),
            audit_log::hash.eq(hash),
        ))
        .execute(conn)?;
    diesel::insert_into(audit_personal::table)
        .values((
            audit_personal::seq.eq(row.seq),
            audit_personal::user_id.eq(personal.user.map(Id::from)),
            audit_personal::ip.eq(&personal.ip),
            audit_personal::user_agent.eq(&personal.user_agent),
            audit_personal::email.eq(&personal.email),
        ))
        .execute(conn)?;
    Ok(())
}

fn read_hash(stored: &[u8]) -> Result<[u8; 32], StoreError> {
    stored.try_into().map_err(|_other_length| StoreError::Corrupt { table: "audit_head", what: "hash" })
}

fn chained((seq, id, at, actor, action, subject, hash): Row) -> ChainedRow {
    ChainedRow { row: AuditRow { seq, id: id.into(), at: at.time(), actor, action, subject }, hash }
}

fn personal((user, ip, user_agent, email): PersonalRow) -> Personal {
    Personal { user: user.map(UserId::from), ip, user_agent, email }
}

fn named(kinds: &[&str], id: Uuid) -> Vec<String> {
    kinds.iter().map(|kind| format!("{kind}:{}", id.as_simple())).collect()
}

impl AuditStore for Database {
    fn note(&self, entries: &[AuditEntry]) -> Result<(), StoreError> {
        let entries = entries.to_vec();
        self.change(move |_| Ok(((), Effects::new(Vec::new(), entries))))
    }

    fn list(
        &self,
        before: Option<i64>,
        limit: u32,
        filter: &AuditFilter,
    ) -> Result<Vec<ListedEntry>, StoreError> {
        let filter = filter.clone();
        self.report(move |conn| {
            let mut query = audit_log::table
                .left_join(audit_personal::table.on(audit_personal::seq.eq(audit_log::seq)))
                .into_boxed::<MultiBackend>();
            if let Some(before) = before {
                query = query.filter(audit_log::seq.lt(before));
            }
            if let Some(action) = filter.action {
                query = query.filter(audit_log::action.eq(action));
            }
            if let Some(id) = filter.about {
                let (actors, subjects) = (named(&KINDS, id), named(&KINDS, id));
                query = query.filter(audit_log::actor.eq_any(actors).or(audit_log::subject.eq_any(subjects)));
            }
            let rows: Vec<(Row, Option<PersonalRow>)> = query
                .order(audit_log::seq.desc())
                .limit(limit.into())
                .select((
                    audit_log::all_columns,
                    (
                        audit_personal::user_id,
                        audit_personal::ip,
                        audit_personal::user_agent,
                        audit_personal::email,
                    )
                        .nullable(),
                ))
                .load(conn)?;
            let listed = rows
                .into_iter()
                .map(|(row, beside)| ListedEntry { row: chained(row).row, personal: beside.map(personal) });
            Ok(listed.collect())
        })
    }

    fn rows(&self, after: i64, limit: u32) -> Result<Vec<ChainedRow>, StoreError> {
        self.report(move |conn| {
            let rows: Vec<Row> = audit_log::table
                .filter(audit_log::seq.gt(after))
                .order(audit_log::seq)
                .limit(limit.into())
                .load(conn)?;
            Ok(rows.into_iter().map(chained).collect())
        })
    }

    fn head(&self) -> Result<AuditHead, StoreError> {
        self.read(|conn| {
            let (seq, hash): (i64, Vec<u8>) =
                audit_head::table.select((audit_head::seq, audit_head::hash)).first(conn)?;
            Ok(AuditHead { seq, hash: read_hash(&hash)? })
        })
    }

    fn erase(&self, user: UserId, limit: u32) -> Result<u64, StoreError> {
        self.write(move |conn| erase(conn, user, limit))
    }
}

/// Erases an address of this person wherever others named it: whoever tried to sign up with it, or was to have it.
pub(crate) fn forget_email(conn: &mut Conn, user: UserId, email: &str) -> Result<(), Failure> {
    let others = audit_personal::user_id.is_null().or(audit_personal::user_id.ne(Some(Id::from(user))));
    diesel::update(audit_personal::table.filter(audit_personal::email.eq(email)).filter(others))
        .set(audit_personal::email.eq(None::<String>))
        .execute(conn)?;
    Ok(())
}

/// Erases what tells of this person from at most `limit` entries; gives from how many.
pub(crate) fn erase(conn: &mut Conn, user: UserId, limit: u32) -> Result<u64, Failure> {
    let seqs: Vec<i64> = audit_personal::table
        .filter(audit_personal::user_id.eq(Some(Id::from(user))))
        .limit(limit.into())
        .select(audit_personal::seq)
        .load(conn)?;
    let erased =
        diesel::delete(audit_personal::table.filter(audit_personal::seq.eq_any(seqs))).execute(conn)?;
    Ok(u64::try_from(erased).unwrap_or(u64::MAX))
}
