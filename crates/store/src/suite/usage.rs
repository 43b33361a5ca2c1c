//! Promises of [`UsageStore`](crate::UsageStore).

use std::collections::HashMap;

use chrono::NaiveDate;
use tollgate_billing::Money;
use tollgate_domain::{Environment, KeyId, Month, Time, Tokens, UsageEvent, UserId};

use super::given;
use crate::{KeyTotals, Stats, Stores, UsageScope};

/// A user with a key, both stored.
fn owner(stores: &Stores) -> (UserId, KeyId) {
    let user = given::stored_user(stores);
    (user, given::stored_key(stores, user))
}

/// Everything of the days around.
fn stats(stores: &Stores, scope: UsageScope) -> Stats {
    stores.usage.stats(&scope, given::at(-10 * 86_400), given::at(40 * 86_400)).unwrap()
}

/// Without events every sum is zero and every list empty.
pub fn nothing_used_is_zero_everywhere(stores: &Stores) {
    let (user, key) = owner(stores);
    assert_eq!(stats(stores, UsageScope::default()), Stats::default());
    assert_eq!(stores.usage.quota_used(user, Environment::Live, Month::of(given::at(0))).unwrap(), 0);
    assert_eq!(stores.usage.key_totals(&[key], given::at(0)).unwrap(), HashMap::new());
    assert_eq!(stores.usage.key_totals(&[], given::at(0)).unwrap(), HashMap::new());
}

/// Costs that together do not fit into 64 bits of pico-dollars are summed to the last digit.
pub fn money_outgrows_64_bits_exactly(stores: &Stores) {
    let (user, key) = owner(stores);
    let dear =
        |seconds| UsageEvent { cost_pico: Some(i64::MAX), ..given::event(user, key, given::at(seconds)) };
    // Several in one fold and in several, in one quarter-hour and in several.
    given::used(stores, &[dear(0), dear(1), dear(2_000)]);
    given::used(stores, &[dear(2), dear(2_001)]);
    let expected = Money::from_pico(i128::from(i64::MAX) * 5);
    assert_eq!(stats(stores, UsageScope::default()).totals.cost, expected);
}

/// Days begin at midnight UTC, to the microsecond.
pub fn days_are_cut_at_midnight_utc(stores: &Stores) {
    let (user, key) = owner(stores);
    let midnight = NaiveDate::from_ymd_opt(2026, 12, 1).unwrap().and_hms_opt(0, 0, 0).unwrap().and_utc();
    let micros = |micros| midnight + chrono::TimeDelta::microseconds(micros);
    let event = |time: Time| given::event(user, key, time);
    given::used(stores, &[event(micros(-1)), event(midnight), event(micros(86_400_000_000 - 1))]);
    let days: Vec<_> = stats(stores, UsageScope::default())
        .by_day
        .into_iter()
        .map(|(day, totals)| (day.to_string(), totals.requests))
        .collect();
    assert_eq!(days, [("2026-11-30".to_owned(), 1), ("2026-12-01".to_owned(), 2)]);
}

/// A span takes its first quarter-hour whole and leaves its last one out.
pub fn spans_are_cut_to_the_quarter_hour(stores: &Stores) {
    let (user, key) = owner(stores);
    // 12:00:00, 12:15:00, 12:30:00 and 123,456 microseconds.
    given::used(stores, &[0, 900, 1_800].map(|seconds| given::event(user, key, given::at(seconds))));
    let requests = |from, to| {
        let span = stores.usage.stats(&UsageScope::default(), given::at(from), given::at(to)).unwrap();
        span.totals.requests
    };
    assert_eq!(requests(0, 900), 1);
    assert_eq!(requests(899, 1_799), 1, "12:00 to 12:15");
    assert_eq!(requests(899, 1_800), 2, "12:00 to 12:30");
    assert_eq!(requests(0, 2_700), 3);
    assert_eq!(requests(900, 900), 0);
    assert_eq!(requests(2_700, 0), 0);
}

