mod history;
mod threads;

use std::{sync::Barrier, thread};

use chrono::TimeDelta;
use futures::FutureExt;
use tollgate_domain::{Checks, Environment, Windows, limit::Check};

use super::*;
use crate::{
    QuotaAsk, Reading, Ticket,
    fixture::{at, key, user},
};

const NOON: &str = "2026-11-21T12:00:00Z";

fn scope() -> Scope {
    Scope { user: user(1), environment: Environment::Live }
}

fn checks(limits: [u64; 3]) -> Checks {
    Checks(limits.map(|limit| Check { user: Some(limit), key: None }))
}

/// One request without tokens, at noon.
fn ask() -> Ask {
    let now = at(NOON);
    let month = Month::of(now);
    let quota = QuotaAsk { month, limit: 10_000, prompt: 0, outputs: 0, output_limit: 0, shrink: false };
    let checks = checks([60, 1_000, 10_000]);
    Ask { scope: scope(), key: key(1), checks, now, max_concurrent: None, quota }
}

/// One that holds `prompt + outputs * output_limit` of `limit` tokens.
fn ask_tokens(limit: u64, prompt: u64, outputs: u64, output_limit: u64) -> Ask {
    let quota = QuotaAsk { limit, prompt, outputs, output_limit, ..ask().quota };
    Ask { quota, ..ask() }
}

fn later(ask: Ask, seconds: i64) -> Ask {
    Ask { now: ask.now + TimeDelta::seconds(seconds), ..ask }
}

fn seeded() -> MemoryMeter {
    let meter = MemoryMeter::new();
    meter.seed(scope(), Month::of(at(NOON)), 0);
    meter
}

fn admit(meter: &MemoryMeter, ask: &Ask) -> Result<Admission, Denied> {
    meter.admit(ask).now_or_never().unwrap()
}

/// Admits one that runs to the end of the test.
fn keep(meter: &MemoryMeter, ask: &Ask) {
    let _running = admit(meter, ask).unwrap().ticket;
}

fn read(meter: &MemoryMeter, ask: &Ask) -> Readings {
    meter.read(ask).now_or_never().unwrap().0
}

fn used(readings: &Readings) -> [u64; 3] {
    readings.map(|reading| reading.used)
}

/// The tickets of those of 200 threads that are admitted at once.
fn two_hundred(meter: &MemoryMeter, ask: &Ask) -> Vec<Ticket> {
    let start = Barrier::new(200);
    thread::scope(|scope| {
        let one = |_| scope.spawn(|| (start.wait(), admit(meter, ask)).1);
        let threads: Vec<_> = (0..200).map(one).collect();
        threads.into_iter().filter_map(|thread| thread.join().unwrap().ok()).map(|a| a.ticket).collect()
    })
}

#[test]
fn two_hundred_threads_get_the_last_twenty_of_a_window() {
    for window in 0..3 {
        let meter = seeded();
        let mut limits = [1_000_000; 3];
        limits[window] = 100;
        let ask = Ask { checks: checks(limits), ..ask() };
        let first: Vec<_> = (0..80).map(|_| admit(&meter, &ask).unwrap().ticket).collect();
        let rest = two_hundred(&meter, &ask);
        assert_eq!(rest.len(), 20);
        assert_eq!(used(&read(&meter, &ask)), [100; 3]);
        assert_eq!(meter.open(), (0, 100));
        first.into_iter().chain(rest).for_each(|ticket| meter.release(ticket));
        assert_eq!((used(&read(&meter, &ask)), meter.open()), ([0; 3], (0, 0)));
    }
}

#[test]
fn two_hundred_threads_get_the_last_twenty_holds_of_a_quota() {
    let meter = seeded();
    let ask = Ask { checks: checks([1_000; 3]), ..ask_tokens(2_099, 40, 2, 30) };
    let admitted = two_hundred(&meter, &ask);
    assert_eq!((admitted.len(), meter.open()), (20, (2_000, 20)));
    assert_eq!(used(&read(&meter, &ask)), [20; 3], "who was refused was not counted");
    admitted.into_iter().for_each(|ticket| meter.release(ticket));
    assert_eq!(meter.open(), (0, 0));
}

