//! A session, and what its calls are made with.

use chrono::{DateTime, Utc};
use secrecy::ExposeSecret;
use serde::Serialize;
use tollgate_accounts::refresh::Tokens;
use tollgate_domain::SessionId;
use tollgate_store::{ListedSession, Page};
use utoipa::ToSchema;

/// A session's tokens.
#[derive(Serialize, ToSchema)]
#[schema(as = Tokens)]
pub struct TokensView {
    /// What the next calls are made with.
    access_token: String,
    /// What renews it, once.
    refresh_token: String,
    /// Always `bearer`.
    #[schema(value_type = String, example = "bearer")]
    token_type: &'static str,
    /// Seconds for which the access token is good.
    expires_in: i64,
}

/// A session as its user sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Session)]
pub struct SessionView {
    /// Its id.
    id: String,
    /// The address that logged in.
    ip: Option<String>,
    /// The program that logged in.
    user_agent: Option<String>,
    /// When that was.
    created_at: DateTime<Utc>,
    /// The login or the last refresh; other calls are not noted.
    last_seen_at: DateTime<Utc>,
    /// Whether it is the session of this call.
    current: bool,
}

/// A page of sessions.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Sessions)]
pub struct SessionsView {
    /// The sessions, newest first.
    items: Vec<SessionView>,
    /// Where the next page starts, if there is one.
    next_cursor: Option<String>,
}

impl From<&Tokens> for TokensView {
    fn from(tokens: &Tokens) -> Self {
        Self {
            access_token: tokens.access_token.expose_secret().to_owned(),
            refresh_token: tokens.refresh_token.expose_secret().to_owned(),
            token_type: "bearer",
            expires_in: tokens.expires_in,
        }
    }
}

impl SessionsView {
    /// A page of a list that was asked for by the session `current`.
    pub fn new(page: Page<ListedSession>, current: SessionId) -> Self {
        let next_cursor = page.next.map(|id| id.simple().to_string());
        let view = |listed: ListedSession| SessionView {
            id: listed.session.id.to_string(),
            ip: listed.session.ip,
            user_agent: listed.session.user_agent,
            created_at: listed.session.created_at,
            last_seen_at: listed.last_seen_at,
            current: listed.session.id == current,
        };
        Self { items: page.items.into_iter().map(view).collect(), next_cursor }
    }
}
