//! One user's counters: windows, the quota of the running month, and those of each key.

use std::{cmp::Reverse, collections::HashMap};

use tollgate_domain::{
    KeyId, Month, Time,
    limit::Check,
    quota::QuotaState,
    window::{Window, WindowKind, Windows},
};

use crate::{Admission, Ask, Denied, Outcome, QuotaAsk, Reading, Readings, Ticket};

#[derive(Default)]
pub struct Account {
    windows: Windows,
    keys: HashMap<KeyId, Key>,
    /// `None` until told what was used before this process knew the user.
    quota: Option<Quota>,
    /// What was used of a month to come, by a clock that was ahead.
    coming: Option<(Month, u64)>,
    /// The latest time at which the windows were looked at, and so what had left by then was let go. No
    /// admission after that is given an earlier time, at which it would still have been inside.
    latest: Option<Time>,
    /// The newest admission of earlier processes, until the windows are first looked at.
    restored: Option<Time>,
}

#[derive(Default)]
struct Key {
    windows: Windows,
    running: u32,
}

struct Quota {
    month: Month,
    used: u64,
    held: u64,
}

impl Account {
    pub fn seed(&mut self, month: Month, used: u64) {
        let quota = self.quota.get_or_insert(Quota { month, used, held: 0 });
        if quota.month < month {
            self.coming.get_or_insert((month, used));
        }
    }

    /// What was used of a month that has not begun here.
    fn used_of_coming(&self, month: Month) -> u64 {
        self.coming.filter(|(coming, _)| *coming == month).map_or(0, |(_, used)| used)
    }

    pub fn count(&mut self, key: KeyId, time: Time) {
        self.windows.add(time, 1);
        self.keys.entry(key).or_default().windows.add(time, 1);
    }

    pub fn restore(&mut self, key: KeyId, windows: &Windows) {
        self.windows.merge(windows);
        self.keys.entry(key).or_default().windows.merge(windows);
        self.restored = self.restored.max(windows.newest());
    }

    pub fn open(&self) -> (u64, u64) {
        let running = self.keys.values().map(|key| u64::from(key.running)).sum();
        (self.quota.as_ref().map_or(0, |quota| quota.held), running)
    }

    pub fn read(&mut self, ask: &Ask) -> Readings {
        let now = self.no_earlier(ask.now);
        let key = self.keys.entry(ask.key).or_default();
        let (users, keys) = (self.windows.all_mut(), key.windows.all_mut());
        let read = |place: usize| {
            let check = ask.checks.0[place];
            reading(WindowKind::ALL[place], check, &mut users[place], &mut keys[place], now)
        };
        [0, 1, 2].map(read)
    }

    /// How the quota stands for whoever asks; of a month that has not begun here nothing is held.
    pub fn quota(&self, ask: &QuotaAsk) -> Option<QuotaState> {
        let quota = self.quota.as_ref()?;
        let has_begun = quota.month >= ask.month;
        let (used, held) =
            if has_begun { (quota.used, quota.held) } else { (self.used_of_coming(ask.month), 0) };
        Some(QuotaState { limit: ask.limit, used, held, month: quota.month.max(ask.month) })
    }

    pub fn admit(&mut self, ask: &Ask) -> Result<Admission, Denied> {
        let now = self.no_earlier(ask.now);
        let ask = &Ask { now, ..*ask };
        let readings = self.read(ask);
        if readings.iter().any(|reading| reading.remaining() == 0) {
            return Err(Denied::Window { readings, free_at: self.free_at(ask) });
        }
        let key = self.keys.entry(ask.key).or_default();
        if let Some(limit) = ask.max_concurrent.filter(|limit| key.running >= *limit) {
            return Err(Denied::Concurrency { readings, limit });
        }
        let (quota, output_limit) = self.hold(&ask.quota, readings)?;
        self.count(ask.key, now);
        let key = self.keys.entry(ask.key).or_default();
        key.running = key.running.saturating_add(1);
        let ticket = Ticket {
            scope: ask.scope,
            key: ask.key,
            time: now,
            month: quota.month,
            held: ask.quota.tokens(output_limit),
        };
        Ok(Admission { ticket, readings: self.read(ask), quota, output_limit })
    }