#[test]
fn user_and_key_are_checked_together_and_counted_apart() {
    let meter = seeded();
    let both = Check { user: Some(3), key: Some(2) };
    let first = Ask { checks: Checks([both; 3]), ..ask() };
    let second = Ask { key: key(2), ..first };
    keep(&meter, &first);
    let admission = admit(&meter, &first).unwrap();
    assert_eq!(admission.readings.map(|reading| (reading.limit, reading.used)), [(2, 2); 3]);
    assert!(matches!(admit(&meter, &first), Err(Denied::Window { .. })), "the key is full");
    let admission = admit(&meter, &second).unwrap();
    assert_eq!(admission.readings.map(|reading| (reading.limit, reading.used)), [(3, 3); 3]);
    assert!(matches!(admit(&meter, &second), Err(Denied::Window { .. })), "the user is full");
    // Nothing stuck to the key in the two refusals.
    let key_alone = Checks([Check { user: None, key: Some(9) }; 3]);
    assert_eq!(used(&read(&meter, &Ask { checks: key_alone, ..second })), [1; 3]);
    assert_eq!(used(&read(&meter, &Ask { checks: key_alone, ..first })), [2; 3]);
}

#[test]
fn a_limit_that_an_administrator_gave_a_key_is_the_only_one_checked() {
    let meter = seeded();
    let given = Ask { checks: Checks([Check { user: None, key: Some(5) }; 3]), ..ask() };
    let tiers = Ask { key: key(2), checks: checks([2; 3]), ..ask() };
    for _ in 0..5 {
        keep(&meter, &given);
    }
    let denied = admit(&meter, &given).unwrap_err();
    assert!(matches!(denied, Denied::Window { readings, .. } if readings[0].limit == 5));
    // They count for the user all the same.
    assert!(matches!(admit(&meter, &tiers), Err(Denied::Window { .. })));
}

#[test]
fn limits_are_looked_at_window_by_window() {
    let meter = seeded();
    let user = |limit| Check { user: Some(limit), key: None };
    let checks = Checks([user(10), Check { user: None, key: Some(1) }, user(10)]);
    let hour_given = Ask { checks, ..ask() };
    keep(&meter, &hour_given);
    let Err(Denied::Window { readings, free_at }) = admit(&meter, &hour_given) else { panic!() };
    assert_eq!(readings.map(|reading| reading.remaining()), [9, 0, 9]);
    assert_eq!(free_at, at("2026-11-21T13:00:00Z"));
}

#[test]
fn the_reading_is_of_whichever_leaves_less() {
    let meter = seeded();
    keep(&meter, &Ask { key: key(2), ..ask() });
    keep(&meter, &ask());
    let of = |user, key| {
        let checks = Checks([Check { user, key }; 3]);
        let Reading { limit, used, .. } = read(&meter, &Ask { checks, ..ask() })[0];
        (limit, used)
    };
    assert_eq!(of(Some(10), Some(10)), (10, 2), "8 of the user's are left, 9 of the key's");
    assert_eq!(of(Some(20), Some(10)), (10, 1), "18 and 9");
    assert_eq!(of(Some(11), Some(10)), (11, 2), "9 and 9");
    assert_eq!(of(None, Some(10)), (10, 1));
    assert_eq!(of(Some(10), None), (10, 2));
}

#[test]
fn a_window_beyond_its_limit_grows_when_there_is_room_again() {
    let meter = seeded();
    for seconds in 0..5 {
        keep(&meter, &later(ask(), seconds));
    }
    let lowered = Ask { checks: checks([3, 1_000, 10_000]), ..later(ask(), 10) };
    let Err(Denied::Window { readings, free_at }) = admit(&meter, &lowered) else { panic!() };
    assert_eq!((readings[0].used, readings[0].remaining()), (5, 0));
    assert_eq!(readings[0].resets_at, Some(at("2026-11-21T12:01:02Z")), "when three have left");
    assert_eq!(free_at, at("2026-11-21T12:01:02Z"));
    let as_before = read(&meter, &later(ask(), 10))[0];
    assert_eq!(as_before.resets_at, Some(at("2026-11-21T12:01:00Z")), "when one has");
}

