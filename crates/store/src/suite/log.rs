//! Promises of [`UsageStore::events`](crate::UsageStore::events).

use std::collections::BTreeSet;

use tollgate_domain::{
    Environment, EventId, KeyId, RequestType, Time, Tokens, UsageEvent, UsageSource, UserId,
};
use uuid::Uuid;

use super::given;
use crate::{LogMark, LogPage, Stores, UsageScope, page::MAX_PAGE};

/// Seconds of the span by which sums are kept.
const QUARTER: i64 = 900;

/// A user with a key, both stored.
fn owner(stores: &Stores) -> (UserId, KeyId) {
    let user = given::stored_user(stores);
    (user, given::stored_key(stores, user))
}

fn of(user: UserId) -> UsageScope {
    UsageScope { user: Some(user), ..UsageScope::default() }
}

fn page(stores: &Stores, scope: UsageScope, limit: u32, after: Option<LogMark>) -> LogPage {
    stores.usage.events(&scope, limit, after).unwrap()
}

/// A whole log, page by page, and how long each page was.
fn all(stores: &Stores, scope: UsageScope, limit: u32) -> (Vec<UsageEvent>, Vec<usize>) {
    let (mut items, mut lengths, mut after) = (Vec::new(), Vec::new(), None);
    loop {
        let page = page(stores, scope, limit, after);
        lengths.push(page.items.len());
        items.extend(page.items);
        after = page.next;
        if after.is_none() {
            return (items, lengths);
        }
    }
}

fn newest_first(mut events: Vec<UsageEvent>) -> Vec<UsageEvent> {
    events.sort_by_key(|event| std::cmp::Reverse((event.time, event.id)));
    events
}

fn ids(events: &[UsageEvent]) -> Vec<EventId> {
    events.iter().map(|event| event.id).collect()
}

/// An event with everything, and one with nothing that need not be, read back as they were appended.
pub fn an_event_reads_back_whole(stores: &Stores) {
    let (user, key) = owner(stores);
    let full = UsageEvent {
        environment: Environment::Test,
        params: "{\"model\":\"gpt-4o\",\"text\":\"é\"}".to_owned(),
        status: 429,
        counts: false,
        request_type: RequestType::Code,
        tokens: Tokens { prompt: Some(0), completion: Some(7), cached: Some(0), reasoning: Some(3) },
        usage_source: UsageSource::Observed,
        cost_pico: Some(0),
        own_key: true,
        repeat: 7,
        error_code: Some("rate_limit_exceeded".to_owned()),
        ..given::event(user, key, given::at(0))
    };
    let bare = UsageEvent {
        end_user: None,
        upstream_ms: None,
        provider: None,
        model: None,
        upstream_model: None,
        tokens: Tokens::default(),
        usage_source: UsageSource::None,
        cost_pico: None,
        ip: None,
        user_agent: None,
        ..given::event(user, key, given::at(1))
    };
    given::append(stores, &[full.clone(), bare.clone()]);
    assert_eq!(page(stores, of(user), 50, None), LogPage { items: vec![bare, full], next: None });
}

/// Newest first, in pages of any length, each event once; the last page says that it is the last.
pub fn a_log_is_paged_newest_first_without_repeats(stores: &Stores) {
    let (user, key) = owner(stores);
    let (other, others) = owner(stores);
    assert_eq!(page(stores, of(user), 50, None), LogPage::default());
    let mut events = Vec::new();
    // Several quarter-hours, months apart too, and several events of one moment.
    for seconds in [0, 0, 0, 1, 899, 900, 901, 5_000, 86_400, 40 * 86_400, -40 * 86_400] {
        events.push(given::event(user, key, given::at(seconds)));
        events.push(given::event(user, key, given::at(seconds)));
        given::used(stores, &[given::event(other, others, given::at(seconds))]);
    }
    let (folded, fresh) = events.split_at(11);
    given::used(stores, folded);
    given::append(stores, fresh);
    let expected = newest_first(events.clone());
    for limit in [1, 2, 3, 7, 21, 22, 23, MAX_PAGE] {
        let (items, lengths) = all(stores, of(user), limit);
        assert_eq!(items, expected, "{limit} at a time");
        let most = usize::try_from(limit).unwrap();
        let (last, full) = lengths.split_last().unwrap();
        assert!(full.iter().all(|length| *length == most), "{lengths:?}");
        assert!((1..=most).contains(last), "{lengths:?}");
    }
    // Folding changes nothing.
    given::fold(stores);
    assert_eq!(all(stores, of(user), 4).0, expected);
}

