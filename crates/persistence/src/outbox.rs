//! `OutboxStore`, and what every change of a key writes there.

use diesel::prelude::*;
use tollgate_domain::{AuditEntry, AuditSubject, KeyId, OutboxEvent, OutboxId, OutboxKind, Time};
use tollgate_store::{ExpiringKey, OutboxStore, StoreError};

use crate::{
    both::Conn,
    database::Database,
    failure::Failure,
    schema::{api_keys, outbox},
    types::{Id, Ts},
};

type Row = (Id, Ts, String, Id, String);

/// Writes down what of these the outside is told: by this one door, so that no change of a key can forget it.
pub(crate) fn tell(conn: &mut Conn, audit: &[AuditEntry]) -> Result<(), Failure> {
    for entry in audit {
        let Some((kind, key)) = told(entry) else { continue };
        let owner: Option<Id> =
            api_keys::table.find(Id::from(key)).select(api_keys::user_id).first(conn).optional()?;
        if let Some(owner) = owner {
            let id = OutboxId::from(entry.id.as_uuid());
            insert(conn, &OutboxEvent::of_key(id, entry.at, kind, owner.into(), key))?;
        }
    }
    Ok(())
}

fn told(entry: &AuditEntry) -> Option<(OutboxKind, KeyId)> {
    match entry.subject {
        AuditSubject::Key(key) => Some((OutboxKind::of(entry.action)?, key)),
        _ => None,
    }
}

fn insert(conn: &mut Conn, event: &OutboxEvent) -> Result<(), Failure> {
    diesel::insert_into(outbox::table)
        .values((
            outbox::id.eq(Id::from(event.id)),
            outbox::at.eq(Ts::from(event.at)),
            outbox::kind.eq(event.kind.as_str()),
            outbox::user_id.eq(Id::from(event.user_id)),
            outbox::data.eq(&event.data),
        ))
        .execute(conn)?;
    Ok(())
}

fn event((id, at, kind, user_id, data): Row) -> Result<OutboxEvent, StoreError> {
    let kind = kind.parse().map_err(|_unknown| StoreError::Corrupt { table: "outbox", what: "kind" })?;
    Ok(OutboxEvent { id: id.into(), at: at.time(), kind, user_id: user_id.into(), data })
}

impl OutboxStore for Database {
    fn waiting(&self, limit: u32) -> Result<Vec<OutboxEvent>, StoreError> {
        self.read(move |conn| {
            let rows: Vec<Row> = outbox::table
                .order(outbox::seq)
                .limit(limit.into())
                .select((outbox::id, outbox::at, outbox::kind, outbox::user_id, outbox::data))
                .load(conn)?;
            Ok(rows.into_iter().map(event).collect::<Result<_, _>>()?)
        })
    }

    fn expiring(&self, now: Time, until: Time, limit: u32) -> Result<Vec<ExpiringKey>, StoreError> {
        self.read(move |conn| {
            let rows: Vec<(Id, Id)> = api_keys::table
                .filter(diesel::dsl::not(api_keys::expiry_told))
                .filter(api_keys::revoked_at.is_null())
                .filter(api_keys::expires_at.gt(Ts::from(now)))
                .filter(api_keys::expires_at.le(Ts::from(until)))
                .order(api_keys::expires_at)
                .limit(limit.into())
                .select((api_keys::id, api_keys::user_id))
                .load(conn)?;
            Ok(rows
                .into_iter()
                .map(|(id, user)| ExpiringKey { id: id.into(), user_id: user.into() })
                .collect())
        })
    }

    fn tell_expiring(&self, events: &[(KeyId, OutboxEvent)]) -> Result<u64, StoreError> {
        let events = events.to_vec();
        self.write(move |conn| {
            let mut told: u64 = 0;
            for (key, event) in &events {
                let open = api_keys::table
                    .find(Id::from(*key))
                    .filter(diesel::dsl::not(api_keys::expiry_told))
                    .filter(api_keys::revoked_at.is_null());
                if diesel::update(open).set(api_keys::expiry_told.eq(true)).execute(conn)? > 0 {
                    insert(conn, event)?;
                    told = told.saturating_add(1);
                }
            }
            Ok(told)
        })
    }

    fn forget(&self, before: Time, limit: u32) -> Result<u64, StoreError> {
        self.write(move |conn| {
            let old: Vec<i64> = outbox::table
                .filter(outbox::at.lt(Ts::from(before)))
                .order(outbox::at)
                .limit(limit.into())
                .select(outbox::seq)
                .load(conn)?;
            let gone = diesel::delete(outbox::table.filter(outbox::seq.eq_any(old))).execute(conn)?;
            Ok(u64::try_from(gone).unwrap_or(u64::MAX))
        })
    }
}
