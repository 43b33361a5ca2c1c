//! Signing up: an account and its first key, both or neither.

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use tollgate_domain::{
    ApiKey, AuditAction, AuditSubject, Email, Environment, KeyKind, KeyText, LimitOverrides, Permission,
    Permissions, Role, Tier, Time, User, UserId, limit::KeyLimits,
};
use tollgate_store::{NewKey, NewUser, StoreError};

use crate::{Accounts, AccountsError, By, Client, error::RegistrationClosed, field::Faults};

/// What the key that comes with an account is called.
pub const PRIMARY_KEY_NAME: &str = "Primary API Key";

/// Who may sign up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RegistrationPolicy {
    /// Everybody.
    #[default]
    Open,
    /// Who has an invitation.
    InviteOnly,
    /// Nobody.
    Closed,
    /// Everybody whose address is verified.
    VerifiedOnly,
}

/// A wish to sign up.
#[derive(Debug, Clone)]
pub struct Registration {
    /// The address, as typed.
    pub email: String,
    /// The password.
    pub password: SecretString,
    /// The password once more, where the client asks for that.
    pub confirm_password: Option<SecretString>,
    /// What to call the user.
    pub name: Option<String>,
}

/// A new account.
#[derive(Debug)]
pub struct Registered {
    /// The user.
    pub user: Arc<User>,
    /// The first key.
    pub key: ApiKey,
    /// Its secret, to be shown this once.
    pub secret: KeyText,
}

impl Accounts {
    /// Signs a user up.
    ///
    /// # Errors
    /// [`AccountsError::RegistrationClosed`], [`AccountsError::Invalid`], [`AccountsError::EmailTaken`], or
    /// the store's.
    pub fn register(&self, wish: &Registration, client: &Client) -> Result<Registered, AccountsError> {
        match self.settings.registration {
            RegistrationPolicy::Open => {}
            RegistrationPolicy::InviteOnly => return Err(RegistrationClosed::InviteOnly.into()),
            RegistrationPolicy::Closed => return Err(RegistrationClosed::Closed.into()),
            RegistrationPolicy::VerifiedOnly => return Err(RegistrationClosed::CannotVerify.into()),
        }
        let mut faults = Faults::default();
        let email = faults.take("email", "invalid_email", wish.email.parse::<Email>());
        self.passwords.judge("password", &wish.password, email.as_ref(), &mut faults);
        let same = |again: &SecretString| again.expose_secret() == wish.password.expose_secret();
        if !wish.confirm_password.as_ref().is_none_or(same) {
            faults.add("confirm_password", "mismatch", "must be the same as password");
        }
        let name = wish.name.as_deref().map(|name| faults.name("name", name));
        faults.none()?;

        let now = self.now();
        let user = User { email, name, ..blank_user(UserId::new(now, &*self.random), now) };
        let (first, secret) = self.primary_key(user.id, now);
        let password_hash = Some(self.passwords.hash(&wish.password, &*self.random)?);
        let new = NewUser { user: user.clone(), password_hash };
        let by = By::user(user.id, client);
        let audit = [
            self.entry(&by, AuditAction::UserRegistered, AuditSubject::User(user.id)),
            self.entry(&by, AuditAction::KeyCreated, AuditSubject::Key(first.key.id)),
        ];
        self.stores.users.create(&new, Some(&first), &audit).map_err(taken)?;
        Ok(Registered { user: Arc::new(user), key: first.key, secret })
    }

    fn primary_key(&self, user_id: UserId, now: Time) -> (NewKey, KeyText) {
        let permissions = self.settings.default_permissions.with(Permission::KeysManage);
        self.blank_key(user_id, PRIMARY_KEY_NAME, KeyKind::Primary, Environment::Live, permissions, now)
    }

    /// A key without limits of its own, and its secret.
    pub(crate) fn blank_key(
        &self,
        user_id: UserId,
        name: &str,
        kind: KeyKind,
        environment: Environment,
        permissions: Permissions,
        now: Time,
    ) -> (NewKey, KeyText) {
        let (secret, hash) = self.new_secret(environment);
        let key = ApiKey {
            id: tollgate_domain::KeyId::new(now, &*self.random),
            user_id,
            name: name.to_owned(),
            kind,
            environment,
            prefix: self.key_prefix(environment).to_owned(),
            preview: secret.preview(),
            permissions,
            limits: KeyLimits::default(),
            is_active: true,
            disabled_by_admin: false,
            revoked_at: None,
            expires_at: None,
            created_by_key: None,
            metadata: "{}".to_owned(),
            created_at: now,
            updated_at: now,
        };
        (NewKey { key, hash, sealed: None }, secret)
    }
}

/// An active user of the free tier without a name or an address.
pub(crate) fn blank_user(id: UserId, now: Time) -> User {
    User {
        id,
        email: None,
        external_id: None,
        name: None,
        role: Role::User,
        tier: Tier::Free,
        is_active: true,
        is_verified: false,
        limits: LimitOverrides::default(),
        monthly_token_limit: None,
        quota_floor: None,
        quota_grant: None,
        metadata: "{}".to_owned(),
        created_at: now,
        updated_at: now,
    }
}

/// The store's refusal of an address or external id that another user has, as the use case says it.
pub(crate) fn taken(error: StoreError) -> AccountsError {
    match error {
        StoreError::Conflict { entity: "user", field: "email" } => AccountsError::EmailTaken,
        other => AccountsError::Store(other),
    }
}
