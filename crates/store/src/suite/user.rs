//! Promises of [`UserStore`](crate::UserStore).

use std::{collections::HashSet, sync::Arc, thread};

use tollgate_domain::{
    Email, LimitOverrides, Month, Permission, Role, Tier, User, UserId, user::MonthTokens,
};

use super::given;
use crate::{
    Change, DeletionProof, Issue, MailPurpose, MailToken, NewUser, PageRequest, PasswordChange, StoreError,
    Stores,
};

/// Every field comes back, by each way of asking.
pub fn a_user_reads_back_whole(stores: &Stores) {
    let mut new = given::user();
    new.user = User {
        email: Some(given::email("Zoë.O'Hara+x@Example.com")),
        external_id: Some("user_123".to_owned()),
        name: Some("Zoë 'the one' O\"Hara \\ 😀".to_owned()),
        role: Role::Admin,
        tier: Tier::Enterprise,
        is_active: false,
        is_verified: true,
        limits: LimitOverrides { minute: Some(1), hour: None, day: Some(1_000_000_000_000) },
        monthly_token_limit: Some(7),
        quota_floor: Some(MonthTokens { month: Month::of(given::at(0)), tokens: 100_000 }),
        quota_grant: Some(MonthTokens { month: Month::of(given::at(0)).next(), tokens: 1_000_000_000_000 }),
        metadata: "{\"a\": [1, null]}".to_owned(),
        updated_at: given::at(1),
        ..new.user
    };
    stores.users.create(&new, None, &[]).unwrap();
    let user = &new.user;
    assert_eq!(stores.users.by_id(user.id).unwrap().as_ref(), Some(user));
    assert_eq!(stores.users.by_external_id("user_123").unwrap().as_ref(), Some(user));
    let found = stores.users.by_email(&given::email("ZOË.o'hara+x@example.COM")).unwrap().unwrap();
    assert_eq!((&found.user, found.password_hash.as_deref()), (user, Some("$2b$12$hash")));

    let plain = NewUser { password_hash: None, ..given::user() };
    stores.users.create(&plain, None, &[]).unwrap();
    assert_eq!(stores.users.by_id(plain.user.id).unwrap().as_ref(), Some(&plain.user));
    let address = plain.user.email.unwrap();
    assert_eq!(stores.users.by_email(&address).unwrap().unwrap().password_hash, None);

    let nobody = given::user().user;
    assert_eq!(stores.users.by_id(nobody.id).unwrap(), None);
    assert!(stores.users.by_email(&nobody.email.unwrap()).unwrap().is_none());
    for external_id in ["", "user_1234", "USER_123", "user_123\0"] {
        assert_eq!(stores.users.by_external_id(external_id).unwrap(), None, "{external_id:?}");
    }
}

/// A user and the first key: both or neither.
pub fn a_user_and_the_first_key_come_together_or_not_at_all(stores: &Stores) {
    let new = given::user();
    let key = given::key(new.user.id);
    stores.users.create(&new, Some(&key), &[]).unwrap();
    assert_eq!(stores.keys.by_hash(&key.hash).unwrap().as_ref(), Some(&key.key));

    let second = given::user();
    let mut same_secret = given::key(second.user.id);
    same_secret.hash = key.hash;
    let error = stores.users.create(&second, Some(&same_secret), &[]).unwrap_err();
    assert!(matches!(error, StoreError::Conflict { entity: "key", field: "hash" }), "{error:?}");
    assert_eq!(stores.users.by_id(second.user.id).unwrap(), None);

    let mut same_address = given::user();
    same_address.user.email = new.user.email;
    let its_key = given::key(same_address.user.id);
    stores.users.create(&same_address, Some(&its_key), &[]).unwrap_err();
    assert_eq!(stores.keys.by_hash(&its_key.hash).unwrap(), None);
}

fn conflict(result: Result<(), StoreError>) -> (&'static str, &'static str) {
    match result {
        Err(StoreError::Conflict { entity, field }) => (entity, field),
        other => unreachable!("no conflict: {other:?}"),
    }
}

