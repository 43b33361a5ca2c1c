//! Requests, read from a connection.

use std::io;

use bytes::{Buf, BytesMut};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::tcp::{OwnedReadHalf, OwnedWriteHalf},
};

use super::Recorded;

/// The most bytes of a request's head.
const MAX_HEAD: usize = 64 * 1024;
/// The most bytes of a request's body.
const MAX_BODY: usize = 64 * 1024 * 1024;

/// The next request; `None` when the peer has closed the connection.
///
/// # Errors
/// What the connection says, or `InvalidData` where no request can be read.
pub async fn read(
    reader: &mut OwnedReadHalf,
    writer: &mut OwnedWriteHalf,
    buffer: &mut BytesMut,
) -> io::Result<Option<Recorded>> {
    let head_end = loop {
        if let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if buffer.len() > MAX_HEAD || buffer.first().is_some_and(|byte| !byte.is_ascii_uppercase()) {
            return Err(invalid("no HTTP, or too much of it"));
        }
        if reader.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&buffer[..head_end]).into_owned();
    buffer.advance(head_end);
    let mut recorded = parse(&head).ok_or_else(|| invalid("no request"))?;
    if recorded.header("expect").is_some() {
        writer.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    let length = recorded.header("content-length").unwrap_or("0").parse::<usize>();
    let length = length.ok().filter(|length| *length <= MAX_BODY).ok_or_else(|| invalid("the length"))?;
    while buffer.len() < length {
        if reader.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
    recorded.body = serde_json::from_slice(&buffer.split_to(length)).unwrap_or_default();
    Ok(Some(recorded))
}

fn parse(head: &str) -> Option<Recorded> {
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers = lines.filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
    Some(Recorded { method, path, headers, body: Value::Null })
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
