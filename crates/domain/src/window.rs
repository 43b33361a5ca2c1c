//! Sliding windows of requests, exact to a bucket's width on the late side and never wrong on the other.
//!
//! A window is a queue of buckets. A bucket is the UTC second (minute window), minute (hour) or
//! quarter-hour (day) of admission; it holds the count and the latest admission, and leaves when
//! that admission is a full window old. So never more than N requests lie in any window's length,
//! and one leaves at most a bucket's width late. Adding is commutative: a replay in any order gives
//! the same window.

mod bytes;
mod table;

use std::collections::VecDeque;

use chrono::TimeDelta;

use crate::Time;
pub use bytes::NotWindows;
pub use table::WindowTable;

/// One of the three windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WindowKind {
    /// 60 seconds.
    Minute,
    /// 3,600 seconds.
    Hour,
    /// 86,400 seconds.
    Day,
}

impl WindowKind {
    /// Every window, the shortest first.
    pub const ALL: [Self; 3] = [Self::Minute, Self::Hour, Self::Day];

    /// The window's length in milliseconds.
    pub const fn length_ms(self) -> i64 {
        match self {
            Self::Minute => 60_000,
            Self::Hour => 3_600_000,
            Self::Day => 86_400_000,
        }
    }

    /// The most buckets in which admissions of one window's length can lie.
    const fn max_buckets(self) -> i64 {
        self.length_ms().wrapping_div(self.bucket_ms()).saturating_add(1)
    }

    /// The width of its buckets in milliseconds.
    pub const fn bucket_ms(self) -> i64 {
        match self {
            Self::Minute => 1_000,
            Self::Hour => 60_000,
            Self::Day => 900_000,
        }
    }
}

/// How far ahead of the present time an admission may lie: where a clock was set back between two processes by no
/// more, the earlier one's times are kept.
const MAX_AHEAD: TimeDelta = TimeDelta::minutes(1);

/// Bits of a bucket that hold the latest admission: milliseconds since the bucket's start, up to 900,000.
const LATEST_BITS: u32 = 20;
/// The most that a bucket counts; beyond it stays there (no limit is that high).
const MAX_COUNT: u64 = (1 << (64 - LATEST_BITS)) - 1;

/// A count and the latest admission in 8 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Bucket(u64);

impl Bucket {
    const fn count(self) -> u64 {
        self.0 >> LATEST_BITS
    }

    const fn latest_ms(self) -> i64 {
        (self.0 & ((1 << LATEST_BITS) - 1)).cast_signed()
    }

    const fn remove_one(&mut self) {
        self.0 = self.0.saturating_sub(1 << LATEST_BITS);
    }

    fn add(&mut self, count: u64, latest_ms: i64) {
        let count = self.count().saturating_add(count).min(MAX_COUNT);
        let latest = self.latest_ms().max(latest_ms).cast_unsigned();
        self.0 = (count << LATEST_BITS) | latest;
    }
}

/// One sliding window of requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    kind: WindowKind,
    /// The number of the first bucket: milliseconds since 1970 over the bucket's width.
    head: i64,
    /// From the head on, without gaps; the first one and the last are never empty.
    buckets: VecDeque<Bucket>,
    total: u64,
}

impl Window {
    /// An empty window.
    pub const fn new(kind: WindowKind) -> Self {
        Self { kind, head: 0, buckets: VecDeque::new(), total: 0 }
    }

    /// Counts `count` requests admitted at `time`, which need not be the latest. What is a full window
    /// and a bucket older than the newest admission is dropped: no later count can find it inside.
    pub fn add(&mut self, time: Time, count: u64) {
        if count == 0 {
            return;
        }
        let ms = ceil_ms(time);
        let number = ms.div_euclid(self.kind.bucket_ms());
        let tail = self.head.saturating_add(i64::try_from(self.buckets.len()).unwrap_or(0)).saturating_sub(1);
        if !self.buckets.is_empty() && number.saturating_add(self.kind.max_buckets()) <= tail {
            return;
        }
        let at = self.make_room(number);
        if let Some(bucket) = self.buckets.get_mut(at) {
            bucket.add(count, ms.rem_euclid(self.kind.bucket_ms()));
        }
        self.total = self.total.saturating_add(count);
        self.drop_before(number.saturating_sub(self.kind.max_buckets()).saturating_add(1));
    }

    /// Takes one request admitted at `time` back, as if it had never been; the bucket's latest admission
    /// stays, so others may leave a bucket's width late but never early.
    pub fn take_back(&mut self, time: Time) {
        let number = ceil_ms(time).div_euclid(self.kind.bucket_ms());
        let at = usize::try_from(number.saturating_sub(self.head)).ok();
        let Some(bucket) = at.and_then(|at| self.buckets.get_mut(at)).filter(|bucket| bucket.count() > 0)
        else {
            return;
        };
        bucket.remove_one();
        self.total = self.total.saturating_sub(1);
        while self.buckets.back().is_some_and(|bucket| bucket.count() == 0) {
            self.buckets.pop_back();
        }
        self.drop_before(self.head);
    }

    /// Drops what lies before bucket `number`, and empty buckets at the head.
    fn drop_before(&mut self, number: i64) {
        while let Some(bucket) = self.buckets.front().copied() {
            if bucket.count() > 0 && self.head >= number {
                break;
            }
            self.buckets.pop_front();
            self.head = self.head.saturating_add(1);
            self.total = self.total.saturating_sub(bucket.count());
        }
    }

