//! Promises of [`DeviceStore`](crate::DeviceStore).

use std::sync::Barrier;

use tollgate_domain::{AuditAction, AuditActor, AuditEntry, AuditId, AuditSubject, Personal, Time, UserId};

use super::given;
use crate::{Begun, DeviceDecision, DeviceWish, FoundDevice, NewDevice, NewSession, Poll, Polled, Stores};

/// A user's open session.
fn session(stores: &Stores, user: UserId) -> NewSession {
    let new = given::session(user);
    assert!(stores.sessions.open(&new).unwrap());
    new
}

fn device(stores: &Stores) -> NewDevice {
    let new = given::device();
    assert_eq!(stores.devices.begin(&new, 1_000).unwrap(), Begun::Yes);
    new
}

fn poll(stores: &Stores, device: &NewDevice, second: i64) -> Polled {
    stores.devices.poll(&given::poll(device, given::at(second))).unwrap()
}

fn decide(stores: &Stores, device: &NewDevice, by: &NewSession, approve: bool, now: Time) -> FoundDevice {
    let decision = DeviceDecision { approve, ..given::device_decision(device, by, now) };
    stores.devices.decide(&decision).unwrap()
}

fn entry(user: UserId) -> AuditEntry {
    AuditEntry {
        id: AuditId::new(given::at(2), &given::Numbers),
        at: given::at(2),
        actor: AuditActor::User(user),
        action: AuditAction::DeviceDenied,
        subject: AuditSubject::Nothing,
        personal: Personal::default(),
        run: None,
    }
}

/// A session for an approved device.
fn opened_by(device: &NewDevice, user: UserId) -> NewSession {
    NewSession { device: Some(device.device_hash), ..given::session(user) }
}

/// A device is found under its code until it expires, with all that is known of it.
pub fn a_device_is_found_by_its_code_until_it_expires(stores: &Stores) {
    let user = given::stored_user(stores);
    let full = device(stores);
    let mut bare = given::device();
    bare.wish = DeviceWish { client: None, ip: None, user_agent: None, ..bare.wish };
    bare.network = None;
    assert_eq!(stores.devices.begin(&bare, 0).unwrap(), Begun::Yes);
    for device in [full, bare] {
        let find =
            |second| stores.devices.find(&given::device_code(&device, user, given::at(second))).unwrap();
        assert_eq!(find(0), FoundDevice::Waiting(device.wish.clone()));
        assert_eq!(find(599), FoundDevice::Waiting(device.wish.clone()));
        assert_eq!(find(600), FoundDevice::Nothing);
    }
}

/// A code is shown by one device at a time, and a network has so many devices that ask.
pub fn a_code_is_shown_once_and_a_network_asks_so_often(stores: &Stores) {
    let first = device(stores);
    let same = NewDevice { user_code_hash: first.user_code_hash, ..given::device() };
    assert_eq!(stores.devices.begin(&same, 10).unwrap(), Begun::CodeTaken);
    assert_eq!(stores.devices.begin(&given::device(), 1).unwrap(), Begun::TooMany);
    let elsewhere = NewDevice { network: Some("192.0.2.2".to_owned()), ..given::device() };
    assert_eq!(stores.devices.begin(&elsewhere, 1).unwrap(), Begun::Yes);
    let mut later = given::device();
    (later.wish.created_at, later.wish.expires_at) = (given::at(600), given::at(1_200));
    assert_eq!(stores.devices.begin(&later, 1).unwrap(), Begun::Yes);
    assert_eq!(poll(stores, &same, 0), Polled::Unknown);
}

/// A device that asks too early is told so, and its pause grows, up to the longest; one that asks in time is told to
/// wait.
pub fn who_asks_too_early_waits_longer(stores: &Stores) {
    let device = device(stores);
    assert_eq!(poll(stores, &device, 0), Polled::Waiting);
    assert_eq!(poll(stores, &device, 5), Polled::Waiting);
    assert_eq!(poll(stores, &device, 9), Polled::TooEarly);
    // Ten seconds from here on.
    assert_eq!(poll(stores, &device, 18), Polled::TooEarly);
    // And fifteen, which is the longest.
    assert_eq!(poll(stores, &device, 32), Polled::TooEarly);
    assert_eq!(poll(stores, &device, 33), Polled::Waiting);
    assert_eq!(poll(stores, &device, 47), Polled::TooEarly);
    // What comes a little too early on its way is in time.
    let now = given::at(48) - chrono::TimeDelta::milliseconds(500);
    assert_eq!(stores.devices.poll(&given::poll(&device, now)).unwrap(), Polled::Waiting);
    assert_eq!(poll(stores, &given::device(), 0), Polled::Unknown);
}