/// An address, in whatever case, and an external id belong to one user; many users may have none.
pub fn addresses_and_external_ids_are_taken_once(stores: &Stores) {
    let mut first = given::user();
    first.user.email = Some(given::email("ada@example.com"));
    first.user.external_id = Some("ada".to_owned());
    stores.users.create(&first, None, &[]).unwrap();

    let mut second = given::user();
    second.user.email = Some(given::email("ADA@Example.com"));
    assert_eq!(conflict(stores.users.create(&second, None, &[])), ("user", "email"));
    second.user.email = None;
    second.user.external_id = Some("ada".to_owned());
    assert_eq!(conflict(stores.users.create(&second, None, &[])), ("user", "external_id"));
    second.user.external_id = None;
    stores.users.create(&second, None, &[]).unwrap();
    let mut third = given::user();
    third.user.email = None;
    stores.users.create(&third, None, &[]).unwrap();

    let taken = given::email("ada@example.com");
    let edit = Arc::new(move |user: &mut User| user.email = Some(taken.clone()));
    let result = stores.users.edit(second.user.id, edit, given::at(1), &[]);
    assert_eq!(conflict(result.map(drop)), ("user", "email"));
    assert_eq!(stores.users.by_id(second.user.id).unwrap().as_ref(), Some(&second.user));
}

/// An edit changes what it says, sets the time, and cannot make the user another one.
pub fn an_edit_changes_what_it_says_and_the_time(stores: &Stores) {
    let (id, other) = (given::stored_user(stores), given::stored_user(stores));
    let before = stores.users.by_id(id).unwrap().unwrap();
    let edit = Arc::new(move |user: &mut User| {
        user.id = other;
        user.created_at = given::at(-1);
        user.tier = Tier::Pro;
        user.email = None;
        user.limits.hour = Some(5);
    });
    let after = stores.users.edit(id, edit, given::at(60), &[]).unwrap().unwrap();
    let limits = LimitOverrides { hour: Some(5), ..before.limits };
    let expected = User { tier: Tier::Pro, email: None, limits, updated_at: given::at(60), ..before };
    assert_eq!(after, expected);
    assert_eq!(stores.users.by_id(id).unwrap(), Some(expected));
    let nobody = given::user().user.id;
    assert_eq!(stores.users.edit(nobody, Arc::new(|_| {}), given::at(0), &[]).unwrap(), None);
}

/// Of edits of one user at the same time none is lost.
pub fn edits_at_the_same_time_all_count(stores: &Stores) {
    const THREADS: u64 = 8;
    const EDITS: u64 = 5;
    let id = given::stored_user(stores);
    let add = |user: &mut User| user.monthly_token_limit = Some(user.monthly_token_limit.unwrap_or(0) + 1);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..EDITS {
                    stores.users.edit(id, Arc::new(add), given::at(1), &[]).unwrap();
                }
            });
        }
    });
    let user = stores.users.by_id(id).unwrap().unwrap();
    assert_eq!(user.monthly_token_limit, Some(THREADS * EDITS));
}

/// With the role `admin` goes the permission, from that user's keys only.
pub fn who_is_no_longer_admin_has_no_key_that_is(stores: &Stores) {
    let admin = |stores: &Stores| {
        let mut new = given::user();
        new.user.role = Role::Admin;
        let mut key = given::key(new.user.id);
        key.key.permissions = key.key.permissions.with(Permission::Admin).with(Permission::KeysManage);
        stores.users.create(&new, Some(&key), &[]).unwrap();
        (new.user.id, key.key.id, given::stored_key(stores, new.user.id))
    };
    let (id, key, plain) = admin(stores);
    let (_, others, _) = admin(stores);
    let may = |key| stores.keys.by_id(key).unwrap().unwrap().key.permissions.allow(&Permission::Admin);

    stores.users.edit(id, Arc::new(|user: &mut User| user.tier = Tier::Pro), given::at(1), &[]).unwrap();
    assert!(may(key), "the role stayed");
    let before = stores.changes.latest().unwrap();
    stores.users.edit(id, Arc::new(|user: &mut User| user.role = Role::User), given::at(2), &[]).unwrap();
    assert!(!may(key));
    assert!(may(others));
    let left = stores.keys.by_id(key).unwrap().unwrap().key;
    assert!(left.permissions.allow(&Permission::KeysManage) && left.permissions.allow(&Permission::Chat));
    assert_eq!(left.updated_at, given::at(2));
    let changes = stores.changes.since(before, 10).unwrap().changes;
    assert_eq!(changes, [Change::User(id), Change::Key(key)]);
    assert_eq!(stores.keys.by_id(plain).unwrap().unwrap().key.updated_at, given::at(0));
}

