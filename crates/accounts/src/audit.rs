//! What the audit log tells of a use case: who did it, from where, to what.

pub mod head;
pub mod verify;

use tollgate_domain::{
    AuditAction, AuditActor, AuditEntry, AuditSubject, Email, Personal, Randomness, Time, UserId, id::AuditId,
};
use tollgate_store::Maker;

use crate::{Accounts, Client};

/// Who does something, and from where.
#[derive(Debug, Clone)]
pub struct By {
    /// Who.
    pub actor: AuditActor,
    /// The user whose address and program these are, where that is known.
    pub user: Option<UserId>,
    /// With what, where that can end: keys are made with it.
    pub maker: Option<Maker>,
    /// From where.
    pub client: Client,
}

impl By {
    /// Somebody who is not known.
    pub fn anonymous(client: &Client) -> Self {
        Self { actor: AuditActor::Anonymous, user: None, maker: None, client: client.clone() }
    }

    /// A user, without a key.
    pub fn user(user: UserId, client: &Client) -> Self {
        Self { actor: AuditActor::User(user), user: Some(user), maker: None, client: client.clone() }
    }

    /// Whoever runs the administrator's program.
    pub fn program() -> Self {
        Self { actor: AuditActor::Program, user: None, maker: None, client: Client::default() }
    }

    /// The server by itself.
    pub fn system() -> Self {
        Self { actor: AuditActor::System, user: None, maker: None, client: Client::default() }
    }
}

impl Accounts {
    /// The entry that tells of `action`.
    pub(crate) fn entry(&self, by: &By, action: AuditAction, subject: AuditSubject) -> AuditEntry {
        entry(by, action, subject, self.now(), &*self.random)
    }

    /// The same of somebody who named an email address; with the user whose address it is, where that is known.
    pub(crate) fn entry_about(
        &self,
        by: &By,
        action: AuditAction,
        user: Option<UserId>,
        email: Option<&Email>,
    ) -> AuditEntry {
        let subject = user.map_or(AuditSubject::Nothing, AuditSubject::User);
        let mut entry = self.entry(by, action, subject);
        entry.personal.user = entry.personal.user.or(user);
        entry.personal.email = email.map(|email| email.as_str().to_owned());
        entry
    }
}

/// The entry that tells of `action` at `at`.
pub(crate) fn entry(
    by: &By,
    action: AuditAction,
    subject: AuditSubject,
    at: Time,
    source: &dyn Randomness,
) -> AuditEntry {
    AuditEntry {
        id: AuditId::new(at, source),
        at,
        actor: by.actor,
        action,
        subject,
        personal: Personal {
            user: by.user,
            ip: by.client.ip_text(),
            user_agent: by.client.program(),
            email: None,
        },
        run: by.client.run,
    }
}
