//! `IdempotencyStore`, and the mark that a run leaves in the transaction of what it does.

use diesel::prelude::*;
use tollgate_domain::{AuditEntry, RunId, Time};
use tollgate_store::{IdempotencyStore, NewRun, RunBegun, StoreError};

use crate::{
    both::Conn,
    database::Database,
    failure::Failure,
    pg,
    rows::idempotency::CallRow,
    schema::idempotent_calls,
    types::{Id, Ts},
};

/// Marks the runs that these entries name as done. Where one has its call no more, nothing of the transaction counts:
/// another run of the call may have done the same.
pub(crate) fn mark(conn: &mut Conn, audit: &[AuditEntry]) -> Result<(), Failure> {
    let mut runs: Vec<RunId> = audit.iter().filter_map(|entry| entry.run).collect();
    runs.dedup();
    for run in runs {
        let marked =
            diesel::update(idempotent_calls::table.filter(idempotent_calls::run_id.eq(Id::from(run))))
                .set(idempotent_calls::done.eq(true))
                .execute(conn)?;
        if marked == 0 {
            return Err(StoreError::Conflict { entity: "run of this call", field: "Idempotency-Key" }.into());
        }
    }
    Ok(())
}

impl IdempotencyStore for Database {
    fn begin(&self, run: &NewRun) -> Result<RunBegun, StoreError> {
        let run = run.clone();
        self.write(move |conn| {
            // Twins come one after the other, and the count of a user's calls holds.
            pg::lock_user(conn, run.user.into())?;
            let hashes: Vec<Vec<u8>> = run.hashes.iter().map(|hash| hash.to_vec()).collect();
            let known: Option<CallRow> = idempotent_calls::table
                .filter(idempotent_calls::hash.eq_any(&hashes))
                .filter(idempotent_calls::expires_at.gt(Ts::from(run.now)))
                .select(CallRow::as_select())
                .first(conn)
                .optional()?;
            let Some(known) = known else {
                diesel::delete(idempotent_calls::table.filter(idempotent_calls::hash.eq_any(&hashes)))
                    .execute(conn)?;
                return insert(conn, &run);
            };
            known.judge(conn, &run)
        })
    }

    fn keep(&self, run: RunId, answer: &[u8]) -> Result<bool, StoreError> {
        let answer = answer.to_vec();
        self.write(move |conn| {
            let kept =
                diesel::update(idempotent_calls::table.filter(idempotent_calls::run_id.eq(Id::from(run))))
                    .set((idempotent_calls::done.eq(true), idempotent_calls::answer.eq(Some(answer))))
                    .execute(conn)?;
            Ok(kept > 0)
        })
    }

    fn release(&self, run: RunId, even_if_done: bool) -> Result<(), StoreError> {
        self.write(move |conn| {
            let open = idempotent_calls::table
                .filter(idempotent_calls::run_id.eq(Id::from(run)))
                .filter(idempotent_calls::done.eq(false).or(idempotent_calls::done.eq(even_if_done)));
            diesel::delete(open).execute(conn)?;
            Ok(())
        })
    }

    fn forget(&self, now: Time, limit: u32) -> Result<u64, StoreError> {
        self.write(move |conn| {
            let old: Vec<Vec<u8>> = idempotent_calls::table
                .filter(idempotent_calls::expires_at.le(Ts::from(now)))
                .limit(limit.into())
                .select(idempotent_calls::hash)
                .load(conn)?;
            let gone = diesel::delete(idempotent_calls::table.filter(idempotent_calls::hash.eq_any(old)))
                .execute(conn)?;
            Ok(u64::try_from(gone).unwrap_or(u64::MAX))
        })
    }
}

impl CallRow {
    /// What a call that is known comes to.
    fn judge(self, conn: &mut Conn, run: &NewRun) -> Result<RunBegun, Failure> {
        if !run.fingerprints.iter().any(|print| print.as_slice() == self.fingerprint) {
            return Ok(RunBegun::Other);
        }
        if let Some(answer) = self.answer {
            let hash = self
                .hash
                .try_into()
                .map_err(|_other_length| StoreError::Corrupt { table: "idempotent_calls", what: "hash" })?;
            return Ok(RunBegun::Answered { hash, answer });
        }
        if self.running_until.time() > run.now {
            return Ok(RunBegun::Running);
        }
        if self.done {
            return Ok(RunBegun::Lost);
        }
        // Whether it has done something meanwhile is asked once more, in the one statement that takes it over.
        let taken = diesel::update(idempotent_calls::table.find(&self.hash))
            .filter(idempotent_calls::done.eq(false))
            .set((
                idempotent_calls::run_id.eq(Id::from(run.id)),
                idempotent_calls::running_until.eq(Ts::from(run.running_until)),
            ))
            .execute(conn)?;
        Ok(if taken > 0 { RunBegun::Mine } else { RunBegun::Lost })
    }
}

fn insert(conn: &mut Conn, run: &NewRun) -> Result<RunBegun, Failure> {
    let of_user = idempotent_calls::table
        .filter(idempotent_calls::user_id.eq(Id::from(run.user)))
        .filter(idempotent_calls::expires_at.gt(Ts::from(run.now)));
    let known: i64 = of_user.count().get_result(conn)?;
    if known >= i64::from(run.max_of_user) {
        let next = of_user.order(idempotent_calls::expires_at).select(idempotent_calls::expires_at);
        let next: Option<Ts> = next.first(conn).optional()?;
        return Ok(RunBegun::TooMany { until: next.map_or(run.expires_at, Ts::time) });
    }
    let hash = run.hashes.first().ok_or(StoreError::Rejected("a call has a hash".into()))?;
    let fingerprint =
        run.fingerprints.first().ok_or(StoreError::Rejected("a call has a fingerprint".into()))?;
    diesel::insert_into(idempotent_calls::table)
        .values((
            idempotent_calls::hash.eq(hash.as_slice()),
            idempotent_calls::user_id.eq(Id::from(run.user)),
            idempotent_calls::fingerprint.eq(fingerprint.as_slice()),
            idempotent_calls::run_id.eq(Id::from(run.id)),
            idempotent_calls::running_until.eq(Ts::from(run.running_until)),
            idempotent_calls::done.eq(false),
            idempotent_calls::answer.eq(None::<Vec<u8>>),
            idempotent_calls::expires_at.eq(Ts::from(run.expires_at)),
        ))
        .execute(conn)?;
    Ok(RunBegun::Mine)
}
