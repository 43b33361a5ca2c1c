//! The guard against a Tollgate that misbehaves as it is told.

use std::{
    sync::{Arc, Barrier, mpsc},
    thread,
    time::Duration,
};

use crate::fake::{Fake, Reply, refused, valid, whole};
use futures::future::join_all;
use secrecy::SecretString;
use serde_json::json;
use tollgate_client::{
    Caller, Credential, Denied, Environment, Guard, Misconfigured, Permission, Question, Settings,
    Unavailable,
};

const KEY: &str = "a-key-that-was-imported";
const SERVICE_KEY: &str = "the-service-s-own-key";
/// Where no answer is to come.
const IMPATIENT: Duration = Duration::from_millis(200);
/// Where one must.
const PATIENT: Duration = Duration::from_secs(30);

fn settings(fake: &Fake) -> Settings {
    Settings { timeout: PATIENT, ..Settings::new(fake.url(), SecretString::from(SERVICE_KEY)) }
}

fn guard(fake: &Fake) -> Guard {
    with(settings(fake))
}

fn with(settings: Settings) -> Guard {
    Guard::new(settings).expect("these settings are good")
}

/// Asks every time.
fn forgetful(fake: &Fake) -> Guard {
    with(Settings { cache: Duration::ZERO, ..settings(fake) })
}

async fn check(guard: &Guard, key: &str) -> Result<Arc<Caller>, Denied> {
    guard.check(&Credential::new(key), &Question::default()).await
}

async fn charge(guard: &Guard, cost: u64) -> Result<Arc<Caller>, Denied> {
    guard.charge(&Credential::new(KEY), &Question::default(), cost).await
}

fn good() -> Reply {
    Reply::Json(200, valid())
}

/// Every way of not answering, and what is made of it.
fn silences() -> Vec<(&'static str, Reply, Denied)> {
    let nothing = Denied::Unavailable;
    let wrong = Denied::Misconfigured;
    let status = |status| Reply::Json(status, valid());
    let cut = {
        let answer = whole(200, &valid());
        answer[..answer.len() - 1].to_vec()
    };
    let long = {
        let mut answer = valid();
        answer["metadata"] = json!({"long": "x".repeat(64 * 1024)});
        whole(200, &answer)
    };
    let head = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(64 * 1024));
    vec![
        ("closed", Reply::Close, nothing(Unavailable::Broken)),
        ("no HTTP", Reply::Bytes(b"SSH-2.0-x\r\n\r\n".to_vec()), nothing(Unavailable::Broken)),
        ("an endless head", Reply::Bytes(head.into_bytes()), nothing(Unavailable::Broken)),
        ("cut off", Reply::Bytes(cut), nothing(Unavailable::Broken)),
        ("too long", Reply::Bytes(long), nothing(Unavailable::Unreadable)),
        ("no answer", Reply::Json(200, json!({"status": "ok"})), nothing(Unavailable::Unreadable)),
        (
            "no JSON",
            Reply::Bytes(b"HTTP/1.1 200 OK\r\n\r\n<html>".to_vec()),
            nothing(Unavailable::Unreadable),
        ),
        ("another 2xx", status(204), wrong(Misconfigured::Address(204))),
        ("a redirect", status(302), wrong(Misconfigured::Address(302))),
        ("the service's key is refused", status(401), wrong(Misconfigured::ServiceKey)),
        ("the service may not ask", status(403), wrong(Misconfigured::ServicePermission)),
        ("nothing there", status(404), wrong(Misconfigured::Address(404))),
        ("another version", status(422), wrong(Misconfigured::Address(422))),
        ("too many", status(429), nothing(Unavailable::Status(429))),
        ("a fault", status(500), nothing(Unavailable::Status(500))),
        ("away", status(503), nothing(Unavailable::Status(503))),
    ]
}

