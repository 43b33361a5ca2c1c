//! What is held, what is refused, and what goes back.

use std::sync::atomic::Ordering;

use chrono::TimeDelta;
use futures::{FutureExt, channel::oneshot};
use tollgate_domain::{Month, user::MonthTokens};

use crate::{
    Endpoint, Refusal, Reply,
    fixture::{House, PROMPT, Play, Setup, at, chat, content, done, frames, usage, whole},
};

fn with_tokens(tokens: u64) -> House {
    House::new(Setup { tokens, ..Setup::default() })
}

/// A chat that names no output limit.
fn unlimited(more: &str) -> String {
    chat(1, more).replace("\"max_tokens\":1,", "")
}

/// The hold of a chat that is sent to a provider that never answers, and what went upstream.
fn held(house: &mut House, body: &str) -> (u64, serde_json::Value) {
    house.play(Play::Silent);
    let answer = house.start(body);
    house.until("the provider's turn", |house| (house.upstream.running.get() == 1).then_some(()));
    let held = house.meter.open().0;
    drop(answer);
    (held, house.asked())
}

fn held_by(house: &mut House, body: &str) -> u64 {
    held(house, body).0
}

#[test]
fn what_does_not_fit_is_refused_and_what_fits_passes() {
    let mut house = House::plain();
    for _ in 0..2 {
        house.play(whole("hi", Some(usage(PROMPT, 4_000))));
        house.whole(&chat(4_000, ""));
    }
    let left = 10_000 - 2 * (PROMPT + 4_000);
    let (refusal, metered) = house.refused(&chat(4_000, ""));
    let Refusal::InsufficientQuota { state, fits } = refusal.clone() else { panic!("{refusal:?}") };
    assert_eq!((refusal.status(), refusal.code(), state.remaining()), (429, "insufficient_quota", left));
    assert_eq!(metered.unwrap().quota, Some(state));
    let fits = fits.unwrap();
    assert!(refusal.to_string().contains(&format!("at most {fits} tokens")), "{refusal}");
    assert!(fits >= left - PROMPT, "the tokenizer's count is no higher than the bytes");
    assert_eq!(house.meter.open(), (0, 0));
    assert_eq!(house.upstream.asked.borrow().len(), 2, "nothing reached the provider");
    // One more than what would fit does not, and what would fits.
    assert!(matches!(house.refused(&chat(fits + 1, "")).0, Refusal::InsufficientQuota { .. }));
    house.play(whole("hi", Some(usage(1, 1))));
    house.whole(&chat(fits, ""));
    let events = house.settled();
    let refused: Vec<_> = events.iter().filter(|event| event.status == 429).collect();
    assert_eq!(refused.len(), 2);
    for event in refused {
        assert_eq!(event.error_code.as_deref(), Some("insufficient_quota"));
        assert_eq!((event.tokens.total(), event.cost_pico, event.counts), (None, None, false));
    }
}

#[test]
fn a_prompt_that_does_not_fit_says_that_no_output_limit_would() {
    let mut house = with_tokens(5);
    let (refusal, _) = house.refused(&chat(1, ""));
    assert!(matches!(refusal, Refusal::InsufficientQuota { fits: None, .. }), "{refusal:?}");
    assert!(refusal.to_string().contains("too few for this request; new ones come at"), "{refusal}");
    assert_eq!(house.settled_event().status, 429);
}

#[test]
fn two_hundred_requests_get_the_last_twenty_of_a_window() {
    let mut house = House::new(Setup { minute: Some(20), max_open: 1_000, ..Setup::default() });
    let mut answers: Vec<_> = (0..200)
        .map(|_| {
            house.play(Play::Silent);
            house.start(&chat(1, ""))
        })
        .collect();
    house.stall();
    assert_eq!(house.upstream.asked.borrow().len(), 20);
    let refused = answers.iter_mut().filter_map(|answer| answer.try_recv().unwrap()).filter(|reply| {
        matches!(reply, Reply::Refused { refusal, .. } if matches!(**refusal, Refusal::RateLimited { .. }))
    });
    assert_eq!(refused.count(), 180);
    drop(answers);
    assert_eq!(house.settled().iter().filter(|event| event.counts).count(), 20);
}

