//! Whole answers.

use futures::FutureExt;
use serde_json::{Value, json};
use tollgate_billing::PriceBook;
use tollgate_domain::{Tokens, UsageSource};

use crate::{
    Endpoint, Refusal, Reply, UpstreamError,
    fixture::{House, PROMPT, Play, Setup, chat, usage, whole},
    upstream::{ProviderError, ReportedUsage},
};

/// Of a plain completion.
fn plain(house: &mut House, body: &str) -> Value {
    match house.ask(Endpoint::LlmCompletion, Ok(body)) {
        Reply::Whole { body, .. } => serde_json::from_slice(&body).unwrap(),
        Reply::Refused { refusal, .. } => panic!("{refusal:?}"),
        Reply::Stream { .. } => panic!("a stream"),
    }
}

#[test]
fn an_answer_costs_exactly_what_the_provider_reports() {
    let mut house = House::plain();
    house.play(whole("hi", Some(usage(12, 3))));
    let body = chat(10, r#","user":"eve\n","temperature":0"#);
    let (metered, answer) = house.whole(&body);
    assert_eq!(answer, r#"{"text":"hi"}"#);
    let quota = metered.quota.unwrap();
    assert_eq!((quota.used, quota.held, quota.remaining()), (15, 0, 9_985));
    assert_eq!(metered.readings.map(|reading| reading.used), [1; 3]);
    let sent = house.asked();
    assert_eq!((&sent["model"], &sent["max_tokens"]), (&json!("theirs"), &json!(10)));
    assert!(!sent.to_string().contains(&house.secret), "the caller's key goes nowhere");
    let event = house.settled_event();
    assert_eq!((event.status, event.error_code, event.counts), (200, None, true));
    assert_eq!(event.tokens, Tokens { prompt: Some(12), completion: Some(3), ..Tokens::default() });
    assert_eq!((event.usage_source, event.cost_pico), (UsageSource::Reported, Some(15 * 100_000_000)));
    assert_eq!((event.request_bytes, event.response_bytes), (u64::try_from(body.len()).unwrap(), 13));
    let names = [event.provider, event.model, event.upstream_model, event.end_user, event.user_agent];
    assert_eq!(names.map(Option::unwrap), ["p", "m", "theirs", "eve ", "test  "]);
    assert_eq!((event.endpoint.as_str(), event.method.as_str()), ("/v1/chat/completions", "POST"));
    assert_eq!(event.params, r#"{"max_tokens":10,"temperature":0}"#);
    assert_eq!((event.user_id, event.api_key_id), (house.rows.user.id, house.rows.key.id));
}

#[test]
fn nobody_has_the_answer_before_it_is_on_disk() {
    let mut house = House::plain();
    house.events.hold();
    house.play(whole("hi", Some(usage(12, 3))));
    let mut answer = house.start(&chat(10, ""));
    house.until("the commit", |house| (house.events.calls() == 1).then_some(()));
    house.stall();
    assert!(answer.try_recv().unwrap().is_none());
    assert_eq!(house.meter.open(), (PROMPT + 10, 1), "held until it is recorded");
    house.events.let_go();
    assert!(matches!(house.answer(&mut answer), Reply::Whole { .. }));
    assert_eq!(house.events.all().len(), 1);
    house.settled_event();
}

#[test]
fn an_answer_that_cannot_be_recorded_is_not_given_and_charged_all_the_same() {
    let mut house = House::new(Setup { max_wait: std::time::Duration::ZERO, ..Setup::default() });
    house.events.go_down(true);
    house.play(whole("hi", Some(usage(12, 3))));
    let (refusal, metered) = house.refused(&chat(10, ""));
    assert_eq!(refusal, Refusal::StoreUnavailable);
    let metered = metered.unwrap();
    let quota = metered.quota.unwrap();
    assert_eq!((quota.used, quota.held), (15, 0));
    assert_eq!(metered.readings.map(|reading| reading.used), [0; 3], "a 503 does not count");
    house.recover(1);
    assert_eq!(house.counted(), (15, [0; 3]), "the provider was paid");
    let event = house.settled().remove(0);
    assert_eq!(event.tokens.total(), Some(15), "it was only late");
    let code = Some("store_unavailable");
    assert_eq!((event.status, event.error_code.as_deref(), event.counts), (503, code, false));
}

#[test]
fn a_refusal_that_cannot_be_recorded_is_a_503_and_counts_nothing() {
    for play in [None, Some(Play::Error(UpstreamError::Timeout))] {
        let mut house = House::new(Setup { max_wait: std::time::Duration::ZERO, ..Setup::default() });
        house.events.go_down(true);
        let body = if play.is_some() { chat(10, "") } else { "{}".to_owned() };
        play.into_iter().for_each(|play| house.play(play));
        assert_eq!(house.refused(&body).0, Refusal::StoreUnavailable);
        house.recover(1);
        assert_eq!(house.counted(), (0, [0; 3]));
        let event = house.settled().remove(0);
        assert_eq!((event.status, event.counts, event.tokens.total()), (503, false, None));
    }
}

#[test]
fn a_client_that_is_gone_is_recorded_as_such_however_late() {
    let mut house = House::new(Setup { max_wait: std::time::Duration::ZERO, ..Setup::default() });
    house.events.go_down(true);
    drop(house.start(&chat(10, "")));
    house.until("the record", |house| (house.meter.open() == (0, 0)).then_some(()));
    house.until("the try", |house| (house.events.calls() > 0).then_some(()));
    house.events.go_down(false);
    let event = house.settled_event();
    assert_eq!((event.status, event.error_code.as_deref()), (499, Some("client_closed_request")));
}

#[test]
fn an_answer_whose_event_the_database_refuses_is_given() {
    let mut house = House::plain();
    house.events.refuse_values();
    house.play(whole("hi", Some(usage(12, 3))));
    assert_eq!(house.whole(&chat(10, "")).0.quota.unwrap().used, 15);
    assert_eq!(house.settled(), [], "it is on disk, apart from the others");
}

#[test]
fn an_explicit_zero_stays_zero() {
    let mut house = House::plain();
    house.play(whole("hi", Some(usage(0, 0))));
    assert_eq!(house.whole(&chat(10, "")).0.quota.unwrap().used, 0);
    let event = house.settled_event();
    assert_eq!((event.tokens.total(), event.cost_pico), (Some(0), Some(0)));
    assert_eq!(event.usage_source, UsageSource::Reported);
}

#[test]
fn what_is_missing_is_derived() {
    let mut house = House::plain();
    let report = ReportedUsage { prompt: Some(12), total: Some(20), ..ReportedUsage::default() };
    house.play(whole("hi", Some(report)));
    house.whole(&chat(10, ""));
    let event = house.settled_event();
    assert_eq!((event.tokens.prompt, event.tokens.completion), (Some(12), Some(8)));
    assert_eq!(event.usage_source, UsageSource::Derived);
    assert!(!event.usage_source.is_estimate());
}

#[test]
fn what_nobody_reports_is_observed() {
    let mut house = House::plain();
    house.play(whole("hello world", None));
    house.whole(&chat(10, ""));
    let event = house.settled_event();
    assert_eq!((event.tokens.completion, event.usage_source), (Some(2), UsageSource::Observed));
    let prompt = event.tokens.prompt.unwrap();
    assert!((2..=PROMPT).contains(&prompt), "{prompt}");
    assert!(event.usage_source.is_estimate());
    assert_eq!(event.cost_pico, Some(i64::try_from(prompt + 2).unwrap() * 100_000_000));
}

#[test]
fn cached_and_reasoning_tokens_are_kept() {
    let mut house = House::plain();
    house.play(whole("hi", Some(ReportedUsage { cached: Some(4), reasoning: Some(0), ..usage(12, 3) })));
    house.whole(&chat(10, ""));
    let event = house.settled_event();
    assert_eq!((event.tokens.cached, event.tokens.reasoning), (Some(4), Some(0)));
}

#[test]
fn without_a_price_the_cost_is_unknown() {
    let prices = PriceBook { defaults: None, ..PriceBook::default() };
    let mut house = House::new(Setup { prices, ..Setup::default() });
    house.play(whole("hi", Some(usage(12, 3))));
    let answer = plain(&mut house, r#"{"prompt":"hello"}"#);
    assert_eq!(answer.get("cost_usd"), Some(&Value::Null));
    let event = house.settled_event();
    assert_eq!((event.cost_pico, event.tokens.total()), (None, Some(15)));
}

#[test]
fn a_plain_completion_says_what_it_cost_and_what_is_left() {
    let mut house = House::plain();
    house.play(whole("hi", Some(usage(12, 3))));
    house.play(whole("hello world", None));
    let answer = plain(&mut house, r#"{"prompt":"hello","max_tokens":5}"#);
    let usage = json!({"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15, "estimated": false});
    assert_eq!(
        answer,
        json!({
            "id": "chatcmpl-1", "text": "hi", "model": "m", "provider": "p", "usage": usage,
            "cost_usd": 0.0015, "tokens_remaining": 9_985,
        })
    );
    let answer = plain(&mut house, r#"{"prompt":"hello","max_tokens":5}"#);
    assert_eq!((&answer["usage"]["estimated"], &answer["text"]), (&json!(true), &json!("hello world")));
    let events = house.settled();
    assert!(events.iter().all(|event| event.endpoint == "/api/v1/llm/completion"));
}

#[test]
fn a_provider_that_fails_first_costs_nothing() {
    let refused =
        |status| Play::Refused(ProviderError { status, message: "no".into(), ..ProviderError::default() });
    for (play, status, code) in [
        (Play::Error(UpstreamError::Unreachable("x".into())), 502, "upstream_unreachable"),
        (Play::Error(UpstreamError::Timeout), 504, "upstream_timeout"),
        (Play::Error(UpstreamError::Broken("x".into())), 502, "upstream_error"),
        (Play::Error(UpstreamError::Unreadable("<html>".into())), 502, "upstream_error"),
        (refused(400), 400, "upstream_error"),
        (refused(422), 422, "upstream_error"),
        // The operator's trouble, not the caller's.
        (refused(401), 502, "upstream_error"),
        (refused(403), 502, "upstream_error"),
        (refused(429), 502, "upstream_error"),
        (refused(500), 502, "upstream_error"),
        (refused(302), 502, "upstream_error"),
    ] {
        let mut house = House::plain();
        house.play(play);
        let (refusal, metered) = house.refused(&chat(10, ""));
        assert_eq!((refusal.status(), refusal.code()), (status, code));
        let quota = metered.unwrap().quota.unwrap();
        assert_eq!((quota.used, quota.held), (0, 0));
        assert_eq!(house.counted(), (0, [1; 3]), "the answer counts");
        let event = house.settled().remove(0);
        assert_eq!((event.status, event.error_code.as_deref(), event.counts), (status, Some(code), true));
        assert_eq!((event.tokens, event.cost_pico), (Tokens::default(), None));
        assert_eq!(event.usage_source, UsageSource::None);
        assert!(event.upstream_ms.is_some());
    }
}

#[test]
fn a_client_that_is_gone_before_the_provider_is_asked_costs_nothing() {
    let mut house = House::plain();
    drop(house.start(&chat(10, "")));
    let event = house.settled_event();
    assert_eq!(house.upstream.asked.borrow().len(), 0);
    assert_eq!((event.status, event.error_code.as_deref()), (499, Some("client_closed_request")));
    assert_eq!((event.tokens, event.counts), (Tokens::default(), true));
}

#[test]
fn a_client_that_goes_while_the_provider_thinks_ends_the_call_and_is_charged_the_prompt() {
    let mut house = House::plain();
    house.play(Play::Silent);
    let answer = house.start(&chat(10, ""));
    house.until("the provider's turn", |house| (house.upstream.asked.borrow().len() == 1).then_some(()));
    drop(answer);
    let event = house.settled_event();
    assert_eq!((event.status, event.error_code.as_deref()), (499, Some("client_closed_request")));
    assert_eq!((event.tokens.completion, event.usage_source), (Some(0), UsageSource::Estimated));
    assert!(event.tokens.prompt.is_some_and(|prompt| prompt > 0));
}

#[test]
fn a_client_that_goes_while_the_answer_is_recorded_is_charged_for_it() {
    let mut house = House::plain();
    house.events.hold();
    house.play(whole("hi", Some(usage(12, 3))));
    let answer = house.start(&chat(10, ""));
    house.until("the commit", |house| (house.events.calls() == 1).then_some(()));
    drop(answer);
    house.stall();
    house.events.let_go();
    let event = house.settled_event();
    assert_eq!((event.status, event.tokens.total()), (200, Some(15)));
}

#[test]
fn a_task_that_ends_in_mid_flight_is_recorded_as_interrupted() {
    let mut house = House::plain();
    house.play(Play::Silent);
    let (task, mut answer) = house.spawn(house.call(Endpoint::ChatCompletions, Ok(&chat(10, ""))));
    house.until("the provider's turn", |house| (house.upstream.asked.borrow().len() == 1).then_some(()));
    drop(task);
    house.stall();
    assert!(answer.try_recv().is_err(), "the answer's sender is gone");
    let event = house.settled_event();
    assert_eq!(
        (event.error_code.as_deref(), event.usage_source),
        (Some("interrupted"), UsageSource::Estimated)
    );
    assert!(event.tokens.prompt.is_some_and(|prompt| prompt > 0) && event.counts);
}

#[test]
fn a_panic_in_mid_flight_is_recorded_as_interrupted_and_the_next_is_served() {
    let mut house = House::plain();
    house.play(Play::Panic(Vec::new()));
    let mut answer = house.start(&chat(10, ""));
    house.until("the panic", |_| answer.try_recv().is_err().then_some(()));
    house.until("the end", |house| (house.recorder.open() == 0).then_some(()));
    assert_eq!(house.meter.open(), (0, 0));
    house.play(whole("hi", Some(usage(12, 3))));
    house.whole(&chat(10, ""));
    let events = house.settled();
    let codes = events.iter().map(|event| event.error_code.as_deref());
    assert_eq!(codes.collect::<Vec<_>>(), [Some("interrupted"), None]);
    assert!(events[0].tokens.prompt.is_some_and(|prompt| prompt > 0) && events[0].counts);
}

#[test]
fn a_task_that_ends_while_its_record_is_written_is_settled_as_recorded() {
    let mut house = House::plain();
    house.events.hold();
    house.play(whole("hi", Some(usage(12, 3))));
    let (task, _answer) = house.spawn(house.call(Endpoint::ChatCompletions, Ok(&chat(10, ""))));
    house.until("the commit", |house| (house.events.calls() == 1).then_some(()));
    drop(task);
    house.stall();
    assert_eq!(house.meter.open(), (0, 0), "the hold does not stay");
    house.events.let_go();
    assert_eq!(house.counted(), (15, [1; 3]));
    let events = house.settled();
    assert_eq!((events.len(), events[0].tokens.total(), &events[0].error_code), (2, Some(15), &None));
}

#[test]
fn a_task_that_ends_before_it_was_admitted_leaves_nothing() {
    let mut house = House::plain();
    let mut call = house.call(Endpoint::ChatCompletions, Ok(""));
    call.body = std::future::pending().boxed_local();
    let (task, _answer) = house.spawn(call);
    house.stall();
    drop(task);
    house.stall();
    assert_eq!(house.counted(), (0, [0; 3]));
    assert_eq!(house.settled().len(), 1, "only the one that counted");
}

#[test]
fn the_list_of_models_counts_as_a_request_and_uses_nothing() {
    let mut house = House::new(Setup { tokens: 1, used: Some(1), ..Setup::default() });
    let Reply::Whole { metered, body } = house.ask(Endpoint::Models, Ok("ignored")) else { panic!() };
    let list: Value = serde_json::from_slice(&body).unwrap();
    let model = json!({"id": "m", "object": "model", "created": 0, "owned_by": "p"});
    assert_eq!(list, json!({"object": "list", "data": [model]}));
    assert_eq!(metered.readings.map(|reading| reading.used), [1; 3]);
    let event = house.settled_event();
    assert_eq!((event.tokens, event.cost_pico, event.status), (Tokens::default(), None, 200));
    assert_eq!((event.endpoint.as_str(), event.model), ("/v1/models", None));
}
