//! Promises of [`ExternalIdentityStore`](crate::ExternalIdentityStore).

use std::{sync::Barrier, thread};

use tollgate_domain::UserId;

use super::given::{self, at};
use crate::{Change, Link, LinkedIdentity, StoreError, Stores};

/// Calls at once of a test.
const AT_ONCE: usize = 8;

fn identity(user: UserId, subject: &str) -> LinkedIdentity {
    let issuer = "https://login.example.com/".to_owned();
    LinkedIdentity { issuer, subject: subject.to_owned(), user_id: user, created_at: at(0) }
}

fn owner(stores: &Stores, identity: &LinkedIdentity) -> Option<UserId> {
    stores.external_identities.user(&identity.issuer, &identity.subject).unwrap().map(|user| user.id)
}

/// A user, the first key and the identity come together, and are found by the identity to the letter.
pub fn an_identity_finds_its_user(stores: &Stores) {
    let new = given::user();
    let key = given::key(new.user.id);
    let own = identity(new.user.id, "Zoë|1");
    assert_eq!(owner(stores, &own), None);
    let before = stores.changes.latest().unwrap();
    stores.external_identities.create_user(&new, &key, &own, &[]).unwrap();
    let found = stores.external_identities.user(&own.issuer, &own.subject).unwrap();
    assert_eq!(found.as_ref(), Some(&new.user));
    assert_eq!(stores.keys.by_hash(&key.hash).unwrap().as_ref(), Some(&key.key));
    assert_eq!(stores.external_identities.list(new.user.id).unwrap(), std::slice::from_ref(&own));
    let told = stores.changes.since(before, 10).unwrap().changes;
    assert_eq!(told, [Change::User(new.user.id), Change::Key(key.key.id)]);
    for (issuer, subject) in [
        ("https://login.example.com/", "zoë|1"),
        ("https://login.example.com/", "Zoë|1 "),
        ("https://login.example.com/", "Zoë|1\0"),
        ("https://login.example.com/", ""),
        ("https://login.example.com", "Zoë|1"),
        ("https://LOGIN.example.com/", "Zoë|1"),
    ] {
        assert_eq!(stores.external_identities.user(issuer, subject).unwrap(), None, "{issuer} {subject:?}");
    }
}

/// Where the identity, the address or the secret is taken, nothing is made.
pub fn a_user_with_an_identity_is_made_whole_or_not_at_all(stores: &Stores) {
    let first = given::user();
    let (key, own) = (given::key(first.user.id), identity(first.user.id, "1"));
    stores.external_identities.create_user(&first, &key, &own, &[]).unwrap();

    let second = given::user();
    let mut its_key = given::key(second.user.id);
    let same = identity(second.user.id, "1");
    let error = stores.external_identities.create_user(&second, &its_key, &same, &[]).unwrap_err();
    let is_conflict = matches!(error, StoreError::Conflict { entity: "external_identity", field: "subject" });
    assert!(is_conflict, "{error:?}");
    let other = identity(second.user.id, "2");
    let mut same_address = second.clone();
    same_address.user.email.clone_from(&first.user.email);
    let error = stores.external_identities.create_user(&same_address, &its_key, &other, &[]).unwrap_err();
    assert!(matches!(error, StoreError::Conflict { entity: "user", field: "email" }), "{error:?}");
    its_key.hash = key.hash;
    let error = stores.external_identities.create_user(&second, &its_key, &other, &[]).unwrap_err();
    assert!(matches!(error, StoreError::Conflict { entity: "key", field: "hash" }), "{error:?}");
    assert_eq!(stores.users.by_id(second.user.id).unwrap(), None);
    assert_eq!(owner(stores, &other), None);
    assert_eq!(owner(stores, &own), Some(first.user.id));
}

/// An identity is linked once, to one user, who has a bounded number of them.
pub fn an_identity_is_one_users(stores: &Stores) {
    let (user, other) = (given::stored_user(stores), given::stored_user(stores));
    let link = |identity: &LinkedIdentity| {
        stores.external_identities.link(identity, 2, Some(&given::mail(at(0))), &[]).unwrap()
    };
    let first = identity(user, "1");
    assert_eq!(link(&first), Link::Made);
    assert_eq!(link(&LinkedIdentity { created_at: at(9), ..first.clone() }), Link::Known);
    assert_eq!(link(&identity(other, "1")), Link::Taken);
    assert_eq!(owner(stores, &first), Some(user));
    let second = LinkedIdentity { created_at: at(1), ..identity(user, "2") };
    assert_eq!(link(&second), Link::Made);
    assert_eq!(link(&identity(user, "3")), Link::TooMany);
    assert_eq!(link(&first), Link::Known);
    assert_eq!(link(&identity(other, "3")), Link::Made);
    assert_eq!(link(&identity(given::user().user.id, "4")), Link::NoUser);
    assert_eq!(stores.mails.waiting().unwrap(), 3, "of what was linked");
    assert_eq!(stores.external_identities.list(user).unwrap(), [first, second]);
    assert_eq!(stores.external_identities.list(given::user().user.id).unwrap(), []);
}

/// Of users who are made for one identity at once, one is.
pub fn of_users_made_at_once_for_an_identity_one_is(stores: &Stores) {
    let barrier = Barrier::new(AT_ONCE);
    let made: Vec<_> = thread::scope(|scope| {
        let make = || {
            let new = given::user();
            let (key, own) = (given::key(new.user.id), identity(new.user.id, "1"));
            barrier.wait();
            stores.external_identities.create_user(&new, &key, &own, &[]).map(|()| new.user.id)
        };
        let making: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(make)).collect();
        making.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let winners: Vec<_> = made.iter().filter_map(|made| made.as_ref().ok()).collect();
    assert_eq!(winners.len(), 1, "{made:?}");
    assert_eq!(owner(stores, &identity(*winners[0], "1")).as_ref(), Some(winners[0]));
    let conflict =
        |made: &Result<_, _>| matches!(made, Err(StoreError::Conflict { entity: "external_identity", .. }));
    assert_eq!(made.iter().filter(|made| conflict(made)).count(), AT_ONCE - 1, "{made:?}");
}

/// Links made at once never exceed the limit.
pub fn links_at_once_keep_to_the_limit(stores: &Stores) {
    let user = given::stored_user(stores);
    let barrier = Barrier::new(AT_ONCE);
    let links: Vec<_> = thread::scope(|scope| {
        let link = |number: usize| {
            let barrier = &barrier;
            move || {
                barrier.wait();
                stores.external_identities.link(&identity(user, &number.to_string()), 3, None, &[]).unwrap()
            }
        };
        let linking: Vec<_> = (0..AT_ONCE).map(|number| scope.spawn(link(number))).collect();
        linking.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(links.iter().filter(|link| **link == Link::Made).count(), 3, "{links:?}");
    assert_eq!(links.iter().filter(|link| **link == Link::TooMany).count(), AT_ONCE - 3, "{links:?}");
    assert_eq!(stores.external_identities.list(user).unwrap().len(), 3);
}
