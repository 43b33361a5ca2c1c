//! What is put on the audit log: who did what to what, and the chain of keyed hashes over it.
//!
//! The chain covers time, event, actor and subject by id. What tells of a person (address, program, email) lies
//! beside it, outside the chain: erasing a person breaks nothing.

use std::fmt;

use crate::{KeyId, Pepper, RunId, SessionId, Time, UserId, id::AuditId};

/// What keeps the chain's hashes apart from every other kind's.
const PURPOSE: &str = "audit";

/// The hash before the first entry.
pub const BEGINNING: [u8; 32] = [0; 32];

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident => $text:literal,)*) => {
        /// What was done.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum AuditAction {
            $($(#[$doc])* $name,)*
        }

        impl AuditAction {
            /// Its stable name, such as `session.login`.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

actions! {
    /// Somebody signed up.
    UserRegistered => "user.registered",
    /// An administrator made a user.
    UserCreated => "user.created",
    /// A user of another system was taken over.
    UserImported => "user.imported",
    /// A user's own profile or what an administrator decides of a user changed.
    UserUpdated => "user.updated",
    /// An account was opened again.
    UserActivated => "user.activated",
    /// An account was closed.
    UserDeactivated => "user.deactivated",
    /// Wrong passwords locked an account, or what an address may try at it.
    UserLocked => "user.locked",
    /// An administrator ended that.
    UserUnlocked => "user.unlocked",
    /// An account was deleted.
    UserDeleted => "user.deleted",
    /// A session was opened.
    SessionLogin => "session.login",
    /// Somebody failed to open one.
    SessionLoginFailed => "session.login_failed",
    /// A session was ended by its user, or all of them.
    SessionLogout => "session.logout",
    /// A session ended because a spent refresh token was presented.
    RefreshReused => "session.refresh_reused",
    /// An identity of another issuer became a user's.
    IdentityLinked => "identity.linked",
    /// A user let a device in.
    DeviceApproved => "device.approved",
    /// A user did not let a device in.
    DeviceDenied => "device.denied",
    /// A user changed the password.
    PasswordChanged => "password.changed",
    /// Somebody who wanted to change the password did not know the present one.
    PasswordChangeFailed => "password.change_failed",
    /// Somebody asked for a mail that sets a password.
    PasswordResetRequested => "password.reset_requested",
    /// Somebody who read that mail set a password.
    PasswordReset => "password.reset",
    /// Somebody tried to sign up with an address that has an account.
    RegistrationRefused => "user.registration_refused",
    /// Somebody asked for another mail that confirms an address.
    VerificationRequested => "email.verification_requested",
    /// An address was confirmed.
    EmailVerified => "email.verified",
    /// A user asked for another address.
    EmailChangeRequested => "email.change_requested",
    /// A user has another address.
    EmailChanged => "email.changed",
    /// Whoever has an address said that somebody else had used it.
    EmailDisowned => "email.disowned",
    /// Somebody who wanted another address or to delete the account did not know the password.
    ConfirmationFailed => "user.confirmation_failed",
    /// A user asked for a mail that confirms that the account shall be deleted.
    UserDeletionRequested => "user.deletion_requested",
    /// An administrator invited somebody.
    InvitationCreated => "invitation.created",
    /// Somebody proved the first factor and was asked for the second.
    SecondFactorRequired => "session.mfa_required",
    /// A user set up a second factor, which is not on by that.
    SecondFactorSetUp => "second_factor.set_up",
    /// A user switched one on.
    SecondFactorEnabled => "second_factor.enabled",
    /// A user switched it off.
    SecondFactorDisabled => "second_factor.disabled",
    /// An administrator ended it.
    SecondFactorReset => "second_factor.reset",
    /// Somebody named a wrong code, or a wrong password beside one.
    SecondFactorFailed => "second_factor.failed",
    /// A backup code was used.
    BackupCodeUsed => "second_factor.backup_code_used",
    /// A user has new backup codes.
    BackupCodesRenewed => "second_factor.backup_codes_renewed",
    /// A key was made.
    KeyCreated => "key.created",
    /// A key of another system was taken over.
    KeyImported => "key.imported",
    /// A key was changed.
    KeyUpdated => "key.updated",
    /// A key got another secret.
    KeyRotated => "key.rotated",
    /// A key was switched on.
    KeyActivated => "key.activated",
    /// A key was switched off.
    KeyDeactivated => "key.deactivated",
    /// A key was revoked.
    KeyRevoked => "key.revoked",
}

impl fmt::Display for AuditAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AuditActor {
    /// Nobody who is known.
    Anonymous,
    /// A user with an access token.
    User(UserId),
    /// A user's key.
    Key(KeyId),
    /// Whoever may use the administrator's program on the machine.
    Program,
    /// The server by itself.
    System,
}

/// What it was done to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AuditSubject {
    /// Nothing that is known.
    Nothing,
    /// A user.
    User(UserId),
    /// A key.
    Key(KeyId),
    /// A session.
    Session(SessionId),
}

impl fmt::Display for AuditActor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("anonymous"),
            Self::User(id) => write!(f, "user:{id}"),
            Self::Key(id) => write!(f, "key:{id}"),
            Self::Program => f.write_str("tollgate-admin"),
            Self::System => f.write_str("system"),
        }
    }
}

