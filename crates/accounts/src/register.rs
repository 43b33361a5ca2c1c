//! Signing up: an account, its first key and the mail that confirms its address, all or nothing. Where addresses must
//! be confirmed first, the key comes with that, and who signs up is not told whether the address was taken: its owner
//! is.

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use tollgate_domain::{
    ApiKey, AuditAction, AuditSubject, Email, Environment, KeyId, KeyKind, KeyText, LimitOverrides,
    Permission, Permissions, Role, Tier, Time, User, UserId,
};
use tollgate_store::{AddressHit, MailPurpose, NewKey, NewUser, SignUp, SignedUp, StoreError};

use crate::{
    Accounts, AccountsError, By, Client,
    error::RegistrationClosed,
    field::Faults,
    mail::Mail,
    mail_token::{MAX_MAILS_PER_HOUR, refused},
};

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
    /// An invitation, where sign-up takes one.
    pub invite: Option<SecretString>,
}

/// What comes of signing up.
#[derive(Debug)]
pub enum Registering {
    /// The account is there.
    Done(Box<Registered>),
    /// The address must be confirmed first; or its owner was told.
    VerificationSent,
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
    /// [`AccountsError::RegistrationClosed`], [`AccountsError::Invalid`], [`AccountsError::AddressLimit`],
    /// [`AccountsError::EmailTaken`] where that may
    /// be told, or the store's.
    pub fn register(&self, wish: &Registration, client: &Client) -> Result<Registering, AccountsError> {
        let invitation = self.invitation(wish)?;
        self.count_address(AddressHit::SignUp, client)?;
        let (user, password_hash) = self.judged(wish)?;
        let Some(email) = &user.email else { return Err(AccountsError::NoEmail) };
        let at_once = !self.settings.require_verified_email;
        let by = By::user(user.id, client);
        let (first, secret) = self.primary_key(user.id, user.created_at);
        let (text, token) = self.verification(Some(user.id), email);
        let mut audit = vec![self.entry(&by, AuditAction::UserRegistered, AuditSubject::User(user.id))];
        if at_once {
            audit.push(self.entry(&by, AuditAction::KeyCreated, AuditSubject::Key(first.key.id)));
        }
        let stranger = By::anonymous(client);
        let sign_up = SignUp {
            first_key: at_once.then(|| first.clone()),
            invitation,
            token,
            mail: self.mail(Some(email), &Mail::Verification { token: &text })?,
            taken: if at_once { None } else { Some(self.mail(Some(email), &Mail::AddressTaken)?) },
            max_per_hour: MAX_MAILS_PER_HOUR,
            audit,
            refused: vec![self.entry_about(&stranger, AuditAction::RegistrationRefused, None, Some(email))],
            user: NewUser { user: user.clone(), password_hash: Some(password_hash) },
        };
        match self.signed_up(&sign_up)? {
            SignedUp::NotInvited => Err(refused("invite")),
            SignedUp::Taken if at_once => Err(AccountsError::EmailTaken),
            SignedUp::Made if at_once => {
                Ok(Registering::Done(Box::new(Registered { user: Arc::new(user), key: first.key, secret })))
            }
            SignedUp::Made | SignedUp::Taken => Ok(Registering::VerificationSent),
        }
    }

    /// Signs up; a second time where somebody else took the address in the same moment.
    fn signed_up(&self, sign_up: &SignUp) -> Result<SignedUp, AccountsError> {
        match self.stores.mail_tokens.sign_up(sign_up).map_err(taken) {
            Err(AccountsError::EmailTaken) => self.stores.mail_tokens.sign_up(sign_up).map_err(taken),
            other => other,
        }
    }

    /// The invitation by which somebody signs up, where that takes one.
    fn invitation(&self, wish: &Registration) -> Result<Option<[u8; 32]>, AccountsError> {
        match (self.settings.registration, &wish.invite) {
            (RegistrationPolicy::Open, _) => Ok(None),
            (RegistrationPolicy::Closed, _) => Err(RegistrationClosed::Closed.into()),
            (RegistrationPolicy::InviteOnly, None) => Err(RegistrationClosed::InviteOnly.into()),
            (RegistrationPolicy::InviteOnly, Some(invite)) => {
                let found = self.mail_token(&[MailPurpose::Invitation], invite)?;
                Ok(Some(found.ok_or_else(|| refused("invite"))?.hash))
            }
        }
    }

    /// The user whom a wish describes, and the password's hash.
    fn judged(&self, wish: &Registration) -> Result<(User, String), AccountsError> {
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
        Ok((user, self.passwords.hash(&wish.password, &*self.random)?))
    }

    pub(crate) fn primary_key(&self, user_id: UserId, now: Time) -> (NewKey, KeyText) {
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
            name: name.to_owned(),
            kind,
            environment,
            prefix: self.key_prefix(environment).to_owned(),
            preview: secret.preview(),
            permissions,
            ..ApiKey::blank(KeyId::new(now, &*self.random), user_id, now)
        };
        (NewKey { key, hash, sealed: None, maker: None }, secret)
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
