//! Letting devices in.

use std::{net::IpAddr, sync::Barrier};

use secrecy::SecretString;
use tollgate_domain::UserCode;
use tollgate_store::AuditFilter;

use super::*;
use crate::device::{DeviceCodes, DeviceRefusal, GUESSES_WITHIN, INTERVAL, LIFETIME, MAX_GUESSES};

fn editor() -> Client {
    Client {
        ip: Some("198.51.100.7".parse().unwrap()),
        user_agent: Some("Editor/1.0".to_owned()),
        ..Client::default()
    }
}

impl House {
    fn signed_in(&self, email: &str) -> Identity {
        self.register(email);
        self.session(&self.login(email, "testpass123").unwrap())
    }

    fn begin(&self) -> DeviceCodes {
        self.accounts.begin_device(Some("An Editor"), &editor()).unwrap()
    }

    fn ask(&self, codes: &DeviceCodes) -> Result<LoggedIn, DeviceRefusal> {
        refusal(self.accounts.poll_device(&codes.device_code, Some("An Editor"), &editor()))
    }

    fn decide(&self, who: &Identity, codes: &DeviceCodes, approve: bool) {
        self.accounts.decide_device(who, codes.user_code, approve).unwrap();
    }

    fn pause(&self, seconds: i64) {
        self.clock.advance(TimeDelta::seconds(seconds));
    }
}

fn refusal<T>(told: Result<T, AccountsError>) -> Result<T, DeviceRefusal> {
    told.map_err(|error| match error {
        AccountsError::Device(refusal) => refusal,
        other => panic!("{other:?}"),
    })
}

fn told<T: std::fmt::Debug>(answer: Result<T, DeviceRefusal>) -> DeviceRefusal {
    answer.unwrap_err()
}

#[test]
fn a_device_that_is_approved_gets_a_session_of_its_own_once() {
    on_each(|house| {
        let ann = house.signed_in("ann@example.com");
        let codes = house.begin();
        assert_eq!(told(house.ask(&codes)), DeviceRefusal::AuthorizationPending);
        let wish = house.accounts.find_device(&ann, codes.user_code).unwrap();
        assert_eq!(wish.client.as_deref(), Some("An Editor"));
        assert_eq!(
            (wish.ip.as_deref(), wish.user_agent.as_deref()),
            (Some("198.51.100.7"), Some("Editor/1.0"))
        );
        house.decide(&ann, &codes, true);
        let let_in = house.ask(&codes).unwrap();
        assert_eq!(let_in.user.id, ann.user.id);
        house.check(&let_in).unwrap();
        assert_ne!(let_in.session.id, ann.session.id);
        // The session is the device's: its address and program, and an end of its own.
        let session = house.stores.sessions.by_id(let_in.session.id).unwrap().unwrap();
        assert_eq!(
            (session.ip.as_deref(), session.user_agent.as_deref()),
            (Some("198.51.100.7"), Some("Editor/1.0"))
        );
        assert_eq!(told(house.ask(&codes)), DeviceRefusal::InvalidGrant);
        let again = house.accounts.decide_device(&ann, codes.user_code, true);
        assert!(matches!(again, Err(AccountsError::NotFound(_))), "{again:?}");
        // Whoever approved it may sign out: the device stays.
        house.accounts.log_out(&ann, false).unwrap();
        house.check(&let_in).unwrap();
    });
}

#[test]
fn what_was_decided_is_on_the_audit_log() {
    on_each(|house| {
        let ann = house.signed_in("ann@example.com");
        for approve in [true, false] {
            house.decide(&ann, &house.begin(), approve);
        }
        let listed = house.stores.audit.list(None, 2, &AuditFilter::default()).unwrap();
        let actions: Vec<_> = listed.iter().map(|entry| entry.row.action.as_str()).collect();
        assert_eq!(actions, ["device.denied", "device.approved"]);
        assert!(listed.iter().all(|entry| entry.row.actor == format!("user:{}", ann.user.id)));
    });
}

#[test]
fn who_asks_too_often_is_told_to_slow_down() {
    on_each(|house| {
        let ann = house.signed_in("ann@example.com");
        let codes = house.begin();
        let pause = i64::from(INTERVAL);
        assert_eq!(told(house.ask(&codes)), DeviceRefusal::AuthorizationPending);
        house.pause(pause);
        assert_eq!(told(house.ask(&codes)), DeviceRefusal::AuthorizationPending);
        house.pause(pause - 1);
        assert_eq!(told(house.ask(&codes)), DeviceRefusal::SlowDown);
        // Five seconds more from now on.
        house.pause(pause + 4);
        assert_eq!(told(house.ask(&codes)), DeviceRefusal::SlowDown);
        house.pause(pause + 10);
        assert_eq!(told(house.ask(&codes)), DeviceRefusal::AuthorizationPending);
        // Nobody waits for what has been decided.
        house.decide(&ann, &codes, true);
        house.ask(&codes).unwrap();
    });
}

