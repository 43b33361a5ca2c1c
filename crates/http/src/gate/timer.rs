//! The worker's timer.

use std::time::Duration;

use actix_web::rt;
use futures::{FutureExt, future::LocalBoxFuture};
use tollgate_gate::Timer;

/// Time by the clock of the worker's own runtime.
pub struct WorkerTimer;

impl Timer for WorkerTimer {
    fn sleep(&self, time: Duration) -> LocalBoxFuture<'static, ()> {
        rt::time::sleep(time).boxed_local()
    }
}
