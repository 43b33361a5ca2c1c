//! Promises of [`SessionStore`](crate::SessionStore).

use tollgate_domain::{Session, SessionId, UserId};

use super::given;
use crate::Stores;

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
        assert_eq!(stores.sessions.by_id(new.session.id).unwrap(), Some(new.session));
    }
    assert_eq!(stores.sessions.by_id(given::session(user).session.id).unwrap(), None);
}

/// A session ends once, and not after its time.
pub fn a_session_ends_once(stores: &Stores) {
    let user = given::stored_user(stores);
    let id = open(stores, user);
    assert!(stores.sessions.end(id, given::at(10)).unwrap());
    assert!(!stores.sessions.end(id, given::at(20)).unwrap());
    let session = stores.sessions.by_id(id).unwrap().unwrap();
    assert_eq!(session.ended_at, Some(given::at(10)));
    assert!(!session.is_open(given::at(10)));

    let over = open(stores, user);
    assert!(!stores.sessions.end(over, given::at(3_600)).unwrap());
    assert!(!stores.sessions.end(given::session(user).session.id, given::at(10)).unwrap());
}

/// Every open session of one user ends, and nobody else's.
pub fn all_sessions_of_one_user_end(stores: &Stores) {
    let (user, other) = (given::stored_user(stores), given::stored_user(stores));
    let mine = [open(stores, user), open(stores, user), open(stores, user)];
    let theirs = open(stores, other);
    let [first, second, third] = mine;
    stores.sessions.end(first, given::at(10)).unwrap();
    assert_eq!(stores.sessions.end_all(user, given::at(20)).unwrap(), 2);
    assert_eq!(stores.sessions.end_all(user, given::at(30)).unwrap(), 0);
    let ended = |id| stores.sessions.by_id(id).unwrap().and_then(|session: Session| session.ended_at);
    assert_eq!(ended(first), Some(given::at(10)));
    assert_eq!([ended(second), ended(third)], [Some(given::at(20)); 2]);
    assert_eq!(ended(theirs), None);
}
