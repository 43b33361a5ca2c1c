//! Promises of the imports of [`KeyStore`](crate::KeyStore) and [`UserStore`](crate::UserStore).

use std::{sync::Arc, thread};

use tollgate_domain::{ApiKey, AuditAction, AuditSubject, User, UserId};

use super::given;
use crate::{AuditFilter, Change, Imported, KeyImport, KeyRotation, PageRequest, Stores, UserImport};

/// A user of another system, with an address and an external id of its own.
pub fn user() -> UserImport {
    let user = given::user().user;
    let external_id = Some(format!("there-{}", user.id));
    let audit = given::entry(AuditAction::UserImported, AuditSubject::User(user.id));
    UserImport {
        user: User { external_id, ..user }, password_hash: Some("imported:$2b$…".to_owned()), audit
    }
}

/// A key of another system, of a user that is not known.
pub fn key() -> KeyImport {
    key_of(user())
}

fn key_of(owner: UserImport) -> KeyImport {
    let new = given::key(owner.user.id);
    let audit = given::entry(AuditAction::KeyImported, AuditSubject::Key(new.key.id));
    KeyImport {
        key: new.key,
        hashes: vec![new.hash, given::hash()],
        last_used_at: Some(given::at(-100)),
        owner,
        audit,
    }
}

fn told(stores: &Stores) -> Vec<String> {
    let entries = stores.audit.list(None, 100, &AuditFilter::default()).unwrap();
    entries.into_iter().rev().map(|entry| format!("{} {}", entry.row.action, entry.row.subject)).collect()
}

/// Every field comes back, once, with its user and one entry of the audit log each.
pub fn an_imported_key_comes_with_its_user_once(stores: &Stores) {
    let before = stores.changes.latest().unwrap();
    let new = key();
    let twice = [new.clone(), new.clone()];
    assert_eq!(stores.keys.import(&twice, false).unwrap(), [Imported::MadeWithOwner, Imported::Known]);
    assert_eq!(stores.keys.import(&twice, false).unwrap(), [Imported::Known; 2]);
    let listed = stores.keys.by_id(new.key.id).unwrap().unwrap();
    assert_eq!((&listed.key, listed.last_used_at), (&new.key, new.last_used_at));
    assert_eq!(stores.keys.by_hash(&new.hashes[0]).unwrap().as_ref(), Some(&new.key));
    assert_eq!(stores.keys.by_hash(&new.hashes[1]).unwrap(), None);
    let owner = stores.users.credentials(new.owner.user.id).unwrap().unwrap();
    assert_eq!((owner.user, owner.password_hash), (new.owner.user.clone(), new.owner.password_hash.clone()));
    let (user, id) = (new.owner.user.id, new.key.id);
    assert_eq!(told(stores), [format!("user.imported user:{user}"), format!("key.imported key:{id}")]);
    let changes = stores.changes.since(before, 10).unwrap().changes;
    assert_eq!(changes, [Change::User(user), Change::Key(id)]);
}

/// By external id, by our own id as external id, by address.
pub fn an_imported_key_finds_its_user(stores: &Stores) {
    let known = user();
    assert_eq!(stores.users.import(std::slice::from_ref(&known), false).unwrap(), [Imported::Made]);
    let named = |change: &dyn Fn(&mut User)| {
        let mut owner = user();
        (owner.user.external_id, owner.user.email) = (None, None);
        change(&mut owner.user);
        key_of(owner)
    };
    let email = known.user.email.clone();
    let batch = [
        named(&|user| user.external_id.clone_from(&known.user.external_id)),
        named(&|user| user.external_id = Some(known.user.id.to_string())),
        named(&|user| user.email.clone_from(&email)),
        named(&|user| (user.external_id, user.email) = (Some("unknown there".to_owned()), email.clone())),
        named(&|_| {}),
    ];
    let expected = [[Imported::Made; 4].as_slice(), &[Imported::MadeWithOwner]].concat();
    assert_eq!(stores.keys.import(&batch, true).unwrap(), expected);
    assert_eq!(stores.keys.import(&batch, false).unwrap(), expected);
    let owner = |new: &KeyImport| stores.keys.by_id(new.key.id).unwrap().unwrap().key.user_id;
    let owners: Vec<UserId> = batch.iter().map(owner).collect();
    assert_eq!(owners[..4], [known.user.id; 4]);
    assert_eq!(owners[4], batch[4].owner.user.id);
}

/// A user who is known stays as they are.
pub fn an_imported_user_is_made_once(stores: &Stores) {
    let first = user();
    let mut same_address = user();
    same_address.user.email.clone_from(&first.user.email);
    let mut same_id = user();
    same_id.user.external_id.clone_from(&first.user.external_id);
    let mut nameless = same_id.clone();
    nameless.user.email = None;
    let batch = [first.clone(), same_address, same_id, nameless, user()];
    let [made, known, taken] = [Imported::Made, Imported::Known, Imported::IdTaken];
    assert_eq!(stores.users.import(&batch, false).unwrap(), [made, known, taken, known, made]);
    for dry_run in [true, false] {
        assert_eq!(stores.users.import(&batch, dry_run).unwrap(), [known, known, taken, known, known]);
    }
    let found = stores.users.credentials(first.user.id).unwrap().unwrap();
    assert_eq!((found.user, found.password_hash), (first.user, first.password_hash));
    assert_eq!(told(stores).len(), 2);
}

