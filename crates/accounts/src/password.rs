//! Passwords: which are taken, and how they are hashed.
//!
//! Stored is bcrypt over the base64 of HMAC-SHA-256, keyed with the pepper, over the password in NFC: the
//! database alone is no basis for guessing, and bcrypt's 72 bytes never cut a password off.

use std::{ops::RangeInclusive, sync::OnceLock};

use base64::{Engine, prelude::BASE64_STANDARD};
use secrecy::{ExposeSecret, SecretString};
use tollgate_domain::{Email, Pepper, Randomness, random};
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use crate::{AccountsError, field::Faults};

/// The most characters of a password.
pub const MAX_PASSWORD_CHARS: usize = 256;
/// What keeps a password's keyed hash apart from every other kind's.
const PURPOSE: &str = "password";

/// What bcrypt takes.
const ROUNDS: RangeInclusive<u32> = 4..=31;
/// The very commonest passwords of eight characters and more, in lower case.
const COMMON: [&str; 44] = [
    "00000000",
    "11111111",
    "11223344",
    "12341234",
    "12345678",
    "123456789",
    "1234567890",
    "123123123",
    "147258369",
    "1q2w3e4r",
    "1q2w3e4r5t",
    "1qaz2wsx",
    "87654321",
    "88888888",
    "987654321",
    "987654321a",
    "aa123456",
    "abcd1234",
    "admin123",
    "administrator",
    "asdfghjkl",
    "baseball",
    "changeme",
    "computer",
    "football",
    "iloveyou",
    "internet",
    "letmein1",
    "michelle",
    "p@ssw0rd",
    "passw0rd",
    "password",
    "password1",
    "password12",
    "password123",
    "princess",
    "q1w2e3r4",
    "qwer1234",
    "qwerty123",
    "qwertyuiop",
    "starwars",
    "sunshine",
    "superman",
    "trustno1",
];

/// Hashes and checks passwords.
pub struct Passwords {
    pepper: Pepper,
    rounds: u32,
    min_chars: usize,
    /// What nobody knows, and its hash at the same cost, made at the first use: what a login of an
    /// unknown user is checked against.
    unknown: Zeroizing<String>,
    dummy: OnceLock<String>,
}

impl Passwords {
    /// With `rounds` of bcrypt (4 to 31) and at least `min_chars` characters.
    ///
    /// # Errors
    /// [`AccountsError::Internal`] when bcrypt does not take the rounds.
    pub fn new(
        pepper: Pepper,
        rounds: u32,
        min_chars: usize,
        source: &dyn Randomness,
    ) -> Result<Self, AccountsError> {
        if !ROUNDS.contains(&rounds) {
            return Err(AccountsError::Internal("bcrypt takes 4 to 31 rounds"));
        }
        let unknown = Zeroizing::new(BASE64_STANDARD.encode(random::bytes::<32>(source)));
        Ok(Self { pepper, rounds, min_chars, unknown, dummy: OnceLock::new() })
    }

    /// Adds to `faults` what keeps `password` from being the password of `email`.
    pub(crate) fn judge(
        &self,
        field: &'static str,
        password: &SecretString,
        email: Option<&Email>,
        faults: &mut Faults,
    ) {
        let password = normal(password);
        let chars = password.chars().count();
        let lowered = Zeroizing::new(password.to_lowercase());
        if chars < self.min_chars {
            faults.add(field, "too_short", format!("must have at least {} characters", self.min_chars));
        } else if chars > MAX_PASSWORD_CHARS {
            faults.add(field, "too_long", format!("must have at most {MAX_PASSWORD_CHARS} characters"));
        } else if email.is_some_and(|email| email.as_str() == *lowered) {
            faults.add(field, "same_as_email", "must not be the email address");
        } else if COMMON.contains(&lowered.as_str()) {
            faults.add(field, "too_common", "must not be one of the passwords that everybody tries first");
        }
    }

    /// The hash under which `password` is stored. Takes as long as the rounds say.
    ///
    /// # Errors
    /// [`AccountsError::Internal`] when bcrypt fails.
    pub fn hash(&self, password: &SecretString, source: &dyn Randomness) -> Result<String, AccountsError> {
        let keyed = self.keyed(password);
        let newest = keyed.first().ok_or(AccountsError::Internal("there is no pepper"))?;
        bcrypted(newest, self.rounds, source)
    }

