//! The use cases over real databases: on SQLite always, on Postgres where the tests are given one.

mod administration;
mod anonymous;
mod attempt;
mod audit;
mod device;
mod external;
mod idempotency;
mod import;
mod key;
mod known_and_unknown;
mod legacy;
mod mail;
mod outbox;
mod password;
mod refresh;
mod second_factor;
mod web_session;

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use chrono::TimeDelta;
use secrecy::ExposeSecret;
use tollgate_domain::{Clock, Email, Environment, Month, Permission, Permissions, Role, Tier, Time, User};
use tollgate_persistence::testing::TestDb;
use tollgate_store::{Directory, KeyFilter, PageRequest, Stores};
use tollgate_testkit::SeededRandomness;

use crate::{
    Accounts, AccountsError, AccountsSettings, Actor, Beyond, By, Client, RegistrationPolicy,
    admin::{KeyChanges, LimitChanges, NewAdmin, ProvisionWish, UserChanges},
    error::RegistrationClosed,
    fixture,
    key::KeyWish,
    login::Login,
    register::{Registered, Registering, Registration},
    session::{Checked, Identity},
    sign_in::LoggedIn,
};

/// Beyond the seed of the first installation.
static SEED: AtomicU64 = AtomicU64::new(1_000);

struct Clockwork(Mutex<Time>);

impl Clockwork {
    fn advance(&self, by: TimeDelta) {
        let mut now = self.0.lock().unwrap();
        *now += by;
    }
}

impl Clock for Clockwork {
    fn now(&self) -> Time {
        *self.0.lock().unwrap()
    }
}

/// The control plane over a database of its own.
struct House {
    accounts: Accounts,
    clock: Arc<Clockwork>,
    stores: Stores,
    /// Goes last.
    db: TestDb,
}

impl House {
    fn on(db: TestDb, settings: AccountsSettings) -> Self {
        let clock = Arc::new(Clockwork(Mutex::new("2026-11-21T12:00:00Z".parse().unwrap())));
        let directory = Arc::new(Directory::new(1 << 20));
        let opened = db.open(directory.clone(), clock.clone());
        let stores = opened.stores();
        let random = Arc::new(SeededRandomness::default());
        let accounts = Accounts::new(settings, stores.clone(), directory, clock.clone(), random).unwrap();
        Self { accounts, clock, stores, db }
    }

    fn tamper(&self, statement: &str) {
        self.db.tamper(statement);
    }

    fn again(&self, settings: AccountsSettings) -> Accounts {
        Self::over(self.stores.clone(), settings, &self.clock)
    }

    fn over(stores: Stores, settings: AccountsSettings, clock: &Arc<Clockwork>) -> Accounts {
        let directory = Arc::new(Directory::new(1 << 20));
        // Nobody else's numbers: ids and tokens are in one database.
        let random = Arc::new(SeededRandomness::new(SEED.fetch_add(1, Ordering::Relaxed)));
        Accounts::new(settings, stores, directory, clock.clone(), random).unwrap()
    }

    fn register(&self, email: &str) -> Registered {
        match self.accounts.register(&registration(email), &Client::default()).unwrap() {
            Registering::Done(registered) => *registered,
            Registering::VerificationSent => panic!("nobody needs to verify anything here"),
        }
    }

    fn actor(&self, user: &User, key: Option<Registered>) -> Actor {
        Actor {
            user: Arc::new(user.clone()),
            key: key.map(|registered| Arc::new(registered.key)),
            session: None,
            client: client(),
        }
    }

    fn login(&self, email: &str, password: &str) -> Result<LoggedIn, AccountsError> {
        self.accounts.login(&Login { email: email.into(), password: password.into() }, &client())
    }

    fn session(&self, logged_in: &LoggedIn) -> Identity {
        match self.accounts.check(
            logged_in.tokens.access_token.expose_secret(),
            &Client::default(),
            self.clock.now(),
        ) {
            Checked::Good(identity) => identity,
            Checked::Refused(refusal) => panic!("{refusal:?}"),
            Checked::Ask(access) => self.accounts.load(access, &Client::default()).unwrap(),
        }
    }

