//! Promises of [`KeyStore`](crate::KeyStore) about secrets and descendants.

use std::sync::Arc;

use chrono::TimeDelta;
use tollgate_domain::{
    ApiKey, AuditAction, AuditActor, AuditEntry, AuditSubject, KeyHash, KeyId, KeyKind, Personal, Time,
    UserId,
};

use super::given;
use crate::{AuditFilter, EntryOf, KeyRotation, Maker, NewKey, StoreError, Stores};

/// Seconds until long after any clock that a test runs by.
const FAR: i64 = 10_000_000_000;

fn rotation(new: &NewKey, grace_until: Option<Time>, now: Time) -> KeyRotation {
    let next = given::key(new.key.user_id);
    KeyRotation {
        id: new.key.id,
        owner: None,
        hash: next.hash,
        prefix: "other-".to_owned(),
        preview: next.key.preview,
        sealed: None,
        grace_until,
        maker: None,
        now,
        audit: Vec::new(),
    }
}

fn stored(stores: &Stores) -> NewKey {
    let new = given::key(given::stored_user(stores));
    assert!(stores.keys.create(&new, 9, &[]).unwrap());
    new
}

fn found(stores: &Stores, hash: &KeyHash) -> Option<ApiKey> {
    stores.keys.by_hash(hash).unwrap()
}

/// Without a grace the old secret is nobody's, and the key stays what it was.
pub fn a_rotated_key_has_one_secret(stores: &Stores) {
    let new = stored(stores);
    let rotation = rotation(&new, None, given::at(5));
    let rotated = stores.keys.rotate(&rotation).unwrap().unwrap();
    let expected = ApiKey {
        prefix: "other-".to_owned(),
        preview: rotation.preview.clone(),
        updated_at: given::at(5),
        ..new.key.clone()
    };
    assert_eq!(rotated, expected);
    assert_eq!(found(stores, &new.hash), None);
    assert_eq!(found(stores, &rotation.hash), Some(expected));
}

/// A legacy key that got another secret is no longer the file's; every other kind stays.
pub fn a_rotated_legacy_key_is_an_ordinary_one(stores: &Stores) {
    for (before, after) in [(KeyKind::Legacy, KeyKind::Ordinary), (KeyKind::Primary, KeyKind::Primary)] {
        let mut new = given::key(given::stored_user(stores));
        new.key.kind = before;
        assert!(stores.keys.create(&new, 9, &[]).unwrap());
        let rotated = stores.keys.rotate(&rotation(&new, None, given::at(5))).unwrap().unwrap();
        assert_eq!(rotated.kind, after);
    }
}

/// With one it opens the key until then, and the key expires with it.
pub fn an_old_secret_is_good_until_the_grace_ends(stores: &Stores) {
    // The store's own clock decides.
    let far = given::at(FAR);
    let (new, brief) = (stored(stores), stored(stores));
    let next = rotation(&new, Some(far), given::at(5));
    stores.keys.rotate(&next).unwrap().unwrap();
    let by_old = found(stores, &new.hash).unwrap();
    assert_eq!((by_old.id, by_old.expires_at), (new.key.id, Some(far)));
    assert_eq!(found(stores, &next.hash).unwrap().expires_at, new.key.expires_at);
    stores.keys.rotate(&rotation(&brief, Some(Time::UNIX_EPOCH), given::at(5))).unwrap().unwrap();
    assert_eq!(found(stores, &brief.hash), None);
    // An earlier end of the key itself stays.
    let end = far - TimeDelta::days(1);
    let edit = move |key: &mut ApiKey| key.expires_at = Some(end);
    stores.keys.edit(new.key.id, Arc::new(edit), given::at(6), &[]).unwrap();
    assert_eq!(found(stores, &new.hash).unwrap().expires_at, Some(end));
    // Several are good at once, and a rotation without grace ends them all.
    let third = rotation(&new, Some(far), given::at(7));
    stores.keys.rotate(&third).unwrap().unwrap();
    assert!([&new.hash, &next.hash, &third.hash].iter().all(|hash| found(stores, hash).is_some()));
    let last = rotation(&new, None, given::at(8));
    stores.keys.rotate(&last).unwrap().unwrap();
    assert!([&new.hash, &next.hash, &third.hash].iter().all(|hash| found(stores, hash).is_none()));
    assert!(found(stores, &last.hash).is_some());
}

