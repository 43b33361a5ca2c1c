use std::sync::atomic::{AtomicU64, Ordering};

use futures::FutureExt;
use metrics::{
    Counter, CounterFn, Gauge, Histogram, Key, KeyName, Metadata, SharedString, Unit, with_local_recorder,
};

use super::*;
use crate::fixture::{FAILED, FakeSpool, HeldStore, Mood, Noon, at, event, id, key, on_thread, soon, user};

const PATIENT: RecorderSettings = RecorderSettings { max_open: 10_000, max_wait: Duration::from_secs(3_600) };
const HASTY: RecorderSettings = RecorderSettings { max_wait: Duration::ZERO, ..PATIENT };

fn start(store: &Arc<HeldStore>, settings: RecorderSettings) -> Arc<Recorder> {
    start_with(store, &FakeSpool::new(), settings)
}

fn start_with(store: &Arc<HeldStore>, spool: &Arc<FakeSpool>, settings: RecorderSettings) -> Arc<Recorder> {
    Arc::new(Recorder::start(stores(store, spool), settings, &clock()).unwrap())
}

fn stores(store: &Arc<HeldStore>, spool: &Arc<FakeSpool>) -> RecorderStores {
    RecorderStores {
        events: Arc::clone(store) as _,
        open_requests: Arc::clone(store) as _,
        spool: Arc::clone(spool) as _,
    }
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(Noon)
}

