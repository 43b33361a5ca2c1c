//! An OpenID Connect issuer that can be told how to misbehave.

mod sign;

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use serde_json::{Value, json};

use crate::PATIENCE;

pub use sign::{SigningKey, hs256, parts, unsigned};

/// The path of its key set.
const KEYS: &str = "/keys";

/// An issuer with a port and a thread of its own. It publishes no key until told to.
pub struct PlayableIssuer {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    script: Mutex<Script>,
    changed: Condvar,
    is_over: AtomicBool,
}

#[derive(Default)]
struct Script {
    keys: Vec<Value>,
    /// In place of the discovery document: a status, a header line and a body.
    document: Option<Instead>,
    /// The same in place of the key set.
    key_set: Option<Instead>,
    is_held: bool,
    is_away: bool,
    documents: usize,
    key_sets: usize,
}

/// What is answered in place of a document: a status, a further header line, and a body.
pub type Instead = (u16, String, String);

impl PlayableIssuer {
    /// Starts one on a free port of the loopback address.
    ///
    /// # Panics
    /// Where there is no port or no thread to be had.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let shared = Arc::<Shared>::default();
        let served = Arc::clone(&shared);
        let serve = move || {
            for stream in listener.incoming() {
                if served.is_over.load(Ordering::Acquire) {
                    return;
                }
                let served = Arc::clone(&served);
                // Each its own, so that one that is held holds no other.
                thread::spawn(move || stream.map(|stream| answer(&stream, address, &served)));
            }
        };
        let thread =
            thread::Builder::new().name("playable-issuer".to_owned()).spawn(serve).expect("a thread");
        Self { address, shared, thread: Some(thread) }
    }

    /// Its identifier: `iss` of its tokens.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Publishes these keys, and no others.
    pub fn publish(&self, keys: &[&SigningKey]) {
        self.publish_raw(keys.iter().map(|key| key.jwk()).collect());
    }

    /// Publishes these keys as they stand here, and no others.
    pub fn publish_raw(&self, keys: Vec<Value>) {
        self.script().keys = keys;
    }

    /// Answers this in place of the discovery document; `None` ends that.
    pub fn answer_document(&self, instead: Option<Instead>) {
        self.script().document = instead;
    }

    /// Answers this in place of the key set; `None` ends that.
    pub fn answer_keys(&self, instead: Option<Instead>) {
        self.script().key_set = instead;
    }

    /// Drops connections without an answer, or ends that.
    pub fn set_away(&self, is_away: bool) {
        self.script().is_away = is_away;
    }

    /// Answers nothing until told otherwise.
    pub fn hold(&self, is_held: bool) {
        self.script().is_held = is_held;
        self.shared.changed.notify_all();
    }

    /// How often its discovery document was asked for, also while it was away.
    pub fn documents(&self) -> usize {
        self.script().documents
    }

    /// How often its keys were given.
    pub fn key_sets(&self) -> usize {
        self.script().key_sets
    }

    /// Waits until its discovery document was asked for so often.
    ///
    /// # Panics
    /// After [`PATIENCE`].
    pub fn await_documents(&self, count: usize) {
        self.await_count("documents", |script| script.documents >= count);
    }

    /// Waits until its keys were given so often.
    ///
    /// # Panics
    /// After [`PATIENCE`].
    pub fn await_key_sets(&self, count: usize) {
        self.await_count("key sets", |script| script.key_sets >= count);
    }

    fn await_count(&self, what: &str, enough: impl Fn(&Script) -> bool) {
        let waited =
            self.shared.changed.wait_timeout_while(self.script(), PATIENCE, |script| !enough(script));
        let (_script, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(!timeout.timed_out(), "too few {what}");
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.shared.script()
    }
}

impl Shared {
    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for PlayableIssuer {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Release);
        self.hold(false);
        // Wakes the thread, which waits for a connection.
        let woken = TcpStream::connect(self.address).is_ok();
        if let Some(thread) = self.thread.take().filter(|_| woken) {
            thread.join().unwrap_or_default();
        }
    }
}

/// Answers one request, and ends the connection.
fn answer(stream: &TcpStream, address: SocketAddr, shared: &Shared) {
    let Some(path) = path(stream) else { return };
    let mut script = shared.script();
    if path != KEYS {
        script.documents += 1;
        shared.changed.notify_all();
    }
    let held = shared.changed.wait_while(script, |script| script.is_held);
    let mut script = held.unwrap_or_else(PoisonError::into_inner);
    if script.is_away {
        return;
    }
    let (status, header, body) = if path == KEYS {
        script.key_sets += 1;
        let keys = json!({"keys": script.keys}).to_string();
        script.key_set.clone().unwrap_or((200, String::new(), keys))
    } else if path == "/.well-known/openid-configuration" {
        let url = format!("http://{address}");
        let document = json!({"issuer": url, "jwks_uri": format!("{url}{KEYS}")}).to_string();
        script.document.clone().unwrap_or((200, String::new(), document))
    } else {
        (404, String::new(), String::new())
    };
    drop(script);
    let head = format!(
        "HTTP/1.1 {status} -\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n",
        body.len()
    );
    let header = if header.is_empty() { header } else { header + "\r\n" };
    // Who does not wait for the answer misses nothing else.
    let mut stream = stream;
    drop(stream.write_all([&head, &header, "\r\n", &body].concat().as_bytes()));
    shared.changed.notify_all();
}

/// The path of a request, once its head was read.
fn path(stream: &TcpStream) -> Option<String> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next()?.ok()?;
    for line in lines {
        if line.ok()?.is_empty() {
            return first.split(' ').nth(1).map(str::to_owned);
        }
    }
    None
}
