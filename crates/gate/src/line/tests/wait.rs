//! Time that passes while the line waits: snapshots of what runs long, and clients that take nothing.

use std::time::Duration;

use futures::channel::mpsc;
use tollgate_domain::{Tokens, UsageEvent, UsageSource};

use crate::{
    Endpoint, Reply, UpstreamError,
    fixture::{CUT_OFF, House, Play, chat, content, done, frames, usage, usage_only, whole},
    forward::{BEAT, CLIENT_PAUSE},
    upstream::{Frame, ReportedUsage},
};

fn streamed() -> String {
    chat(10, r#","stream":true"#)
}

fn beats(count: u32) -> u64 {
    u64::try_from((BEAT * count).as_millis()).unwrap()
}

/// The snapshot after so many beats, as the recorder wrote it.
fn snapshot(house: &mut House, count: u32) -> UsageEvent {
    house.until("the snapshot", |house| {
        house.events.kept().into_iter().find(|event| event.duration_ms == beats(count))
    })
}

/// Fills what is between the provider and a client that reads nothing; how many pieces that took.
fn fill(house: &mut House, provider: &mut mpsc::Sender<Result<Frame, UpstreamError>>) -> usize {
    let mut sent = 0;
    loop {
        house.stall();
        if provider.try_send(Ok(content("word "))).is_err() {
            return sent;
        }
        sent += 1;
    }
}

#[test]
fn a_long_stream_leaves_a_snapshot_at_every_beat() {
    let mut house = House::plain();
    let mut provider = house.play_live();
    let mut answer = house.start(&streamed());
    provider.try_send(Ok(content("hello wor"))).unwrap();
    let Reply::Stream { mut body, .. } = house.answer(&mut answer) else { panic!() };
    let passed = house.next(&mut body).unwrap();
    house.pass(BEAT);
    let first = snapshot(&mut house, 1);
    assert_eq!((first.status, first.error_code.as_deref()), (200, Some("interrupted")));
    assert_eq!((first.tokens.completion, first.usage_source), (Some(2), UsageSource::Observed));
    assert_eq!(
        first.cost_pico,
        first.tokens.total().map(|total| i64::try_from(total).unwrap() * 100_000_000)
    );
    assert_eq!(first.response_bytes, u64::try_from(passed.len()).unwrap());
    assert_eq!(first.upstream_ms, Some(beats(1)));
    provider.try_send(Ok(content("ld, and so on"))).unwrap();
    house.next(&mut body).unwrap();
    house.pass(BEAT);
    let second = snapshot(&mut house, 2);
    assert_eq!(second.tokens.completion, Some(6), "hello, world, a comma, and, so, on: none twice, none cut");
    provider.try_send(Ok(usage_only(usage(12, 3)))).unwrap();
    house.pass(BEAT);
    let third = snapshot(&mut house, 3);
    assert_eq!((third.tokens.total(), third.usage_source), (Some(15), UsageSource::Reported));
    provider.try_send(Ok(done())).unwrap();
    assert!(house.rest(&mut body).ends_with("data: [DONE]\n\n"));
    let event = house.settled_event();
    assert_eq!((event.error_code, event.tokens.total(), event.upstream_ms), (None, Some(15), Some(beats(3))));
    assert!(
        [first, second, third].iter().all(|snapshot| (snapshot.id, snapshot.time) == (event.id, event.time))
    );
    assert_eq!(house.timer.sleeping(), 0, "nothing is left of the beat");
}

#[test]
fn a_snapshot_is_taken_whatever_is_waited_for() {
    let mut house = House::plain();
    house.play(Play::Silent);
    let for_the_head = house.start(&chat(10, ""));
    house.pass(BEAT);
    let event = snapshot(&mut house, 1);
    assert_eq!((event.tokens.completion, event.usage_source), (Some(0), UsageSource::Estimated));
    assert!(event.tokens.prompt.is_some_and(|prompt| prompt > 0));
    assert_eq!((event.response_bytes, event.upstream_ms), (0, Some(beats(1))));
    drop(for_the_head);
    house.settled();

    let mut house = House::plain();
    let _provider = house.play_live();
    let for_the_first_event = house.start(&streamed());
    house.pass(BEAT);
    assert_eq!(snapshot(&mut house, 1).usage_source, UsageSource::Estimated);
    drop(for_the_first_event);
    house.settled();

    let mut house = House::plain();
    let mut provider = house.play_live();
    let mut for_the_client = house.start(&streamed());
    let taken = fill(&mut house, &mut provider);
    let Reply::Stream { body, .. } = house.answer(&mut for_the_client) else { panic!() };
    house.pass(BEAT);
    let event = snapshot(&mut house, 1);
    assert!(
        event.tokens.completion.is_some_and(|tokens| (1..taken).contains(&usize::try_from(tokens).unwrap()))
    );
    drop(body);
    house.settled();
}

#[test]
fn a_snapshot_has_what_was_reported_so_far() {
    let mut house = House::plain();
    let mut provider = house.play_live();
    let mut answer = house.start(&streamed());
    let prompt = ReportedUsage { prompt: Some(700), ..ReportedUsage::default() };
    provider.try_send(Ok(Frame { usage: Some(prompt), ..content("hello") })).unwrap();
    let Reply::Stream { body, .. } = house.answer(&mut answer) else { panic!() };
    house.pass(BEAT);
    let tokens = snapshot(&mut house, 1).tokens;
    assert_eq!(tokens, Tokens { prompt: Some(700), completion: Some(1), ..Tokens::default() });
    drop(body);
    assert_eq!(house.settled_event().tokens, tokens);
}

#[test]
fn what_ends_soon_leaves_no_snapshot_and_what_never_waits_sets_no_timer() {
    let mut house = House::plain();
    for play in [whole("hi", Some(usage(1, 1))), frames([content("a"), done()])] {
        house.play(play);
    }
    house.whole(&chat(10, ""));
    let (_, mut body) = house.streamed(&streamed());
    house.rest(&mut body);
    assert_eq!(house.timer.asked(), 0);
    let mut provider = house.play_live();
    let mut answer = house.start(&streamed());
    house.pass(BEAT - Duration::from_millis(1));
    provider.try_send(Ok(content("a"))).unwrap();
    provider.try_send(Ok(done())).unwrap();
    let Reply::Stream { mut body, .. } = house.answer(&mut answer) else { panic!() };
    house.rest(&mut body);
    assert_eq!((house.timer.asked(), house.timer.sleeping()), (1, 0));
    assert_eq!(house.settled().len(), 3);
    assert_eq!(house.events.kept(), []);
}

#[test]
fn what_is_not_sent_to_a_provider_leaves_no_snapshot() {
    let mut house = House::plain();
    house.events.hold();
    let mut answer = house.start("{}");
    house.until("the commit", |house| (house.events.calls() == 1).then_some(()));
    house.pass(2 * BEAT);
    house.events.let_go();
    assert!(matches!(house.answer(&mut answer), Reply::Refused { .. }));
    house.settled_event();
    assert_eq!(house.events.kept(), []);
}

#[test]
fn a_client_that_takes_nothing_is_given_up_and_pays_what_came() {
    let mut house = House::plain();
    let mut provider = house.play_live();
    let mut answer = house.start(&streamed());
    fill(&mut house, &mut provider);
    let Reply::Stream { mut body, .. } = house.answer(&mut answer) else { panic!() };
    house.pass(CLIENT_PAUSE);
    assert_eq!((house.recorder.open(), house.upstream.running.get()), (1, 1), "it has a minute");
    house.pass(BEAT);
    let event = house.settled_event();
    assert_eq!((event.status, event.error_code.as_deref()), (200, Some("client_closed_request")));
    assert!(event.tokens.completion.is_some_and(|tokens| tokens > 0));
    let rest = house.rest(&mut body);
    assert!(rest.ends_with(CUT_OFF) && !rest.contains("[DONE]"), "{rest}");
    assert!(provider.is_closed(), "the call to the provider has ended");
    assert_eq!(house.timer.sleeping(), 0);
}

#[test]
fn a_client_that_takes_a_little_is_waited_for() {
    let mut house = House::plain();
    let mut provider = house.play_live();
    let mut answer = house.start(&streamed());
    fill(&mut house, &mut provider);
    let Reply::Stream { mut body, .. } = house.answer(&mut answer) else { panic!() };
    for _ in 0..5 {
        house.pass(CLIENT_PAUSE - BEAT);
        assert!(house.next(&mut body).unwrap().contains("word"));
        fill(&mut house, &mut provider);
    }
    assert_eq!(house.recorder.open(), 1);
    house.pass(CLIENT_PAUSE + BEAT);
    assert_eq!(house.settled_event().error_code.as_deref(), Some("client_closed_request"));
}

#[test]
fn a_provider_is_waited_for_however_long_it_takes() {
    // Its pauses are bounded where its connection is.
    let mut house = House::plain();
    let mut provider = house.play_live();
    let mut answer = house.start(&streamed());
    house.pass(5 * CLIENT_PAUSE);
    provider.try_send(Ok(content("a"))).unwrap();
    let Reply::Stream { mut body, .. } = house.answer(&mut answer) else { panic!() };
    house.pass(5 * CLIENT_PAUSE);
    provider.try_send(Ok(done())).unwrap();
    assert!(house.rest(&mut body).ends_with("data: [DONE]\n\n"));
    assert_eq!(house.settled_event().error_code, None);
}

#[test]
fn a_client_that_leaves_the_end_marker_is_given_up_too() {
    let mut house = House::plain();
    let mut provider = house.play_live();
    let mut answer = house.start(&streamed());
    fill(&mut house, &mut provider);
    let Reply::Stream { mut body, .. } = house.answer(&mut answer) else { panic!() };
    // Room for what has come, and no more.
    while house.upstream.running.get() == 1 {
        house.next(&mut body).unwrap();
        provider.try_send(Ok(done())).unwrap_or_default();
        house.stall();
    }
    // Only from then on is the client waited for.
    house.until("the settlement", |house| (house.meter.open() == (0, 0)).then_some(()));
    assert_eq!(house.events.all().len(), 1);
    house.pass(CLIENT_PAUSE + BEAT);
    let rest = house.rest(&mut body);
    assert!(rest.ends_with(CUT_OFF) && !rest.contains("[DONE]"), "{rest}");
    assert_eq!(house.settled_event().error_code, None, "it was whole");
    assert_eq!(house.timer.sleeping(), 0);
}

#[test]
fn a_long_answer_that_nobody_reports_is_counted_on_another_thread() {
    let text = "hello world ".repeat(10_000);
    let mut house = House::plain();
    house.play(whole(&text, None));
    house.whole(&chat(10, ""));
    // The key, the user, the quota, and the count.
    assert_eq!(house.lookups.jobs.load(std::sync::atomic::Ordering::SeqCst), 4);
    let counted = house.settled_event().tokens.completion.unwrap();
    assert!((20_000..=20_001).contains(&counted), "{counted}");
}

#[test]
fn a_plain_completion_is_cut_off_like_a_chat() {
    let mut house = House::plain();
    let mut provider = house.play_live();
    let body = r#"{"prompt":"hello","max_tokens":5,"stream":true}"#;
    let (task, mut answer) = house.spawn(house.call(Endpoint::LlmCompletion, Ok(body)));
    provider.try_send(Ok(content("a"))).unwrap();
    let Reply::Stream { mut body, .. } = house.answer(&mut answer) else { panic!() };
    drop(task);
    assert_eq!(house.rest(&mut body), "data: {\"text\":\"a\"}\n\n".to_owned() + CUT_OFF);
    house.settled_event();
}
