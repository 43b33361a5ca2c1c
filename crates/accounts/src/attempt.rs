//! How often one may try: passwords at an account, and what an address may do to many.
//!
//! An attempt is counted before anything is checked, by one transaction that is the same whether or not anybody has
//! the email address; what comes of it takes nothing back but a complete sign-in.

use chrono::TimeDelta;
use secrecy::SecretString;
use tollgate_domain::{AddressKey, AuditAction, AuditSubject, Email, Time, User, UserId};
use tollgate_store::{AddressCount, AddressHit, Attempt, Attempted, Cleared};

use crate::{Accounts, AccountsError, By, Client, password::Fit, pieces, session::Identity};

/// What keeps the keyed hash of an account apart from every other kind's.
const ACCOUNT_PURPOSE: &str = "login attempts";
/// The same of a user who confirms something with the present password.
const PRESENT_PURPOSE: &str = "present password";
/// The same of an account and an address together.
const KNOWN_PURPOSE: &str = "known address";
/// The same of an address.
const ADDRESS_PURPOSE: &str = "address";
/// What stands between an email address, which has no controls, and a network address.
const BETWEEN: char = '\0';
/// The most records of a kind that are forgotten in one transaction.
const PIECE: u32 = 500;
/// The most pieces at a time; the rest waits for the next.
const MAX_PIECES: u32 = 20;

/// How often one may try.
#[derive(Debug, Clone, Copy)]
pub struct AttemptLimits {
    /// Attempts at an account, or by one that its address knows, before there is a lock.
    pub max_attempts: u32,
    /// How long that lasts.
    pub lock: TimeDelta,
    /// Logins from one address within an hour that do not end in a session.
    pub failed_logins_per_hour: u64,
    /// Sign-ups from one address within an hour.
    pub sign_ups_per_hour: u64,
    /// Mails that one address asks for within an hour.
    pub mails_per_hour: u64,
}

impl Default for AttemptLimits {
    fn default() -> Self {
        Self {
            max_attempts: 5,
            lock: TimeDelta::minutes(30),
            failed_logins_per_hour: 100,
            sign_ups_per_hour: 300,
            mails_per_hour: 30,
        }
    }
}

/// An attempt that may be checked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Admitted {
    /// Whether a lock begins if it fails.
    pub locks: bool,
}

impl Accounts {
    /// Counts an attempt to log in with what was typed as an email address.
    ///
    /// # Errors
    /// [`AccountsError::TooManyAttempts`], [`AccountsError::AddressLimit`], or the store's.
    pub(crate) fn begin_login(
        &self,
        typed: &str,
        email: Option<&Email>,
        client: &Client,
    ) -> Result<Admitted, AccountsError> {
        // What is no email address is nobody's, and yet counted.
        let name = email.map_or(typed, Email::as_str);
        let attempt = self.attempt(newest(self.account_keys(name)), client);
        self.begin(&Attempt { known: self.known_keys(name, client), ..attempt })
    }

    /// What a complete sign-in of `user` makes good; nothing where there is no email address to log in with.
    pub(crate) fn made_good(&self, user: &User, client: &Client) -> Option<Cleared> {
        let name = user.email.as_ref()?.as_str();
        Some(Cleared {
            account: newest(self.account_keys(name)),
            known: self.known_keys(name, client),
            address: client.ip.map(|ip| self.address_key(ip.into())),
        })
    }

    /// Checks the password by which somebody with a session confirms what shall be done, and gives its hash. The
    /// attempts count for themselves: nobody who has the session only may guess at leisure, and nobody else can lock
    /// its owner out.
    ///
    /// # Errors
    /// [`AccountsError::NoPassword`] where there is none, [`AccountsError::TooManyAttempts`],
    /// [`AccountsError::WrongPassword`], of which the audit log tells as `failed`, or the store's.
    pub(crate) fn check_present_password(
        &self,
        caller: &Identity,
        present: &SecretString,
        failed: AuditAction,
    ) -> Result<String, AccountsError> {
        let user = caller.user.id;
        let known = self.stores.users.credentials(user)?.ok_or(AccountsError::InvalidToken)?;
        let hash = known.password_hash.ok_or(AccountsError::NoPassword)?;
        let keys = self.present_keys(user);
        let admitted = self.begin(&self.attempt(newest(keys.clone()), &Client::default()))?;
        if self.passwords.verify(present, Some(&hash)) == Fit::No {
            let told = |action| self.entry(&caller.by(), action, AuditSubject::User(user));
            let mut audit = vec![told(failed)];
            audit.extend(admitted.locks.then(|| told(AuditAction::UserLocked)));
            self.stores.audit.note(&audit)?;
            return Err(AccountsError::WrongPassword);
        }
        self.stores.attempts.clear(&keys, None, &[])?;
        Ok(hash)
    }

