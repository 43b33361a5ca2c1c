//! Promises of [`EventStore`](crate::EventStore).

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread,
};

use chrono::NaiveDate;
use tollgate_billing::Money;
use tollgate_domain::{Environment, KeyId, Month, RequestType, Tokens, UsageEvent, UserId, latency};

use super::given;
use crate::{Folded, Mark, StoreError, Stores, Totals, UsageScope};

/// A group that is sent again, on the same stream or on another, is there once.
pub fn a_group_sent_again_counts_once(stores: &Stores) {
    let user = given::stored_user(stores);
    let key = given::stored_key(stores, user);
    let group: Arc<[UsageEvent]> = (0..3).map(|n| given::event(user, key, given::at(n))).collect();
    let stream = stores.events.open_stream(given::at(0)).unwrap();
    stores.events.append(stream, 1, Arc::clone(&group), given::PATIENCE).unwrap();
    stores.events.append(stream, 1, Arc::clone(&group), given::PATIENCE).unwrap();
    assert_eq!(given::fold(stores), 3);
    stores.events.append(stream, 1, Arc::clone(&group), given::PATIENCE).unwrap();
    let other = stores.events.open_stream(given::at(0)).unwrap();
    assert_ne!(stream, other);
    let more = [group.to_vec(), vec![given::event(user, key, given::at(3))]].concat();
    stores.events.append(other, 1, more.into(), given::PATIENCE).unwrap();
    stores.events.append(other, 5, Arc::from([]), given::PATIENCE).unwrap();
    assert_eq!(given::fold(stores), 1);
    let used = stores.usage.quota_used(user, Environment::Live, Month::of(given::at(0))).unwrap();
    assert_eq!(used, 4 * 150);
}

/// Where one event is refused none of its group is there, and the stream goes on.
pub fn a_refused_group_leaves_nothing(stores: &Stores) {
    let user = given::stored_user(stores);
    let key = given::stored_key(stores, user);
    let good = || given::event(user, key, given::at(0));
    let stream = stores.events.open_stream(given::at(0)).unwrap();
    let bad = [
        UsageEvent { status: 0, ..good() },
        UsageEvent { endpoint: "nul\0".to_owned(), ..good() },
        UsageEvent { end_user: Some("\0".to_owned()), ..good() },
    ];
    for bad in bad {
        let group = Arc::from([good(), bad, good()]);
        let error = stores.events.append(stream, 1, group, given::PATIENCE).unwrap_err();
        assert!(matches!(error, StoreError::Rejected(_)), "{error:?}");
    }
    let over: Arc<[UsageEvent]> = (0..=crate::event::MAX_GROUP).map(|_| good()).collect();
    assert!(matches!(stores.events.append(stream, 1, over, given::PATIENCE), Err(StoreError::Rejected(_))));
    assert_eq!(given::fold(stores), 0);
    stores.events.append(stream, 1, Arc::from([good(), good()]), given::PATIENCE).unwrap();
    assert_eq!(given::fold(stores), 2);
}

/// An event of any kind, of one of a few users, keys, models and days.
fn random_event(owners: &[(UserId, KeyId)]) -> UsageEvent {
    let pick = |bound: usize| usize::try_from(given::below(u64::try_from(bound).unwrap())).unwrap();
    let (user, key) = *owners.get(pick(owners.len())).unwrap();
    let seconds = i64::try_from(given::below(5 * 86_400)).unwrap();
    let mut event = given::event(user, key, given::at(seconds));
    event.environment = if given::below(4) == 0 { Environment::Test } else { Environment::Live };
    event.month = Month::from_number(event.month.number() + i32::try_from(given::below(2)).unwrap());
    event.endpoint = ["/v1/chat/completions", "/v1/completions"].get(pick(2)).copied().unwrap().to_owned();
    event.model = [None, Some("a"), Some("b")].get(pick(3)).copied().unwrap().map(str::to_owned);
    event.request_type = if given::below(2) == 0 { RequestType::Chat } else { RequestType::Code };
    event.status = *[200, 200, 200, 403, 429, 502].get(pick(6)).unwrap();
    event.repeat = if event.status == 429 { u32::try_from(1 + given::below(9)).unwrap() } else { 1 };
    event.tokens = match given::below(4) {
        0 => Tokens::default(),
        _ => Tokens {
            prompt: Some(given::below(1_000)),
            completion: Some(given::below(500)),
            ..Tokens::default()
        },
    };
    event.cost_pico =
        Some(i64::try_from(given::below(4_000_000_000_000)).unwrap()).filter(|cost| cost % 5 != 0);
    event.own_key = given::below(8) == 0;
    event.duration_ms = given::below(100_000);
    event
}

