//! What is said of credentials, what that counts, and what it leaves.

use std::sync::{Arc, atomic::Ordering};

use chrono::TimeDelta;
use futures::{FutureExt, future::RemoteHandle};
use tollgate_billing::PriceBook;
use tollgate_domain::{
    ApiKey, Environment, KeyId, Permission, Permissions, Role, Tokens, UsageSource, User, key::KeyRefusal,
};

use crate::{
    Question, Refusal, Subject, Verdict,
    fixture::{House, Setup, chat, usage, whole},
};

impl House {
    fn question(&self, cost: Option<u64>) -> Question {
        Question {
            subject: Subject::Key(self.secret.clone()),
            by: Environment::Live,
            permission: None,
            model: None,
            cost,
            ip: Some([192, 0, 2, 1].into()),
            request_id: "r".into(),
            user_agent: Some("a service".into()),
        }
    }

    fn session(&self, cost: Option<u64>) -> Question {
        let permissions = Permissions::from_text("chat,keys:manage").unwrap();
        let subject = Subject::Session(Arc::new(self.rows.user.clone()), permissions);
        Question { subject, ..self.question(cost) }
    }

    fn answered(&mut self, question: Question) -> Result<Verdict, Refusal> {
        let mut task = self.ask_about(question);
        self.until("the verdict", |_| (&mut task).now_or_never())
    }

    fn ask_about(&self, question: Question) -> RemoteHandle<Result<Verdict, Refusal>> {
        self.spawn_task(self.line.clone().verify(question))
    }

    fn verdict(&mut self, question: Question) -> Verdict {
        self.answered(question).unwrap()
    }

    /// The refusal, and what the windows and the quota have used.
    fn said(&mut self, question: Question) -> (Option<Refusal>, [u64; 3], u64) {
        let verdict = self.verdict(question);
        let metered = verdict.metered.unwrap();
        (verdict.refusal, metered.readings.map(|reading| reading.used), metered.quota.unwrap().used)
    }
}

#[test]
fn without_a_cost_nothing_counts_and_nothing_is_left() {
    let mut house = House::new(Setup { used: Some(70), ..Setup::default() });
    for _ in 0..3 {
        let verdict = house.verdict(house.question(None));
        assert_eq!(verdict.refusal, None);
        assert_eq!(verdict.key.as_deref(), Some(&house.rows.key));
        assert_eq!(verdict.user.as_deref(), Some(&house.rows.user));
        let metered = verdict.metered.unwrap();
        assert_eq!(metered.readings.map(|reading| reading.used), [0; 3]);
        assert_eq!(metered.quota.map(|quota| (quota.used, quota.held)), Some((70, 0)));
    }
    // What was looked up once is remembered.
    assert_eq!(house.rows.asked.load(Ordering::SeqCst), 2, "this month and the next");
    assert_eq!(house.settled(), []);
}

