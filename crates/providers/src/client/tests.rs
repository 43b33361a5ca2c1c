use std::net::TcpListener;

use futures::StreamExt;
use secrecy::SecretString;
use serde_json::{Value, json};
use tollgate_gate::upstream::{Frame, FrameKind};
use tollgate_testkit::{Body, End, FixedClock, Play, PlayableProvider, Usage};

use http::HeaderValue;

use super::*;
use crate::{Provider, ProviderKind, provider::AGENT};

const KEY: &str = "sk-operators-own/secret";
/// Long enough for a busy machine, where nothing should time out.
const LONG: Duration = Duration::from_secs(30);
/// For what must time out.
const SHORT: Duration = Duration::from_millis(200);
/// For what must time out once its head has come.
const HEAD: Duration = Duration::from_secs(3);

fn upstream(base_url: &str, timeout: Duration) -> HttpUpstream {
    let api_key = Some(SecretString::from(KEY));
    let kind = ProviderKind::OpenAi { base_url: base_url.to_owned(), api_key };
    let provider = Provider { name: "played".to_owned(), kind, timeout };
    let echo = Provider { name: "echo".to_owned(), kind: ProviderKind::Echo, timeout };
    HttpUpstream::new(Providers::new(vec![provider, echo], &FixedClock::shared()).unwrap())
}

fn start() -> (PlayableProvider, HttpUpstream) {
    let provider = PlayableProvider::start();
    let upstream = upstream(&provider.base_url(), LONG);
    (provider, upstream)
}

fn request(provider: &str, stream: bool) -> UpstreamRequest {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    if stream {
        body["stream"] = true.into();
        body["stream_options"] = json!({"include_usage": true});
    }
    let body = Bytes::from(body.to_string());
    UpstreamRequest { provider: provider.into(), path: "/chat/completions", body, stream, needs_text: true }
}

async fn ask(upstream: &HttpUpstream) -> Result<UpstreamAnswer, UpstreamError> {
    upstream.send(request("played", false)).await
}

async fn error(upstream: &HttpUpstream) -> UpstreamError {
    match ask(upstream).await {
        Err(error) => error,
        Ok(_) => panic!("an answer where an error was expected"),
    }
}

async fn refused(upstream: &HttpUpstream) -> ProviderError {
    match ask(upstream).await {
        Ok(UpstreamAnswer::Refused(error)) => error,
        Ok(_) => panic!("no refusal"),
        Err(error) => panic!("{error}"),
    }
}

/// Every frame of a stream, and the error that ended it.
async fn stream(upstream: &HttpUpstream) -> (Vec<Frame>, Option<UpstreamError>) {
    let Ok(UpstreamAnswer::Stream(mut stream)) = upstream.send(request("played", true)).await else {
        panic!("no stream");
    };
    let mut frames = Vec::new();
    while let Some(frame) = stream.next().await {
        match frame {
            Ok(frame) => frames.push(frame),
            Err(error) => return (frames, Some(error)),
        }
    }
    (frames, None)
}

fn text(frames: &[Frame]) -> String {
    frames.iter().map(|frame| frame.text.as_str()).collect()
}

#[tokio::test]
async fn a_whole_answer_comes_through() {
    let (provider, upstream) = start();
    let Ok(UpstreamAnswer::Whole(answer)) = ask(&upstream).await else { panic!("no whole answer") };
    assert_eq!(answer.content, "word1 word2 word3 word4 word5");
    assert_eq!(answer.usage.unwrap().total, Some(12));
    assert_eq!(answer.id.as_deref(), Some("chatcmpl-played"));
    assert_eq!(serde_json::from_slice::<Value>(&answer.body).unwrap()["model"], "m");
    assert_eq!(provider.last_request().path, "/v1/chat/completions");
}

#[tokio::test]
async fn only_the_listed_headers_go_out() {
    let (provider, upstream) = start();
    for (wanted, accept) in [(false, "application/json"), (true, "text/event-stream")] {
        drop(upstream.send(request("played", wanted)).await.unwrap());
        let sent = provider.last_request();
        let mut names: Vec<&str> = sent.headers.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        let expected = [
            "accept",
            "accept-encoding",
            "authorization",
            "content-length",
            "content-type",
            "host",
            "user-agent",
        ];
        assert_eq!(names, expected);
        assert_eq!(sent.header("accept"), Some(accept));
        assert_eq!(sent.header("accept-encoding"), Some("identity"));
        assert_eq!(sent.header("authorization"), Some(format!("Bearer {KEY}").as_str()));
        assert_eq!(sent.header("user-agent"), Some(AGENT));
    }
}