/// A dry run writes nothing.
pub fn a_dry_run_writes_nothing(stores: &Stores) {
    let before = stores.changes.latest().unwrap();
    assert_eq!(stores.keys.import(&[key()], true).unwrap(), [Imported::MadeWithOwner]);
    assert_eq!(stores.users.import(&[user()], true).unwrap(), [Imported::Made]);
    assert_eq!(stores.changes.latest().unwrap(), before);
    assert!(told(stores).is_empty());
    assert!(stores.users.list(&PageRequest { limit: 10, after: None }, None).unwrap().items.is_empty());
}

/// What was ended is not brought back: a secret that a rotation took away, a key that is revoked, or gone with its
/// user. A hash under an older pepper is known as well.
pub fn what_was_imported_and_ended_stays_ended(stores: &Stores) {
    let (rotated, revoked, gone) = (key(), key(), key());
    let batch = [rotated.clone(), revoked.clone(), gone.clone()];
    stores.keys.import(&batch, false).unwrap();
    let rotation = KeyRotation {
        id: rotated.key.id,
        owner: None,
        hash: given::hash(),
        prefix: "new".to_owned(),
        preview: "new…".to_owned(),
        sealed: None,
        grace_until: None,
        maker: None,
        now: given::at(1),
        audit: Vec::new(),
    };
    stores.keys.rotate(&rotation).unwrap().unwrap();
    stores.keys.revoke(revoked.key.id, None, given::at(1), &[]).unwrap().unwrap();
    assert!(
        stores.users.delete(&given::deletion(gone.owner.user.id, crate::DeletionProof::Trusted)).unwrap()
    );
    assert_eq!(stores.keys.import(&batch, false).unwrap(), [Imported::Known; 3]);
    assert_eq!(stores.keys.import(&batch, true).unwrap(), [Imported::Known; 3]);
    assert_eq!(stores.keys.by_hash(&rotated.hashes[0]).unwrap(), None);

    let older = given::key(given::stored_user(stores));
    assert!(stores.keys.create(&older, 9, &[]).unwrap());
    let mut again = key();
    again.hashes = vec![given::hash(), older.hash];
    assert_eq!(stores.keys.import(&[again], false).unwrap(), [Imported::Known]);
}

/// Two imports of the same at once make everything once.
pub fn imports_at_once_make_everything_once(stores: &Stores) {
    let owner = user();
    let batch: Arc<[KeyImport]> = (0..20).map(|_| key_of(owner.clone())).collect();
    let imports: Vec<_> = (0..2)
        .map(|_| {
            let (stores, batch) = (stores.clone(), Arc::clone(&batch));
            // Users of their own, as two programs would make them.
            let batch: Vec<_> = batch
                .iter()
                .map(|new| {
                    let user = User { id: given::user().user.id, ..new.owner.user.clone() };
                    let audit = given::entry(AuditAction::UserImported, AuditSubject::User(user.id));
                    let key = ApiKey { id: given::key(user.id).key.id, ..new.key.clone() };
                    KeyImport { key, owner: UserImport { user, audit, ..new.owner.clone() }, ..new.clone() }
                })
                .collect();
            thread::spawn(move || stores.keys.import(&batch, false).unwrap())
        })
        .collect();
    let became: Vec<_> = imports.into_iter().flat_map(|import| import.join().unwrap()).collect();
    let count = |what| became.iter().filter(|one| **one == what).count();
    assert_eq!((count(Imported::MadeWithOwner), count(Imported::Made), count(Imported::Known)), (1, 19, 20));
    let made = told(stores);
    assert_eq!(made.iter().filter(|told| told.starts_with("key.imported")).count(), 20);
    assert_eq!(made.len(), 21);
}

/// Imports at once that name the same users and keys, each in another order, all come to their end.
pub fn imports_at_once_wait_for_one_another(stores: &Stores) {
    let owners: Vec<UserImport> = (0..40).map(|_| user()).collect();
    stores.users.import(&owners, false).unwrap();
    let both: Vec<KeyImport> = owners.iter().map(|owner| key_of(owner.clone())).collect();
    let imports: Vec<_> = [false, true, false, true]
        .into_iter()
        .map(|backwards| {
            let mut batch: Vec<_> = owners.iter().map(|owner| key_of(owner.clone())).collect();
            batch.extend(
                both.iter().map(|new| KeyImport { key: key_of(new.owner.clone()).key, ..new.clone() }),
            );
            if backwards {
                batch.reverse();
            }
            let stores = stores.clone();
            thread::spawn(move || stores.keys.import(&batch, false).unwrap())
        })
        .collect();
    let became: Vec<_> = imports.into_iter().flat_map(|import| import.join().unwrap()).collect();
    let count = |what| became.iter().filter(|one| **one == what).count();
    assert_eq!((count(Imported::Made), count(Imported::Known)), (4 * 40 + 40, 3 * 40));
}