    /// Counts what an address does; a caller without an address is this machine's own.
    ///
    /// # Errors
    /// [`AccountsError::AddressLimit`], or the store's.
    pub(crate) fn count_address(&self, hit: AddressHit, client: &Client) -> Result<(), AccountsError> {
        let now = self.now();
        let Some(count) = self.address_count(hit, client) else { return Ok(()) };
        match self.stores.attempts.count_address(&count, now)? {
            None => Ok(()),
            Some(free_at) => Err(AccountsError::AddressLimit { retry_after: seconds_until(free_at, now) }),
        }
    }

    /// Ends every lock of a user: at the account, at each address that is known to it, and of what is confirmed with
    /// the present password.
    ///
    /// # Errors
    /// [`AccountsError::NotFound`], or the store's.
    pub fn unlock_user(&self, by: &By, id: UserId) -> Result<(), AccountsError> {
        let user = self.stores.users.by_id(id)?.ok_or(AccountsError::NotFound("user"))?;
        let audit = [self.entry(by, AuditAction::UserUnlocked, AuditSubject::User(id))];
        Ok(self.stores.attempts.clear(&self.attempt_keys(&user), Some(id), &audit)?)
    }

    /// Every key under which attempts at this user are counted, but for those of known addresses.
    pub(crate) fn attempt_keys(&self, user: &User) -> Vec<[u8; 32]> {
        let mut keys = self.present_keys(user.id);
        keys.extend(user.email.iter().flat_map(|email| self.account_keys(email.as_str())));
        keys
    }

    /// Forgets attempts that count nowhere any more; gives how many records.
    ///
    /// # Errors
    /// The store's; what was forgotten before stays so.
    pub fn forget_attempts(&self, now: Time) -> Result<u64, AccountsError> {
        pieces::forget(MAX_PIECES, || self.stores.attempts.forget(now, PIECE))
    }

    fn begin(&self, attempt: &Attempt) -> Result<Admitted, AccountsError> {
        match self.stores.attempts.begin(attempt)? {
            Attempted::Admitted { locks } => Ok(Admitted { locks }),
            Attempted::Locked(until) => {
                Err(AccountsError::TooManyAttempts { retry_after: seconds_until(until, attempt.now) })
            }
            Attempted::AddressFull(free_at) => {
                Err(AccountsError::AddressLimit { retry_after: seconds_until(free_at, attempt.now) })
            }
        }
    }

    /// An attempt at this account, from no known address.
    fn attempt(&self, account: [u8; 32], client: &Client) -> Attempt {
        let AttemptLimits { max_attempts, lock, .. } = self.settings.attempts;
        let address = self.address_count(AddressHit::FailedLogin, client);
        Attempt { account, known: Vec::new(), address, max_attempts, lock, now: self.now() }
    }

    fn address_count(&self, hit: AddressHit, client: &Client) -> Option<AddressCount> {
        let limits = &self.settings.attempts;
        let limit = match hit {
            AddressHit::FailedLogin => limits.failed_logins_per_hour,
            AddressHit::SignUp => limits.sign_ups_per_hour,
            AddressHit::Mail => limits.mails_per_hour,
        };
        client.ip.map(|ip| AddressCount { hit, key: self.address_key(ip.into()), limit })
    }

    fn address_key(&self, address: AddressKey) -> [u8; 32] {
        self.keyed_hash(ADDRESS_PURPOSE, address.to_string().as_bytes())
    }

    fn account_keys(&self, name: &str) -> Vec<[u8; 32]> {
        self.settings.pepper.token_hashes(ACCOUNT_PURPOSE, name.as_bytes())
    }

    fn present_keys(&self, user: UserId) -> Vec<[u8; 32]> {
        self.settings.pepper.token_hashes(PRESENT_PURPOSE, user.as_uuid().as_bytes())
    }

    fn known_keys(&self, name: &str, client: &Client) -> Vec<[u8; 32]> {
        let Some(ip) = client.ip else { return Vec::new() };
        let both = format!("{name}{BETWEEN}{}", AddressKey::from(ip));
        self.settings.pepper.token_hashes(KNOWN_PURPOSE, both.as_bytes())
    }

    /// Notes a login that failed, and the lock that began with it.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn note_failed_login(
        &self,
        user: Option<UserId>,
        email: Option<&Email>,
        admitted: Admitted,
        client: &Client,
    ) -> Result<(), AccountsError> {
        let by = By::anonymous(client);
        let told = |action| self.entry_about(&by, action, user, email);
        let mut audit = vec![told(AuditAction::SessionLoginFailed)];
        audit.extend(admitted.locks.then(|| told(AuditAction::UserLocked)));
        Ok(self.stores.audit.note(&audit)?)
    }
}

/// The hash under which something is counted from now on: the newest pepper's.
fn newest(hashes: Vec<[u8; 32]>) -> [u8; 32] {
    hashes.into_iter().next().unwrap_or_default()
}

/// Whole seconds from `now` on after which `until` is past: at least one.
pub(crate) fn seconds_until(until: Time, now: Time) -> u64 {
    let milliseconds = u64::try_from((until - now).num_milliseconds()).unwrap_or(0);
    milliseconds.div_ceil(1_000).max(1)
}
