//! API keys: their format, their checksum, and the hash under which they are stored.
//!
//! A key is `sk_live_tg_` or `sk_test_tg_` (or a configured prefix), then 160 random bits and more in
//! base62, then a CRC-32 of all before it in six base62 digits, so that a typo is refused without a
//! look-up and secret scanners need no database. Stored is HMAC-SHA-256, keyed with the pepper, over
//! the key's SHA-256: hashes imported from systems that kept the SHA-256 go on working.

use std::{fmt, net::IpAddr, str::FromStr};

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::{KeyId, Network, Permissions, Randomness, Time, UserId, limit::KeyLimits, random};

mod checksum;

/// The longest text that is looked at as a key, in bytes.
pub const MAX_KEY_BYTES: usize = 256;
/// Random base62 digits in a key: 28 of them carry 166 bits.
const RANDOM_DIGITS: usize = 28;
/// How much of a key is shown to people after its prefix.
const PREVIEW_DIGITS: usize = 4;
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// What a key may reach: everything, or what is marked for tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Environment {
    /// The real thing.
    #[default]
    Live,
    /// Tests: windows, quota and usage of its own.
    Test,
}

/// A text that names no environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be live or test")]
pub struct UnknownEnvironment;

impl Environment {
    /// The name by which clients know it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Test => "test",
        }
    }

    /// The built-in prefix of its keys; under these a wrong checksum is refused without a look-up.
    pub const fn built_in_prefix(self) -> &'static str {
        match self {
            Self::Live => "sk_live_tg_",
            Self::Test => "sk_test_tg_",
        }
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Environment {
    type Err = UnknownEnvironment;

    fn from_str(text: &str) -> Result<Self, UnknownEnvironment> {
        match text {
            "live" => Ok(Self::Live),
            "test" => Ok(Self::Test),
            _ => Err(UnknownEnvironment),
        }
    }
}

/// Why a key was made, where that matters later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum KeyKind {
    /// Made by its owner or an administrator.
    #[default]
    Ordinary,
    /// The `Primary API Key` that comes with an account.
    Primary,
    /// The `Editor` key, the only one kept recoverably.
    Editor,
    /// Given in plain in the configuration file, which has the say over it.
    Legacy,
}

impl KeyKind {
    /// How it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ordinary => "ordinary",
            Self::Primary => "primary",
            Self::Editor => "editor",
            Self::Legacy => "legacy",
        }
    }
}

/// Whether a text is no key but an access token: those are JWTs, three parts, the first a JSON object in base64.
pub fn is_access_token(text: &str) -> bool {
    text.starts_with("eyJ") && text.bytes().filter(|byte| *byte == b'.').count() == 2
}

/// A key's secret text; wiped from memory when dropped, never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyText(Zeroizing<String>);

/// Why a text is refused as a key before any look-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MalformedKey {
    /// Empty, over-long, or with characters that no key has.
    #[error("an API key has 1 to {MAX_KEY_BYTES} printable ASCII characters")]
    NotAKey,
    /// Under a built-in prefix, the last six characters do not fit the rest: a typo.
    #[error("the API key's checksum is wrong: it was cut off or mistyped")]
    WrongChecksum,
}

impl KeyText {
    /// A new key: `prefix` where one is configured, else the environment's built-in one.
    pub fn generate(prefix: Option<&str>, environment: Environment, source: &dyn Randomness) -> Self {
        let mut text = Zeroizing::new(prefix.unwrap_or(environment.built_in_prefix()).to_owned());
        text.reserve_exact(RANDOM_DIGITS.saturating_add(checksum::DIGITS));
        while text.len() < prefix.unwrap_or(environment.built_in_prefix()).len().saturating_add(RANDOM_DIGITS)
        {
            let [byte] = random::bytes::<1>(source);
            // 248 = 4 * 62: larger bytes would make the first digits likelier than the rest.
            if byte < 248 {
                text.push(digit(u32::from(byte) % 62));
            }
        }
        let sum = checksum::of(&text);
        text.push_str(&sum);
        Self(text)
    }

