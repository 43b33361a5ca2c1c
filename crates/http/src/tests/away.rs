//! A database that is away, whatever it is asked (save, where a test says so, for one key): what the edge does
//! before and without it.

use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Duration};

use chrono::TimeDelta;
use tollgate_accounts::{Accounts, AccountsSettings, AttemptLimits, RegistrationPolicy};
use tollgate_domain::{
    ApiKey, AuditEntry, Clock, Email, Environment, EventId, KeyHash, KeyId, KeyKind, MailId, Month, Pepper,
    Permissions, Randomness, Role, Session, SessionId, Tier, Tiers, Time, UsageEvent, User, UserId,
    limit::{KeyLimits, LimitOverrides},
};
use tollgate_gate::Authenticator;
use tollgate_store::{
    ChangeStore, Changes, Credentials, Deletion, Directory, DueMail, Edit, EditorKey, EventStore, Folded,
    KeyFilter, KeyStore, KeyTotals, ListedKey, ListedSession, LogMark, LogPage, MailStore, Mark, NewKey,
    NewMail, NewSession, NewUser, OpenRequestStore, Page, PageRequest, PasswordChange, Rotated, Rotation,
    SavedWindows, SessionStore, Stats, StoreError, Stores, StreamId, UsageScope, UsageStore, UserStore,
    WindowStore,
};
use tollgate_usage::Folder;

use crate::{HttpSettings, ManagementCalls, MetricsAccess, Pools, State};

/// Words of the cause, which no client may read.
pub const CAUSE: &str = "host=db.internal password=hunter2";

/// What the database still tells of the key that is presented.
#[derive(Clone)]
pub enum Told {
    /// Nothing: it is away.
    Nothing,
    /// That nobody made it.
    Unknown,
    /// That it has these permissions, and its user no role.
    Held(Permissions),
}

struct Away(Told);

fn away<T>() -> Result<T, StoreError> {
    Err(StoreError::unavailable(CAUSE))
}

impl Told {
    fn tell<T>(&self, of: impl Fn(&Permissions) -> T) -> Result<Option<T>, StoreError> {
        match self {
            Self::Nothing => away(),
            Self::Unknown => Ok(None),
            Self::Held(permissions) => Ok(Some(of(permissions))),
        }
    }
}

/// Whose key it is.
pub fn user() -> User {
    User {
        id: UserId::new(Time::UNIX_EPOCH, &Fixed),
        email: None,
        external_id: None,
        name: None,
        role: Role::User,
        tier: Tier::Free,
        is_active: true,
        is_verified: true,
        limits: LimitOverrides::default(),
        monthly_token_limit: None,
        quota_floor: None,
        quota_grant: None,
        metadata: "{}".to_owned(),
        created_at: Time::UNIX_EPOCH,
        updated_at: Time::UNIX_EPOCH,
    }
}

fn key(permissions: &Permissions) -> ApiKey {
    ApiKey {
        id: KeyId::new(Time::UNIX_EPOCH, &Fixed),
        user_id: user().id,
        name: "a key".to_owned(),
        kind: KeyKind::Ordinary,
        environment: Environment::Live,
        prefix: "qwen-".to_owned(),
        preview: "qwen-0123…".to_owned(),
        permissions: permissions.clone(),
        limits: KeyLimits::default(),
        is_active: true,
        disabled_by_admin: false,
        revoked_at: None,
        expires_at: None,
        allowed_ips: Vec::new(),
        allowed_models: Vec::new(),
        created_by_key: None,
        metadata: "{}".to_owned(),
        created_at: Time::UNIX_EPOCH,
        updated_at: Time::UNIX_EPOCH,
    }
}

impl UserStore for Away {
    fn create(&self, _: &NewUser, _: Option<&NewKey>, _: &[AuditEntry]) -> Result<(), StoreError> {
        away()
    }
    fn by_id(&self, _: UserId) -> Result<Option<User>, StoreError> {
        self.0.tell(|_| user())
    }
    fn by_email(&self, _: &Email) -> Result<Option<Credentials>, StoreError> {
        away()
    }
    fn by_external_id(&self, _: &str) -> Result<Option<User>, StoreError> {
        away()
    }
    fn edit(&self, _: UserId, _: Edit<User>, _: Time, _: &[AuditEntry]) -> Result<Option<User>, StoreError> {
        away()
    }
    fn credentials(&self, _: UserId) -> Result<Option<Credentials>, StoreError> {
        away()
    }
    fn set_password(&self, _: UserId, _: &str, _: Time, _: &[AuditEntry]) -> Result<bool, StoreError> {
        away()
    }
    fn change_password(&self, _: &PasswordChange) -> Result<bool, StoreError> {
        away()
    }
    fn delete(&self, _: &Deletion) -> Result<bool, StoreError> {
        away()
    }
    fn import(
        &self,
        _: &[tollgate_store::UserImport],
        _: bool,
    ) -> Result<Vec<tollgate_store::Imported>, StoreError> {
        away()
    }
    fn list(&self, _: &PageRequest, _: Option<&str>) -> Result<Page<User>, StoreError> {
        away()
    }
}

