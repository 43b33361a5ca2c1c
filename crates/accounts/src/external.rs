//! Signing in with an identity token of another issuer.
//!
//! Who a token means is the pair of its issuer and its subject, never an email address: whoever can have an issuer
//! write an address into a token must not have the account behind it. So an address that belongs to an account links
//! nothing by itself, and one that the issuer has not verified is not used at all.

use std::sync::Arc;

use chrono::TimeDelta;
use secrecy::SecretString;
use tollgate_domain::{AuditAction, AuditSubject, Email, Time, User, UserId};
use tollgate_store::{AddressHit, Link, LinkedIdentity, NewUser, StoreError};

use crate::{
    Accounts, AccountsError, By, Client, RegistrationPolicy,
    error::RegistrationClosed,
    field::MAX_NAME_CHARS,
    key::CreatedKey,
    mail::Mail,
    register::blank_user,
    session::Identity,
    sign_in::{LoggedIn, Proof},
};

/// The most identities of a user.
pub const MAX_IDENTITIES: u32 = 20;
/// How old a token may be that confirms something in place of a password.
const FRESH_FOR: TimeDelta = TimeDelta::minutes(5);
/// How often one call tries what another may get in the way of.
const MAX_TRIES: usize = 3;

/// What a good identity token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalIdentity {
    /// Who vouches for it: the issuer's identifier.
    pub issuer: String,
    /// Whom the issuer means, for ever: not empty, without controls, at most 255 bytes.
    pub subject: String,
    /// The address that the issuer knows, as it writes it.
    pub email: Option<String>,
    /// Whether the issuer has verified that address. One that it has not is nobody's.
    pub email_verified: bool,
    /// What the issuer calls the user.
    pub name: Option<String>,
    /// When the token was issued.
    pub issued_at: Time,
}

/// Why an identity token says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// It is not good.
    #[error("the identity token is invalid or has expired")]
    Refused,
    /// Its issuer's keys are unknown and cannot be fetched.
    #[error("the issuer of the identity token cannot be reached: try again in a moment")]
    Unreachable,
}

/// Verifies identity tokens of the issuers that are configured.
pub trait IdentityVerifier: Send + Sync {
    /// What `token` says, if it is good at `now`. May wait for its issuer, some seconds at most.
    ///
    /// # Errors
    /// [`IdentityError`].
    fn verify(&self, token: &SecretString, now: Time) -> Result<ExternalIdentity, IdentityError>;
}

/// A session that an identity token opened.
#[derive(Debug)]
pub struct ExternalLogin {
    /// The session.
    pub logged_in: LoggedIn,
    /// The first key, where the user was made by it; its secret is to be shown this once.
    pub first_key: Option<CreatedKey>,
}

impl ExternalIdentity {
    /// The address, where the issuer has verified it.
    fn verified_email(&self) -> Option<Email> {
        self.email.as_ref().filter(|_| self.email_verified)?.parse().ok()
    }

    /// What to call the user: what the issuer says, as far as it is a name here.
    fn display_name(&self) -> Option<String> {
        let plain: String = self.name.as_ref()?.chars().filter(|c| !c.is_control()).collect();
        let name: String = plain.trim().chars().take(MAX_NAME_CHARS).collect();
        Some(name.trim_end().to_owned()).filter(|name| !name.is_empty())
    }

    fn linked_to(&self, user_id: UserId, now: Time) -> LinkedIdentity {
        LinkedIdentity {
            issuer: self.issuer.clone(),
            subject: self.subject.clone(),
            user_id,
            created_at: now,
        }
    }
}

impl Accounts {
    /// The same, taking identity tokens that `verifier` finds good. Without, there are no identity providers.
    #[must_use]
    pub fn with_identities(mut self, verifier: Arc<dyn IdentityVerifier>) -> Self {
        self.identities = Some(verifier);
        self
    }

    /// Opens a session for whom an identity token means. Whom nobody knows is signed up, as far as that is open; with
    /// `caller`, it becomes an identity of the caller's instead.
    ///
    /// # Errors
    /// [`AccountsError::NotFound`] without identity providers, [`AccountsError::Identity`],
    /// [`AccountsError::LinkRequired`] where its verified address belongs to an account, or to another than the
    /// caller's, [`AccountsError::IdentityTaken`] and [`AccountsError::TooManyIdentities`] where it cannot be the
    /// caller's, [`AccountsError::RegistrationClosed`], those of every sign-in, or the store's.
    pub fn sign_in_externally(
        &self,
        token: &SecretString,
        caller: Option<&Identity>,
        client: &Client,
    ) -> Result<ExternalLogin, AccountsError> {
        let identity = self.verified_identity(token)?;
        if let Some(caller) = caller {
            self.link_identity(&identity, caller)?;
            return self.open_externally(Arc::clone(&caller.user), None, client);
        }
        for _ in 0..MAX_TRIES {
            if let Some(user) = self.stores.external_identities.user(&identity.issuer, &identity.subject)? {
                return self.open_externally(Arc::new(user), None, client);
            }
            match self.sign_up_externally(&identity, client) {
                Ok((user, key)) => return self.open_externally(Arc::new(user), Some(key), client),
                // Somebody has made the same user, or one of the same address, since we looked.
                Err(AccountsError::Store(StoreError::Conflict {
                    entity: "external_identity" | "user",
                    ..
                })) => {}
                // The account that has the address may be the one that this token has made since.
                Err(AccountsError::LinkRequired)
                    if self
                        .stores
                        .external_identities
                        .user(&identity.issuer, &identity.subject)?
                        .is_some() => {}
                Err(error) => return Err(error),
            }
        }
        Err(AccountsError::IdentityTaken)
    }

