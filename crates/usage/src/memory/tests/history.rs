//! Any history of requests, changes of limits, saves and restarts, beside an exact log.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use proptest::{prelude::*, test_runner::RngAlgorithm};
use tollgate_domain::{Clock, KeyId, Time, WindowKind, limit::Check};
use tollgate_store::{EventStore, WindowStore};

use super::*;
use crate::{
    WindowSaver,
    windows::disk::{Disk, Recorded},
};

/// How many histories are tried unless [`HISTORIES`] says otherwise.
const DEFAULT_HISTORIES: u32 = 100_000;
/// Names how many.
const HISTORIES: &str = "TOLLGATE_HISTORIES";
const MAX_CONCURRENT: u32 = 4;
/// Half an hour before a month ends.
const START: &str = "2026-11-30T23:30:00Z";
const MS: i64 = 1_000;

#[derive(Debug, Clone)]
enum Step {
    Admit {
        key: u32,
        ahead_ms: i64,
        prompt: u64,
        outputs: u64,
        output_limit: u64,
        shrink: bool,
    },
    Settle {
        which: usize,
        used: u64,
        counts: bool,
    },
    Release {
        which: usize,
    },
    /// Whoever was last refused for a window comes back when told to.
    ComeBack,
    /// A tier or a limit changed.
    Limits {
        users: [u64; 3],
        keys: [u64; 3],
        quota: u64,
    },
    /// So many events at most are saved as windows.
    Save {
        events: u32,
    },
    /// The server ends and another one starts, perhaps on a clock that is behind, a little or by days. After a
    /// kill, of each request that ran only its open row may be left, as its bit says.
    Restart {
        killed: bool,
        left: u8,
        behind_ms: i64,
    },
}

/// What is left of a random number, to choose by. Far quicker than a strategy for each choice.
struct Choices(u64);

impl Choices {
    fn below(&mut self, bound: u64) -> u64 {
        let chosen = self.0 % bound;
        self.0 /= bound;
        chosen
    }

    fn ms(&mut self, from: i64, to: i64) -> i64 {
        from + self.below(to.abs_diff(from)).cast_signed()
    }

    fn limits(&mut self) -> [u64; 3] {
        [2 + self.below(6), 4 + self.below(16), 10 + self.below(30)]
    }

    fn quota(&mut self) -> u64 {
        50 + self.below(750)
    }

    fn number(&mut self, bound: u32) -> u32 {
        u32::try_from(self.below(bound.into())).unwrap()
    }

    fn step(mut self) -> Step {
        let which = |choices: &mut Self| usize::try_from(choices.below(8)).unwrap();
        match self.below(50) {
            0..24 => Step::Admit {
                // Mostly a little, sometimes a long way, sometimes a little back.
                ahead_ms: match self.below(10) {
                    0..6 => self.ms(0, 4_000),
                    6..8 => self.ms(0, 90_000),
                    8 => self.ms(0, 9_000_000),
                    _ => self.ms(-3_000, 0),
                },
                key: self.number(3),
                prompt: self.below(120),
                outputs: self.below(4),
                output_limit: self.below(60),
                shrink: self.below(2) == 0,
            },
            24..36 => {
                Step::Settle { which: which(&mut self), used: self.below(200), counts: self.below(5) > 0 }
            }
            36..39 => Step::Release { which: which(&mut self) },
            39..43 => Step::ComeBack,
            43..45 => Step::Limits { users: self.limits(), keys: self.limits(), quota: self.quota() },
            45..48 => Step::Save { events: 1 + self.number(8) },
            _ => Step::Restart {
                killed: self.below(2) == 0,
                left: u8::try_from(self.below(256)).unwrap(),
                behind_ms: match self.below(16) {
                    0..3 => self.ms(0, 2_000),
                    3 => self.ms(0, 200_000_000),
                    _ => 0,
                },
            },
        }
    }
}

fn step() -> impl Strategy<Value = Step> {
    any::<u64>().prop_map(|number| Choices(number).step())
}

/// A request that counts: when it was admitted, in microseconds, and with which key.
type Counted = (i64, u32);

/// What somebody was told who was refused for a window.
#[derive(Clone, Copy)]
struct Promise {
    ask: Ask,
    free_at: Time,
    /// Whether nothing has happened that could let them in sooner.
    exact: bool,
}

struct Model {
    scope: Scope,
    key_ids: [KeyId; 3],
    meter: MemoryMeter,
    disk: Arc<Disk>,
    saver: WindowSaver,
    savers_clock: Arc<Still>,
    users: [u64; 3],
    keys: [u64; 3],
    quota: u64,
    /// Microseconds since 1970.
    now: i64,
    /// The latest admission of the running process.
    floor: i64,
    log: Vec<Counted>,
    open: Vec<(u32, Ticket)>,
    promise: Option<Promise>,
    /// A clock was set far back: what it had admitted may leave later than the log says, but never earlier.
    was_far_ahead: bool,
    /// What the events on disk say was used.
    recorded: HashMap<Month, u64>,
    /// The same of a month to come, when the running process began.
    coming: (Month, u64),
    month: Month,
    used: u64,
    held: u64,
}