impl fmt::Display for AuditSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => Ok(()),
            Self::User(id) => write!(f, "user:{id}"),
            Self::Key(id) => write!(f, "key:{id}"),
            Self::Session(id) => write!(f, "session:{id}"),
        }
    }
}

/// What tells of the person who did it. It may be erased.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Personal {
    /// The user whose it is, with whom it is erased.
    pub user: Option<UserId>,
    /// The address.
    pub ip: Option<String>,
    /// The program, cut to a bounded length.
    pub user_agent: Option<String>,
    /// The email address that was named.
    pub email: Option<String>,
}

/// One entry, before it has its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its id.
    pub id: AuditId,
    /// When it was done.
    pub at: Time,
    /// Who did it.
    pub actor: AuditActor,
    /// What was done.
    pub action: AuditAction,
    /// What it was done to.
    pub subject: AuditSubject,
    /// What tells of a person.
    pub personal: Personal,
    /// The run of a call with an `Idempotency-Key` in which it was done: the transaction that writes the entry marks
    /// that run as done, and counts for nothing where it cannot. Not on the log itself.
    pub run: Option<RunId>,
}

/// The part of an entry that the chain covers, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// Its place: 1, 2, 3 …
    pub seq: i64,
    /// Its id.
    pub id: AuditId,
    /// When it was done.
    pub at: Time,
    /// Who did it: `user:<id>`, `key:<id>`, `anonymous`, `tollgate-admin` or `system`.
    pub actor: String,
    /// What was done.
    pub action: String,
    /// What it was done to: `<kind>:<id>`, or nothing.
    pub subject: String,
}

impl AuditRow {
    /// An entry at its place.
    pub fn new(seq: i64, entry: &AuditEntry) -> Self {
        Self {
            seq,
            id: entry.id,
            at: entry.at,
            actor: entry.actor.to_string(),
            action: entry.action.as_str().to_owned(),
            subject: entry.subject.to_string(),
        }
    }

    /// The hashes that it may have behind a row with the hash `before`, the newest pepper's first.
    pub fn hashes(&self, pepper: &Pepper, before: &[u8; 32]) -> Vec<[u8; 32]> {
        let mut text = before.to_vec();
        text.extend(self.seq.to_be_bytes());
        text.extend(self.id.as_uuid().as_bytes());
        text.extend(self.at.timestamp_micros().to_be_bytes());
        for part in [&self.actor, &self.action, &self.subject] {
            // With its length before it, no part can take over from another.
            text.extend(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            text.extend(part.as_bytes());
        }
        pepper.token_hashes(PURPOSE, &text)
    }
}

/// The last row's place and hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditHead {
    /// Its place; 0 before the first.
    pub seq: i64,
    /// Its hash.
    pub hash: [u8; 32],
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> AuditRow {
        AuditRow {
            seq: 7,
            id: uuid::Uuid::from_u128(1).into(),
            at: "2026-11-21T12:00:00Z".parse().unwrap(),
            actor: "user:a".to_owned(),
            action: "session.login".to_owned(),
            subject: "session:b".to_owned(),
        }
    }

    #[test]
    fn every_part_of_a_row_and_what_stands_before_it_make_its_hash() {
        let pepper = Pepper::new(&["pepper"]).unwrap();
        let hash = row().hashes(&pepper, &BEGINNING);
        assert_eq!(hash.len(), 1);
        assert_eq!(hash, row().hashes(&pepper, &BEGINNING));
        assert_ne!(hash, row().hashes(&pepper, &[1; 32]));
        assert_ne!(hash, row().hashes(&Pepper::new(&["other"]).unwrap(), &BEGINNING));
        let changed = [
            AuditRow { seq: 8, ..row() },
            AuditRow { id: uuid::Uuid::from_u128(2).into(), ..row() },
            AuditRow { at: "2026-11-21T12:00:00.000001Z".parse().unwrap(), ..row() },
            AuditRow { actor: "user:b".to_owned(), ..row() },
            AuditRow { action: "session.logout".to_owned(), ..row() },
            AuditRow { subject: String::new(), ..row() },
            // A letter that moves from one part to the next.
            AuditRow { actor: "user:as".to_owned(), action: "ession.login".to_owned(), ..row() },
        ];
        for row in changed {
            assert_ne!(hash, row.hashes(&pepper, &BEGINNING), "{row:?}");
        }
    }

    #[test]
    fn an_older_pepper_is_known_again() {
        let old = Pepper::new(&["old"]).unwrap();
        let both = Pepper::new(&["new", "old"]).unwrap();
        let before = row().hashes(&old, &BEGINNING);
        assert!(row().hashes(&both, &BEGINNING).contains(&before[0]));
    }
}