impl KeyStore for Away {
    fn create(&self, _: &NewKey, _: u32, _: &[AuditEntry]) -> Result<bool, StoreError> {
        away()
    }
    fn by_hash(&self, _: &KeyHash) -> Result<Option<ApiKey>, StoreError> {
        self.0.tell(key)
    }
    fn by_id(&self, _: KeyId) -> Result<Option<ListedKey>, StoreError> {
        away()
    }
    fn import(
        &self,
        _: &[tollgate_store::KeyImport],
        _: bool,
    ) -> Result<Vec<tollgate_store::Imported>, StoreError> {
        away()
    }
    fn list(&self, _: &KeyFilter, _: &PageRequest) -> Result<Page<ListedKey>, StoreError> {
        away()
    }
    fn edit(
        &self,
        _: KeyId,
        _: Edit<ApiKey>,
        _: Time,
        _: &[AuditEntry],
    ) -> Result<Option<ApiKey>, StoreError> {
        away()
    }
    fn revoke(
        &self,
        _: KeyId,
        _: Option<UserId>,
        _: Time,
        _: &[AuditEntry],
    ) -> Result<Option<ApiKey>, StoreError> {
        away()
    }
    fn revoke_descendants(
        &self,
        _: KeyId,
        _: Option<UserId>,
        _: Time,
        _: &tollgate_store::EntryOf,
    ) -> Result<Option<ApiKey>, StoreError> {
        away()
    }
    fn rehash(&self, _: &KeyHash, _: &KeyHash) -> Result<bool, StoreError> {
        away()
    }
    fn rotate(&self, _: &tollgate_store::KeyRotation) -> Result<Option<ApiKey>, StoreError> {
        away()
    }
    fn editor(&self, _: UserId) -> Result<Option<EditorKey>, StoreError> {
        away()
    }
    fn create_editor(&self, _: &NewKey, _: &[AuditEntry]) -> Result<EditorKey, StoreError> {
        away()
    }
    fn ids_by_prefix(&self, _: &str, _: u32) -> Result<Vec<KeyId>, StoreError> {
        away()
    }
}

impl SessionStore for Away {
    fn open(&self, _: &NewSession) -> Result<bool, StoreError> {
        away()
    }
    fn by_id(&self, _: SessionId) -> Result<Option<Session>, StoreError> {
        away()
    }
    fn by_refresh(&self, _: &[u8; 32]) -> Result<Option<Session>, StoreError> {
        away()
    }
    fn rotate(&self, _: &Rotation) -> Result<Rotated, StoreError> {
        away()
    }
    fn list(&self, _: UserId, _: &PageRequest, _: Time) -> Result<Page<ListedSession>, StoreError> {
        away()
    }
    fn end(&self, _: SessionId, _: Option<UserId>, _: Time, _: &[AuditEntry]) -> Result<bool, StoreError> {
        away()
    }
    fn end_all(&self, _: UserId, _: Time, _: &[AuditEntry]) -> Result<u64, StoreError> {
        away()
    }
    fn forget(&self, _: Time, _: Time, _: u32) -> Result<u64, StoreError> {
        away()
    }
}

impl ChangeStore for Away {
    fn latest(&self) -> Result<i64, StoreError> {
        away()
    }
    fn since(&self, _: i64, _: u32) -> Result<Changes, StoreError> {
        away()
    }
}

impl EventStore for Away {
    fn open_stream(&self, _: Time) -> Result<StreamId, StoreError> {
        away()
    }
    fn append(&self, _: StreamId, _: i64, _: Arc<[UsageEvent]>, _: Duration) -> Result<(), StoreError> {
        away()
    }
    fn mark(&self) -> Result<Mark, StoreError> {
        away()
    }
    fn fold(&self, _: u32, _: &Mark) -> Result<Folded, StoreError> {
        away()
    }
    fn retire_streams(&self, _: Time) -> Result<u64, StoreError> {
        away()
    }
}

impl OpenRequestStore for Away {
    fn keep(&self, _: Arc<[UsageEvent]>, _: Time, _: Duration) -> Result<(), StoreError> {
        away()
    }
    fn kept(&self, _: Time, _: u32) -> Result<Vec<UsageEvent>, StoreError> {
        away()
    }
    fn forget(&self, _: Arc<[EventId]>, _: Duration) -> Result<(), StoreError> {
        away()
    }
}

impl UsageStore for Away {
    fn quota_used(&self, _: UserId, _: Environment, _: Month) -> Result<u64, StoreError> {
        away()
    }
    fn stats(&self, _: &UsageScope, _: Time, _: Time) -> Result<Stats, StoreError> {
        away()
    }
    fn key_totals(&self, _: &[KeyId], _: Time) -> Result<HashMap<KeyId, KeyTotals>, StoreError> {
        away()
    }
    fn events(&self, _: &UsageScope, _: u32, _: Option<LogMark>) -> Result<LogPage, StoreError> {
        away()
    }
}

impl WindowStore for Away {
    fn save(&self, _: u32, _: &Mark, _: Time) -> Result<Folded, StoreError> {
        away()
    }
    fn load(&self, _: &mut dyn FnMut(SavedWindows)) -> Result<(), StoreError> {
        away()
    }
}

