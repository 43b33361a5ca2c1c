//! Promises of [`OpenRequestStore`](crate::OpenRequestStore).

use std::{sync::Arc, time::Duration};

use tollgate_domain::{EventId, Time, UsageEvent};

use super::given;
use crate::Stores;

const PATIENCE: Duration = Duration::from_secs(60);

fn events(stores: &Stores, count: i64) -> Vec<UsageEvent> {
    let user = given::stored_user(stores);
    let key = given::stored_key(stores, user);
    (0..count).map(|second| given::event(user, key, given::at(second))).collect()
}

fn kept(stores: &Stores, before: Time) -> Vec<UsageEvent> {
    let mut kept = stores.open_requests.kept(before, 10_000).unwrap();
    kept.sort_by_key(|event| event.time);
    kept
}

fn forget(stores: &Stores, events: &[UsageEvent]) {
    let ids: Vec<EventId> = events.iter().map(|event| event.id).collect();
    stores.open_requests.forget(ids.into(), PATIENCE).unwrap();
}

/// Every field comes back, and of one request the latest.
pub fn an_open_request_is_kept_whole_and_at_its_latest(stores: &Stores) {
    let mut all = events(stores, 3);
    all[0].end_user = None;
    all[0].cost_pico = None;
    all[0].tokens.prompt = None;
    stores.open_requests.keep(all.clone().into(), given::at(10), PATIENCE).unwrap();
    assert_eq!(kept(stores, given::at(11)), all);
    all[1].duration_ms += 2_000;
    all[1].tokens.completion = Some(7);
    stores.open_requests.keep(Arc::from(&all[1..2]), given::at(12), PATIENCE).unwrap();
    assert_eq!(kept(stores, given::at(13)), all);
    assert_eq!(kept(stores, given::at(12)), [all[0].clone(), all[2].clone()], "those kept before");
    assert_eq!(stores.open_requests.kept(given::at(13), 2).unwrap().len(), 2);
    // A write that was given up may be done after the one that followed it.
    let mut late = all[1].clone();
    late.duration_ms = 0;
    stores.open_requests.keep([late].into(), given::at(11), PATIENCE).unwrap();
    assert_eq!(kept(stores, given::at(13)), all);
}

/// What is forgotten is gone, and nothing else.
pub fn open_requests_are_forgotten_one_by_one(stores: &Stores) {
    let all = events(stores, 1_200);
    stores.open_requests.keep(all.clone().into(), given::at(10), PATIENCE).unwrap();
    let (gone, left) = all.split_at(1_100);
    forget(stores, gone);
    // Once more, and of what never was.
    forget(stores, gone);
    assert_eq!(kept(stores, given::at(11)), left);
    forget(stores, left);
    assert_eq!(kept(stores, given::at(11)), []);
}