/// What was decided is told, once it is, however early the device asks; nothing is told after it has expired.
pub fn a_device_is_told_what_was_decided_until_it_expires(stores: &Stores) {
    let user = given::stored_user(stores);
    let by = session(stores, user);
    let (approved, denied, waiting) = (device(stores), device(stores), device(stores));
    assert_eq!(
        decide(stores, &approved, &by, true, given::at(1)),
        FoundDevice::Waiting(approved.wish.clone())
    );
    assert_eq!(decide(stores, &denied, &by, false, given::at(1)), FoundDevice::Waiting(denied.wish.clone()));
    let yes = Polled::Approved { user, session: by.session.id };
    for second in [1, 1, 599] {
        assert_eq!(poll(stores, &approved, second), yes);
        assert_eq!(poll(stores, &denied, second), Polled::Denied);
    }
    for device in [&approved, &denied, &waiting] {
        assert_eq!(poll(stores, device, 600), Polled::Expired);
    }
    assert!(!stores.sessions.open(&opened_by(&waiting, user)).unwrap());
}

/// A program that says another name than it began with is another.
pub fn a_device_keeps_its_programs_name(stores: &Stores) {
    let device = device(stores);
    let asks = |name: Option<&str>| {
        let client = name.map(str::to_owned);
        stores.devices.poll(&Poll { client, ..given::poll(&device, given::at(0)) }).unwrap()
    };
    assert_eq!(asks(Some("Another")), Polled::Unknown);
    assert_eq!(asks(Some("An Editor")), Polled::Waiting);
}

/// A decision is made once, is audited then, and not by a session that has ended.
pub fn a_device_is_decided_once(stores: &Stores) {
    let user = given::stored_user(stores);
    let (by, ended) = (session(stores, user), session(stores, user));
    stores.sessions.end(ended.session.id, None, given::at(1), &[]).unwrap();
    let device = device(stores);
    assert_eq!(decide(stores, &device, &ended, true, given::at(2)), FoundDevice::Nothing);
    let before = stores.audit.head().unwrap().seq;
    let told = |approve| DeviceDecision {
        approve,
        audit: vec![entry(user)],
        ..given::device_decision(&device, &by, given::at(2))
    };
    assert!(matches!(stores.devices.decide(&told(false)).unwrap(), FoundDevice::Waiting(_)));
    assert_eq!(stores.audit.head().unwrap().seq, before + 1);
    assert_eq!(stores.devices.decide(&told(true)).unwrap(), FoundDevice::Nothing);
    assert_eq!(stores.audit.head().unwrap().seq, before + 1);
    assert_eq!(poll(stores, &device, 3), Polled::Denied);
    assert!(!stores.sessions.open(&opened_by(&device, user)).unwrap());
}

/// An approved device opens one session, of whoever approved it, and is unknown from then on.
pub fn an_approved_device_opens_one_session(stores: &Stores) {
    let (user, other) = (given::stored_user(stores), given::stored_user(stores));
    let by = session(stores, user);
    let device = device(stores);
    assert!(!stores.sessions.open(&opened_by(&device, user)).unwrap());
    decide(stores, &device, &by, true, given::at(0));
    assert!(!stores.sessions.open(&opened_by(&device, other)).unwrap());
    let new = opened_by(&device, user);
    assert!(stores.sessions.open(&new).unwrap());
    assert_eq!(stores.sessions.by_id(new.session.id).unwrap(), Some(new.session));
    assert!(!stores.sessions.open(&opened_by(&device, user)).unwrap());
    assert_eq!(poll(stores, &device, 1), Polled::Unknown);
}

