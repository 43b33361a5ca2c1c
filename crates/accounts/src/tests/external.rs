//! Signing in with identity tokens. What a good one says is played here; which are good is the verifier's business,
//! tested with it.

use std::{collections::HashMap, sync::Mutex, thread};

use tollgate_store::LinkedIdentity;

use super::*;
use crate::delete_account::{Deleting, DeletionWish};
use crate::external::{ExternalIdentity, ExternalLogin, IdentityError, IdentityVerifier, MAX_IDENTITIES};
use crate::profile::ProfileChanges;

/// Good tokens are those that it was told of.
#[derive(Default)]
struct Told(Mutex<HashMap<String, ExternalIdentity>>);

impl IdentityVerifier for Told {
    fn verify(&self, token: &secrecy::SecretString, _: Time) -> Result<ExternalIdentity, IdentityError> {
        match token.expose_secret() {
            "away" => Err(IdentityError::Unreachable),
            token => self.0.lock().unwrap().get(token).cloned().ok_or(IdentityError::Refused),
        }
    }
}

struct Fixture<'h> {
    house: &'h House,
    accounts: Accounts,
    told: Arc<Told>,
}

impl<'h> Fixture<'h> {
    fn new(house: &'h House) -> Self {
        Self::with(house, RegistrationPolicy::Open)
    }

    fn with(house: &'h House, registration: RegistrationPolicy) -> Self {
        let told = Arc::<Told>::default();
        let settings = AccountsSettings { registration, ..fixture::settings() };
        let accounts = house.again(settings).with_identities(told.clone());
        Self { house, accounts, told }
    }

    /// A token that means `subject`, issued now.
    fn token(&self, subject: &str, email: Option<&str>, email_verified: bool) -> &Self {
        let identity = ExternalIdentity {
            issuer: "https://login.example.com".into(),
            subject: subject.into(),
            email: email.map(str::to_owned),
            email_verified,
            name: Some(" Some\u{7}\nOne ".into()),
            issued_at: self.house.clock.now(),
        };
        self.told.0.lock().unwrap().insert(subject.to_owned(), identity);
        self
    }

    fn sign_in(&self, token: &str) -> Result<ExternalLogin, AccountsError> {
        self.accounts.sign_in_externally(&token.into(), None, &client())
    }

    fn link(&self, token: &str, caller: &Identity) -> Result<ExternalLogin, AccountsError> {
        self.accounts.sign_in_externally(&token.into(), Some(caller), &client())
    }

    /// A user with a password, and a session.
    fn user(&self, email: &str) -> Identity {
        self.house.register(email);
        self.house.session(&self.house.login(email, "testpass123").unwrap())
    }

    fn identities(&self, user: &User) -> Vec<String> {
        let listed = self.house.stores.external_identities.list(user.id).unwrap();
        listed.into_iter().map(|LinkedIdentity { subject, .. }| subject).collect()
    }
}

fn id_of(login: &ExternalLogin) -> tollgate_domain::UserId {
    login.logged_in.user.id
}

#[test]
fn a_stranger_is_signed_up_and_known_from_then_on() {
    on_each(|house| {
        let fixture = Fixture::new(house);
        fixture.token("1", Some("New@Example.com"), true);
        let first = fixture.sign_in("1").unwrap();
        house.check(&first.logged_in).unwrap();
        let user = &first.logged_in.user;
        assert_eq!(user.email.as_ref().map(Email::as_str), Some("new@example.com"));
        assert_eq!((user.is_verified, user.name.as_deref()), (true, Some("SomeOne")));
        let key = first.first_key.as_ref().unwrap();
        assert_eq!((key.key.name.as_str(), key.key.user_id), ("Primary API Key", user.id));
        assert!(key.key.permissions.allow(&Permission::KeysManage));
        let hash = fixture.accounts.settings().pepper.hash(&key.secret);
        assert_eq!(house.stores.keys.by_hash(&hash).unwrap().as_ref(), Some(&key.key));

        // What the issuer says of the address later moves nothing.
        fixture.token("1", Some("other@example.com"), true);
        let second = fixture.sign_in("1").unwrap();
        assert_eq!(id_of(&second), user.id);
        assert!(second.first_key.is_none());
        house.check(&first.logged_in).unwrap();
        assert_eq!(house.stores.users.by_id(user.id).unwrap().as_ref(), Some(&**user));
    });
}

