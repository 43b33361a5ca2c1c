//! Finding keys and users by what people have of them.

use std::collections::HashMap;

use chrono::TimeDelta;
use tollgate_domain::{Email, KeyId, User, UserId};
use tollgate_store::{KeyTotals, ListedKey};

use crate::{Accounts, AccountsError, field::Faults};

/// Digits of an id.
const ID_DIGITS: usize = 32;

impl Accounts {
    /// At most `limit` keys whose ids begin with `prefix` (hyphens and case are passed over), whoever's and whether
    /// good or not, in the order of their ids, with what each did in the last `days`.
    ///
    /// # Errors
    /// [`AccountsError::Invalid`] for what no id begins with, or the store's.
    pub fn keys_like(
        &self,
        prefix: &str,
        limit: u32,
        days: i64,
    ) -> Result<(Vec<ListedKey>, HashMap<KeyId, KeyTotals>), AccountsError> {
        let digits = prefix.replace('-', "").to_lowercase();
        if !(1..=ID_DIGITS).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            let mut faults = Faults::default();
            faults.add("id", "invalid_id", "must be the first hexadecimal digits of a key's id, or all 32");
            faults.none()?;
        }
        let ids = self.stores.keys.ids_by_prefix(&digits, limit)?;
        let mut keys = Vec::with_capacity(ids.len());
        for id in &ids {
            keys.extend(self.stores.keys.by_id(*id)?);
        }
        let totals = self.stores.usage.key_totals(&ids, self.now() - TimeDelta::days(days))?;
        Ok((keys, totals))
    }

    /// The user with this external id, id or email, looked for in this order.
    ///
    /// # Errors
    /// The store's.
    pub fn user_named(&self, given: &str) -> Result<Option<User>, AccountsError> {
        let given = given.trim();
        let users = &self.stores.users;
        if let Some(user) = users.by_external_id(given)? {
            return Ok(Some(user));
        }
        if let Ok(id) = given.parse::<UserId>()
            && let Some(user) = users.by_id(id)?
        {
            return Ok(Some(user));
        }
        match given.parse::<Email>() {
            Ok(email) => Ok(users.by_email(&email)?.map(|known| known.user)),
            Err(_no_address) => Ok(None),
        }
    }
}
