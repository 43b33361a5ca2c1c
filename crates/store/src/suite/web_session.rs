//! Promises of [`WebSessionStore`](crate::WebSessionStore).

use super::given;
use crate::Stores;

/// A cookie stands for its session, open or not, in place of the refresh token.
pub fn a_cookie_stands_for_its_session_in_place_of_a_refresh_token(stores: &Stores) {
    let user = given::stored_user(stores);
    let (first, second) = (given::session(user), given::session(user));
    let cookies = [given::hash().0, given::hash().0];
    for (new, cookie) in [&first, &second].into_iter().zip(cookies) {
        assert!(stores.sessions.open(new).unwrap());
        assert!(stores.web_sessions.open(&cookie, new.session.id, given::at(0)).unwrap());
        assert_eq!(stores.sessions.by_refresh(&new.refresh_hash).unwrap(), None);
        assert_eq!(stores.web_sessions.by_hash(&cookie).unwrap().as_ref(), Some(&new.session));
    }
    assert_eq!(stores.web_sessions.by_hash(&given::hash().0).unwrap(), None);
    stores.sessions.end(first.session.id, None, given::at(1), &[]).unwrap();
    let ended = stores.web_sessions.by_hash(&cookies[0]).unwrap().unwrap();
    assert_eq!(ended.ended_at, Some(given::at(1)));
    assert_eq!(stores.web_sessions.by_hash(&cookies[1]).unwrap(), Some(second.session));
}

/// No cookie stands for a session that is over, or for none.
pub fn a_session_that_is_over_gets_no_cookie(stores: &Stores) {
    let user = given::stored_user(stores);
    let (ended, expired) = (given::session(user), given::session(user));
    for new in [&ended, &expired] {
        assert!(stores.sessions.open(new).unwrap());
    }
    stores.sessions.end(ended.session.id, None, given::at(1), &[]).unwrap();
    let cookie = given::hash().0;
    for (id, now) in
        [(ended.session.id, 2), (expired.session.id, 3_600), (given::session(user).session.id, 0)]
    {
        assert!(!stores.web_sessions.open(&cookie, id, given::at(now)).unwrap());
    }
    assert_eq!(stores.web_sessions.by_hash(&cookie).unwrap(), None);
}

/// Cookies go with the sessions that are forgotten.
pub fn a_cookie_is_forgotten_with_its_session(stores: &Stores) {
    let new = given::session(given::stored_user(stores));
    assert!(stores.sessions.open(&new).unwrap());
    let cookie = given::hash().0;
    assert!(stores.web_sessions.open(&cookie, new.session.id, given::at(0)).unwrap());
    while stores.sessions.forget(given::at(10_000), given::at(10_000), 10).unwrap() > 0 {}
    assert_eq!(stores.web_sessions.by_hash(&cookie).unwrap(), None);
}
