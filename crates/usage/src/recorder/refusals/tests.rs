use chrono::TimeDelta;

use super::*;
use crate::fixture::{self, at};

/// A clock and the refusals that it dates.
struct Flood {
    refusals: Refusals,
    start: Instant,
    since: Duration,
    next: u32,
}

impl Flood {
    /// Begins `seconds` after a full minute.
    fn new(seconds: u64) -> Self {
        let since = Duration::from_secs(seconds);
        Self { refusals: Refusals::default(), start: Instant::now(), since, next: 0 }
    }

    fn pass(&mut self, millis: u64) {
        self.since += Duration::from_millis(millis);
    }

    fn now(&self) -> Instant {
        self.start + self.since
    }

    fn event(&mut self, key: u32) -> UsageEvent {
        self.next += 1;
        UsageEvent {
            time: at("2026-11-21T12:00:00Z") + TimeDelta::from_std(self.since).unwrap(),
            api_key_id: fixture::key(key),
            status: 429,
            counts: false,
            ..fixture::event(self.next)
        }
    }

    /// What is written at once for so many refusals of `key`: the numbers of the events, and for how many
    /// each stands.
    fn refuse(&mut self, key: u32, times: u32) -> Vec<(u32, u32)> {
        let mut written = Vec::new();
        for _ in 0..times {
            let event = self.event(key);
            written.extend(self.refusals.note(event, self.now()));
        }
        seen(&written)
    }

    fn due(&self) -> Vec<(u32, u32)> {
        seen(&self.refusals.due(self.now()))
    }

    fn keys(&self) -> usize {
        self.refusals.shards.iter().map(|shard| lock(shard).len()).sum()
    }
}

fn seen(events: &[UsageEvent]) -> Vec<(u32, u32)> {
    events.iter().map(|event| (event.request_id[1..].parse().unwrap(), event.repeat)).collect()
}

fn alone(numbers: std::ops::RangeInclusive<u32>) -> Vec<(u32, u32)> {
    numbers.map(|number| (number, 1)).collect()
}

#[test]
fn the_first_of_a_minute_are_written_as_they_are_and_the_rest_as_one() {
    let mut flood = Flood::new(5);
    assert_eq!(flood.refuse(1, 60), alone(1..=60));
    assert_eq!(flood.refuse(1, 40), []);
    assert_eq!(flood.due(), [], "more may come");
    flood.pass(999);
    assert_eq!(flood.due(), []);
    flood.pass(1);
    assert_eq!(flood.due(), [(61, 40)]);
    assert_eq!(flood.due(), [], "only once");
    // The minute goes on.
    assert_eq!(flood.refuse(1, 3), []);
    flood.pass(1_000);
    assert_eq!(flood.due(), [(101, 3)]);
}

#[test]
fn a_flood_without_a_pause_is_written_every_four_seconds() {
    let mut flood = Flood::new(5);
    flood.refuse(1, 60);
    let mut written = Vec::new();
    // Ten a second for eight seconds; asked four times a second.
    for tick in 0..80 {
        assert_eq!(flood.refuse(1, 1), []);
        if tick % 2 == 0 {
            written.extend(flood.due());
        }
        flood.pass(100);
    }
    assert_eq!(written, [(61, 41)]);
    flood.pass(1_000);
    assert_eq!(flood.due(), [(102, 39)]);
}

#[test]
fn a_minute_begins_anew_when_it_turns() {
    let mut flood = Flood::new(59);
    flood.refuse(1, 70);
    flood.pass(999);
    assert_eq!(flood.refuse(1, 5), []);
    flood.pass(1);
    assert_eq!(flood.refuse(1, 2), alone(76..=77), "a new minute");
    assert_eq!(flood.due(), [(61, 15)], "the old minute's at once");
    assert_eq!(flood.refuse(1, 59), alone(78..=135));
    flood.pass(1_000);
    assert_eq!(flood.due(), [(136, 1)]);
}

#[test]
fn the_old_minutes_leave_when_the_new_one_is_full_before_anybody_asked() {
    let mut flood = Flood::new(59);
    flood.refuse(1, 62);
    flood.pass(1_000);
    assert_eq!(flood.refuse(1, 60), alone(63..=122));
    assert_eq!(flood.refuse(1, 1), [(61, 2)], "written in place of the one gathered");
    assert_eq!(flood.refuse(1, 1), []);
    flood.pass(1_000);
    assert_eq!(flood.due(), [(123, 2)]);
}

#[test]
fn one_that_comes_late_from_the_minute_before_opens_no_new_minute() {
    let mut flood = Flood::new(59);
    let late = flood.event(1);
    flood.pass(1_000);
    flood.refuse(1, 60);
    assert!(flood.refusals.note(late, flood.now()).is_none());
    assert_eq!(flood.refuse(1, 1), []);
    assert_eq!(seen(&flood.refusals.drain()), [(1, 2)]);
}

#[test]
fn keys_are_counted_apart() {
    let mut flood = Flood::new(0);
    assert_eq!(flood.refuse(1, 61), alone(1..=60));
    assert_eq!(flood.refuse(2, 60), alone(62..=121));
    flood.pass(1_000);
    assert_eq!(flood.due(), [(61, 1)]);
}

#[test]
fn what_is_gathered_leaves_at_the_end_and_nothing_is_gathered_afterwards() {
    let mut flood = Flood::new(0);
    flood.refuse(1, 64);
    assert_eq!(seen(&flood.refusals.drain()), [(61, 4)]);
    assert_eq!(flood.refuse(1, 62), alone(65..=126));
    assert_eq!(seen(&flood.refusals.drain()), []);
    assert_eq!(flood.keys(), 0);
}

#[test]
fn keys_are_forgotten_after_their_minute_and_never_more_than_fit_are_remembered() {
    let mut flood = Flood::new(0);
    // Fixture keys end in the low byte of their number: these all fall into one shard.
    let keys = || (0..=u32::try_from(MAX_KEYS).unwrap()).map(|number| number << 8);
    for key in keys() {
        assert_eq!(flood.refuse(key, 1).len(), 1);
    }
    assert_eq!(flood.keys(), MAX_KEYS);
    let beyond = keys().next_back().unwrap();
    assert_eq!(flood.refuse(beyond, 70).len(), 70, "nothing is lost, only not gathered");
    flood.refuse(0, 60);
    flood.pass(59_999);
    assert_eq!(flood.due(), [(387, 1)]);
    assert_eq!(flood.keys(), MAX_KEYS);
    flood.pass(1);
    assert_eq!(flood.due(), []);
    assert_eq!(flood.keys(), 0);
}

#[test]
fn no_refusal_is_lost_or_doubled_among_threads() {
    let flood = Flood::new(0);
    let refusals = &flood.refusals;
    let (start, keys, each) = (flood.start, 3, 2_000);
    let event = |number| UsageEvent { api_key_id: fixture::key(number % keys), ..fixture::event(number) };
    let written: u64 = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8_u32)
            .map(|thread| {
                scope.spawn(move || {
                    let mut written = 0;
                    for number in 0..each {
                        let noted = refusals.note(event(number), start);
                        // One of them also asks, at times when much is due.
                        let asked = thread == 0 && number % 100 == 0;
                        let due = if asked { refusals.due(start + QUIET) } else { Vec::new() };
                        written += noted.iter().chain(&due).map(|e| u64::from(e.repeat)).sum::<u64>();
                    }
                    written
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    let left: u64 = refusals.drain().iter().map(|event| u64::from(event.repeat)).sum();
    assert_eq!(written + left, 8 * u64::from(each));
}
