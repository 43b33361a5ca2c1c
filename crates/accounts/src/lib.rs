//! The control plane: sign-up, sessions, passwords, keys and their administration, as plain synchronous
//! functions, one file a use case or noun.
//!
//! **Owns** what may be done with an account and by whom: the rules of passwords and access tokens, the
//! ceilings of keys, and the sealing of what must be readable again.
//!
//! **Must never see** diesel, a server, a runtime, or the present time and randomness other than through
//! the [`Clock`] and the [`Randomness`] it was given. Nothing here is async: whoever calls it does so on a
//! thread that may wait.
//!
//! To add a use case: a file with its name and an `impl Accounts` block whose method takes plain data and
//! gives plain data or an [`AccountsError`].

mod actor;
pub mod admin;
pub mod anonymous;
pub mod attempt;
pub mod audit;
mod change_password;
pub mod client;
pub mod delete_account;
pub mod device;
pub mod editor;
mod erase;
pub mod error;
pub mod external;
mod field;
pub mod idempotency;
pub mod import;
pub mod invite;
pub mod key;
pub mod legacy;
pub mod login;
pub mod mail;
mod mail_token;
pub mod password;
mod pieces;
pub mod profile;
pub mod quota;
pub mod refresh;
pub mod register;
mod reset_password;
pub mod seal;
pub mod second_factor;
pub mod session;
pub mod sign_in;
pub mod token;
pub mod verify_email;
pub mod web_session;

use std::sync::Arc;

use chrono::TimeDelta;
use secrecy::SecretString;
use tollgate_domain::{Clock, Environment, KeyHash, KeyText, Pepper, Permissions, Randomness, Tiers, Time};
use tollgate_store::{Directory, Stores};

pub use actor::Actor;
pub use attempt::AttemptLimits;
pub use audit::By;
pub use client::Client;
pub use device::DeviceRefusal;
pub use error::{AccountsError, Beyond, FieldError};
pub use register::RegistrationPolicy;

use crate::{external::IdentityVerifier, password::Passwords, seal::Seal, token::AccessTokens};

/// What an installation decides about accounts.
#[derive(Debug, Clone)]
pub struct AccountsSettings {
    /// The base of links, `iss` of access tokens and `api_endpoint` of editors, without a slash at its end.
    pub public_url: String,
    /// What signs access tokens: the first signs, all verify. At least one.
    pub jwt_secrets: Vec<SecretString>,
    /// What keys the hashes of keys, tokens and passwords.
    pub pepper: Pepper,
    /// What seals, as any text: the first seals, all open. At least one.
    pub encryption_secrets: Vec<SecretString>,
    /// How long an access token is good.
    pub access_token_lifetime: TimeDelta,
    /// How long a session lasts at most, from its login.
    pub session_lifetime: TimeDelta,
    /// Rounds of bcrypt, as the exponent of 2.
    pub bcrypt_rounds: u32,
    /// The least characters of a password.
    pub min_password_chars: usize,
    /// What a key may do where nothing is named, and what users may grant.
    pub default_permissions: Permissions,
    /// The prefix of keys in place of the built-in ones.
    pub key_prefix: Option<String>,
    /// The most keys of a user that are not revoked.
    pub max_keys_per_user: u32,
    /// What each tier allows.
    pub tiers: Tiers,
    /// Who may sign up.
    pub registration: RegistrationPolicy,
    /// How often one may try.
    pub attempts: AttemptLimits,
    /// Whether an address must be confirmed before its account works.
    pub require_verified_email: bool,
}

/// The control plane of one installation.
pub struct Accounts {
    /// What is kept.
    pub stores: Stores,
    /// What is remembered of it.
    pub directory: Arc<Directory>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    random: Arc<dyn Randomness>,
    tokens: AccessTokens,
    passwords: Passwords,
    seal: Seal,
    /// Who verifies identity tokens; nobody where no issuer is configured.
    identities: Option<Arc<dyn IdentityVerifier>>,
    settings: AccountsSettings,
}

impl Accounts {
    /// The control plane over these stores.
    ///
    /// # Errors
    /// [`AccountsError::Internal`] when a list of secrets is empty or bcrypt's rounds are out of its range.
    pub fn new(
        settings: AccountsSettings,
        stores: Stores,
        directory: Arc<Directory>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Randomness>,
    ) -> Result<Self, AccountsError> {
        let tokens =
            AccessTokens::new(&settings.jwt_secrets, &settings.public_url, settings.access_token_lifetime)?;
        let passwords = Passwords::new(
            settings.pepper.clone(),
            settings.bcrypt_rounds,
            settings.min_password_chars,
            &*random,
        )?;
        let seal = Seal::new(&settings.encryption_secrets)?;
        Ok(Self { stores, directory, clock, random, tokens, passwords, seal, identities: None, settings })
    }

    /// Does now what the first login would have to wait for; for servers, so that no login is told apart by
    /// its time.
    pub fn warm_up(&self) {
        self.passwords.dummy();
    }

    /// What was decided.
    pub const fn settings(&self) -> &AccountsSettings {
        &self.settings
    }

    fn now(&self) -> Time {
        self.clock.now()
    }

    /// The hash under which `text` is stored for `purpose`: the newest pepper's.
    fn keyed_hash(&self, purpose: &str, text: &[u8]) -> [u8; 32] {
        self.settings.pepper.token_hashes(purpose, text).into_iter().next().unwrap_or_default()
    }

    /// A new secret, and the hash under which it is stored.
    fn new_secret(&self, environment: Environment) -> (KeyText, KeyHash) {
        let text = KeyText::generate(self.settings.key_prefix.as_deref(), environment, &*self.random);
        let hash = self.settings.pepper.hash(&text);
        (text, hash)
    }

    /// The prefix that keys of `environment` are made with.
    fn key_prefix(&self, environment: Environment) -> &str {
        self.settings.key_prefix.as_deref().unwrap_or(environment.built_in_prefix())
    }
}

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;