/// A password is set where there was none and replaced where there was one, and whoever remembers the user
/// learns of it.
pub fn a_password_takes_the_place_of_what_was_there(stores: &Stores) {
    let plain = NewUser { password_hash: None, ..given::user() };
    stores.users.create(&plain, None, &[]).unwrap();
    let (id, email) = (plain.user.id, plain.user.email.unwrap());
    let before = stores.changes.latest().unwrap();
    for hash in ["$2b$04$one", "$2b$04$two"] {
        assert!(stores.users.set_password(id, hash, given::at(9), &[]).unwrap());
        let known = stores.users.by_email(&email).unwrap().unwrap();
        assert_eq!((known.password_hash.as_deref(), known.user.updated_at), (Some(hash), given::at(9)));
    }
    assert_eq!(stores.changes.since(before, 10).unwrap().changes, vec![Change::User(id); 2]);
    assert!(!stores.users.set_password(given::user().user.id, "x", given::at(9), &[]).unwrap());
}

/// A change takes the place of the password, ends the user's other open sessions, and nobody else's; whoever
/// remembers any of it learns of that.
pub fn a_changed_password_ends_every_other_session(stores: &Stores) {
    let (id, other) = (given::stored_user(stores), given::stored_user(stores));
    let open = |user| {
        let new = given::session(user);
        assert!(stores.sessions.open(&new).unwrap());
        new.session.id
    };
    let (own, second, ended, theirs) = (open(id), open(id), open(id), open(other));
    stores.sessions.end(ended, None, given::at(5), &[]).unwrap();
    let before = stores.changes.latest().unwrap();
    assert!(stores.users.change_password(&given::password_change(id, own, given::at(9))).unwrap());
    let known = stores.users.credentials(id).unwrap().unwrap();
    assert_eq!(
        (known.password_hash.as_deref(), known.user.updated_at),
        (Some("$2b$12$changed"), given::at(9))
    );
    let ended_at = |id| stores.sessions.by_id(id).unwrap().unwrap().ended_at;
    assert_eq!([ended_at(own), ended_at(theirs)], [None; 2]);
    assert_eq!([ended_at(second), ended_at(ended)], [Some(given::at(9)), Some(given::at(5))]);
    let changes = stores.changes.since(before, 10).unwrap().changes;
    assert_eq!(changes, [Change::User(id), Change::Session(second)]);
    let theirs = stores.users.credentials(other).unwrap().unwrap();
    assert_eq!((theirs.password_hash.as_deref(), theirs.user.id), (Some("$2b$12$hash"), other));
}