#[tokio::test]
async fn a_question_carries_what_it_asks_and_an_answer_says_who() {
    let fake = Fake::start(good());
    let question = Question {
        permission: Some(Permission::Service("stocks".to_owned())),
        model: Some("gpt-4o".to_owned()),
        ip: "203.0.113.7".parse().ok(),
    };
    let guard = guard(&fake);
    let caller = guard.check(&Credential::new(KEY), &question).await.unwrap();
    assert_eq!(caller.user_id.to_string(), "0193a0b0c0d07000800000000000000a");
    assert!(caller.permissions.allow(&Permission::Service("stocks".to_owned())));
    assert_eq!(caller.metadata["team"], "research");
    guard.charge(&Credential::new("eyJh.e30.x"), &question, 7).await.unwrap();

    let asked = fake.asked();
    assert_eq!(asked.len(), 2);
    let rest = json!({"permission": "services:stocks", "model": "gpt-4o", "ip": "203.0.113.7"});
    let mut expected = rest.clone();
    expected["key"] = json!(KEY);
    assert_eq!(asked[0].body, expected);
    expected = rest;
    expected["token"] = json!("eyJh.e30.x");
    expected["cost"] = json!(7);
    assert_eq!(asked[1].body, expected);
    for question in &asked {
        assert_eq!(question.line, "POST /api/v1/keys/verify HTTP/1.1");
        assert_eq!(question.header("authorization"), format!("Bearer {SERVICE_KEY}"));
        assert_eq!(question.header("content-type"), "application/json");
        assert_eq!(question.header("accept-encoding"), "identity");
    }
    assert_eq!(fake.connections(), 1, "a connection is used again");
}

#[tokio::test]
async fn a_refusal_says_what_to_answer() {
    let fake = Fake::start(Reply::Json(200, refused("key_revoked", None)));
    let guard = forgetful(&fake);
    let denied = check(&guard, KEY).await.unwrap_err();
    assert_eq!((denied.status().as_u16(), denied.code()), (401, "key_revoked"));
    assert_eq!(denied.detail(), "No: key_revoked.");
    fake.reply(Reply::Json(200, refused("insufficient_quota", Some(3_600))));
    let denied = charge(&guard, 1).await.unwrap_err();
    assert_eq!((denied.status().as_u16(), denied.retry_after_seconds()), (429, Some(3_600)));
}

#[tokio::test]
async fn whoever_cannot_be_asked_about_is_not_admitted() {
    for (what, reply, expected) in silences() {
        let fake = Fake::start(reply);
        let guard = guard(&fake);
        let denied = check(&guard, KEY).await.expect_err(what);
        assert_eq!(denied, expected, "{what}");
        assert_eq!(denied.status(), 503, "{what}");
        assert!(
            fake.asked().iter().all(|asked| asked.line.starts_with("POST /api/v1/keys/verify ")),
            "{what}"
        );
        // Nothing of it is remembered.
        fake.reply(good());
        assert!(check(&guard, KEY).await.is_ok(), "{what}");
    }
}

#[tokio::test]
async fn a_charge_is_sent_once_whatever_comes() {
    for (what, reply, expected) in silences() {
        let fake = Fake::start(reply);
        assert_eq!(charge(&guard(&fake), 5).await, Err(expected), "{what}");
        assert_eq!(fake.asked().len(), 1, "{what}: it may have been counted");
    }
    let fake = Fake::start(Reply::Held(valid()));
    let impatient = with(Settings { timeout: IMPATIENT, ..settings(&fake) });
    assert_eq!(charge(&impatient, 5).await, Err(Denied::Unavailable(Unavailable::TimedOut)));
    assert!(fake.asked().len() <= 1, "it may have been counted");
}

#[tokio::test]
async fn a_check_whose_connection_broke_is_asked_once_more() {
    let fake = Fake::start(Reply::Close);
    assert_eq!(check(&guard(&fake), KEY).await, Err(Denied::Unavailable(Unavailable::Broken)));
    assert_eq!(fake.asked().len(), 2);
}

#[tokio::test]
async fn no_answer_in_time_and_nobody_there_admit_nobody() {
    let mut fake = Fake::start(Reply::Held(valid()));
    let impatient = with(Settings { timeout: IMPATIENT, ..settings(&fake) });
    assert_eq!(check(&impatient, KEY).await, Err(Denied::Unavailable(Unavailable::TimedOut)));
    fake.stop();
    let guard = guard(&fake);
    assert_eq!(check(&guard, KEY).await, Err(Denied::Unavailable(Unavailable::Unreachable)));
    assert_eq!(charge(&guard, 1).await, Err(Denied::Unavailable(Unavailable::Unreachable)));
    // Something there that speaks no TLS.
    fake.start_again(good());
    let url = fake.url().replace("http://", "https://");
    let secure = with(Settings { base_url: url, ..settings(&fake) });
    assert_eq!(check(&secure, KEY).await, Err(Denied::Unavailable(Unavailable::Unreachable)));
    assert_eq!(fake.asked().len(), 0, "nothing left in the clear");
}

