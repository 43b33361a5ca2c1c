use std::sync::atomic::{AtomicU64, Ordering};

use futures::FutureExt;
use metrics::{
    Counter, CounterFn, Gauge, Histogram, Key, KeyName, Metadata, SharedString, Unit, with_local_recorder,
};

use super::*;
use crate::fixture::{HeldStore, Mood, at, event, id, on_thread, soon, user};

const PATIENT: RecorderSettings = RecorderSettings { max_open: 10_000, max_wait: Duration::from_secs(3_600) };
const HASTY: RecorderSettings = RecorderSettings { max_wait: Duration::ZERO, ..PATIENT };

fn start(store: &Arc<HeldStore>, settings: RecorderSettings) -> Arc<Recorder> {
    let store: Arc<dyn EventStore> = Arc::clone(store) as _;
    Arc::new(Recorder::start(store, settings, at("2026-11-21T12:00:00Z")).unwrap())
}

/// A place, whoever must take it.
fn place(recorder: &Recorder) -> Place {
    (1..=100).find_map(|number| recorder.reserve(user(number)).ok()).unwrap()
}

fn send(recorder: &Recorder, numbers: impl IntoIterator<Item = u32>) {
    for number in numbers {
        recorder.record_unwaited(place(recorder), event(number));
    }
}

/// Has a group of event 0 alone on its way to the store, and keeps it there.
fn held(store: &HeldStore, recorder: &Recorder) {
    store.hold();
    send(recorder, [0]);
    store.await_calls(1);
}

#[test]
fn an_answer_waits_for_its_commit() {
    let store = HeldStore::new();
    let recorder = start(&store, PATIENT);
    store.hold();
    let mut answer = Box::pin(recorder.record(place(&recorder), event(1)));
    assert_eq!(answer.as_mut().now_or_never(), None);
    store.await_calls(1);
    assert_eq!(answer.as_mut().now_or_never(), None, "the commit has only begun");
    assert_eq!(recorder.open(), 1);
    store.let_go();
    assert_eq!(soon(answer), Ok(()));
    assert_eq!(store.ids(), [id(1)]);
    recorder.close();
    assert_eq!(recorder.open(), 0);
}

#[test]
fn a_group_is_whatever_queued_while_the_last_commit_ran() {
    let store = HeldStore::new();
    let recorder = start(&store, PATIENT);
    held(&store, &recorder);
    send(&recorder, 1..=2_499);
    store.let_go();
    recorder.close();
    assert_eq!(store.groups(), [1, 1_000, 1_000, 499]);
    let stored = store.stored();
    assert!(stored.iter().zip(0_u32..).all(|(stored, n)| *stored == (i64::from(n) + 1, id(n))));
    assert_eq!(stored.len(), 2_500);
}

#[test]
fn places_are_bounded_and_one_user_has_half() {
    let store = HeldStore::new();
    let recorder = start(&store, RecorderSettings { max_open: 10, ..PATIENT });
    let take = |user_number, count: usize| -> Vec<_> {
        std::iter::repeat_with(|| recorder.reserve(user(user_number))).take(count).flatten().collect()
    };
    let first = take(1, 10);
    assert_eq!(first.len(), 5);
    let second = take(2, 4);
    assert_eq!((second.len(), recorder.open()), (4, 9));
    let mut third = take(3, 10);
    assert_eq!(third.len(), 1);
    assert!(take(4, 1).is_empty());
    third.clear();
    assert_eq!(take(1, 1).len(), 0, "the first user still has half");
    assert_eq!(take(4, 1).len(), 1);
    drop((first, second));
    assert_eq!(recorder.open(), 0);
    assert_eq!(take(1, 10).len(), 5, "places that were given back are there again");
    recorder.close();
}

#[test]
fn threads_never_take_more_places_than_there_are() {
    let store = HeldStore::new();
    let recorder = start(&store, RecorderSettings { max_open: 50, ..PATIENT });
    let start = std::sync::Barrier::new(100);
    let taken: Vec<_> = thread::scope(|scope| {
        let take = |number: u32| {
            let (recorder, start) = (&recorder, &start);
            scope.spawn(move || {
                start.wait();
                recorder.reserve(user(number % 7))
            })
        };
        let threads: Vec<_> = (0..100_u32).map(take).collect();
        threads.into_iter().filter_map(|thread| thread.join().unwrap().ok()).collect()
    });
    // Takers that are refused take no place, but may keep another from taking it for a moment.
    assert!(taken.len() <= 50 && !taken.is_empty(), "{}", taken.len());
    assert_eq!(recorder.open(), taken.len());
    drop(taken);
    assert_eq!(recorder.open(), 0);
    recorder.close();
}

