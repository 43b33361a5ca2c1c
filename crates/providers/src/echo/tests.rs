use futures::FutureExt;
use tollgate_gate::upstream::{Completion, Frame, FrameKind};
use tollgate_testkit::FixedClock;

use super::*;

fn ask(path: &'static str, body: &Value, stream: bool) -> UpstreamAnswer {
    let echo = Echo::new(FixedClock::shared());
    let body = Bytes::from(body.to_string());
    echo.answer(&UpstreamRequest { provider: "echo".into(), path, body, stream, needs_text: true }).unwrap()
}

fn whole(path: &'static str, body: &Value) -> (Completion, Value) {
    let UpstreamAnswer::Whole(completion) = ask(path, body, false) else { panic!("no whole answer") };
    let json = serde_json::from_slice(&completion.body).unwrap();
    (completion, json)
}

fn frames(path: &'static str, body: &Value) -> Vec<Frame> {
    let UpstreamAnswer::Stream(stream) = ask(path, body, true) else { panic!("no stream") };
    stream.map(Result::unwrap).collect::<Vec<_>>().now_or_never().expect("nothing to wait for")
}

fn conversation() -> Value {
    json!({
        "model": "m",
        "messages": [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": [{"type": "text", "text": "hello  brave new"}, {"type": "text", "text": "world\n"}]},
            {"role": "assistant", "content": null},
        ],
    })
}

#[test]
fn a_chat_echoes_the_users_last_words_and_says_what_it_is() {
    let (completion, json) = whole(CHAT, &conversation());
    assert_eq!(completion.content, "Echo: hello  brave new world");
    assert_eq!(completion.id.as_deref(), json["id"].as_str());
    let usage = completion.usage.unwrap();
    assert_eq!((usage.prompt, usage.completion, usage.total), (Some(6), Some(5), Some(11)));
    assert_eq!((usage.cached, usage.reasoning), (Some(0), Some(0)));
    assert_eq!(json["object"], "chat.completion");
    assert_eq!(json["model"], "m");
    assert_eq!(json["system_fingerprint"], "echo");
    assert_eq!(json["created"], FixedClock::default().now().timestamp());
    assert_eq!(json["choices"][0]["finish_reason"], "stop");
    assert!(json["notice"].as_str().unwrap().contains("not a model"));
}

#[test]
fn the_output_limit_holds_for_each_choice() {
    for limit in ["max_tokens", "max_completion_tokens"] {
        let mut body = conversation();
        body[limit] = 2.into();
        body["n"] = 3.into();
        let (completion, json) = whole(CHAT, &body);
        assert_eq!(completion.content, "Echo: hello");
        assert_eq!(completion.usage.unwrap().completion, Some(6));
        let finished: Vec<&str> =
            json["choices"].as_array().unwrap().iter().filter_map(|c| c["finish_reason"].as_str()).collect();
        assert_eq!(finished, ["length"; 3]);
    }
}

#[test]
fn plain_completions_echo_every_prompt() {
    let (completion, json) = whole(PLAIN, &json!({"prompt": ["one two", "three"], "n": 1}));
    assert_eq!(completion.text, "Echo: one twoEcho: three");
    assert_eq!(json["object"], "text_completion");
    assert_eq!(json["choices"][1]["text"], "Echo: three");
    assert_eq!(completion.usage.unwrap().prompt, Some(3));
}

#[test]
fn a_stream_has_a_chunk_a_word_and_the_usage_if_asked_for() {
    let mut body = conversation();
    body["stream_options"] = json!({"include_usage": true});
    let frames = frames(CHAT, &body);
    let kinds: Vec<FrameKind> = frames.iter().map(|frame| frame.kind).collect();
    let mut expected = vec![FrameKind::Content; 7];
    expected.extend([FrameKind::UsageOnly, FrameKind::End]);
    assert_eq!(kinds, expected);
    let text: String = frames.iter().map(|frame| frame.content.as_str()).collect();
    assert_eq!(text, "Echo: hello  brave new world");
    assert_eq!(frames[7].usage.unwrap().total, Some(11));
    assert!(frames[0].raw.starts_with(b"data: {") && frames[0].raw.ends_with(b"}\n\n"));
    assert_eq!(frames[8].raw, "data: [DONE]\n\n");
}

#[test]
fn a_stream_without_usage_has_none() {
    let frames = frames(CHAT, &conversation());
    assert!(frames.iter().all(|frame| frame.usage.is_none() && frame.without_usage.is_none()));
    assert_eq!(frames.last().unwrap().kind, FrameKind::End);
    let (start, whole) = (&frames[0].id, frames.iter().all(|frame| frame.id.is_some()));
    assert!(start.is_some() && !whole, "the end marker alone has no id");
}

#[test]
fn plain_streams_have_texts() {
    let frames = frames(PLAIN, &json!({"prompt": "a b"}));
    let texts: Vec<&str> = frames.iter().map(|frame| frame.content.as_str()).collect();
    assert_eq!(texts, ["Echo:", " a", " b", "", ""]);
}

#[test]
fn what_it_cannot_answer_it_refuses() {
    let status = |answer| match answer {
        UpstreamAnswer::Refused(error) => error.status,
        _ => 200,
    };
    assert_eq!(status(ask("/embeddings", &json!({}), false)), 404);
    assert_eq!(status(ask(CHAT, &json!([]), false)), 400);
    assert_eq!(status(ask(CHAT, &json!({"messages": [], "n": 129}), false)), 400);
    assert_eq!(status(ask(CHAT, &json!({"messages": []}), false)), 200);
}
