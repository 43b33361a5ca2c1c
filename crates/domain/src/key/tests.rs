#![cfg(test)]

use std::sync::atomic::{AtomicU8, Ordering};

use proptest::prelude::*;

use super::*;

struct Counting(AtomicU8);

impl Randomness for Counting {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill_with(|| self.0.fetch_add(7, Ordering::Relaxed));
    }
}

fn generated(prefix: Option<&str>, environment: Environment) -> KeyText {
    KeyText::generate(prefix, environment, &Counting(AtomicU8::new(3)))
}

#[test]
fn keys_have_the_contracts_shape() {
    let key = generated(None, Environment::Live);
    let rest = key.expose().strip_prefix("sk_live_tg_").unwrap();
    assert_eq!(rest.len(), RANDOM_DIGITS + checksum::DIGITS);
    assert!(rest.bytes().all(|b| b.is_ascii_alphanumeric()));
    // 62^27 < 2^161 <= 62^28: see the constant.
    assert!(62_f64.powi(28) > 2_f64.powi(160));
    assert!(generated(None, Environment::Test).expose().starts_with("sk_test_tg_"));
    assert!(generated(Some("qwen-"), Environment::Live).expose().starts_with("qwen-"));
}

#[test]
fn a_known_key_keeps_its_checksum_for_ever() {
    // Secret scanners depend on it.
    assert_eq!(checksum::of("sk_live_tg_0000000000000000000000000000"), "0unPp2");
}

#[test]
fn previews_tell_little() {
    let key = generated(None, Environment::Live);
    assert_eq!(key.preview().chars().count(), "sk_live_tg_".len() + PREVIEW_DIGITS + 1);
    assert!(KeyText::parse("abcd").unwrap().preview().len() < 6);
    assert_eq!(format!("{key:?}"), "KeyText([redacted])");
}

#[test]
fn a_stored_hash_needs_the_pepper_and_old_peppers_still_find_it() {
    let key = generated(None, Environment::Live);
    let old = Pepper::new(&["old"]).unwrap();
    let rotated = Pepper::new(&["new", "old"]).unwrap();
    assert_ne!(old.hash(&key), rotated.hash(&key));
    assert!(rotated.hashes(&key).any(|hash| hash == old.hash(&key)));
    assert_ne!(old.token_hashes("refresh", b"x"), old.token_hashes("mfa", b"x"));
}

#[test]
fn an_imported_digest_hashes_like_the_key_itself() {
    let key = KeyText::parse("V2C-8UkDpfeuisiWxMCkf-5cFpY9zvRxy5MoZ47PVLY").unwrap();
    let pepper = Pepper::new(&["pepper"]).unwrap();
    let digest: [u8; 32] = Sha256::digest(key.expose()).into();
    assert_eq!(pepper.hashes_of_digest(&digest), vec![pepper.hash(&key)]);
    let both = Pepper::new(&["newer", "pepper"]).unwrap();
    assert_eq!(both.hashes_of_digest(&digest), both.hashes(&key).collect::<Vec<_>>());
}

proptest! {
    #[test]
    fn one_wrong_character_is_noticed(at in 0_usize..45, by in 1_u8..62) {
        let key = generated(None, Environment::Live);
        let mut bytes = key.expose().as_bytes().to_vec();
        let at = "sk_live_tg_".len() + at % (bytes.len() - "sk_live_tg_".len());
        let digit = DIGITS.iter().position(|d| *d == bytes[at]).unwrap();
        bytes[at] = DIGITS[(digit + usize::from(by)) % 62];
        let typo = String::from_utf8(bytes).unwrap();
        prop_assert_eq!(KeyText::parse(&typo), Err(MalformedKey::WrongChecksum));
    }

    #[test]
    fn any_text_is_taken_or_refused_without_a_panic(text in ".{0,300}") {
        if let Ok(key) = KeyText::parse(&text) {
            key.preview();
        }
    }
}
