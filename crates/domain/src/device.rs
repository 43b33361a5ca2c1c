//! Codes by which people let a device in (RFC 8628): shown on the device, typed in elsewhere.

use std::{fmt, str::FromStr};

use crate::{Randomness, random};

/// Letters of user codes: no vowels, so that no words come about, and none that look alike.
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
/// The number of letters: 20^8 codes.
const LENGTH: usize = 8;
/// The longest text that is looked at as a code, in bytes.
const MAX_TEXT_BYTES: usize = 64;

/// A text that is no user code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be the code of eight letters that the device shows, such as WDJB-MJHT")]
pub struct NotACode;

/// What a device shows and a person types in. Whoever knows it sees what asks, and may answer it with an account of
/// their own; nobody gets in by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserCode([u8; LENGTH]);

impl UserCode {
    /// A new code.
    pub fn generate(source: &dyn Randomness) -> Self {
        // Of 2^64 numbers: no letter is likelier than another by more than 2^-59.
        let mut left = u64::from_le_bytes(random::bytes(source));
        Self([(); LENGTH].map(|()| {
            let letter = usize::try_from(left % 20).ok().and_then(|at| LETTERS.get(at));
            left /= 20;
            letter.copied().unwrap_or(b'B')
        }))
    }

    /// Its letters alone, under whose hash it is stored.
    pub const fn letters(&self) -> &[u8] {
        &self.0
    }
}

impl FromStr for UserCode {
    type Err = NotACode;

    /// Letters of either case; hyphens and spaces are passed over, as people type them.
    fn from_str(text: &str) -> Result<Self, NotACode> {
        if text.len() > MAX_TEXT_BYTES {
            return Err(NotACode);
        }
        let said = text.chars().filter(|letter| !letter.is_whitespace() && !is_hyphen(*letter));
        let mut code = [0; LENGTH];
        let mut places = code.iter_mut();
        for letter in said {
            let letter = u8::try_from(letter).map_err(|_no_letter| NotACode)?.to_ascii_uppercase();
            let place = places.next().filter(|_| LETTERS.contains(&letter)).ok_or(NotACode)?;
            *place = letter;
        }
        if places.next().is_some() { Err(NotACode) } else { Ok(Self(code)) }
    }
}

/// A hyphen, or what a telephone makes of one.
const fn is_hyphen(letter: char) -> bool {
    matches!(letter, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}')
}

impl fmt::Display for UserCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, letter) in self.0.iter().enumerate() {
            if at == LENGTH / 2 {
                f.write_str("-")?;
            }
            write!(f, "{}", char::from(*letter))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    struct Given(u64);

    impl Randomness for Given {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.iter_mut().zip(self.0.to_le_bytes()).for_each(|(place, byte)| *place = byte);
        }
    }

    #[test]
    fn a_code_is_read_as_people_type_it() {
        let code: UserCode = "WDJB-MJHT".parse().unwrap();
        for typed in ["wdjbmjht", " WDJB MJHT ", "W-D-J-B-M-J-H-T", "wdjb\u{2013}mjht", "\tWdJb - mJhT\n"] {
            assert_eq!(typed.parse(), Ok(code), "{typed}");
        }
        assert_eq!((code.to_string().as_str(), code.letters()), ("WDJB-MJHT", b"WDJBMJHT".as_slice()));
    }

    #[test]
    fn what_is_no_code_is_refused() {
        let long = format!("{}WDJBMJHT", " ".repeat(64));
        for typed in
            ["", "-", "WDJB-MJH", "WDJB-MJHTT", "WDJB-MJHA", "WDJB-MJH1", "WDJB_MJHT", "ẆDJBMJHT", &long]
        {
            assert_eq!(typed.parse::<UserCode>(), Err(NotACode), "{typed}");
        }
    }

    proptest! {
        #[test]
        fn what_is_made_is_read(number: u64) {
            let code = UserCode::generate(&Given(number));
            prop_assert_eq!(code.to_string().parse(), Ok(code));
            prop_assert!(code.letters().iter().all(|letter| LETTERS.contains(letter)));
        }

        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text in ".{0,100}") {
            text.parse::<UserCode>().ok();
        }
    }
}
