use std::{
    sync::atomic::{AtomicU32, Ordering},
    thread,
};

use super::*;

/// What every method here does: counts that it was really done.
fn wrapped() -> (Faulty, Arc<Wrapped<AtomicU32>>) {
    let faulty = Faulty {
        shared: Arc::new(Shared {
            state: Mutex::default(),
            released: Condvar::new(),
            hanging: watch::Sender::new(0),
        }),
    };
    let store = faulty.around(&Arc::new(AtomicU32::new(0)));
    (faulty, store)
}

fn call(store: &Wrapped<AtomicU32>, method: &'static str) -> Result<u32, StoreError> {
    store.call(method, |done| Ok(done.fetch_add(1, Ordering::SeqCst) + 1))
}

#[test]
fn before_and_after_the_commit_differ_in_what_was_done() {
    let (faulty, store) = wrapped();
    faulty.inject_times("keys.create", Fault::FailBefore, 1);
    assert!(matches!(call(&store, "keys.create"), Err(StoreError::Unavailable(_))));
    assert_eq!(store.inner.load(Ordering::SeqCst), 0);
    faulty.inject_times("keys.create", Fault::FailAfter, 1);
    assert!(matches!(call(&store, "keys.create"), Err(StoreError::Unavailable(_))));
    assert_eq!(store.inner.load(Ordering::SeqCst), 1);
    faulty.inject_times("keys.create", Fault::Reject, 1);
    assert!(matches!(call(&store, "keys.create"), Err(StoreError::Rejected(_))));
    assert_eq!(call(&store, "keys.create").unwrap(), 2);
    assert_eq!(faulty.calls("keys.create"), 4);
}

#[test]
fn only_the_named_methods_fail_until_cleared() {
    let (faulty, store) = wrapped();
    faulty.inject("keys.*", Fault::FailBefore);
    for _ in 0..3 {
        assert!(call(&store, "keys.by_hash").is_err());
    }
    assert!(call(&store, "users.by_id").is_ok());
    faulty.clear();
    assert!(call(&store, "keys.by_hash").is_ok());
    faulty.inject("*", Fault::FailBefore);
    assert!(call(&store, "users.by_id").is_err());
}

#[tokio::test]
async fn what_hangs_goes_on_when_released() {
    let (faulty, store) = wrapped();
    faulty.inject("events.append", Fault::Hang);
    let calls: Vec<_> = (0..2)
        .map(|_| {
            let store = Arc::clone(&store);
            thread::spawn(move || call(&store, "events.append").is_ok())
        })
        .collect();
    faulty.await_hanging(2).await;
    assert_eq!(store.inner.load(Ordering::SeqCst), 0);
    faulty.release();
    assert!(calls.into_iter().all(|call| call.join().unwrap()));
    assert_eq!(store.inner.load(Ordering::SeqCst), 2);
}

#[test]
#[should_panic(expected = "no store has methods like")]
fn a_misspelt_method_fails_the_test() {
    wrapped().0.inject("keys.by_hahs", Fault::Hang);
}