#[test]
fn a_device_that_is_denied_stays_out() {
    on_each(|house| {
        let ann = house.signed_in("ann@example.com");
        let codes = house.begin();
        house.decide(&ann, &codes, false);
        for _ in 0..2 {
            assert_eq!(told(house.ask(&codes)), DeviceRefusal::AccessDenied);
        }
        let changed = house.accounts.decide_device(&ann, codes.user_code, true);
        assert!(matches!(changed, Err(AccountsError::NotFound(_))), "{changed:?}");
        assert_eq!(told(house.ask(&codes)), DeviceRefusal::AccessDenied);
    });
}

#[test]
fn codes_expire_approved_or_not_and_are_forgotten() {
    on_each(|house| {
        let ann = house.signed_in("ann@example.com");
        let (waiting, approved) = (house.begin(), house.begin());
        house.decide(&ann, &approved, true);
        house.clock.advance(LIFETIME);
        for codes in [&waiting, &approved] {
            assert_eq!(told(house.ask(codes)), DeviceRefusal::ExpiredToken);
        }
        let late = house.accounts.decide_device(&ann, waiting.user_code, true);
        assert!(matches!(late, Err(AccountsError::NotFound(_))), "{late:?}");
        assert_eq!(house.accounts.forget_devices(house.clock.now()).unwrap(), 0);
        house.clock.advance(TimeDelta::hours(1) + TimeDelta::seconds(1));
        // Both, and Ann's one wrong code.
        assert_eq!(house.accounts.forget_devices(house.clock.now()).unwrap(), 3);
        assert_eq!(told(house.ask(&waiting)), DeviceRefusal::InvalidGrant);
    });
}