    fn check(&self, logged_in: &LoggedIn) -> Result<(), AccountsError> {
        match self.accounts.check(
            logged_in.tokens.access_token.expose_secret(),
            &Client::default(),
            self.clock.now(),
        ) {
            Checked::Good(_) => Ok(()),
            Checked::Refused(refusal) => Err(refusal),
            Checked::Ask(access) => self.accounts.load(access, &Client::default()).map(drop),
        }
    }
}

fn on_each(test: impl FnMut(&House)) {
    on_each_with(&AccountsSettings { max_keys_per_user: 3, ..fixture::settings() }, test);
}

fn on_each_with(settings: &AccountsSettings, mut test: impl FnMut(&House)) {
    for db in [Some(TestDb::sqlite()), TestDb::postgres()].into_iter().flatten() {
        test(&House::on(db, settings.clone()));
    }
}

fn client() -> Client {
    Client {
        ip: Some("203.0.113.9".parse().unwrap()),
        user_agent: Some("x".repeat(1_000)),
        ..Client::default()
    }
}

fn registration(email: &str) -> Registration {
    Registration {
        email: email.into(),
        password: "testpass123".into(),
        confirm_password: None,
        name: None,
        invite: None,
    }
}

fn named(name: &str) -> KeyWish {
    KeyWish { name: name.into(), ..KeyWish::default() }
}

#[test]
fn signing_up_brings_a_key_that_manages_keys() {
    on_each(|house| {
        let new = house.register(" Ann@Example.com ");
        assert_eq!(new.user.email.as_ref().map(Email::as_str), Some("ann@example.com"));
        assert_eq!(new.key.name, "Primary API Key");
        assert_eq!(new.key.permissions, Permissions::defaults().with(Permission::KeysManage));
        let hash = house.accounts.settings().pepper.hash(&new.secret);
        assert_eq!(house.stores.keys.by_hash(&hash).unwrap().unwrap().id, new.key.id);
        let again = house.accounts.register(&registration("ANN@example.com"), &Client::default());
        assert!(matches!(again, Err(AccountsError::EmailTaken)), "{again:?}");
    });
}

#[test]
fn sign_up_can_be_closed() {
    on_each(|house| {
        for (policy, why) in [
            (RegistrationPolicy::Closed, RegistrationClosed::Closed),
            (RegistrationPolicy::InviteOnly, RegistrationClosed::InviteOnly),
        ] {
            let closed = house.again(AccountsSettings { registration: policy, ..fixture::settings() });
            let refused = closed.register(&registration("ann@example.com"), &Client::default());
            assert!(matches!(refused, Err(AccountsError::RegistrationClosed(said)) if said == why));
        }
        assert!(house.stores.users.list(&PageRequest::default(), None).unwrap().items.is_empty());
    });
}

#[test]
fn a_login_lasts_until_its_token_its_session_or_its_user_ends() {
    on_each(|house| {
        let user = house.register("ann@example.com").user;
        let first = house.login("Ann@example.com", "testpass123").unwrap();
        house.check(&first).unwrap();
        house.clock.advance(TimeDelta::minutes(30));
        assert!(matches!(house.check(&first), Err(AccountsError::InvalidToken)));

        let second = house.login("ann@example.com", "testpass123").unwrap();
        house.check(&second).unwrap();
        assert_eq!(house.stores.sessions.end_all(user.id, house.clock.now(), &[]).unwrap(), 2);
        assert!(matches!(house.check(&second), Err(AccountsError::InvalidToken)));

        let third = house.login("ann@example.com", "testpass123").unwrap();
        house.check(&third).unwrap();
        let off = UserChanges { is_active: Some(false), ..UserChanges::default() };
        house.accounts.edit_user(&By::program(), user.id, off).unwrap();
        assert!(matches!(house.check(&third), Err(AccountsError::UserDisabled)));
        let right = house.login("ann@example.com", "testpass123");
        assert!(matches!(right, Err(AccountsError::UserDisabled)));
        // Only who knows the password is told.
        let wrong = house.login("ann@example.com", "testpass124");
        assert!(matches!(wrong, Err(AccountsError::InvalidCredentials)));
    });
}

