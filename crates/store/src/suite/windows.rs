//! Promises of [`WindowStore`](crate::WindowStore).

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread,
};

use tollgate_domain::{Environment, KeyId, UsageEvent, UserId, Windows};

use super::given;
use crate::{Folded, SavedWindows, Stores};

const DAY: i64 = 86_400;

type Owner = (UserId, KeyId, Environment);

/// Everything that is saved, each once.
fn loaded(stores: &Stores) -> HashMap<Owner, Windows> {
    let mut all = HashMap::new();
    stores
        .windows
        .load(&mut |saved| {
            let SavedWindows { user_id, api_key_id, environment, windows } = saved;
            assert!(all.insert((user_id, api_key_id, environment), windows).is_none(), "loaded twice");
        })
        .unwrap();
    all
}

/// The same by plain adding.
fn counted(events: &[UsageEvent]) -> HashMap<Owner, Windows> {
    let mut all: HashMap<_, Windows> = HashMap::new();
    for event in events.iter().filter(|event| event.counts) {
        let owner = (event.user_id, event.api_key_id, event.environment);
        all.entry(owner).or_default().add(event.time, event.repeat.into());
    }
    all
}

fn random_events(owners: &[(UserId, KeyId)], count: usize) -> Vec<UsageEvent> {
    let one = |_| {
        let pick = usize::try_from(given::below(u64::try_from(owners.len()).unwrap())).unwrap();
        let &(user, key) = owners.get(pick).unwrap();
        // Over a day, as they come in: more or less in order.
        let seconds = i64::try_from(given::below(86_400)).unwrap();
        let mut event = given::event(user, key, given::at(seconds));
        event.counts = given::below(5) != 0;
        event.environment = if given::below(4) == 0 { Environment::Test } else { Environment::Live };
        event
    };
    (0..count).map(one).collect()
}

/// Whatever is appended on several streams while several save, and whoever sends a group again: the windows are
/// those of the events on disk, each counted once.
pub fn saved_windows_are_those_of_the_events_whoever_saves(stores: &Stores) {
    const STREAMS: usize = 3;
    const GROUPS: usize = 8;
    const SIZE: usize = 25;
    let owner = |_| {
        let user = given::stored_user(stores);
        (user, given::stored_key(stores, user))
    };
    let owners: Vec<_> = (0..4).map(owner).collect();
    let events = random_events(&owners, STREAMS * GROUPS * SIZE);
    let (writing, passed) = (AtomicUsize::new(STREAMS), AtomicU64::new(0));
    thread::scope(|scope| {
        for part in events.chunks(GROUPS * SIZE) {
            let writing = &writing;
            scope.spawn(move || {
                let stream = stores.events.open_stream(given::at(0)).unwrap();
                for (group, seq) in part.chunks(SIZE).zip((1..).step_by(SIZE)) {
                    for _ in 0..2 {
                        stores.events.append(stream, seq, Arc::from(group), given::PATIENCE).unwrap();
                    }
                }
                writing.fetch_sub(1, Ordering::Release);
            });
        }
        for _ in 0..3 {
            scope.spawn(|| {
                loop {
                    let all_there = writing.load(Ordering::Acquire) == 0;
                    let mark = stores.events.mark().unwrap();
                    let Folded { events, more } = stores.windows.save(40, &mark, given::at(DAY)).unwrap();
                    passed.fetch_add(events, Ordering::Relaxed);
                    if all_there && !more {
                        break;
                    }
                }
            });
        }
    });
    assert_eq!(passed.into_inner(), u64::try_from(events.len()).unwrap());
    assert_eq!(loaded(stores), counted(&events));
    assert_eq!(given::save(stores, given::at(DAY)), 0);
    // The fold has a cursor of its own.
    assert_eq!(given::fold(stores), u64::try_from(events.len()).unwrap());
    assert_eq!(loaded(stores), counted(&events));
}