#[test]
fn of_two_that_leave_the_same_the_reading_is_of_whichever_does_so_for_longer() {
    let meter = seeded();
    keep(&meter, &Ask { key: key(2), ..ask() });
    keep(&meter, &later(ask(), 5));
    let mine = Check { user: Some(2), key: Some(1) };
    let full = Ask { checks: Checks([mine; 3]), ..later(ask(), 10) };
    let Err(Denied::Window { readings, .. }) = admit(&meter, &full) else { panic!() };
    assert_eq!((readings[0].limit, readings[0].resets_at), (1, Some(at("2026-11-21T12:01:05Z"))));
}

#[test]
fn a_refusal_says_when_all_windows_will_have_room() {
    let meter = seeded();
    let ask = Ask { checks: checks([2, 3, 100]), ..ask() };
    for seconds in [0, 10, 61] {
        keep(&meter, &later(ask, seconds));
    }
    let Err(Denied::Window { free_at, readings }) = admit(&meter, &later(ask, 62)) else { panic!() };
    assert_eq!(readings.map(|reading| reading.remaining()), [0, 0, 97]);
    // The minute would have room at 70 s; the hour a bucket after the first was admitted.
    assert_eq!(free_at, at("2026-11-21T13:00:10Z"));
    let wait = (free_at - ask.now).num_seconds();
    assert!(matches!(admit(&meter, &later(ask, wait - 1)), Err(Denied::Window { .. })));
    keep(&meter, &later(ask, wait));
}

#[test]
fn concurrency_refuses_and_counts_nothing() {
    let meter = seeded();
    let ask = Ask { max_concurrent: Some(2), ..ask_tokens(10_000, 10, 0, 0) };
    let first = admit(&meter, &ask).unwrap().ticket;
    let second = admit(&meter, &ask).unwrap().ticket;
    for _ in 0..5 {
        let denied = admit(&meter, &ask).unwrap_err();
        assert!(matches!(denied, Denied::Concurrency { limit: 2, .. }), "{denied:?}");
    }
    assert_eq!((used(&read(&meter, &ask)), meter.open()), ([2; 3], (20, 2)));
    // Another key of the user has its own.
    let other = admit(&meter, &Ask { key: key(2), ..ask }).unwrap().ticket;
    meter.settle(first, Outcome { used: 1, counts: true });
    let third = admit(&meter, &ask).unwrap().ticket;
    assert!(matches!(admit(&meter, &ask), Err(Denied::Concurrency { .. })));
    [second, third, other].into_iter().for_each(|ticket| meter.release(ticket));
    assert_eq!(meter.open(), (0, 0));
}

#[test]
fn release_gives_back_tokens_place_and_windows() {
    let meter = seeded();
    let ask = Ask { max_concurrent: Some(1), checks: checks([1; 3]), ..ask_tokens(100, 50, 1, 50) };
    for _ in 0..3 {
        let admission = admit(&meter, &ask).unwrap();
        assert_eq!((admission.ticket.held, admission.quota.remaining()), (100, 0));
        assert_eq!(used(&admission.readings), [1; 3]);
        meter.release(admission.ticket);
        assert_eq!((used(&read(&meter, &ask)), meter.open()), ([0; 3], (0, 0)));
    }
}

#[test]
fn an_answer_that_does_not_count_leaves_the_windows_but_not_the_quota() {
    let meter = seeded();
    let ask = ask_tokens(100, 50, 0, 0);
    let ticket = admit(&meter, &ask).unwrap().ticket;
    assert_eq!(meter.settle(ticket, Outcome { used: 30, counts: false }), (30, 0));
    assert_eq!(used(&read(&meter, &ask)), [0; 3]);
    let ticket = admit(&meter, &ask).unwrap().ticket;
    assert_eq!(meter.settle(ticket, Outcome { used: 30, counts: true }), (60, 0));
    assert_eq!(used(&read(&meter, &ask)), [1; 3]);
}

