use std::sync::{Arc, Mutex};

use futures::FutureExt;
use tollgate_domain::{Checks, Environment, Month, Time, limit::Check};

use super::*;
use crate::{
    Ask, Meter, QuotaAsk, Scope,
    fixture::{at, key, on_thread, user},
    windows::disk::{Disk, Recorded},
};

const NOON: &str = "2026-11-21T12:00:00Z";

struct Noon;

impl Clock for Noon {
    fn now(&self) -> Time {
        at(NOON)
    }
}

fn disk_with(events: usize) -> (Arc<Disk>, WindowSaver) {
    let disk = Arc::<Disk>::default();
    (0..events).for_each(|_| disk.record(recorded()));
    let saver = WindowSaver::new(Arc::clone(&disk) as _, Arc::clone(&disk) as _, Arc::new(Noon));
    (disk, saver)
}

fn recorded() -> Recorded {
    Recorded { user: user(1), key: key(1), environment: Environment::Live, time: at(NOON), counts: true }
}

/// How many lie in the user's windows.
fn counted(meter: &MemoryMeter) -> [u64; 3] {
    let scope = Scope { user: user(1), environment: Environment::Live };
    let month = Month::of(at(NOON));
    let quota = QuotaAsk { month, limit: 0, prompt: 0, outputs: 0, output_limit: 0, shrink: false };
    let checks = Checks([Check { user: Some(1), key: None }; 3]);
    let ask = Ask { scope, key: key(1), checks, now: at(NOON), max_concurrent: None, quota };
    meter.read(&ask).now_or_never().unwrap().0.map(|reading| reading.used)
}

#[test]
fn a_meter_gets_what_is_on_disk_in_large_pieces() {
    let (disk, saver) = disk_with(125_000);
    let meter = MemoryMeter::new();
    saver.restore(&meter).unwrap();
    assert_eq!(counted(&meter), [125_000; 3]);
    assert_eq!(disk.saves(), [50_000; 3]);
    // A server that starts again passes over nothing twice.
    let again = MemoryMeter::new();
    saver.restore(&again).unwrap();
    assert_eq!(counted(&again), [125_000; 3]);
}

#[test]
fn what_a_clock_that_was_set_far_back_had_admitted_counts_now_and_hides_nothing() {
    for ahead in ["2026-11-21T12:01:01Z", "2026-11-21T13:30:00Z", "2027-11-21T12:00:00Z"] {
        let (disk, saver) = disk_with(0);
        let by = |number, time| disk.record(Recorded { key: key(number), time: at(time), ..recorded() });
        (1..=2).for_each(|number| by(number, ahead));
        disk.save(9, &disk.mark().unwrap(), at(ahead)).unwrap();
        // Of the clock that was set back; the other key is not saved again.
        by(1, "2026-11-21T11:59:59Z");
        by(1, ahead);
        let meter = MemoryMeter::new();
        saver.restore(&meter).unwrap();
        assert_eq!(counted(&meter), [4; 3], "{ahead}");
        let again = MemoryMeter::new();
        saver.restore(&again).unwrap();
        assert_eq!(counted(&again), [4; 3], "{ahead}");
    }
}

#[test]
fn a_save_that_fails_is_gone_on_with() {
    let (disk, saver) = disk_with(3_000);
    disk.go_down_after(Some(2));
    saver.step();
    let passed = disk.passed();
    assert!((1_000..3_000).contains(&passed), "{passed}");
    assert!(saver.restore(&MemoryMeter::new()).is_err());
    disk.go_down_after(None);
    saver.step();
    assert_eq!(disk.passed(), 3_000);
    let meter = MemoryMeter::new();
    saver.restore(&meter).unwrap();
    assert_eq!(counted(&meter), [3_000; 3]);
}

#[test]
fn beside_others_it_begins_with_small_pieces() {
    let (disk, saver) = disk_with(600);
    saver.step();
    assert_eq!((disk.passed(), disk.saves()[0]), (600, 500));
}

/// A disk to which more comes during each save than the save passes over.
struct Growing(Arc<Disk>);

impl WindowStore for Growing {
    fn save(&self, limit: u32, until: &Mark, now: Time) -> Result<tollgate_store::Folded, StoreError> {
        (0..=limit).for_each(|_| self.0.record(recorded()));
        self.0.save(limit, until, now)
    }

    fn load(&self, each: &mut dyn FnMut(tollgate_store::SavedWindows)) -> Result<(), StoreError> {
        self.0.load(each)
    }
}

#[test]
fn a_step_ends_however_much_comes_meanwhile() {
    let (disk, _) = disk_with(1_200);
    let growing = Growing(Arc::clone(&disk));
    let saver = WindowSaver::new(Arc::clone(&disk) as _, Arc::new(growing), Arc::new(Noon));
    on_thread(move || saver.step())();
    assert_eq!(disk.passed(), 1_200);
}

/// A disk whose first save ends the saver.
struct Closing(Arc<Disk>, Mutex<Option<Arc<WindowSaver>>>);

impl WindowStore for Closing {
    fn save(&self, limit: u32, until: &Mark, now: Time) -> Result<tollgate_store::Folded, StoreError> {
        if let Some(saver) = self.1.lock().unwrap().take() {
            saver.close();
        }
        self.0.save(limit, until, now)
    }

    fn load(&self, _: &mut dyn FnMut(tollgate_store::SavedWindows)) -> Result<(), StoreError> {
        Ok(())
    }
}

#[test]
fn who_is_closed_saves_no_more_than_the_running_piece() {
    let (disk, _) = disk_with(5_000);
    let closing = Arc::new(Closing(Arc::clone(&disk), Mutex::default()));
    let saver = Arc::new(WindowSaver::new(Arc::clone(&disk) as _, Arc::clone(&closing) as _, Arc::new(Noon)));
    *closing.1.lock().unwrap() = Some(Arc::clone(&saver));
    saver.step();
    assert_eq!(disk.passed(), 500);
    saver.step();
    assert_eq!(disk.passed(), 500);
}