struct Still(Mutex<Time>);

impl Clock for Still {
    fn now(&self) -> Time {
        *self.0.lock().unwrap()
    }
}

fn time(us: i64) -> Time {
    Time::from_timestamp_micros(us).unwrap()
}

impl Model {
    fn new(users: [u64; 3], keys: [u64; 3], quota: u64) -> Self {
        let start = at(START);
        let disk = Arc::<Disk>::default();
        let clock = Arc::new(Still(Mutex::new(start)));
        let saver = WindowSaver::new(Arc::clone(&disk) as _, Arc::clone(&disk) as _, Arc::clone(&clock) as _);
        let (meter, month) = (MemoryMeter::new(), Month::of(start));
        meter.seed(scope(), month, 0);
        Self {
            scope: scope(),
            key_ids: [key(0), key(1), key(2)],
            meter,
            disk,
            saver,
            savers_clock: clock,
            users,
            keys,
            quota,
            now: start.timestamp_micros(),
            floor: i64::MIN,
            log: Vec::new(),
            open: Vec::new(),
            promise: None,
            was_far_ahead: false,
            recorded: HashMap::new(),
            coming: (month, 0),
            month,
            used: 0,
            held: 0,
        }
    }

    fn key_id(&self, number: u32) -> KeyId {
        self.key_ids[usize::try_from(number).unwrap()]
    }

    /// How many count that were admitted within `length_us` before `end` (or later: a clock may have been set
    /// back).
    fn inside(&self, length_us: i64, end: i64, key: Option<u32>) -> u64 {
        let inside = |(then, of): &&Counted| *then > end - length_us && key.is_none_or(|key| key == *of);
        u64::try_from(self.log.iter().filter(inside).count()).unwrap()
    }

    fn ask(&self, number: u32, now: i64, quota: QuotaAsk) -> Ask {
        let check = |window: usize| Check { user: Some(self.users[window]), key: Some(self.keys[window]) };
        let now = time(now);
        Ask {
            scope: self.scope,
            key: self.key_id(number),
            checks: Checks([0, 1, 2].map(check)),
            now,
            max_concurrent: Some(MAX_CONCURRENT),
            quota: QuotaAsk { month: Month::of(now), limit: self.quota, ..quota },
        }
    }

    fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match *step {
            Step::Admit { key, ahead_ms, prompt, outputs, output_limit, shrink } => {
                let quota = QuotaAsk { month: self.month, limit: 0, prompt, outputs, output_limit, shrink };
                let asked_at = self.now + ahead_ms * MS;
                self.now = self.now.max(asked_at);
                let ask = self.ask(key, asked_at, quota);
                match admit(&self.meter, &ask) {
                    Ok(admission) => self.admitted(key, &ask, admission),
                    Err(denied) => self.denied(key, &ask, &denied),
                }
            }
            Step::Settle { which, used, counts } => self.end(which, Some(Outcome { used, counts })),
            Step::Release { which } => self.end(which, None),
            Step::ComeBack => self.come_back(),
            Step::Limits { users, keys, quota } => {
                (self.users, self.keys, self.quota, self.promise) = (users, keys, quota, None);
                Ok(())
            }
            Step::Save { events } => {
                let mark = self.disk.mark().unwrap();
                self.disk.save(events, &mark, time(self.now)).unwrap();
                Ok(())
            }
            Step::Restart { killed, left, behind_ms } => self.restart(killed, left, behind_ms),
        }
    }

    fn admitted(&mut self, number: u32, ask: &Ask, admission: Admission) -> Result<(), TestCaseError> {
        let Admission { ticket, quota, output_limit, .. } = admission;
        prop_assert!(ticket.time >= ask.now);
        let then = ticket.time.timestamp_micros();
        prop_assert!(then >= self.floor, "before another of the same process");
        self.floor = then;
        self.promise = None;
        self.log.push((then, number));
        for (kind, window) in WindowKind::ALL.into_iter().zip(0..) {
            let length = kind.length_ms() * MS;
            prop_assert!(self.inside(length, then, None) <= self.users[window]);
            prop_assert!(self.inside(length, then, Some(number)) <= self.keys[window]);
        }
        self.turn(ticket.month);
        let asked = ask.quota;
        prop_assert_eq!(ticket.held, asked.tokens(output_limit));
        prop_assert!(output_limit == asked.output_limit || (asked.shrink && output_limit > 0));
        let before = self.quota.saturating_sub(self.used).saturating_sub(self.held);
        prop_assert!(ticket.held <= before, "{} of {before}", ticket.held);
        if output_limit < asked.output_limit {
            prop_assert!(asked.tokens(output_limit + 1) > before, "as much as is left");
        }
        self.held += ticket.held;
        prop_assert_eq!((quota.used, quota.held, quota.month), (self.used, self.held, self.month));
        prop_assert_eq!(quota.month, ticket.month);
        self.open.push((number, ticket));
        prop_assert!(self.running(number) <= MAX_CONCURRENT);
        Ok(())
    }

    fn denied(&mut self, number: u32, ask: &Ask, denied: &Denied) -> Result<(), TestCaseError> {
        match denied {
            Denied::Window { free_at, .. } => {
                let now = ask.now.timestamp_micros();
                let full = WindowKind::ALL.into_iter().zip(0..).any(|(kind, window)| {
                    // One leaves late by at most a bucket.
                    let longer = (kind.length_ms() + kind.bucket_ms()) * MS;
                    self.inside(longer, now, None) >= self.users[window]
                        || self.inside(longer, now, Some(number)) >= self.keys[window]
                });
                prop_assert!(full || self.was_far_ahead, "refused with room");
                prop_assert!(*free_at > ask.now);
                self.promise = Some(Promise { ask: *ask, free_at: *free_at, exact: true });
            }
            Denied::Concurrency { .. } => prop_assert_eq!(self.running(number), MAX_CONCURRENT),
            Denied::Quota { state, reserved, .. } => {
                self.turn(state.month);
                prop_assert_eq!((state.used, state.held), (self.used, self.held));
                let least =
                    if ask.quota.shrink { ask.quota.output_limit.min(1) } else { ask.quota.output_limit };
                let least = ask.quota.tokens(least);
                prop_assert!(least > state.remaining(), "refused with tokens left");
                prop_assert_eq!(*reserved, least <= self.quota.saturating_sub(self.used));
            }
            Denied::Unseeded => prop_assert!(false, "it was seeded"),
        }
        Ok(())
    }

    /// Whoever was refused comes back a millisecond early and is refused again; then at the very moment that was
    /// told, of which `Retry-After` is the whole second after, and no window is in the way.
    fn come_back(&mut self) -> Result<(), TestCaseError> {
        let Some(Promise { ask, free_at, exact }) = self.promise.take() else { return Ok(()) };
        let free_at = free_at.timestamp_micros();
        let at_time = |model: &Self, us: i64| {
            let now = time(us);
            Ask { now, quota: QuotaAsk { month: model.month.max(Month::of(now)), ..ask.quota }, ..ask }
        };
        if exact && free_at - MS > self.now {
            let early = at_time(self, free_at - MS);
            prop_assert!(matches!(admit(&self.meter, &early), Err(Denied::Window { .. })), "let in early");
        }
        self.now = self.now.max(free_at);
        let number = (0..3).find(|number| self.key_id(*number) == ask.key).unwrap();
        let in_time = at_time(self, self.now);
        match admit(&self.meter, &in_time) {
            Ok(admission) => self.admitted(number, &in_time, admission),
            Err(Denied::Window { .. }) => {
                prop_assert!(false, "the promise was not kept");
                Ok(())
            }
            Err(other) => self.denied(number, &in_time, &other),
        }
    }

    fn running(&self, number: u32) -> u32 {
        u32::try_from(self.open.iter().filter(|(of, _)| *of == number).count()).unwrap()
    }

    fn turn(&mut self, month: Month) {
        if month > self.month {
            let (coming, used) = self.coming;
            (self.month, self.used, self.held) = (month, if coming == month { used } else { 0 }, 0);
        }
    }

    /// `None` gives everything back, and leaves no event.
    fn end(&mut self, which: usize, outcome: Option<Outcome>) -> Result<(), TestCaseError> {
        if self.open.is_empty() {
            return Ok(());
        }
        let (number, ticket) = self.open.swap_remove(which % self.open.len());
        let (then, month, held) = (ticket.time, ticket.month, ticket.held);
        let counts = outcome.is_some_and(|outcome| outcome.counts);
        if let Some(outcome) = outcome {
            self.record(number, then, month, outcome);
        }
        if month == self.month {
            self.held -= held;
            self.used += outcome.map_or(0, |outcome| outcome.used);
        }
        if !counts {
            self.forget(then, number);
        }
        match outcome {
            None => self.meter.release(ticket),
            Some(outcome) => {
                prop_assert_eq!(self.meter.settle(ticket, outcome), (self.used, self.held));
            }
        }
        Ok(())
    }

    fn record(&mut self, number: u32, then: Time, month: Month, outcome: Outcome) {
        let Scope { user, environment } = self.scope;
        let (key, counts) = (self.key_id(number), outcome.counts);
        self.disk.record(Recorded { user, key, environment, time: then, counts });
        *self.recorded.entry(month).or_default() += outcome.used;
    }

    fn forget(&mut self, then: Time, number: u32) {
        let then = then.timestamp_micros();
        let place = self.log.iter().position(|entry| *entry == (then, number)).unwrap();
        self.log.remove(place);
        if let Some(promise) = &mut self.promise {
            promise.exact = false;
        }
    }

    /// Another process counts on from what is on disk, and from nothing else.
    fn restart(&mut self, killed: bool, left: u8, behind_ms: i64) -> Result<(), TestCaseError> {
        for (place, (number, ticket)) in std::mem::take(&mut self.open).into_iter().enumerate() {
            if killed && left >> (place % 8) & 1 == 0 {
                self.forget(ticket.time, number);
            } else {
                let used = ticket.held / 2;
                self.record(number, ticket.time, ticket.month, Outcome { used, counts: true });
            }
        }
        (self.now, self.floor) = (self.now - behind_ms * MS, i64::MIN);
        *self.savers_clock.0.lock().unwrap() = time(self.now);
        self.meter = MemoryMeter::new();
        self.saver.restore(&self.meter).unwrap();
        if let Some(promise) = &mut self.promise {
            promise.exact = false;
        }
        let newest = self.log.iter().map(|(then, _)| then + (MS - then.rem_euclid(MS)) % MS).max();
        let ahead = newest.map_or(0, |newest| newest - self.now);
        self.was_far_ahead |= ahead > 60_000 * MS;
        if self.was_far_ahead && ahead > 0 {
            // It was this moment that the clock of before called the newest admission's.
            self.log.iter_mut().for_each(|(then, _)| *then -= ahead);
        }
        self.month = Month::of(time(self.now));
        let used = |month| self.recorded.get(&month).copied().unwrap_or(0);
        (self.used, self.held, self.coming) =
            (used(self.month), 0, (self.month.next(), used(self.month.next())));
        self.meter.seed(self.scope, self.month, self.used);
        self.meter.seed(self.scope, self.coming.0, self.coming.1);
        if self.was_far_ahead { Ok(()) } else { self.counts_what_the_log_says() }
    }

    /// Restored windows are those of the log: no more, and no bucket that only a dead process knew.
    fn counts_what_the_log_says(&self) -> Result<(), TestCaseError> {
        let nothing =
            QuotaAsk { month: self.month, limit: 0, prompt: 0, outputs: 0, output_limit: 0, shrink: false };
        for number in 0..3 {
            let mut windows = Windows::default();
            self.log.iter().filter(|(_, of)| *of == number).for_each(|(then, _)| windows.add(time(*then), 1));
            let checks = Checks([Check { user: None, key: Some(1_000) }; 3]);
            let ask = Ask { checks, ..self.ask(number, self.now, nothing) };
            let readings = read(&self.meter, &ask);
            // Whoever comes with an earlier time than the newest admission gets the latter's.
            let newest = self.log.iter().map(|(then, _)| then + (MS - then.rem_euclid(MS)) % MS).max();
            let now = newest.unwrap_or(i64::MIN).max(self.now);
            for (window, reading) in windows.all_mut().iter_mut().zip(readings) {
                prop_assert_eq!(reading.used, window.inside(time(now)));
                prop_assert_eq!(reading.resets_at, window.next_leaves());
            }
        }
        Ok(())
    }

    fn check_open(&self) -> Result<(), TestCaseError> {
        let open = u64::try_from(self.open.len()).unwrap();
        let of_month = self.open.iter().filter(|(_, ticket)| ticket.month == self.month);
        prop_assert_eq!(self.held, of_month.map(|(_, ticket)| ticket.held).sum::<u64>());
        prop_assert_eq!(self.meter.open(), (self.held, open));
        Ok(())
    }
}

#[expect(clippy::disallowed_methods, reason = "whoever runs the tests may ask for more of them")]
fn histories() -> u32 {
    std::env::var(HISTORIES).ok().and_then(|number| number.parse().ok()).unwrap_or(DEFAULT_HISTORIES)
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        // Numbers that need not be secret.
        rng_algorithm: RngAlgorithm::XorShift,
        ..ProptestConfig::with_cases(histories())
    })]

    /// Never more than N in any window's length, never more tokens held than there are, and every promise kept,
    /// whatever happens in which order, restarts included.
    #[test]
    fn windows_and_quota_agree_with_an_exact_log(
        limits in any::<u64>(),
        steps in prop::collection::vec(step(), 1..50),
    ) {
        let mut choices = Choices(limits);
        let mut model = Model::new(choices.limits(), choices.limits(), choices.quota());
        for step in &steps {
            model.step(step)?;
        }
        model.check_open()?;
        while !model.open.is_empty() {
            model.end(0, None)?;
        }
        prop_assert_eq!(model.held, 0);
    }
}
