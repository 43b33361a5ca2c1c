//! Windows of many, in bounded memory.

use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
};

use super::{Window, WindowKind};
use crate::Time;

/// One sliding window for each of at most so many; whoever has not been counted for longest makes room.
#[derive(Debug)]
pub struct WindowTable<K> {
    kind: WindowKind,
    capacity: usize,
    windows: HashMap<K, (u64, Window)>,
    /// By when they were counted last.
    order: BTreeMap<u64, K>,
    turn: u64,
}

impl<K: Copy + Eq + Hash> WindowTable<K> {
    /// An empty table of windows of one kind, for at most `capacity`.
    pub fn new(kind: WindowKind, capacity: usize) -> Self {
        Self { kind, capacity, windows: HashMap::new(), order: BTreeMap::new(), turn: 0 }
    }

    /// Counts one more at `now` where fewer than `limit` lie inside the window; what is refused does not count.
    ///
    /// # Errors
    /// When one more will fit.
    pub fn admit(&mut self, key: K, limit: u64, now: Time) -> Result<(), Time> {
        match self.free_at(key, limit, now) {
            Some(free_at) => Err(free_at),
            None => {
                self.add(key, now);
                Ok(())
            }
        }
    }

    /// When one more will fit; `None` where it fits now.
    pub fn free_at(&mut self, key: K, limit: u64, now: Time) -> Option<Time> {
        let (_, window) = self.windows.get_mut(&key)?;
        if window.inside(now) < limit { None } else { window.free_at(limit) }
    }

    /// Counts one more at `now`.
    pub fn add(&mut self, key: K, now: Time) {
        self.turn = self.turn.saturating_add(1);
        let kind = self.kind;
        let (turn, window) = self.windows.entry(key).or_insert_with(|| (0, Window::new(kind)));
        self.order.remove(turn);
        *turn = self.turn;
        window.add(now, 1);
        self.order.insert(self.turn, key);
        while self.windows.len() > self.capacity {
            let Some((_, oldest)) = self.order.pop_first() else { break };
            self.windows.remove(&oldest);
        }
    }

    /// How many have a window.
    pub fn len(&self) -> usize {
        self.windows.len()
    }

    /// Whether nobody has.
    pub fn is_empty(&self) -> bool {
        self.windows.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn at(second: i64) -> Time {
        Time::UNIX_EPOCH + TimeDelta::seconds(1_000_000 + second)
    }

    #[test]
    fn so_many_fit_in_any_minute_and_each_has_an_own_one() {
        let mut table = WindowTable::new(WindowKind::Minute, 10);
        for second in 0..3 {
            table.admit("a", 3, at(second)).unwrap();
        }
        assert_eq!(table.admit("a", 3, at(30)), Err(at(60)));
        assert_eq!(table.free_at("a", 3, at(59)), Some(at(60)));
        table.admit("b", 3, at(30)).unwrap();
        // What was refused has not counted.
        table.admit("a", 3, at(60)).unwrap();
        assert_eq!(table.admit("a", 3, at(60)), Err(at(61)));
    }

    #[test]
    fn who_was_not_counted_for_longest_makes_room() {
        let mut table = WindowTable::new(WindowKind::Hour, 2);
        table.add(1, at(0));
        table.add(2, at(1));
        table.add(1, at(2));
        table.add(3, at(3));
        assert_eq!(table.len(), 2);
        assert_eq!(table.free_at(1, 2, at(4)).map(|free| free > at(4)), Some(true));
        assert_eq!(table.free_at(2, 1, at(4)), None, "forgotten");
        for key in 10..1_000 {
            table.add(key, at(5));
        }
        assert_eq!((table.len(), table.order.len()), (2, 2));
    }
}