#[test]
fn nobody_signs_in_by_password_to_an_account_without_one() {
    on_each(|house| {
        let fixture = Fixture::new(house);
        fixture.token("1", Some("new@example.com"), true).sign_in("1").unwrap();
        for password in ["", "testpass123"] {
            let refused = house.login("new@example.com", password).unwrap_err();
            assert!(matches!(refused, AccountsError::InvalidCredentials), "{refused:?}");
        }
    });
}

#[test]
fn an_address_that_the_issuer_has_not_verified_is_nobodys() {
    on_each(|house| {
        let fixture = Fixture::new(house);
        let owner = fixture.user("owner@example.com");
        for (subject, email, verified) in [
            ("1", Some("owner@example.com"), false),
            ("2", Some("OWNER@example.com "), false),
            ("3", Some("fresh@example.com"), false),
            ("4", Some("not an address"), true),
            ("5", None, true),
        ] {
            let made = fixture.token(subject, email, verified).sign_in(subject).unwrap();
            assert_ne!(id_of(&made), owner.user.id);
            assert_eq!(
                (&made.logged_in.user.email, made.logged_in.user.is_verified),
                (&None, false),
                "{email:?}"
            );
        }
        // So the address is still its owner's to take.
        house.register("fresh@example.com");
    });
}

#[test]
fn a_verified_address_of_an_account_must_be_linked_by_its_owner() {
    on_each(|house| {
        let fixture = Fixture::new(house);
        let (owner, other) = (fixture.user("owner@example.com"), fixture.user("other@example.com"));
        fixture.token("1", Some("Owner@example.com"), true);
        let refused = fixture.sign_in("1").unwrap_err();
        assert!(matches!(refused, AccountsError::LinkRequired), "{refused:?}");
        let refused = fixture.link("1", &other).unwrap_err();
        assert!(matches!(refused, AccountsError::LinkRequired), "{refused:?}");
        assert!(fixture.identities(&owner.user).is_empty() && fixture.identities(&other.user).is_empty());

        let linked = fixture.link("1", &owner).unwrap();
        assert_eq!(id_of(&linked), owner.user.id);
        assert!(linked.first_key.is_none());
        house.check(&linked.logged_in).unwrap();
        assert_eq!(id_of(&fixture.sign_in("1").unwrap()), owner.user.id);
        // Once more changes nothing.
        assert_eq!(id_of(&fixture.link("1", &owner).unwrap()), owner.user.id);
        assert_eq!(fixture.identities(&owner.user), ["1"]);
        // The password goes on.
        house.login("owner@example.com", "testpass123").unwrap();
    });
}

#[test]
fn an_identity_is_one_users_and_a_user_has_a_bounded_number() {
    on_each(|house| {
        let fixture = Fixture::new(house);
        let (first, second) = (fixture.user("first@example.com"), fixture.user("second@example.com"));
        fixture.token("1", None, false).link("1", &first).unwrap();
        let refused = fixture.link("1", &second).unwrap_err();
        assert!(matches!(refused, AccountsError::IdentityTaken), "{refused:?}");
        assert_eq!(id_of(&fixture.sign_in("1").unwrap()), first.user.id);
        for number in 2..=MAX_IDENTITIES {
            let subject = number.to_string();
            fixture.token(&subject, Some("else@example.com"), true).link(&subject, &first).unwrap();
        }
        let refused = fixture.token("beyond", None, false).link("beyond", &first).unwrap_err();
        assert!(matches!(refused, AccountsError::TooManyIdentities { max: MAX_IDENTITIES }), "{refused:?}");
    });
}

