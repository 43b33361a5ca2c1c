//! A disk for tests: what was recorded, and the windows that were saved of it, as bytes.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use tollgate_domain::{Environment, KeyId, Time, UsageEvent, UserId, Windows, window::is_far_ahead};
use tollgate_store::{EventStore, Folded, Mark, SavedWindows, StoreError, StreamId, WindowStore};

/// What windows need of an event.
#[derive(Debug, Clone, Copy)]
pub struct Recorded {
    pub user: UserId,
    pub key: KeyId,
    pub environment: Environment,
    pub time: Time,
    pub counts: bool,
}

#[derive(Default)]
struct State {
    recorded: Vec<Recorded>,
    passed: usize,
    saved: BTreeMap<(UserId, KeyId, Environment), Vec<u8>>,
    saves: Vec<u32>,
    /// Saves that still go well.
    good: Option<usize>,
}

#[derive(Default)]
pub struct Disk(Mutex<State>);

impl Disk {
    pub fn record(&self, event: Recorded) {
        self.state().recorded.push(event);
    }

    /// What the saves were asked for.
    pub fn saves(&self) -> Vec<u32> {
        self.state().saves.clone()
    }

    /// How many events the saved windows have passed.
    pub fn passed(&self) -> usize {
        self.state().passed
    }

    /// After so many more saves it is away; `None` to have it back.
    pub fn go_down_after(&self, saves: Option<usize>) {
        self.state().good = saves;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl EventStore for Disk {
    fn open_stream(&self, _: Time) -> Result<StreamId, StoreError> {
        unreachable!("nobody writes here")
    }

    fn append(&self, _: StreamId, _: i64, _: Arc<[UsageEvent]>, _: Duration) -> Result<(), StoreError> {
        unreachable!("nobody writes here")
    }

    fn mark(&self) -> Result<Mark, StoreError> {
        let newest = i64::try_from(self.state().recorded.len()).unwrap();
        Ok(Mark(Arc::from([(StreamId(1), newest)])))
    }

    fn fold(&self, _: u32, _: &Mark) -> Result<Folded, StoreError> {
        unreachable!("nobody folds here")
    }

    fn retire_streams(&self, _: Time) -> Result<u64, StoreError> {
        unreachable!("there is one stream")
    }
}

impl WindowStore for Disk {
    fn save(&self, limit: u32, until: &Mark, now: Time) -> Result<Folded, StoreError> {
        let mut state = self.state();
        state.saves.push(limit);
        match &mut state.good {
            None => {}
            Some(0) => return Err(StoreError::unavailable("down")),
            Some(more) => *more -= 1,
        }
        let State { recorded, passed, saved, .. } = &mut *state;
        let until = usize::try_from(until.0[0].1).unwrap();
        let to = until.min(*passed + usize::try_from(limit).unwrap());
        for bytes in saved.values_mut() {
            let mut windows = Windows::from_bytes(bytes).unwrap();
            if windows.are_far_ahead(now) {
                windows.pull_back(now);
                *bytes = windows.to_bytes();
            }
        }
        let piece = &recorded[(*passed).min(to)..to];
        for event in piece.iter().filter(|event| event.counts) {
            let bytes = saved.entry((event.user, event.key, event.environment)).or_default();
            let mut windows = Windows::from_bytes(bytes).unwrap_or_default();
            windows.add(if is_far_ahead(event.time, now) { now } else { event.time }, 1);
            *bytes = windows.to_bytes();
        }
        let events = u64::try_from(piece.len()).unwrap();
        *passed = (*passed).max(to);
        Ok(Folded { events, more: to < until })
    }

    fn load(&self, each: &mut dyn FnMut(SavedWindows)) -> Result<(), StoreError> {
        for (&(user_id, api_key_id, environment), bytes) in &self.state().saved {
            let windows = Windows::from_bytes(bytes).unwrap();
            each(SavedWindows { user_id, api_key_id, environment, windows });
        }
        Ok(())
    }
}