    /// Whether `password` is the one stored as `hash`. Without a hash the answer is no, after the same work.
    pub fn verify(&self, password: &SecretString, hash: Option<&str>) -> bool {
        let against = hash.unwrap_or_else(|| self.dummy());
        let fits =
            self.keyed(password).iter().any(|keyed| bcrypt::verify(&**keyed, against).unwrap_or(false));
        fits && hash.is_some()
    }

    /// What an unknown user's password is checked against. Its salt is no secret: nobody knows the password.
    pub(crate) fn dummy(&self) -> &str {
        self.dummy.get_or_init(|| {
            let hash = bcrypt::hash_with_salt(&*self.unknown, self.rounds, [0; 16]);
            hash.map_or_else(|_rounds_were_checked| String::new(), |parts| parts.to_string())
        })
    }

    fn keyed(&self, password: &SecretString) -> Vec<Zeroizing<String>> {
        let hashes = self.pepper.token_hashes(PURPOSE, normal(password).as_bytes());
        hashes.into_iter().map(|hash| Zeroizing::new(BASE64_STANDARD.encode(hash))).collect()
    }
}

fn normal(password: &SecretString) -> Zeroizing<String> {
    Zeroizing::new(password.expose_secret().nfc().collect())
}

fn bcrypted(keyed: &str, rounds: u32, source: &dyn Randomness) -> Result<String, AccountsError> {
    bcrypt::hash_with_salt(keyed, rounds, random::bytes(source))
        .map(|parts| parts.to_string())
        .map_err(|_out_of_range| AccountsError::Internal("bcrypt does not take these rounds"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Counting;

    fn passwords(peppers: &[&str]) -> Passwords {
        Passwords::new(Pepper::new(peppers).unwrap(), 4, 8, &Counting::default()).unwrap()
    }

    fn faults(password: &str, email: &str) -> Vec<&'static str> {
        let mut faults = Faults::default();
        let email = email.parse().unwrap();
        passwords(&["a"]).judge("password", &password.into(), Some(&email), &mut faults);
        match faults.none() {
            Err(AccountsError::Invalid(all)) => all.into_iter().map(|fault| fault.code).collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn the_documents_passwords_are_taken() {
        for password in
            ["testpass123", "SecurePassword123!", "securepassword", "newsecurepassword", "currentpassword"]
        {
            assert!(faults(password, "a@example.com").is_empty(), "{password}");
        }
    }

    #[test]
    fn weak_passwords_are_named() {
        assert_eq!(faults("test123", "a@example.com"), ["too_short"]);
        assert_eq!(faults("PassWord", "a@example.com"), ["too_common"]);
        assert_eq!(faults("Ann@Example.com", "ann@example.com"), ["same_as_email"]);
        assert_eq!(faults(&"x".repeat(257), "a@example.com"), ["too_long"]);
        assert!(faults(&"é".repeat(256), "a@example.com").is_empty());
        // Eight characters as typed, seven letters: an accent that stands alone counts with its letter.
        assert_eq!(faults("abcdefe\u{301}", "a@example.com"), ["too_short"]);
    }

    #[test]
    fn a_password_fits_however_its_accents_are_typed() {
        let passwords = passwords(&["pepper"]);
        let hash = passwords.hash(&"caf\u{e9}-au-lait".into(), &Counting::default()).unwrap();
        assert!(passwords.verify(&"cafe\u{301}-au-lait".into(), Some(&hash)));
        assert!(!passwords.verify(&"cafe-au-lait".into(), Some(&hash)));
    }

    #[test]
    fn an_older_pepper_still_fits_and_a_foreign_one_does_not() {
        let old = passwords(&["old"]).hash(&"correct horse".into(), &Counting::default()).unwrap();
        assert!(passwords(&["new", "old"]).verify(&"correct horse".into(), Some(&old)));
        assert!(!passwords(&["new"]).verify(&"correct horse".into(), Some(&old)));
    }

    #[test]
    fn nobody_fits_where_there_is_no_hash() {
        let passwords = passwords(&["pepper"]);
        assert!(!passwords.verify(&"anything at all".into(), None));
        assert!(!passwords.verify(&"anything at all".into(), Some("no bcrypt hash")));
    }

    #[test]
    fn beyond_72_bytes_every_character_counts() {
        let passwords = passwords(&["pepper"]);
        let hash = passwords.hash(&"a".repeat(100).into(), &Counting::default()).unwrap();
        assert!(!passwords.verify(&"a".repeat(99).into(), Some(&hash)));
    }
}
