//! What administrators make: administrators, and keys together with their users.

use chrono::TimeDelta;
use secrecy::SecretString;
use tollgate_domain::{
    ApiKey, AuditAction, AuditSubject, Email, Environment, KeyKind, KeyText, LimitOverrides, Permission,
    Permissions, Role, Tier, Time, User, UserId,
    limit::{GivenByAdmin, KeyLimits},
};
use tollgate_store::{NewKey, NewUser, StoreError};

use super::{UserChanges, only_for_administrators};
use crate::{
    Accounts, AccountsError, By,
    field::Faults,
    key::caller_ended,
    register::{blank_user, taken},
};

/// What a key is called where neither it nor its user has a name.
const KEY_NAME: &str = "API Key";
/// The most characters of an id by which another system knows a user.
const MAX_EXTERNAL_ID_CHARS: usize = 200;
/// How often a user is looked for whom other calls make and delete in the same moment.
const MAX_TRIES: usize = 3;

/// An administrator to be made.
#[derive(Debug, Clone)]
pub struct NewAdmin {
    /// The address, as typed.
    pub email: String,
    /// The password.
    pub password: SecretString,
    /// What to call the administrator.
    pub name: Option<String>,
}

/// A wish for a key of somebody's: the user is found by id, external id or email, and made where there is none.
#[derive(Debug, Clone, Default)]
pub struct ProvisionWish {
    /// The user's own id, or the one by which another system knows the user.
    pub user_id: Option<String>,
    /// The id by which another system knows the user, never the user's own. Where it is known, the address finds nobody.
    pub external_id: Option<String>,
    /// The user's address.
    pub email: Option<String>,
    /// What to call a user that is made.
    pub user_name: Option<String>,
    /// What to call the key; else it is called as its user.
    pub key_name: Option<String>,
    /// What it may do.
    pub permissions: Option<Permissions>,
    /// What it may reach.
    pub environment: Environment,
    /// Its limits, given by an administrator.
    pub limits: LimitOverrides,
    /// Its tier, given by an administrator; also the user's where the user is made.
    pub tier: Option<Tier>,
    /// Days until it expires.
    pub expires_in_days: Option<i64>,
    /// Notes on the key.
    pub metadata: Option<serde_json::Map<String, serde_json::Value>>,
}

/// Whom a wish names, and what to call who is made.
struct Whose {
    user_id: Option<String>,
    external_id: Option<String>,
    email: Option<Email>,
    name: Option<String>,
}

/// A key made by an administrator.
#[derive(Debug)]
pub struct Provisioned {
    /// Its owner.
    pub user: User,
    /// Whether the owner was made with it.
    pub is_new_user: bool,
    /// The key.
    pub key: ApiKey,
    /// Its secret, to be shown this once.
    pub secret: KeyText,
}

impl Accounts {
    /// Makes an administrator, whose address counts as verified. An address that has an account already is
    /// refused: whoever made that account knows its password.
    ///
    /// # Errors
    /// [`AccountsError::Invalid`], [`AccountsError::EmailTaken`], or the store's.
    pub fn create_admin(&self, by: &By, wish: &NewAdmin) -> Result<User, AccountsError> {
        let mut faults = Faults::default();
        let email = faults.take("email", "invalid_email", wish.email.parse::<Email>());
        self.passwords.judge("password", &wish.password, email.as_ref(), &mut faults);
        let name = wish.name.as_deref().map(|name| faults.name("name", name));
        faults.none()?;
        let now = self.now();
        let id = UserId::new(now, &*self.random);
        let user = User { email, name, role: Role::Admin, is_verified: true, ..blank_user(id, now) };
        let password_hash = Some(self.passwords.hash(&wish.password, &*self.random)?);
        let audit = [self.entry(by, AuditAction::UserCreated, AuditSubject::User(id))];
        self.stores
            .users
            .create(&NewUser { user: user.clone(), password_hash }, None, &audit)
            .map_err(taken)?;
        Ok(user)
    }

    /// Makes a user who has no password yet an administrator who can sign in.
    ///
    /// # Errors
    /// [`AccountsError::Invalid`], [`AccountsError::NotFound`], or the store's.
    pub fn promote_with_password(
        &self,
        by: &By,
        user: &User,
        password: &SecretString,
    ) -> Result<User, AccountsError> {
        let mut faults = Faults::default();
        self.passwords.judge("password", password, user.email.as_ref(), &mut faults);
        faults.none()?;
        let hash = self.passwords.hash(password, &*self.random)?;
        let audit = [self.entry(by, AuditAction::PasswordChanged, AuditSubject::User(user.id))];
        if !self.stores.users.set_password(user.id, &hash, self.now(), &audit)? {
            return Err(AccountsError::NotFound("user"));
        }
        self.edit_user(by, user.id, UserChanges { role: Some(Role::Admin), ..UserChanges::default() })
    }

