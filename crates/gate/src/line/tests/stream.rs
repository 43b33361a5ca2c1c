//! Streams.

use std::time::Duration;

use futures::{FutureExt, SinkExt, StreamExt};
use serde_json::{Value, json};
use tollgate_domain::{Tokens, UsageSource};

use crate::{
    Endpoint, Refusal, Reply, UpstreamError,
    fixture::{CUT_OFF, House, PROMPT, Play, Setup, chat, content, done, error, frames, usage, usage_only},
    upstream::Frame,
};

const DONE: &str = "data: [DONE]\n\n";

fn streamed() -> String {
    chat(10, r#","stream":true"#)
}

fn with_usage() -> String {
    chat(10, r#","stream":true,"stream_options":{"include_usage":true}"#)
}

fn shown(texts: &[&str]) -> String {
    texts.iter().map(|text| format!("data: {{\"delta\":\"{text}\"}}\n\n")).collect()
}

/// The code of the error that stands where the end marker would.
fn ends_with_error(rest: &str) -> String {
    assert!(!rest.contains("[DONE]"), "{rest}");
    let last = rest.trim_end().rsplit("data: ").next().unwrap();
    let error: Value = serde_json::from_str(last).unwrap();
    assert!(error["error"]["message"].is_string() && error["error"]["type"] == "server_error");
    error["error"]["code"].as_str().unwrap().to_owned()
}

#[test]
fn chunks_pass_through_and_usage_reaches_only_who_asked() {
    for (body, usage_chunk) in [(streamed(), ""), (with_usage(), "data: {\"usage\":{}}\n\n")] {
        let mut house = House::plain();
        house.play(frames([content("a"), content("b"), usage_only(usage(12, 3)), done()]));
        let (metered, mut stream) = house.streamed(&body);
        let quota = metered.quota.unwrap();
        assert_eq!((quota.used, quota.held), (0, PROMPT + 10), "a stream's head shows its hold");
        assert_eq!(house.rest(&mut stream), shown(&["a", "b"]) + usage_chunk + DONE);
        assert_eq!(house.asked()["stream_options"], json!({"include_usage": true}));
        assert_eq!(house.counted(), (15, [1; 3]));
        let event = house.settled().remove(0);
        assert_eq!((event.status, &event.error_code), (200, &None));
        assert_eq!((event.tokens.total(), event.usage_source), (Some(15), UsageSource::Reported));
        assert_eq!(event.cost_pico, Some(15 * 100_000_000));
        let bytes = shown(&["a", "b"]).len() + usage_chunk.len();
        assert_eq!(event.response_bytes, u64::try_from(bytes).unwrap());
    }
}

#[test]
fn usage_within_a_chunk_is_cut_out_for_who_did_not_ask() {
    for (body, expected) in [(streamed(), "data: cut\n\n"), (with_usage(), "data: {\"delta\":\"b\"}\n\n")] {
        let mut house = House::plain();
        let both =
            Frame { usage: Some(usage(12, 3)), without_usage: Some("data: cut\n\n".into()), ..content("b") };
        house.play(frames([content("a"), both, done()]));
        let (_, mut stream) = house.streamed(&body);
        assert_eq!(house.rest(&mut stream), shown(&["a"]) + expected + DONE);
        assert_eq!(house.settled_event().tokens.total(), Some(15));
    }
}

#[test]
fn of_several_reports_the_last_counts() {
    let mut house = House::plain();
    let running = |completion| Frame { usage: Some(usage(12, completion)), ..content("a") };
    house.play(frames([running(1), running(2), content("b"), done()]));
    let (_, mut stream) = house.streamed(&streamed());
    house.rest(&mut stream);
    assert_eq!(house.settled_event().tokens.completion, Some(2));
}

#[test]
fn an_explicit_zero_stays_zero() {
    let mut house = House::plain();
    house.play(frames([content("a"), usage_only(usage(0, 0)), done()]));
    let (_, mut stream) = house.streamed(&streamed());
    house.rest(&mut stream);
    let event = house.settled_event();
    assert_eq!((event.tokens.total(), event.cost_pico), (Some(0), Some(0)));
}

#[test]
fn without_a_report_what_was_delivered_is_counted() {
    let mut house = House::plain();
    house.play(frames([content("hello"), content(" world"), done()]));
    let (_, mut stream) = house.streamed(&streamed());
    assert!(house.rest(&mut stream).ends_with(DONE));
    let event = house.settled_event();
    assert_eq!((event.tokens.completion, event.usage_source), (Some(2), UsageSource::Observed));
    assert!(event.usage_source.is_estimate());
    assert!(event.tokens.prompt.is_some_and(|prompt| prompt > 0));
}

#[test]
fn the_end_marker_waits_for_the_commit() {
    let mut house = House::plain();
    house.events.hold();
    house.play(frames([content("a"), usage_only(usage(12, 3)), done()]));
    let (_, mut stream) = house.streamed(&streamed());
    assert_eq!(house.next(&mut stream), Some(shown(&["a"])), "nothing else waits");
    house.until("the commit", |house| (house.events.calls() == 1).then_some(()));
    house.stall();
    assert!(stream.next().now_or_never().is_none(), "neither the marker nor the end");
    assert_eq!(house.meter.open(), (PROMPT + 10, 1));
    house.events.let_go();
    assert_eq!(house.next(&mut stream).as_deref(), Some(DONE));
    assert_eq!(house.events.all().len(), 1, "on disk before the marker");
    assert_eq!(house.next(&mut stream), None);
    house.settled_event();
}

#[test]
fn a_stream_that_fails_before_its_first_event_is_refused_and_costs_nothing() {
    for (play, code) in [
        (Play::Frames(vec![]), "upstream_error"),
        (Play::Frames(vec![Err(UpstreamError::Timeout)]), "upstream_timeout"),
        (Play::Frames(vec![Err(UpstreamError::Broken("x".into()))]), "upstream_error"),
        (frames([error()]), "upstream_error"),
        (Play::Error(UpstreamError::Unreachable("x".into())), "upstream_unreachable"),
    ] {
        let mut house = House::plain();
        house.play(play);
        let (refusal, _) = house.refused(&streamed());
        assert_eq!(refusal.code(), code);
        assert_eq!(house.counted(), (0, [1; 3]));
        let event = house.settled().remove(0);
        assert_eq!((event.status, event.tokens), (refusal.status(), Tokens::default()));
        assert_eq!(event.error_code.as_deref(), Some(code));
    }
}

#[test]
fn a_stream_that_breaks_off_says_so_and_is_charged_as_observed() {
    let hello = || Ok(content("hello world"));
    for (play, code) in [
        (vec![hello(), Err(UpstreamError::Broken("x".into()))], "upstream_error"),
        (vec![hello(), Err(UpstreamError::Timeout)], "upstream_timeout"),
        (vec![hello()], "upstream_error"),
        (vec![hello(), Ok(error()), Ok(content("after")), Ok(done())], "upstream_error"),
    ] {
        let mut house = House::plain();
        house.play(Play::Frames(play));
        let (_, mut stream) = house.streamed(&streamed());
        let rest = house.rest(&mut stream);
        assert!(rest.starts_with(&shown(&["hello world"])), "{rest}");
        assert_eq!(ends_with_error(&rest), code);
        assert!(!rest.contains("sk-operator") && !rest.contains("after"), "{rest}");
        let event = house.settled_event();
        assert_eq!((event.status, event.error_code.as_deref()), (200, Some(code)));
        assert_eq!((event.tokens.completion, event.usage_source), (Some(2), UsageSource::Observed));
        assert!(!event.succeeded());
    }
}

#[test]
fn a_stream_that_breaks_off_after_its_usage_is_charged_as_reported() {
    let mut house = House::plain();
    let broken = Err(UpstreamError::Broken("x".into()));
    house.play(Play::Frames(vec![Ok(content("a")), Ok(usage_only(usage(12, 3))), broken]));
    let (_, mut stream) = house.streamed(&streamed());
    let rest = house.rest(&mut stream);
    assert_eq!(ends_with_error(&rest), "upstream_error");
    let event = house.settled_event();
    assert_eq!((event.tokens.total(), event.usage_source), (Some(15), UsageSource::Reported));
}

#[test]
fn a_stream_that_ends_after_its_usage_is_complete() {
    let mut house = House::plain();
    house.play(frames([content("a"), usage_only(usage(12, 3))]));
    let (_, mut stream) = house.streamed(&streamed());
    assert_eq!(house.rest(&mut stream), shown(&["a"]) + DONE);
    assert_eq!(house.settled_event().error_code, None);
}

#[test]
fn what_comes_after_the_end_marker_is_ignored() {
    let mut house = House::plain();
    house.play(frames([
        content("a"),
        usage_only(usage(12, 3)),
        done(),
        content("b"),
        usage_only(usage(900, 900)),
    ]));
    let (_, mut stream) = house.streamed(&with_usage());
    assert_eq!(house.rest(&mut stream), shown(&["a"]) + "data: {\"usage\":{}}\n\n" + DONE);
    assert_eq!(house.settled_event().tokens.total(), Some(15));
}

#[test]
fn an_empty_stream_is_complete_and_costs_its_prompt() {
    let mut house = House::plain();
    house.play(frames([done()]));
    let (_, mut stream) = house.streamed(&streamed());
    assert_eq!(house.rest(&mut stream), DONE);
    let event = house.settled_event();
    assert_eq!((event.tokens.completion, event.usage_source), (Some(0), UsageSource::Estimated));
}

#[test]
fn a_stream_that_cannot_be_recorded_has_no_end_marker() {
    let mut house = House::new(Setup { max_wait: Duration::ZERO, ..Setup::default() });
    house.events.go_down(true);
    house.play(frames([content("a"), usage_only(usage(12, 3)), done()]));
    let (_, mut stream) = house.streamed(&streamed());
    let rest = house.rest(&mut stream);
    assert_eq!(ends_with_error(&rest), "store_unavailable");
    house.recover(1);
    assert_eq!(house.counted(), (15, [1; 3]), "the answer began, and counts");
    let event = house.settled().remove(0);
    let code = Some("store_unavailable");
    assert_eq!((event.status, event.error_code.as_deref(), event.counts), (200, code, true));
}

#[test]
fn a_client_that_goes_before_the_first_event_ends_the_call() {
    let mut house = House::plain();
    let _silent = house.play_live();
    let answer = house.start(&streamed());
    house.until("the provider's turn", |house| (house.upstream.asked.borrow().len() == 1).then_some(()));
    drop(answer);
    let event = house.settled_event();
    assert_eq!((event.status, event.error_code.as_deref()), (499, Some("client_closed_request")));
    assert_eq!(event.usage_source, UsageSource::Estimated);
}

#[test]
fn a_client_that_goes_between_two_chunks_ends_the_call_and_pays_what_it_got() {
    let mut house = House::plain();
    let mut provider = house.play_live();
    let mut answer = house.start(&streamed());
    provider.try_send(Ok(content("hello world"))).unwrap();
    let Reply::Stream { mut body, .. } = house.answer(&mut answer) else { panic!() };
    assert_eq!(house.next(&mut body), Some(shown(&["hello world"])));
    assert_eq!(house.upstream.running.get(), 1);
    drop(body);
    let event = house.settled_event();
    assert_eq!((event.status, event.error_code.as_deref()), (200, Some("client_closed_request")));
    assert_eq!((event.tokens.completion, event.usage_source), (Some(2), UsageSource::Observed));
    assert!(provider.send(Ok(content("more"))).now_or_never().unwrap().is_err(), "nobody listens any more");
}

#[test]
fn a_client_that_reads_slowly_slows_the_provider_and_may_still_go() {
    let mut house = House::plain();
    let mut provider = house.play_live();
    let mut answer = house.start(&streamed());
    let fill = |provider: &mut futures::channel::mpsc::Sender<_>| {
        std::iter::repeat_with(|| provider.try_send(Ok(content("hello "))).is_ok())
            .take_while(|sent| *sent)
            .count()
    };
    let room = fill(&mut provider);
    let Reply::Stream { mut body, .. } = house.answer(&mut answer) else { panic!() };
    house.stall();
    let taken = fill(&mut provider);
    assert!((1..=8).contains(&taken), "{taken} of {room} taken that nobody has read");
    house.next(&mut body).unwrap();
    house.stall();
    assert!(fill(&mut provider) <= 2, "one more for each that was read");
    drop(body);
    let event = house.settled_event();
    assert_eq!(event.error_code.as_deref(), Some("client_closed_request"));
    assert!(event.tokens.completion.is_some_and(|tokens| tokens <= 12));
}

#[test]
fn a_client_that_goes_at_the_very_end_is_charged_for_all() {
    let mut house = House::plain();
    house.events.hold();
    house.play(frames([content("a"), usage_only(usage(12, 3)), done()]));
    let (_, mut stream) = house.streamed(&streamed());
    house.next(&mut stream).unwrap();
    house.until("the commit", |house| (house.events.calls() == 1).then_some(()));
    drop(stream);
    house.stall();
    house.events.let_go();
    let event = house.settled_event();
    assert_eq!((event.status, event.error_code, event.tokens.total()), (200, None, Some(15)));
}

#[test]
fn a_task_that_ends_in_mid_stream_is_recorded_as_interrupted() {
    let mut house = House::plain();
    let mut provider = house.play_live();
    let (task, mut answer) = house.spawn(house.call(Endpoint::ChatCompletions, Ok(&streamed())));
    provider.try_send(Ok(content("hello world"))).unwrap();
    let Reply::Stream { mut body, .. } = house.answer(&mut answer) else { panic!() };
    house.stall();
    drop(task);
    assert_eq!(house.rest(&mut body), shown(&["hello world"]) + CUT_OFF, "no end marker");
    let event = house.settled_event();
    assert_eq!((event.error_code.as_deref(), event.tokens.completion), (Some("interrupted"), Some(2)));
    assert_eq!(event.usage_source, UsageSource::Observed);
}

#[test]
fn a_panic_in_mid_stream_is_recorded_as_interrupted() {
    let mut house = House::plain();
    house.play(Play::Panic(vec![content("hello world")]));
    let (_, mut body) = house.streamed(&streamed());
    assert_eq!(house.rest(&mut body), shown(&["hello world"]) + CUT_OFF);
    let event = house.settled_event();
    assert_eq!((event.error_code.as_deref(), event.tokens.completion), (Some("interrupted"), Some(2)));
}

#[test]
fn a_plain_completion_streams_its_text_then_the_rest() {
    let mut house = House::plain();
    let reasoning = Frame { text: "hmm".into(), content: String::new(), ..content("") };
    house.play(frames([reasoning, content("a\\\"b"), content("c"), usage_only(usage(12, 3)), done()]));
    let body = r#"{"prompt":"hello","max_tokens":5,"stream":true}"#;
    let Reply::Stream { mut body, .. } = house.ask(Endpoint::LlmCompletion, Ok(body)) else { panic!() };
    let events = house.rest(&mut body);
    let events: Vec<_> = events.trim_end().split("\n\n").map(|e| e.strip_prefix("data: ").unwrap()).collect();
    assert_eq!(events.len(), 4, "{events:?}");
    let parsed: Vec<Value> = events[..3].iter().map(|event| serde_json::from_str(event).unwrap()).collect();
    assert_eq!(parsed[..2], [json!({"text": "a\\\"b"}), json!({"text": "c"})]);
    assert_eq!(parsed[2]["usage"]["total_tokens"], 15);
    assert_eq!(parsed[2]["tokens_remaining"], 9_985);
    assert_eq!((parsed[2].get("text"), &parsed[2]["id"]), (None, &json!("chatcmpl-1")));
    assert_eq!(events[3], "[DONE]");
    house.settled_event();
}

#[test]
fn a_provider_that_answers_a_stream_at_once_is_answered_for_at_once() {
    let mut house = House::plain();
    house.play(crate::fixture::whole("hi", Some(usage(12, 3))));
    let (_, body) = house.whole(&streamed());
    assert_eq!(body, r#"{"text":"hi"}"#);
    house.events.go_down(false);
    assert_ne!(house.settled_event().error_code.as_deref(), Some(Refusal::Internal.code()));
}