#[test]
fn wrong_logins_are_all_alike() {
    on_each(|house| {
        house.register("ann@example.com");
        let wish = ProvisionWish { email: Some("bob@example.com".into()), ..ProvisionWish::default() };
        house.accounts.provision(&By::program(), &wish).unwrap();
        for (email, password) in [
            ("ann@example.com", "testpass124"),
            ("nobody@example.com", "testpass123"),
            ("bob@example.com", "testpass123"),
            ("no address", "testpass123"),
            ("", ""),
        ] {
            let refused = house.login(email, password);
            assert!(matches!(refused, Err(AccountsError::InvalidCredentials)), "{email}");
        }
    });
}

#[test]
fn the_editor_key_stays_until_nothing_opens_it() {
    on_each(|house| {
        house.register("ann@example.com");
        let caller = house.session(&house.login("ann@example.com", "testpass123").unwrap());
        let first = house.accounts.editor_key(&caller).unwrap();
        assert_eq!(house.accounts.editor_key(&caller).unwrap().expose(), first.expose());
        let with = |texts: &[&str]| AccountsSettings {
            encryption_secrets: texts.iter().map(|text| (*text).into()).collect(),
            ..fixture::settings()
        };
        let rotated = house.again(with(&["newer", "sealing"]));
        assert_eq!(rotated.editor_key(&caller).unwrap().expose(), first.expose());
        let lost = house.again(with(&["newer"]));
        let second = lost.editor_key(&caller).unwrap();
        assert_ne!(second.expose(), first.expose());
        assert_eq!(lost.editor_key(&caller).unwrap().expose(), second.expose());
        let hash = house.accounts.settings().pepper.hash(&first);
        assert!(house.stores.keys.by_hash(&hash).unwrap().unwrap().revoked_at.is_some());
    });
}

#[test]
fn keys_are_made_listed_and_revoked_by_their_owner_alone() {
    on_each(|house| {
        let (ann, bob) = (house.register("ann@example.com"), house.register("bob@example.com"));
        let bob = house.actor(&bob.user, None);
        let actor = house.actor(&ann.user.clone(), Some(ann));
        house.clock.advance(TimeDelta::seconds(1));
        let made = house.accounts.create_key(&actor, &named(" ci ")).unwrap().key;
        assert_eq!((made.name.as_str(), made.created_by_key), ("ci", actor.key.as_ref().map(|key| key.id)));
        house.clock.advance(TimeDelta::seconds(1));
        house.accounts.create_key(&actor, &named("third")).unwrap();
        let beyond = house.accounts.create_key(&actor, &named("fourth"));
        assert!(matches!(beyond, Err(AccountsError::TooManyKeys { max: 3 })), "{beyond:?}");

        let foreign = house.accounts.revoke_key(&bob, made.id, false);
        assert!(matches!(foreign, Err(AccountsError::NotFound("key"))));
        house.accounts.revoke_key(&actor, made.id, false).unwrap();
        house.accounts.revoke_key(&actor, made.id, false).unwrap();
        let page = PageRequest::default();
        let names = |inactive| {
            let keys = house.accounts.list_keys(&actor, inactive, &page).unwrap().items;
            keys.into_iter().map(|listed| listed.key.name).collect::<Vec<_>>()
        };
        assert_eq!(names(false), ["third", "Primary API Key"]);
        assert_eq!(names(true), ["third", "ci", "Primary API Key"]);
    });
}

#[test]
fn a_key_that_manages_none_may_not_even_list() {
    on_each(|house| {
        let ann = house.register("ann@example.com");
        let owner = house.actor(&ann.user, None);
        let wish = KeyWish { permissions: Some(Permissions::from_text("chat").unwrap()), ..named("chat") };
        let key = house.accounts.create_key(&owner, &wish).unwrap().key;
        let actor = Actor { key: Some(Arc::new(key.clone())), ..owner };
        let lacks = |refused: Result<(), AccountsError>| {
            assert!(matches!(refused, Err(AccountsError::Beyond(Beyond::Lacks(Permission::KeysManage)))));
        };
        lacks(house.accounts.list_keys(&actor, true, &PageRequest::default()).map(drop));
        lacks(house.accounts.create_key(&actor, &named("more")).map(drop));
        lacks(house.accounts.revoke_key(&actor, key.id, false).map(drop));
    });
}