#[test]
fn two_hundred_requests_get_the_last_twenty_holds() {
    let tokens = 20 * (PROMPT + 61) + 60;
    let mut house = House::new(Setup { tokens, minute: Some(1_000), max_open: 1_000, ..Setup::default() });
    let answers: Vec<_> = (0..200)
        .map(|_| {
            house.play(Play::Silent);
            house.start(&chat(61, ""))
        })
        .collect();
    house.stall();
    // By bytes; where they do not fit, the tokenizer's count may let one more in.
    let asked = house.upstream.asked.borrow().len();
    let held = house.meter.open().0;
    assert!((20..=21).contains(&asked) && held <= tokens, "{asked}, {held}");
    drop(answers);
    house.settled();
}

#[test]
fn a_prompt_whose_bytes_do_not_fit_is_counted_by_the_tokenizer() {
    let words = "hello ".repeat(1_000);
    let body = chat(500, "").replace("hello there", &words);
    let mut house = with_tokens(2_500);
    let held = held_by(&mut house, &body);
    assert!((2_000..=2_100).contains(&held), "{held}: 1,000 words and some, times 1.5, and 500");
    house.settled_event();
    // Thinking comes beside it as it does beside the bytes.
    let mut house = with_tokens(2_500);
    let thinking = body.replace("\"model\"", "\"thinking\":{\"budget_tokens\":400},\"model\"");
    assert_eq!(held_by(&mut house, &thinking), held + 400);
    house.settled_event();
    // Where they fit, they are taken as they are: nobody counts.
    let mut house = with_tokens(1_000_000);
    assert_eq!(held_by(&mut house, &body), PROMPT - 11 + 6_000 + 500);
    house.settled_event();
}

#[test]
fn long_prompts_are_counted_on_another_thread() {
    let body = chat(10, "").replace("hello there", &"hello ".repeat(12_000));
    let mut house = with_tokens(30_000);
    held(&mut house, &body);
    // The key, the user, the quota, and the count.
    assert_eq!(house.lookups.jobs.load(Ordering::SeqCst), 4);
    *house.lookups.full.lock().unwrap() = true;
    let (refusal, _) = house.refused(&body);
    assert_eq!(refusal, Refusal::Overloaded);
    *house.lookups.full.lock().unwrap() = false;
    assert_eq!(house.settled().len(), 1, "a 503 leaves nothing");
}