/// Beyond so many, those that end first are not good any more; the one that was replaced last always is.
pub fn a_key_has_few_old_secrets(stores: &Stores) {
    let far = given::at(FAR);
    let new = stored(stores);
    let mut hashes = vec![new.hash];
    for n in 0..8 {
        let next = rotation(&new, Some(far + TimeDelta::days(n)), given::at(n));
        stores.keys.rotate(&next).unwrap().unwrap();
        hashes.push(next.hash);
    }
    let good: Vec<bool> = hashes.iter().map(|hash| found(stores, hash).is_some()).collect();
    assert_eq!(good, [false, false, false, true, true, true, true, true, true]);
    let brief = rotation(&new, Some(far - TimeDelta::days(1)), given::at(9));
    stores.keys.rotate(&brief).unwrap().unwrap();
    hashes.push(brief.hash);
    let good: Vec<bool> = hashes.iter().skip(3).map(|hash| found(stores, hash).is_some()).collect();
    assert_eq!(good, [false, true, true, true, true, true, true]);
}

/// Neither another user's key nor a revoked one nor one that is not there.
pub fn only_a_live_key_of_the_owner_is_rotated(stores: &Stores) {
    let new = stored(stores);
    let stranger = given::stored_user(stores);
    let theirs = KeyRotation { owner: Some(stranger), ..rotation(&new, None, given::at(1)) };
    assert_eq!(stores.keys.rotate(&theirs).unwrap(), None);
    let mine = KeyRotation { owner: Some(new.key.user_id), ..rotation(&new, None, given::at(1)) };
    assert!(stores.keys.rotate(&mine).unwrap().is_some());
    stores.keys.revoke(new.key.id, None, given::at(2), &[]).unwrap();
    assert_eq!(stores.keys.rotate(&rotation(&new, None, given::at(3))).unwrap(), None);
    let nobody = given::key(new.key.user_id);
    assert_eq!(stores.keys.rotate(&rotation(&nobody, None, given::at(3))).unwrap(), None);
}

pub(super) fn told() -> EntryOf {
    Arc::new(|id| AuditEntry {
        id: id.as_uuid().into(),
        at: given::at(0),
        actor: AuditActor::System,
        action: AuditAction::KeyRevoked,
        subject: AuditSubject::Key(id),
        personal: Personal::default(),
        run: None,
    })
}

fn made_by(stores: &Stores, user: UserId, maker: KeyId) -> KeyId {
    let mut new = given::key(user);
    new.key.created_by_key = Some(maker);
    assert!(stores.keys.create(&new, 99, &[]).unwrap());
    new.key.id
}

/// All that was made by it, at any remove, through those that were revoked before; nobody else's.
pub fn descendants_are_revoked_with_their_maker(stores: &Stores) {
    let root = stored(stores);
    let user = root.key.user_id;
    let child = made_by(stores, user, root.key.id);
    let grandchildren = [made_by(stores, user, child), made_by(stores, user, child)];
    let other = given::key(user);
    assert!(stores.keys.create(&other, 99, &[]).unwrap());
    let sibling = made_by(stores, user, other.key.id);
    let strangers = made_by(stores, given::stored_user(stores), root.key.id);
    stores.keys.revoke(child, None, given::at(1), &[]).unwrap();
    let stranger = Some(given::stored_user(stores));
    assert!(stores.keys.revoke_descendants(root.key.id, stranger, given::at(2), &told()).unwrap().is_none());
    let before = stores.changes.latest().unwrap();
    let revoked = stores.keys.revoke_descendants(root.key.id, Some(user), given::at(2), &told()).unwrap();
    assert_eq!(revoked.unwrap().revoked_at, Some(given::at(2)));
    let end = |id: KeyId| stores.keys.by_id(id).unwrap().unwrap().key.revoked_at;
    assert_eq!(end(child), Some(given::at(1)));
    assert!(grandchildren.iter().all(|id| end(*id) == Some(given::at(2))));
    assert_eq!((end(sibling), end(strangers)), (None, None));
    assert_eq!(stores.changes.latest().unwrap() - before, 3);
    let entries = stores.audit.list(None, 10, &AuditFilter::default()).unwrap();
    assert_eq!(entries.len(), 3);
}

