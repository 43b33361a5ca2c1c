//! `DeviceStore`: devices that ask to be signed in.

use chrono::TimeDelta;
use diesel::prelude::*;
use tollgate_domain::{SessionId, Time, UserId};
use tollgate_store::{
    Begun, DeviceCode, DeviceDecision, DeviceStore, DeviceWish, FoundDevice, NewDevice, Poll, Polled,
    StoreError,
};

use crate::{
    both::Conn,
    database::{Database, Effects},
    failure::Failure,
    pg,
    rows::device::{DeviceRow, WishRow},
    schema::{device_guesses, devices},
    session,
    types::{Id, Ts},
};

/// What became of a device, as it is stored.
pub(crate) mod status {
    /// Nobody has decided.
    pub const WAITING: &str = "waiting";
    /// It may come in.
    pub const APPROVED: &str = "approved";
    /// It may not.
    pub const DENIED: &str = "denied";
    /// It is in.
    pub const SPENT: &str = "spent";
}

impl DeviceStore for Database {
    fn begin(&self, device: &NewDevice, max_open: u32) -> Result<Begun, StoreError> {
        let device = device.clone();
        let begun = self.write(move |conn| {
            if let Some(network) = &device.network {
                let open: i64 = devices::table
                    .filter(devices::network.eq(network))
                    .filter(devices::expires_at.gt(Ts::from(device.wish.created_at)))
                    .count()
                    .get_result(conn)?;
                if open >= i64::from(max_open) {
                    return Ok(Begun::TooMany);
                }
            }
            insert(conn, &device)?;
            Ok(Begun::Yes)
        });
        match begun {
            Err(StoreError::Conflict { field: "user_code", .. }) => Ok(Begun::CodeTaken),
            other => other,
        }
    }

    fn poll(&self, poll: &Poll) -> Result<Polled, StoreError> {
        let poll = poll.clone();
        let asked = poll.clone();
        let told = self.lookup(move |conn| told(conn, &asked))?;
        match told {
            // Nothing is noted of who goes on asking too often: it would cost a write each time.
            Told::Now(told) => Ok(told),
            Told::Noting => self.write(move |conn| {
                pg::lock_device(conn, &poll.device)?;
                match self::told(conn, &poll)? {
                    Told::Now(told) => Ok(told),
                    Told::Noting => note(conn, &poll),
                }
            }),
        }
    }

    fn find(&self, code: &DeviceCode) -> Result<FoundDevice, StoreError> {
        let code = code.clone();
        self.write(move |conn| {
            if let Some(until) = guessed_too_often(conn, &code)? {
                return Ok(FoundDevice::TooMany { until });
            }
            let row: Option<WishRow> = devices::table
                .filter(devices::user_code_hash.eq_any(stored(&code)))
                .filter(devices::status.eq(status::WAITING))
                .filter(devices::expires_at.gt(Ts::from(code.now)))
                .select(WishRow::as_select())
                .first(conn)
                .optional()?;
            found(conn, &code, row)
        })
    }

    fn decide(&self, decision: &DeviceDecision) -> Result<FoundDevice, StoreError> {
        let decision = decision.clone();
        self.change(move |conn| {
            let code = &decision.code;
            if let Some(until) = guessed_too_often(conn, code)? {
                return Ok((FoundDevice::TooMany { until }, Effects::NONE));
            }
            if !is_open(conn, decision.session, code.now)? {
                return Ok((FoundDevice::Nothing, Effects::NONE));
            }
            let outcome = if decision.approve { status::APPROVED } else { status::DENIED };
            let row: Option<WishRow> = diesel::update(devices::table)
                .filter(devices::user_code_hash.eq_any(stored(code)))
                .filter(devices::status.eq(status::WAITING))
                .filter(devices::expires_at.gt(Ts::from(code.now)))
                .set((
                    devices::status.eq(outcome),
                    devices::user_id.eq(Some(Id::from(code.user))),
                    devices::session_id.eq(Some(Id::from(decision.session))),
                ))
                .returning((
                    devices::client,
                    devices::ip,
                    devices::user_agent,
                    devices::created_at,
                    devices::expires_at,
                ))
                .get_result(conn)
                .optional()?;
            let effects = match &row {
                Some(_) => Effects::new(Vec::new(), decision.audit.clone()),
                None => Effects::NONE,
            };
            Ok((found(conn, code, row)?, effects))
        })
    }