#[test]
fn closed_to_newcomers_is_open_to_whom_it_knows() {
    on_each(|house| {
        let open = Fixture::new(house);
        open.token("known", Some("known@example.com"), true).sign_in("known").unwrap();
        let owner = open.user("owner@example.com");
        for policy in [RegistrationPolicy::Closed, RegistrationPolicy::InviteOnly] {
            let fixture = Fixture::with(house, policy);
            fixture.token("known", None, false).sign_in("known").unwrap();
            let refused = fixture.token("new", Some("new@example.com"), true).sign_in("new").unwrap_err();
            assert!(matches!(refused, AccountsError::RegistrationClosed(_)), "{refused:?}");
            let email = Some("owner@example.com");
            let subject = format!("{policy:?}");
            let refused = fixture.token(&subject, email, true).sign_in(&subject).unwrap_err();
            assert!(matches!(refused, AccountsError::LinkRequired), "{refused:?}");
            fixture.link(&subject, &owner).unwrap();
        }
    });
}

#[test]
fn an_issuers_word_is_enough_where_addresses_must_be_verified() {
    on_each(|house| {
        let told = Arc::<Told>::default();
        let settings = AccountsSettings { require_verified_email: true, ..fixture::settings() };
        let accounts = house.again(settings).with_identities(told.clone());
        let fixture = Fixture { house, accounts, told };
        let verified = fixture.token("1", Some("new@example.com"), true).sign_in("1").unwrap();
        assert!(verified.first_key.is_some() && verified.logged_in.user.is_verified);
        // Whoever has no address has none that could be somebody else's.
        let without = fixture.token("2", Some("other@example.com"), false).sign_in("2").unwrap();
        assert_eq!(without.logged_in.user.email, None);
        house.check(&without.logged_in).unwrap();
    });
}

#[test]
fn sign_ups_of_an_address_are_bounded() {
    on_each(|house| {
        let told = Arc::<Told>::default();
        let mut settings = fixture::settings();
        settings.attempts.sign_ups_per_hour = 2;
        let accounts = house.again(settings).with_identities(told.clone());
        let fixture = Fixture { house, accounts, told };
        for subject in ["1", "2"] {
            fixture.token(subject, None, false).sign_in(subject).unwrap();
        }
        let refused = fixture.token("3", None, false).sign_in("3").unwrap_err();
        assert!(matches!(refused, AccountsError::AddressLimit { .. }), "{refused:?}");
        // Whom it knows is no sign-up.
        fixture.sign_in("1").unwrap();
    });
}

#[test]
fn a_deactivated_account_is_refused() {
    on_each(|house| {
        let fixture = Fixture::new(house);
        let id = id_of(&fixture.token("1", None, false).sign_in("1").unwrap());
        let changes = UserChanges { is_active: Some(false), ..UserChanges::default() };
        fixture.accounts.edit_user(&By::program(), id, changes).unwrap();
        let refused = fixture.sign_in("1").unwrap_err();
        assert!(matches!(refused, AccountsError::UserDisabled), "{refused:?}");
    });
}

#[test]
fn a_token_that_says_nothing_makes_nothing() {
    on_each(|house| {
        let fixture = Fixture::new(house);
        let refused = fixture.sign_in("forged").unwrap_err();
        assert!(matches!(refused, AccountsError::Identity(IdentityError::Refused)), "{refused:?}");
        let away = fixture.sign_in("away").unwrap_err();
        assert!(matches!(away, AccountsError::Identity(IdentityError::Unreachable)), "{away:?}");
        let without = house.accounts.sign_in_externally(&"forged".into(), None, &client()).unwrap_err();
        assert!(matches!(without, AccountsError::NotFound("identity provider")), "{without:?}");
        let users = house.stores.users.list(&PageRequest { limit: 10, after: None }, None).unwrap();
        assert_eq!(users.items, []);
    });
}

