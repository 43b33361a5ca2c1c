use serde_json::json;

use super::*;
use crate::{Body, Client, End, Usage};

const CHAT: &str = "/chat/completions";

fn start() -> (PlayableProvider, Client) {
    let provider = PlayableProvider::start();
    let client = Client::new(&provider.base_url());
    (provider, client)
}

fn ask(more: &Value) -> Value {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    for (key, value) in more.as_object().into_iter().flatten() {
        body[key] = value.clone();
    }
    body
}

#[tokio::test]
async fn it_answers_in_openais_shape_and_records_what_came() {
    let (provider, client) = start();
    let answer = client.bearer("sk-a").post_json(CHAT, &ask(&json!({"max_tokens": 2}))).await;
    assert_eq!(answer.status, 200);
    let json = answer.json();
    assert_eq!(json["choices"][0]["message"]["content"], "word1 word2");
    assert_eq!(json["choices"][0]["finish_reason"], "length");
    assert_eq!(json["usage"], json!({"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}));
    let request = provider.last_request();
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/v1/chat/completions"));
    assert_eq!(request.header("authorization"), Some("Bearer sk-a"));
    assert_eq!(request.body["max_tokens"], 2);
    assert_eq!(client.get("/models").await.json()["data"][0]["id"], "played-model");
    assert_eq!((provider.requests().len(), provider.connections()), (2, 1));
}

#[tokio::test]
async fn a_stream_tells_of_usage_only_if_asked() {
    let (_provider, client) = start();
    let plain = client.post_json(CHAT, &ask(&json!({"stream": true}))).await;
    assert_eq!(plain.header("content-type"), "text/event-stream");
    assert_eq!(plain.data().len(), 8);
    assert!(!plain.text().contains("usage"));
    let asked = ask(&json!({"stream": true, "stream_options": {"include_usage": true}}));
    let data = client.post_json(CHAT, &asked).await.data();
    let usage: Value = serde_json::from_str(&data[7]).unwrap();
    assert_eq!((&usage["choices"], &usage["usage"]["total_tokens"]), (&json!([]), &json!(12)));
    assert_eq!(data[8], "[DONE]");
}

#[tokio::test]
async fn plays_are_taken_in_their_order_and_then_the_default() {
    let (provider, client) = start();
    provider.set_default(Play { usage: Usage::OutputLimit, ..Play::default() });
    provider.queue(Play { headers: vec![("retry-after".into(), "7".into())], ..Play::status(429) });
    provider.queue(Play::with_body(Body::Html));
    let refused = client.post_json(CHAT, &ask(&json!({}))).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, "7"));
    assert_eq!(refused.json()["error"]["code"], "played");
    assert!(client.post_json(CHAT, &ask(&json!({}))).await.text().starts_with("<html>"));
    let exact = client.post_json(CHAT, &ask(&json!({"max_tokens": 40, "n": 2}))).await.json();
    assert_eq!(exact["usage"]["completion_tokens"], 80);
}

#[tokio::test]
async fn held_answers_wait_for_their_release() {
    let (provider, client) = start();
    provider.set_default(Play::held());
    let calls: Vec<_> = (0..5)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.post_json(CHAT, &ask(&json!({}))).await.status })
        })
        .collect();
    provider.await_requests(5).await;
    assert!(calls.iter().all(|call| !call.is_finished()));
    provider.release(5);
    for call in calls {
        assert_eq!(call.await.unwrap(), 200);
    }
    provider.await_answered(5).await;
}

#[tokio::test]
async fn a_peer_that_hangs_up_is_counted() {
    let (provider, client) = start();
    provider.queue(Play::ending(End::Stall { after: 2 }));
    let mut answer = client.stream_json(CHAT, &ask(&json!({"stream": true}))).await;
    assert!(answer.next_data().await.unwrap().contains("assistant"));
    assert!(answer.next_data().await.unwrap().contains("word1"));
    assert_eq!(provider.hang_ups(), 0);
    answer.hang_up();
    provider.await_hang_ups(1).await;
}

#[tokio::test]
async fn broken_streams_break() {
    let (provider, client) = start();
    provider.queue(Play::ending(End::BreakOff { after: 3 }));
    let mut answer = client.stream_json(CHAT, &ask(&json!({"stream": true}))).await;
    let mut events = 0;
    let end = loop {
        match answer.try_next_data().await {
            Ok(Some(_)) => events += 1,
            end => break end,
        }
    };
    assert_eq!(events, 3);
    assert!(end.is_err());
    assert_eq!(provider.hang_ups(), 0);
}

#[tokio::test]
async fn it_can_be_played_from_another_process() {
    let (provider, client) = start();
    let control = Client::new(&provider.base_url().replace("/v1", ""));
    let plays = json!({
        "queue": [{"status": 500}, {"end": {"break_off": {"after": 1}}, "usage": {"raw": 7}, "body": "html"}],
        "default": {"hold": true, "usage": "none"},
    });
    assert_eq!(control.post_json("/__play", &plays).await.json(), json!({"queued": 2}));
    assert_eq!(client.post_json(CHAT, &ask(&json!({}))).await.status, 500);
    assert_eq!(control.post_json("/__play", &json!({"default": {"statuts": 1}})).await.status, 400);
    assert_eq!(control.post_json("/__play", &json!({})).await.json(), json!({"queued": 0}));
    assert_eq!(control.post_json("/__play", &json!({"default": {"hold": true}})).await.status, 200);
    assert_eq!(control.post_json("/__release", &json!({"answers": 1})).await.status, 200);
    assert_eq!(client.post_json(CHAT, &ask(&json!({}))).await.status, 200);
    let recorded = control.get("/__requests").await.json();
    assert_eq!(recorded["requests"].as_array().unwrap().len(), 2);
    assert_eq!(recorded["requests"][0]["body"]["model"], "m");
}
