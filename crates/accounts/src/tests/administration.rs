//! What administrators do to users and keys by their ids.

use tollgate_domain::{AuditActor, KeyId, LimitOverrides, UserId};
use tollgate_store::AuditFilter;

use super::*;
use crate::admin::{Provisioned, UserOrKey};

fn wish(email: Option<&str>, external_id: Option<&str>) -> ProvisionWish {
    ProvisionWish {
        email: email.map(str::to_owned),
        external_id: external_id.map(str::to_owned),
        user_name: Some("New User".into()),
        ..ProvisionWish::default()
    }
}

fn provision(house: &House, email: Option<&str>, id: Option<&str>) -> Result<Provisioned, AccountsError> {
    house.accounts.provision(&By::program(), &wish(email, id))
}

#[test]
fn a_known_address_or_external_id_gets_a_further_key() {
    on_each(|house| {
        let first = provision(house, Some("ann@example.com"), Some("7")).unwrap();
        assert!(first.is_new_user);
        assert_eq!(
            (first.user.external_id.as_deref(), first.user.name.as_deref()),
            (Some("7"), Some("New User"))
        );
        for (email, id) in [
            (Some("Ann@Example.com"), None),
            (None, Some("7")),
            (Some("ann@example.com"), Some("7")),
            // The external id decides.
            (Some("other@example.com"), Some("7")),
        ] {
            let again = provision(house, email, id).unwrap();
            assert_eq!((again.is_new_user, again.user.id), (false, first.user.id), "{email:?} {id:?}");
        }
        let another = provision(house, Some("ann@example.com"), Some("8"));
        assert!(matches!(another, Err(AccountsError::EmailTaken)), "{another:?}");
        // Who signed up is known by the address alone, whatever another system calls them.
        let bob = house.register("bob@example.com").user;
        assert_eq!(provision(house, Some("bob@example.com"), Some("9")).unwrap().user, *bob);
        // An external id is never the id of one of Tollgate's users.
        let made = provision(house, None, Some(&bob.id.to_string())).unwrap();
        assert!(made.is_new_user && made.user.id != bob.id);
    });
}

#[test]
fn what_is_wrong_with_a_wish_is_named() {
    on_each(|house| {
        let long = "x".repeat(10_000);
        let limits = |hour, day| LimitOverrides { minute: None, hour, day };
        for (wish, field) in [
            (ProvisionWish { user_name: Some(long.clone()), ..wish(None, None) }, "name"),
            (ProvisionWish { user_name: Some(" ".into()), ..wish(None, None) }, "name"),
            (wish(Some("nobody"), None), "email"),
            (wish(None, Some("")), "external_id"),
            (wish(None, Some(&long)), "external_id"),
            (ProvisionWish { limits: limits(Some(0), None), ..wish(None, None) }, "hourly_limit"),
            (ProvisionWish { limits: limits(None, Some(u64::MAX)), ..wish(None, None) }, "daily_limit"),
            (
                ProvisionWish { permissions: Permissions::from_text("admin").ok(), ..wish(None, None) },
                "permissions",
            ),
            (
                ProvisionWish {
                    metadata: serde_json::from_value(serde_json::json!({"x": long})).ok(),
                    ..wish(None, None)
                },
                "metadata",
            ),
        ] {
            let refused = house.accounts.provision(&By::program(), &wish);
            let Err(AccountsError::Invalid(faults)) = refused else { panic!("{field}: {refused:?}") };
            assert_eq!(faults.iter().map(|fault| fault.field).collect::<Vec<_>>(), [field]);
        }
        assert_eq!(house.accounts.list_users(&PageRequest::default(), None).unwrap().items, []);
    });
}

#[test]
fn one_new_address_from_many_sides_is_one_user() {
    on_each(|house| {
        let made: Vec<_> = std::thread::scope(|scope| {
            let sides: Vec<_> = (0..4)
                .map(|_| {
                    let accounts = house.again(fixture::settings());
                    scope.spawn(move || {
                        accounts.provision(&By::program(), &wish(Some("ann@example.com"), Some("7")))
                    })
                })
                .collect();
            sides.into_iter().map(|side| side.join().unwrap().unwrap()).collect()
        });
        assert_eq!(made.iter().filter(|made| made.is_new_user).count(), 1);
        assert!(made.iter().all(|other| other.user.id == made[0].user.id));
    });
}

fn switch(house: &House, by: &By, id: UserId, on: bool) -> UserOrKey {
    house.accounts.switch(by, id, on).unwrap()
}

#[test]
fn a_key_that_was_switched_off_itself_stays_off_when_its_user_comes_back() {
    on_each(|house| {
        let ann = house.register("ann@example.com");
        let login = house.login("ann@example.com", "testpass123").unwrap();
        let admin = house.register("root@example.com").user;
        let by = By::user(admin.id, &client());
        let id = ann.user.id;
        let UserOrKey::Key(key) = switch(house, &by, UserId::from(ann.key.id.as_uuid()), false) else {
            panic!("it is a key")
        };
        assert!(!key.key.is_active && key.key.disabled_by_admin);
        house.check(&login).unwrap();
        let UserOrKey::User(user) = switch(house, &by, id, false) else { panic!("it is a user") };
        assert!(!user.is_active);
        assert!(matches!(house.check(&login), Err(AccountsError::UserDisabled)));
        let refused = house.login("ann@example.com", "testpass123");
        assert!(matches!(refused, Err(AccountsError::UserDisabled)), "{refused:?}");
        switch(house, &by, id, true);
        house.check(&login).unwrap();
        let key = house.stores.keys.by_id(ann.key.id).unwrap().unwrap().key;
        assert!(!key.is_active && key.disabled_by_admin);
        switch(house, &by, UserId::from(ann.key.id.as_uuid()), true);
        let key = house.stores.keys.by_id(ann.key.id).unwrap().unwrap().key;
        assert!(key.is_active && !key.disabled_by_admin);

        let actor = AuditActor::User(admin.id).to_string();
        let told = house.stores.audit.list(None, 20, &AuditFilter::default()).unwrap();
        // After the sign-up of its own.
        let told = told.iter().rev().filter(|entry| entry.row.actor == actor).skip(2);
        assert_eq!(
            told.map(|entry| entry.row.action.as_str()).collect::<Vec<_>>(),
            ["key.deactivated", "user.deactivated", "user.activated", "key.activated"]
        );
        let none = UserId::new(house.clock.now(), &SeededRandomness::new(7));
        assert!(matches!(house.accounts.switch(&by, none, true), Err(AccountsError::NotFound(_))));
    });
}