#[test]
fn an_overrun_leaves_nothing_and_never_less() {
    let meter = seeded();
    let ask = ask_tokens(100, 10, 1, 10);
    let ticket = admit(&meter, &ask).unwrap().ticket;
    assert_eq!(meter.settle(ticket, Outcome { used: 500, counts: true }), (500, 0));
    let Err(Denied::Quota { state, reserved, .. }) = admit(&meter, &ask) else { panic!() };
    assert_eq!((state.remaining(), state.used, reserved), (0, 500, false));
    // What needs no tokens is still admitted.
    let free = admit(&meter, &ask_tokens(100, 0, 0, 0)).unwrap();
    assert_eq!((free.quota.remaining(), free.ticket.held), (0, 0));
    meter.release(free.ticket);
    let absurd = admit(&meter, &ask_tokens(u64::MAX, 10, 1, 10)).unwrap().ticket;
    assert_eq!(meter.settle(absurd, Outcome { used: u64::MAX, counts: true }), (u64::MAX, 0));
}

#[test]
fn a_month_turns_and_what_was_held_in_the_old_one_does_not_touch_the_new() {
    let meter = seeded();
    let november = at("2026-11-30T23:59:59.999999Z");
    let of = |now| {
        let ask = ask_tokens(1_000, 600, 0, 0);
        Ask { now, quota: QuotaAsk { month: Month::of(now), ..ask.quota }, ..ask }
    };
    let old = admit(&meter, &of(november)).unwrap().ticket;
    assert!(matches!(admit(&meter, &of(november)), Err(Denied::Quota { reserved: true, .. })));
    let december = at("2026-12-01T00:00:00Z");
    let new = admit(&meter, &of(december)).unwrap();
    assert_eq!((new.quota.used, new.quota.held, new.quota.month), (0, 600, Month::of(december)));
    assert_eq!(meter.settle(old, Outcome { used: 900, counts: true }), (0, 600));
    assert_eq!(meter.settle(new.ticket, Outcome { used: 7, counts: true }), (7, 0));
    assert_eq!(meter.open(), (0, 0));
}

#[test]
fn who_asks_for_a_month_that_is_over_gets_the_running_one() {
    let meter = seeded();
    let (november, december) = (at("2026-11-30T23:59:59Z"), at("2026-12-01T00:00:00Z"));
    let of = |now| {
        let ask = ask_tokens(1_000, 600, 0, 0);
        Ask { now, quota: QuotaAsk { month: Month::of(now), ..ask.quota }, ..ask }
    };
    let first = admit(&meter, &of(december)).unwrap().ticket;
    meter.release(first);
    let late = admit(&meter, &of(november)).unwrap().ticket;
    assert_eq!((late.time, late.month), (december, Month::of(december)));
    assert_eq!(meter.settle(late, Outcome { used: 5, counts: true }), (5, 0), "its hold is given back");
}

#[test]
fn nobody_is_admitted_before_an_earlier_admission() {
    let meter = seeded();
    let ask = Ask { checks: checks([1, 100, 100]), ..ask() };
    keep(&meter, &ask);
    let minute_later = admit(&meter, &later(ask, 60)).unwrap().ticket;
    assert_eq!(minute_later.time, at("2026-11-21T12:01:00Z"));
    meter.release(minute_later);
    // Asked in between, but after the first has left: it must not count as if it had been there then.
    let between = admit(&meter, &later(ask, 30)).unwrap().ticket;
    assert_eq!(between.time, at("2026-11-21T12:01:00Z"));
    assert!(matches!(admit(&meter, &later(ask, 91)), Err(Denied::Window { .. })));
}