/// Nothing is done where the hash is another by now, where there is none, or where the session is over or another's.
pub fn a_password_changes_only_from_the_one_that_was_checked(stores: &Stores) {
    let (id, other) = (given::stored_user(stores), given::stored_user(stores));
    let plain = NewUser { password_hash: None, ..given::user() };
    stores.users.create(&plain, None, &[]).unwrap();
    let open = |user| {
        let new = given::session(user);
        stores.sessions.open(&new).unwrap();
        new.session.id
    };
    let (own, second, over, theirs, plains) =
        (open(id), open(id), open(id), open(other), open(plain.user.id));
    stores.sessions.end(over, None, given::at(1), &[]).unwrap();
    let before = stores.changes.latest().unwrap();
    let right = given::password_change(id, own, given::at(9));
    for wrong in [
        PasswordChange { before: "$2b$12$another".to_owned(), ..right.clone() },
        PasswordChange { before: String::new(), ..right.clone() },
        PasswordChange { session: over, ..right.clone() },
        PasswordChange { session: theirs, ..right.clone() },
        PasswordChange { session: given::session(id).session.id, ..right.clone() },
        PasswordChange { now: given::at(3_600), ..right.clone() },
        PasswordChange { user: given::user().user.id, ..right.clone() },
        PasswordChange { user: plain.user.id, session: plains, ..right },
    ] {
        assert!(!stores.users.change_password(&wrong).unwrap(), "{wrong:?}");
    }
    assert_eq!(stores.changes.latest().unwrap(), before);
    let hash = |id| stores.users.credentials(id).unwrap().unwrap().password_hash;
    assert_eq!([hash(id).as_deref(), hash(plain.user.id).as_deref()], [Some("$2b$12$hash"), None]);
    assert_eq!(stores.sessions.by_id(second).unwrap().unwrap().ended_at, None);
    assert!(stores.users.credentials(given::user().user.id).unwrap().is_none());
}

/// Of changes by several sessions at once, one counts, and its session is the one that is left.
pub fn of_changes_of_a_password_at_once_one_counts(stores: &Stores) {
    const SESSIONS: usize = 8;
    let id = given::stored_user(stores);
    let sessions: Vec<_> = (0..SESSIONS)
        .map(|_| {
            let new = given::session(id);
            stores.sessions.open(&new).unwrap();
            new.session.id
        })
        .collect();
    let changed: Vec<_> = thread::scope(|scope| {
        let changing: Vec<_> = sessions
            .iter()
            .map(|session| {
                let change = PasswordChange {
                    after: format!("$2b$12${session}"),
                    ..given::password_change(id, *session, given::at(9))
                };
                scope.spawn(move || stores.users.change_password(&change).unwrap().then_some(*session))
            })
            .collect();
        changing.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
    });
    let [first] = changed[..] else { unreachable!("{changed:?}") };
    let hash = stores.users.credentials(id).unwrap().unwrap().password_hash;
    assert_eq!(hash, Some(format!("$2b$12${first}")));
    let left = stores.sessions.list(id, &PageRequest::default(), given::at(10)).unwrap().items;
    assert_eq!(left.iter().map(|listed| listed.session.id).collect::<Vec<_>>(), [first]);
}

/// A deleted user is gone with keys and sessions, and the address is free again; the mail is queued.
pub fn a_deleted_user_leaves_nothing_behind(stores: &Stores) {
    let new = given::user();
    stores.users.create(&new, None, &[]).unwrap();
    let (user, session) = (new.user.id, given::session(new.user.id));
    let key = given::stored_key(stores, user);
    stores.sessions.open(&session).unwrap();
    let before = stores.changes.latest().unwrap();
    assert!(stores.users.delete(&given::deletion(user, DeletionProof::Trusted)).unwrap());
    assert_eq!(stores.users.by_id(user).unwrap(), None);
    assert_eq!(stores.keys.by_id(key).unwrap(), None);
    assert_eq!(stores.sessions.by_id(session.session.id).unwrap(), None);
    let changed = stores.changes.since(before, 10).unwrap().changes;
    for change in [Change::User(user), Change::Key(key), Change::Session(session.session.id)] {
        assert!(changed.contains(&change), "{change:?} in {changed:?}");
    }
    assert_eq!(stores.mails.waiting().unwrap(), 1);
    assert!(!stores.users.delete(&given::deletion(user, DeletionProof::Trusted)).unwrap());
    let again = NewUser { user: User { id: given::user().user.id, ..new.user }, ..new };
    stores.users.create(&again, None, &[]).unwrap();
}

