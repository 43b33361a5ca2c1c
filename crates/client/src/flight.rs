//! Questions under way, so that like ones become one.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures::{
    FutureExt,
    future::{BoxFuture, Shared, WeakShared},
};

use crate::{cache::Key, wire::Answer};

/// A question under way. It goes on as long as somebody waits for it, whoever asked first.
pub(crate) type Flight = Shared<BoxFuture<'static, Answer>>;

/// The questions under way. As many as callers wait for: each takes itself off when it ends, or when nobody waits
/// any more.
#[derive(Default)]
pub(crate) struct Flights(Mutex<Board>);

#[derive(Default)]
struct Board {
    flights: HashMap<Key, Entry>,
    departed: u64,
}

struct Entry {
    number: u64,
    since: Instant,
    flight: WeakShared<BoxFuture<'static, Answer>>,
}

impl Flights {
    /// Joins the like question that is under way for less than `young`, or starts one. What is older is left to
    /// those who wait for it: its answer may be too old for who asks now.
    pub(crate) fn join(
        self: &Arc<Self>,
        key: Key,
        now: Instant,
        young: Duration,
        start: impl FnOnce() -> BoxFuture<'static, Answer>,
    ) -> Flight {
        let mut board = self.lock();
        if let Some(entry) = board.flights.get(&key)
            && now.saturating_duration_since(entry.since) < young
            && let Some(flight) = entry.flight.upgrade()
        {
            return flight;
        }
        board.departed = board.departed.wrapping_add(1);
        let number = board.departed;
        let landing = Landing { flights: Arc::clone(self), key, number };
        let going = start();
        let flight = async move {
            let _landing = landing;
            going.await
        }
        .boxed()
        .shared();
        if let Some(weak) = flight.downgrade() {
            board.flights.insert(key, Entry { number, since: now, flight: weak });
        }
        flight
    }

    fn lock(&self) -> MutexGuard<'_, Board> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a question off the board when it is dropped.
struct Landing {
    flights: Arc<Flights>,
    key: Key,
    number: u64,
}

impl Drop for Landing {
    fn drop(&mut self) {
        let mut board = self.flights.lock();
        if board.flights.get(&self.key).is_some_and(|entry| entry.number == self.number) {
            board.flights.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::{channel::oneshot, poll};

    use super::*;
    use crate::denied::{Denied, Unavailable};

    const KEY: Key = [1; 32];
    const YOUNG: Duration = Duration::from_secs(1);

    fn busy() -> Answer {
        Err(Denied::Unavailable(Unavailable::Busy))
    }

    /// A question that ends when it is told to.
    fn held(flights: &Arc<Flights>, now: Instant) -> (Flight, oneshot::Sender<()>) {
        let (release, released) = oneshot::channel();
        let start = || released.map(|_| busy()).boxed();
        (flights.join(KEY, now, YOUNG, start), release)
    }

    fn join(flights: &Arc<Flights>, now: Instant) -> Flight {
        flights.join(KEY, now, YOUNG, || panic!("it was under way"))
    }

    fn waiting(flights: &Flights) -> usize {
        flights.lock().flights.len()
    }

    #[tokio::test]
    async fn like_questions_are_one() {
        let (flights, now) = (Arc::new(Flights::default()), Instant::now());
        let (first, release) = held(&flights, now);
        let second = join(&flights, now + YOUNG / 2);
        release.send(()).unwrap();
        assert_eq!(futures::join!(first, second), (busy(), busy()));
        assert_eq!(waiting(&flights), 0);
    }

    #[tokio::test]
    async fn another_question_and_an_old_one_are_not_joined() {
        let (flights, now) = (Arc::new(Flights::default()), Instant::now());
        let (old, release_old) = held(&flights, now);
        let (other, _release) = {
            let (release, released) = oneshot::channel::<()>();
            (flights.join([2; 32], now, YOUNG, || released.map(|_| busy()).boxed()), release)
        };
        assert!(!other.ptr_eq(&old));
        let (fresh, _fresh) = held(&flights, now + YOUNG);
        assert!(!fresh.ptr_eq(&old));
        // The old one takes nothing but itself away.
        release_old.send(()).unwrap();
        assert_eq!(old.await, busy());
        assert!(join(&flights, now + YOUNG).ptr_eq(&fresh));
        assert_eq!(waiting(&flights), 2);
    }

    #[tokio::test]
    async fn who_asked_first_may_go_and_who_asked_last_too() {
        let (flights, now) = (Arc::new(Flights::default()), Instant::now());
        let (mut first, release) = held(&flights, now);
        let second = join(&flights, now);
        assert!(poll!(&mut first).is_pending());
        drop(first);
        assert_eq!(waiting(&flights), 1);
        release.send(()).unwrap();
        assert_eq!(second.await, busy());
        assert_eq!(waiting(&flights), 0);

        let (third, release) = held(&flights, now);
        drop(third);
        assert!(release.is_canceled(), "nobody waits: the question is given up");
        assert_eq!(waiting(&flights), 0);
    }
}