    /// The index of bucket `number`, made if it is not there.
    fn make_room(&mut self, number: i64) -> usize {
        let behind = self.head.saturating_add(i64::try_from(self.buckets.len()).unwrap_or(0));
        if self.buckets.is_empty() || number >= behind.saturating_add(self.kind.max_buckets()) {
            self.buckets.clear();
            self.total = 0;
            self.head = number;
        }
        while number < self.head {
            self.buckets.push_front(Bucket::default());
            self.head = self.head.saturating_sub(1);
        }
        let at = usize::try_from(number.saturating_sub(self.head)).unwrap_or(0);
        while self.buckets.len() <= at {
            self.buckets.push_back(Bucket::default());
        }
        at
    }

    /// How many requests lie inside the window that ends at `now`; drops what lies before it.
    pub fn inside(&mut self, now: Time) -> u64 {
        let now_ms = now.timestamp_millis();
        while let Some(bucket) = self.buckets.front().copied() {
            let leaves = self.leaves_ms(self.head, bucket);
            if bucket.count() > 0 && leaves > now_ms {
                break;
            }
            self.buckets.pop_front();
            self.head = self.head.saturating_add(1);
            self.total = self.total.saturating_sub(bucket.count());
        }
        self.total
    }

    /// When the count next falls: the head bucket's latest request plus the window. `None` when empty.
    pub fn next_leaves(&self) -> Option<Time> {
        self.buckets.front().and_then(|bucket| to_time(self.leaves_ms(self.head, *bucket)))
    }

    /// When fewer than `limit` requests will be inside if none is admitted meanwhile. `None` when fewer
    /// are inside already, as [`Window::inside`] last found.
    pub fn free_at(&self, limit: u64) -> Option<Time> {
        let mut left = self.total;
        let mut number = self.head;
        for bucket in &self.buckets {
            if left < limit {
                return None;
            }
            left = left.saturating_sub(bucket.count());
            if left < limit {
                return to_time(self.leaves_ms(number, *bucket));
            }
            number = number.saturating_add(1);
        }
        None
    }

    /// What the window holds, a bucket each: the latest admission and the count. Adding these to an empty
    /// window gives this one again.
    pub fn entries(&self) -> impl Iterator<Item = (Time, u64)> {
        let width = self.kind.bucket_ms();
        (self.head..).zip(&self.buckets).filter(|(_, bucket)| bucket.count() > 0).filter_map(
            move |(number, bucket)| {
                let ms = number.saturating_mul(width).saturating_add(bucket.latest_ms());
                to_time(ms).map(|time| (time, bucket.count()))
            },
        )
    }

    const fn leaves_ms(&self, number: i64, bucket: Bucket) -> i64 {
        number
            .saturating_mul(self.kind.bucket_ms())
            .saturating_add(bucket.latest_ms())
            .saturating_add(self.kind.length_ms())
    }
}

/// Milliseconds since 1970, rounded up: a request never leaves before its window is full.
fn ceil_ms(time: Time) -> i64 {
    time.checked_add_signed(TimeDelta::microseconds(999)).unwrap_or(time).timestamp_millis()
}

/// Whether `time` was told by a clock that was more than a minute ahead of `now`.
pub fn is_far_ahead(time: Time, now: Time) -> bool {
    time.signed_duration_since(now) > MAX_AHEAD
}

fn to_time(ms: i64) -> Option<Time> {
    Time::from_timestamp_millis(ms)
}

/// The three windows of a user or a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Windows([Window; 3]);

impl Windows {
    /// Counts `count` requests admitted at `time` in all three.
    pub fn add(&mut self, time: Time, count: u64) {
        for window in &mut self.0 {
            window.add(time, count);
        }
    }

    /// Counts what `other` counted too: the same as adding each of its admissions.
    pub fn merge(&mut self, other: &Self) {
        for (own, others) in self.0.iter_mut().zip(&other.0) {
            if own.buckets.is_empty() {
                own.clone_from(others);
                continue;
            }
            for (time, count) in others.entries() {
                own.add(time, count);
            }
        }
    }

    /// The newest admission that lies in any of them, rounded up to the millisecond; `None` when there is
    /// none.
    pub fn newest(&self) -> Option<Time> {
        self.0.iter().filter_map(|window| window.entries().last()).map(|(time, _)| time).max()
    }

    /// Whether something was admitted by a clock that was more than a minute ahead of `now`.
    pub fn are_far_ahead(&self, now: Time) -> bool {
        self.newest().is_some_and(|newest| is_far_ahead(newest, now))
    }

    /// Counts what was admitted after `now`, by a clock that was ahead, as admitted at `now`. Else nothing that
    /// is admitted from now on would count until the clock has caught up: it would lie too far behind.
    pub fn pull_back(&mut self, now: Time) {
        for window in &mut self.0 {
            let mut pulled = Window::new(window.kind);
            window.entries().for_each(|(time, count)| pulled.add(time.min(now), count));
            *window = pulled;
        }
    }

    /// Takes one request admitted at `time` back from all three.
    pub fn take_back(&mut self, time: Time) {
        for window in &mut self.0 {
            window.take_back(time);
        }
    }

    /// The three, in the order of [`WindowKind::ALL`].
    pub const fn all_mut(&mut self) -> &mut [Window; 3] {
        &mut self.0
    }

    /// Whether nothing lies inside any window at `now`.
    pub fn is_empty(&mut self, now: Time) -> bool {
        self.0.iter_mut().all(|window| window.inside(now) == 0)
    }
}

impl Default for Windows {
    fn default() -> Self {
        Self(WindowKind::ALL.map(Window::new))
    }
}

#[cfg(test)]
mod tests;
