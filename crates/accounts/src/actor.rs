//! Who acts: a user, by access token or through one of the user's keys.

use std::sync::Arc;

use tollgate_domain::{ApiKey, AuditActor, Permission, Role, SessionId, Time, User};
use tollgate_store::Maker;

use crate::{Beyond, By, Client};

/// A user, and the key through which the user acts if it is not an access token.
#[derive(Debug, Clone)]
pub struct Actor {
    /// The user.
    pub user: Arc<User>,
    /// The key; `None` with an access token.
    pub key: Option<Arc<ApiKey>>,
    /// The session of the access token; `None` with a key.
    pub session: Option<SessionId>,
    /// From where.
    pub client: Client,
}

impl Actor {
    /// Who the audit log names, and with what keys are made.
    pub fn by(&self) -> By {
        let (actor, maker) = match &self.key {
            Some(key) => (AuditActor::Key(key.id), Some(Maker::Key(key.id, key.updated_at))),
            None => (AuditActor::User(self.user.id), self.session.map(Maker::Session)),
        };
        By { actor, user: Some(self.user.id), maker, client: self.client.clone() }
    }

    /// Whether the actor may do what `permission` allows. Access tokens may do all that is the user's own.
    ///
    /// # Errors
    /// [`Beyond::Lacks`] where the key does not hold it.
    pub fn require(&self, permission: Permission) -> Result<(), Beyond> {
        match &self.key {
            Some(key) if !key.permissions.allow(&permission) => Err(Beyond::Lacks(permission)),
            Some(_) | None => Ok(()),
        }
    }

    /// Whether the actor administers: the role and, through a key, the permission `admin` as well.
    ///
    /// # Errors
    /// [`Beyond::NotAdmin`] where not.
    pub fn require_admin(&self) -> Result<(), Beyond> {
        let role = self.user.role == Role::Admin;
        let key = self.key.as_ref().is_none_or(|key| key.permissions.allow(&Permission::Admin));
        if role && key { Ok(()) } else { Err(Beyond::NotAdmin) }
    }

    /// Whether the actor may do what only administrators may, and those to whom they give it: with a key that holds
    /// `permission`, or by an administrator's access token.
    ///
    /// # Errors
    /// [`Beyond::Lacks`] or [`Beyond::NotAdmin`] where not.
    pub fn require_given(&self, permission: Permission) -> Result<(), Beyond> {
        self.require(permission)?;
        if self.key.is_none() { self.require_admin() } else { Ok(()) }
    }

    /// When the actor's credential expires, where it is a key that does.
    pub(crate) fn expires_at(&self) -> Option<Time> {
        self.key.as_ref().and_then(|key| key.expires_at)
    }
}
