//! Codes: which step one is of, and what backup codes look like.

use secrecy::SecretString;
use tollgate_domain::{Randomness, Time, random};
use totp_rs::{Algorithm, Builder, Secret, Totp};
use zeroize::Zeroizing;

use crate::AccountsError;

/// Bytes of a secret: those of the hash (RFC 4226, 4).
pub const SECRET_BYTES: usize = 20;
/// Digits of a code.
pub const DIGITS: u8 = 6;
/// Seconds of a step.
pub const STEP_SECONDS: u64 = 30;
/// How many steps the authenticator's clock may be behind or ahead.
const DRIFT: u64 = 1;
/// The longest text that is looked at, in bytes: people write spaces and hyphens.
const MAX_BYTES: usize = 64;

/// What backup codes are written in: without `I`, `L`, `O` and `U`.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Characters of a backup code, of five bits each: 80 bits in all.
const BACKUP_CHARS: usize = 16;
/// Characters between two hyphens.
const GROUP: usize = 4;

/// What makes codes of a secret.
fn totp(secret: &[u8]) -> Option<Totp> {
    Builder::new()
        .with_algorithm(Algorithm::SHA1)
        .with_digits(DIGITS)
        .with_skew(0)
        .with_step_duration(STEP_SECONDS)
        .with_secret(Secret::from(secret))
        .build()
        .ok()
}

/// The step whose code this is, of the present one and those beside it; the last of several.
pub fn step(secret: &[u8], code: &str, now: Time) -> Option<i64> {
    if code.len() > MAX_BYTES {
        return None;
    }
    let code: Zeroizing<String> = Zeroizing::new(code.chars().filter(|c| !c.is_whitespace()).collect());
    let totp = totp(secret)?;
    let present = u64::try_from(now.timestamp()).ok()?.checked_div(STEP_SECONDS)?;
    let steps = present.saturating_sub(DRIFT)..=present.saturating_add(DRIFT);
    // All of them are computed, whichever fits.
    let fitting = steps.filter(|step| totp.check(&code, step.saturating_mul(STEP_SECONDS)).is_some());
    fitting.max().and_then(|step| i64::try_from(step).ok())
}

/// A new secret.
pub fn new_secret(source: &dyn Randomness) -> Zeroizing<[u8; SECRET_BYTES]> {
    Zeroizing::new(random::bytes(source))
}

/// A secret as people type it: base32, without padding.
pub fn base32(secret: &[u8]) -> SecretString {
    SecretString::from(Secret::from(secret).to_base32())
}

/// What authenticators read: `otpauth://totp/…`.
pub fn url(issuer: &str, account: &str, secret: &str) -> SecretString {
    let (issuer, account) = (percent_encoded(issuer), percent_encoded(account));
    SecretString::from(format!(
        "otpauth://totp/{issuer}:{account}?secret={secret}&issuer={issuer}&algorithm=SHA1&digits={DIGITS}\
         &period={STEP_SECONDS}"
    ))
}

fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(byte.into()),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// A new backup code, as it is hashed.
pub fn new_backup_code(source: &dyn Randomness) -> Zeroizing<String> {
    let bytes = Zeroizing::new(random::bytes::<BACKUP_CHARS>(source));
    // 32 divides 256: no letter is more likely than another.
    Zeroizing::new(bytes.iter().map(|byte| letter(byte % 32)).collect())
}

fn letter(number: u8) -> char {
    ALPHABET.get(usize::from(number)).map_or('0', |letter| char::from(*letter))
}

/// A backup code as it is shown.
pub fn grouped(plain: &str) -> SecretString {
    let mut shown = String::with_capacity(plain.len().saturating_add(BACKUP_CHARS / GROUP));
    for (place, letter) in plain.chars().enumerate() {
        if place > 0 && place.is_multiple_of(GROUP) {
            shown.push('-');
        }
        shown.push(letter);
    }
    SecretString::from(shown)
}

