//! Sessions of browsers: a cookie that stands for a session, and the tokens that forms carry.
//!
//! A cookie is 256 random bits, made anew at every sign-in and stored as a keyed hash. What it stands for is an
//! ordinary session, which is listed and ends like every other. It is for pages: nothing here makes it a credential
//! of the API.

use std::sync::Arc;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;
use tollgate_domain::random;

use crate::{
    Accounts, AccountsError, Client,
    session::{Identity, identity},
    sign_in::LoggedIn,
    token::Access,
};

/// What keeps a cookie's hash apart from every other kind's.
const COOKIE_PURPOSE: &str = "cookie";
/// The same of the token that a cookie's forms carry.
const FORM_PURPOSE: &str = "form";
/// Characters of a cookie.
const COOKIE_CHARS: usize = 43;

impl Accounts {
    /// Lets a new cookie stand for a session that was just opened, whose tokens nobody may have been given. Gives the
    /// cookie.
    ///
    /// # Errors
    /// [`AccountsError::InvalidToken`] where the session has ended already, or the store's.
    pub fn open_web_session(&self, logged_in: &LoggedIn) -> Result<SecretString, AccountsError> {
        let cookie = self.new_cookie();
        let hash = self.cookie_hashes(cookie.expose_secret()).into_iter().next().unwrap_or_default();
        let opened = self.stores.web_sessions.open(&hash, logged_in.session.id, self.now())?;
        if opened { Ok(cookie) } else { Err(AccountsError::InvalidToken) }
    }

    /// Who a cookie stands for.
    ///
    /// # Errors
    /// [`AccountsError::InvalidToken`] where it stands for nobody or the session has ended,
    /// [`AccountsError::UserDisabled`], or the store's.
    pub fn by_cookie(&self, cookie: &str, client: &Client) -> Result<Identity, AccountsError> {
        if !is_cookie(cookie) {
            return Err(AccountsError::InvalidToken);
        }
        for hash in self.cookie_hashes(cookie) {
            let Some(session) = self.stores.web_sessions.by_hash(&hash)? else { continue };
            let now = self.now();
            let user = self.user(session.user_id, now)?.ok_or(AccountsError::InvalidToken)?;
            let access = Access { user_id: user.id, session_id: session.id };
            return identity(access, Arc::new(session), user, client, now);
        }
        Err(AccountsError::InvalidToken)
    }

    /// A new value for a cookie, which stands for nothing yet.
    pub fn new_cookie(&self) -> SecretString {
        BASE64_URL_SAFE_NO_PAD.encode(random::bytes::<32>(&*self.random)).into()
    }

    /// What a form carries that was made for the browser with this cookie. Whoever reads it learns nothing of the
    /// cookie.
    pub fn form_token(&self, cookie: &str) -> String {
        let hashes = self.settings.pepper.token_hashes(FORM_PURPOSE, cookie.as_bytes());
        BASE64_URL_SAFE_NO_PAD.encode(hashes.first().copied().unwrap_or_default())
    }

    /// Whether a form was made for the browser with this cookie.
    pub fn is_form_token(&self, cookie: &str, token: &str) -> bool {
        let hashes = self.settings.pepper.token_hashes(FORM_PURPOSE, cookie.as_bytes());
        let given = BASE64_URL_SAFE_NO_PAD.decode(token).unwrap_or_default();
        is_cookie(cookie) && hashes.iter().any(|hash| bool::from(hash.as_slice().ct_eq(&given)))
    }

    fn cookie_hashes(&self, cookie: &str) -> Vec<[u8; 32]> {
        self.settings.pepper.token_hashes(COOKIE_PURPOSE, cookie.as_bytes())
    }
}

/// Whether a text has the form of a cookie of ours.
pub fn is_cookie(text: &str) -> bool {
    text.len() == COOKIE_CHARS
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}