/// The same sums by plain adding.
#[derive(Default)]
struct Model {
    quota: HashMap<(UserId, Environment, Month), u64>,
    keys: HashMap<KeyId, u64>,
    days: BTreeMap<NaiveDate, Totals>,
    models: HashMap<Option<String>, Totals>,
    endpoints: HashMap<String, Totals>,
    latency: BTreeMap<u16, u64>,
    totals: Totals,
}

impl Model {
    fn add(&mut self, event: &UsageEvent) {
        let (repeat, tokens) = (u64::from(event.repeat), event.tokens.total().unwrap_or(0));
        *self.quota.entry((event.user_id, event.environment, event.month)).or_default() +=
            event.quota_tokens();
        *self.keys.entry(event.api_key_id).or_default() += repeat;
        *self.latency.entry(latency::bucket_of(event.duration_ms)).or_default() += repeat;
        for sum in [
            &mut self.totals,
            self.days.entry(event.time.date_naive()).or_default(),
            self.models.entry(event.model.clone()).or_default(),
            self.endpoints.entry(event.endpoint.clone()).or_default(),
        ] {
            sum.requests += repeat;
            sum.successful += if event.succeeded() { repeat } else { 0 };
            sum.tokens += tokens;
            sum.cost = sum.cost + event.cost_pico.map_or(Money::ZERO, |pico| Money::from_pico(pico.into()));
            sum.unpriced += u64::from(event.cost_pico.is_none() && tokens > 0);
            sum.duration_ms += event.duration_ms * repeat;
        }
    }

    fn check(&self, stores: &Stores) {
        let stats =
            stores.usage.stats(&UsageScope::default(), given::at(-86_400), given::at(10 * 86_400)).unwrap();
        assert_eq!(stats.totals, self.totals);
        assert_eq!(stats.by_day, self.days.clone().into_iter().collect::<Vec<_>>());
        assert_eq!(stats.latency, self.latency.clone().into_iter().collect::<Vec<_>>());
        let requests: Vec<_> = stats.by_model.iter().map(|(_, totals)| totals.requests).collect();
        assert!(requests.is_sorted_by(|a, b| a >= b), "most requests first: {requests:?}");
        assert_eq!(stats.by_model.into_iter().collect::<HashMap<_, _>>(), self.models);
        assert_eq!(stats.by_endpoint.into_iter().collect::<HashMap<_, _>>(), self.endpoints);
        for (&(user, environment, month), &tokens) in &self.quota {
            assert_eq!(stores.usage.quota_used(user, environment, month).unwrap(), tokens);
        }
        for (&key, &requests) in &self.keys {
            assert_eq!(stores.keys.by_id(key).unwrap().unwrap().request_count, requests);
        }
    }
}

