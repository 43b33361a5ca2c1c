//! What is taken as a password, and how much work its checks are.

use std::cell::Cell;

use super::*;
use crate::fixture::Counting;

thread_local! {
    static WORK: Cell<u64> = const { Cell::new(0) };
}

/// Notes a piece of bcrypt's work, in the unit in which a cost of 0 would be 1.
pub(super) fn count(cost: u32) {
    WORK.set(WORK.get() + (1 << cost));
}

/// What `check` gives, and how much work it was.
pub(crate) fn working<T>(check: impl FnOnce() -> T) -> (T, u64) {
    let before = WORK.get();
    (check(), WORK.get() - before)
}

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
    for common in ["PassWord", "12345678", "qwertyuiop", "Trustno1", "ToLLgate", "administrator"] {
        assert_eq!(faults(common, "a@example.com"), ["too_common"], "{common}");
    }
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
    assert_eq!(passwords.verify(&"cafe\u{301}-au-lait".into(), Some(&hash)), Fit::Yes);
    assert_eq!(passwords.verify(&"cafe-au-lait".into(), Some(&hash)), Fit::No);
}

#[test]
fn an_older_pepper_still_fits_and_a_foreign_one_does_not() {
    let old = passwords(&["old"]).hash(&"correct horse".into(), &Counting::default()).unwrap();
    assert_eq!(passwords(&["new", "old"]).verify(&"correct horse".into(), Some(&old)), Fit::Outdated);
    assert_eq!(passwords(&["old", "older"]).verify(&"correct horse".into(), Some(&old)), Fit::Yes);
    assert_eq!(passwords(&["new"]).verify(&"correct horse".into(), Some(&old)), Fit::No);
}

#[test]
fn nobody_fits_where_there_is_no_hash() {
    let passwords = passwords(&["pepper"]);
    assert_eq!(passwords.verify(&"anything at all".into(), None), Fit::No);
    assert_eq!(passwords.verify(&"anything at all".into(), Some("no bcrypt hash")), Fit::No);
}

#[test]
fn beyond_72_bytes_every_character_counts() {
    let passwords = passwords(&["pepper"]);
    let hash = passwords.hash(&"a".repeat(100).into(), &Counting::default()).unwrap();
    assert_eq!(passwords.verify(&"a".repeat(99).into(), Some(&hash)), Fit::No);
}
#[test]
fn every_character_is_taken_and_counts() {
    let passwords = passwords(&["pepper"]);
    for password in [
        "😀😀😀😀😀😀😀😀",
        "nul\0in the middle",
        "        ",
        "\0\0\0\0\0\0\0\0",
        "tab\tand\nnewline",
        "пароль-длинный",
    ] {
        assert!(faults(password, "a@example.com").is_empty(), "{password:?}");
        let hash = passwords.hash(&password.into(), &Counting::default()).unwrap();
        assert_eq!(passwords.verify(&password.into(), Some(&hash)), Fit::Yes, "{password:?}");
        for other in [format!("{password}\0"), format!("{password} "), password.replace('\0', "")] {
            if other != password {
                assert_eq!(passwords.verify(&other.as_str().into(), Some(&hash)), Fit::No, "{other:?}");
            }
        }
    }
    // Emoji are characters, however many bytes they take; a megabyte is no password, but no harm either.
    assert_eq!(faults("😀😀😀😀😀😀😀", "a@example.com"), ["too_short"]);
    assert!(faults(&"😀".repeat(256), "a@example.com").is_empty());
    let megabyte = "x".repeat(1 << 20);
    assert_eq!(faults(&megabyte, "a@example.com"), ["too_long"]);
    let hash = passwords.hash(&"a good long one".into(), &Counting::default()).unwrap();
    assert_eq!(passwords.verify(&megabyte.as_str().into(), Some(&hash)), Fit::No);
}

#[test]
fn whatever_is_stored_a_wrong_password_takes_the_same_work() {
    let raw = |cost| bcrypt::hash_with_salt("as it was there", cost, [1; 16]).unwrap();
    for peppers in [&["pepper"][..], &["new", "pepper", "older"]] {
        let passwords = Passwords::new(Pepper::new(peppers).unwrap(), 7, 8, &Counting::default()).unwrap();
        passwords.dummy();
        let all = (1 << 7) * u64::try_from(peppers.len()).unwrap();
        let own = |cost| Passwords { rounds: cost, ..self::passwords(peppers) };
        let mut stored =
            vec![None, Some("no bcrypt hash".to_owned()), Some(format!("$2b$99${}", "a".repeat(53)))];
        for cost in 4..=7 {
            stored.push(Some(own(cost).hash(&"as it was".into(), &Counting::default()).unwrap()));
            stored.push(Some(format!("{IMPORTED}{}", raw(cost))));
            stored.push(Some(format!("{IMPORTED}{}", raw(cost).format_for_version(bcrypt::Version::TwoY))));
        }
        for stored in stored {
            for wrong in ["another one", "", "\0", &"x".repeat(1_000)] {
                let (fit, work) = working(|| passwords.verify(&wrong.into(), stored.as_deref()));
                assert_eq!((fit, work), (Fit::No, all), "{stored:?} {wrong}");
            }
        }
    }
}

#[test]
fn a_hash_of_another_cost_or_system_fits_and_is_to_be_replaced() {
    let passwords = Passwords::new(Pepper::new(&["pepper"]).unwrap(), 6, 8, &Counting::default()).unwrap();
    for (cost, wanted) in [(4, Fit::Outdated), (5, Fit::Outdated), (6, Fit::Yes), (7, Fit::Outdated)] {
        let made = Passwords { rounds: cost, ..self::passwords(&["pepper"]) };
        let hash = made.hash(&"correct horse".into(), &Counting::default()).unwrap();
        let (fit, work) = working(|| passwords.verify(&"correct horse".into(), Some(&hash)));
        assert_eq!((fit, work), (wanted, (1 << 6).max(1 << cost)), "{cost}");
        let there = bcrypt::hash_with_salt("correct horse", cost, [1; 16]).unwrap();
        for version in [bcrypt::Version::TwoA, bcrypt::Version::TwoB, bcrypt::Version::TwoY] {
            let imported = format!("{IMPORTED}{}", there.format_for_version(version));
            assert_eq!(passwords.verify(&"correct horse".into(), Some(&imported)), Fit::Outdated);
            // What another system made is no hash of ours, nor the other way round.
            let bare = imported.strip_prefix(IMPORTED);
            assert_eq!(passwords.verify(&"correct horse".into(), bare), Fit::No);
            assert_eq!(
                passwords.verify(&"correct horse".into(), Some(&format!("{IMPORTED}{hash}"))),
                Fit::No
            );
        }
    }
}