/// A password that was changed meanwhile, a token of another purpose or another user, or one that was used deletes nobody.
pub fn only_what_holds_deletes_a_user(stores: &Stores) {
    let (user, other) = (given::stored_user(stores), given::stored_user(stores));
    let token = |user: UserId, purpose| {
        let token = MailToken { user: Some(user), ..given::mail_token(purpose, given::at(0)) };
        let issue = Issue { token, mails: Vec::new(), max_per_hour: u32::MAX, audit: Vec::new() };
        assert!(stores.mail_tokens.issue(&issue).unwrap());
        DeletionProof::Mail(issue.token.hash)
    };
    for proof in [
        DeletionProof::Password("$2b$12$before".to_owned()),
        DeletionProof::Mail([7; 32]),
        token(user, MailPurpose::Reset),
        token(other, MailPurpose::Deletion),
    ] {
        assert!(!stores.users.delete(&given::deletion(user, proof.clone())).unwrap(), "{proof:?}");
    }
    let right = DeletionProof::Password("$2b$12$hash".to_owned());
    assert!(stores.users.delete(&given::deletion(user, right)).unwrap());
    let right = token(other, MailPurpose::Deletion);
    assert!(stores.users.delete(&given::deletion(other, right)).unwrap());
}

/// Pages follow each other without repeats or losses, in descending order of the ids.
pub fn users_are_listed_newest_first_without_repeats(stores: &Stores) {
    let mut made: Vec<UserId> = (0..25).map(|_| given::stored_user(stores)).collect();
    made.sort();
    made.reverse();
    let mut seen = Vec::new();
    let mut page = PageRequest { limit: 10, after: None };
    loop {
        let got = stores.users.list(&page, None).unwrap();
        assert!(got.items.len() <= 10);
        seen.extend(got.items.iter().map(|user| user.id));
        page.after = got.next;
        if page.after.is_none() {
            break;
        }
    }
    assert_eq!(seen, made);
    assert_eq!(stores.users.list(&PageRequest { limit: 25, after: None }, None).unwrap().next, None);
}

/// A search finds a part of the address, the name or the external id, in any case and taken literally.
pub fn a_search_finds_parts_without_case(stores: &Stores) {
    let make = |email: Option<&str>, name: Option<&str>, external_id: Option<&str>| {
        let mut new = given::user();
        new.user.email = email.map(given::email);
        new.user.name = name.map(str::to_owned);
        new.user.external_id = external_id.map(str::to_owned);
        stores.users.create(&new, None, &[]).unwrap();
        new.user.id
    };
    let ada = make(Some("ada@example.com"), Some("Ada Łovelace"), None);
    let bob = make(Some("bob_1@example.com"), Some("100% Bob"), None);
    let eve = make(None, None, Some("EVE\\7"));
    let found = |search: &str| -> HashSet<UserId> {
        let page = stores.users.list(&PageRequest::default(), Some(search)).unwrap();
        page.items.iter().map(|user| user.id).collect()
    };
    for (search, expected) in [
        ("EXAMPLE.com", vec![ada, bob]),
        ("łove", vec![ada]),
        ("ŁOVE", vec![ada]),
        ("0%", vec![bob]),
        ("b_1", vec![bob]),
        ("a_a", vec![]),
        ("%", vec![bob]),
        ("eve\\7", vec![eve]),
        ("\0", vec![]),
        ("'; DROP TABLE users; --", vec![]),
    ] {
        assert_eq!(found(search), expected.into_iter().collect(), "{search:?}");
    }
    let renamed = Arc::new(|user: &mut User| user.name = Some("Grace".to_owned()));
    stores.users.edit(ada, renamed, given::at(1), &[]).unwrap();
    assert_eq!(found("grace"), HashSet::from([ada]));
    assert_eq!(found("łove"), HashSet::new());
    let moved: Email = given::email("grace@example.org");
    let edit = Arc::new(move |user: &mut User| user.email = Some(moved.clone()));
    stores.users.edit(ada, edit, given::at(1), &[]).unwrap();
    assert_eq!(found("EXAMPLE.org"), HashSet::from([ada]));
}