#[tokio::test]
async fn a_stream_comes_through_frame_by_frame() {
    let (_provider, upstream) = start();
    let (frames, error) = stream(&upstream).await;
    assert_eq!(error, None);
    let kinds: Vec<FrameKind> = frames.iter().map(|frame| frame.kind).collect();
    let mut expected = vec![FrameKind::Content; 7];
    expected.extend([FrameKind::UsageOnly, FrameKind::End]);
    assert_eq!(kinds, expected);
    assert_eq!(text(&frames), "word1 word2 word3 word4 word5");
    assert_eq!(frames[7].usage.unwrap().completion, Some(5));
}

#[tokio::test]
async fn usage_in_every_chunk_can_be_taken_off() {
    let (provider, upstream) = start();
    provider.queue(Play { usage_in_every_chunk: true, usage: Usage::None, ..Play::default() });
    let (frames, _) = stream(&upstream).await;
    assert_eq!(frames[3].usage.unwrap().completion, Some(3));
    let clean = frames[3].without_usage.clone().unwrap();
    assert!(!String::from_utf8_lossy(&clean).contains("usage"), "{clean:?}");
}

#[tokio::test]
async fn connections_serve_again_after_streams_whose_end_comes_late() {
    let (provider, upstream) = start();
    let late = Play { delay_between_chunks_ms: 5, ..Play::ending(End::SendsAfterDone) };
    provider.set_default(late);
    for _ in 0..10 {
        let (frames, error) = stream(&upstream).await;
        assert_eq!((frames.len(), error), (9, None));
    }
    // The next call is quicker than the last one's end, so there are a few; not one a call.
    assert!(provider.connections() < 10, "{} connections", provider.connections());
}

#[tokio::test]
async fn a_dropped_stream_ends_the_call() {
    let (provider, upstream) = start();
    provider.queue(Play::ending(End::Stall { after: 3 }));
    let Ok(UpstreamAnswer::Stream(mut stream)) = upstream.send(request("played", true)).await else {
        panic!("no stream");
    };
    assert!(stream.next().await.unwrap().is_ok());
    drop(stream);
    provider.await_hang_ups(1).await;
}

#[tokio::test]
async fn a_dropped_call_ends_too() {
    let (provider, upstream) = start();
    provider.queue(Play::held());
    let call = ask(&upstream);
    tokio::select! {
        _ = call => panic!("a held answer came"),
        () = provider.await_requests(1) => {}
    }
    provider.await_hang_ups(1).await;
}

#[tokio::test]
async fn refusals_tell_what_the_provider_says() {
    let (provider, upstream) = start();
    provider.queue(Play { headers: vec![("retry-after".into(), "17".into())], ..Play::status(429) });
    let error = refused(&upstream).await;
    assert_eq!((error.status, error.retry_after_seconds), (429, Some(17)));
    assert_eq!(error.code.as_deref(), Some("played"));
    assert!(error.message.contains("429"), "{}", error.message);
    provider.queue(Play { status: 502, body: Some(Body::Html), ..Play::default() });
    let html = refused(&upstream).await;
    assert_eq!((html.status, html.message.as_str()), (502, ""));
    provider.queue(Play { end: End::BreakOff { after: 0 }, ..Play::status(500) });
    assert_eq!(refused(&upstream).await, ProviderError { status: 500, ..ProviderError::default() });
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let (provider, upstream) = start();
    let elsewhere = PlayableProvider::start();
    provider.queue(Play { headers: vec![("location".into(), elsewhere.base_url())], ..Play::status(307) });
    assert_eq!(refused(&upstream).await.status, 307);
    assert_eq!((provider.requests().len(), elsewhere.requests().len()), (1, 0));
}

