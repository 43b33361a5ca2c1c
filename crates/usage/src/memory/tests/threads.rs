//! One meter, many threads.

use std::{
    sync::{
        Barrier, Mutex,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    thread,
};

use chrono::TimeDelta;
use tollgate_domain::{Environment, Time, WindowKind, limit::Check};

use super::*;

const THREADS: u32 = 64;
/// Requests of each.
const ASKS: u64 = 400;
const USERS: u32 = 3;
const USER_LIMITS: [u64; 3] = [50, 300, 900];
const KEY_LIMITS: [u64; 3] = [30, 200, 700];
const TOKENS: u64 = 60_000;
const MAX_CONCURRENT: u32 = 12;

/// `SplitMix64`: each thread has numbers of its own.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }
}

/// What was admitted and counts in the end.
#[derive(Clone, Copy)]
struct Counted {
    user: u32,
    key: u32,
    time: Time,
}

struct Shared {
    meter: MemoryMeter,
    /// Milliseconds since noon, moved on by all.
    now: AtomicI64,
    counted: Mutex<Vec<Counted>>,
    used: [AtomicU64; USERS as usize],
    refused: AtomicU64,
}

fn scope_of(number: u32) -> Scope {
    Scope { user: user(number), environment: Environment::Live }
}

impl Shared {
    fn ask(&self, of: u32, number: u32, numbers: &mut Numbers) -> Ask {
        // Threads see the time as it was a little while ago.
        let ahead = i64::try_from(numbers.below(40)).unwrap();
        let now = self.now.fetch_add(ahead, Ordering::Relaxed) - i64::try_from(numbers.below(30)).unwrap();
        let checks =
            [0, 1, 2].map(|window| Check { user: Some(USER_LIMITS[window]), key: Some(KEY_LIMITS[window]) });
        let quota = QuotaAsk {
            limit: TOKENS,
            prompt: numbers.below(60),
            outputs: 1,
            output_limit: numbers.below(60),
            ..ask().quota
        };
        Ask {
            scope: scope_of(of),
            key: key(number),
            checks: Checks(checks),
            now: at(NOON) + TimeDelta::milliseconds(now),
            max_concurrent: Some(MAX_CONCURRENT),
            quota,
        }
    }

    /// Settles or releases; gives it to the log when it counts.
    fn end(&self, of: u32, number: u32, ticket: Ticket, numbers: &mut Numbers) {
        let (time, held) = (ticket.time, ticket.held);
        let counts = match numbers.below(10) {
            0 => {
                self.meter.release(ticket);
                false
            }
            other => {
                let (used, counts) = (numbers.below(held + 1), other > 2);
                self.meter.settle(ticket, Outcome { used, counts });
                self.used[usize::try_from(of).unwrap()].fetch_add(used, Ordering::Relaxed);
                counts
            }
        };
        if counts {
            self.counted.lock().unwrap().push(Counted { user: of, key: number, time });
        }
    }

    fn work(&self, thread: u32) {
        let mut numbers = Numbers(u64::from(thread));
        let mut open = Vec::new();
        for _ in 0..ASKS {
            let of = u32::try_from(numbers.below(USERS.into())).unwrap();
            let number = of * 10 + u32::try_from(numbers.below(2)).unwrap();
            match admit(&self.meter, &self.ask(of, number, &mut numbers)) {
                Ok(admission) => open.push((of, number, admission.ticket)),
                Err(Denied::Unseeded) => panic!("all are seeded"),
                Err(_) => {
                    self.refused.fetch_add(1, Ordering::Relaxed);
                }
            }
            if open.len() > 3 || numbers.below(2) == 0 {
                let Some((of, number, ticket)) = open.pop() else { continue };
                self.end(of, number, ticket, &mut numbers);
            }
        }
        open.into_iter().for_each(|(of, number, ticket)| self.end(of, number, ticket, &mut numbers));
    }
}

/// The most that lie in any window's length.
fn most_at_once(times: &mut [Time], kind: WindowKind) -> u64 {
    times.sort_unstable();
    let length = TimeDelta::milliseconds(kind.length_ms());
    let mut first = 0;
    let mut most = 0;
    for (place, time) in times.iter().enumerate() {
        while times[first] <= *time - length {
            first += 1;
        }
        most = most.max(place + 1 - first);
    }
    u64::try_from(most).unwrap()
}

#[test]
fn sixty_four_threads_overspend_nothing() {
    let shared = Shared {
        meter: MemoryMeter::new(),
        now: AtomicI64::new(0),
        counted: Mutex::default(),
        used: Default::default(),
        refused: AtomicU64::new(0),
    };
    (0..USERS).for_each(|of| shared.meter.seed(scope_of(of), Month::of(at(NOON)), 0));
    let start = Barrier::new(usize::try_from(THREADS).unwrap());
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (shared, start) = (&shared, &start);
            scope.spawn(move || {
                start.wait();
                shared.work(thread);
            });
        }
    });
    let Shared { meter, now, counted, used: tokens, refused } = shared;
    let counted = counted.into_inner().unwrap();
    assert_eq!(meter.open(), (0, 0), "nothing is held when nothing runs");
    assert!(refused.into_inner() > 1_000, "they fought for what there was");
    for of in 0..USERS {
        let times = |key: Option<u32>| {
            let own = counted.iter().filter(|one| one.user == of && key.is_none_or(|key| key == one.key));
            own.map(|one| one.time).collect::<Vec<_>>()
        };
        for (kind, window) in WindowKind::ALL.into_iter().zip(0..) {
            let most = most_at_once(&mut times(None), kind);
            assert!(most <= USER_LIMITS[window], "{kind:?}: {most}");
            for number in [of * 10, of * 10 + 1] {
                let most = most_at_once(&mut times(Some(number)), kind);
                assert!(most <= KEY_LIMITS[window], "{kind:?}: {most}");
            }
        }
        let end = at(NOON) + TimeDelta::milliseconds(now.load(Ordering::Relaxed));
        let ask = Ask { scope: scope_of(of), now: end, checks: checks([10_000; 3]), ..ask() };
        let (readings, quota) = meter.read(&ask).now_or_never().unwrap();
        assert_eq!(readings[2].used, u64::try_from(times(None).len()).unwrap(), "none lost, none twice");
        let quota = quota.unwrap();
        assert_eq!(
            (quota.used, quota.held),
            (tokens[usize::try_from(of).unwrap()].load(Ordering::Relaxed), 0)
        );
        assert!(quota.used <= TOKENS);
    }
}
