//! `HEAD` is `GET` without the body.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use super::away;

/// How long a test waits for bytes that never come.
const PATIENCE: Duration = Duration::from_secs(20);

/// The head of an answer: its lines, in small letters.
fn head(stream: &mut impl BufRead) -> Vec<String> {
    let lines = stream.lines().map(|line| line.unwrap().to_ascii_lowercase());
    lines.take_while(|line| !line.is_empty()).collect()
}

/// Asks twice on one connection, for the headers and then for all: both heads, and what follows the second.
fn ask_twice(address: SocketAddr, path: &str) -> (Vec<String>, Vec<String>, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answers = BufReader::new(stream.try_clone().unwrap());
    write!(stream, "HEAD {path} HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let first = head(&mut answers);
    // Bytes of a body would stand before the second answer's head.
    write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let second = head(&mut answers);
    let mut body = String::new();
    answers.read_to_string(&mut body).unwrap();
    (first, second, body)
}

fn named(head: &[String], name: &str) -> Option<String> {
    head.iter().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(": ")?.to_owned()))
}

#[actix_web::test]
async fn the_headers_can_be_asked_for_alone() {
    let listeners = crate::server::listen(&away::settings()).unwrap();
    let address = listeners[0].local_addr().unwrap();
    let serving = crate::server::run(away::state(away::settings()), listeners, || ()).unwrap();
    for (path, status) in
        [("/healthz", "200"), ("/openapi.json", "200"), ("/nothing", "404"), ("/docs", "302")]
    {
        let asked = actix_web::rt::task::spawn_blocking(move || ask_twice(address, path));
        let (without, with, body) = asked.await.unwrap();
        for head in [&without, &with] {
            assert_eq!(head[0].split(' ').nth(1), Some(status), "{path}: {head:?}");
            assert!(named(head, "x-request-id").is_some(), "{path}: {head:?}");
        }
        assert_eq!(named(&with, "content-length"), Some(body.len().to_string()), "{path}");
        for name in ["content-type", "x-content-type-options", "location"] {
            assert_eq!(named(&without, name), named(&with, name), "{path}: {name}");
        }
        if status == "200" {
            assert_eq!(named(&without, "content-length"), named(&with, "content-length"), "{path}");
        }
    }
    serving.end().await.unwrap();
}