/// A scope has what is its own, and nothing of others.
pub fn scopes_tell_users_keys_and_environments_apart(stores: &Stores) {
    let (ada, first) = owner(stores);
    let second = given::stored_key(stores, ada);
    let (bob, third) = owner(stores);
    let live = |user, key| given::event(user, key, given::at(0));
    let test = |user, key| UsageEvent { environment: Environment::Test, ..live(user, key) };
    let repeated = |event: UsageEvent, count| {
        let again = move |_| UsageEvent { id: given::event(ada, first, given::at(0)).id, ..event.clone() };
        (0..count).map(again).collect::<Vec<_>>()
    };
    // Each a number of its own, so that every sum tells what is in it.
    let events = [
        repeated(live(ada, first), 1),
        repeated(test(ada, first), 2),
        repeated(live(ada, second), 4),
        repeated(live(bob, third), 8),
    ];
    given::used(stores, &events.concat());
    let everything = UsageScope::default();
    for (scope, requests) in [
        (everything, 15),
        (UsageScope { user: Some(ada), ..everything }, 7),
        (UsageScope { user: Some(bob), ..everything }, 8),
        (UsageScope { key: Some(first), ..everything }, 3),
        (UsageScope { environment: Some(Environment::Live), ..everything }, 13),
        (UsageScope { user: Some(ada), key: Some(first), environment: Some(Environment::Test) }, 2),
        (UsageScope { user: Some(bob), key: Some(first), ..everything }, 0),
    ] {
        let stats = stats(stores, scope);
        let latency: u64 = stats.latency.iter().map(|(_, seen)| seen).sum();
        assert_eq!((stats.totals.requests, latency), (requests, requests), "{scope:?}");
    }
}

/// A refusal that stands for many counts as many, and as a failure.
pub fn refusals_count_as_often_as_they_repeat(stores: &Stores) {
    let (user, key) = owner(stores);
    let refusal = UsageEvent {
        status: 429,
        counts: false,
        repeat: 40,
        duration_ms: 2,
        tokens: Tokens::default(),
        cost_pico: None,
        error_code: Some("rate_limit_exceeded".to_owned()),
        ..given::event(user, key, given::at(0))
    };
    // An answer may have failed after its status was sent.
    let broken =
        UsageEvent { error_code: Some("upstream_error".to_owned()), ..given::event(user, key, given::at(1)) };
    given::used(stores, &[refusal, broken, given::event(user, key, given::at(2))]);
    let stats = stats(stores, UsageScope::default());
    assert_eq!((stats.totals.requests, stats.totals.successful, stats.totals.failed()), (42, 1, 41));
    assert_eq!(stats.totals.duration_ms, 40 * 2 + 250 + 250);
    assert_eq!(stats.totals.unpriced, 0);
    assert_eq!(stats.latency.first(), Some(&(2, 40)));
    assert_eq!(stores.keys.by_id(key).unwrap().unwrap().request_count, 42);
}

/// Tokens without a price are told apart from tokens that cost nothing.
pub fn an_unknown_price_is_counted_not_guessed(stores: &Stores) {
    let (user, key) = owner(stores);
    let event = || given::event(user, key, given::at(0));
    given::used(
        stores,
        &[
            UsageEvent { cost_pico: None, ..event() },
            UsageEvent { cost_pico: Some(0), ..event() },
            UsageEvent { cost_pico: None, tokens: Tokens::default(), ..event() },
            event(),
        ],
    );
    let totals = stats(stores, UsageScope::default()).totals;
    assert_eq!((totals.requests, totals.unpriced), (4, 1));
    assert_eq!(totals.cost, Money::from_pico(15_000_000_000));
}

/// Keys' totals leave out what was before, and keys that were not used.
pub fn keys_totals_start_at_their_time(stores: &Stores) {
    let (user, first) = owner(stores);
    let second = given::stored_key(stores, user);
    let unused = given::stored_key(stores, user);
    let event = |key, seconds| given::event(user, key, given::at(seconds));
    given::used(stores, &[event(first, -900), event(first, 0), event(first, 900), event(second, -900)]);
    let totals = stores.usage.key_totals(&[first, second, unused], given::at(0)).unwrap();
    assert_eq!(totals, HashMap::from([(first, KeyTotals { requests: 2, tokens: 300 })]));
}
