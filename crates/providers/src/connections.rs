//! Connections to one provider, kept for the next call. A worker has its own, so that no call waits for
//! another worker's.

use std::{
    collections::VecDeque,
    error::Error,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper::{
    body::Incoming,
    client::conn::http1::{SendRequest, handshake},
};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use tower_service::Service;

/// How long an unused connection is kept: shorter than what servers usually keep.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// How many unused connections are kept.
const MAX_IDLE: usize = 256;

type Sender = SendRequest<Full<Bytes>>;

/// A worker's connections to one provider.
pub struct Connections {
    connector: HttpsConnector<HttpConnector>,
    address: Uri,
    idle: Arc<Idle>,
}

/// Unused connections, the one used last behind.
#[derive(Default)]
struct Idle(Mutex<VecDeque<(Instant, Sender)>>);

/// A connection whose answer is being read. Told that it is [`Lease::done`], it serves again; dropped, it
/// ends.
pub struct Lease {
    sender: Sender,
    idle: Arc<Idle>,
}

/// Why a call got no answer.
#[derive(Debug)]
pub enum Failure {
    /// There is no connection.
    Connect(Box<dyn Error + Send + Sync>),
    /// It ended, or what came was no answer.
    Call(hyper::Error),
}

impl Connections {
    /// None yet to `address`.
    pub fn new(connector: HttpsConnector<HttpConnector>, address: Uri) -> Self {
        Self { connector, address, idle: Arc::default() }
    }

    /// Sends `request`, whose target is a path, on a connection that is there, else on a new one. One that
    /// turns out to have ended before the request was written is passed over.
    ///
    /// # Errors
    /// [`Failure`] says why there is no answer.
    pub async fn call(
        &self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<(Response<Incoming>, Lease), Failure> {
        while let Some(mut sender) = self.idle.take() {
            if sender.ready().await.is_err() {
                continue;
            }
            match sender.try_send_request(request).await {
                Ok(response) => return Ok((response, self.lease(sender))),
                Err(mut unsent) => match unsent.take_message() {
                    Some(message) => request = message,
                    None => return Err(Failure::Call(unsent.into_error())),
                },
            }
        }
        let mut sender = self.connect().await?;
        let response = sender.send_request(request).await.map_err(Failure::Call)?;
        Ok((response, self.lease(sender)))
    }

    async fn connect(&self) -> Result<Sender, Failure> {
        let stream = self.connector.clone().call(self.address.clone()).await.map_err(Failure::Connect)?;
        let (sender, connection) = handshake(stream).await.map_err(Failure::Call)?;
        // Why a connection ended is told to the call that it ended, and otherwise nobody's concern.
        drop(tokio::spawn(async { connection.await.unwrap_or_default() }));
        Ok(sender)
    }

    fn lease(&self, sender: Sender) -> Lease {
        Lease { sender, idle: Arc::clone(&self.idle) }
    }
}

impl Lease {
    /// The answer was read to its end.
    pub fn done(self) {
        if !self.sender.is_closed() {
            self.idle.put(self.sender);
        }
    }
}

impl Idle {
    fn take(&self) -> Option<Sender> {
        let mut idle = self.lock();
        let (since, sender) = idle.pop_back()?;
        if since.elapsed() < IDLE_TIMEOUT {
            return Some(sender);
        }
        // All before it have been unused for longer.
        idle.clear();
        None
    }

    fn put(&self, sender: Sender) {
        let mut idle = self.lock();
        while idle.len() >= MAX_IDLE || idle.front().is_some_and(|(since, _)| since.elapsed() >= IDLE_TIMEOUT)
        {
            idle.pop_front();
        }
        idle.push_back((Instant::now(), sender));
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(Instant, Sender)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