#[tokio::test]
async fn a_tollgate_that_comes_back_is_asked_again() {
    let mut fake = Fake::start(good());
    let guard = forgetful(&fake);
    check(&guard, KEY).await.unwrap();
    charge(&guard, 1).await.unwrap();
    fake.stop();
    assert_eq!(check(&guard, KEY).await.unwrap_err().status(), 503);
    fake.start_again(good());
    charge(&guard, 1).await.unwrap();
    check(&guard, KEY).await.unwrap();
}

/// Whether the second of two checks was answered from memory, on a machine that lets the first one's second pass.
async fn is_remembered(fake: &Fake, guard: &Guard, answer: serde_json::Value) -> bool {
    for _ in 0..20 {
        fake.reply(Reply::Json(200, answer.clone()));
        let first = check(guard, KEY).await;
        fake.reply(Reply::Json(500, json!(null)));
        let asked = fake.asked().len();
        // Clones share what is remembered.
        if check(&guard.clone(), KEY).await == first {
            assert_eq!(fake.asked().len(), asked);
            return true;
        }
    }
    false
}

#[tokio::test]
async fn answers_to_checks_are_remembered_and_to_each_question_its_own() {
    for answer in [valid(), refused("key_expired", None)] {
        let fake = Fake::start(good());
        let guard = guard(&fake);
        assert!(is_remembered(&fake, &guard, answer.clone()).await);
        assert_eq!(check(&guard, "another-key").await.unwrap_err().status(), 503);
        let chat = Question { permission: Some(Permission::Chat), ..Question::default() };
        assert_eq!(guard.check(&Credential::new(KEY), &chat).await.unwrap_err().status(), 503);
        assert_eq!(charge(&guard, 0).await.unwrap_err().status(), 503, "a charge is always asked");
        assert!(!is_remembered(&fake, &forgetful(&fake), answer).await, "0 remembers nothing");
    }
}

#[tokio::test]
async fn what_is_remembered_ends() {
    let fake = Fake::start(good());
    let guard = with(Settings { cache: Duration::from_millis(50), ..settings(&fake) });
    check(&guard, KEY).await.unwrap();
    fake.reply(Reply::Json(200, refused("key_revoked", None)));
    while check(&guard, KEY).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert_eq!(fake.asked().len(), 2);
}

#[tokio::test]
async fn a_charge_tells_checks_nothing() {
    let fake = Fake::start(good());
    let guard = guard(&fake);
    charge(&guard, 5).await.unwrap();
    check(&guard, KEY).await.unwrap();
    assert_eq!(fake.asked().len(), 2);
    fake.reply(Reply::Json(200, refused("insufficient_quota", Some(60))));
    charge(&guard, 5).await.unwrap_err();
    charge(&guard, 5).await.unwrap_err();
    assert_eq!(fake.asked().len(), 4);
    fake.reply(good());
    check(&guard, "another-key").await.unwrap();
}

#[tokio::test]
async fn like_checks_under_way_are_one_and_charges_are_not() {
    let fake = Fake::start(Reply::Held(valid()));
    let guard = guard(&fake);
    let checks = join_all((0..50).map(|_| check(&guard, KEY)));
    let release = async {
        fake.await_asked(1).await;
        fake.release();
    };
    let (answers, ()) = futures::join!(checks, release);
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(fake.asked().len(), 1);
    let charges = join_all((0..50).map(|_| charge(&guard, 1))).await;
    assert!(charges.iter().all(Result::is_ok));
    assert_eq!(fake.asked().len(), 51);
}

#[tokio::test]
async fn who_asked_first_may_hang_up() {
    let fake = Fake::start(Reply::Held(valid()));
    let guard = guard(&fake);
    let asking = || {
        let guard = guard.clone();
        tokio::spawn(async move { check(&guard, KEY).await })
    };
    let first = asking();
    fake.await_asked(1).await;
    let second = asking();
    tokio::task::yield_now().await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    fake.release();
    assert!(second.await.unwrap().is_ok());
}

