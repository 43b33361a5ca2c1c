//! Passwords: which are taken, and how they are hashed.
//!
//! Stored is bcrypt over the base64 of HMAC-SHA-256, keyed with the pepper, over the password in NFC: the
//! database alone is no basis for guessing, and bcrypt's 72 bytes never cut a password off. Hashes that came from
//! another system are bcrypt over the password itself, as far as it went there; the first sign-in replaces them.

mod common;

use std::{hint::black_box, ops::RangeInclusive, sync::OnceLock};

use base64::{Engine, prelude::BASE64_STANDARD};
use bcrypt::HashParts;
use secrecy::{ExposeSecret, SecretString};
use tollgate_domain::{Email, Pepper, Randomness, random};
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use crate::{AccountsError, field::Faults};

/// The most characters of a password.
pub const MAX_PASSWORD_CHARS: usize = 256;
/// What keeps a password's keyed hash apart from every other kind's.
const PURPOSE: &str = "password";

/// What stands before a hash that another system made, of the password itself.
pub const IMPORTED: &str = "imported:";
/// This service's name, which everybody tries here.
const SERVICE: &str = "tollgate";
/// How often a password is checked anew where its hash was replaced meanwhile, by another sign-in of the same user:
/// a hash that has been replaced is not outdated any more.
pub(crate) const MAX_CHECKS: u32 = 2;
/// What bcrypt takes.
const ROUNDS: RangeInclusive<u32> = 4..=31;
/// How a password fits a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// It is another one.
    No,
    /// It is the one.
    Yes,
    /// It is the one, but would be hashed otherwise today: at another cost, with a newer pepper, or with any.
    Outdated,
}

/// A hash as it is stored, taken apart.
struct Stored<'a> {
    imported: bool,
    hash: &'a str,
    cost: u32,
}

impl<'a> Stored<'a> {
    /// `None` for what is no hash.
    fn read(text: &'a str) -> Option<Self> {
        let hash = text.strip_prefix(IMPORTED).unwrap_or(text);
        let cost = hash.parse::<HashParts>().ok()?.get_cost();
        ROUNDS.contains(&cost).then_some(Self { imported: hash.len() < text.len(), hash, cost })
    }
}

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
        } else if email.is_some_and(|email| email.as_str().nfc().eq(lowered.nfc())) {
            faults.add(field, "same_as_email", "must not be the email address");
        } else if *lowered == SERVICE || common::contains(&lowered) {
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

    /// Whether `password` is the one whose hash is `stored`. Without a hash, or with one that is none, the
    /// answer is no, after the same work; a hash at a lower cost takes the same work as well. Only what fits
    /// at once, under the newest pepper, takes less than what does not where there are older ones.
    pub fn verify(&self, password: &SecretString, stored: Option<&str>) -> Fit {
        let keyed = self.keyed(password);
        let stored = stored.and_then(Stored::read);
        for (age, candidate) in keyed.iter().enumerate() {
            let fits = match &stored {
                Some(Stored { imported: false, hash, cost }) => {
                    self.checked(candidate.as_bytes(), hash, *cost)
                }
                // There is one candidate, and yet as much work as with several.
                Some(Stored { imported: true, hash, cost }) if age == 0 => {
                    self.checked(password.expose_secret().as_bytes(), hash, *cost)
                }
                Some(_) | None => {
                    self.checked(candidate.as_bytes(), self.dummy(), self.rounds);
                    false
                }
            };
            if let (true, Some(stored)) = (fits, &stored) {
                let newest = age == 0 && !stored.imported && stored.cost == self.rounds;
                return if newest { Fit::Yes } else { Fit::Outdated };
            }
        }
        Fit::No
    }

    /// Whether bcrypt makes `hash` of `candidate`, after the work of all the rounds: what a lower cost lacks
    /// of 2^rounds is the sum of the powers of 2 from it on.
    fn checked(&self, candidate: &[u8], hash: &str, cost: u32) -> bool {
        let fits = counted(cost, || bcrypt::verify(candidate, hash)).unwrap_or(false);
        for lacking in cost..self.rounds {
            let spent = counted(lacking, || bcrypt::hash_with_salt(candidate, lacking, [0; 16]));
            drop(black_box(spent));
        }
        fits
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
    counted(rounds, || bcrypt::hash_with_salt(keyed, rounds, random::bytes(source)))
        .map(|parts| parts.to_string())
        .map_err(|_out_of_range| AccountsError::Internal("bcrypt does not take these rounds"))
}

/// Does a piece of bcrypt's work; tests count how much there was of it.
fn counted<T>(cost: u32, work: impl FnOnce() -> T) -> T {
    #[cfg(test)]
    tests::count(cost);
    #[cfg(not(test))]
    let _ = cost;
    work()
}

#[cfg(test)]
pub(crate) mod tests;