/// A save takes at most what it is told to, stops at its mark, and says whether there is more.
pub fn a_save_stops_at_its_limit_and_says_so(stores: &Stores) {
    let user = given::stored_user(stores);
    let key = given::stored_key(stores, user);
    let event = |n| given::event(user, key, given::at(n));
    let events: Vec<_> = (0..5).map(event).collect();
    given::append(stores, &events);
    let mark = stores.events.mark().unwrap();
    given::append(stores, &[event(5)]);
    let save = |mark| stores.windows.save(3, mark, given::at(10)).unwrap();
    assert_eq!(save(&mark), Folded { events: 3, more: true });
    assert_eq!(loaded(stores), counted(events.get(..3).unwrap()));
    assert_eq!(save(&mark), Folded { events: 2, more: false });
    assert_eq!(save(&mark), Folded::default());
    assert_eq!(loaded(stores), counted(&events));
    assert_eq!(save(&stores.events.mark().unwrap()), Folded { events: 1, more: false });
}

/// What lies in no window any more is forgotten, and never comes back; what does is kept.
pub fn what_has_left_every_window_is_forgotten(stores: &Stores) {
    let user = given::stored_user(stores);
    let keys: Vec<_> = (0..3).map(|_| given::stored_key(stores, user)).collect();
    let at = |key: usize, seconds| given::event(user, *keys.get(key).unwrap(), given::at(seconds));
    // Noon and 123,456 microseconds: each a little before the end of its bucket of a quarter-hour.
    let events = [at(0, 0), at(1, 899), at(1, -7_000), at(2, 900)];
    given::append(stores, &events);
    given::save(stores, given::at(900));
    assert_eq!(loaded(stores), counted(&events));
    given::save(stores, given::at(DAY + 1_798));
    assert_eq!(loaded(stores), counted(&events), "another may keep them in their bucket");
    given::save(stores, given::at(DAY + 1_801));
    assert_eq!(loaded(stores), counted(&[at(2, 900)]));
    given::append(stores, &[at(0, 600), at(2, DAY)]);
    given::save(stores, given::at(DAY + 1_801));
    assert_eq!(loaded(stores), counted(&[at(2, 900), at(2, DAY)]), "it came too late to lie in a window");
    given::save(stores, given::at(9 * DAY));
    assert_eq!(loaded(stores), HashMap::new());
}

/// What was admitted by a clock that went far ahead counts from when it is found out, and hides nothing that is
/// admitted since; what lies a little ahead stays where it is.
pub fn admissions_of_a_clock_that_was_ahead_count_now(stores: &Stores) {
    const MONTH: i64 = 30 * DAY;
    let user = given::stored_user(stores);
    let [saved, unsaved, quiet, little] = [(); 4].map(|()| given::stored_key(stores, user));
    let at = |key, seconds| given::event(user, key, given::at(seconds));
    given::append(stores, &[at(saved, MONTH), at(saved, MONTH + 1), at(quiet, MONTH)]);
    given::save(stores, given::at(MONTH + 1));
    given::append(stores, &[at(unsaved, MONTH + 2), at(saved, 5), at(unsaved, 5), at(little, 70)]);
    given::save(stores, given::at(10));
    let of_now = [saved, saved, unsaved, quiet].map(|key| at(key, 10));
    let now = [&of_now[..], &[at(saved, 5), at(unsaved, 5), at(little, 70)]].concat();
    assert_eq!(loaded(stores), counted(&now));
    given::save(stores, given::at(900));
    assert_eq!(loaded(stores), counted(&now), "once");
}

/// More keys than are read or forgotten at once.
pub fn many_windows_are_loaded_once_each(stores: &Stores) {
    const KEYS: usize = 2_100;
    let user = given::user().user.id;
    let events: Vec<_> =
        (0..KEYS).map(|_| given::event(user, given::key(user).key.id, given::at(0))).collect();
    given::append(stores, &events);
    assert_eq!(given::save(stores, given::at(0)), u64::try_from(KEYS).unwrap());
    assert_eq!(loaded(stores), counted(&events));
    given::save(stores, given::at(9 * DAY));
    assert_eq!(loaded(stores), HashMap::new());
}
