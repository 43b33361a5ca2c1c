use super::*;
use crate::fixture::{FAILED, FakeSpool, HeldStore, Mood, at, event, on_thread};

struct SetClock(Mutex<Time>);

impl SetClock {
    fn set(&self, text: &str) {
        *self.0.lock().unwrap() = at(text);
    }
}

impl Clock for SetClock {
    fn now(&self) -> Time {
        *self.0.lock().unwrap()
    }
}

const EARLY: &str = "2026-11-21T12:00:00Z";
const LATE: &str = "2026-11-21T12:00:07Z";
/// So seldom that only those who join make it fold.
const SELDOM: Duration = Duration::from_secs(86_400);

struct Served {
    store: Arc<HeldStore>,
    clock: Arc<SetClock>,
    folder: Arc<Folder>,
}

impl Served {
    fn new() -> Self {
        let (store, clock) = (HeldStore::new(), Arc::new(SetClock(Mutex::new(at(EARLY)))));
        // Whoever asks gets the sums, however busy the machine is.
        let folder =
            Folder { max_wait: FAILED, ..Folder::new(Arc::clone(&store) as _, Arc::clone(&clock) as _) };
        Self { store, clock, folder: Arc::new(folder) }
    }

    /// Serves until it is closed, which what is given waits for.
    fn serve(&self, every: Duration) -> impl FnOnce() {
        let folder = Arc::clone(&self.folder);
        let served = on_thread(move || folder.serve(every));
        let folder = Arc::clone(&self.folder);
        move || {
            folder.close();
            served();
        }
    }

    /// Joins on a thread of its own; what is given waits for it.
    fn join(&self) -> impl FnOnce() -> Option<Time> {
        let folder = Arc::clone(&self.folder);
        on_thread(move || folder.join())
    }

    fn await_wanted(&self, wanted: u64) {
        let (state, timeout) = self
            .folder
            .turned
            .wait_timeout_while(self.folder.state(), FAILED, |state| state.wanted < wanted)
            .unwrap();
        assert!(!timeout.timed_out(), "{} of {wanted} runs are wanted", state.wanted);
    }
}

#[test]
fn folding_to_the_end_takes_piece_after_piece() {
    let Served { store, folder, .. } = Served::new();
    let piece = u64::from(Pace::alone().piece());
    store.put_on_disk(piece * 2 + 1);
    folder.fold_to_end().unwrap();
    assert_eq!((store.folded(), store.calls()), (piece * 2 + 1, 3));
}

#[test]
fn who_joins_sees_what_was_on_disk_before() {
    let served = Served::new();
    let end = served.serve(SELDOM);
    served.store.put_on_disk(1_200);
    assert_eq!(served.folder.join(), Some(at(EARLY)));
    assert_eq!(served.store.folded(), 1_200);
    served.store.put_on_disk(1);
    served.clock.set(LATE);
    assert_eq!(served.folder.join(), Some(at(LATE)));
    assert_eq!(served.store.folded(), 1_201);
    end();
}

#[test]
fn who_joins_a_running_fold_waits_for_the_next_if_that_may_have_passed_the_newest_by() {
    let served = Served::new();
    served.store.put_on_disk(1);
    served.store.hold();
    let end = served.serve(SELDOM);
    let first = served.join();
    served.store.await_calls(1);
    // The first run has begun. What comes now may be behind it.
    served.store.put_on_disk(1);
    served.clock.set(LATE);
    let (second, third) = (served.join(), served.join());
    served.await_wanted(2);
    served.store.let_go();
    first();
    assert_eq!(second(), Some(at(LATE)));
    assert_eq!(third(), Some(at(LATE)));
    assert_eq!(served.store.folded(), 2);
    assert!(served.store.calls() <= 3, "one run serves all who wait");
    end();
}

#[test]
fn a_run_ends_however_much_comes_meanwhile() {
    let served = Served::new();
    served.store.put_on_disk(1_200);
    served.store.grow_by(1_000_000);
    let end = served.serve(SELDOM);
    assert_eq!(served.folder.join(), Some(at(EARLY)));
    assert_eq!(served.store.folded(), 1_200);
    // Who comes then gets a run of their own, not the rest of one without end.
    served.store.grow_by(0);
    served.clock.set(LATE);
    assert_eq!(served.folder.join(), Some(at(LATE)));
    end();
}

#[test]
fn the_end_folds_only_so_long_and_does_not_claim_the_rest() {
    const NEVER_DONE: u64 = u64::MAX >> 2;
    let served = Served::new();
    let end = served.serve(SELDOM);
    assert_eq!(served.folder.join(), Some(at(EARLY)));
    served.clock.set(LATE);
    served.store.put_on_disk(NEVER_DONE);
    end();
    assert!((1..NEVER_DONE).contains(&served.store.folded()));
    assert_eq!(served.folder.join(), Some(at(EARLY)));
}

#[test]
fn nobody_waits_for_ever() {
    let mut served = Served::new();
    Arc::get_mut(&mut served.folder).unwrap().max_wait = MAX_WAIT;
    served.store.put_on_disk(1);
    served.store.hold();
    let end = served.serve(SELDOM);
    assert_eq!(served.join()(), None);
    assert_eq!(served.join()(), None, "nor the next");
    assert_eq!(served.store.folded(), 0);
    served.store.let_go();
    end();
    assert_eq!(served.store.folded(), 1);
}

#[test]
fn a_fold_that_fails_leaves_the_sums_as_old_as_they_are() {
    let served = Served::new();
    let end = served.serve(SELDOM);
    assert_eq!(served.folder.join(), Some(at(EARLY)));
    served.clock.set(LATE);
    served.store.set(Mood::Down);
    assert_eq!(served.folder.join(), Some(at(EARLY)));
    served.store.set(Mood::Up);
    assert_eq!(served.folder.join(), Some(at(LATE)));
    end();
}

#[test]
fn it_folds_by_itself_every_so_often() {
    let served = Served::new();
    let end = served.serve(Duration::from_millis(1));
    served.store.await_calls(5);
    end();
}

#[test]
fn closing_folds_one_last_time_and_lets_those_go_who_wait() {
    let served = Served::new();
    let end = served.serve(SELDOM);
    served.folder.join();
    served.store.put_on_disk(700);
    end();
    assert_eq!(served.store.folded(), 700);
    assert_eq!(served.join()(), Some(at(EARLY)));
}

#[test]
fn what_waits_in_the_spool_is_not_claimed() {
    const BETWEEN: &str = "2026-11-21T12:00:03Z";
    let Served { store, clock, folder } = Served::new();
    let spool = FakeSpool::new();
    let folder = Arc::into_inner(folder).unwrap().beside(Arc::clone(&spool) as _);
    let as_of = || {
        folder.fold_to_end().unwrap();
        folder.state().as_of
    };
    assert_eq!(as_of(), Some(at(EARLY)));
    let mut waiting = event(1);
    waiting.time = at(BETWEEN);
    spool.append(std::slice::from_ref(&waiting)).unwrap();
    clock.set(LATE);
    store.put_on_disk(1);
    assert_eq!(as_of(), Some(at(BETWEEN)));
    // One that was admitted before the sums were last whole takes nothing of that back.
    waiting.time = at("2026-11-21T11:00:00Z");
    spool.remove(&[waiting.id]).unwrap();
    spool.append(std::slice::from_ref(&waiting)).unwrap();
    assert_eq!(as_of(), Some(at(BETWEEN)));
    spool.remove(&[waiting.id]).unwrap();
    assert_eq!(as_of(), Some(at(LATE)));
}