    fn forget(&self, devices: Time, guesses: Time, limit: u32) -> Result<u64, StoreError> {
        self.write(move |conn| {
            let old: Vec<Vec<u8>> = devices::table
                .filter(devices::expires_at.lt(Ts::from(devices)))
                .limit(limit.into())
                .select(devices::device_hash)
                .load(conn)?;
            let devices =
                diesel::delete(devices::table.filter(devices::device_hash.eq_any(old))).execute(conn)?;
            let old: Vec<Id> = device_guesses::table
                .filter(device_guesses::since.lt(Ts::from(guesses)))
                .limit(limit.into())
                .select(device_guesses::user_id)
                .load(conn)?;
            let guesses = diesel::delete(device_guesses::table.filter(device_guesses::user_id.eq_any(old)))
                .execute(conn)?;
            Ok(u64::try_from(devices.saturating_add(guesses)).unwrap_or(u64::MAX))
        })
    }
}

/// Lets an approved device in, once: of any number that come at once, one does. Gives whether; where the session of
/// whoever approved it has ended meanwhile, it is denied.
pub(crate) fn spend(conn: &mut Conn, device: &[u8; 32], user: UserId, now: Time) -> Result<bool, Failure> {
    let approved_in: Option<Option<Id>> = diesel::update(devices::table.find(device.as_slice()))
        .filter(devices::status.eq(status::APPROVED))
        .filter(devices::user_id.eq(Some(Id::from(user))))
        .filter(devices::expires_at.gt(Ts::from(now)))
        .set(devices::status.eq(status::SPENT))
        .returning(devices::session_id)
        .get_result(conn)
        .optional()?;
    let Some(session) = approved_in.flatten() else { return Ok(false) };
    if is_open(conn, session.into(), now)? {
        return Ok(true);
    }
    diesel::update(devices::table.find(device.as_slice()))
        .set(devices::status.eq(status::DENIED))
        .execute(conn)?;
    Ok(false)
}

/// Whether a session is open, and stays so until the end of the transaction.
fn is_open(conn: &mut Conn, id: SessionId, now: Time) -> Result<bool, Failure> {
    pg::lock_session(conn, id.into())?;
    Ok(session::find(conn, id.into())?.is_some_and(|session| session.is_open(now)))
}

fn insert(conn: &mut Conn, device: &NewDevice) -> Result<(), Failure> {
    let NewDevice { device_hash, user_code_hash, wish, network, interval } = device;
    diesel::insert_into(devices::table)
        .values((
            devices::device_hash.eq(device_hash.as_slice()),
            devices::user_code_hash.eq(user_code_hash.as_slice()),
            devices::client.eq(wish.client.as_deref()),
            devices::network.eq(network.as_deref()),
            devices::ip.eq(wish.ip.as_deref()),
            devices::user_agent.eq(wish.user_agent.as_deref()),
            devices::created_at.eq(Ts::from(wish.created_at)),
            devices::expires_at.eq(Ts::from(wish.expires_at)),
            devices::pause.eq(seconds(*interval)),
            devices::status.eq(status::WAITING),
        ))
        .execute(conn)?;
    Ok(())
}

/// What a device is told.
enum Told {
    /// This, and nothing is noted.
    Now(Polled),
    /// What comes of noting that it asked.
    Noting,
}