#[test]
fn a_place_is_kept_until_its_event_is_on_disk() {
    let store = HeldStore::new();
    let recorder = start(&store, RecorderSettings { max_open: 2, ..PATIENT });
    held(&store, &recorder);
    send(&recorder, [1]);
    assert_eq!(recorder.open(), 2);
    assert!(recorder.reserve(user(9)).is_err());
    store.let_go();
    recorder.close();
    assert_eq!(recorder.open(), 0);
}

#[test]
fn poison_is_found_and_its_neighbours_are_stored_once() {
    let store = HeldStore::new();
    let recorder = start(&store, PATIENT);
    held(&store, &recorder);
    for bad in [7, 8, 20] {
        store.poison(id(bad));
    }
    let mut answers: Vec<_> =
        (1..=20).map(|n| Box::pin(recorder.record(place(&recorder), event(n)))).collect();
    assert!(answers.iter_mut().all(|answer| answer.as_mut().now_or_never().is_none()));
    store.let_go();
    for (answer, number) in answers.into_iter().zip(1..) {
        let refused = [7, 8, 20].contains(&number);
        assert_eq!(soon(answer), if refused { Err(NotRecorded) } else { Ok(()) }, "{number}");
    }
    let kept: Vec<_> = (0..=20).filter(|n| ![7, 8, 20].contains(n)).map(id).collect();
    assert_eq!(store.ids(), kept);
    let numbers: Vec<_> = store.stored().iter().map(|(seq, _)| *seq).collect();
    assert_eq!(numbers, (1..=18).collect::<Vec<_>>(), "numbers without gaps");
    assert_eq!(store.groups()[..4], [1, 20, 10, 5], "found by halving");
    recorder.close();
    assert_eq!(recorder.open(), 0);
}

#[test]
fn while_the_database_is_away_events_wait_and_keep_their_order() {
    let store = HeldStore::new();
    let recorder = start(&store, PATIENT);
    store.set(Mood::Down);
    send(&recorder, 0..5);
    store.await_calls(2);
    send(&recorder, 5..10);
    store.await_calls(4);
    assert_eq!(store.stored(), []);
    store.set(Mood::Up);
    recorder.close();
    assert_eq!(store.ids(), (0..10).map(id).collect::<Vec<_>>());
}

#[test]
fn a_database_that_goes_away_while_poison_is_sought_upsets_no_order() {
    let store = HeldStore::new();
    let recorder = start(&store, PATIENT);
    held(&store, &recorder);
    store.poison(id(3));
    store.go_down_after_refusing();
    send(&recorder, 1..=8);
    store.let_go();
    // The first group, the refusal, and at least one that found nobody.
    store.await_calls(4);
    send(&recorder, 9..=10);
    store.set(Mood::Up);
    recorder.close();
    assert_eq!(store.ids(), (0..=10).filter(|n| *n != 3).map(id).collect::<Vec<_>>());
    let numbers: Vec<_> = store.stored().iter().map(|(seq, _)| *seq).collect();
    assert_eq!(numbers, (1..=10).collect::<Vec<_>>());
}

#[test]
fn a_lost_verdict_stores_nothing_twice() {
    let store = HeldStore::new();
    let recorder = start(&store, PATIENT);
    store.set(Mood::LosesTheVerdict);
    let mut answer = Box::pin(recorder.record(place(&recorder), event(1)));
    assert_eq!(answer.as_mut().now_or_never(), None);
    store.await_calls(2);
    assert_eq!(answer.as_mut().now_or_never(), None, "nobody said that it is stored");
    store.set(Mood::Up);
    assert_eq!(soon(answer), Ok(()));
    assert_eq!(store.stored(), [(1, id(1))]);
    recorder.close();
}

#[test]
fn who_waited_too_long_is_told_so_and_the_event_is_stored_all_the_same() {
    let store = HeldStore::new();
    let recorder = start(&store, HASTY);
    store.set(Mood::Down);
    assert_eq!(soon(recorder.record(place(&recorder), event(1))), Err(NotRecorded));
    assert_eq!(recorder.open(), 1, "its place is still needed");
    store.set(Mood::Up);
    recorder.close();
    assert_eq!(store.ids(), [id(1)]);
}

