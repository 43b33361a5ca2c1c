//! Turns at something of which there is a number, given in the order in which callers came.
//!
//! The pool wakes one of those who wait and lets whoever comes meanwhile take the connection. Where many go on
//! asking, some then wait until their patience ends although connections come free all the time.

use std::{sync::Arc, time::Instant};

use parking_lot::{Condvar, FairMutex, Mutex};

/// A number of turns.
pub struct Turns {
    /// Held by whoever is next.
    next: FairMutex<()>,
    free: Mutex<u32>,
    /// A turn ended.
    ended: Condvar,
}

/// Ends when dropped.
pub struct Turn {
    of: Arc<Turns>,
}

impl Turns {
    /// So many at once.
    pub fn new(number: u32) -> Arc<Self> {
        Arc::new(Self { next: FairMutex::new(()), free: Mutex::new(number), ended: Condvar::new() })
    }

    /// A turn; `None` where none comes until `deadline`.
    pub fn take(self: &Arc<Self>, deadline: Instant) -> Option<Turn> {
        let _next = self.next.try_lock_until(deadline)?;
        let mut free = self.free.lock();
        while *free == 0 {
            if self.ended.wait_until(&mut free, deadline).timed_out() && *free == 0 {
                return None;
            }
        }
        *free = free.saturating_sub(1);
        Some(Turn { of: Arc::clone(self) })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut free = self.of.free.lock();
        *free = free.saturating_add(1);
        // Only the one who is next waits for it.
        self.of.ended.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicU32, Ordering},
        thread,
        time::Duration,
    };

    use super::*;

    fn in_a_minute() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[test]
    fn whoever_waits_comes_before_whoever_comes_again() {
        let turns = Turns::new(1);
        let taken = Mutex::new(Vec::new());
        for round in 0..200 {
            let first = turns.take(in_a_minute()).unwrap();
            thread::scope(|scope| {
                scope.spawn(|| {
                    let _turn = turns.take(in_a_minute()).unwrap();
                    taken.lock().push("waited");
                });
                while !turns.next.is_locked() {
                    thread::yield_now();
                }
                drop(first);
                let _turn = turns.take(in_a_minute()).unwrap();
                taken.lock().push("came again");
            });
            assert_eq!(std::mem::take(&mut *taken.lock()), ["waited", "came again"], "round {round}");
        }
    }

    #[test]
    fn there_are_never_more_than_the_number_and_all_come_free_again() {
        let turns = Turns::new(3);
        let (now, most) = (AtomicU32::new(0), AtomicU32::new(0));
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let _turn = turns.take(in_a_minute()).unwrap();
                        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        thread::yield_now();
                        now.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert!((1..=3).contains(&most.into_inner()));
        assert_eq!(*turns.free.lock(), 3);
    }

    #[test]
    fn whoever_gives_up_holds_up_nobody() {
        let turns = Turns::new(1);
        let held = turns.take(in_a_minute()).unwrap();
        assert!(turns.take(Instant::now()).is_none());
        drop(held);
        assert!(turns.take(Instant::now()).is_some());
    }
}