#[test]
fn a_cost_counts_one_request_and_its_tokens_and_is_recorded_before_the_answer() {
    let mut house = House::plain();
    let question =
        Question { model: Some("m".into()), permission: Some(Permission::Chat), ..house.question(Some(30)) };
    house.events.hold();
    let mut task = house.ask_about(question);
    house.until("the record", |house| (house.events.calls() > 0).then_some(()));
    house.stall();
    assert!((&mut task).now_or_never().is_none(), "not before the commit");
    house.events.let_go();
    let verdict = house.until("the verdict", |_| (&mut task).now_or_never()).expect("a verdict");
    let metered = verdict.metered.unwrap();
    assert_eq!(verdict.refusal, None);
    assert_eq!(metered.readings.map(|reading| reading.used), [1; 3]);
    assert_eq!(metered.quota.map(|quota| (quota.used, quota.held)), Some((30, 0)));
    let event = house.settled_event();
    assert_eq!((event.endpoint.as_str(), event.method.as_str()), ("/api/v1/keys/verify", "POST"));
    assert_eq!((event.user_id, event.api_key_id), (house.rows.user.id, house.rows.key.id));
    assert_eq!((event.status, event.counts, event.error_code.as_deref()), (200, true, None));
    assert_eq!(event.tokens, Tokens { prompt: Some(30), completion: Some(0), ..Tokens::default() });
    assert_eq!((event.usage_source, event.cost_pico), (UsageSource::Reported, Some(3_000_000_000)));
    assert_eq!((event.model.as_deref(), event.provider.as_deref()), (Some("m"), None));
    assert_eq!(event.params, r#"{"cost":30,"permission":"chat"}"#);
    assert_eq!((event.ip.as_deref(), event.user_agent.as_deref()), (Some("192.0.2.1"), Some("a service")));
    assert_eq!((event.request_id.as_str(), event.upstream_ms), ("r", None));
}

#[test]
fn a_cost_of_nothing_counts_a_request_and_is_no_unknown() {
    let mut house = House::new(Setup { tokens: 100, used: Some(100), ..Setup::default() });
    assert_eq!(house.said(house.question(Some(0))), (None, [1; 3], 100));
    let event = house.settled_event();
    assert_eq!((event.tokens.total(), event.cost_pico), (Some(0), Some(0)));
}

#[test]
fn a_cost_without_a_known_price_is_an_unknown_one() {
    let prices = PriceBook { defaults: None, ..PriceBook::default() };
    let mut house = House::new(Setup { prices, ..Setup::default() });
    assert_eq!(house.said(house.question(Some(7))), (None, [1; 3], 7));
    let event = house.settled_event();
    assert_eq!((event.tokens.total(), event.cost_pico), (Some(7), None));
}

#[test]
fn no_more_is_admitted_than_fits() {
    let mut house = House::new(Setup { tokens: 100, used: Some(95), minute: Some(3), ..Setup::default() });
    let refused = |verdict: &Verdict| verdict.refusal.as_ref().map(Refusal::code);
    let verdict = house.verdict(house.question(Some(6)));
    assert_eq!(refused(&verdict), Some("insufficient_quota"));
    assert_eq!(verdict.metered.unwrap().readings.map(|reading| reading.used), [0; 3]);
    assert_eq!(house.said(house.question(Some(5))), (None, [1; 3], 100));
    assert_eq!(refused(&house.verdict(house.question(Some(1)))), Some("insufficient_quota"));
    for _ in 0..2 {
        assert_eq!(refused(&house.verdict(house.question(Some(0)))), None);
    }
    let verdict = house.verdict(house.question(Some(0)));
    assert_eq!(refused(&verdict), Some("rate_limit_exceeded"));
    assert_eq!(verdict.user.as_deref(), Some(&house.rows.user));
    // A full window and an empty quota are no refusal of a question that counts nothing.
    let (refusal, used, tokens) = house.said(house.question(None));
    assert_eq!((refusal, used, tokens), (None, [3; 3], 100));
    let events = house.settled();
    let mut left: Vec<_> =
        events.iter().map(|event| (event.status, event.error_code.as_deref(), event.counts)).collect();
    left.sort_unstable();
    assert_eq!(left[..3], [(200, None, true); 3]);
    assert_eq!(left[3], (429, Some("insufficient_quota"), false));
    assert_eq!(left.last(), Some(&(429, Some("rate_limit_exceeded"), false)));
    assert!(events.iter().all(|event| event.api_key_id == house.rows.key.id));
}

#[test]
fn what_requests_hold_is_not_there_for_others() {
    let mut house = House::new(Setup { tokens: 100, ..Setup::default() });
    house.events.hold();
    let first = house.ask_about(house.question(Some(60)));
    house.until("the record", |house| (house.events.calls() > 0).then_some(()));
    let verdict = house.verdict(house.question(Some(60)));
    assert_eq!(verdict.refusal.map(|refusal| refusal.code()), Some("quota_reserved"));
    house.events.let_go();
    drop(first);
}

#[test]
fn a_key_runs_no_more_at_once_than_it_may() {
    let mut house = House::new(Setup { max_concurrent: Some(1), ..Setup::default() });
    house.events.hold();
    let mut first = house.ask_about(house.question(Some(1)));
    house.until("the record", |house| (house.events.calls() > 0).then_some(()));
    let verdict = house.verdict(house.question(Some(1)));
    assert_eq!(verdict.refusal, Some(Refusal::ConcurrencyLimit { limit: 1 }));
    assert_eq!(house.verdict(house.question(None)).refusal, None);
    house.events.let_go();
    let verdict = house.until("the verdict", |_| (&mut first).now_or_never());
    assert_eq!(verdict.unwrap().refusal, None);
    assert_eq!(house.verdict(house.question(Some(1))).refusal, None);
}

#[test]
fn of_what_nobody_has_nothing_is_told() {
    let mut house = House::plain();
    for (text, code) in [
        ("some-old-key", "invalid_api_key"),
        ("", "invalid_api_key"),
        ("k\r\nX-Admin: 1", "invalid_api_key"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "invalid_credentials"),
    ] {
        for cost in [None, Some(1)] {
            let subject = Subject::Key(text.into());
            let verdict = house.verdict(Question { subject, ..house.question(cost) });
            assert_eq!(verdict.refusal.map(|refusal| refusal.code()), Some(code), "{text:?}");
            assert_eq!((verdict.key, verdict.user, verdict.metered), (None, None, None));
        }
    }
    assert_eq!(house.settled(), []);
}

#[test]
fn unknown_keys_count_where_they_were_presented() {
    let mut house = House::new(Setup { unknown_keys_per_hour: 1, ..Setup::default() });
    let unknown = |house: &House, ip: Option<[u8; 4]>| Question {
        subject: Subject::Key("some-old-key".into()),
        ip: ip.map(Into::into),
        ..house.question(None)
    };
    let code = |verdict: Verdict| verdict.refusal.map(|refusal| refusal.code());
    // Of an address that nobody names, nobody is shut out.
    for _ in 0..3 {
        assert_eq!(code(house.verdict(unknown(&house, None))), Some("invalid_api_key"));
    }
    assert_eq!(code(house.verdict(unknown(&house, Some([192, 0, 2, 9])))), Some("invalid_api_key"));
    assert_eq!(code(house.verdict(unknown(&house, Some([192, 0, 2, 9])))), Some("rate_limit_exceeded"));
    assert_eq!(code(house.verdict(unknown(&house, Some([192, 0, 2, 8])))), Some("invalid_api_key"));
}

#[test]
fn of_a_key_that_is_no_good_it_is_told_whose_it_is() {
    for (edit, expected) in [
        (
            (|key, _| key.revoked_at = Some(key.created_at)) as fn(&mut ApiKey, &mut User),
            Refusal::Key(KeyRefusal::Revoked),
        ),
        (|key, _| key.expires_at = Some(key.created_at), Refusal::Key(KeyRefusal::Expired)),
        (|key, _| key.is_active = false, Refusal::Key(KeyRefusal::Disabled)),
        (|_, user| user.is_active = false, Refusal::UserDisabled),
    ] {
        let mut house = House::new(Setup { edit, ..Setup::default() });
        for cost in [None, Some(1)] {
            let verdict = house.verdict(house.question(cost));
            assert_eq!(verdict.refusal, Some(expected.clone()));
            assert_eq!(verdict.key.as_deref(), Some(&house.rows.key));
            assert_eq!((verdict.user, verdict.metered), (None, None));
        }
        assert_eq!(house.settled(), []);
    }
}

#[test]
fn what_a_key_may_not_is_refused_and_counts_nothing() {
    let edit = |key: &mut ApiKey, _: &mut User| {
        key.allowed_ips = vec!["192.0.2.0/24".parse().unwrap()];
        key.allowed_models = vec!["m".into()];
    };
    for cost in [None, Some(1)] {
        let mut house = House::new(Setup { edit, permissions: "chat,services:stocks", ..Setup::default() });
        let service = |name: &str| Some(Permission::Service(name.to_owned()));
        for (permission, model, ip, expected) in [
            (None, None, None, Some(Refusal::IpNotAllowed)),
            (None, None, Some([198, 51, 100, 1]), Some(Refusal::IpNotAllowed)),
            (None, None, Some([192, 0, 2, 7]), None),
            (service("stocks"), Some("m"), Some([192, 0, 2, 7]), None),
            (
                service("bonds"),
                None,
                Some([192, 0, 2, 7]),
                Some(Refusal::PermissionDenied(Permission::Service("bonds".into()))),
            ),
            (
                Some(Permission::Services),
                Some("x"),
                Some([192, 0, 2, 7]),
                Some(Refusal::PermissionDenied(Permission::Services)),
            ),
            (None, Some("x"), Some([192, 0, 2, 7]), Some(Refusal::ModelNotAllowed("x".into()))),
        ] {
            let question = Question {
                permission,
                model: model.map(str::to_owned),
                ip: ip.map(Into::into),
                ..house.question(cost)
            };
            let verdict = house.verdict(question);
            assert_eq!(verdict.refusal, expected, "{model:?} {ip:?}");
            assert!(verdict.user.is_some() && verdict.metered.unwrap().quota.is_some());
        }
        let counted = cost.map_or(0, |_| 2);
        assert_eq!(house.said(house.question(None)).1, [counted; 3]);
        let events = house.settled();
        let left = |status| events.iter().filter(|event| event.status == status).count();
        assert_eq!((left(403), left(200), events.len()), cost.map_or((0, 0, 0), |_| (5, 2, 7)));
        assert!(events.iter().all(|event| event.counts == (event.status == 200)));
    }
}

#[test]
fn to_administer_takes_an_administrators_key() {
    let administer = |house: &House| Question { permission: Some(Permission::Admin), ..house.question(None) };
    let mut house = House::new(Setup { permissions: "admin,chat", ..Setup::default() });
    let refusal = house.verdict(administer(&house)).refusal;
    assert_eq!(refusal, Some(Refusal::PermissionDenied(Permission::Admin)));
    let edit = |_: &mut ApiKey, user: &mut User| user.role = Role::Admin;
    let mut house = House::new(Setup { edit, permissions: "admin,chat", ..Setup::default() });
    assert_eq!(house.verdict(administer(&house)).refusal, None);
}

#[test]
fn a_models_name_is_recorded_without_what_no_database_takes() {
    let mut house = House::plain();
    house.verdict(Question { model: Some("a\0b".into()), ..house.question(Some(1)) });
    assert_eq!(house.settled_event().model.as_deref(), Some("a b"));
}

#[test]
fn who_cannot_be_looked_up_is_not_guessed() {
    let mut house = House::new(Setup { used: None, ..Setup::default() });
    // The key can be found, but not what its user used.
    for cost in [None, Some(1)] {
        assert_eq!(house.answered(house.question(cost)).unwrap_err(), Refusal::StoreUnavailable);
    }
    *house.rows.used.lock().unwrap() = Some(0);
    assert_eq!(house.said(house.question(None)), (None, [0; 3], 0));
    // Who is known by now is answered from memory.
    *house.rows.used.lock().unwrap() = None;
    *house.lookups.full.lock().unwrap() = true;
    assert_eq!(house.said(house.question(None)), (None, [0; 3], 0));
    let subject = Subject::Key("some-old-key".into());
    let unknown = Question { subject, ..house.question(None) };
    assert_eq!(house.answered(unknown).unwrap_err(), Refusal::Overloaded);
}

#[test]
fn what_cannot_be_recorded_is_not_answered_and_costs_nothing() {
    let setup = Setup { max_wait: std::time::Duration::from_secs(2), ..Setup::default() };
    let mut house = House::new(setup);
    house.events.go_down(true);
    assert_eq!(house.answered(house.question(Some(40))).unwrap_err(), Refusal::StoreUnavailable);
    assert_eq!(house.said(house.question(None)), (None, [0; 3], 0));
    house.events.go_down(false);
    let events = house.until("the record", |house| {
        let events = house.events.all();
        (!events.is_empty()).then_some(events)
    });
    assert!(events.iter().all(|event| event.status == 503 && event.tokens.total().is_none()), "{events:?}");
    assert!(events.iter().all(|event| event.usage_source == UsageSource::None && event.cost_pico.is_none()));
}

#[test]
fn an_access_token_counts_for_its_user_alone() {
    let mut house = House::new(Setup { minute: Some(2), ..Setup::default() });
    let denied = Question { permission: Some(Permission::Admin), ..house.session(None) };
    let refusal = house.verdict(denied).refusal;
    assert_eq!(refusal, Some(Refusal::PermissionDenied(Permission::Admin)));
    let verdict =
        house.verdict(Question { permission: Some(Permission::KeysManage), ..house.session(Some(5)) });
    assert_eq!(verdict.refusal, None);
    let key = verdict.key.unwrap();
    assert_eq!(key.id.unless_of_sessions(house.rows.user.id), None);
    assert_eq!((key.environment, key.metadata.as_str()), (Environment::Live, "{}"));
    // The user's windows and quota are one.
    assert_eq!(house.said(house.question(Some(1))), (None, [2; 3], 6));
    let refusal = house.verdict(house.session(Some(1))).refusal;
    assert_eq!(refusal.map(|refusal| refusal.code()), Some("rate_limit_exceeded"));
    let events = house.settled();
    let by = |key: KeyId| events.iter().filter(|event| event.api_key_id == key).count();
    assert_eq!((by(KeyId::of_sessions(house.rows.user.id)), by(house.rows.key.id)), (2, 1));
}

#[test]
fn with_a_test_key_live_credentials_are_nobodys() {
    let mut house = House::plain();
    for question in [house.question(None), house.session(Some(1))] {
        let verdict = house.verdict(Question { by: Environment::Test, ..question });
        assert_eq!(verdict.refusal, Some(Refusal::UnknownKey));
        assert_eq!((verdict.key, verdict.user, verdict.metered), (None, None, None));
    }
    let edit = |key: &mut ApiKey, _: &mut User| key.environment = Environment::Test;
    let mut house = House::new(Setup { edit, ..Setup::default() });
    for by in [Environment::Test, Environment::Live] {
        assert_eq!(house.verdict(Question { by, ..house.question(Some(1)) }).refusal, None);
    }
    assert!(house.settled().iter().all(|event| event.environment == Environment::Test));
}

#[test]
fn requests_here_and_elsewhere_share_windows_and_quota() {
    let mut house = House::plain();
    assert_eq!(house.said(house.question(Some(30))), (None, [1; 3], 30));
    house.play(whole("hello", Some(usage(10, 5))));
    let (metered, _) = house.whole(&chat(50, ""));
    assert_eq!(metered.readings.map(|reading| reading.used), [2; 3]);
    assert_eq!(metered.quota.unwrap().used, 45);
    assert_eq!(house.said(house.question(None)), (None, [2; 3], 45));
}

#[test]
fn whoever_asked_may_go_away_and_what_was_counted_stays() {
    let mut house = House::plain();
    house.ask_about(house.question(Some(9))).forget();
    assert_eq!(house.settled_event().quota_tokens(), 9);
}

#[test]
fn a_task_that_ends_between_admission_and_answer_leaves_what_it_counted() {
    let mut house = House::plain();
    house.events.hold();
    let task = house.ask_about(house.question(Some(9)));
    house.until("the record", |house| (house.events.calls() > 0).then_some(()));
    drop(task);
    house.events.let_go();
    assert_eq!(house.settled_event().quota_tokens(), 9);
    assert_eq!(house.said_later(), 9);
}

impl House {
    /// What the quota has used, once an hour has passed.
    fn said_later(&mut self) -> u64 {
        self.clock.advance(TimeDelta::hours(1));
        self.said(self.question(None)).2
    }
}