#[test]
fn of_twenty_questions_at_once_one_gets_the_session() {
    const AT_ONCE: usize = 20;
    on_each(|house| {
        let ann = house.signed_in("ann@example.com");
        let codes = house.begin();
        house.decide(&ann, &codes, true);
        let before = house.accounts.list_sessions(ann.user.id, &PageRequest::default()).unwrap().items.len();
        let start = Barrier::new(AT_ONCE);
        let answers: Vec<_> = std::thread::scope(|scope| {
            let ask = || {
                start.wait();
                house.ask(&codes)
            };
            let all: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(ask)).collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
        assert_eq!(won.len(), 1);
        assert!(lost.into_iter().all(|one| told(one) == DeviceRefusal::InvalidGrant));
        let after = house.accounts.list_sessions(ann.user.id, &PageRequest::default()).unwrap().items.len();
        assert_eq!(after, before + 1);
    });
}

#[test]
fn who_signs_out_before_the_device_asks_has_let_nothing_in() {
    on_each(|house| {
        let ann = house.signed_in("ann@example.com");
        let codes = house.begin();
        house.decide(&ann, &codes, true);
        house.accounts.log_out(&ann, true).unwrap();
        assert_eq!(told(house.ask(&codes)), DeviceRefusal::AccessDenied);
        assert_eq!(told(house.ask(&codes)), DeviceRefusal::AccessDenied);
    });
}

#[test]
fn a_deactivated_user_lets_nothing_in() {
    on_each(|house| {
        let ann = house.signed_in("ann@example.com");
        let codes = house.begin();
        house.decide(&ann, &codes, true);
        let closed = UserChanges { is_active: Some(false), ..UserChanges::default() };
        house.accounts.edit_user(&By::program(), ann.user.id, closed).unwrap();
        assert_eq!(told(house.ask(&codes)), DeviceRefusal::AccessDenied);
    });
}

#[test]
fn no_other_code_or_token_is_taken_for_a_device_code() {
    on_each(|house| {
        let ann = house.login_new("ann@example.com");
        let codes = house.begin();
        house.decide(&house.session(&ann), &codes, true);
        for other in [
            SecretString::from(codes.user_code.to_string()),
            ann.tokens.refresh_token.clone(),
            ann.tokens.access_token.clone(),
            String::new().into(),
            "x".repeat(100_000).into(),
            "\0".into(),
        ] {
            let answer = refusal(house.accounts.poll_device(&other, None, &editor()));
            assert_eq!(told(answer), DeviceRefusal::InvalidGrant);
        }
        let renamed = house.accounts.poll_device(&codes.device_code, Some("Another"), &editor());
        assert_eq!(told(refusal(renamed)), DeviceRefusal::InvalidGrant);
        let refreshed = house.accounts.refresh(&codes.device_code, &editor());
        assert!(matches!(refreshed, Err(AccountsError::InvalidRefreshToken)), "{refreshed:?}");
        house.ask(&codes).unwrap();
    });
}

#[test]
fn an_older_peppers_codes_are_known() {
    on_each(|house| {
        let ann = house.signed_in("ann@example.com");
        let codes = house.begin();
        let pepper = tollgate_domain::Pepper::new(&["new", "pepper"]).unwrap();
        let rotated = house.again(AccountsSettings { pepper, ..fixture::settings() });
        rotated.decide_device(&ann, codes.user_code, true).unwrap();
        rotated.poll_device(&codes.device_code, None, &editor()).unwrap();
    });
}

#[test]
fn guesses_are_limited_and_others_go_on() {
    on_each(|house| {
        let (ann, bea) = (house.signed_in("ann@example.com"), house.signed_in("bea@example.com"));
        let codes = house.begin();
        let wrong: UserCode = "BBBB-BBBB".parse().unwrap();
        for _ in 0..MAX_GUESSES {
            let nothing = house.accounts.find_device(&ann, wrong);
            assert!(matches!(nothing, Err(AccountsError::NotFound(_))), "{nothing:?}");
        }
        for answer in [
            house.accounts.find_device(&ann, codes.user_code),
            house.accounts.decide_device(&ann, codes.user_code, true),
        ] {
            assert!(matches!(answer, Err(AccountsError::TooManyAttempts { retry_after: 601 })), "{answer:?}");
        }
        house.accounts.find_device(&bea, codes.user_code).unwrap();
        house.clock.advance(GUESSES_WITHIN - TimeDelta::seconds(1));
        house.accounts.find_device(&ann, codes.user_code).unwrap_err();
        house.clock.advance(TimeDelta::seconds(1));
        let fresh = house.begin();
        house.accounts.find_device(&ann, fresh.user_code).unwrap();
    });
}

#[test]
fn an_address_has_so_many_devices_that_ask() {
    on_each(|house| {
        let from = |ip: &str| Client { ip: Some(ip.parse::<IpAddr>().unwrap()), ..Client::default() };
        // One subscriber has all of a /64.
        let own = |last: u32| from(&format!("2001:db8:1:2:3::{last:x}"));
        for last in 0..crate::device::MAX_OPEN {
            house.accounts.begin_device(None, &own(last)).unwrap();
        }
        let more = house.accounts.begin_device(None, &own(0));
        assert!(matches!(more, Err(AccountsError::TooManyAttempts { .. })), "{more:?}");
        house.accounts.begin_device(None, &from("2001:db8:1:3::1")).unwrap();
        house.clock.advance(LIFETIME);
        house.accounts.begin_device(None, &own(0)).unwrap();
    });
}

#[test]
fn a_program_asks_by_its_name_as_it_wrote_it() {
    on_each(|house| {
        for name in ["  An Editor ", " ", ""] {
            let codes = house.accounts.begin_device(Some(name), &editor()).unwrap();
            let asked = refusal(house.accounts.poll_device(&codes.device_code, Some(name), &editor()));
            assert_eq!(told(asked), DeviceRefusal::AuthorizationPending, "{name:?}");
        }
    });
}

#[test]
fn a_programs_name_is_plain_and_bounded() {
    on_each(|house| {
        let ann = house.signed_in("ann@example.com");
        let name = |name: &str| {
            let codes = house.accounts.begin_device(Some(name), &editor())?;
            Ok::<_, AccountsError>(house.accounts.find_device(&ann, codes.user_code)?.client)
        };
        assert_eq!(name("  Éditeur № 1 ").unwrap().as_deref(), Some("Éditeur № 1"));
        assert_eq!(name(" ").unwrap(), None);
        assert_eq!(name(&"é".repeat(100)).unwrap(), Some("é".repeat(100)));
        for bad in [&"é".repeat(101), "a\nb", "a\0", "a\u{202e}b", "a\u{200b}b", "\u{2066}a", "a\u{e0041}"] {
            let refused = name(bad);
            assert!(
                matches!(&refused, Err(AccountsError::Invalid(faults)) if faults[0].field == "client_id"),
                "{bad:?} {refused:?}"
            );
        }
    });
}

impl House {
    fn login_new(&self, email: &str) -> LoggedIn {
        self.register(email);
        self.login(email, "testpass123").unwrap()
    }
}
