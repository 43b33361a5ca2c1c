//! Second factors: the secret that codes are made with, backup codes, and the tokens between the first factor and the
//! second.

use tollgate_domain::{AuditEntry, SessionId, Time, UserId};

use crate::{NewMail, NewSession, ProvedPassword, StoreError};

/// A user's second factor, as far as there is one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SecondFactor {
    /// The sealed secret that codes are made with; `None` while it is off.
    pub secret: Option<Vec<u8>>,
    /// The sealed secret of one that was set up and is not on.
    pub pending: Option<Vec<u8>>,
    /// How many backup codes are left.
    pub backup_codes: u32,
}

/// One that was set up and is switched on by a code.
#[derive(Debug, Clone)]
pub struct NewSecondFactor {
    /// Whose.
    pub user: UserId,
    /// The sealed secret that the code was made with.
    pub pending: Vec<u8>,
    /// The code's step; its code is not taken once more.
    pub step: i64,
    /// The keyed hashes of its backup codes.
    pub backup_codes: Vec<[u8; 32]>,
    /// The session that brought the code: the only one that goes on.
    pub session: SessionId,
    /// When.
    pub now: Time,
    /// What the audit log tells of it.
    pub audit: Vec<AuditEntry>,
    /// What the owner is told.
    pub mail: Option<NewMail>,
}

/// Who brought the first factor, and is asked for the second.
#[derive(Debug, Clone)]
pub struct NewChallenge {
    /// The keyed hash of the token that stands for the first factor.
    pub token: [u8; 32],
    /// Who.
    pub user: UserId,
    /// The password by which, where it was by one.
    pub password: Option<ProvedPassword>,
    /// The present time.
    pub created_at: Time,
    /// Until when the token is good.
    pub expires_at: Time,
    /// What the audit log tells of it.
    pub audit: Vec<AuditEntry>,
}

/// A code that somebody names, with what it can be.
#[derive(Debug, Clone)]
pub struct CodeAttempt {
    /// Whose it is said to be.
    pub user: UserId,
    /// The sealed secret against which it was looked at.
    pub secret: Vec<u8>,
    /// The step whose code it is, where it is one.
    pub step: Option<i64>,
    /// The keyed hashes that it may have as a backup code, where it can be one.
    pub backup_code: Vec<[u8; 32]>,
    /// The present time.
    pub now: Time,
    /// How many wrong ones in a row are taken before there is a pause; then each further one begins another.
    pub max_wrong: u32,
    /// Until when no other is taken where this begins a pause.
    pub paused_until: Time,
    /// What the audit log tells where it is wrong.
    pub failed: Vec<AuditEntry>,
    /// What the audit log tells where it is a backup code.
    pub backup_code_used: Vec<AuditEntry>,
    /// What the owner is told where it is a backup code.
    pub mail: Option<NewMail>,
    /// What the owner is told where the first pause begins with it.
    pub pausing: Option<NewMail>,
}

/// What came of presenting a proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is done.
    Done,
    /// Nothing is done: what was read before has changed, or what is good once was used.
    Stale,
    /// The code is wrong, which is counted.
    WrongCode,
    /// There were too many wrong ones: none is taken.
    TooManyCodes {
        /// Until then.
        until: Time,
    },
}

/// What is done with a second factor that is on.
#[derive(Debug, Clone)]
pub enum FactorChange {
    /// It is switched off.
    Off,
    /// It has these backup codes alone, by their keyed hashes.
    BackupCodes(Vec<[u8; 32]>),
}

/// A change that takes the password and a code.
#[derive(Debug, Clone)]
pub struct ConfirmedChange {
    /// The code.
    pub attempt: CodeAttempt,
    /// The password; `None` is right for a user who has none.
    pub password: Option<ProvedPassword>,
    /// What is done.
    pub change: FactorChange,
    /// What the audit log tells of it.
    pub audit: Vec<AuditEntry>,
    /// What the owner is told.
    pub mail: Option<NewMail>,
}

/// The end of a second factor that no code brings about.
#[derive(Debug, Clone)]
pub struct FactorReset {
    /// Whose.
    pub user: UserId,
    /// The present time.
    pub now: Time,
    /// What the audit log tells of it.
    pub audit: Vec<AuditEntry>,
    /// What the owner is told.
    pub mail: Option<NewMail>,
}

/// Where second factors are kept. What is done is told by the entries of `audit`, written in the same transaction;
/// where nothing is done, nothing is told.
pub trait SecondFactorStore: Send + Sync {
    /// What there is of a user's.
    ///
    /// # Errors
    /// See [`StoreError`]; so everywhere below.
    fn of_user(&self, user: UserId) -> Result<SecondFactor, StoreError>;

    /// Keeps the sealed secret of one that is set up, in place of another that was not switched on. `false`, and
    /// nothing is done, while one is on.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn propose(&self, user: UserId, pending: &[u8], audit: &[AuditEntry]) -> Result<bool, StoreError>;

    /// Switches one on that was set up, and ends every session of its user but that which brought the code. `false`, and
    /// nothing is done, where it is not the one that is pending any more.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn enable(&self, factor: &NewSecondFactor) -> Result<bool, StoreError>;

    /// Keeps a token that stands for the first factor and, with it, replaces an outdated hash of the password.
    /// `false`, and nothing is done, where the password is another by now or no second factor is on.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn challenge(&self, challenge: &NewChallenge) -> Result<bool, StoreError>;

    /// The token that has one of these hashes and is good at `now`, and whose it is.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn challenged(&self, tokens: &[[u8; 32]], now: Time) -> Result<Option<([u8; 32], UserId)>, StoreError>;

    /// Opens a session for whoever has such a token, by a code: the token and the code are used up by it, and the count
    /// of wrong ones begins anew. Of any number that come at once with the same token or code, one opens a session.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn sign_in(
        &self,
        session: &NewSession,
        token: &[u8; 32],
        attempt: &CodeAttempt,
    ) -> Result<Verdict, StoreError>;

    /// Changes one that is on, by the password and a code. A code that is right is used up by it, whatever else uses
    /// codes meanwhile, and the count of wrong ones stays.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn confirm(&self, confirmed: &ConfirmedChange) -> Result<Verdict, StoreError>;

    /// Ends a user's, pending or on, and every session with it. `false`, and nothing is done, where there is none.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn reset(&self, reset: &FactorReset) -> Result<bool, StoreError>;

    /// Forgets tokens that expired before this moment, at most so many; gives how many.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn forget(&self, before: Time, limit: u32) -> Result<u64, StoreError>;
}
