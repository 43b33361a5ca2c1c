//! Devices that ask to be signed in (RFC 8628), and what became of it.

use chrono::TimeDelta;
use tollgate_domain::{AuditEntry, SessionId, Time, UserId};

use crate::StoreError;

/// What asks, as far as it is shown to people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceWish {
    /// What the program calls itself.
    pub client: Option<String>,
    /// The address that asks.
    pub ip: Option<String>,
    /// The program, as its requests name it.
    pub user_agent: Option<String>,
    /// When it began to ask.
    pub created_at: Time,
    /// Until when it may be let in.
    pub expires_at: Time,
}

/// A device that begins to ask.
#[derive(Debug, Clone)]
pub struct NewDevice {
    /// The keyed hash of the code that the device keeps.
    pub device_hash: [u8; 32],
    /// The keyed hash of the code that it shows.
    pub user_code_hash: [u8; 32],
    /// What asks.
    pub wish: DeviceWish,
    /// The address, or the network that counts as one.
    pub network: Option<String>,
    /// Seconds that it shall leave between two questions.
    pub interval: u32,
}

/// What came of beginning to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// It may ask now.
    Yes,
    /// Another device shows this code: take another.
    CodeTaken,
    /// As many as may ask from this network do.
    TooMany,
}

/// A device asks whether it was let in.
#[derive(Debug, Clone)]
pub struct Poll {
    /// The keyed hash of the code that it keeps.
    pub device: [u8; 32],
    /// What the program calls itself, where it says so again.
    pub client: Option<String>,
    /// The present time.
    pub now: Time,
    /// How much too early is early enough.
    pub tolerance: TimeDelta,
    /// Seconds by which the pause grows where it is too early.
    pub slower_by: u32,
    /// The longest pause, in seconds.
    pub slowest: u32,
}

/// What a device is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Polled {
    /// There is no such device, or it was let in already.
    Unknown,
    /// Nobody has decided.
    Waiting,
    /// It asks too often; its pause has grown, up to the longest.
    TooEarly,
    /// Somebody said no.
    Denied,
    /// It asked for too long.
    Expired,
    /// It was let in.
    Approved {
        /// The user who did.
        user: UserId,
        /// That user's session then.
        session: SessionId,
    },
}

/// Somebody names the code that a device shows.
#[derive(Debug, Clone)]
pub struct DeviceCode {
    /// The keyed hashes under which it may be stored.
    pub hashes: Vec<[u8; 32]>,
    /// Who names it.
    pub user: UserId,
    /// The present time.
    pub now: Time,
    /// How many codes that no device shows this user may name within `guesses_within`.
    pub max_guesses: u32,
    /// See `max_guesses`.
    pub guesses_within: TimeDelta,
}

/// What was found under a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FoundDevice {
    /// A device that waits.
    Waiting(DeviceWish),
    /// None; it counts as a guess.
    Nothing,
    /// The user has guessed too often, and is told nothing until then.
    TooMany {
        /// When another code may be named.
        until: Time,
    },
}

/// What a user says to a device.
#[derive(Debug, Clone)]
pub struct DeviceDecision {
    /// Which device, and who says so.
    pub code: DeviceCode,
    /// The session in which it is said.
    pub session: SessionId,
    /// Whether it may come in.
    pub approve: bool,
    /// What the audit log tells of it.
    pub audit: Vec<AuditEntry>,
}

/// Where devices that ask are kept.
pub trait DeviceStore: Send + Sync {
    /// Lets a device ask, unless its code is taken or `max_open` of its network ask already.
    ///
    /// # Errors
    /// See [`StoreError`]; so everywhere below.
    fn begin(&self, device: &NewDevice, max_open: u32) -> Result<Begun, StoreError>;

    /// What the device of this hash is told, in the order of [`Polled`]: what was decided is told however early it
    /// asks, and expiry before what was decided. The session is opened by
    /// [`SessionStore::open`](crate::SessionStore::open), which lets it in once.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn poll(&self, poll: &Poll) -> Result<Polled, StoreError>;

    /// What waits under a code, which stays as it is; a code under which nothing waits counts as a guess.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn find(&self, code: &DeviceCode) -> Result<FoundDevice, StoreError>;

    /// Decides once, and gives what it was decided about; a code under which nothing waits counts as a guess.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn decide(&self, decision: &DeviceDecision) -> Result<FoundDevice, StoreError>;

    /// Forgets at most `limit` devices that expired before `devices`, and as many counts of guesses from before
    /// `guesses`; gives how many.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn forget(&self, devices: Time, guesses: Time, limit: u32) -> Result<u64, StoreError>;
}
