//! Refreshing: a refresh token for a new pair, once.
//!
//! A token that was spent a moment ago, and whose successor nobody has used, is answered what it was answered
//! then: an answer that got lost on its way logs nobody out. In every other case a spent token means that two
//! have it, and nobody can tell which of them is the thief: the session ends.

use chrono::TimeDelta;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tollgate_domain::{AuditAction, AuditSubject, Session, SessionId, Time, UserId};
use tollgate_store::{Rotated, Rotation};

use crate::{
    Accounts, AccountsError, By, Client, pieces,
    seal::Seal,
    token::{Access, MAX_TOKEN_BYTES, new_refresh_token, refresh_hashes},
};

/// How long a spent token is answered again.
pub const FORGIVEN_FOR: TimeDelta = TimeDelta::seconds(10);
/// What binds a kept answer to its use.
const PURPOSE: &str = "refresh answer";
/// How long ended sessions are kept, for those who look into what happened.
const ENDED_KEPT_FOR: TimeDelta = TimeDelta::days(1);
/// The most records of a kind that are forgotten at once.
const PIECE: u32 = 500;
/// The most pieces of one step.
const MAX_PIECES: u32 = 100;

/// What a session's calls are made with.
#[derive(Debug, Clone)]
pub struct Tokens {
    /// What the next calls are made with.
    pub access_token: SecretString,
    /// What renews it.
    pub refresh_token: SecretString,
    /// Seconds for which the access token was good when it was made.
    pub expires_in: i64,
}

/// New tokens as they are kept, sealed.
#[derive(Serialize, Deserialize)]
struct Kept<'a> {
    access_token: &'a str,
    refresh_token: &'a str,
    expires_in: i64,
}

impl Accounts {
    /// Exchanges a refresh token for a new pair, or gives the same pair once more: see the module.
    ///
    /// # Errors
    /// [`AccountsError::InvalidRefreshToken`] for what is none or whose session is over,
    /// [`AccountsError::RefreshReused`] where the session has ended by this, [`AccountsError::UserDisabled`],
    /// or the store's.
    pub fn refresh(&self, presented: &SecretString, client: &Client) -> Result<Tokens, AccountsError> {
        let now = self.now();
        let (hash, session) = self.presented(presented)?.ok_or(AccountsError::InvalidRefreshToken)?;
        if !session.is_open(now) {
            return Err(AccountsError::InvalidRefreshToken);
        }
        let user = self.user(session.user_id, now)?.ok_or(AccountsError::InvalidRefreshToken)?;
        if !user.is_active {
            return Err(AccountsError::UserDisabled);
        }
        let (tokens, successor) = self.new_tokens(user.id, session.id, now)?;
        let answer = self.sealed(presented, user.id, &tokens)?;
        let forgiven_after = now - FORGIVEN_FOR;
        let by = By { user: Some(user.id), ..By::anonymous(client) };
        let reused = vec![self.entry(&by, AuditAction::RefreshReused, AuditSubject::Session(session.id))];
        let rotation =
            Rotation { session: session.id, presented: hash, successor, answer, now, forgiven_after, reused };
        match self.stores.sessions.rotate(&rotation)? {
            Rotated::Fresh => Ok(tokens),
            Rotated::Again(answer) => opened(presented, user.id, &answer)
                .ok_or(AccountsError::Internal("a kept answer to a refresh does not open")),
            Rotated::Reused => {
                tracing::warn!(
                    session = %session.id,
                    user = %user.id,
                    "a spent refresh token was presented again: its session has ended"
                );
                Err(AccountsError::RefreshReused)
            }
            Rotated::Refused => Err(AccountsError::InvalidRefreshToken),
        }
    }

    /// Whose open session a refresh token is of, spent or not: whoever has one of a session that is over is nobody.
    ///
    /// # Errors
    /// The store's.
    pub fn whose_refresh_token(&self, presented: &SecretString) -> Result<Option<UserId>, AccountsError> {
        let open = self.presented(presented)?.filter(|(_, session)| session.is_open(self.now()));
        Ok(open.map(|(_, session)| session.user_id))
    }

    /// Forgets, in bounded pieces, the answers whose moment is over and the sessions that are long over with
    /// all their tokens. Gives how many records; a step of a background job.
    ///
    /// # Errors
    /// The store's; what was forgotten before stays so.
    pub fn forget_sessions(&self, now: Time) -> Result<u64, AccountsError> {
        pieces::forget(MAX_PIECES, || {
            self.stores.sessions.forget(now - FORGIVEN_FOR, now - ENDED_KEPT_FOR, PIECE)
        })
    }

    /// The hash under which a refresh token is known, and its session.
    fn presented(&self, token: &SecretString) -> Result<Option<([u8; 32], Session)>, AccountsError> {
        let text = token.expose_secret();
        if text.is_empty() || text.len() > MAX_TOKEN_BYTES {
            return Ok(None);
        }
        for hash in refresh_hashes(&self.settings.pepper, text) {
            if let Some(session) = self.stores.sessions.by_refresh(&hash)? {
                return Ok(Some((hash, session)));
            }
        }
        Ok(None)
    }

    /// New tokens of a session, and the hash under which the refresh token is stored.
    pub(crate) fn new_tokens(
        &self,
        user_id: UserId,
        session_id: SessionId,
        now: Time,
    ) -> Result<(Tokens, [u8; 32]), AccountsError> {
        let (refresh_token, hash) = new_refresh_token(&self.settings.pepper, &*self.random);
        let access_token = self.tokens.sign(Access { user_id, session_id }, now, &*self.random)?;
        let expires_in = self.tokens.lifetime().num_seconds();
        Ok((Tokens { access_token, refresh_token, expires_in }, hash))
    }

    fn sealed(&self, under: &SecretString, owner: UserId, tokens: &Tokens) -> Result<Vec<u8>, AccountsError> {
        let kept = Kept {
            access_token: tokens.access_token.expose_secret(),
            refresh_token: tokens.refresh_token.expose_secret(),
            expires_in: tokens.expires_in,
        };
        let plain = serde_json::to_vec(&kept)
            .map(zeroize::Zeroizing::new)
            .map_err(|_no_json| AccountsError::Internal("an answer to a refresh cannot be kept"))?;
        Seal::under(under)?.seal(PURPOSE, owner, &plain, &*self.random)
    }
}

fn opened(under: &SecretString, owner: UserId, answer: &[u8]) -> Option<Tokens> {
    let plain = Seal::under(under).ok()?.open(PURPOSE, owner, answer)?;
    let kept: Kept<'_> = serde_json::from_slice(&plain).ok()?;
    Some(Tokens {
        access_token: kept.access_token.into(),
        refresh_token: kept.refresh_token.into(),
        expires_in: kept.expires_in,
    })
}