fn told(conn: &mut Conn, poll: &Poll) -> Result<Told, Failure> {
    let Some(row) = find_row(conn, &poll.device)? else { return Ok(Told::Now(Polled::Unknown)) };
    let other = matches!((&row.client, &poll.client), (Some(one), Some(other)) if one != other);
    if other || row.status == status::SPENT {
        return Ok(Told::Now(Polled::Unknown));
    }
    if row.expires_at.time() <= poll.now {
        return Ok(Told::Now(Polled::Expired));
    }
    Ok(match (row.status.as_str(), row.user_id, row.session_id) {
        (status::WAITING, ..) if row.is_early(poll) && row.pause >= seconds(poll.slowest) => {
            Told::Now(Polled::TooEarly)
        }
        (status::WAITING, ..) => Told::Noting,
        (status::APPROVED, Some(user), Some(session)) => {
            let open = session::find(conn, session)?.is_some_and(|session| session.is_open(poll.now));
            let approved = Polled::Approved { user: user.into(), session: session.into() };
            Told::Now(if open { approved } else { Polled::Denied })
        }
        (status::DENIED, ..) => Told::Now(Polled::Denied),
        _ => return Err(StoreError::Corrupt { table: "devices", what: "status" }.into()),
    })
}

/// Notes that a waiting device asked, which is held.
fn note(conn: &mut Conn, poll: &Poll) -> Result<Polled, Failure> {
    let Some(row) = find_row(conn, &poll.device)? else { return Ok(Polled::Unknown) };
    let early = row.is_early(poll);
    let slower = row.pause.saturating_add(seconds(poll.slower_by)).min(seconds(poll.slowest));
    let pause = if early { slower } else { row.pause };
    diesel::update(devices::table.find(poll.device.as_slice()))
        .set((devices::pause.eq(pause), devices::polled_at.eq(Some(Ts::from(poll.now)))))
        .execute(conn)?;
    Ok(if early { Polled::TooEarly } else { Polled::Waiting })
}

fn find_row(conn: &mut Conn, device: &[u8; 32]) -> Result<Option<DeviceRow>, Failure> {
    let row = devices::table.find(device.as_slice()).select(DeviceRow::as_select());
    Ok(row.first(conn).optional()?)
}

impl DeviceRow {
    fn is_early(&self, poll: &Poll) -> bool {
        let pause = TimeDelta::seconds(self.pause.into()) - poll.tolerance;
        self.polled_at.is_some_and(|last| poll.now < last.time() + pause)
    }
}

/// Until when the user may name no code, if so. The user is held from here on: guesses at once are all counted.
fn guessed_too_often(conn: &mut Conn, code: &DeviceCode) -> Result<Option<Time>, Failure> {
    pg::lock_user(conn, code.user.into())?;
    let until = |since: Ts| since.time() + code.guesses_within;
    Ok(guesses(conn, code.user)?
        .filter(|(wrong, since)| *wrong >= seconds(code.max_guesses) && code.now < until(*since))
        .map(|(_, since)| until(since)))
}

fn guesses(conn: &mut Conn, user: UserId) -> Result<Option<(i32, Ts)>, Failure> {
    let counted = device_guesses::table.find(Id::from(user));
    Ok(counted.select((device_guesses::wrong, device_guesses::since)).first(conn).optional()?)
}

/// What was found, where nothing counts as a guess.
fn found(conn: &mut Conn, code: &DeviceCode, row: Option<WishRow>) -> Result<FoundDevice, Failure> {
    if let Some(row) = row {
        return Ok(FoundDevice::Waiting(DeviceWish::from(row)));
    }
    let (user, now) = (Id::from(code.user), Ts::from(code.now));
    match guesses(conn, code.user)? {
        None => {
            let first = (
                device_guesses::user_id.eq(user),
                device_guesses::wrong.eq(1),
                device_guesses::since.eq(now),
            );
            diesel::insert_into(device_guesses::table).values(first).execute(conn)?;
        }
        Some((wrong, since)) => {
            let over = code.now >= since.time() + code.guesses_within;
            let (wrong, since) = if over { (1, now) } else { (wrong.saturating_add(1), since) };
            diesel::update(device_guesses::table.find(user))
                .set((device_guesses::wrong.eq(wrong), device_guesses::since.eq(since)))
                .execute(conn)?;
        }
    }
    Ok(FoundDevice::Nothing)
}

fn stored(code: &DeviceCode) -> Vec<Vec<u8>> {
    code.hashes.iter().map(|hash| hash.to_vec()).collect()
}

/// A small number as it is stored.
fn seconds(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
