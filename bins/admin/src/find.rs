//! Finding what a person means: a key by the beginning of its id, a user by whatever names one.

use tollgate_accounts::{Accounts, AccountsError};
use tollgate_domain::{Email, KeyId, User, UserId};
use tollgate_store::PageRequest;

use crate::{error::AdminError, output};

/// Digits of an id.
const ID_DIGITS: usize = 32;
/// How many near misses are shown.
const NEAREST: u32 = 5;
/// The most characters of what was given that an error repeats.
const MAX_SHOWN_CHARS: usize = 100;

/// The key whose id is or begins with `given`; dots at its end, as a cut table prints them, are passed over.
///
/// # Errors
/// [`AdminError::NoSuchKey`], [`AdminError::AmbiguousKey`], or the store's.
pub fn key(accounts: &Accounts, given: &str) -> Result<KeyId, AdminError> {
    let prefix = given.trim().trim_end_matches(['.', '…']);
    match accounts.find_key(prefix) {
        Err(AccountsError::NotFound(_)) => {
            Err(AdminError::NoSuchKey { nearest: keys_like(accounts, prefix)? })
        }
        Err(AccountsError::AmbiguousPrefix(prefix)) => {
            let ids = accounts.stores.keys.ids_by_prefix(&prefix, NEAREST)?;
            Err(AdminError::AmbiguousKey { prefix, matches: ids.iter().map(KeyId::to_string).collect() })
        }
        other => Ok(other?),
    }
}

/// Ids that share the longest possible beginning with `prefix`.
fn keys_like(accounts: &Accounts, prefix: &str) -> Result<Vec<String>, AdminError> {
    let prefix = prefix.to_lowercase();
    let digits: String = prefix.chars().filter(|c| *c != '-').take_while(char::is_ascii_hexdigit).collect();
    for length in (1..=digits.len().min(ID_DIGITS)).rev() {
        let ids = accounts.stores.keys.ids_by_prefix(digits.get(..length).unwrap_or_default(), NEAREST)?;
        if !ids.is_empty() {
            return Ok(ids.iter().map(KeyId::to_string).collect());
        }
    }
    Ok(Vec::new())
}

/// The user with this external id, id or email, looked for in this order.
///
/// # Errors
/// [`AdminError::NoSuchUser`], or the store's.
pub fn user(accounts: &Accounts, given: &str) -> Result<User, AdminError> {
    let given = given.trim();
    let users = &accounts.stores.users;
    if let Some(user) = users.by_external_id(given)? {
        return Ok(user);
    }
    if let Ok(id) = given.parse::<UserId>()
        && let Some(user) = users.by_id(id)?
    {
        return Ok(user);
    }
    if let Ok(email) = given.parse::<Email>()
        && let Some(known) = users.by_email(&email)?
    {
        return Ok(known.user);
    }
    let page = PageRequest { limit: NEAREST, after: None };
    let like = if given.is_empty() { Vec::new() } else { accounts.list_users(&page, Some(given))?.items };
    Err(AdminError::NoSuchUser {
        given: given.chars().take(MAX_SHOWN_CHARS).collect(),
        nearest: like
            .iter()
            .map(|user| format!("{}  {}", user.id, output::printable(called(user))))
            .collect(),
    })
}

/// What people call a user: the email, else the name, else the external id.
pub fn called(user: &User) -> &str {
    let email = user.email.as_ref().map(Email::as_str);
    email.or(user.name.as_deref()).or(user.external_id.as_deref()).unwrap_or("(no name)")
}
