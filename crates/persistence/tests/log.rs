//! The log of events where the sums know of more than there is: after old events were dropped.

#![expect(clippy::unwrap_used, reason = "a test whose helper fails has failed")]

use diesel::{Connection, PgConnection, SqliteConnection, connection::SimpleConnection};
use tollgate_domain::UsageEvent;
use tollgate_persistence::testing::TestDb;
use tollgate_store::{UsageScope, suite::given};

const QUARTER: i64 = 900;
const EVENTS: i64 = 12;

/// Drops all but every fourth event; the sums stay.
fn drop_most(database: &TestDb) {
    let url = database.url();
    let dropped = |table| format!("DELETE FROM {table} WHERE seq % 4 <> 1");
    match url.strip_prefix("sqlite://") {
        Some(path) => {
            SqliteConnection::establish(path).unwrap().batch_execute(&dropped("usage_events")).unwrap();
        }
        None => {
            let mut conn = PgConnection::establish(&url).unwrap();
            conn.batch_execute(&dropped("tollgate.usage_events")).unwrap();
        }
    }
}

#[test]
fn quarter_hours_without_events_make_short_pages_that_lead_on() {
    for database in [Some(TestDb::sqlite()), TestDb::postgres()] {
        let Some(database) = database else { continue };
        let stores = database.stores();
        let user = given::stored_user(&stores);
        let key = given::stored_key(&stores, user);
        // One a quarter-hour; the last quarter-hour again, not folded.
        let events: Vec<_> = (0..EVENTS).map(|n| given::event(user, key, given::at(n * QUARTER))).collect();
        given::used(&stores, &events);
        drop_most(&database);
        let late = given::event(user, key, given::at(2 * QUARTER + 1));
        given::append(&stores, std::slice::from_ref(&late));
        let expected: Vec<&UsageEvent> = vec![&events[8], &events[4], &late, &events[0]];
        for limit in [1, 2, 3, 4, 100] {
            let (mut found, mut lengths, mut after) = (Vec::new(), Vec::new(), None);
            loop {
                let scope = UsageScope { user: Some(user), ..UsageScope::default() };
                let page = stores.usage.events(&scope, limit, after).unwrap();
                lengths.push(page.items.len());
                found.extend(page.items);
                after = page.next;
                if after.is_none() {
                    break;
                }
                assert!(lengths.len() < 20, "it leads on for ever");
            }
            assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{limit} at a time");
            assert!(limit > 1 || lengths.contains(&0), "{lengths:?}: nothing was missing");
        }
    }
}