#[test]
fn a_revoked_key_is_not_switched_on_by_an_administrator_either() {
    on_each(|house| {
        let ann = house.register("ann@example.com");
        let (by, id) = (By::program(), ann.key.id);
        house.accounts.revoke_any_key(&by, id, false).unwrap();
        let entries = || house.stores.audit.list(None, 20, &AuditFilter::default()).unwrap().len();
        let (before, told) = (house.stores.keys.by_id(id).unwrap().unwrap().key, entries());
        let on = KeyChanges { name: Some("back".into()), is_active: Some(true), ..KeyChanges::default() };
        let switched = house.accounts.switch(&by, UserId::from(id.as_uuid()), true).map(drop);
        for refused in [switched, house.accounts.edit_key(&by, id, &on).map(drop)] {
            assert!(matches!(refused, Err(AccountsError::KeyRevoked)), "{refused:?}");
        }
        assert_eq!((house.stores.keys.by_id(id).unwrap().unwrap().key, entries()), (before, told));
        // Its name and that it is off are only notes on it.
        let off = KeyChanges { name: Some("old".into()), is_active: Some(false), ..KeyChanges::default() };
        let key = house.accounts.edit_key(&by, id, &off).unwrap().key;
        assert!(key.name == "old" && key.revoked_at.is_some());
    });
}

#[test]
fn administrators_change_all_that_an_owner_may_without_the_owners_ceilings() {
    on_each(|house| {
        let ann = house.register("ann@example.com");
        let edit = |changes: KeyChanges| house.accounts.edit_key(&By::program(), ann.key.id, &changes);
        let changes = KeyChanges {
            metadata: serde_json::from_str(r#"{"team": "research"}"#).ok(),
            allowed_ips: Some(Some(vec!["203.0.113.0/24".into()])),
            allowed_models: Some(Some(vec!["fast".into()])),
            limits: LimitChanges { minute: Some(Some(1_000_000)), ..LimitChanges::default() },
            ..KeyChanges::default()
        };
        let key = edit(changes).unwrap().key;
        assert_eq!(key, house.stores.keys.by_id(ann.key.id).unwrap().unwrap().key);
        assert_eq!(key.metadata, r#"{"team":"research"}"#);
        assert_eq!(key.allowed_ips.iter().map(ToString::to_string).collect::<Vec<_>>(), ["203.0.113.0/24"]);
        assert_eq!((key.allowed_models.len(), key.limits.limits.minute), (1, Some(1_000_000)));
        let untouched = edit(KeyChanges { name: Some("b".into()), ..KeyChanges::default() }).unwrap().key;
        assert_eq!((&untouched.allowed_ips, &untouched.metadata), (&key.allowed_ips, &key.metadata));
        let none =
            KeyChanges { allowed_ips: Some(None), allowed_models: Some(None), ..KeyChanges::default() };
        let key = edit(none).unwrap().key;
        assert_eq!((key.allowed_ips.len(), key.allowed_models.len()), (0, 0));
        for (changes, field) in [
            (
                KeyChanges { allowed_ips: Some(Some(vec!["10.0.0.1/8".into()])), ..KeyChanges::default() },
                "allowed_ips",
            ),
            (
                KeyChanges { allowed_models: Some(Some(vec![String::new()])), ..KeyChanges::default() },
                "allowed_models",
            ),
        ] {
            let refused = edit(changes);
            let Err(AccountsError::Invalid(faults)) = refused else { panic!("{field}: {refused:?}") };
            assert_eq!(faults[0].field, field);
        }
    });
}

#[test]
fn a_key_is_revoked_with_or_without_those_it_made() {
    on_each_with(&fixture::settings(), |house| {
        let ann = house.register("ann@example.com");
        let parent = ann.key.id;
        let by_key = house.actor(&ann.user.clone(), Some(ann));
        let child = || house.accounts.create_key(&by_key, &named("child")).unwrap().key.id;
        let revoked = |id: KeyId| house.stores.keys.by_id(id).unwrap().unwrap().key.revoked_at.is_some();
        let (first, second) = (child(), child());
        house.accounts.revoke_any_key(&By::program(), first, false).unwrap();
        house.accounts.revoke_any_key(&By::program(), parent, false).unwrap();
        assert!(revoked(first) && revoked(parent) && !revoked(second));
        house.accounts.revoke_any_key(&By::program(), parent, true).unwrap();
        assert!(revoked(second));
        let none = KeyId::new(house.clock.now(), &SeededRandomness::new(7));
        for descendants in [false, true] {
            let refused = house.accounts.revoke_any_key(&By::program(), none, descendants);
            assert!(matches!(refused, Err(AccountsError::NotFound("key"))), "{refused:?}");
        }
    });
}