    /// Takes what a caller sent as a key.
    ///
    /// # Errors
    /// [`MalformedKey`] where no look-up could find it.
    pub fn parse(text: &str) -> Result<Self, MalformedKey> {
        if text.is_empty() || text.len() > MAX_KEY_BYTES || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(MalformedKey::NotAKey);
        }
        let built_in = [Environment::Live, Environment::Test]
            .into_iter()
            .any(|environment| text.starts_with(environment.built_in_prefix()));
        if built_in && !checksum::fits(text) {
            return Err(MalformedKey::WrongChecksum);
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    /// The secret itself, to be shown once.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The prefix and the first few digits, by which people tell keys apart.
    pub fn preview(&self) -> String {
        let start = self.0.rfind(['_', '-']).map_or(0, |at| at.saturating_add(1));
        let shown = start.saturating_add(PREVIEW_DIGITS).min(self.0.len().div_euclid(2));
        format!("{}…", self.0.get(..shown).unwrap_or_default())
    }

    /// SHA-256 of the text: what older systems stored.
    fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }
}

impl fmt::Debug for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyText([redacted])")
    }
}

fn digit(value: u32) -> char {
    usize::try_from(value).ok().and_then(|at| DIGITS.get(at)).map_or('0', |digit| char::from(*digit))
}

/// What is stored of a key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyHash(pub [u8; 32]);

impl KeyHash {
    /// Whether the two are equal, in a time that tells nothing.
    pub fn equals(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash(…)")
    }
}

/// The secret that keys the hashes of keys and tokens. A list: the first hashes, all are tried.
#[derive(Clone)]
pub struct Pepper(Vec<Hmac<Sha256>>);

/// A pepper without any secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("at least one pepper is needed")]
pub struct NoPepper;

impl Pepper {
    /// From secrets of any length, the newest first.
    ///
    /// # Errors
    /// [`NoPepper`] when there is none.
    pub fn new<S: AsRef<[u8]>>(secrets: &[S]) -> Result<Self, NoPepper> {
        let keys: Vec<_> =
            secrets.iter().filter_map(|secret| Hmac::new_from_slice(secret.as_ref()).ok()).collect();
        if keys.is_empty() { Err(NoPepper) } else { Ok(Self(keys)) }
    }

    /// The hash under which a new key is stored.
    pub fn hash(&self, key: &KeyText) -> KeyHash {
        self.keyed(b"", &key.digest()).into_iter().next().map_or(KeyHash([0; 32]), KeyHash)
    }

    /// Every hash under which a key may have been stored, the newest pepper's first.
    pub fn hashes(&self, key: &KeyText) -> impl Iterator<Item = KeyHash> {
        self.keyed(b"", &key.digest()).into_iter().map(KeyHash)
    }

    /// Every hash under which the key may have been stored whose SHA-256 is `digest`, the newest pepper's first: of a
    /// key of another system no more is known.
    pub fn hashes_of_digest(&self, digest: &[u8; 32]) -> Vec<KeyHash> {
        self.keyed(b"", digest).into_iter().map(KeyHash).collect()
    }

    /// Every hash under which the key may be stored as which requests without a key run, the newest pepper's first. No
    /// text has it, since what is hashed of a text is another length.
    pub fn anonymous_hashes(&self) -> Vec<KeyHash> {
        self.keyed(b"", b"anonymous").into_iter().map(KeyHash).collect()
    }

    /// Keyed hashes of an opaque token of some `purpose`, the newest pepper's first: the purpose keeps
    /// a token of one kind from being taken for one of another.
    pub fn token_hashes(&self, purpose: &str, token: &[u8]) -> Vec<[u8; 32]> {
        self.keyed(purpose.as_bytes(), token)
    }

    fn keyed(&self, purpose: &[u8], data: &[u8]) -> Vec<[u8; 32]> {
        let mac = |key: &Hmac<Sha256>| {
            key.clone().chain_update(purpose).chain_update(data).finalize().into_bytes().into()
        };
        self.0.iter().map(mac).collect()
    }
}

