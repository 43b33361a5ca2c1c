//! A Tollgate that answers as it is told, and remembers what it was asked.

use std::{
    io::{BufRead, BufReader, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread::{self, JoinHandle},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::net::TcpSocket;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(30);

/// What it does with a question.
#[derive(Clone)]
pub enum Reply {
    /// This status and body.
    Json(u16, Value),
    /// These bytes, then the end of the connection.
    Bytes(Vec<u8>),
    /// Nothing, until it is released; then the body with status 200.
    Held(Value),
    /// The end of the connection.
    Close,
}

/// A question as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Method and path.
    pub line: String,
    /// In their order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Value,
}

impl Asked {
    /// The header of this name, which must be there once.
    pub fn header(&self, name: &str) -> &str {
        let mut found = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        let (_, value) = found.next().unwrap();
        assert!(found.next().is_none(), "{name} was sent twice");
        value
    }
}

/// A Tollgate on a port of its own.
pub struct Fake {
    shared: Arc<Shared>,
    address: SocketAddr,
    listening: Option<JoinHandle<()>>,
    /// Takes no connections, but keeps the port from others while nobody listens.
    _port: TcpSocket,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    reply: Option<Reply>,
    asked: Vec<Asked>,
    connections: Vec<TcpStream>,
    released: bool,
    stopped: bool,
}

impl Fake {
    /// Answers `reply` until it is told otherwise.
    pub fn start(reply: Reply) -> Self {
        let port = TcpSocket::new_v4().unwrap();
        port.set_reuseaddr(true).unwrap();
        port.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = port.local_addr().unwrap();
        let mut fake = Self { shared: Arc::default(), address, listening: None, _port: port };
        fake.listen(reply);
        fake
    }

    fn listen(&mut self, reply: Reply) {
        self.shared = Arc::default();
        self.reply(reply);
        let listener = TcpListener::bind(self.address).unwrap();
        let theirs = Arc::clone(&self.shared);
        self.listening = Some(thread::spawn(move || accept(&listener, &theirs)));
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers so from now on.
    pub fn reply(&self, reply: Reply) {
        self.shared.lock().reply = Some(reply);
    }

    /// Lets all that is held go, now and from now on.
    pub fn release(&self) {
        self.shared.lock().released = true;
        self.shared.changed.notify_all();
    }

    /// All that was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.lock().asked.clone()
    }

    /// Waits until so many questions came.
    pub async fn await_asked(&self, count: usize) {
        let shared = Arc::clone(&self.shared);
        let waiting = move || {
            let few = |state: &mut State| state.asked.len() < count;
            let (_state, ended) = shared.changed.wait_timeout_while(shared.lock(), PATIENCE, few).unwrap();
            assert!(!ended.timed_out(), "there were fewer than {count} questions");
        };
        tokio::task::spawn_blocking(waiting).await.unwrap();
    }

    /// How many connections were made.
    pub fn connections(&self) -> usize {
        self.shared.lock().connections.len()
    }

    /// Closes every connection and goes on.
    pub fn hang_up(&self) {
        for connection in &self.shared.lock().connections {
            drop(connection.shutdown(Shutdown::Both));
        }
    }

    /// Ends, as if killed; nobody listens at the port.
    pub fn stop(&mut self) {
        let Some(listening) = self.listening.take() else { return };
        self.shared.lock().stopped = true;
        self.shared.changed.notify_all();
        self.hang_up();
        // Its thread waits for a connection.
        drop(TcpStream::connect(self.address));
        listening.join().unwrap();
    }

    /// Starts again on the same port after [`Fake::stop`].
    pub fn start_again(&mut self, reply: Reply) {
        self.listen(reply);
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for connection in listener.incoming() {
        let connection = connection.unwrap();
        let mut state = shared.lock();
        if state.stopped {
            return;
        }
        state.connections.push(connection.try_clone().unwrap());
        drop(state);
        let theirs = Arc::clone(shared);
        thread::spawn(move || {
            serve(&connection, &theirs);
            drop(connection.shutdown(Shutdown::Both));
        });
    }
}

/// Answers questions until one side ends the connection.
fn serve(connection: &TcpStream, shared: &Shared) {
    let mut reader = BufReader::new(connection);
    while let Some(asked) = read(&mut reader) {
        let mut state = shared.lock();
        state.asked.push(asked);
        let reply = state.reply.clone().unwrap();
        shared.changed.notify_all();
        let answer = match reply {
            Reply::Close => return,
            Reply::Bytes(bytes) => {
                drop(state);
                let mut connection = connection;
                drop(connection.write_all(&bytes));
                return;
            }
            Reply::Held(body) => {
                let waits = |state: &mut State| !state.released && !state.stopped;
                drop(shared.changed.wait_while(state, waits).unwrap());
                whole(200, &body)
            }
            Reply::Json(status, body) => {
                drop(state);
                whole(status, &body)
            }
        };
        let mut connection = connection;
        if connection.write_all(&answer).is_err() {
            return;
        }
    }
}

/// An answer.
pub fn whole(status: u16, body: &Value) -> Vec<u8> {
    let body = body.to_string();
    let head = format!(
        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nLocation: /elsewhere\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body.as_bytes()].concat()
}

fn read(reader: &mut impl BufRead) -> Option<Asked> {
    let line = line(reader)?;
    let mut headers = Vec::new();
    loop {
        let header = self::line(reader)?;
        let Some((name, value)) = header.split_once(": ") else { break };
        headers.push((name.to_owned(), value.to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let mut body = vec![0; length.map_or(0, |(_, value)| value.parse().unwrap())];
    reader.read_exact(&mut body).ok()?;
    Some(Asked { line, headers, body: serde_json::from_slice(&body).ok()? })
}

fn line(reader: &mut impl BufRead) -> Option<String> {
    let mut line = String::new();
    let length = reader.read_line(&mut line).ok()?;
    (length > 0).then(|| line.trim_end().to_owned())
}

/// Tollgate's answer about a good key.
pub fn valid() -> Value {
    let window = json!({"limit": 60, "used": 0, "remaining": 60, "resets_at": null});
    json!({
        "valid": true, "code": null, "detail": null, "retry_after_seconds": null,
        "user_id": "0193a0b0c0d07000800000000000000a", "api_key_id": "0193a0b0c0d07000800000000000000b",
        "environment": "live", "tier": "pro", "permissions": ["services"],
        "rate_limit": {"minute": window, "hour": window, "day": window, "quota": window},
        "metadata": {"team": "research"},
    })
}

/// Tollgate's answer where it says no.
pub fn refused(code: &str, retry_after_seconds: Option<u64>) -> Value {
    json!({
        "valid": false, "code": code, "detail": format!("No: {code}."), "retry_after_seconds": retry_after_seconds,
        "user_id": null, "api_key_id": null, "environment": null, "tier": null, "permissions": null,
        "rate_limit": null, "metadata": null,
    })
}
