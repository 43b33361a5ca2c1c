//! A model provider that can be told how to misbehave.

mod answer;
mod control;
mod request;
mod server;

use std::{
    collections::VecDeque,
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
};

use serde::Serialize;
use serde_json::Value;
use tokio::sync::{Semaphore, oneshot, watch};

use crate::{Play, patience::until};

/// A request as it arrived.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recorded {
    /// `POST`.
    pub method: String,
    /// With the version path and the query, such as `/v1/chat/completions`.
    pub path: String,
    /// In their order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, where it is JSON; else `null`.
    pub body: Value,
}

impl Recorded {
    /// The first header of this name (in lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// A provider with a port and a thread of its own; dropping it closes every connection.
///
/// It answers `POST …/chat/completions` and `…/completions` in OpenAI's shape, whole or streamed, and
/// `GET …/models`. For other processes it has `POST /__play`, `POST /__release`, `GET /__requests` (see
/// `examples/playable_provider.rs`).
pub struct PlayableProvider {
    shared: Arc<Shared>,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What the handle and the connections share.
struct Shared {
    script: Mutex<Script>,
    released: Semaphore,
    counts: watch::Sender<Counts>,
}

#[derive(Default)]
struct Script {
    default: Play,
    queue: VecDeque<Play>,
    requests: Vec<Recorded>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    connections: usize,
    requests: usize,
    answered: usize,
    hang_ups: usize,
}

impl Shared {
    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PlayableProvider {
    /// Starts one on a free port of the loopback address.
    ///
    /// # Panics
    /// Where there is no port or no thread to be had; so below.
    pub fn start() -> Self {
        Self::start_on(0)
    }

    /// Starts one on this port; 0 takes a free one.
    ///
    /// # Panics
    /// Where the port is taken.
    pub fn start_on(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let shared = Arc::new(Shared {
            script: Mutex::default(),
            released: Semaphore::new(0),
            counts: watch::Sender::new(Counts::default()),
        });
        let (stop, stopped) = oneshot::channel();
        let served = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("playable-provider".to_owned())
            .spawn(move || server::run(listener, &served, stopped))
            .expect("a thread");
        Self { shared, address, stop: Some(stop), thread: Some(thread) }
    }

    /// Its address.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base URL for clients of OpenAI: `http://127.0.0.1:PORT/v1`.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// How requests are answered for which nothing is queued.
    pub fn set_default(&self, play: Play) {
        self.shared.script().default = play;
    }

    /// How the next request is answered for which nothing is queued yet.
    pub fn queue(&self, play: Play) {
        self.shared.script().queue.push_back(play);
    }

    /// What has arrived so far.
    pub fn requests(&self) -> Vec<Recorded> {
        self.shared.script().requests.clone()
    }

    /// The latest request.
    ///
    /// # Panics
    /// Where there was none.
    pub fn last_request(&self) -> Recorded {
        self.requests().pop().expect("a request has arrived")
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> usize {
        self.shared.counts.borrow().connections
    }

    /// Answers that the peer did not wait for.
    pub fn hang_ups(&self) -> usize {
        self.shared.counts.borrow().hang_ups
    }

    /// Lets `answers` held answers begin, or those that come to be held later.
    pub fn release(&self, answers: usize) {
        self.shared.released.add_permits(answers);
    }

    /// Waits until `requests` requests have arrived, since the start and in all.
    ///
    /// # Panics
    /// After [`PATIENCE`](crate::PATIENCE); so below.
    pub async fn await_requests(&self, requests: usize) {
        until(self.shared.counts.subscribe(), "requests", |counts| counts.requests >= requests).await;
    }

    /// Waits until `answers` answers have been sent to their end.
    ///
    /// # Panics
    /// After [`PATIENCE`](crate::PATIENCE).
    pub async fn await_answered(&self, answers: usize) {
        until(self.shared.counts.subscribe(), "answers", |counts| counts.answered >= answers).await;
    }

    /// Waits until the peer has hung up on `answers` answers.
    ///
    /// # Panics
    /// After [`PATIENCE`](crate::PATIENCE).
    pub async fn await_hang_ups(&self, answers: usize) {
        until(self.shared.counts.subscribe(), "hang-ups", |counts| counts.hang_ups >= answers).await;
    }

    /// Serves until the process ends.
    ///
    /// # Panics
    /// Where the serving thread has panicked.
    pub fn serve_forever(mut self) {
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the provider's thread");
        }
    }
}

impl Drop for PlayableProvider {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed; a second one here would only hide the test's own.
            drop(thread.join());
        }
    }
}

#[cfg(test)]
mod tests;
