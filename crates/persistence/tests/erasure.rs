//! What is left of deleted users in records that outlive them.

#![expect(clippy::unwrap_used, reason = "a test whose helper fails has failed")]

use chrono::TimeDelta;
use tollgate_domain::{
    AuditAction, AuditActor, AuditEntry, AuditSubject, KeyId, Personal, Time, UsageEvent, UserId,
};
use tollgate_persistence::testing::TestDb;
use tollgate_store::{AuditFilter, Stores, UsageScope, suite::given};

const EVENTS: i64 = 25;
const QUARTER: i64 = 900;

fn events(stores: &Stores, user: UserId) -> Vec<UsageEvent> {
    let scope = UsageScope { user: Some(user), ..UsageScope::default() };
    stores.usage.events(&scope, 100, None).unwrap().items
}

fn tells(event: &UsageEvent) -> bool {
    event.ip.is_some() || event.user_agent.is_some() || event.end_user.is_some() || event.params != "{}"
}

fn entry(user: UserId) -> AuditEntry {
    AuditEntry {
        id: given::event(user, KeyId::from(user.as_uuid()), given::at(0)).id.as_uuid().into(),
        at: given::at(0),
        actor: AuditActor::User(user),
        action: AuditAction::SessionLogin,
        subject: AuditSubject::User(user),
        personal: Personal { user: Some(user), ip: Some("192.0.2.1".to_owned()), ..Personal::default() },
        run: None,
    }
}

fn persons(stores: &Stores) -> Vec<UserId> {
    let listed = stores.audit.list(None, 100, &AuditFilter::default()).unwrap();
    listed.into_iter().filter_map(|entry| entry.personal?.user).collect()
}

/// Writes down that the user is deleted, as the deletion itself does.
fn delete(database: &TestDb, user: UserId, at: Time) {
    let at = at.format("%Y-%m-%dT%H:%M:%S.000000Z");
    database.tamper(&format!("INSERT INTO erasures (user_id, deleted_at) VALUES ('{user}', '{at}')"));
}

/// Sweeps in pieces of `limit` until there is nothing to do at `now`; gives how many pieces.
fn sweep(stores: &Stores, now: Time, limit: u32) -> usize {
    let mut pieces = 0;
    while let Some(user) = stores.erasures.due(now).unwrap() {
        stores.erasures.sweep(user, now, limit).unwrap();
        pieces += 1;
        assert!(pieces < 1_000);
    }
    pieces
}

#[test]
fn nothing_tells_of_a_deleted_user_and_everything_of_the_others() {
    for database in [Some(TestDb::sqlite()), TestDb::postgres()] {
        let Some(database) = database else { continue };
        let stores = database.stores();
        let (gone, here) = (given::stored_user(&stores), given::stored_user(&stores));
        let (key, other) = (given::stored_key(&stores, gone), given::stored_key(&stores, here));
        let theirs = |user, key, n| given::event(user, key, given::at(n * QUARTER / 3));
        let all: Vec<_> = (0..EVENTS).flat_map(|n| [theirs(gone, key, n), theirs(here, other, n)]).collect();
        given::used(&stores, &all);
        // Not folded yet.
        given::append(&stores, &[theirs(gone, key, EVENTS)]);
        stores.audit.note(&[entry(gone), entry(here), entry(gone), entry(gone)]).unwrap();
        let before = events(&stores, here);

        let deleted = given::at(100_000);
        delete(&database, gone, deleted);
        assert_eq!(stores.erasures.due(deleted).unwrap(), Some(gone));
        assert!(sweep(&stores, deleted, 2) > 12);
        let left = events(&stores, gone);
        assert_eq!(left.len(), 26);
        assert!(!left.iter().any(tells));
        assert!(left.iter().all(|event| event.tokens.prompt == Some(100) && event.status == 200));
        assert_eq!(events(&stores, here), before);
        assert!(before.iter().all(tells));
        assert_eq!(persons(&stores), [here]);

        // What comes late is found by the next sweep.
        given::append(&stores, &[theirs(gone, key, EVENTS + 1)]);
        assert_eq!(stores.erasures.due(deleted + TimeDelta::minutes(59)).unwrap(), None);
        let next = deleted + TimeDelta::minutes(61);
        assert_eq!(stores.erasures.due(next).unwrap(), Some(gone));
        assert!(sweep(&stores, next, 100) > 0);
        assert!(!events(&stores, gone).iter().any(tells));
        // And the last one forgets the user.
        let last = deleted + TimeDelta::days(3);
        assert_eq!(sweep(&stores, last, 100), 1);
        assert_eq!(stores.erasures.due(last + TimeDelta::days(30)).unwrap(), None);
    }
}