#[test]
fn wishes_for_keys_are_judged_all_at_once() {
    on_each(|house| {
        let ann = house.register("ann@example.com");
        let mut wish = KeyWish { expires_in_days: Some(3_651), ..named(&"x".repeat(101)) };
        wish.limits.minute = Some(0);
        let long = serde_json::json!({"note": "x".repeat(5_000)});
        wish.metadata = long.as_object().cloned();
        let refused = house.accounts.create_key(&house.actor(&ann.user, None), &wish);
        let Err(AccountsError::Invalid(errors)) = refused else { panic!("{refused:?}") };
        let fields: Vec<_> = errors.iter().map(|error| error.field).collect();
        assert_eq!(fields, ["name", "expires_in_days", "minute_limit", "metadata"]);
    });
}

#[test]
fn administrators_change_users_and_keys() {
    on_each(|house| {
        let ann = house.register("ann@example.com");
        let up = UserChanges { tier: Some(Tier::Pro), ..UserChanges::default() };
        house.accounts.edit_user(&By::program(), ann.user.id, up).unwrap();
        let down = UserChanges { tier: Some(Tier::Free), ..UserChanges::default() };
        let user = house.accounts.edit_user(&By::program(), ann.user.id, down).unwrap();
        let month = Month::of(house.clock.now());
        let tiers = house.accounts.settings().tiers;
        assert_eq!(user.monthly_tokens(&tiers, month), 100_000);
        assert_eq!(user.monthly_tokens(&tiers, month.next()), 10_000);
        assert_eq!(house.accounts.quota(&user, Environment::Live).unwrap().remaining(), 100_000);

        let grant = |tokens| UserChanges { quota_grant: Some(Some(tokens)), ..UserChanges::default() };
        house.accounts.edit_user(&By::program(), ann.user.id, grant(23)).unwrap();
        let user = house.accounts.stores.users.by_id(ann.user.id).unwrap().unwrap();
        assert_eq!(house.accounts.quota(&user, Environment::Live).unwrap().limit, 100_023);
        let refused = house.accounts.edit_user(&By::program(), ann.user.id, grant(1_000_000_000_001));
        assert!(matches!(refused, Err(AccountsError::Invalid(_))), "{refused:?}");

        let limits = LimitChanges { hour: Some(Some(7)), ..LimitChanges::default() };
        let off = KeyChanges { limits, is_active: Some(false), ..KeyChanges::default() };
        let key = house.accounts.edit_key(&By::program(), ann.key.id, &off).unwrap().key;
        assert_eq!((key.limits.limits.hour, key.limits.by_admin.hour), (Some(7), true));
        assert!(key.disabled_by_admin && !key.is_active);
        let limits = LimitChanges { minute: Some(Some(0)), ..LimitChanges::default() };
        let refused = house.accounts.edit_key(
            &By::program(),
            ann.key.id,
            &KeyChanges { limits, ..KeyChanges::default() },
        );
        assert!(matches!(refused, Err(AccountsError::Invalid(_))));
    });
}

#[test]
fn the_permission_admin_goes_with_the_role() {
    on_each(|house| {
        let ann = house.register("ann@example.com");
        let admin = Some(Permissions::from_text("admin").unwrap());
        let grant = KeyChanges { permissions: admin, ..KeyChanges::default() };
        let refused = house.accounts.edit_key(&By::program(), ann.key.id, &grant);
        assert!(matches!(refused, Err(AccountsError::Invalid(_))), "{refused:?}");
        let role = |role| UserChanges { role: Some(role), ..UserChanges::default() };
        house.accounts.edit_user(&By::program(), ann.user.id, role(Role::Admin)).unwrap();
        let key = house.accounts.edit_key(&By::program(), ann.key.id, &grant).unwrap().key;
        assert!(key.permissions.allow(&Permission::Admin));
        house.accounts.edit_user(&By::program(), ann.user.id, role(Role::User)).unwrap();
        let key = house.stores.keys.by_id(ann.key.id).unwrap().unwrap().key;
        assert!(!key.permissions.allow(&Permission::Admin));
    });
}