#[test]
fn a_limit_that_is_not_named_is_the_default_the_models_or_what_is_left() {
    let limit = |setup: Setup, more: &str| {
        let mut house = House::new(setup);
        let (held, sent) = held(&mut house, &unlimited(more));
        house.settled_event();
        (held, sent["max_tokens"].as_u64().unwrap())
    };
    let tokens = |tokens| Setup { tokens, ..Setup::default() };
    assert_eq!(limit(tokens(10_000), ""), (PROMPT + 4_096, 4_096));
    let models = Setup { max_output_tokens: Some(100), ..Setup::default() };
    assert_eq!(limit(models, ""), (PROMPT + 100, 100));
    let larger = |tokens| Setup { tokens, max_output_tokens: Some(100_000), ..Setup::default() };
    assert_eq!(limit(larger(1_000_000), ""), (PROMPT + 100_000, 100_000));
    assert_eq!(limit(larger(10_000), "").0, 10_000, "or what is left");
    let (held, sent) = limit(tokens(1_000), "");
    assert!(held == 1_000 && sent > 1_000 - PROMPT, "{held}, {sent}: all that the tokenizer's count leaves");
    let (held, sent) = limit(tokens(1_000), r#","n":3"#);
    assert!(held <= 1_000 && held > 997 && 3 * sent < 1_000, "{held}, {sent}");
    assert_eq!(limit(tokens(100_000), r#","n":3"#), (PROMPT + 3 * 4_096, 4_096));
}

#[test]
fn outputs_and_thinking_are_held_as_often_as_they_may_come() {
    let hold = |more: &str| {
        let mut house = House::plain();
        let (held, sent) = held(&mut house, &chat(10, more));
        house.settled_event();
        assert_eq!(sent["max_tokens"].as_u64(), Some(10));
        assert_eq!(sent["max_completion_tokens"].as_u64(), more.contains("_completion_").then_some(30));
        held
    };
    assert_eq!(hold(""), PROMPT + 10);
    assert_eq!(hold(r#","n":4"#), PROMPT + 40);
    assert_eq!(hold(r#","n":2,"best_of":5"#), PROMPT + 50);
    assert_eq!(hold(r#","n":2,"thinking":{"budget_tokens":500}"#), PROMPT + 2 * 510);
    assert_eq!(hold(r#","max_completion_tokens":30"#), PROMPT + 30);
    assert_eq!(hold(r#","tools":[{"type":"function"}]"#), PROMPT + 10 + 21);
}

#[test]
fn what_running_requests_hold_is_told_from_what_is_used() {
    let mut house = with_tokens(200);
    house.play(Play::Silent);
    let running = house.start(&chat(120, ""));
    house.until("the provider's turn", |house| (house.upstream.running.get() == 1).then_some(()));
    let (refusal, metered) = house.refused(&chat(120, ""));
    assert!(matches!(refusal, Refusal::QuotaReserved { .. }), "{refusal:?}");
    assert_eq!((refusal.status(), refusal.code()), (429, "quota_reserved"));
    assert_eq!(metered.unwrap().quota.unwrap().held, PROMPT + 120);
    assert!(matches!(house.refused(&chat(199, "")).0, Refusal::InsufficientQuota { .. }), "never fits");
    drop(running);
    house.until("the end", |house| (house.meter.open() == (0, 0)).then_some(()));
    house.play(whole("hi", Some(usage(1, 1))));
    house.whole(&chat(120, ""));
    assert_eq!(house.settled().len(), 4);
}

#[test]
fn what_was_used_before_is_looked_up_once() {
    let mut house = House::new(Setup { used: Some(9_900), ..Setup::default() });
    assert!(matches!(house.refused(&chat(200, "")).0, Refusal::InsufficientQuota { .. }));
    house.play(whole("hi", Some(usage(20, 5))));
    assert_eq!(house.whole(&chat(10, "")).0.quota.unwrap().used, 9_925);
    assert_eq!(house.rows.asked.load(Ordering::SeqCst), 2, "this month's and the next one's");
    house.settled();
}

#[test]
fn what_a_clock_that_was_ahead_used_of_the_next_month_is_known_then() {
    let mut house = House::new(Setup { used: Some(9_900), ..Setup::default() });
    assert!(matches!(house.refused(&chat(200, "")).0, Refusal::InsufficientQuota { .. }));
    house.clock.advance(at("2026-12-01T00:00:00Z") - at("2026-11-21T12:00:00Z"));
    assert!(matches!(house.refused(&chat(200, "")).0, Refusal::InsufficientQuota { .. }));
    house.clock.advance(at("2027-01-01T00:00:00Z") - at("2026-12-01T00:00:00Z"));
    house.play(whole("hi", Some(usage(20, 5))));
    assert_eq!(house.whole(&chat(200, "")).0.quota.unwrap().used, 25);
    house.settled();
}

#[test]
fn what_was_used_before_is_never_guessed() {
    let mut house = House::new(Setup { used: None, ..Setup::default() });
    assert_eq!(house.refused(&chat(10, "")).0, Refusal::StoreUnavailable);
    assert_eq!(house.upstream.asked.borrow().len(), 0);
    *house.rows.used.lock().unwrap() = Some(9_000);
    assert_eq!(house.counted(), (9_000, [0; 3]));
    assert_eq!(house.settled().len(), 1, "a 503 leaves nothing");
}

#[test]
fn an_overrun_is_charged_and_leaves_nothing_and_never_less() {
    let mut house = with_tokens(500);
    house.play(whole("hi", Some(usage(100, 9_000))));
    let quota = house.whole(&chat(10, "")).0.quota.unwrap();
    assert_eq!((quota.used, quota.held, quota.remaining()), (9_100, 0, 0));
    assert!(matches!(house.refused(&chat(1, "")).0, Refusal::InsufficientQuota { fits: None, .. }));
    assert_eq!(house.settled()[0].tokens.total(), Some(9_100));
}

#[test]
fn a_request_that_ends_in_the_next_month_belongs_to_the_one_it_began_in() {
    let mut house = House::plain();
    house.clock.advance(at("2026-11-30T23:59:59Z") - at("2026-11-21T12:00:00Z"));
    let mut provider = house.play_live();
    let mut answer = house.start(&chat(10, r#","stream":true"#));
    provider.try_send(Ok(content("a"))).unwrap();
    let Reply::Stream { mut body, .. } = house.answer(&mut answer) else { panic!() };
    house.clock.advance(TimeDelta::seconds(5));
    assert_eq!(house.counted().0, 0, "December begins empty");
    provider.try_send(Ok(crate::fixture::usage_only(usage(12, 3)))).unwrap();
    provider.try_send(Ok(done())).unwrap();
    house.rest(&mut body);
    assert_eq!(house.counted().0, 0);
    let events = house.settled();
    let november = events.iter().find(|event| event.tokens.total() == Some(15)).unwrap();
    assert_eq!((november.month.to_string(), november.duration_ms), ("2026-11".to_owned(), 5_000));
}

#[test]
fn a_request_is_admitted_when_its_body_is_there() {
    let mut house = House::new(Setup { minute: Some(1), ..Setup::default() });
    let (body, coming) = oneshot::channel();
    let mut call = house.call(Endpoint::ChatCompletions, Ok(""));
    call.body = coming.map(|body| body.unwrap()).boxed_local();
    house.play(whole("hi", Some(usage(12, 3))));
    let (task, mut answer) = house.spawn(call);
    task.forget();
    house.stall();
    house.clock.advance(TimeDelta::seconds(59));
    body.send(Ok(chat(10, "").into())).unwrap();
    assert!(matches!(house.answer(&mut answer), Reply::Whole { .. }));
    // A minute after the call began, but two seconds after it was admitted.
    house.clock.advance(TimeDelta::seconds(2));
    let (refusal, _) = house.refused(&chat(10, ""));
    let Refusal::RateLimited { retry_after, .. } = refusal else { panic!("{refusal:?}") };
    assert_eq!(retry_after.as_secs(), 58);
    let admitted = at("2026-11-21T12:00:59Z");
    let event = house.settled().remove(0);
    assert_eq!((event.time, event.month), (admitted, Month::of(admitted)));
}

#[test]
fn who_is_admitted_in_the_next_month_has_nothing_of_what_was_granted_for_the_last() {
    let mut house = House::new(Setup {
        tokens: 500,
        edit: |_, user| {
            let month = Month::of(at("2026-11-21T12:00:00Z"));
            user.quota_grant = Some(MonthTokens { month, tokens: 5_000 });
        },
        ..Setup::default()
    });
    house.clock.advance(at("2026-11-30T23:59:30Z") - at("2026-11-21T12:00:00Z"));
    let (body, coming) = oneshot::channel();
    let mut call = house.call(Endpoint::ChatCompletions, Ok(""));
    call.body = coming.map(|body| body.unwrap()).boxed_local();
    let (task, mut answer) = house.spawn(call);
    task.forget();
    house.stall();
    house.clock.advance(TimeDelta::seconds(60));
    body.send(Ok(chat(1_000, "").into())).unwrap();
    let Reply::Refused { refusal, .. } = house.answer(&mut answer) else { panic!("admitted") };
    let Refusal::InsufficientQuota { state, .. } = *refusal else { panic!("{refusal:?}") };
    assert_eq!((state.limit, state.month.to_string()), (500, "2026-12".to_owned()));
}

#[test]
fn streams_hold_until_they_end() {
    let mut house = with_tokens(100);
    house.play(frames([content("a"), done()]));
    let (metered, mut stream) = house.streamed(&chat(61, r#","stream":true"#));
    assert_eq!(metered.quota.unwrap().remaining(), 0);
    house.rest(&mut stream);
    assert_eq!(house.meter.open(), (0, 0));
    house.settled_event();
}

#[test]
fn an_admission_that_is_dropped_gives_everything_back() {
    let mut house = House::new(Setup { minute: Some(1), max_concurrent: Some(1), ..Setup::default() });
    for _ in 0..3 {
        let call = house.call(Endpoint::ChatCompletions, Ok(&chat(10, "")));
        let hold = house.line.admit(call).now_or_never().unwrap().ok().unwrap();
        assert_eq!((house.meter.open(), house.recorder.open()), ((PROMPT + 10, 1), 1));
        drop(hold);
        assert_eq!((house.meter.open(), house.recorder.open()), ((0, 0), 0));
    }
    assert_eq!(house.counted(), (0, [0; 3]));
    assert_eq!(house.settled().len(), 1, "only the one that counted");
}