/// Whatever is appended on several streams while several fold: every sum is that of the events.
pub fn sums_are_those_of_the_events_whoever_folds(stores: &Stores) {
    const STREAMS: usize = 3;
    const GROUPS: usize = 8;
    let owners: Vec<_> = (0..4)
        .map(|_| {
            let user = given::stored_user(stores);
            (user, given::stored_key(stores, user))
        })
        .collect();
    let events: Vec<UsageEvent> = (0..STREAMS * GROUPS * 25).map(|_| random_event(&owners)).collect();
    let (writing, folded) = (AtomicUsize::new(STREAMS), AtomicU64::new(0));
    thread::scope(|scope| {
        for part in events.chunks(GROUPS * 25) {
            let writing = &writing;
            scope.spawn(move || {
                let stream = stores.events.open_stream(given::at(0)).unwrap();
                for (group, seq) in part.chunks(25).zip((1..).step_by(25)) {
                    stores.events.append(stream, seq, Arc::from(group), given::PATIENCE).unwrap();
                }
                writing.fetch_sub(1, Ordering::Release);
            });
        }
        for _ in 0..3 {
            scope.spawn(|| {
                loop {
                    let all_there = writing.load(Ordering::Acquire) == 0;
                    let mark = stores.events.mark().unwrap();
                    let Folded { events, more } = stores.events.fold(40, &mark).unwrap();
                    folded.fetch_add(events, Ordering::Relaxed);
                    if all_there && !more {
                        break;
                    }
                }
            });
        }
    });
    assert_eq!(folded.into_inner(), u64::try_from(events.len()).unwrap());
    assert_eq!(given::fold(stores), 0);
    let mut model = Model::default();
    events.iter().for_each(|event| model.add(event));
    model.check(stores);
    for (_, key) in owners {
        let last = events.iter().filter(|event| event.api_key_id == key).map(|event| event.time).max();
        assert_eq!(stores.keys.by_id(key).unwrap().unwrap().last_used_at, last);
    }
}

/// A fold takes at most what it is told to, of each stream from its beginning, and says whether more waits.
pub fn a_fold_stops_at_its_limit_and_says_so(stores: &Stores) {
    let user = given::stored_user(stores);
    let key = given::stored_key(stores, user);
    for _ in 0..2 {
        let events: Vec<_> = (0..3).map(|n| given::event(user, key, given::at(n))).collect();
        given::append(stores, &events);
    }
    let mark = stores.events.mark().unwrap();
    let steps: Vec<_> = (0..4).map(|_| stores.events.fold(2, &mark).unwrap()).collect();
    let step = |events, more| Folded { events, more };
    assert_eq!(steps, [step(2, true), step(2, true), step(2, false), step(0, false)]);
}

/// A fold stops at its mark, however much comes meanwhile and wherever.
pub fn a_fold_stops_at_its_mark(stores: &Stores) {
    let user = given::stored_user(stores);
    let key = given::stored_key(stores, user);
    let some = |count: usize| (0..count).map(|_| given::event(user, key, given::at(0))).collect::<Vec<_>>();
    let stream = stores.events.open_stream(given::at(0)).unwrap();
    assert_eq!(stores.events.mark().unwrap(), Mark::default(), "no stream has an event");
    stores.events.append(stream, 1, some(5).into(), given::PATIENCE).unwrap();
    let mark = stores.events.mark().unwrap();
    assert_eq!(mark, Mark(Arc::from([(stream, 5)])));
    stores.events.append(stream, 6, some(5).into(), given::PATIENCE).unwrap();
    given::append(stores, &some(5));
    let fold = |mark| stores.events.fold(100, mark).unwrap();
    assert_eq!(fold(&mark), Folded { events: 5, more: false });
    assert_eq!(fold(&mark), Folded::default());
    assert_eq!(fold(&stores.events.mark().unwrap()), Folded { events: 10, more: false });
}