impl MailStore for Away {
    fn queue(&self, _: &NewMail) -> Result<(), StoreError> {
        away()
    }
    fn take(&self, _: Time, _: Time) -> Result<Option<DueMail>, StoreError> {
        away()
    }
    fn remove(&self, _: MailId) -> Result<(), StoreError> {
        away()
    }
    fn retry(&self, _: MailId, _: Time) -> Result<(), StoreError> {
        away()
    }
    fn waiting(&self) -> Result<u64, StoreError> {
        away()
    }
}

/// A clock that stands still, and no randomness.
pub struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Time {
        "2026-11-21T12:00:00Z".parse().unwrap()
    }
}

impl Randomness for Fixed {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(7);
    }
}

/// The ports to it.
pub fn stores(told: Told) -> Stores {
    let away = Arc::new(Away(told));
    Stores {
        users: away.clone(),
        keys: away.clone(),
        sessions: away.clone(),
        changes: away.clone(),
        events: away.clone(),
        open_requests: away.clone(),
        usage: away.clone(),
        windows: away.clone(),
        mails: away,
        mail_tokens: Arc::new(tollgate_testkit::Absent),
        devices: Arc::new(tollgate_testkit::Absent),
        web_sessions: Arc::new(tollgate_testkit::Absent),
        external_identities: Arc::new(tollgate_testkit::Absent),
        second_factors: Arc::new(tollgate_testkit::Absent),
        attempts: Arc::new(tollgate_testkit::Absent),
        audit: Arc::new(tollgate_testkit::Absent),
        erasures: Arc::new(tollgate_testkit::Absent),
        outbox: Arc::new(tollgate_testkit::Absent),
        idempotency: Arc::new(tollgate_testkit::Absent),
    }
}

/// What an installation decides about accounts.
pub fn accounts_settings() -> AccountsSettings {
    AccountsSettings {
        public_url: "http://localhost:8000".into(),
        jwt_secrets: vec!["j".repeat(32).into()],
        pepper: Pepper::new(&["pepper"]).unwrap(),
        encryption_secrets: vec!["sealing".into()],
        access_token_lifetime: TimeDelta::minutes(30),
        session_lifetime: TimeDelta::days(7),
        bcrypt_rounds: 4,
        min_password_chars: 8,
        default_permissions: Permissions::defaults(),
        key_prefix: None,
        max_keys_per_user: 100,
        tiers: Tiers::default(),
        registration: RegistrationPolicy::Open,
        attempts: AttemptLimits::default(),
        require_verified_email: false,
    }
}

/// Settings of a server that listens anywhere.
pub fn settings() -> HttpSettings {
    HttpSettings {
        bind: SocketAddr::from(([127, 0, 0, 1], 0)),
        metrics: MetricsAccess::Credentials { loopback: true },
        workers: 1,
        keep_alive: Duration::from_secs(5),
        client_request_timeout: Duration::from_secs(5),
        shutdown_grace: Duration::from_secs(1),
        max_body_bytes: 1_024,
        cors_origins: vec!["http://localhost:*".to_owned()],
        trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()],
        authentication_enabled: true,
    }
}

/// A state over a database that is away.
pub fn state(settings: HttpSettings) -> State {
    telling(Told::Nothing, settings)
}

/// A state over a database that is away but for one key.
pub fn telling(told: Told, settings: HttpSettings) -> State {
    let directory = Arc::new(Directory::new(1 << 20));
    over(stores(told), directory, Arc::new(Fixed), Arc::new(Fixed), settings, |accounts| accounts)
}

/// A state over `stores` and what is remembered of them, with the control plane as `complete` makes it.
pub fn over(
    stores: Stores,
    directory: Arc<Directory>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Randomness>,
    settings: HttpSettings,
    complete: impl FnOnce(Accounts) -> Accounts,
) -> State {
    decided(accounts_settings(), stores, directory, clock, random, settings, complete)
}

/// The same where this was decided about accounts.
pub fn decided(
    accounts_settings: AccountsSettings,
    stores: Stores,
    directory: Arc<Directory>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Randomness>,
    settings: HttpSettings,
    complete: impl FnOnce(Accounts) -> Accounts,
) -> State {
    let pools = Pools::new(1).unwrap();
    let authenticator = Authenticator::new(
        directory.clone(),
        stores.clone(),
        accounts_settings.pepper.clone(),
        clock.clone(),
        pools.lookups.clone(),
        1_000,
    );
    let folder = Folder::new(stores.events.clone(), clock.clone());
    let accounts = Accounts::new(accounts_settings, stores, directory, clock.clone(), random.clone());
    State {
        accounts: Arc::new(complete(accounts.unwrap())),
        authenticator: Arc::new(authenticator),
        management: Arc::new(ManagementCalls::new(600)),
        folder: Arc::new(folder),
        readiness: Arc::default(),
        pools,
        metrics: Arc::new(|| "tollgate_up 1\n".to_owned()),
        clock,
        random,
        settings: Arc::new(settings),
    }
}