impl fmt::Debug for Pepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pepper([redacted])")
    }
}

/// Why a known key is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyRefusal {
    /// It was revoked.
    #[error("this API key was revoked")]
    Revoked,
    /// Its time is over.
    #[error("this API key has expired")]
    Expired,
    /// It is switched off.
    #[error("this API key is disabled")]
    Disabled,
}

/// A key as it is stored, without its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id, the same through rotations.
    pub id: KeyId,
    /// Whose it is.
    pub user_id: UserId,
    /// What its owner calls it.
    pub name: String,
    /// Why it was made.
    pub kind: KeyKind,
    /// What it may reach.
    pub environment: Environment,
    /// The prefix that it was made with.
    pub prefix: String,
    /// What people see of it.
    pub preview: String,
    /// What it may do.
    pub permissions: Permissions,
    /// Its own limits.
    pub limits: KeyLimits,
    /// Whether it is switched on.
    pub is_active: bool,
    /// Whether an administrator switched it off.
    pub disabled_by_admin: bool,
    /// When it was revoked.
    pub revoked_at: Option<Time>,
    /// When it expires.
    pub expires_at: Option<Time>,
    /// The networks from which alone it may be used; none for everywhere.
    pub allowed_ips: Vec<Network>,
    /// The public names of the models that alone it may ask; none for all.
    pub allowed_models: Vec<String>,
    /// The key that made it.
    pub created_by_key: Option<KeyId>,
    /// Its owner's notes: a JSON object as text.
    pub metadata: String,
    /// When it was made.
    pub created_at: Time,
    /// When it was last changed.
    pub updated_at: Time,
}

impl ApiKey {
    /// A live key of this user, made and switched on at `now`: without a name, permissions, limits or bounds.
    pub fn blank(id: KeyId, user_id: UserId, now: Time) -> Self {
        Self {
            id,
            user_id,
            name: String::new(),
            kind: KeyKind::Ordinary,
            environment: Environment::Live,
            prefix: String::new(),
            preview: String::new(),
            permissions: Permissions::default(),
            limits: KeyLimits::default(),
            is_active: true,
            disabled_by_admin: false,
            revoked_at: None,
            expires_at: None,
            allowed_ips: Vec::new(),
            allowed_models: Vec::new(),
            created_by_key: None,
            metadata: "{}".to_owned(),
            created_at: now,
            updated_at: now,
        }
    }

    /// Whether the key is good at `now`.
    ///
    /// # Errors
    /// [`KeyRefusal`] says why not.
    pub fn check(&self, now: Time) -> Result<(), KeyRefusal> {
        if self.revoked_at.is_some() {
            Err(KeyRefusal::Revoked)
        } else if self.expires_at.is_some_and(|end| end <= now) {
            Err(KeyRefusal::Expired)
        } else if !self.is_active {
            Err(KeyRefusal::Disabled)
        } else {
            Ok(())
        }
    }

    /// Whether it may be used from there. A key that is bound to networks may not be used from an address that is
    /// not known.
    pub fn may_be_used_from(&self, address: Option<IpAddr>) -> bool {
        self.allowed_ips.is_empty()
            || address.is_some_and(|address| self.allowed_ips.iter().any(|net| net.contains(address)))
    }

    /// Whether it may ask the model of this public name.
    pub fn may_ask(&self, model: &str) -> bool {
        self.allowed_models.is_empty() || self.allowed_models.iter().any(|allowed| allowed == model)
    }

    /// `active`, `disabled`, `revoked` or `expired`.
    pub fn status(&self, now: Time) -> &'static str {
        match self.check(now) {
            Ok(()) => "active",
            Err(KeyRefusal::Revoked) => "revoked",
            Err(KeyRefusal::Expired) => "expired",
            Err(KeyRefusal::Disabled) => "disabled",
        }
    }
}

#[cfg(test)]
mod tests;
