//! Promises of [`KeyStore`](crate::KeyStore).

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};

use tollgate_domain::{
    ApiKey, Environment, KeyId, KeyKind, LimitOverrides, Permission, Permissions, Tier,
    limit::{GivenByAdmin, KeyLimits},
};

use super::given;
use crate::{KeyFilter, ListedKey, PageRequest, StoreError, Stores};

/// Every field comes back, by each way of asking.
pub fn a_key_reads_back_whole(stores: &Stores) {
    let mut owner = given::user();
    owner.user.email = Some(given::email("ada@example.com"));
    stores.users.create(&owner, None, &[]).unwrap();
    let maker = given::key(owner.user.id);
    assert!(stores.keys.create(&maker, 1, &[]).unwrap());
    let mut new = given::key(owner.user.id);
    new.key = ApiKey {
        name: "CI ☂".to_owned(),
        kind: KeyKind::Primary,
        environment: Environment::Test,
        permissions: Permissions::from_iter([Permission::Chat, Permission::Service("a.b-c_d".to_owned())]),
        limits: KeyLimits {
            tier: Some(Tier::Pro),
            limits: LimitOverrides { minute: Some(3), hour: Some(u64::from(u32::MAX)), day: None },
            by_admin: GivenByAdmin { hour: true, tier: true, ..GivenByAdmin::default() },
        },
        is_active: false,
        disabled_by_admin: true,
        expires_at: Some(given::at(100)),
        allowed_ips: ["10.0.0.0/8", "2001:db8::1"].map(|text| text.parse().unwrap()).to_vec(),
        allowed_models: vec!["a,b".to_owned(), "ünï".to_owned()],
        created_by_key: Some(maker.key.id),
        metadata: "{\"k\":\"v\"}".to_owned(),
        updated_at: given::at(5),
        ..new.key
    };
    assert!(stores.keys.create(&new, 2, &[]).unwrap());
    assert_eq!(stores.keys.by_hash(&new.hash).unwrap().as_ref(), Some(&new.key));
    let listed = stores.keys.by_id(new.key.id).unwrap().unwrap();
    let expected =
        ListedKey { key: new.key, owner_email: owner.user.email, request_count: 0, last_used_at: None };
    assert_eq!(listed, expected);
    assert_eq!(stores.keys.by_hash(&given::hash()).unwrap(), None);
    assert_eq!(stores.keys.by_id(given::key(owner.user.id).key.id).unwrap(), None);
}

/// No two keys have the same secret, whosever they are.
pub fn a_secret_is_taken_once(stores: &Stores) {
    let first = given::key(given::stored_user(stores));
    assert!(stores.keys.create(&first, 9, &[]).unwrap());
    let mut second = given::key(given::stored_user(stores));
    second.hash = first.hash;
    let error = stores.keys.create(&second, 9, &[]).unwrap_err();
    assert!(matches!(error, StoreError::Conflict { entity: "key", field: "hash" }), "{error:?}");
    assert_eq!(stores.keys.by_id(second.key.id).unwrap(), None);
}

/// A key of a user that is not there is refused.
pub fn a_key_needs_its_user(stores: &Stores) {
    let orphan = given::key(given::user().user.id);
    assert!(matches!(stores.keys.create(&orphan, 9, &[]), Err(StoreError::Orphaned(_))));
}

