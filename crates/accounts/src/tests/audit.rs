//! The audit log: what is told, and that no row is changed, moved or taken away unnoticed.

use secrecy::SecretString;
use tollgate_domain::AuditHead;
use tollgate_store::AuditFilter;

use super::*;
use crate::{
    audit::verify::{Fault, Verdict},
    mail::{MailTransport, Message, TransportError},
    profile::ProfileChanges,
};

/// Sign-ups, logins and logouts: ten entries.
fn some_history(house: &House) {
    for name in ["ann", "bob"] {
        let email = format!("{name}@example.com");
        house.register(&email);
        let login = house.login(&email, "testpass123").unwrap();
        house.login(&email, "wrong-password").unwrap_err();
        let caller = house.session(&login);
        house.accounts.log_out(&caller, false).unwrap();
        house.accounts.log_out(&caller, true).unwrap();
    }
}

/// Keeps the last mail.
#[derive(Default)]
struct Last(Mutex<String>);

impl MailTransport for Last {
    fn send(&self, message: &Message) -> Result<(), TransportError> {
        self.0.lock().unwrap().clone_from(&message.text);
        Ok(())
    }
}

impl House {
    /// The token of the mail that was queued last.
    fn latest_token(&self) -> SecretString {
        let last = Last::default();
        self.accounts.send_mails(&last).unwrap();
        let text = last.0.into_inner().unwrap();
        let link = text.lines().find_map(|line| line.split_once("token=")).expect("no link in the mail");
        link.1.into()
    }

    /// Actions and subjects of the rows behind this one.
    fn since(&self, seq: i64) -> Vec<(String, String)> {
        let rows = self.stores.audit.rows(seq, 100).unwrap();
        rows.into_iter().map(|row| (row.row.action, row.row.subject)).collect()
    }
}

fn verdict(house: &House, outside: Option<&AuditHead>) -> Verdict {
    house.accounts.verify_audit(outside, |_| {}).unwrap()
}

fn actions(house: &House) -> Vec<String> {
    let listed = house.stores.audit.list(None, 100, &AuditFilter::default()).unwrap();
    listed.into_iter().rev().map(|entry| entry.row.action).collect()
}

/// Changes the database behind everybody's back, and gives the first row at which that shows.
fn after(statements: &[&str], outside: bool) -> Vec<Option<Fault>> {
    let mut faults = Vec::new();
    on_each(|house| {
        some_history(house);
        let head = house.stores.audit.head().unwrap();
        assert_eq!(head.seq, 10);
        assert_eq!(verdict(house, Some(&head)), Verdict { good: 10, fault: None });
        for statement in statements {
            house.tamper(statement);
        }
        faults.push(verdict(house, outside.then_some(&head)).fault);
    });
    faults
}

fn shows(statements: &[&str], fault: Fault) {
    for found in after(statements, true) {
        assert_eq!(found, Some(fault), "{statements:?}");
    }
}

#[test]
fn every_event_is_told_with_who_and_what() {
    on_each(|house| {
        let ann = house.register("ann@example.com");
        let login = house.login("ann@example.com", "testpass123").unwrap();
        house.login("ann@example.com", "wrong-password").unwrap_err();
        house.login("nobody@example.com", "wrong-password").unwrap_err();
        let caller = house.session(&login);
        house.accounts.log_out(&caller, false).unwrap();
        assert_eq!(
            actions(house),
            [
                "user.registered",
                "key.created",
                "session.login",
                "session.login_failed",
                "session.login_failed",
                "session.logout",
            ]
        );
        let about = AuditFilter { about: Some(ann.user.id.as_uuid()), ..AuditFilter::default() };
        let listed = house.stores.audit.list(None, 100, &about).unwrap();
        let [logout, failed, opened, key, registered] = &listed[..] else { panic!("{listed:?}") };
        let user = format!("user:{}", ann.user.id);
        assert_eq!((logout.row.actor.as_str(), failed.row.actor.as_str()), (user.as_str(), "anonymous"));
        assert_eq!(
            (failed.row.subject.as_str(), registered.row.subject.as_str()),
            (user.as_str(), user.as_str())
        );
        assert_eq!(key.row.subject, format!("key:{}", ann.key.id));
        assert_eq!(opened.row.subject, format!("session:{}", caller.session.id));
        let beside = failed.personal.as_ref().unwrap();
        assert_eq!(beside.ip.as_deref(), Some("203.0.113.9"));
        assert_eq!(beside.email.as_deref(), Some("ann@example.com"));
        assert_eq!(beside.user, Some(ann.user.id));
        let unknown = AuditFilter { action: Some("session.login_failed".into()), ..AuditFilter::default() };
        let listed = house.stores.audit.list(None, 1, &unknown).unwrap();
        assert_eq!((listed.len(), listed[0].row.subject.as_str()), (1, ""));
    });
}

