//! Waiting for a condition, with an end.

use std::time::Duration;

use tokio::{sync::watch, time::timeout};

/// How long anything here is waited for before the test fails: long enough for a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until `reached` holds of the watched value.
pub async fn until<T>(mut watched: watch::Receiver<T>, what: &str, reached: impl FnMut(&T) -> bool) {
    match timeout(PATIENCE, watched.wait_for(reached)).await {
        Ok(Ok(_)) => {}
        Ok(Err(_closed)) => panic!("waited for {what}, but nothing can change any more"),
        Err(_elapsed) => panic!("waited {PATIENCE:?} for {what}"),
    }
}
