//! Logging in: a password for a session and its tokens.

use std::sync::Arc;

use secrecy::SecretString;
use tollgate_domain::Email;
use tollgate_store::ProvedPassword;

use crate::{
    Accounts, AccountsError, Client,
    attempt::Admitted,
    password::{Fit, MAX_CHECKS},
    sign_in::{LoggedIn, Proof},
};

/// A wish to log in.
#[derive(Debug, Clone)]
pub struct Login {
    /// The address, as typed.
    pub email: String,
    /// The password.
    pub password: SecretString,
}

impl Accounts {
    /// Opens a session for who knows the password. Takes as long for an address that nobody has. A hash that
    /// would not be made so today is replaced with it.
    ///
    /// # Errors
    /// [`AccountsError::TooManyAttempts`] or [`AccountsError::AddressLimit`] before anything is checked,
    /// [`AccountsError::InvalidCredentials`] for every wrong pair alike, [`AccountsError::UserDisabled`] only
    /// where the password was right, or the store's.
    pub fn login(&self, wish: &Login, client: &Client) -> Result<LoggedIn, AccountsError> {
        let email = wish.email.parse::<Email>().ok();
        let admitted = self.begin_login(&wish.email, email.as_ref(), client)?;
        for _ in 0..MAX_CHECKS {
            if let Some(logged_in) = self.try_login(email.as_ref(), wish, admitted, client)? {
                return Ok(logged_in);
            }
        }
        Err(AccountsError::InvalidCredentials)
    }

    /// `None` where the password was changed, or its hash replaced, since it was checked.
    fn try_login(
        &self,
        email: Option<&Email>,
        wish: &Login,
        admitted: Admitted,
        client: &Client,
    ) -> Result<Option<LoggedIn>, AccountsError> {
        let known = email.map(|email| self.stores.users.by_email(email)).transpose()?.flatten();
        let hash = known.as_ref().and_then(|known| known.password_hash.as_deref());
        let fit = self.passwords.verify(&wish.password, hash);
        let user = known.as_ref().map(|known| known.user.id);
        let Some((known, hash)) = known
            .filter(|_| fit != Fit::No)
            .and_then(|known| known.password_hash.map(|hash| (known.user, hash)))
        else {
            self.note_failed_login(user, email, admitted, client)?;
            return Err(AccountsError::InvalidCredentials);
        };
        let replacement = match fit {
            Fit::Outdated => Some(self.passwords.hash(&wish.password, &*self.random)?),
            Fit::Yes | Fit::No => None,
        };
        let proof = Proof::Password(ProvedPassword { hash, replacement });
        let signed_in = self.sign_in(Arc::new(known), proof, client);
        if let Err(AccountsError::UserDisabled | AccountsError::EmailNotVerified) = &signed_in {
            // Nobody got in, whatever the password.
            self.note_failed_login(user, email, admitted, client)?;
        }
        signed_in
    }
}