#[test]
fn what_did_not_happen_is_not_told() {
    on_each(|house| {
        let ann = house.register("ann@example.com");
        let actor = house.actor(&ann.user, None);
        let before = actions(house).len();
        house.accounts.revoke_key(&actor, ann.key.id, false).unwrap();
        house.accounts.revoke_key(&actor, ann.key.id, false).unwrap();
        house.accounts.register(&registration("ann@example.com"), &client()).unwrap_err();
        // She is of the free tier already, and a change to nothing is none.
        let same = UserChanges { tier: Some(Tier::Free), ..UserChanges::default() };
        house.accounts.edit_user(&By::program(), ann.user.id, same).unwrap();
        house.accounts.edit_user(&By::program(), ann.user.id, UserChanges::default()).unwrap();
        assert_eq!(actions(house)[before..], ["key.revoked", "user.registration_refused"]);
    });
}

#[test]
fn the_address_of_who_is_deleted_stands_nowhere_even_where_others_named_it() {
    on_each(|house| {
        house.login("ann@example.com", "too-early").unwrap_err();
        house.accounts.invite(&By::program(), Some("ann@example.com")).unwrap();
        let ann = house.register("ann@example.com").user;
        let bob = house.register("bob@example.com").user;
        house.accounts.register(&registration("ann@example.com"), &client()).unwrap_err();
        house.accounts.request_password_reset("bob@example.com", &client()).unwrap();
        let caller = house.session(&house.login("bob@example.com", "testpass123").unwrap());
        let wanted = ProfileChanges {
            email: Some("ann@example.com".to_owned()),
            password: Some("testpass123".into()),
            ..ProfileChanges::default()
        };
        house.accounts.edit_profile(&caller, wanted).unwrap();
        house.accounts.start_password_reset(&By::user(bob.id, &client()), ann.id).unwrap();
        house.accounts.delete_user(&By::program(), ann.id).unwrap();
        house.accounts.erase_deleted(house.clock.now()).unwrap();
        let listed = house.stores.audit.list(None, 100, &AuditFilter::default()).unwrap();
        let emails: Vec<_> =
            listed.iter().filter_map(|entry| entry.personal.as_ref()?.email.as_deref()).collect();
        assert_eq!(emails, ["bob@example.com"], "{listed:?}");
        assert_eq!(verdict(house, None).fault, None);
    });
}

#[test]
fn what_a_mail_ends_is_told_one_by_one() {
    on_each(|house| {
        let ann = house.register("ann@example.com");
        let owner = house.actor(&ann.user, None);
        let second = house.accounts.create_key(&owner, &named("second")).unwrap().key;
        let before = house.stores.audit.head().unwrap().seq;
        house.clock.advance(TimeDelta::seconds(1));
        house.accounts.request_password_reset("ann@example.com", &client()).unwrap();
        let token = house.latest_token();
        house.accounts.reset_password(&token, &"another pass 456".into(), false, &client()).unwrap();
        house.clock.advance(TimeDelta::seconds(1));
        let bob = house.register("bob@example.com").user;
        let told = house.since(before);
        let user = format!("user:{}", ann.user.id);
        let revoked = |id| ("key.revoked".to_owned(), format!("key:{id}"));
        assert_eq!(told[0], ("password.reset_requested".to_owned(), user.clone()));
        assert_eq!(told[1], ("password.reset".to_owned(), user));
        assert_eq!(told[2..4], [revoked(ann.key.id), revoked(second.id)]);
        let before = house.stores.audit.head().unwrap().seq;
        house.accounts.disown_email(&house.latest_token(), &client()).unwrap();
        let bob = format!("user:{}", bob.id);
        let told = house.since(before);
        assert_eq!(told, ["email.disowned", "user.deleted"].map(|action| (action.to_owned(), bob.clone())));
    });
}