#[tokio::test]
async fn so_many_at_once_and_no_more() {
    let fake = Fake::start(Reply::Held(valid()));
    let guard = with(Settings { max_in_flight: 1, cache: Duration::ZERO, ..settings(&fake) });
    let held = tokio::spawn({
        let guard = guard.clone();
        async move { check(&guard, KEY).await }
    });
    fake.await_asked(1).await;
    let busy = Err(Denied::Unavailable(Unavailable::Busy));
    assert_eq!(check(&guard, "another-key").await, busy);
    assert_eq!(charge(&guard, 1).await, busy);
    assert_eq!(fake.asked().len(), 1);
    // The place is free again, whether its question was answered or given up.
    held.abort();
    assert!(held.await.unwrap_err().is_cancelled());
    fake.release();
    assert!(check(&guard, KEY).await.is_ok());
    assert!(charge(&guard, 1).await.is_ok());
}

/// A server like actix-web has a runtime for each of its threads; the guard is one for all.
#[test]
fn threads_share_a_guard_and_may_end() {
    let fake = Fake::start(good());
    let guard = forgetful(&fake);
    let on_a_thread = |times: usize| {
        let guard = guard.clone();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                for _ in 0..times {
                    check(&guard, KEY).await.unwrap();
                    charge(&guard, 1).await.unwrap();
                }
            });
        })
    };
    let threads: Vec<_> = (0..4).map(|_| on_a_thread(50)).collect();
    for thread in threads {
        thread.join().unwrap();
    }
    // All connections belonged to threads that are gone.
    on_a_thread(1).join().unwrap();
    assert_eq!(fake.asked().len(), 2 * (4 * 50 + 1));
}

/// A handler that computes for long holds up its own thread, and no other's questions.
#[test]
fn no_question_depends_on_another_thread() {
    let fake = Fake::start(good());
    let guard = forgetful(&fake);
    let ask = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { charge(&guard, 1).await }).unwrap();
        runtime
    };
    let asked = &Barrier::new(2);
    let (end, ended) = mpsc::sync_channel::<()>(0);
    thread::scope(|scope| {
        scope.spawn(move || {
            let idle = ask();
            asked.wait();
            ended.recv().unwrap_err();
            drop(idle);
        });
        asked.wait();
        // The other thread's connection is there, and nothing drives it.
        drop(ask());
        drop(end);
    });
    assert_eq!((fake.asked().len(), fake.connections()), (2, 2));
}

#[tokio::test]
async fn what_no_key_can_be_is_refused_without_asking() {
    let fake = Fake::start(good());
    let guard = guard(&fake);
    let denied = check(&guard, "sk_live_tg_mistyped").await.unwrap_err();
    assert_eq!((denied.status().as_u16(), denied.code()), (401, "invalid_api_key"));
    for model in [String::new(), "x".repeat(201), "a\nb".to_owned()] {
        let question = Question { model: Some(model), ..Question::default() };
        let denied = guard.check(&Credential::new(KEY), &question).await.unwrap_err();
        assert_eq!((denied.status().as_u16(), denied.code()), (403, "model_not_allowed"));
    }
    let denied = charge(&guard, 1_000_000_000_001).await.unwrap_err();
    assert_eq!((denied.status().as_u16(), denied.code()), (429, "insufficient_quota"));
    assert_eq!(fake.asked().len(), 0);
    charge(&guard, 1_000_000_000_000).await.unwrap();
}

#[tokio::test]
async fn nothing_shows_the_services_own_key() {
    let fake = Fake::start(Reply::Json(401, json!(null)));
    let guard = guard(&fake);
    let denied = check(&guard, KEY).await.unwrap_err();
    for shown in [format!("{guard:?} {denied:?} {denied}"), denied.detail()] {
        assert!(!shown.contains(SERVICE_KEY) && !shown.contains(KEY), "{shown}");
    }
}

#[tokio::test]
async fn keys_for_tests_are_taken_where_the_settings_say_so() {
    let mut test = valid();
    test["environment"] = json!("test");
    let fake = Fake::start(Reply::Json(200, test));
    let guard = guard(&fake);
    for denied in [
        check(&guard, KEY).await.unwrap_err(),
        check(&guard, KEY).await.unwrap_err(),
        charge(&guard, 7).await.unwrap_err(),
        check(&forgetful(&fake), KEY).await.unwrap_err(),
    ] {
        assert_eq!((denied.status().as_u16(), denied.code()), (403, "permission_denied"));
    }
    let taking = with(Settings { test_keys: true, ..settings(&fake) });
    assert_eq!(check(&taking, KEY).await.unwrap().environment, Environment::Test);
    assert_eq!(charge(&taking, 7).await.unwrap().environment, Environment::Test);
    fake.reply(good());
    assert_eq!(charge(&taking, 7).await.unwrap().environment, Environment::Live);
}