#[test]
fn nobody_is_admitted_before_the_windows_were_looked_at() {
    let meter = seeded();
    let ask = Ask { checks: checks([1, 100, 100]), ..ask() };
    keep(&meter, &ask);
    // Whoever looked a minute later has let the first go.
    assert_eq!(used(&read(&meter, &later(ask, 60))), [0, 1, 1]);
    let ticket = admit(&meter, &later(ask, 59)).unwrap().ticket;
    assert_eq!(ticket.time, at("2026-11-21T12:01:00Z"));
}

#[test]
fn who_is_not_seeded_is_asked_about_and_nothing_is_counted() {
    let meter = MemoryMeter::new();
    for ask in [ask(), ask_tokens(100, 1, 1, 1)] {
        assert_eq!(admit(&meter, &ask).unwrap_err(), Denied::Unseeded);
        assert_eq!((used(&read(&meter, &ask)), meter.open()), ([0; 3], (0, 0)));
    }
    // A full window is refused without asking anybody.
    let full = Ask { checks: checks([1; 3]), ..ask() };
    meter.restore(&saved(&[NOON]));
    assert!(matches!(admit(&meter, &full), Err(Denied::Window { .. })));
}

#[test]
fn a_second_telling_changes_nothing() {
    let meter = MemoryMeter::new();
    let month = Month::of(at(NOON));
    meter.seed(scope(), month, 40);
    let ticket = admit(&meter, &ask_tokens(100, 50, 0, 0)).unwrap().ticket;
    meter.seed(scope(), month, 0);
    meter.seed(scope(), month, 9_999);
    assert_eq!(meter.open(), (50, 1));
    assert_eq!(meter.settle(ticket, Outcome { used: 10, counts: true }), (50, 0));
    meter.seed(scope(), month, 0);
    let admission = admit(&meter, &ask_tokens(100, 0, 0, 0)).unwrap();
    assert_eq!(admission.quota.used, 50);
}

#[test]
fn a_month_turns_to_what_a_clock_that_was_ahead_has_used_of_it() {
    let meter = MemoryMeter::new();
    let month = Month::of(at(NOON));
    for (month, used) in [(month, 40), (month.next(), 70), (month.next(), 0)] {
        meter.seed(scope(), month, used);
    }
    let of = |month, tokens| {
        let ask = ask_tokens(100, tokens, 0, 0);
        Ask { quota: QuotaAsk { month, ..ask.quota }, ..ask }
    };
    assert_eq!(admit(&meter, &of(month, 0)).unwrap().quota.used, 40);
    let (_, standing) = meter.read(&of(month.next(), 0)).now_or_never().unwrap();
    assert_eq!(standing.unwrap().used, 70);
    assert!(matches!(admit(&meter, &of(month.next(), 31)), Err(Denied::Quota { .. })));
    assert_eq!(admit(&meter, &of(month.next(), 30)).unwrap().quota.remaining(), 0);
    assert_eq!(admit(&meter, &of(month.next().next(), 100)).unwrap().quota.used, 0);
}

#[test]
fn live_and_test_are_counted_apart() {
    let meter = seeded();
    let test = Scope { environment: Environment::Test, ..scope() };
    let live = Ask { checks: checks([1; 3]), ..ask_tokens(100, 100, 0, 0) };
    keep(&meter, &live);
    let asked = Ask { scope: test, ..live };
    assert_eq!(admit(&meter, &asked).unwrap_err(), Denied::Unseeded);
    meter.seed(test, asked.quota.month, 0);
    keep(&meter, &asked);
}