    /// Makes a key for somebody, and the somebody where needed. A user's own ceilings do not apply.
    ///
    /// # Errors
    /// [`AccountsError::Invalid`], [`AccountsError::NotFound`] for an id that is nobody's, [`AccountsError::EmailTaken`]
    /// by a user with another external id, [`AccountsError::CallerEnded`], or the store's.
    pub fn provision(&self, by: &By, wish: &ProvisionWish) -> Result<Provisioned, AccountsError> {
        let mut faults = Faults::default();
        let email = wish
            .email
            .as_deref()
            .and_then(|email| faults.take("email", "invalid_email", email.parse::<Email>()));
        let user_id = wish.user_id.as_deref().map(|id| external_id("user_id", id, &mut faults));
        let external_id = wish.external_id.as_deref().map(|id| external_id("external_id", id, &mut faults));
        let user_name = wish.user_name.as_deref().map(|name| faults.name("name", name));
        let key_name = match (wish.key_name.as_deref(), &user_name) {
            (Some(name), _) => faults.name("key_name", name),
            (None, Some(name)) => name.clone(),
            (None, None) => KEY_NAME.to_owned(),
        };
        faults.permissions(wish.permissions.as_ref());
        faults.overrides(&wish.limits);
        faults.expiry_days("expires_in_days", wish.expires_in_days);
        let metadata = faults.metadata(wish.metadata.as_ref());
        faults.none()?;

        let whose = Whose { user_id, external_id, email, name: user_name };
        let mut again = 1..MAX_TRIES;
        loop {
            match self.provision_for(by, &whose, &key_name, &metadata, wish) {
                // Made by another call meanwhile, and there to be found now; or deleted by one, and to be made now.
                Err(
                    AccountsError::EmailTaken
                    | AccountsError::Store(
                        StoreError::Conflict { entity: "user", .. } | StoreError::Orphaned(_),
                    ),
                ) if again.next().is_some() => {}
                done => return done,
            }
        }
    }

    fn provision_for(
        &self,
        by: &By,
        whose: &Whose,
        key_name: &str,
        metadata: &str,
        wish: &ProvisionWish,
    ) -> Result<Provisioned, AccountsError> {
        let now = self.now();
        let found = self.find_user(whose)?;
        let is_new_user = found.is_none();
        let user = found.unwrap_or_else(|| User {
            email: whose.email.clone(),
            external_id: whose.user_id.clone().or_else(|| whose.external_id.clone()),
            name: whose.name.clone(),
            tier: wish.tier.unwrap_or_default(),
            ..blank_user(UserId::new(now, &*self.random), now)
        });
        let (mut new, secret) = self.provisioned_key(&user, key_name, metadata.to_owned(), wish, now)?;
        new.maker = by.maker;
        let mut audit = vec![self.entry(by, AuditAction::KeyCreated, AuditSubject::Key(new.key.id))];
        if is_new_user {
            audit.push(self.entry(by, AuditAction::UserCreated, AuditSubject::User(user.id)));
            let made = NewUser { user: user.clone(), password_hash: None };
            let made = self.stores.users.create(&made, Some(&new), &audit);
            made.map_err(|error| match taken(error) {
                AccountsError::Store(error) => caller_ended(error),
                taken => taken,
            })?;
        } else if !self.stores.keys.create(&new, u32::MAX, &audit).map_err(caller_ended)? {
            return Err(AccountsError::TooManyKeys { max: u32::MAX });
        }
        Ok(Provisioned { user, is_new_user, key: new.key, secret })
    }

    fn provisioned_key(
        &self,
        user: &User,
        name: &str,
        metadata: String,
        wish: &ProvisionWish,
        now: Time,
    ) -> Result<(NewKey, KeyText), AccountsError> {
        let permissions =
            wish.permissions.clone().unwrap_or_else(|| self.settings.default_permissions.clone());
        if permissions.allow(&Permission::Admin) {
            only_for_administrators(user)?;
        }
        let (mut new, secret) =
            self.blank_key(user.id, name, KeyKind::Ordinary, wish.environment, permissions, now);
        let by_admin = GivenByAdmin {
            minute: wish.limits.minute.is_some(),
            hour: wish.limits.hour.is_some(),
            day: wish.limits.day.is_some(),
            tier: wish.tier.is_some(),
        };
        new.key.limits = KeyLimits { tier: wish.tier, limits: wish.limits, by_admin };
        new.key.expires_at = wish.expires_in_days.map(|days| now + TimeDelta::days(days));
        new.key.metadata = metadata;
        Ok((new, secret))
    }

    fn find_user(&self, whose: &Whose) -> Result<Option<User>, AccountsError> {
        let users = &self.stores.users;
        if let Some(user_id) = &whose.user_id {
            if let Some(user) = users.by_external_id(user_id)? {
                return Ok(Some(user));
            }
            if let Ok(id) = user_id.parse::<UserId>() {
                return users.by_id(id)?.map(Some).ok_or(AccountsError::NotFound("user"));
            }
            return Ok(None);
        }
        if let Some(external_id) = &whose.external_id
            && let Some(user) = users.by_external_id(external_id)?
        {
            return Ok(Some(user));
        }
        let Some(email) = &whose.email else { return Ok(None) };
        let known = users.by_email(email)?.map(|known| known.user);
        // Another system's two users with one address: a key for the one is not the other's.
        let another = |user: &User| user.external_id.is_some() && whose.external_id.is_some();
        if known.as_ref().is_some_and(another) { Err(AccountsError::EmailTaken) } else { Ok(known) }
    }
}

fn external_id(field: &'static str, id: &str, faults: &mut Faults) -> String {
    let id = id.trim();
    let chars = id.chars().count();
    if chars == 0 || chars > MAX_EXTERNAL_ID_CHARS || id.chars().any(char::is_control) {
        let rule = format!("must have 1 to {MAX_EXTERNAL_ID_CHARS} characters and no control characters");
        faults.add(field, "invalid_id", rule);
    }
    id.to_owned()
}