#[test]
fn of_strangers_who_come_at_once_one_is_signed_up() {
    on_each(|house| {
        let fixture = Fixture::new(house);
        fixture.token("1", Some("new@example.com"), true);
        let barrier = std::sync::Barrier::new(8);
        let logins: Vec<_> = thread::scope(|scope| {
            let ask = || {
                barrier.wait();
                fixture.sign_in("1").unwrap()
            };
            let asking: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
            asking.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert!(logins.iter().all(|login| id_of(login) == id_of(&logins[0])));
        assert_eq!(logins.iter().filter(|login| login.first_key.is_some()).count(), 1);
        let keys = KeyFilter {
            user: Some(id_of(&logins[0])),
            include_inactive: true,
            now: house.clock.now(),
            kind: None,
        };
        let listed = house.stores.keys.list(&keys, &PageRequest { limit: 10, after: None }).unwrap();
        assert_eq!(listed.items.len(), 1);
    });
}

#[test]
fn a_fresh_token_of_the_users_own_confirms() {
    on_each(|house| {
        let fixture = Fixture::new(house);
        let own = house.session(&fixture.token("1", None, false).sign_in("1").unwrap().logged_in);
        let other = house.session(&fixture.token("2", None, false).sign_in("2").unwrap().logged_in);
        let confirm =
            |caller: &Identity, token: &str| fixture.accounts.confirm_by_identity(caller, &token.into());
        let assert_refused = |result: Result<(), AccountsError>| {
            assert!(matches!(result, Err(AccountsError::Identity(IdentityError::Refused))), "{result:?}");
        };
        house.clock.advance(TimeDelta::minutes(5));
        confirm(&own, "1").unwrap();
        assert_refused(confirm(&own, "2"));
        assert_refused(confirm(&other, "1"));
        assert_refused(confirm(&own, "forged"));
        fixture.token("nobody", None, false);
        assert_refused(confirm(&own, "nobody"));
        house.clock.advance(TimeDelta::seconds(1));
        assert_refused(confirm(&own, "1"));
        fixture.token("1", None, false);
        confirm(&own, "1").unwrap();
    });
}

#[test]
fn who_has_no_password_deletes_the_account_by_an_identity_token() {
    on_each(|house| {
        let fixture = Fixture::new(house);
        let own = house.session(&fixture.token("1", None, false).sign_in("1").unwrap().logged_in);
        fixture.token("2", None, false).sign_in("2").unwrap();
        let wish =
            |token: &str| DeletionWish { identity_token: Some(token.into()), ..DeletionWish::default() };
        let refused = fixture.accounts.delete_account(&own, &wish("2")).unwrap_err();
        assert!(matches!(refused, AccountsError::Identity(IdentityError::Refused)), "{refused:?}");
        assert_eq!(fixture.accounts.delete_account(&own, &wish("1")).unwrap(), Deleting::Done);
        assert_eq!(house.stores.users.by_id(own.user.id).unwrap(), None);
        // The identity is nobody's any more.
        assert_ne!(id_of(&fixture.token("1", None, false).sign_in("1").unwrap()), own.user.id);

        // Who has a password needs it.
        let owner = fixture.user("owner@example.com");
        fixture.token("3", None, false).link("3", &owner).unwrap();
        let refused = fixture.accounts.delete_account(&owner, &wish("3")).unwrap_err();
        assert!(matches!(refused, AccountsError::Invalid(_)), "{refused:?}");
    });
}

#[test]
fn who_has_no_password_changes_the_address_by_an_identity_token() {
    on_each(|house| {
        let fixture = Fixture::new(house);
        let own = house.session(&fixture.token("1", None, false).sign_in("1").unwrap().logged_in);
        let changes = |token: &str| ProfileChanges {
            email: Some("new@example.com".to_owned()),
            identity_token: Some(token.into()),
            ..ProfileChanges::default()
        };
        let refused = fixture.accounts.edit_profile(&own, changes("forged")).unwrap_err();
        assert!(matches!(refused, AccountsError::Identity(IdentityError::Refused)), "{refused:?}");
        let edited = fixture.accounts.edit_profile(&own, changes("1")).unwrap();
        // It is the user's when it is confirmed.
        assert_eq!((edited.email_pending, &edited.user.email), (true, &None));

        let owner = fixture.user("owner@example.com");
        fixture.token("3", None, false).link("3", &owner).unwrap();
        let refused = fixture.accounts.edit_profile(&owner, changes("3")).unwrap_err();
        assert!(matches!(refused, AccountsError::WrongPassword), "{refused:?}");
    });
}