/// What somebody typed as a backup code, as it is hashed; `None` where it cannot be one. Case, hyphens and spaces are
/// no matter, and letters that look like a digit are one.
pub fn backup_code(typed: &str) -> Option<Zeroizing<String>> {
    if typed.len() > MAX_BYTES {
        return None;
    }
    let plain: Option<String> = typed
        .chars()
        .filter(|c| *c != '-' && !c.is_whitespace())
        .map(|c| match c.to_ascii_uppercase() {
            'O' => Some('0'),
            'I' | 'L' => Some('1'),
            c => u8::try_from(c).ok().filter(|byte| ALPHABET.contains(byte)).map(char::from),
        })
        .collect();
    plain.filter(|plain| plain.len() == BACKUP_CHARS).map(Zeroizing::new)
}

/// A picture of what authenticators read, as a data URI.
pub fn picture(url: &str) -> Result<SecretString, AccountsError> {
    super::qr::data_uri(url).ok_or(AccountsError::Internal("a picture of a second factor cannot be made"))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;
    use crate::fixture::Counting;

    /// The secret of RFC 6238, appendix B.
    const RFC: &[u8; 20] = b"12345678901234567890";

    fn at(seconds: i64) -> Time {
        Time::from_timestamp(seconds, 0).unwrap()
    }

    #[test]
    fn codes_are_those_of_the_standard() {
        // The last six of its eight digits.
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(step(RFC, code, at(seconds)), Some(seconds / 30), "{seconds}");
        }
    }

    #[test]
    fn a_clock_may_be_one_step_behind_or_ahead() {
        // 1,111,111,109 is the last second but one of its step.
        let (code, its) = ("081804", 1_111_111_109 / 30);
        for (seconds, known) in [
            (-31, false),
            (-30, true),
            (-29, true),
            (0, true),
            (30, true),
            (31, true),
            (59, true),
            (60, false),
        ] {
            let first = its * 30;
            assert_eq!(step(RFC, code, at(first + seconds)), known.then_some(its), "{seconds}");
        }
    }

    #[test]
    fn what_is_no_code_is_none() {
        let now = at(59);
        assert_eq!(step(RFC, " 287 082 ", now), Some(1));
        for none in ["", "28708", "2870820", "287083", "+28708", "２８７０８２", "28708a", "287-082"] {
            assert_eq!(step(RFC, none, now), None, "{none}");
        }
        assert_eq!(step(RFC, &format!("{}287082", " ".repeat(1_000_000)), now), None);
        assert_eq!(step(RFC, "287082", at(-1)), None);
    }

    #[test]
    fn a_backup_code_is_read_as_people_write_it() {
        let plain = new_backup_code(&Counting::default());
        let shown = grouped(&plain);
        assert_eq!(shown.expose_secret().len(), 19);
        let read = |typed: &str| backup_code(typed).map(|code| code.to_string());
        assert_eq!(read(shown.expose_secret()), Some(plain.to_string()));
        assert_eq!(read(&format!(" {} ", shown.expose_secret().to_lowercase())), Some(plain.to_string()));
        assert_eq!(read("oOiIlL00-1111111"), None);
        assert_eq!(read("oOiI-lL00-1111-1111").as_deref(), Some("0011110011111111"));
        for none in [
            "",
            "287082",
            "UUUU-UUUU-UUUU-UUUU",
            "ABCD-EFGH-JKMN-PQR",
            "ABCD-EFGH-JKMN-PQRST",
            "ÄBCD-EFGH-JKMN-PQRS",
        ] {
            assert_eq!(read(none), None, "{none}");
        }
        assert_eq!(read(&"-".repeat(1_000_000)), None);
    }

    #[test]
    fn the_url_names_whose_it_is_and_nothing_else() {
        let url = url("Tollgate", "ann+a&b=c:d@exämple.com", "GEZDGNBV");
        assert_eq!(
            url.expose_secret(),
            "otpauth://totp/Tollgate:ann%2Ba%26b%3Dc%3Ad%40ex%C3%A4mple.com?secret=GEZDGNBV&issuer=Tollgate\
             &algorithm=SHA1&digits=6&period=30"
        );
        assert_eq!(base32(RFC).expose_secret(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
    }
}