    /// Checks the fresh identity token by which somebody with a session confirms what others confirm by their password.
    ///
    /// # Errors
    /// [`AccountsError::NotFound`] without identity providers, [`AccountsError::Identity`] where the token is not good,
    /// not fresh, or not the caller's, of which the audit log tells, or the store's.
    pub fn confirm_by_identity(&self, caller: &Identity, token: &SecretString) -> Result<(), AccountsError> {
        let user = caller.user.id;
        let confirmed = self.verified_identity(token).and_then(|identity| {
            let owner = self.stores.external_identities.user(&identity.issuer, &identity.subject)?;
            let is_own = owner.is_some_and(|owner| owner.id == user);
            let is_fresh = self.now() - identity.issued_at <= FRESH_FOR;
            if is_own && is_fresh { Ok(()) } else { Err(IdentityError::Refused.into()) }
        });
        if let Err(AccountsError::Identity(IdentityError::Refused)) = &confirmed {
            let subject = AuditSubject::User(user);
            let told = self.entry(&caller.by(), AuditAction::ConfirmationFailed, subject);
            self.stores.audit.note(&[told])?;
        }
        confirmed
    }

    fn verified_identity(&self, token: &SecretString) -> Result<ExternalIdentity, AccountsError> {
        let verifier = self.identities.as_ref().ok_or(AccountsError::NotFound("identity provider"))?;
        Ok(verifier.verify(token, self.now())?)
    }

    /// Makes an identity one of the caller's, who holds both an access token and an identity token.
    fn link_identity(&self, identity: &ExternalIdentity, caller: &Identity) -> Result<(), AccountsError> {
        // Its address is proof enough of another account that it must not end up in this one by mistake.
        if let Some(email) = identity.verified_email()
            && let Some(known) = self.stores.users.by_email(&email)?
            && known.user.id != caller.user.id
        {
            return Err(AccountsError::LinkRequired);
        }
        let link = identity.linked_to(caller.user.id, self.now());
        let subject = AuditSubject::User(caller.user.id);
        let audit = [self.entry(&caller.by(), AuditAction::IdentityLinked, subject)];
        let told = Mail::IdentityLinked { issuer: &link.issuer };
        let to = caller.user.email.as_ref();
        let mail = to.map(|to| self.mail(Some(to), &told)).transpose()?;
        match self.stores.external_identities.link(&link, MAX_IDENTITIES, mail.as_ref(), &audit) {
            Ok(Link::Made | Link::Known) => Ok(()),
            Ok(Link::Taken) | Err(StoreError::Conflict { entity: "external_identity", .. }) => {
                Err(AccountsError::IdentityTaken)
            }
            Ok(Link::TooMany) => Err(AccountsError::TooManyIdentities { max: MAX_IDENTITIES }),
            Ok(Link::NoUser) => Err(AccountsError::InvalidToken),
            Err(error) => Err(error.into()),
        }
    }

    fn sign_up_externally(
        &self,
        identity: &ExternalIdentity,
        client: &Client,
    ) -> Result<(User, CreatedKey), AccountsError> {
        let email = identity.verified_email();
        if let Some(email) = &email
            && self.stores.users.by_email(email)?.is_some()
        {
            return Err(AccountsError::LinkRequired);
        }
        match self.settings.registration {
            // An address is verified by the issuer, or there is none.
            RegistrationPolicy::Open => {}
            RegistrationPolicy::InviteOnly => return Err(RegistrationClosed::InviteOnly.into()),
            RegistrationPolicy::Closed => return Err(RegistrationClosed::Closed.into()),
        }
        self.count_address(AddressHit::SignUp, client)?;
        let now = self.now();
        let id = UserId::new(now, &*self.random);
        let is_verified = email.is_some();
        let user = User { email, name: identity.display_name(), is_verified, ..blank_user(id, now) };
        let (first, secret) = self.primary_key(id, now);
        let by = By::user(id, client);
        let audit = [
            self.entry(&by, AuditAction::UserRegistered, AuditSubject::User(id)),
            self.entry(&by, AuditAction::IdentityLinked, AuditSubject::User(id)),
            self.entry(&by, AuditAction::KeyCreated, AuditSubject::Key(first.key.id)),
        ];
        let new = NewUser { user: user.clone(), password_hash: None };
        self.stores.external_identities.create_user(&new, &first, &identity.linked_to(id, now), &audit)?;
        Ok((user, CreatedKey { key: first.key, secret }))
    }

    fn open_externally(
        &self,
        user: Arc<User>,
        first_key: Option<CreatedKey>,
        client: &Client,
    ) -> Result<ExternalLogin, AccountsError> {
        // Nothing is opened where a second factor was switched on in this moment: the next time it is asked for.
        for _ in 0..MAX_TRIES {
            if let Some(logged_in) = self.sign_in(Arc::clone(&user), Proof::Identity, client)? {
                return Ok(ExternalLogin { logged_in, first_key });
            }
        }
        Err(IdentityError::Refused.into())
    }
}
