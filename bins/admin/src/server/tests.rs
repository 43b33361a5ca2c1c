//! Against a server of a few lines that answers as it is told.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    thread::{self, JoinHandle},
};

use serde_json::json;

use super::*;

/// Answers one call with `answer`; gives what was asked.
fn answering(answer: String) -> (Server, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/gateway/", listener.local_addr().unwrap());
    let asked = thread::spawn(move || {
        let (mut peer, _) = listener.accept().unwrap();
        let asked = read(&peer);
        let _hung_up = peer.write_all(answer.as_bytes());
        asked
    });
    (server(&address), asked)
}

fn server(address: &str) -> Server {
    Server::new(address.parse().unwrap(), &SecretString::from(" the-token\n")).unwrap()
}

/// A whole request, the names of its headers in lower case.
fn read(peer: &TcpStream) -> String {
    let mut reader = BufReader::new(peer);
    let mut text = String::new();
    reader.read_line(&mut text).unwrap();
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim().split_once(": ") else { break };
        let name = name.to_lowercase();
        if name == "content-length" {
            length = value.parse().unwrap();
        }
        text.push_str(&format!("{name}: {value}\n"));
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    text.push('\n');
    text.push_str(std::str::from_utf8(&body).unwrap());
    text.replace('\r', "")
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

fn got(answer: String) -> Result<Value, String> {
    let (server, asked) = answering(answer);
    let got = server.get::<Value>("/api/v1/admin/keys", &[]);
    asked.join().unwrap();
    got.map_err(|error| error.to_string())
}

const KIND: &str = "content-type: application/json; charset=utf-8\r\n";
const PROBLEM_KIND: &str = "content-type: application/problem+json\r\n";

#[test]
fn a_call_carries_the_token_and_its_query() {
    let (server, asked) = answering(answer("200 OK", KIND, r#"{"a": 1}"#));
    let query = [("user", "a+b &c=d/ä%@example.com".to_owned()), ("limit", "5".to_owned())];
    assert_eq!(server.get::<Value>("/api/v1/admin/users", &query).unwrap(), json!({"a": 1}));
    let asked = asked.join().unwrap();
    let line = asked.lines().next().unwrap();
    assert!(line.starts_with("GET /gateway/api/v1/admin/users?user=a%2Bb"), "{line}");
    assert!(!line.contains("&c") && line.contains("%26c%3Dd") && line.contains("%C3%A4%25"), "{line}");
    assert!(line.contains("&limit=5 HTTP/1.1"), "{line}");
    assert!(asked.contains("authorization: Bearer the-token\n"), "{asked}");
}

#[test]
fn bodies_are_json_and_what_is_done_has_none() {
    let (server, asked) = answering(answer("201 Created", KIND, "[]"));
    server.send::<Value>(Verb::Post, "/users", &json!({"name": "A"})).unwrap();
    let asked = asked.join().unwrap();
    assert!(asked.starts_with("POST /gateway/users HTTP/1.1\n"), "{asked}");
    assert!(
        asked.contains("content-type: application/json\n") && asked.ends_with("\n{\"name\":\"A\"}"),
        "{asked}"
    );

    let (server, asked) = answering(answer("200 OK", KIND, "[]"));
    server.send::<Value>(Verb::Patch, "/keys/1", &json!({"is_active": false})).unwrap();
    assert!(asked.join().unwrap().starts_with("PATCH /gateway/keys/1 HTTP/1.1\n"));

    for (method, call) in
        [("POST", Server::post as fn(&Server, &str) -> Result<(), ServerError>), ("DELETE", Server::delete)]
    {
        let (server, asked) = answering("HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n".to_owned());
        call(&server, "/x").unwrap();
        assert!(asked.join().unwrap().starts_with(&format!("{method} /gateway/x HTTP/1.1\n")));
        let (server, asked) = answering(answer("200 OK", KIND, "{}"));
        let error = call(&server, "/x").unwrap_err().to_string();
        asked.join().unwrap();
        assert!(error.contains("no Tollgate"), "{error}");
    }
}

#[test]
fn a_refusal_that_repeats_the_token_is_not_printed() {
    for said in ["You sent Bearer the-token.", "You sent \\u0074he-token."] {
        let problem = format!(r#"{{"status": 401, "code": "x", "detail": "{said}"}}"#);
        let error = got(answer("401 Unauthorized", PROBLEM_KIND, &problem)).unwrap_err();
        assert!(error.contains("401") && !error.contains("the-token"), "{error}");
    }
}

#[test]
fn a_refusal_is_told_in_the_servers_words_with_what_to_do() {
    let problem = r#"{"status": 404, "code": "not_found", "detail": "There is no \u001b[31msuch key."}"#;
    let said = got(answer("404 Not Found", PROBLEM_KIND, problem)).unwrap_err();
    assert_eq!(said, "There is no \u{fffd}[31msuch key.");

    for status in ["401 Unauthorized", "403 Forbidden"] {
        let said = got(answer(status, PROBLEM_KIND, r#"{"detail": "No."}"#)).unwrap_err();
        assert!(said.starts_with("No.\nCheck TOLLGATE_TOKEN"), "{said}");
    }

    let headers = format!("{PROBLEM_KIND}retry-after: 17\r\n");
    let said = got(answer("429 Too Many Requests", &headers, r#"{"detail": "Slowly."}"#)).unwrap_err();
    assert!(said.starts_with("Slowly.\n") && said.contains("17 seconds"), "{said}");

    let problem = r#"{"detail": "x", "errors": [
        {"field": "hourly_limit", "code": "out_of_range", "message": "must be 1 or more"},
        {"field": "key_name", "code": "too_long", "message": "must be shorter"}]}"#;
    let said = got(answer("422 Unprocessable Entity", PROBLEM_KIND, problem)).unwrap_err();
    assert!(said.contains("\n  --hourly-limit must be 1 or more\n  --name must be shorter"), "{said}");
}

#[test]
fn what_is_no_tollgate_is_called_so() {
    let html = "content-type: text/html\r\n";
    for (answer, words) in [
        (answer("200 OK", html, "<html>"), "text/html"),
        (answer("200 OK", "", "{}"), "no media type"),
        (answer("404 Not Found", html, "<html>"), "404 Not Found"),
        (answer("502 Bad Gateway", KIND, "{}"), "502 Bad Gateway"),
        (answer("400 Bad Request", PROBLEM_KIND, "{}"), "400 Bad Request"),
        (answer("200 OK", KIND, "{"), "means nothing"),
        ("SSH-2.0-OpenSSH_9.2\r\n\r\n".to_owned(), ""),
    ] {
        let said = got(answer).unwrap_err();
        assert!(said.contains("no Tollgate") && said.contains(words), "{said}");
        assert!(said.contains("/gateway") && !said.contains("the-token"), "{said}");
    }
}

#[test]
fn a_redirect_is_not_followed() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let headers = format!("location: http://{}/\r\n", elsewhere.local_addr().unwrap());
    for status in ["301 Moved Permanently", "307 Temporary Redirect"] {
        let said = got(answer(status, &headers, "")).unwrap_err();
        assert!(said.contains(status), "{said}");
    }
    assert!(elsewhere.accept().is_err(), "the token went elsewhere");
}

#[test]
fn an_answer_without_end_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let writer = thread::spawn(move || {
        let (mut peer, _) = listener.accept().unwrap();
        read(&peer);
        let head = format!("HTTP/1.1 200 OK\r\n{KIND}transfer-encoding: chunked\r\n\r\n");
        let mut chunk = b"10000\r\n".to_vec();
        chunk.resize(chunk.len() + 0x1_0000, b' ');
        chunk.extend(b"\r\n");
        let mut written = peer.write_all(head.as_bytes());
        while written.is_ok() {
            written = peer.write_all(&chunk);
        }
    });
    let said = server(&address).get::<Value>("/", &[]).unwrap_err().to_string();
    assert!(said.contains("too long"), "{said}");
    writer.join().unwrap();
}

#[test]
fn nobody_there_is_told_with_the_address() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let said = server(&format!("http://{gone}")).get::<Value>("/", &[]).unwrap_err().to_string();
    assert!(said.contains(&format!("http://{gone} cannot be reached: nothing listens there")), "{said}");

    let (server, asked) = answering(String::new());
    let said = server.get::<Value>("/", &[]).unwrap_err().to_string();
    asked.join().unwrap();
    assert!(!said.contains("the-token"), "{said}");
}

#[test]
fn a_token_that_cannot_be_sent_is_none() {
    let address: Address = "http://127.0.0.1:1".parse().unwrap();
    assert!(Server::new(address, &SecretString::from("two\nlines")).is_err());
}
