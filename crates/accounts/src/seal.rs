//! Sealing what must be readable again: AES-256-GCM, bound to whose it is and what for.
//!
//! A sealed text is a version byte, a nonce of 12 bytes, and the ciphertext with its tag. Keys are
//! stretched from the operator's texts with HKDF-SHA-256; the owner's id and the purpose are authenticated
//! with it, so a sealed text copied into another row does not open.

use aes_gcm::{
    Aes256Gcm, KeyInit, Nonce,
    aead::{Aead, Payload},
};
use hkdf::Hkdf;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use tollgate_domain::{Randomness, UserId, random};
use zeroize::Zeroizing;

use crate::AccountsError;

const VERSION: u8 = 1;
const NONCE_BYTES: usize = 12;
const STRETCHED_FOR: &[u8] = b"tollgate sealing 1";
/// The same for a key that is made of a token.
const TOKEN_STRETCHED_FOR: &[u8] = b"tollgate sealing under a token 1";

/// Seals with the newest key and opens with any.
pub struct Seal(Vec<Aes256Gcm>);

impl Seal {
    /// From the operator's texts, the newest first.
    ///
    /// # Errors
    /// [`AccountsError::Internal`] when there is none.
    pub fn new(secrets: &[SecretString]) -> Result<Self, AccountsError> {
        let ciphers: Vec<_> = secrets.iter().filter_map(|secret| cipher(secret, STRETCHED_FOR)).collect();
        if ciphers.is_empty() {
            return Err(AccountsError::Internal("there is no key to seal with"));
        }
        Ok(Self(ciphers))
    }

    /// Under a random token of which only the hash is stored: who has the database and every other secret,
    /// but not the token, opens nothing.
    ///
    /// # Errors
    /// [`AccountsError::Internal`] when no key can be made of it, which no text brings about.
    pub fn under(token: &SecretString) -> Result<Self, AccountsError> {
        let failed = AccountsError::Internal("no key could be made of a token");
        Ok(Self(vec![cipher(token, TOKEN_STRETCHED_FOR).ok_or(failed)?]))
    }

    /// Seals `plain`, which belongs to `owner` and serves `purpose`.
    ///
    /// # Errors
    /// [`AccountsError::Internal`] when the cipher refuses, which it does only beyond 64 GiB.
    pub fn seal(
        &self,
        purpose: &str,
        owner: UserId,
        plain: &[u8],
        source: &dyn Randomness,
    ) -> Result<Vec<u8>, AccountsError> {
        let failed = || AccountsError::Internal("sealing failed");
        let nonce = random::bytes::<NONCE_BYTES>(source);
        let aad = bound_to(purpose, owner);
        let payload = Payload { msg: plain, aad: &aad };
        let cipher = self.0.first().ok_or_else(failed)?;
        let text = cipher.encrypt(Nonce::from_slice(&nonce), payload).map_err(|_opaque| failed())?;
        Ok([&[VERSION], nonce.as_slice(), text.as_slice()].concat())
    }

    /// Opens what was sealed for the same owner and purpose; `None` when no key opens it.
    pub fn open(&self, purpose: &str, owner: UserId, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (version, rest) = sealed.split_first()?;
        let (nonce, text) = rest.split_at_checked(NONCE_BYTES)?;
        if *version != VERSION {
            return None;
        }
        let aad = bound_to(purpose, owner);
        self.0
            .iter()
            .find_map(|cipher| {
                cipher.decrypt(Nonce::from_slice(nonce), Payload { msg: text, aad: &aad }).ok()
            })
            .map(Zeroizing::new)
    }
}

fn cipher(secret: &SecretString, stretched_for: &[u8]) -> Option<Aes256Gcm> {
    let mut key = Zeroizing::new([0_u8; 32]);
    Hkdf::<Sha256>::new(None, secret.expose_secret().as_bytes()).expand(stretched_for, &mut *key).ok()?;
    Aes256Gcm::new_from_slice(&*key).ok()
}

fn bound_to(purpose: &str, owner: UserId) -> Vec<u8> {
    [purpose.as_bytes(), &[0], owner.as_uuid().as_bytes().as_slice()].concat()
}

#[cfg(test)]
mod tests {
    use tollgate_domain::Time;

    use super::*;
    use crate::fixture::Counting;

    fn user() -> UserId {
        UserId::new(Time::UNIX_EPOCH, &Counting::default())
    }

    fn other() -> UserId {
        UserId::new(Time::MAX_UTC, &Counting::default())
    }

    fn seal(secrets: &[&str]) -> Seal {
        Seal::new(&secrets.iter().map(|secret| SecretString::from(*secret)).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn it_opens_for_its_owner_and_purpose_only() {
        let seal = seal(&["k"]);
        let sealed = seal.seal("editor", user(), b"secret", &Counting::default()).unwrap();
        assert_eq!(seal.open("editor", user(), &sealed).unwrap().as_slice(), b"secret");
        assert!(seal.open("editor", other(), &sealed).is_none());
        assert!(seal.open("webhook", user(), &sealed).is_none());
    }

    #[test]
    fn under_a_token_only_that_token_opens() {
        let under = |token: &str| Seal::under(&SecretString::from(token)).unwrap();
        let sealed = under("k").seal("refresh", user(), b"secret", &Counting::default()).unwrap();
        assert_eq!(under("k").open("refresh", user(), &sealed).unwrap().as_slice(), b"secret");
        assert!(under("l").open("refresh", user(), &sealed).is_none());
        assert!(under("k").open("refresh", other(), &sealed).is_none());
        // The operator's secret of the same text makes another key.
        assert!(seal(&["k"]).open("refresh", user(), &sealed).is_none());
    }

    #[test]
    fn the_first_key_seals_and_all_open() {
        let source = Counting::default();
        let old = seal(&["old"]).seal("p", user(), b"x", &source).unwrap();
        let both = seal(&["new", "old"]);
        assert!(both.open("p", user(), &old).is_some());
        let new = both.seal("p", user(), b"x", &source).unwrap();
        assert!(seal(&["old"]).open("p", user(), &new).is_none());
        assert!(seal(&["new"]).open("p", user(), &new).is_some());
    }

    #[test]
    fn no_flipped_bit_and_no_cut_text_opens() {
        let seal = seal(&["k"]);
        let sealed = seal.seal("p", user(), b"secret", &Counting::default()).unwrap();
        for at in 0..sealed.len() {
            let mut broken = sealed.clone();
            broken[at] ^= 1;
            assert!(seal.open("p", user(), &broken).is_none(), "byte {at}");
            assert!(seal.open("p", user(), &sealed[..at]).is_none(), "cut at {at}");
        }
    }
}