#[test]
fn reserved_is_told_from_insufficient() {
    let meter = MemoryMeter::new();
    meter.seed(scope(), Month::of(at(NOON)), 50);
    let held = admit(&meter, &ask_tokens(100, 10, 1, 20)).unwrap().ticket;
    let reserved = |ask| match admit(&meter, &ask).unwrap_err() {
        Denied::Quota { reserved, state, .. } => (reserved, state.used, state.held, state.remaining()),
        other => panic!("{other:?}"),
    };
    assert_eq!(reserved(ask_tokens(100, 21, 0, 0)), (true, 50, 30, 20));
    assert_eq!(
        reserved(ask_tokens(100, 10, 2, 20)),
        (true, 50, 30, 20),
        "exactly what is left but for holds"
    );
    assert_eq!(reserved(ask_tokens(100, 10, 2, 21)), (false, 50, 30, 20));
    assert_eq!(reserved(ask_tokens(100, 51, 0, 0)), (false, 50, 30, 20));
    meter.release(held);
    keep(&meter, &ask_tokens(100, 10, 2, 20));
}

#[test]
fn a_limit_that_may_shrink_is_granted_what_is_left() {
    let shrinking = |prompt, outputs, output_limit| {
        let meter = MemoryMeter::new();
        meter.seed(scope(), Month::of(at(NOON)), 40);
        let ask = ask_tokens(100, prompt, outputs, output_limit);
        let ask = Ask { quota: QuotaAsk { shrink: true, ..ask.quota }, ..ask };
        admit(&meter, &ask).ok().map(|admission| (admission.output_limit, admission.ticket.held))
    };
    assert_eq!(shrinking(10, 1, 4_096), Some((50, 60)));
    assert_eq!(shrinking(10, 1, 50), Some((50, 60)));
    assert_eq!(shrinking(10, 1, 20), Some((20, 30)), "never more than was asked for");
    assert_eq!(shrinking(10, 3, 4_096), Some((16, 58)));
    assert_eq!(shrinking(59, 1, 4_096), Some((1, 60)));
    assert_eq!(shrinking(60, 1, 4_096), None, "an answer of no token is none");
    assert_eq!(shrinking(61, 1, 4_096), None);
    assert_eq!(shrinking(0, 61, 4_096), None);
}

/// What an earlier process saved of one key.
fn saved(times: &[&str]) -> SavedWindows {
    let mut windows = Windows::default();
    times.iter().for_each(|time| windows.add(at(time), 1));
    SavedWindows { user_id: user(1), api_key_id: key(1), environment: Environment::Live, windows }
}

#[test]
fn what_an_earlier_process_admitted_counts_and_leaves() {
    let meter = seeded();
    let ask = Ask { checks: Checks([Check { user: Some(2), key: Some(9) }; 3]), ..ask() };
    meter.restore(&saved(&["2026-11-21T11:59:30Z", "2026-11-21T11:59:20Z"]));
    let Err(Denied::Window { readings, .. }) = admit(&meter, &ask) else { panic!() };
    assert_eq!(used(&readings), [2; 3]);
    let checks = checks([2, 3, 3]);
    keep(&meter, &later(Ask { checks, ..ask }, 20));
    // Of a clock that was a little ahead, they move the next admission there.
    let meter = seeded();
    meter.restore(&saved(&["2026-11-21T12:00:50Z"]));
    assert_eq!(admit(&meter, &ask).unwrap().ticket.time, at("2026-11-21T12:00:50Z"));
}

#[test]
fn a_users_windows_are_restored_from_those_of_all_their_keys() {
    let meter = seeded();
    meter.restore(&saved(&["2026-11-21T11:59:30Z"]));
    meter.restore(&SavedWindows { api_key_id: key(2), ..saved(&["2026-11-21T11:59:10Z"; 2]) });
    meter.restore(&SavedWindows { environment: Environment::Test, ..saved(&["2026-11-21T11:59:40Z"; 5]) });
    meter.restore(&SavedWindows {
        user_id: user(2),
        api_key_id: key(3),
        ..saved(&["2026-11-21T11:59:40Z"; 9])
    });
    let of_key = |number| {
        let checks = Checks([Check { user: None, key: Some(9) }; 3]);
        used(&read(&meter, &Ask { key: key(number), checks, ..ask() }))
    };
    assert_eq!([of_key(1), of_key(2), of_key(3)], [[1; 3], [2; 3], [0; 3]]);
    assert_eq!(used(&read(&meter, &ask())), [3; 3]);
}
