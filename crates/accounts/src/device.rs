//! Letting devices in (RFC 8628): an editor or a program without a browser shows a code, a person who is signed in
//! elsewhere says yes to it, and the device gets a session of that person's.
//!
//! The device keeps one code, of 256 random bits, and shows another, which people can type. Whoever knows the second
//! can say yes or no to the device and nothing else; so it may be short, and guessing it is limited.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::TimeDelta;
use secrecy::{ExposeSecret, SecretString};
use tollgate_domain::{AddressKey, AuditAction, AuditSubject, Time, device::UserCode, random};
use tollgate_store::{Begun, DeviceCode, DeviceDecision, DeviceWish, FoundDevice, NewDevice, Poll, Polled};

use crate::{
    Accounts, AccountsError, Client, FieldError, pieces,
    session::Identity,
    sign_in::{LoggedIn, Proof},
    token::MAX_TOKEN_BYTES,
};

/// How long a device may ask.
pub const LIFETIME: TimeDelta = TimeDelta::minutes(10);
/// Seconds between two questions of a device.
pub const INTERVAL: u32 = 5;
/// Seconds by which that grows each time a device asks too early.
const SLOWER_BY: u32 = 5;
/// The longest pause, in seconds.
const SLOWEST: u32 = 60;
/// How much too early is early enough: answers and questions take their time on the way.
const TOLERANCE: TimeDelta = TimeDelta::milliseconds(500);
/// The most devices of one address, or network that counts as one, that ask at once.
pub(crate) const MAX_OPEN: u32 = 100;
/// Codes that no device shows which a user may name within [`GUESSES_WITHIN`].
pub const MAX_GUESSES: u32 = 10;
/// See [`MAX_GUESSES`].
pub const GUESSES_WITHIN: TimeDelta = TimeDelta::minutes(10);
/// How often another user code is made where one is taken: of 20^8, few ever are.
const MAX_TRIES: usize = 4;
/// How often a device's question is answered anew where another with the same code was answered meanwhile.
const MAX_QUESTIONS: usize = 2;
/// The most characters of a program's name.
const MAX_CLIENT_CHARS: usize = 100;
/// How long devices are told that they asked for too long.
const EXPIRED_KEPT_FOR: TimeDelta = TimeDelta::hours(1);
/// The most records of a kind that are forgotten at once.
const PIECE: u32 = 500;
/// The most pieces of one step.
const MAX_PIECES: u32 = 20;
/// What keeps the hash of the code that devices keep apart from every other kind's.
const DEVICE_PURPOSE: &str = "device";
/// The same of the code that they show.
const USER_CODE_PURPOSE: &str = "user code";

/// What a device is told instead of being let in, in the words of RFC 8628.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DeviceRefusal {
    /// Nobody has decided.
    #[error("nobody has approved this device yet: ask again")]
    AuthorizationPending,
    /// It asks too often.
    #[error("this device asks too often: wait five seconds longer between questions from now on")]
    SlowDown,
    /// Somebody said no, or whoever said yes has signed out since.
    #[error("this device was not let in")]
    AccessDenied,
    /// It asked for too long.
    #[error("this device code has expired: begin again")]
    ExpiredToken,
    /// There is no such code, or it was used.
    #[error("there is no such device code, or it was used already: begin again")]
    InvalidGrant,
}

impl DeviceRefusal {
    /// Its name in RFC 8628 and RFC 6749.
    pub const fn code(self) -> &'static str {
        match self {
            Self::AuthorizationPending => "authorization_pending",
            Self::SlowDown => "slow_down",
            Self::AccessDenied => "access_denied",
            Self::ExpiredToken => "expired_token",
            Self::InvalidGrant => "invalid_grant",
        }
    }
}

/// A device that begins to ask.
#[derive(Debug)]
pub struct DeviceCodes {
    /// What the device keeps, and asks with.
    pub device_code: SecretString,
    /// What it shows.
    pub user_code: UserCode,
}

impl Accounts {
    /// Lets a device begin to ask. `name` is what its program calls itself.
    ///
    /// # Errors
    /// [`AccountsError::Invalid`] with the field `client_id`, [`AccountsError::TooManyAttempts`] where too many of its
    /// network ask, or the store's.
    pub fn begin_device(&self, name: Option<&str>, client: &Client) -> Result<DeviceCodes, AccountsError> {
        let name = name.map(program_name).transpose()?.flatten();
        let now = self.now();
        let wish = DeviceWish {
            client: name,
            ip: client.ip_text(),
            user_agent: client.program(),
            created_at: now,
            expires_at: now + LIFETIME,
        };
        let device_code =
            SecretString::from(BASE64_URL_SAFE_NO_PAD.encode(random::bytes::<32>(&*self.random)));
        let device_hash = self.keyed_hash(DEVICE_PURPOSE, device_code.expose_secret().as_bytes());
        let network = client.ip.map(|ip| AddressKey::from(ip).to_string());
        for _ in 0..MAX_TRIES {
            let user_code = UserCode::generate(&*self.random);
            let device = NewDevice {
                device_hash,
                user_code_hash: self.keyed_hash(USER_CODE_PURPOSE, user_code.letters()),
                wish: wish.clone(),
                network: network.clone(),
                interval: INTERVAL,
            };
            match self.stores.devices.begin(&device, MAX_OPEN)? {
                Begun::Yes => return Ok(DeviceCodes { device_code, user_code }),
                Begun::CodeTaken => {}
                Begun::TooMany => return Err(too_many(now + LIFETIME, now)),
            }
        }
        Err(AccountsError::Internal("every user code that was made is taken"))
    }