/// Of any number that come at once with an approved device, one opens a session.
pub fn of_exchanges_at_once_one_counts(stores: &Stores) {
    const AT_ONCE: usize = 20;
    let user = given::stored_user(stores);
    let by = session(stores, user);
    let device = device(stores);
    decide(stores, &device, &by, true, given::at(0));
    let start = Barrier::new(AT_ONCE);
    let opened = std::thread::scope(|scope| {
        let one = || {
            let new = opened_by(&device, user);
            start.wait();
            stores.sessions.open(&new).unwrap()
        };
        let all: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(one)).collect();
        all.into_iter().map(|one| usize::from(one.join().unwrap())).sum::<usize>()
    });
    assert_eq!(opened, 1);
}

/// Where the session of whoever approved a device has ended, the device is denied.
pub fn who_signs_out_takes_the_approval_back(stores: &Stores) {
    let user = given::stored_user(stores);
    let by = session(stores, user);
    let device = device(stores);
    decide(stores, &device, &by, true, given::at(0));
    stores.sessions.end(by.session.id, None, given::at(1), &[]).unwrap();
    assert_eq!(poll(stores, &device, 2), Polled::Denied);
    let mut late = opened_by(&device, user);
    late.session.created_at = given::at(2);
    assert!(!stores.sessions.open(&late).unwrap());
    assert_eq!(stores.sessions.by_id(late.session.id).unwrap(), None);
    assert_eq!(poll(stores, &device, 2), Polled::Denied);
}

/// A user names so many codes that no device shows and is then told nothing for a while; others go on.
pub fn guesses_are_counted_by_user(stores: &Stores) {
    let (user, other) = (given::stored_user(stores), given::stored_user(stores));
    let (by, device, nothing) = (session(stores, user), device(stores), given::device());
    let find = |of: &NewDevice, user, second| {
        stores.devices.find(&given::device_code(of, user, given::at(second))).unwrap()
    };
    assert_eq!(find(&nothing, user, 0), FoundDevice::Nothing);
    assert!(matches!(find(&device, user, 1), FoundDevice::Waiting(_)));
    assert_eq!(find(&nothing, user, 2), FoundDevice::Nothing);
    assert_eq!(decide(stores, &nothing, &by, true, given::at(3)), FoundDevice::Nothing);
    let until = FoundDevice::TooMany { until: given::at(60) };
    assert_eq!(find(&device, user, 4), until);
    assert_eq!(decide(stores, &device, &by, true, given::at(59)), until);
    assert!(matches!(find(&device, other, 59), FoundDevice::Waiting(_)));
    assert!(matches!(find(&device, user, 60), FoundDevice::Waiting(_)));
    for second in [61, 62, 63] {
        assert_eq!(find(&nothing, user, second), FoundDevice::Nothing);
    }
    assert_eq!(find(&device, user, 64), FoundDevice::TooMany { until: given::at(121) });
}

/// Guesses at once are all counted.
pub fn of_guesses_at_once_so_many_are_answered(stores: &Stores) {
    const AT_ONCE: usize = 12;
    let user = given::stored_user(stores);
    let start = Barrier::new(AT_ONCE);
    let answered = std::thread::scope(|scope| {
        let one = || {
            let code = given::device_code(&given::device(), user, given::at(0));
            start.wait();
            usize::from(stores.devices.find(&code).unwrap() == FoundDevice::Nothing)
        };
        let all: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(one)).collect();
        all.into_iter().map(|one| one.join().unwrap()).sum::<usize>()
    });
    assert_eq!(answered, 3);
}

/// Devices that expired long ago, and guesses that count no more, are forgotten in pieces.
pub fn old_devices_and_guesses_are_forgotten_in_pieces(stores: &Stores) {
    let users = [(); 3].map(|()| given::stored_user(stores));
    let devices = [(); 3].map(|()| device(stores));
    for user in users {
        let nothing = given::device_code(&given::device(), user, given::at(0));
        assert_eq!(stores.devices.find(&nothing).unwrap(), FoundDevice::Nothing);
    }
    let forget =
        |second, limit| stores.devices.forget(given::at(second), given::at(second - 600), limit).unwrap();
    assert_eq!(forget(600, 10), 0);
    assert_eq!(forget(601, 2), 4);
    assert_eq!(forget(601, 2), 2);
    assert_eq!(forget(601, 2), 0);
    for device in &devices {
        assert_eq!(poll(stores, device, 0), Polled::Unknown);
    }
}
