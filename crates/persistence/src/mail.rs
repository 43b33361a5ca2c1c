//! `MailStore`.

use diesel::prelude::*;
use tollgate_domain::{MailId, Time};
use tollgate_store::{DueMail, MailStore, NewMail, StoreError};

use crate::{
    both::Conn,
    database::Database,
    failure::Failure,
    schema::mails,
    types::{Id, Ts},
};

/// How many that are due are looked at; another sender may be taking the first of them.
const CANDIDATES: i64 = 32;

impl MailStore for Database {
    fn queue(&self, mail: &NewMail) -> Result<(), StoreError> {
        let mail = mail.clone();
        self.write(move |conn| insert(conn, &mail))
    }

    fn take(&self, now: Time, until: Time) -> Result<Option<DueMail>, StoreError> {
        // Where nothing is due, nothing is written: this is asked all the time.
        let due: Vec<(Id, Ts)> = self.read(move |conn| {
            Ok(mails::table
                .filter(mails::next_attempt_at.le(Ts::from(now)))
                .order((mails::next_attempt_at, mails::id))
                .limit(CANDIDATES)
                .select((mails::id, mails::next_attempt_at))
                .load(conn)?)
        })?;
        for (id, seen) in due {
            let taken = self.write(move |conn| lease(conn, id, seen, until.into()))?;
            if taken.is_some() {
                return Ok(taken);
            }
        }
        Ok(None)
    }

    fn remove(&self, id: MailId) -> Result<(), StoreError> {
        self.write(move |conn| {
            diesel::delete(mails::table.find(Id::from(id))).execute(conn)?;
            Ok(())
        })
    }

    fn retry(&self, id: MailId, at: Time) -> Result<(), StoreError> {
        self.write(move |conn| {
            diesel::update(mails::table.find(Id::from(id)))
                .set(mails::next_attempt_at.eq(Ts::from(at)))
                .execute(conn)?;
            Ok(())
        })
    }

    fn waiting(&self) -> Result<u64, StoreError> {
        let count: i64 = self.read(|conn| Ok(mails::table.count().get_result(conn)?))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }
}

/// Queues a mail, as part of the transaction of what it tells.
pub(crate) fn insert(conn: &mut Conn, mail: &NewMail) -> Result<(), Failure> {
    let queued_at = Ts::from(mail.queued_at);
    diesel::insert_into(mails::table)
        .values((
            mails::id.eq(Id::from(mail.id)),
            mails::sealed.eq(mail.sealed.as_slice()),
            mails::queued_at.eq(queued_at),
            mails::next_attempt_at.eq(queued_at),
            mails::give_up_at.eq(Ts::from(mail.give_up_at)),
            mails::attempts.eq(0),
        ))
        .execute(conn)?;
    Ok(())
}

/// Takes a mail unless another sender has it by now: of two, the second finds another time than it saw.
fn lease(conn: &mut Conn, id: Id, seen: Ts, until: Ts) -> Result<Option<DueMail>, Failure> {
    let taken: Option<(Vec<u8>, i32, Ts)> = diesel::update(mails::table)
        .filter(mails::id.eq(id))
        .filter(mails::next_attempt_at.eq(seen))
        .set((mails::next_attempt_at.eq(until), mails::attempts.eq(mails::attempts + 1)))
        .returning((mails::sealed, mails::attempts, mails::give_up_at))
        .get_result(conn)
        .optional()?;
    Ok(taken.map(|(sealed, attempts, give_up_at)| DueMail {
        id: id.into(),
        sealed,
        attempts: u32::try_from(attempts).unwrap_or(0),
        give_up_at: give_up_at.time(),
    }))
}