#[tokio::test]
async fn what_cannot_be_understood_says_why() {
    let (provider, upstream) = start();
    let compressed = vec![("content-encoding".to_owned(), "gzip".to_owned())];
    let huge = "HTTP/1.1 200 OK\r\ncontent-length: 67108865\r\n\r\n{".to_owned();
    for (play, says) in [
        (Play::with_body(Body::Html), "HTML"),
        (Play { content_type: Some("application/json".into()), ..Play::with_body(Body::Html) }, "HTML"),
        (Play::with_body(Body::Empty), "empty"),
        (Play { status: 204, ..Play::with_body(Body::Empty) }, "empty"),
        (Play::with_body(Body::InvalidJson), "not valid JSON"),
        (Play::with_body(Body::Json(json!([1]))), "not a JSON object"),
        (Play::with_body(Body::Bytes("SSH-2.0-OpenSSH_9.2\r\n\r\n".into())), "not HTTP"),
        (Play::with_body(Body::Bytes(huge)), "more than 67108864 bytes"),
        (Play { headers: compressed, ..Play::default() }, "compressed"),
    ] {
        provider.queue(play.clone());
        match error(&upstream).await {
            UpstreamError::Unreadable(text) => assert!(text.contains(says), "{says}: {text}"),
            other => panic!("{play:?}: {other}"),
        }
    }
}

#[tokio::test]
async fn a_body_without_a_known_length_is_bounded_too() {
    let (provider, upstream) = start();
    let blanks = " ".repeat(MAX_ANSWER_BYTES);
    provider.queue(Play::with_body(Body::Bytes(format!("HTTP/1.1 200 OK\r\n\r\n{{{blanks}}}"))));
    assert!(matches!(error(&upstream).await, UpstreamError::Unreadable(_)));
}

#[tokio::test]
async fn broken_answers_are_broken() {
    let (provider, upstream) = start();
    for end in [End::BreakOff { after: 0 }, End::HangUp] {
        provider.queue(Play::ending(end));
        let error = error(&upstream).await;
        assert!(matches!(error, UpstreamError::Broken(_)), "{end:?}: {error}");
    }
}

#[tokio::test]
async fn a_broken_stream_gives_what_came_and_then_the_error() {
    let (provider, upstream) = start();
    provider.queue(Play::ending(End::BreakOff { after: 3 }));
    let (frames, error) = stream(&upstream).await;
    assert_eq!(text(&frames), "word1 word2");
    assert!(matches!(error, Some(UpstreamError::Broken(_))), "{error:?}");
}

#[tokio::test]
async fn a_stream_may_end_without_its_marker_and_never_goes_on_after_it() {
    let (provider, upstream) = start();
    provider.queue(Play::ending(End::WithoutDone));
    let (frames, error) = stream(&upstream).await;
    assert_eq!((frames.last().unwrap().kind, error), (FrameKind::UsageOnly, None));
    provider.queue(Play::ending(End::SendsAfterDone));
    let (frames, error) = stream(&upstream).await;
    assert_eq!((frames.last().unwrap().kind, error), (FrameKind::End, None));
    assert!(!text(&frames).contains("late"));
}

/// A stream with this body, however wrong.
fn events(body: &str) -> Play {
    let content_type = Some("text/event-stream; charset=utf-8".to_owned());
    Play { content_type, ..Play::with_body(Body::Text(body.to_owned())) }
}

#[tokio::test]
async fn the_end_marker_needs_no_empty_line_but_half_an_event_is_broken() {
    let (provider, upstream) = start();
    provider.queue(events("data: {\"choices\":[]}\r\n\r\ndata: [DONE]"));
    let (frames, error) = stream(&upstream).await;
    assert_eq!((frames.last().unwrap().kind, error), (FrameKind::End, None));
    provider.queue(events("data: {\"choices\":[]}\n\ndata: {\"choi"));
    let (frames, error) = stream(&upstream).await;
    assert_eq!(frames.len(), 1);
    assert!(matches!(error, Some(UpstreamError::Broken(_))), "{error:?}");
}

#[tokio::test]
async fn what_is_no_event_stream_is_not_passed_on() {
    let (provider, upstream) = start();
    let endless = "x".repeat(crate::sse::MAX_EVENT_BYTES + 1);
    for body in ["<html>\n\n<body>\n\n", "{\"error\": {\"message\": \"no\"}}", endless.as_str()] {
        provider.queue(events(body));
        let (frames, error) = stream(&upstream).await;
        assert_eq!(frames.len(), 0);
        let understood = matches!(error, Some(UpstreamError::Unreadable(_) | UpstreamError::Broken(_)));
        assert!(understood, "{error:?}");
    }
}

