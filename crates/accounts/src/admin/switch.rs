//! Switching users and keys on and off, by whichever id one has.

use tollgate_domain::{KeyId, User, UserId};
use tollgate_store::ListedKey;

use super::{KeyChanges, UserChanges};
use crate::{Accounts, AccountsError, By};

/// What an id names.
#[derive(Debug)]
pub enum UserOrKey {
    /// A user.
    User(User),
    /// A key.
    Key(ListedKey),
}

impl Accounts {
    /// The user of this id, or the key whose id it is.
    ///
    /// # Errors
    /// [`AccountsError::NotFound`], or the store's.
    pub fn user_or_key(&self, id: UserId) -> Result<UserOrKey, AccountsError> {
        if let Some(user) = self.stores.users.by_id(id)? {
            return Ok(UserOrKey::User(user));
        }
        let key = self.stores.keys.by_id(KeyId::from(id.as_uuid()))?;
        key.map(UserOrKey::Key).ok_or(AccountsError::NotFound("user or key"))
    }

    /// Opens or closes a user's account, or switches just the key on or off whose id it is. What is switched off here,
    /// its owner cannot switch on, and opening the account does not bring it back.
    ///
    /// # Errors
    /// [`AccountsError::NotFound`], [`AccountsError::KeyRevoked`] for a key that never comes back, or the store's.
    pub fn switch(&self, by: &By, id: UserId, on: bool) -> Result<UserOrKey, AccountsError> {
        match self.user_or_key(id)? {
            UserOrKey::User(user) => {
                let changes = UserChanges { is_active: Some(on), ..UserChanges::default() };
                self.edit_user(by, user.id, changes).map(UserOrKey::User)
            }
            UserOrKey::Key(listed) => {
                let changes = KeyChanges { is_active: Some(on), ..KeyChanges::default() };
                self.edit_key(by, listed.key.id, &changes).map(UserOrKey::Key)
            }
        }
    }
}