#[test]
fn nobody_waits_longer_for_standing_further_behind() {
    let store = HeldStore::new();
    let recorder = start(&store, HASTY);
    held(&store, &recorder);
    // Behind the group that is on its way.
    let mut answer = Box::pin(recorder.record(place(&recorder), event(1)));
    assert_eq!(answer.as_mut().now_or_never(), None);
    store.set(Mood::Down);
    store.let_go();
    assert_eq!(soon(answer), Err(NotRecorded));
    store.set(Mood::Up);
    recorder.close();
    assert_eq!(store.ids(), [id(0), id(1)]);
}

/// Counts one metric.
struct Dropped(Arc<Count>);

#[derive(Default)]
struct Count(AtomicU64);

impl CounterFn for Count {
    fn increment(&self, value: u64) {
        self.0.fetch_add(value, Ordering::SeqCst);
    }

    fn absolute(&self, value: u64) {
        self.0.store(value, Ordering::SeqCst);
    }
}

impl metrics::Recorder for Dropped {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        if key.name() == "tollgate_record_dropped_refusals_total" {
            Counter::from_arc(Arc::clone(&self.0))
        } else {
            Counter::noop()
        }
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[test]
fn refusals_beyond_the_bound_are_dropped_and_counted() {
    let store = HeldStore::new();
    let recorder = start(&store, RecorderSettings { max_open: 2, ..PATIENT });
    held(&store, &recorder);
    let dropped = Arc::<Count>::default();
    let most = u32::try_from(MAX_WAITING_REFUSALS).unwrap();
    with_local_recorder(&Dropped(Arc::clone(&dropped)), || {
        (1..=most + 5).for_each(|number| recorder.note(event(number)));
    });
    assert_eq!(dropped.0.load(Ordering::SeqCst), 5);
    // Admitted requests are still recorded beside them, without blocking.
    send(&recorder, [most + 6]);
    assert_eq!(recorder.open(), 2);
    store.let_go();
    recorder.close();
    let ids = store.ids();
    assert_eq!(ids.len(), MAX_WAITING_REFUSALS + 2);
    assert!(ids.contains(&id(most)) && !ids.contains(&id(most + 1)) && ids.contains(&id(most + 6)));
    assert_eq!(recorder.refusals.load(Ordering::SeqCst), 0, "room again for as many");
}

#[test]
fn closing_writes_what_is_queued_and_admits_nobody_after() {
    let store = HeldStore::new();
    let recorder = start(&store, PATIENT);
    let late = place(&recorder);
    held(&store, &recorder);
    send(&recorder, 1..=3);
    recorder.note(event(4));
    let closing = Arc::clone(&recorder);
    let closed = on_thread(move || closing.close());
    store.let_go();
    closed();
    assert_eq!(store.ids(), (0..=4).map(id).collect::<Vec<_>>());
    assert!(recorder.reserve(user(1)).is_err());
    assert_eq!(soon(recorder.record(late, event(9))), Err(NotRecorded));
    recorder.note(event(10));
    recorder.close();
    assert_eq!((store.ids().len(), recorder.open()), (5, 0));
}

#[test]
fn closing_does_not_wait_for_a_database_that_never_comes_back() {
    let store = HeldStore::new();
    let recorder = start(&store, PATIENT);
    store.set(Mood::Down);
    let mut answer = Box::pin(recorder.record(place(&recorder), event(1)));
    assert_eq!(answer.as_mut().now_or_never(), None);
    store.await_calls(1);
    let closing = Arc::clone(&recorder);
    on_thread(move || closing.close())();
    assert_eq!(soon(answer), Err(NotRecorded));
    assert_eq!(recorder.open(), 0);
}

#[test]
fn without_a_writer_nothing_is_admitted() {
    let store = HeldStore::new();
    let recorder = start(&store, PATIENT);
    store.set(Mood::Panics);
    assert_eq!(soon(recorder.record(place(&recorder), event(1))), Err(NotRecorded));
    let asking = Arc::clone(&recorder);
    on_thread(move || {
        while asking.reserve(user(2)).is_ok() {
            thread::yield_now();
        }
    })();
    recorder.close();
}
