//! Finding what a person means: a key by the beginning of its id, a user by whatever names one.

use crate::{
    error::AdminError,
    installation::{Installation, KeysAsked, Place},
    json::{answer::Answer, key::ListedKeyView, user::UserView},
    output,
};

/// Digits of an id.
const ID_DIGITS: usize = 32;
/// The least digits by which a key is named.
const MIN_DIGITS: usize = 4;
/// How many near misses are shown.
const NEAREST: u32 = 5;
/// The most characters of what was given that an error repeats.
const MAX_SHOWN_CHARS: usize = 100;
/// The longest text that names a user, in bytes.
const MAX_NAME_BYTES: usize = 300;

/// The key whose id is or begins with `given`; dots at its end, as a cut table prints them, are passed over.
///
/// # Errors
/// [`AdminError::NoSuchKey`], [`AdminError::AmbiguousKey`], or the installation's.
pub fn key(at: &dyn Installation, given: &str) -> Result<Answer<ListedKeyView>, AdminError> {
    let digits = given.trim().trim_end_matches(['.', '…']).replace('-', "").to_lowercase();
    let is_beginning = (MIN_DIGITS..=ID_DIGITS).contains(&digits.len())
        && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let mut found = if is_beginning { at.keys_like(&digits, NEAREST)? } else { Vec::new() };
    match found.len() {
        0 => Err(AdminError::NoSuchKey { nearest: nearest(at, &digits)? }),
        1 => Ok(found.remove(0)),
        _ => Err(AdminError::AmbiguousKey { prefix: digits, matches: ids(&found) }),
    }
}

/// Ids that share the longest possible beginning with `text`; the newest where none shares any. Of what is longer than
/// an id, and may be a secret, no beginning is looked for.
fn nearest(at: &dyn Installation, text: &str) -> Result<Vec<String>, AdminError> {
    let digits: String = if text.len() > ID_DIGITS {
        String::new()
    } else {
        text.chars().take_while(char::is_ascii_hexdigit).collect()
    };
    let (mut shared, mut too_long) = (0, digits.len().saturating_add(1));
    let mut found = Vec::new();
    while too_long - shared > 1 {
        let middle = shared.midpoint(too_long);
        let like = at.keys_like(digits.get(..middle).unwrap_or_default(), NEAREST)?;
        if like.is_empty() {
            too_long = middle;
        } else {
            (shared, found) = (middle, like);
        }
    }
    if found.is_empty() {
        let all = KeysAsked { user: None, include_inactive: true };
        found = at.keys(&all, Place { cursor: None, limit: NEAREST })?.items;
    }
    Ok(ids(&found))
}

fn ids(keys: &[Answer<ListedKeyView>]) -> Vec<String> {
    keys.iter().map(|listed| listed.view.key.id.to_string()).collect()
}

/// The user with this external id, id or email, looked for in this order.
///
/// # Errors
/// [`AdminError::NoSuchUser`], or the installation's.
pub fn user(at: &dyn Installation, given: &str) -> Result<Answer<UserView>, AdminError> {
    let given = given.trim();
    let can_be_one = (1..=MAX_NAME_BYTES).contains(&given.len());
    if can_be_one && let Some(user) = at.user(given)? {
        return Ok(user);
    }
    let place = Place { cursor: None, limit: NEAREST };
    let like = if can_be_one { at.users(Some(given), place)?.items } else { Vec::new() };
    let line = |user: &UserView| format!("{}  {}", user.id, output::printable(user.called()));
    Err(AdminError::NoSuchUser {
        given: output::printable(&given.chars().take(MAX_SHOWN_CHARS).collect::<String>()),
        nearest: like.iter().map(|user| line(&user.view)).collect(),
    })
}