/// A group that its writer gave up may come to be on disk when others have long been folded, and may have been
/// sent again on another stream: it is folded, and once.
pub fn a_late_group_is_folded_once(stores: &Stores) {
    let user = given::stored_user(stores);
    let key = given::stored_key(stores, user);
    let given_up = stores.events.open_stream(given::at(0)).unwrap();
    let next = stores.events.open_stream(given::at(1)).unwrap();
    let group: Arc<[UsageEvent]> = (0..10).map(|n| given::event(user, key, given::at(n))).collect();
    // Half of it was sent again before it came, the other half was not.
    let again: Vec<_> =
        group.iter().take(5).cloned().chain([given::event(user, key, given::at(20))]).collect();
    stores.events.append(next, 1, again.into(), given::PATIENCE).unwrap();
    assert_eq!((given::fold(stores), given::save(stores, given::at(0))), (6, 6));
    stores.events.append(given_up, 1, Arc::clone(&group), given::PATIENCE).unwrap();
    assert_eq!((given::fold(stores), given::save(stores, given::at(0))), (5, 5));
    // And all of it afterwards, by whoever drains what was put aside.
    stores.events.append(next, 7, group, given::PATIENCE).unwrap();
    assert_eq!((given::fold(stores), given::save(stores, given::at(0))), (0, 0));
    let used = stores.usage.quota_used(user, Environment::Live, Month::of(given::at(0))).unwrap();
    assert_eq!(used, 11 * 150);
    assert_eq!(stores.keys.by_id(key).unwrap().unwrap().request_count, 11);
}

/// Streams go when they are old and folded to their end, into sums and windows; never before.
pub fn old_streams_retire_when_all_is_folded(stores: &Stores) {
    let user = given::stored_user(stores);
    let key = given::stored_key(stores, user);
    let appended = |opened: i64, count: usize| {
        let stream = stores.events.open_stream(given::at(opened)).unwrap();
        let events: Vec<_> = (0..count).map(|_| given::event(user, key, given::at(opened))).collect();
        stores.events.append(stream, 1, events.into(), given::PATIENCE).unwrap();
    };
    let retire = |before| stores.events.retire_streams(given::at(before)).unwrap();
    appended(0, 0);
    appended(0, 3);
    assert_eq!(retire(0), 0, "none is older");
    assert_eq!(retire(1), 1, "nothing was ever in the first");
    given::fold(stores);
    assert_eq!(retire(1), 0, "the windows are behind");
    given::save(stores, given::at(0));
    appended(0, 2);
    given::save(stores, given::at(0));
    assert_eq!(retire(1), 1, "the sums are behind in the other");
    assert_eq!(given::fold(stores), 2);
    appended(5, 1);
    assert_eq!((given::fold(stores), given::save(stores, given::at(0))), (1, 1));
    assert_eq!(retire(5), 1);
    assert_eq!(retire(6), 1);
    assert_eq!(retire(i64::from(i32::MAX)), 0);
    // What comes afterwards is folded as ever, and what was there before is not folded again.
    appended(0, 4);
    assert_eq!((given::fold(stores), given::save(stores, given::at(0))), (4, 4));
    assert_eq!(stores.keys.by_id(key).unwrap().unwrap().request_count, 10);
}

/// The event's month decides, not its time.
pub fn an_event_counts_on_its_own_month(stores: &Stores) {
    let user = given::stored_user(stores);
    let key = given::stored_key(stores, user);
    let november = Month::of(given::at(0));
    let time = november.next().start();
    given::used(stores, &[UsageEvent { month: november, ..given::event(user, key, time) }]);
    let used = |month| stores.usage.quota_used(user, Environment::Live, month).unwrap();
    assert_eq!((used(november), used(november.next())), (150, 0));
}

/// With the user's own provider key nothing counts on the quota; test keys have a quota of their own.
pub fn an_own_provider_key_takes_no_quota(stores: &Stores) {
    let user = given::stored_user(stores);
    let key = given::stored_key(stores, user);
    let event = || given::event(user, key, given::at(0));
    given::used(
        stores,
        &[
            event(),
            UsageEvent { own_key: true, ..event() },
            UsageEvent { environment: Environment::Test, ..event() },
        ],
    );
    let used = |environment| stores.usage.quota_used(user, environment, Month::of(given::at(0))).unwrap();
    assert_eq!((used(Environment::Live), used(Environment::Test)), (150, 150));
    let stats = stores.usage.stats(&UsageScope::default(), given::at(-900), given::at(900)).unwrap();
    assert_eq!(stats.totals.tokens, 450, "it was used all the same");
}