/// Never more keys than allowed, however many are asked for at the same time; a revoked one makes room.
pub fn a_user_has_at_most_so_many_keys(stores: &Stores) {
    const MAX: u32 = 5;
    let user = given::stored_user(stores);
    let made = AtomicU32::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..2 {
                    if stores.keys.create(&given::key(user), MAX, &[]).unwrap() {
                        made.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert_eq!(made.into_inner(), MAX);
    let filter = KeyFilter { user: Some(user), include_inactive: true, now: given::at(0), kind: None };
    let keys = stores.keys.list(&filter, &PageRequest::default()).unwrap().items;
    assert_eq!(keys.len(), 5);
    assert!(
        stores.keys.create(&given::key(given::stored_user(stores)), MAX, &[]).unwrap(),
        "another user's limit"
    );
    stores.keys.revoke(keys.first().unwrap().key.id, None, given::at(1), &[]).unwrap();
    assert!(stores.keys.create(&given::key(user), MAX, &[]).unwrap());
    assert!(!stores.keys.create(&given::key(user), MAX, &[]).unwrap());
}

/// Whoever asks at the same time gets the same `Editor` key, and the limit of keys does not matter.
pub fn there_is_one_editor_key(stores: &Stores) {
    let user = given::stored_user(stores);
    assert!(stores.keys.editor(user).unwrap().is_none());
    let ids: HashSet<(KeyId, Vec<u8>)> = thread::scope(|scope| {
        let ask = || {
            let editor = stores.keys.create_editor(&given::editor_key(user), &[]).unwrap();
            (editor.key.id, editor.sealed)
        };
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(ask)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(ids.len(), 1);
    let editor = stores.keys.editor(user).unwrap().unwrap();
    assert!(ids.contains(&(editor.key.id, editor.sealed)));
    assert!(stores.keys.editor(given::stored_user(stores)).unwrap().is_none());
}

/// Revoking is idempotent, cannot be undone by an edit, and forgets the sealed secret.
pub fn revoking_is_once_and_for_ever(stores: &Stores) {
    let user = given::stored_user(stores);
    let editor = stores.keys.create_editor(&given::editor_key(user), &[]).unwrap();
    let id = editor.key.id;
    let revoked = stores.keys.revoke(id, Some(user), given::at(1), &[]).unwrap().unwrap();
    assert_eq!((revoked.revoked_at, revoked.updated_at), (Some(given::at(1)), given::at(1)));
    let latest = stores.changes.latest().unwrap();
    assert_eq!(stores.keys.revoke(id, Some(user), given::at(2), &[]).unwrap(), Some(revoked.clone()));
    assert_eq!(stores.changes.latest().unwrap(), latest, "nothing changed");
    let undo = Arc::new(|key: &mut ApiKey| key.revoked_at = None);
    let after = stores.keys.edit(id, undo, given::at(3), &[]).unwrap().unwrap();
    assert_eq!(after.revoked_at, Some(given::at(1)));

    assert!(stores.keys.editor(user).unwrap().is_none());
    let next = stores.keys.create_editor(&given::editor_key(user), &[]).unwrap();
    assert_ne!(next.key.id, id);
    assert_ne!(next.sealed, editor.sealed);
}

/// With an owner named, another user's key is as if it were not there.
pub fn only_the_owner_revokes_where_one_is_named(stores: &Stores) {
    let (user, stranger) = (given::stored_user(stores), given::stored_user(stores));
    let id = given::stored_key(stores, user);
    assert_eq!(stores.keys.revoke(id, Some(stranger), given::at(1), &[]).unwrap(), None);
    assert_eq!(stores.keys.by_id(id).unwrap().unwrap().key.revoked_at, None);
    assert_eq!(stores.keys.revoke(given::key(user).key.id, None, given::at(1), &[]).unwrap(), None);
    assert!(stores.keys.revoke(id, None, given::at(1), &[]).unwrap().is_some());
}

/// An edit changes what may be changed and nothing else.
pub fn an_edit_of_a_key_keeps_whose_it_is(stores: &Stores) {
    let (user, other) = (given::stored_user(stores), given::stored_user(stores));
    let new = given::key(user);
    stores.keys.create(&new, 9, &[]).unwrap();
    let edit = Arc::new(move |key: &mut ApiKey| {
        key.user_id = other;
        key.kind = KeyKind::Editor;
        key.created_at = given::at(-1);
        key.revoked_at = Some(given::at(0));
        key.name = "renamed".to_owned();
        key.permissions = Permissions::default();
        key.limits.limits.day = Some(9);
        key.expires_at = Some(given::at(9));
        key.is_active = false;
    });
    let mut expected = new.key;
    expected.name = "renamed".to_owned();
    expected.permissions = Permissions::default();
    expected.limits.limits.day = Some(9);
    expected.expires_at = Some(given::at(9));
    expected.is_active = false;
    expected.updated_at = given::at(7);
    assert_eq!(stores.keys.edit(expected.id, edit, given::at(7), &[]).unwrap().as_ref(), Some(&expected));
    assert_eq!(stores.keys.by_hash(&new.hash).unwrap(), Some(expected));
    assert_eq!(stores.keys.edit(given::key(user).key.id, Arc::new(|_| {}), given::at(7), &[]).unwrap(), None);
}

/// Pages follow each other without repeats or losses, in descending order of the ids, also while others are
/// made.
pub fn keys_are_listed_newest_first_without_repeats(stores: &Stores) {
    let user = given::stored_user(stores);
    let mut made: Vec<KeyId> = (0..25).map(|_| given::stored_key(stores, user)).collect();
    made.sort();
    made.reverse();
    given::stored_key(stores, given::stored_user(stores));
    let filter = KeyFilter { user: Some(user), include_inactive: false, now: given::at(0), kind: None };
    let mut seen = Vec::new();
    let mut page = PageRequest { limit: 10, after: None };
    loop {
        let got = stores.keys.list(&filter, &page).unwrap();
        seen.extend(got.items.iter().map(|listed| listed.key.id));
        page.after = got.next;
        if page.after.is_none() {
            break;
        }
    }
    assert_eq!(seen, made);
    let everybody = KeyFilter { user: None, ..filter };
    assert_eq!(stores.keys.list(&everybody, &PageRequest::default()).unwrap().items.len(), 26);
    // Of one kind, everybody's.
    let mut legacy = given::key(user);
    legacy.key.kind = KeyKind::Legacy;
    assert!(stores.keys.create(&legacy, 99, &[]).unwrap());
    for (kind, count) in [(KeyKind::Legacy, 1), (KeyKind::Ordinary, 26), (KeyKind::Primary, 0)] {
        let of_kind = KeyFilter { kind: Some(kind), ..everybody };
        let got = stores.keys.list(&of_kind, &PageRequest::default()).unwrap().items;
        assert_eq!(got.len(), count);
        assert!(got.iter().all(|listed| listed.key.kind == kind));
    }
}

/// Disabled, revoked and expired keys are listed only where they are asked for.
pub fn lists_leave_out_what_is_inactive(stores: &Stores) {
    let user = given::stored_user(stores);
    let make = |edit: &dyn Fn(&mut ApiKey)| {
        let mut new = given::key(user);
        edit(&mut new.key);
        stores.keys.create(&new, 9, &[]).unwrap();
        new.key.id
    };
    let good = make(&|_| {});
    let later = make(&|key| key.expires_at = Some(given::at(11)));
    let disabled = make(&|key| key.is_active = false);
    let expired = make(&|key| key.expires_at = Some(given::at(10)));
    let revoked = make(&|_| {});
    stores.keys.revoke(revoked, None, given::at(1), &[]).unwrap();
    let listed = |include_inactive| -> HashSet<KeyId> {
        let filter = KeyFilter { user: Some(user), include_inactive, now: given::at(10), kind: None };
        let page = stores.keys.list(&filter, &PageRequest::default()).unwrap();
        page.items.iter().map(|listed| listed.key.id).collect()
    };
    assert_eq!(listed(false), HashSet::from([good, later]));
    assert_eq!(listed(true), HashSet::from([good, later, disabled, expired, revoked]));
}

/// Ids are found by their first digits; what is no beginning of an id finds nothing.
pub fn ids_are_found_by_their_beginning(stores: &Stores) {
    let user = given::stored_user(stores);
    let mut made: Vec<KeyId> = (0..3).map(|_| given::stored_key(stores, user)).collect();
    made.sort();
    let [first, ..] = made.as_slice() else { unreachable!("three were made") };
    let text = first.to_string();
    assert_eq!(stores.keys.ids_by_prefix(&text, 10).unwrap(), [*first]);
    assert_eq!(stores.keys.ids_by_prefix(&text.to_uppercase(), 10).unwrap(), [*first]);
    // Their first twelve digits are the time, which is the same for all.
    let shared = text.get(..12).unwrap();
    assert_eq!(stores.keys.ids_by_prefix(shared, 10).unwrap(), made);
    assert_eq!(stores.keys.ids_by_prefix(shared, 2).unwrap().len(), 2);
    for prefix in ["ffff", "%", "_", "é", "00000000-", &format!("{text}0")] {
        assert_eq!(stores.keys.ids_by_prefix(prefix, 10).unwrap(), [], "{prefix}");
    }
}