    /// Answers a device that asks whether it was let in: with a session of whoever approved it, once.
    ///
    /// # Errors
    /// [`AccountsError::Device`] says what it is told instead; or the store's.
    pub fn poll_device(
        &self,
        device_code: &SecretString,
        name: Option<&str>,
        client: &Client,
    ) -> Result<LoggedIn, AccountsError> {
        for _ in 0..MAX_QUESTIONS {
            if let Some(logged_in) = self.try_device(device_code, name, client)? {
                return Ok(logged_in);
            }
        }
        Err(DeviceRefusal::InvalidGrant.into())
    }

    /// `None` where it was let in, or is not to be let in any more, since it was looked at.
    fn try_device(
        &self,
        device_code: &SecretString,
        name: Option<&str>,
        client: &Client,
    ) -> Result<Option<LoggedIn>, AccountsError> {
        let text = device_code.expose_secret();
        if text.len() > MAX_TOKEN_BYTES {
            return Err(DeviceRefusal::InvalidGrant.into());
        }
        for device in self.settings.pepper.token_hashes(DEVICE_PURPOSE, text.as_bytes()) {
            let now = self.now();
            let poll = Poll {
                device,
                // As it was kept.
                client: name.map(|name| name.trim().to_owned()),
                now,
                tolerance: TOLERANCE,
                slower_by: SLOWER_BY,
                slowest: SLOWEST,
            };
            let refusal = match self.stores.devices.poll(&poll)? {
                // Its hash may be an older pepper's.
                Polled::Unknown => continue,
                Polled::Waiting => DeviceRefusal::AuthorizationPending,
                Polled::TooEarly => DeviceRefusal::SlowDown,
                Polled::Denied => DeviceRefusal::AccessDenied,
                Polled::Expired => DeviceRefusal::ExpiredToken,
                Polled::Approved { user, .. } => {
                    let user = self.user(user, now)?.filter(|user| user.is_active);
                    let user = user.ok_or(DeviceRefusal::AccessDenied)?;
                    return self.sign_in(user, Proof::Approved { device }, client);
                }
            };
            return Err(refusal.into());
        }
        Err(DeviceRefusal::InvalidGrant.into())
    }

    /// What asks under this code, for somebody who may say yes or no to it.
    ///
    /// # Errors
    /// [`AccountsError::NotFound`] where nothing does, [`AccountsError::TooManyAttempts`] after [`MAX_GUESSES`] codes
    /// that no device showed, or the store's.
    pub fn find_device(&self, caller: &Identity, code: UserCode) -> Result<DeviceWish, AccountsError> {
        let now = self.now();
        wish(self.stores.devices.find(&self.device_code(caller, code, now))?, now)
    }

    /// Says yes or no to the device that shows this code, once. With yes, it gets a session of the caller's, unless
    /// the caller's own has ended by then.
    ///
    /// # Errors
    /// Those of [`find_device`](Self::find_device).
    pub fn decide_device(
        &self,
        caller: &Identity,
        code: UserCode,
        approve: bool,
    ) -> Result<DeviceWish, AccountsError> {
        let now = self.now();
        let action = if approve { AuditAction::DeviceApproved } else { AuditAction::DeviceDenied };
        let decision = DeviceDecision {
            code: self.device_code(caller, code, now),
            session: caller.session.id,
            approve,
            audit: vec![self.entry(&caller.by(), action, AuditSubject::Session(caller.session.id))],
        };
        wish(self.stores.devices.decide(&decision)?, now)
    }

    /// Forgets, in bounded pieces, devices that expired long ago and guesses that count no more. Gives how many; a
    /// step of a background job.
    ///
    /// # Errors
    /// The store's; what was forgotten before stays so.
    pub fn forget_devices(&self, now: Time) -> Result<u64, AccountsError> {
        pieces::forget(MAX_PIECES, || {
            self.stores.devices.forget(now - EXPIRED_KEPT_FOR, now - GUESSES_WITHIN, PIECE)
        })
    }

    fn device_code(&self, caller: &Identity, code: UserCode, now: Time) -> DeviceCode {
        DeviceCode {
            hashes: self.settings.pepper.token_hashes(USER_CODE_PURPOSE, code.letters()),
            user: caller.user.id,
            now,
            max_guesses: MAX_GUESSES,
            guesses_within: GUESSES_WITHIN,
        }
    }
}

fn wish(found: FoundDevice, now: Time) -> Result<DeviceWish, AccountsError> {
    match found {
        FoundDevice::Waiting(wish) => Ok(wish),
        FoundDevice::Nothing => Err(AccountsError::NotFound("device waiting with this code")),
        FoundDevice::TooMany { until } => Err(too_many(until, now)),
    }
}

/// What a program calls itself, for people to read: `None` where it says nothing.
fn program_name(text: &str) -> Result<Option<String>, AccountsError> {
    let name = text.trim();
    let fault = |code, message: String| {
        Err(AccountsError::Invalid(vec![FieldError { field: "client_id", code, message }]))
    };
    if name.chars().count() > MAX_CLIENT_CHARS {
        return fault("too_long", format!("must have at most {MAX_CLIENT_CHARS} characters"));
    }
    if name.chars().any(is_misleading) {
        return fault("invalid_value", "must have no control or invisible characters".to_owned());
    }
    Ok(Some(name.to_owned()).filter(|name| !name.is_empty()))
}

/// Whether a character could make a line read as another: controls, and what turns the direction or is not seen.
fn is_misleading(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
                | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
}

fn too_many(until: Time, now: Time) -> AccountsError {
    let seconds = (until - now).num_seconds().saturating_add(1);
    AccountsError::TooManyAttempts { retry_after: u64::try_from(seconds).unwrap_or(1) }
}