#[tokio::test]
async fn an_error_in_a_stream_is_told_apart() {
    let (provider, upstream) = start();
    provider.queue(events("data: {\"error\":{\"message\":\"overloaded\"}}\n\n"));
    let (frames, _) = stream(&upstream).await;
    assert_eq!(frames[0].kind, FrameKind::Error);
}

#[tokio::test]
async fn who_answers_whole_where_a_stream_was_asked_for_is_understood() {
    let (provider, upstream) = start();
    let body = json!({"id": "x", "choices": [{"message": {"content": "whole"}}]});
    provider.queue(Play::with_body(Body::Json(body)));
    match upstream.send(request("played", true)).await {
        Ok(UpstreamAnswer::Whole(answer)) => assert_eq!(answer.content, "whole"),
        _ => panic!("no whole answer"),
    }
}

#[tokio::test]
async fn silence_times_out_before_and_within_answers() {
    let provider = PlayableProvider::start();
    let [hasty, calm] = [SHORT, HEAD].map(|timeout| upstream(&provider.base_url(), timeout));
    provider.queue(Play::held());
    assert_eq!(error(&hasty).await, UpstreamError::Timeout);
    provider.queue(Play::ending(End::Stall { after: 0 }));
    assert_eq!(error(&hasty).await, UpstreamError::Timeout);
    provider.queue(Play::ending(End::Stall { after: 3 }));
    let (_, error) = stream(&calm).await;
    assert_eq!(error, Some(UpstreamError::Timeout));
}

#[tokio::test]
async fn a_stream_may_take_longer_than_its_longest_pause() {
    let provider = PlayableProvider::start();
    let upstream = upstream(&provider.base_url(), Duration::from_secs(4));
    provider.queue(Play { delay_between_chunks_ms: 600, ..Play::default() });
    let (frames, error) = stream(&upstream).await;
    assert_eq!((frames.len(), error), (9, None));
}

#[tokio::test]
async fn who_is_not_there_is_unreachable() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    match error(&upstream(&format!("http://{free}/v1"), LONG)).await {
        UpstreamError::Unreachable(text) => assert_eq!(text, "connection refused"),
        other => panic!("{other}"),
    }
    let plain = PlayableProvider::start();
    let secure = plain.base_url().replace("http:", "https:");
    let error = error(&upstream(&secure, LONG)).await;
    assert!(matches!(error, UpstreamError::Unreachable(_)), "{error}");
    let (_provider, upstream) = start();
    let unknown = upstream.send(request("nobody", false)).await.err().unwrap();
    assert!(matches!(unknown, UpstreamError::Unreachable(_)), "{unknown}");
}

#[tokio::test]
async fn the_operators_key_never_comes_back() {
    let (provider, upstream) = start();
    provider.set_default(Play::with_body(Body::EchoAuthorization));
    let Ok(UpstreamAnswer::Whole(answer)) = ask(&upstream).await else { panic!("no whole answer") };
    assert!(!answer.body.windows(KEY.len()).any(|window| window == KEY.as_bytes()));
    assert_eq!(answer.content, "You sent Bearer [redacted].");
    let (frames, _) = stream(&upstream).await;
    let clean = |frame: &Frame| !format!("{frame:?}").contains(KEY);
    assert!(frames.iter().all(clean));
    assert!(text(&frames).contains("[redacted]"));
    let escaped = Body::Json(json!({"error": {"message": format!("{KEY} \u{e9} {KEY}"), "code": KEY}}));
    let plain = Body::Text(format!("no such key: {KEY}"));
    for body in [Body::EchoAuthorization, escaped, plain] {
        provider.queue(Play { body: Some(body), ..Play::status(401) });
        let shown = format!("{:?}", refused(&upstream).await);
        assert!(!shown.contains(KEY) && shown.contains("[redacted]"), "{shown}");
    }
}

#[tokio::test]
async fn echo_needs_no_network() {
    let upstream = upstream("http://127.0.0.1:9/v1", LONG);
    match upstream.send(request("echo", false)).await {
        Ok(UpstreamAnswer::Whole(answer)) => assert_eq!(answer.content, "Echo: hi"),
        _ => panic!("no whole answer"),
    }
}

#[test]
fn retry_after_is_seconds() {
    let of = |text: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_str(text).unwrap());
        retry_after(&headers)
    };
    assert_eq!(of("7 "), Some(7));
    assert_eq!(of("Wed, 21 Oct 2026 07:28:00 GMT"), None);
    assert_eq!(of("-1"), None);
}
