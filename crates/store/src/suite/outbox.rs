//! Promises of [`OutboxStore`](crate::OutboxStore).

use std::{sync::Arc, thread};

use tollgate_domain::{AuditAction, AuditSubject, KeyId, OutboxEvent, OutboxKind, UserId};

use super::given;
use crate::{EntryOf, KeyRotation, Stores};

fn waiting(stores: &Stores) -> Vec<(OutboxKind, UserId, String)> {
    let events = stores.outbox.waiting(100).unwrap();
    events.into_iter().map(|event| (event.kind, event.user_id, event.data)).collect()
}

fn of(kind: OutboxKind, user: UserId, key: KeyId) -> (OutboxKind, UserId, String) {
    (kind, user, format!(r#"{{"api_key_id":"{key}"}}"#))
}

fn entry(action: AuditAction, key: KeyId) -> tollgate_domain::AuditEntry {
    given::entry(action, AuditSubject::Key(key))
}

/// What is done to a key is told once, in the transaction that does it; what is not done is not told.
pub fn what_is_done_to_a_key_is_told(stores: &Stores) {
    let user = given::stored_user(stores);
    let new = given::key(user);
    let key = new.key.id;
    assert!(stores.keys.create(&new, 1, &[entry(AuditAction::KeyCreated, key)]).unwrap());
    assert_eq!(waiting(stores), [of(OutboxKind::KeyCreated, user, key)]);
    // One too many.
    let more = given::key(user);
    assert!(!stores.keys.create(&more, 1, &[entry(AuditAction::KeyCreated, more.key.id)]).unwrap());
    // A taken secret.
    let mut taken = given::key(user);
    taken.hash = new.hash;
    stores.keys.create(&taken, 10, &[entry(AuditAction::KeyCreated, taken.key.id)]).unwrap_err();
    let rotation = KeyRotation {
        id: key,
        owner: Some(user),
        hash: given::hash(),
        prefix: "x".into(),
        preview: "x".into(),
        sealed: None,
        grace_until: None,
        maker: None,
        now: given::at(1),
        audit: vec![entry(AuditAction::KeyRotated, key)],
    };
    stores.keys.rotate(&rotation).unwrap().unwrap();
    let edit = Arc::new(|key: &mut tollgate_domain::ApiKey| key.name = "other".into());
    stores.keys.edit(key, edit, given::at(2), &[entry(AuditAction::KeyUpdated, key)]).unwrap().unwrap();
    let revoke = || {
        stores.keys.revoke(key, None, given::at(3), &[entry(AuditAction::KeyRevoked, key)]).unwrap().unwrap()
    };
    revoke();
    revoke();
    assert_eq!(
        waiting(stores),
        [
            of(OutboxKind::KeyCreated, user, key),
            of(OutboxKind::KeyRotated, user, key),
            of(OutboxKind::KeyRevoked, user, key)
        ]
    );
}

/// Of keys that are revoked together each is told of.
pub fn descendants_are_told_of_one_by_one(stores: &Stores) {
    let user = given::stored_user(stores);
    let maker = given::stored_key(stores, user);
    let mut made = given::key(user);
    made.key.created_by_key = Some(maker);
    assert!(stores.keys.create(&made, 10, &[]).unwrap());
    let audit: EntryOf = Arc::new(|key| entry(AuditAction::KeyRevoked, key));
    stores.keys.revoke_descendants(maker, None, given::at(1), &audit).unwrap().unwrap();
    let mut told = waiting(stores);
    told.sort_by(|one, other| one.2.cmp(&other.2));
    let mut wanted = [of(OutboxKind::KeyRevoked, user, maker), of(OutboxKind::KeyRevoked, user, made.key.id)];
    wanted.sort_by(|one, other| one.2.cmp(&other.2));
    assert_eq!(told, wanted);
}

fn expiring(stores: &Stores, user: UserId, at: i64) -> KeyId {
    let mut new = given::key(user);
    new.key.expires_at = Some(given::at(at));
    assert!(stores.keys.create(&new, 100, &[]).unwrap());
    new.key.id
}

fn expires(user: UserId, key: KeyId) -> (KeyId, OutboxEvent) {
    let id = given::outbox_id();
    (key, OutboxEvent::of_key(id, given::at(0), OutboxKind::KeyExpiring, user, key))
}

/// A key that expires soon is told of once, also by several at once.
pub fn that_a_key_expires_is_told_once(stores: &Stores) {
    let user = given::stored_user(stores);
    let [over, late, early, far] = [5, 20, 15, 31].map(|at| expiring(stores, user, at));
    given::stored_key(stores, user);
    let revoked = expiring(stores, user, 12);
    stores.keys.revoke(revoked, None, given::at(1), &[]).unwrap();
    let due = || {
        let keys = stores.outbox.expiring(given::at(5), given::at(30), 10).unwrap();
        keys.into_iter().map(|key| key.id).collect::<Vec<_>>()
    };
    assert_eq!(due(), [early, late], "neither {over} nor {far}");
    assert_eq!(stores.outbox.expiring(given::at(5), given::at(30), 1).unwrap().len(), 1);
    let told: u64 = thread::scope(|scope| {
        let tell = || stores.outbox.tell_expiring(&[expires(user, early), expires(user, late)]).unwrap();
        let running: Vec<_> = (0..4).map(|_| scope.spawn(tell)).collect();
        running.into_iter().map(|one| one.join().unwrap()).sum()
    });
    assert_eq!(told, 2);
    assert_eq!(due(), []);
    assert_eq!(stores.outbox.tell_expiring(&[expires(user, revoked)]).unwrap(), 0);
    assert_eq!(waiting(stores).len(), 2);
}

/// What nobody took in time is forgotten, in pieces.
pub fn old_events_are_forgotten_in_pieces(stores: &Stores) {
    let user = given::stored_user(stores);
    for at in 10..13 {
        let key = expiring(stores, user, at);
        assert_eq!(stores.outbox.tell_expiring(&[expires(user, key)]).unwrap(), 1);
    }
    assert_eq!(stores.outbox.forget(given::at(0), 10).unwrap(), 0);
    assert_eq!(stores.outbox.forget(given::at(1), 2).unwrap(), 2);
    assert_eq!(stores.outbox.forget(given::at(1), 2).unwrap(), 1);
    assert_eq!(waiting(stores), []);
}