    /// Takes the tokens asked for, with as small an output limit as needed where that may be. A month that
    /// is over takes nothing any more: who asks for one is late, and gets the running month's.
    fn hold(&mut self, ask: &QuotaAsk, readings: Readings) -> Result<(QuotaState, u64), Denied> {
        let used = self.used_of_coming(ask.month);
        let quota = self.quota.as_mut().ok_or(Denied::Unseeded)?;
        if quota.month < ask.month {
            // Holds of the month before are settled against it and leave nothing here.
            *quota = Quota { month: ask.month, used, held: 0 };
        }
        let state = |quota: &Quota| QuotaState {
            limit: ask.limit,
            used: quota.used,
            held: quota.held,
            month: quota.month,
        };
        let fitting = |left: u64| {
            let most = left.checked_sub(ask.prompt)?.checked_div(ask.outputs).unwrap_or(ask.output_limit);
            let granted = most.min(ask.output_limit);
            let whole = granted == ask.output_limit;
            (whole || (ask.shrink && granted > 0)).then_some(granted)
        };
        match fitting(state(quota).remaining()) {
            Some(granted) => {
                quota.held = quota.held.saturating_add(ask.tokens(granted));
                Ok((state(quota), granted))
            }
            None => {
                let reserved = fitting(ask.limit.saturating_sub(quota.used)).is_some();
                Err(Denied::Quota { readings, state: state(quota), reserved })
            }
        }
    }

    /// Swaps the hold for what was used; gives what is used and held now.
    pub fn settle(&mut self, ticket: &Ticket, outcome: Outcome) -> (u64, u64) {
        let key = self.keys.entry(ticket.key).or_default();
        key.running = key.running.saturating_sub(1);
        if !outcome.counts {
            key.windows.take_back(ticket.time);
            self.windows.take_back(ticket.time);
        }
        match self.quota.as_mut() {
            Some(quota) if quota.month == ticket.month => {
                quota.held = quota.held.saturating_sub(ticket.held);
                quota.used = quota.used.saturating_add(outcome.used);
                (quota.used, quota.held)
            }
            Some(quota) => (quota.used, quota.held),
            None => (0, 0),
        }
    }

    fn no_earlier(&mut self, now: Time) -> Time {
        // Of a clock that is a little behind that of an earlier process, admissions are given the latter's time,
        // until it is reached.
        self.latest = self.latest.max(self.restored.take());
        *self.latest.insert(self.latest.map_or(now, |latest| latest.max(now)))
    }

    fn free_at(&mut self, ask: &Ask) -> Time {
        let key = self.keys.entry(ask.key).or_default();
        let free = |window: &Window, limit: Option<u64>| limit.and_then(|limit| window.free_at(limit));
        let users = self.windows.all_mut().iter().zip(&ask.checks.0).filter_map(|(w, c)| free(w, c.user));
        let keys = key.windows.all_mut().iter().zip(&ask.checks.0).filter_map(|(w, c)| free(w, c.key));
        users.chain(keys).max().unwrap_or(ask.now)
    }
}

/// How a window stands against whichever limit leaves less; where both leave the same, whichever does so for longer.
fn reading(kind: WindowKind, check: Check, user: &mut Window, key: &mut Window, now: Time) -> Reading {
    let of = |window: &mut Window, limit: u64| Reading {
        window: kind,
        limit,
        used: window.inside(now),
        // Of more than the limit, several must leave before there is room for another.
        resets_at: window.free_at(limit).or_else(|| window.next_leaves()),
    };
    // Both are brought up to `now`, so that `free_at` speaks of the same moment.
    let users = check.user.map(|limit| of(user, limit));
    let keys = check.key.map(|limit| of(key, limit));
    match (users, keys) {
        (Some(user), Some(key)) => {
            let leaves = |of: &Reading| (of.remaining(), Reverse(of.resets_at));
            if leaves(&key) < leaves(&user) { key } else { user }
        }
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => of(user, u64::MAX),
    }
}
