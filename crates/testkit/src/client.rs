//! An HTTP client for tests: it shows what came, and can hang up.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, Request, Response, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client as Pool, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;
use tokio::time::timeout;

use crate::PATIENCE;

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// A client of one server. Clones share their connections.
///
/// Every call panics where there is no answer, and after [`PATIENCE`].
#[derive(Debug, Clone)]
pub struct Client {
    base: String,
    headers: Vec<(String, String)>,
    pool: Pool<HttpConnector, Full<Bytes>>,
}

/// An answer, complete.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// An answer that is still coming. Dropping it hangs up.
#[derive(Debug)]
pub struct Streaming {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    body: Incoming,
    buffer: BytesMut,
    /// The pool that the connection belongs to: with it gone, so is the connection.
    _pool: Pool<HttpConnector, Full<Bytes>>,
}

impl Client {
    /// A client of the server at `base`, such as `http://127.0.0.1:8000`.
    pub fn new(base: &str) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        let pool = Pool::builder(TokioExecutor::new()).build(tcp);
        Self { base: base.trim_end_matches('/').to_owned(), headers: Vec::new(), pool }
    }

    /// The same client, which also sends this header.
    #[must_use]
    pub fn with_header(&self, name: &str, value: &str) -> Self {
        let mut client = self.clone();
        client.headers.push((name.to_owned(), value.to_owned()));
        client
    }

    /// The same client with `Authorization: Bearer CREDENTIAL`.
    #[must_use]
    pub fn bearer(&self, credential: &str) -> Self {
        self.with_header("authorization", &format!("Bearer {credential}"))
    }

    /// `GET path`.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None, Bytes::new()).await
    }

    /// `DELETE path`.
    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None, Bytes::new()).await
    }

    /// `POST path` with a JSON body.
    pub async fn post_json(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, Some(JSON), Bytes::from(body.to_string())).await
    }

    /// `PATCH path` with a JSON body.
    pub async fn patch_json(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::PATCH, path, Some(JSON), Bytes::from(body.to_string())).await
    }

    /// `POST path` with a form.
    pub async fn post_form(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let pairs = fields.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value)));
        let form = pairs.collect::<Vec<_>>().join("&");
        self.send(Method::POST, path, Some(FORM), Bytes::from(form)).await
    }

    /// Any call; complete.
    pub async fn send(&self, method: Method, path: &str, content_type: Option<&str>, body: Bytes) -> Answer {
        self.start(method, path, content_type, body).await.rest().await
    }

    /// `POST path` with a JSON body; gives the answer as soon as its head is there.
    pub async fn stream_json(&self, path: &str, body: &Value) -> Streaming {
        self.start(Method::POST, path, Some(JSON), Bytes::from(body.to_string())).await
    }

    /// Any call; gives the answer as soon as its head is there.
    ///
    /// # Panics
    /// Where there is no answer.
    pub async fn start(
        &self,
        method: Method,
        path: &str,
        content_type: Option<&str>,
        body: Bytes,
    ) -> Streaming {
        let url = format!("{}{path}", self.base);
        let mut request = Request::builder().method(method).uri(&url);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some(content_type) = content_type {
            request = request.header(CONTENT_TYPE, content_type);
        }
        let request = request.body(Full::new(body)).expect("a request");
        let response = patient("an answer", self.pool.request(request)).await;
        Streaming::of(response.unwrap_or_else(|error| panic!("{url}: {error:?}")), self.pool.clone())
    }
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Panics
    /// Where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{} {error}: {}", self.status, self.text()))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header as text; empty where it is missing.
    pub fn header(&self, name: &str) -> &str {
        header(&self.headers, name)
    }

    /// What the `data` lines carry, where the body is an event stream.
    pub fn data(&self) -> Vec<String> {
        self.text().lines().filter_map(data).collect()
    }
}

impl Streaming {
    fn of(response: Response<Incoming>, pool: Pool<HttpConnector, Full<Bytes>>) -> Self {
        let (head, body) = response.into_parts();
        let (status, headers) = (head.status.as_u16(), head.headers);
        Self { status, headers, body, buffer: BytesMut::new(), _pool: pool }
    }

    /// A header as text; empty where it is missing.
    pub fn header(&self, name: &str) -> &str {
        header(&self.headers, name)
    }

    /// What the next `data` line carries, as soon as it is there; `None` at the end of the answer.
    ///
    /// # Panics
    /// Where the answer is broken off.
    pub async fn next_data(&mut self) -> Option<String> {
        self.try_next_data().await.unwrap_or_else(|error| panic!("the answer broke off: {error}"))
    }

    /// The same, but a broken answer is the error's text.
    ///
    /// # Errors
    /// The answer was broken off.
    pub async fn try_next_data(&mut self) -> Result<Option<String>, String> {
        loop {
            while let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(end + 1);
                if let Some(data) = data(String::from_utf8_lossy(&line).trim_end()) {
                    return Ok(Some(data));
                }
            }
            if !self.read().await? {
                return Ok(None);
            }
        }
    }

    /// What is left of the answer, complete.
    ///
    /// # Panics
    /// Where the answer is broken off.
    pub async fn rest(mut self) -> Answer {
        loop {
            match self.read().await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => panic!("{} broke off: {error}", self.status),
            }
        }
        Answer { status: self.status, headers: self.headers, body: self.buffer.freeze() }
    }

    /// Hangs up: the connection closes.
    pub fn hang_up(self) {
        drop(self);
    }

    /// Reads on; `false` at the end.
    async fn read(&mut self) -> Result<bool, String> {
        match patient("more of an answer", self.body.frame()).await {
            None => Ok(false),
            Some(Err(error)) => Err(error.to_string()),
            Some(Ok(frame)) => {
                if let Ok(bytes) = frame.into_data() {
                    self.buffer.extend_from_slice(&bytes);
                }
                Ok(true)
            }
        }
    }
}

async fn patient<T>(what: &str, future: impl Future<Output = T>) -> T {
    let waited = timeout(PATIENCE, future).await;
    waited.unwrap_or_else(|_elapsed| panic!("waited {PATIENCE:?} for {what}"))
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn data(line: &str) -> Option<String> {
    line.strip_prefix("data:").map(|data| data.strip_prefix(' ').unwrap_or(data).to_owned())
}

/// As a form wants it.
fn escape(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}