/// Whoever recognised a key before it ended, was changed or rotated makes none by it any more.
pub fn a_key_that_has_ended_makes_none(stores: &Stores) {
    let made_by = |maker: &NewKey, changed_at, at| {
        let mut new = given::key(maker.key.user_id);
        new.maker = Some(Maker::Key(maker.key.id, given::at(changed_at)));
        new.key.created_at = given::at(at);
        let made = stores.keys.create(&new, 99, &[]);
        assert_eq!(stores.keys.by_id(new.key.id).unwrap().is_some(), made.is_ok());
        made
    };
    let [revoked, disabled, expiring, rotated] = [(); 4].map(|()| stored(stores));
    assert!(made_by(&revoked, 0, 1).unwrap());
    stores.keys.revoke(revoked.key.id, None, given::at(2), &[]).unwrap();
    assert!(ended(made_by(&revoked, 2, 1)));
    let edit = |change: fn(&mut ApiKey), key: &NewKey, at| {
        stores.keys.edit(key.key.id, Arc::new(change), given::at(at), &[]).unwrap().unwrap();
    };
    edit(|key| key.is_active = false, &disabled, 2);
    assert!(ended(made_by(&disabled, 2, 1)));
    edit(|key| key.is_active = true, &disabled, 3);
    assert!(ended(made_by(&disabled, 2, 1)), "it was changed");
    assert!(made_by(&disabled, 3, 1).unwrap());
    edit(|key| key.expires_at = Some(given::at(5)), &expiring, 2);
    assert!(made_by(&expiring, 2, 4).unwrap());
    assert!(ended(made_by(&expiring, 2, 5)));
    stores.keys.rotate(&rotation(&rotated, Some(given::at(FAR)), given::at(2))).unwrap().unwrap();
    assert!(ended(made_by(&rotated, 0, 1)));
    assert!(made_by(&rotated, 2, 1).unwrap());
    let by_itself = |at| {
        let maker = Some(Maker::Key(rotated.key.id, given::at(at)));
        let rotation = KeyRotation { maker, ..rotation(&rotated, None, given::at(3)) };
        stores.keys.rotate(&rotation).map(|key| key.is_some())
    };
    assert!(ended(by_itself(0)), "the secret was taken");
    assert!(by_itself(2).unwrap());
    assert!(ended(made_by(&given::key(revoked.key.user_id), 0, 1)));
}

/// Nor does a session that has ended.
pub fn a_session_that_has_ended_makes_no_key(stores: &Stores) {
    let session = given::session(given::stored_user(stores));
    let user = session.session.user_id;
    let by_session = |new: NewKey| NewKey { maker: Some(Maker::Session(session.session.id)), ..new };
    let as_first = || {
        let other = given::user();
        let first = by_session(given::key(other.user.id));
        stores.users.create(&other, Some(&first), &[]).map(|()| true)
    };
    let create = || stores.keys.create(&by_session(given::key(user)), 99, &[]);
    assert!(ended(create()), "it has not begun");
    assert!(stores.sessions.open(&session).unwrap());
    assert!(create().unwrap() && as_first().unwrap());
    assert_eq!(stores.sessions.end_all(user, given::at(1), &[]).unwrap(), 1);
    assert!(ended(create()) && ended(as_first()));
    let editor = stores.keys.create_editor(&by_session(given::editor_key(user)), &[]);
    assert!(ended(editor.map(|_| true)));
    assert!(stores.keys.editor(user).unwrap().is_none());
}

fn ended(made: Result<bool, StoreError>) -> bool {
    matches!(made, Err(StoreError::Conflict { entity: "key", field: "maker" }))
}

/// An edit that leaves a key as it was has not happened.
pub fn an_edit_that_changes_nothing_does_nothing(stores: &Stores) {
    let new = stored(stores);
    let before = stores.changes.latest().unwrap();
    let entry = told()(new.key.id);
    let same = stores.keys.edit(new.key.id, Arc::new(|_| {}), given::at(9), &[entry]).unwrap();
    assert_eq!(same, Some(new.key));
    assert_eq!(stores.changes.latest().unwrap(), before);
    assert!(stores.audit.list(None, 10, &AuditFilter::default()).unwrap().is_empty());
}

/// The same secret under another pepper, also one that a rotation took.
pub fn a_secret_moves_to_another_hash(stores: &Stores) {
    let new = stored(stores);
    let next = rotation(&new, Some(given::at(FAR)), given::at(5));
    stores.keys.rotate(&next).unwrap().unwrap();
    let before = stores.changes.latest().unwrap();
    for old in [new.hash, next.hash] {
        let moved = given::key(new.key.user_id).hash;
        let key = found(stores, &old).unwrap();
        assert!(stores.keys.rehash(&old, &moved).unwrap());
        assert_eq!((found(stores, &old), found(stores, &moved)), (None, Some(key)));
        assert!(!stores.keys.rehash(&old, &moved).unwrap());
    }
    assert_eq!(stores.changes.latest().unwrap(), before);
}
