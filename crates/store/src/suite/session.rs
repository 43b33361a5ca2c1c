//! Promises of [`SessionStore`](crate::SessionStore).

use chrono::TimeDelta;
use tollgate_domain::{Session, SessionId, UserId};

use super::given;
use crate::{ListedSession, NewSession, PageRequest, ProvedPassword, Stores};

fn open(stores: &Stores, user: UserId) -> SessionId {
    let new = given::session(user);
    stores.sessions.open(&new).unwrap();
    new.session.id
}

/// Every field comes back.
pub fn a_session_reads_back_whole(stores: &Stores) {
    let user = given::stored_user(stores);
    let full = given::session(user);
    let mut bare = given::session(user);
    bare.session.ip = None;
    bare.session.user_agent = None;
    for new in [full, bare] {
        stores.sessions.open(&new).unwrap();
        assert_eq!(stores.sessions.by_refresh(&new.refresh_hash).unwrap().as_ref(), Some(&new.session));
        assert_eq!(stores.sessions.by_id(new.session.id).unwrap(), Some(new.session));
    }
    assert_eq!(stores.sessions.by_id(given::session(user).session.id).unwrap(), None);
    assert_eq!(stores.sessions.by_refresh(&given::session(user).refresh_hash).unwrap(), None);
}

/// A session that a password opens is opened where the password is still that one, and not otherwise.
pub fn a_password_that_was_changed_meanwhile_opens_nothing(stores: &Stores) {
    let user = given::stored_user(stores);
    let by = |hash: &str, replacement: Option<&str>| {
        let password = ProvedPassword { hash: hash.to_owned(), replacement: replacement.map(str::to_owned) };
        NewSession { password: Some(password), ..given::session(user) }
    };
    let right = by("$2b$12$hash", None);
    assert!(stores.sessions.open(&right).unwrap());
    assert_eq!(stores.sessions.by_id(right.session.id).unwrap(), Some(right.session));
    stores.users.set_password(user, "$2b$12$new", given::at(1), &[]).unwrap();
    for late in [by("$2b$12$hash", None), by("$2b$12$hash", Some("$2b$12$again")), by("", None)] {
        assert!(!stores.sessions.open(&late).unwrap());
        assert_eq!(stores.sessions.by_id(late.session.id).unwrap(), None);
        assert_eq!(stores.sessions.by_refresh(&late.refresh_hash).unwrap(), None);
    }
    let hash = stores.users.credentials(user).unwrap().unwrap().password_hash;
    assert_eq!(hash.as_deref(), Some("$2b$12$new"));
}

/// An outdated hash is replaced together with the session that it opens: no change of the user, and no other session
/// ends.
pub fn a_login_replaces_an_outdated_hash(stores: &Stores) {
    let user = given::stored_user(stores);
    let earlier = open(stores, user);
    let before = stores.changes.latest().unwrap();
    let password =
        ProvedPassword { hash: "$2b$12$hash".to_owned(), replacement: Some("$2b$13$hash".to_owned()) };
    let new = NewSession { password: Some(password), ..given::session(user) };
    assert!(stores.sessions.open(&new).unwrap());
    let known = stores.users.credentials(user).unwrap().unwrap();
    assert_eq!((known.password_hash.as_deref(), known.user.updated_at), (Some("$2b$13$hash"), given::at(0)));
    assert_eq!(stores.sessions.by_id(earlier).unwrap().unwrap().ended_at, None);
    assert_eq!(stores.changes.latest().unwrap(), before);
}

/// A session ends once, and not after its time.
pub fn a_session_ends_once(stores: &Stores) {
    let user = given::stored_user(stores);
    let id = open(stores, user);
    assert!(stores.sessions.end(id, None, given::at(10), &[]).unwrap());
    assert!(!stores.sessions.end(id, None, given::at(20), &[]).unwrap());
    let session = stores.sessions.by_id(id).unwrap().unwrap();
    assert_eq!(session.ended_at, Some(given::at(10)));
    assert!(!session.is_open(given::at(10)));

    let over = open(stores, user);
    assert!(!stores.sessions.end(over, None, given::at(3_600), &[]).unwrap());
    assert!(!stores.sessions.end(given::session(user).session.id, None, given::at(10), &[]).unwrap());
}

/// Every open session of one user ends, and nobody else's.
pub fn all_sessions_of_one_user_end(stores: &Stores) {
    let (user, other) = (given::stored_user(stores), given::stored_user(stores));
    let mine = [open(stores, user), open(stores, user), open(stores, user)];
    let theirs = open(stores, other);
    let [first, second, third] = mine;
    stores.sessions.end(first, None, given::at(10), &[]).unwrap();
    assert_eq!(stores.sessions.end_all(user, given::at(20), &[]).unwrap(), 2);
    assert_eq!(stores.sessions.end_all(user, given::at(30), &[]).unwrap(), 0);
    let ended = |id| stores.sessions.by_id(id).unwrap().and_then(|session: Session| session.ended_at);
    assert_eq!(ended(first), Some(given::at(10)));
    assert_eq!([ended(second), ended(third)], [Some(given::at(20)); 2]);
    assert_eq!(ended(theirs), None);
}

/// Another user's session is not there.
pub fn only_the_owner_ends_where_one_is_named(stores: &Stores) {
    let (owner, other) = (given::stored_user(stores), given::stored_user(stores));
    let id = open(stores, owner);
    assert!(!stores.sessions.end(id, Some(other), given::at(1), &[]).unwrap());
    assert_eq!(stores.sessions.by_id(id).unwrap().unwrap().ended_at, None);
    assert!(stores.sessions.end(id, Some(owner), given::at(2), &[]).unwrap());
    assert!(!stores.sessions.end(id, Some(owner), given::at(3), &[]).unwrap());
}

/// A list has one user's open sessions and says when each was seen; its pages follow each other without
/// repeats or losses.
pub fn open_sessions_are_listed_newest_first_without_repeats(stores: &Stores) {
    let (user, other) = (given::stored_user(stores), given::stored_user(stores));
    open(stores, other);
    let mut made = Vec::new();
    for second in 0..7 {
        let mut new = given::session(user);
        new.session.created_at = given::at(second);
        new.session.expires_at = given::at(100) + TimeDelta::seconds(second);
        stores.sessions.open(&new).unwrap();
        made.push(new);
    }
    made.sort_by_key(|new| std::cmp::Reverse(new.session.id));
    let [refreshed, ended, ..] = made.as_slice() else { unreachable!("seven were made") };
    stores.sessions.rotate(&given::rotation(refreshed, given::at(50))).unwrap();
    stores.sessions.end(ended.session.id, None, given::at(50), &[]).unwrap();
    let all = |now| {
        let mut page = PageRequest { limit: 2, after: None };
        let mut seen = Vec::new();
        loop {
            let got = stores.sessions.list(user, &page, given::at(now)).unwrap();
            assert!(got.items.len() <= 2);
            seen.extend(got.items);
            page.after = got.next;
            if page.after.is_none() {
                return seen;
            }
        }
    };
    let expected = |now| -> Vec<ListedSession> {
        let open = made.iter().filter(|new| new.session.id != ended.session.id);
        let open = open.filter(|new| new.session.expires_at > given::at(now));
        let listed = open.map(|new| {
            let seen =
                if new.session.id == refreshed.session.id { given::at(50) } else { new.session.created_at };
            ListedSession { session: new.session.clone(), last_seen_at: seen }
        });
        listed.collect()
    };
    assert_eq!(all(60), expected(60));
    assert_eq!(all(60).len(), 6);
    assert_eq!(all(103), expected(103));
    assert_eq!(all(200), []);
}