/// What comes meanwhile moves nothing and doubles nothing on the pages that follow.
pub fn pages_stand_still_while_events_come(stores: &Stores) {
    let (user, key) = owner(stores);
    let old: Vec<_> = (0..10).map(|n| given::event(user, key, given::at(n * 400))).collect();
    given::used(stores, &old);
    let (mut seen, mut after, mut round) = (Vec::new(), None, 0);
    loop {
        let page = page(stores, of(user), 3, after);
        seen.extend(ids(&page.items));
        after = page.next;
        if after.is_none() {
            break;
        }
        round += 1;
        let newer = given::event(user, key, given::at(10_000 + round));
        if round % 2 == 0 { given::used(stores, &[newer]) } else { given::append(stores, &[newer]) }
    }
    assert_eq!(seen, ids(&newest_first(old)));
}

/// An event that was admitted long ago and appended just now is found where it belongs, although the sums
/// do not know of its quarter-hour.
pub fn a_late_event_is_in_its_place_before_it_is_folded(stores: &Stores) {
    let (user, key) = owner(stores);
    let event = |seconds| given::event(user, key, given::at(seconds));
    let known = [event(0), event(10 * QUARTER)];
    given::used(stores, &known);
    let late = event(5 * QUARTER);
    given::append(stores, std::slice::from_ref(&late));
    let expected = vec![known[1].clone(), late, known[0].clone()];
    for limit in [1, 2, 3] {
        assert_eq!(all(stores, of(user), limit).0, expected);
    }
}

/// A log has what is of its scope, and nothing of others, folded or not.
pub fn logs_tell_users_keys_and_environments_apart(stores: &Stores) {
    let (ada, first) = owner(stores);
    let second = given::stored_key(stores, ada);
    let (bob, third) = owner(stores);
    let mut events = Vec::new();
    for round in 0..3 {
        for (user, key) in [(ada, first), (ada, second), (bob, third)] {
            for environment in [Environment::Live, Environment::Test] {
                let time = given::at(round * 2 * QUARTER);
                events.push(UsageEvent { environment, ..given::event(user, key, time) });
            }
        }
    }
    let everything = UsageScope::default();
    let scopes = [
        everything,
        of(ada),
        of(bob),
        UsageScope { key: Some(first), ..everything },
        UsageScope { key: Some(second), ..of(ada) },
        UsageScope { environment: Some(Environment::Live), ..of(ada) },
        UsageScope { key: Some(first), environment: Some(Environment::Test), ..of(ada) },
        UsageScope { key: Some(first), ..of(bob) },
    ];
    let fits = |scope: &UsageScope, event: &UsageEvent| {
        scope.user.is_none_or(|user| user == event.user_id)
            && scope.key.is_none_or(|key| key == event.api_key_id)
            && scope.environment.is_none_or(|environment| environment == event.environment)
    };
    let check = || {
        for scope in &scopes {
            let expected: BTreeSet<_> = events.iter().filter(|e| fits(scope, e)).map(|e| e.id).collect();
            let found = ids(&all(stores, *scope, 2).0);
            assert_eq!(found.len(), expected.len(), "{scope:?}");
            assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected, "{scope:?}");
        }
    };
    given::append(stores, &events);
    check();
    given::fold(stores);
    check();
}

/// A place where no event is (any more) is a place all the same.
pub fn a_log_goes_on_from_any_place(stores: &Stores) {
    let (user, key) = owner(stores);
    let events: Vec<_> = (0..4).map(|n| given::event(user, key, given::at(n * 10))).collect();
    given::used(stores, &events);
    let from = |time: Time, id: EventId| {
        page(stores, of(user), 50, Some(LogMark { time, id }))
            .items
            .iter()
            .map(|e| e.time)
            .collect::<Vec<_>>()
    };
    let nil = EventId::from(Uuid::nil());
    assert_eq!(from(given::at(25), nil), [given::at(20), given::at(10), given::at(0)]);
    assert_eq!(from(given::at(20), nil), [given::at(10), given::at(0)]);
    assert_eq!(from(given::at(20), EventId::from(Uuid::max())).len(), 3);
    assert_eq!(from(given::at(-1), nil), [] as [Time; 0]);
    assert_eq!(from(given::at(400 * 86_400), nil).len(), 4);
}