/// What becomes of an event that is too late.
fn late(event: &mut UsageEvent) {
    event.status = 503;
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
    let mut answer = Box::pin(recorder.record(place(&recorder), event(1), late));
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
fn poison_is_found_and_kept_and_its_neighbours_are_stored_once() {
    let (store, spool) = (HeldStore::new(), FakeSpool::new());
    let recorder = start_with(&store, &spool, PATIENT);
    held(&store, &recorder);
    for bad in [7, 8, 20] {
        store.poison(id(bad));
    }
    let mut answers: Vec<_> =
        (1..=20).map(|n| Box::pin(recorder.record(place(&recorder), event(n), late))).collect();
    assert!(answers.iter_mut().all(|answer| answer.as_mut().now_or_never().is_none()));
    store.let_go();
    for (answer, number) in answers.into_iter().zip(1..) {
        assert_eq!(soon(answer), Ok(()), "{number} is on disk, in one place or the other");
    }
    assert_eq!(spool.rejected(), [7, 8, 20].map(id));
    let kept: Vec<_> = (0..=20).filter(|n| ![7, 8, 20].contains(n)).map(id).collect();
    assert_eq!(store.ids(), kept);
    let numbers: Vec<_> = store.stored().iter().map(|(seq, _)| *seq).collect();
    assert_eq!(numbers, (1..=18).collect::<Vec<_>>(), "numbers without gaps");
    assert_eq!(store.groups()[..4], [1, 20, 10, 5], "found by halving");
    recorder.close();
    assert_eq!(recorder.open(), 0);
}

#[test]
fn while_the_database_is_away_the_spool_has_the_events_and_the_database_gets_them_in_order() {
    let (store, spool) = (HeldStore::new(), FakeSpool::new());
    let recorder = start_with(&store, &spool, PATIENT);
    store.set(Mood::Down);
    for number in 0..10 {
        assert_eq!(soon(recorder.record(place(&recorder), event(number), late)), Ok(()));
    }
    assert_eq!(store.stored(), []);
    assert_eq!(spool.ever(), (0..10).map(id).collect::<Vec<_>>());
    store.set(Mood::Up);
    store.await_stored(10);
    spool.await_waiting(0);
    assert_eq!(store.ids(), (0..10).map(id).collect::<Vec<_>>());
    // And the next one goes there straight.
    while spool.ever().len() == 10 {
        assert_eq!(soon(recorder.record(place(&recorder), event(10), late)), Ok(()));
        if store.ids().contains(&id(10)) && spool.ever().len() == 10 {
            break;
        }
    }
    recorder.close();
}

#[test]
fn what_waits_when_the_server_ends_is_there_for_the_next() {
    let (store, spool) = (HeldStore::new(), FakeSpool::new());
    let recorder = start_with(&store, &spool, PATIENT);
    store.set(Mood::Down);
    send(&recorder, 0..10);
    recorder.close();
    assert_eq!(recorder.open(), 0);
    spool.await_waiting(10);
    store.set(Mood::Up);
    Recorder::recover(&stores(&store, &spool), &clock(), at("2026-11-22T12:00:00Z")).unwrap();
    assert_eq!(store.ids(), (0..10).map(id).collect::<Vec<_>>());
    spool.await_waiting(0);
}

#[test]
fn a_database_that_goes_away_while_poison_is_sought_upsets_nothing() {
    let (store, spool) = (HeldStore::new(), FakeSpool::new());
    let recorder = start_with(&store, &spool, PATIENT);
    held(&store, &recorder);
    store.poison(id(3));
    store.go_down_after_refusing();
    send(&recorder, 1..=8);
    store.let_go();
    // The first group, the refusal, and at least one that found nobody.
    store.await_calls(3);
    send(&recorder, 9..=10);
    spool.await_waiting(10);
    store.set(Mood::Up);
    store.await_stored(10);
    spool.await_waiting(0);
    recorder.close();
    assert_eq!(store.ids(), (0..=10).filter(|n| *n != 3).map(id).collect::<Vec<_>>());
    assert_eq!(spool.rejected(), [id(3)]);
}

#[test]
fn a_lost_verdict_stores_nothing_twice_and_nothing_behind_it() {
    let (store, spool) = (HeldStore::new(), FakeSpool::new());
    let recorder = start_with(&store, &spool, PATIENT);
    store.set(Mood::LosesTheVerdict);
    assert_eq!(soon(recorder.record(place(&recorder), event(1), late)), Ok(()));
    assert_eq!(spool.ever(), [id(1)], "nobody said that it is stored");
    store.set(Mood::Up);
    spool.await_waiting(0);
    assert_eq!(soon(recorder.record(place(&recorder), event(2), late)), Ok(()));
    spool.await_waiting(0);
    recorder.close();
    assert_eq!(store.ids(), [id(1), id(2)]);
    let tried = store.tried();
    let unsure = tried[0].0;
    assert!(tried[1..].iter().all(|(stream, _)| *stream != unsure), "{tried:?}");
}

#[test]
fn where_nothing_takes_events_nobody_is_admitted_and_who_waited_too_long_is_told_so() {
    let (store, spool) = (HeldStore::new(), FakeSpool::new());
    let recorder = start_with(&store, &spool, HASTY);
    store.set(Mood::Down);
    spool.set_full(true);
    let admitted_before = place(&recorder);
    assert_eq!(soon(recorder.record(place(&recorder), event(1), late)), Err(NotRecorded));
    assert_eq!(recorder.open(), 2, "its place is still needed");
    assert!(!recorder.can_store());
    assert_eq!(recorder.reserve(user(5)).err(), Some(NoPlace::Unavailable));
    store.set(Mood::Up);
    store.await_stored(1);
    assert_eq!(store.event(id(1)).status, 503, "as its answer was");
    assert_eq!(soon(recorder.record(admitted_before, event(2), late)), Ok(()));
    assert_eq!(store.event(id(2)).status, 200);
    assert!(recorder.reserve(user(5)).is_ok());
    recorder.close();
}

#[test]
fn a_spool_that_has_room_again_lets_requests_in_though_the_database_is_away() {
    let (store, spool) = (HeldStore::new(), FakeSpool::new());
    let recorder = start_with(&store, &spool, PATIENT);
    store.set(Mood::Down);
    spool.set_full(true);
    let answer = Box::pin(recorder.record(place(&recorder), event(1), late));
    let asking = Arc::clone(&recorder);
    let stuck = on_thread(move || {
        while asking.can_store() {
            thread::yield_now();
        }
    });
    assert_eq!(answer.now_or_never(), None);
    stuck();
    spool.set_full(false);
    spool.await_waiting(1);
    let asking = Arc::clone(&recorder);
    let freed = on_thread(move || {
        while !asking.can_store() {
            thread::yield_now();
        }
    });
    freed();
    assert_eq!(soon(recorder.record(place(&recorder), event(2), late)), Ok(()));
    recorder.close();
}

#[test]
fn nobody_waits_longer_for_standing_further_behind() {
    let (store, spool) = (HeldStore::new(), FakeSpool::new());
    let recorder = start_with(&store, &spool, HASTY);
    held(&store, &recorder);
    // Behind the group that is on its way.
    let mut answer = Box::pin(recorder.record(place(&recorder), event(1), late));
    assert_eq!(answer.as_mut().now_or_never(), None);
    store.set(Mood::Down);
    spool.set_full(true);
    store.let_go();
    assert_eq!(soon(answer), Err(NotRecorded));
    store.set(Mood::Up);
    recorder.close();
    assert_eq!(store.ids(), [id(0), id(1)]);
}

#[test]
fn requests_that_run_long_leave_rows_until_they_are_recorded() {
    let (store, spool) = (HeldStore::new(), FakeSpool::new());
    let recorder = start_with(&store, &spool, PATIENT);
    let (first, second) = (place(&recorder), place(&recorder));
    recorder.keep_open(&first, event(1));
    recorder.keep_open(&second, event(2));
    store.await_rows(2);
    let further = UsageEvent { duration_ms: 3_000, ..event(2) };
    recorder.keep_open(&second, further.clone());
    assert_eq!(soon(recorder.record(first, event(1), late)), Ok(()));
    store.await_rows(1);
    assert_eq!(store.rows(), [further]);
    // While the database is away they stand in the spool.
    store.set(Mood::Down);
    let furthest = UsageEvent { duration_ms: 5_000, ..event(2) };
    recorder.keep_open(&second, furthest.clone());
    spool.await_rows(1);
    assert_eq!(spool.rows(), [furthest]);
    assert_eq!(soon(recorder.record(second, event(2), late)), Ok(()));
    spool.await_rows(0);
    store.set(Mood::Up);
    store.await_rows(0);
    recorder.close();
}

#[test]
fn a_database_that_was_waited_for_in_vain_is_not_waited_for_again_at_once() {
    let (store, spool) = (HeldStore::new(), FakeSpool::new());
    let recorder = start_with(&store, &spool, PATIENT);
    let (first, second) = (place(&recorder), place(&recorder));
    recorder.keep_open(&first, event(1));
    store.await_rows(1);
    store.set(Mood::ForgetsNothing);
    assert_eq!(soon(recorder.record(first, event(1), late)), Ok(()));
    // Forgetting is tried again in turns between which the spool has what runs.
    let end = Instant::now() + FAILED;
    while spool.rows().is_empty() {
        assert!(Instant::now() < end, "nothing comes into the spool");
        recorder.keep_open(&second, event(2));
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(spool.rows(), [event(2)]);
    store.set(Mood::Up);
    assert_eq!(soon(recorder.record(second, event(2), late)), Ok(()));
    spool.await_rows(0);
    store.await_rows(0);
    recorder.close();
}

#[test]
fn the_next_start_records_what_was_running_once_and_as_far_as_it_had_come() {
    let (store, spool) = (HeldStore::new(), FakeSpool::new());
    let stores = stores(&store, &spool);
    let row = |number, duration_ms| UsageEvent { duration_ms, ..event(number) };
    let now = at("2026-11-22T12:00:00Z");
    let keep = |rows: &dyn OpenRequestStore, events: Vec<UsageEvent>| {
        rows.keep(events.into(), now, Duration::ZERO).unwrap();
    };
    keep(&*store, vec![row(1, 2_000), row(2, 2_000), row(3, 9_000)]);
    keep(&*spool, vec![row(2, 4_000), row(3, 4_000), row(4, 2_000)]);
    // This one had been recorded, but not yet forgotten.
    keep(&*store, vec![row(5, 2_000)]);
    let stream = store.open_stream(now).unwrap();
    store.append(stream, 1, vec![row(5, 2_500)].into(), Duration::ZERO).unwrap();

    Recorder::recover(&stores, &clock(), now).unwrap();
    Recorder::recover(&stores, &clock(), now).unwrap();
    let mut ids = store.ids();
    ids.sort();
    assert_eq!(ids, (1..=5).map(id).collect::<Vec<_>>());
    for (number, duration_ms) in [(1, 2_000), (2, 4_000), (3, 9_000), (4, 2_000)] {
        let event = store.event(id(number));
        assert_eq!((event.duration_ms, event.error_code.as_deref()), (duration_ms, Some("interrupted")));
    }
    assert_eq!(store.event(id(5)), row(5, 2_500));
    assert!(store.rows().is_empty() && spool.rows().is_empty());
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
        // Each of a key of its own: those of one would become one event.
        let of_key = |number| UsageEvent { api_key_id: key(number), ..event(number) };
        (1..=most + 5).for_each(|number| recorder.note(of_key(number)));
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
    assert_eq!(recorder.door.waiting_refusals.load(Ordering::SeqCst), 0, "room again for as many");
}

#[test]
fn closing_writes_what_is_queued_and_admits_nobody_after() {
    let store = HeldStore::new();
    let recorder = start(&store, PATIENT);
    let too_late = place(&recorder);
    held(&store, &recorder);
    send(&recorder, 1..=3);
    recorder.note(event(4));
    let closing = Arc::clone(&recorder);
    let closed = on_thread(move || closing.close());
    store.let_go();
    closed();
    assert_eq!(store.ids(), (0..=4).map(id).collect::<Vec<_>>());
    assert!(recorder.reserve(user(1)).is_err());
    assert_eq!(soon(recorder.record(too_late, event(9), late)), Err(NotRecorded));
    recorder.note(event(10));
    recorder.close();
    assert_eq!((store.ids().len(), recorder.open()), (5, 0));
}

#[test]
fn closing_does_not_wait_for_a_database_that_never_comes_back() {
    let (store, spool) = (HeldStore::new(), FakeSpool::new());
    let recorder = start_with(&store, &spool, PATIENT);
    store.set(Mood::Down);
    spool.set_full(true);
    let mut answer = Box::pin(recorder.record(place(&recorder), event(1), late));
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
    assert_eq!(soon(recorder.record(place(&recorder), event(1), late)), Err(NotRecorded));
    let asking = Arc::clone(&recorder);
    on_thread(move || {
        while asking.reserve(user(2)).is_ok() {
            thread::yield_now();
        }
    })();
    recorder.close();
}