#[test]
fn administrators_are_made_only_where_nobody_was() {
    on_each(|house| {
        house.register("ann@example.com");
        let wish = |email: &str| NewAdmin { email: email.into(), password: "testpass123".into(), name: None };
        let taken = house.accounts.create_admin(&By::program(), &wish("ann@example.com"));
        assert!(matches!(taken, Err(AccountsError::EmailTaken)));
        let root = house.accounts.create_admin(&By::program(), &wish("root@example.com")).unwrap();
        assert_eq!((root.role, root.is_verified), (Role::Admin, true));
        house.login("root@example.com", "testpass123").unwrap();
    });
}

#[test]
fn a_key_finds_its_user_or_makes_it() {
    on_each(|house| {
        let wish = ProvisionWish {
            user_id: Some("customer-1".into()),
            tier: Some(Tier::Pro),
            expires_in_days: Some(30),
            ..ProvisionWish::default()
        };
        let first = house.accounts.provision(&By::program(), &wish).unwrap();
        assert!(first.is_new_user && first.user.tier == Tier::Pro && first.key.limits.by_admin.tier);
        assert_eq!(first.key.expires_at, Some(house.clock.now() + TimeDelta::days(30)));
        let second = house.accounts.provision(&By::program(), &wish).unwrap();
        assert_eq!((second.is_new_user, second.user.id), (false, first.user.id));
        let by_id = ProvisionWish { user_id: Some(first.user.id.to_string()), ..wish };
        assert_eq!(house.accounts.provision(&By::program(), &by_id).unwrap().user.id, first.user.id);
        let filter = KeyFilter {
            user: Some(first.user.id),
            include_inactive: true,
            now: house.clock.now(),
            kind: None,
        };
        assert_eq!(house.stores.keys.list(&filter, &PageRequest::default()).unwrap().items.len(), 3);
    });
}

#[test]
fn keys_are_found_by_the_beginning_of_their_id() {
    on_each(|house| {
        let ann = house.register("ann@example.com");
        let found = |prefix: &str| -> Vec<_> {
            let (keys, _) = house.accounts.keys_like(prefix, 10, 7).unwrap();
            keys.iter().map(|listed| listed.key.id).collect()
        };
        let id = ann.key.id.to_string();
        assert_eq!(found(&id), [ann.key.id]);
        assert_eq!(found(&id[..20].to_uppercase()), [ann.key.id]);
        assert_eq!(found(&format!("{}-{}", &id[..8], &id[8..12])), [ann.key.id]);
        assert_eq!(found("ffff"), []);
        for no_id in ["", "-", "xyz1", &format!("{id}0")] {
            let refused = house.accounts.keys_like(no_id, 10, 7);
            assert!(matches!(refused, Err(AccountsError::Invalid(_))), "{no_id}");
        }
        // Made in the same millisecond: the time is the same, the rest is not. Revoked ones are found as well.
        let twin = house.accounts.create_key(&house.actor(&ann.user, None), &named("twin")).unwrap();
        house.accounts.revoke_any_key(&By::program(), ann.key.id, false).unwrap();
        let mut both = [ann.key.id, twin.key.id];
        both.sort();
        assert_eq!(found(&id[..12]), both);
        assert_eq!(house.accounts.keys_like(&id[..12], 1, 7).unwrap().0.len(), 1);
    });
}

#[test]
fn users_are_found_by_external_id_then_id_then_address() {
    on_each(|house| {
        let ann = house.register("ann@example.com").user;
        let id = ann.id.to_string();
        let named = |given: &str| house.accounts.user_named(given).unwrap().map(|user| user.id);
        assert_eq!(named(&format!(" {id}\n")), Some(ann.id));
        assert_eq!(named("ANN@example.com"), Some(ann.id));
        assert_eq!(named("ann"), None);
        assert_eq!(named(""), None);
        // Another system's id that looks like Ann's, or like her address.
        for external in [&id, "ann@example.com"] {
            let wish = ProvisionWish { external_id: Some(external.to_owned()), ..ProvisionWish::default() };
            let other = house.accounts.provision(&By::program(), &wish).unwrap().user;
            assert_eq!(named(external), Some(other.id));
        }
    });
}