#[test]
fn a_row_that_was_changed_is_named() {
    shows(&["UPDATE audit_log SET action = 'session.logout' WHERE seq = 4"], Fault::Changed(4));
    shows(&["UPDATE audit_log SET actor = 'anonymous' WHERE seq = 1"], Fault::Changed(1));
    shows(&["UPDATE audit_log SET subject = '' WHERE seq = 10"], Fault::Changed(10));
    shows(&["UPDATE audit_log SET hash = (SELECT hash FROM audit_head) WHERE seq = 7"], Fault::Changed(7));
}

#[test]
fn a_row_that_was_deleted_is_named() {
    shows(&["DELETE FROM audit_log WHERE seq = 1"], Fault::Missing(1));
    shows(&["DELETE FROM audit_log WHERE seq = 5"], Fault::Missing(5));
    shows(
        &[
            "DELETE FROM audit_log WHERE seq = 5",
            "UPDATE audit_log SET seq = -seq WHERE seq > 5",
            "UPDATE audit_log SET seq = -seq - 1 WHERE seq < 0",
        ],
        Fault::Changed(5),
    );
}

#[test]
fn rows_that_changed_places_are_named() {
    shows(
        &[
            "UPDATE audit_log SET seq = -3 WHERE seq = 3",
            "UPDATE audit_log SET seq = 3 WHERE seq = 6",
            "UPDATE audit_log SET seq = 6 WHERE seq = -3",
        ],
        Fault::Changed(3),
    );
}

#[test]
fn an_end_that_was_cut_off_is_named() {
    shows(&["DELETE FROM audit_log WHERE seq > 8"], Fault::Missing(9));
    let with_the_head = [
        "DELETE FROM audit_log WHERE seq > 8",
        "UPDATE audit_head SET seq = 8, hash = (SELECT hash FROM audit_log WHERE seq = 8)",
    ];
    shows(&with_the_head, Fault::Missing(9));
    // Only the head outside the database knows of these.
    assert!(after(&with_the_head, false).iter().all(Option::is_none));
    shows(
        &["UPDATE audit_head SET seq = 8, hash = (SELECT hash FROM audit_log WHERE seq = 8)"],
        Fault::Beyond(9),
    );
    shows(&["DELETE FROM audit_log"], Fault::Missing(1));
}

#[test]
fn erasing_a_person_breaks_nothing() {
    on_each(|house| {
        some_history(house);
        let ann = house.stores.users.by_email(&"ann@example.com".parse().unwrap()).unwrap().unwrap().user;
        let mut erased = 0;
        while house.stores.audit.erase(ann.id, 2).unwrap() > 0 {
            erased += 1;
        }
        assert!(erased >= 2);
        let left = house.stores.audit.list(None, 100, &AuditFilter::default()).unwrap();
        let beside: Vec<_> = left.iter().filter_map(|entry| entry.personal.clone()).collect();
        assert!(!beside.is_empty());
        assert!(
            beside
                .iter()
                .all(|beside| beside.user != Some(ann.id)
                    && beside.email.as_deref() != Some("ann@example.com"))
        );
        assert_eq!(left.len(), 10);
        assert_eq!(verdict(house, None).fault, None);
    });
}

#[test]
fn entries_at_once_are_all_chained() {
    on_each(|house| {
        house.register("ann@example.com");
        let before = house.stores.audit.head().unwrap().seq;
        std::thread::scope(|scope| {
            for thread in 0..8 {
                scope.spawn(move || {
                    for number in 0..10 {
                        // Each at an account of its own: no lockout is told of.
                        let email = format!("nobody-{thread}-{number}@example.com");
                        house.login(&email, "wrong-password").unwrap_err();
                    }
                });
            }
        });
        assert_eq!(house.stores.audit.head().unwrap().seq, before + 80);
        assert_eq!(verdict(house, None), Verdict { good: before + 80, fault: None });
    });
}

#[test]
fn a_newer_pepper_goes_on_with_the_chain() {
    on_each(|house| {
        house.register("ann@example.com");
        let newer = tollgate_domain::Pepper::new(&["newer", "pepper"]).unwrap();
        let accounts = house.again(AccountsSettings { pepper: newer, ..fixture::settings() });
        assert_eq!(accounts.verify_audit(None, |_| {}).unwrap().fault, None);
        let other = tollgate_domain::Pepper::new(&["other"]).unwrap();
        let accounts = house.again(AccountsSettings { pepper: other, ..fixture::settings() });
        assert_eq!(accounts.verify_audit(None, |_| {}).unwrap().fault, Some(Fault::Changed(1)));
    });
}
