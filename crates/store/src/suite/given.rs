//! What cases start from.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use chrono::TimeDelta;
use tollgate_domain::{
    ApiKey, AuditAction, AuditActor, AuditEntry, AuditId, AuditSubject, Email, Environment, EventId, KeyHash,
    KeyId, KeyKind, MailId, Month, OutboxId, Permissions, Personal, Randomness, RequestType, Role, Session,
    SessionId, Tier, Time, Tokens, UsageEvent, UsageSource, User, UserId, random,
};

use crate::{
    AddressCount, AddressHit, Attempt, CodeAttempt, Deletion, DeletionProof, DeviceCode, DeviceDecision,
    DeviceWish, Folded, LinkedIdentity, MailPurpose, MailToken, NewChallenge, NewDevice, NewKey, NewMail,
    NewSecondFactor, NewSession, NewUser, PasswordChange, Poll, Rotation, Stores,
};

/// How long a case waits for an append: longer than any takes.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A keyless generator: nothing here is secret, and every number comes once.
pub struct Numbers;

static NEXT: AtomicU64 = AtomicU64::new(0);

impl Randomness for Numbers {
    fn fill(&self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            let bytes = mixed(NEXT.fetch_add(1, Ordering::Relaxed)).to_le_bytes();
            chunk.iter_mut().zip(bytes).for_each(|(place, byte)| *place = byte);
        }
    }
}

/// `SplitMix64`.
fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A number below `bound`.
pub fn below(bound: u64) -> u64 {
    u64::from_le_bytes(random::bytes(&Numbers)).rem_euclid(bound)
}

/// What tells of `action`.
pub fn entry(action: AuditAction, subject: AuditSubject) -> AuditEntry {
    AuditEntry {
        id: AuditId::new(at(0), &Numbers),
        at: at(0),
        actor: AuditActor::System,
        action,
        subject,
        personal: Personal::default(),
        run: None,
    }
}

/// An id of an event that waits to be delivered.
pub fn outbox_id() -> OutboxId {
    OutboxId::new(at(0), &Numbers)
}

/// 2026-11-21 12:00:00.123456 UTC, and so many seconds.
pub fn at(seconds: i64) -> Time {
    Time::from_timestamp_micros(1_795_262_400_123_456).unwrap() + TimeDelta::seconds(seconds)
}

/// A user with an address of its own.
pub fn user() -> NewUser {
    let id = UserId::new(at(0), &Numbers);
    let user = User {
        id,
        email: Some(email(&format!("{id}@example.com"))),
        external_id: None,
        name: None,
        role: Role::User,
        tier: Tier::Free,
        is_active: true,
        is_verified: false,
        limits: Default::default(),
        monthly_token_limit: None,
        quota_floor: None,
        quota_grant: None,
        metadata: "{}".to_owned(),
        created_at: at(0),
        updated_at: at(0),
    };
    NewUser { user, password_hash: Some("$2b$12$hash".to_owned()) }
}

/// An address.
pub fn email(text: &str) -> Email {
    text.parse().unwrap()
}

/// A user that is in the store.
pub fn stored_user(stores: &Stores) -> UserId {
    let new = user();
    stores.users.create(&new, None, &[]).unwrap();
    new.user.id
}

/// A hash that no other key has.
pub fn hash() -> KeyHash {
    KeyHash(random::bytes(&Numbers))
}

/// A key of `user`.
pub fn key(user: UserId) -> NewKey {
    let key = ApiKey {
        name: "a key".to_owned(),
        prefix: "sk_live_tg_".to_owned(),
        preview: "sk_live_tg_abcd…".to_owned(),
        permissions: Permissions::defaults(),
        ..ApiKey::blank(KeyId::new(at(0), &Numbers), user, at(0))
    };
    NewKey { key, hash: hash(), sealed: None, maker: None }
}

/// An `Editor` key of `user`.
pub fn editor_key(user: UserId) -> NewKey {
    let mut new = key(user);
    new.key.kind = KeyKind::Editor;
    new.sealed = Some(new.hash.0.to_vec());
    new
}

/// A key that is in the store.
pub fn stored_key(stores: &Stores, user: UserId) -> KeyId {
    let new = key(user);
    assert!(stores.keys.create(&new, u32::MAX, &[]).unwrap());
    new.key.id
}

/// A change, by that session, of the password that every user here begins with.
pub fn password_change(user: UserId, session: SessionId, now: Time) -> PasswordChange {
    let (before, after) = ("$2b$12$hash".to_owned(), "$2b$12$changed".to_owned());
    PasswordChange { user, before, after, session, now, mail: None, audit: Vec::new() }
}

/// Deletes a user, and tells the user.
pub fn deletion(user: UserId, proof: DeletionProof) -> Deletion {
    Deletion { user, proof, mail: Some(mail(at(0))), now: at(1), audit: Vec::new() }
}

/// A session of `user` that is open for an hour.
pub fn session(user: UserId) -> NewSession {
    let session = Session {
        id: SessionId::new(at(0), &Numbers),
        user_id: user,
        created_at: at(0),
        expires_at: at(3_600),
        ended_at: None,
        ip: Some("192.0.2.1".to_owned()),
        user_agent: Some("curl/8".to_owned()),
    };
    NewSession {
        session,
        refresh_hash: random::bytes(&Numbers),
        password: None,
        device: None,
        attempts: None,
        audit: Vec::new(),
    }
}

/// A device that asks for ten minutes.
pub fn device() -> NewDevice {
    let wish = DeviceWish {
        client: Some("An Editor".to_owned()),
        ip: Some("192.0.2.1".to_owned()),
        user_agent: Some("curl/8".to_owned()),
        created_at: at(0),
        expires_at: at(600),
    };
    let (device_hash, user_code_hash) = (random::bytes(&Numbers), random::bytes(&Numbers));
    NewDevice { device_hash, user_code_hash, wish, network: Some("192.0.2.1".to_owned()), interval: 5 }
}

/// That device's question at `now`.
pub fn poll(device: &NewDevice, now: Time) -> Poll {
    let tolerance = TimeDelta::milliseconds(500);
    Poll { device: device.device_hash, client: None, now, tolerance, slower_by: 5, slowest: 15 }
}

/// `user` names that device's code at `now`, and has three guesses in a minute.
pub fn device_code(device: &NewDevice, user: UserId, now: Time) -> DeviceCode {
    let hashes = vec![random::bytes(&Numbers), device.user_code_hash];
    DeviceCode { hashes, user, now, max_guesses: 3, guesses_within: TimeDelta::minutes(1) }
}

/// Lets that device in, in `session`.
pub fn device_decision(device: &NewDevice, session: &NewSession, now: Time) -> DeviceDecision {
    let code = device_code(device, session.session.user_id, now);
    DeviceDecision { code, session: session.session.id, approve: true, audit: Vec::new() }
}

/// What switches on the second factor of `user` that was set up as `pending`, by the code of step 100.
pub fn second_factor(user: UserId, pending: &[u8]) -> NewSecondFactor {
    let backup_codes = (0..3).map(|_| random::bytes(&Numbers)).collect();
    NewSecondFactor {
        user,
        pending: pending.to_vec(),
        step: 100,
        backup_codes,
        session: SessionId::new(at(0), &Numbers),
        now: at(0),
        audit: Vec::new(),
        mail: None,
    }
}

/// `user` brings the first factor, whatever it is, and has five minutes for the second.
pub fn challenge(user: UserId, now: Time) -> NewChallenge {
    let expires_at = now + TimeDelta::minutes(5);
    let token = random::bytes(&Numbers);
    NewChallenge { token, user, password: None, created_at: now, expires_at, audit: Vec::new() }
}

/// A code that is none; of five in a row, the last makes a pause of half an hour.
pub fn code_attempt(user: UserId, secret: &[u8], now: Time) -> CodeAttempt {
    CodeAttempt {
        user,
        secret: secret.to_vec(),
        step: None,
        backup_code: Vec::new(),
        now,
        max_wrong: 5,
        paused_until: now + TimeDelta::minutes(30),
        failed: Vec::new(),
        backup_code_used: Vec::new(),
        mail: None,
        pausing: None,
    }
}

/// Spends the first refresh token of `session` at `now`, forgiving for ten seconds.
pub fn rotation(session: &NewSession, now: Time) -> Rotation {
    Rotation {
        session: session.session.id,
        presented: session.refresh_hash,
        successor: random::bytes(&Numbers),
        answer: random::bytes::<32>(&Numbers).to_vec(),
        now,
        forgiven_after: now - TimeDelta::seconds(10),
        reused: Vec::new(),
    }
}

/// A mail of `time`, good for a day.
pub fn mail(time: Time) -> NewMail {
    let sealed = random::bytes::<32>(&Numbers).to_vec();
    let id = MailId::new(time, &Numbers);
    NewMail { id, sealed, queued_at: time, give_up_at: time + TimeDelta::days(1) }
}

/// An identity of `user`'s that nobody else has.
pub fn identity(user: UserId) -> LinkedIdentity {
    let issuer = "https://login.example.com".to_owned();
    LinkedIdentity {
        issuer,
        subject: UserId::new(at(0), &Numbers).to_string(),
        user_id: user,
        created_at: at(0),
    }
}

/// A token of nobody's and of an address of its own, good for an hour from `time`.
pub fn mail_token(purpose: MailPurpose, time: Time) -> MailToken {
    MailToken {
        hash: random::bytes(&Numbers),
        purpose,
        user: None,
        email: None,
        address: random::bytes(&Numbers),
        created_at: time,
        expires_at: time + TimeDelta::hours(1),
        ended_at: None,
    }
}

/// A chat of 100 tokens in and 50 out, admitted and answered well at `time`.
pub fn event(user: UserId, key: KeyId, time: Time) -> UsageEvent {
    UsageEvent {
        id: EventId::new(time, &Numbers),
        time,
        month: Month::of(time),
        request_id: "req-1".to_owned(),
        user_id: user,
        api_key_id: key,
        environment: Environment::Live,
        end_user: Some("somebody".to_owned()),
        endpoint: "/v1/chat/completions".to_owned(),
        method: "POST".to_owned(),
        params: "{\"stream\":true}".to_owned(),
        status: 200,
        counts: true,
        request_bytes: 1_000,
        response_bytes: 2_000,
        duration_ms: 250,
        upstream_ms: Some(240),
        provider: Some("openai".to_owned()),
        model: Some("gpt-4o".to_owned()),
        upstream_model: Some("gpt-4o-2024-11-20".to_owned()),
        request_type: RequestType::Chat,
        tokens: Tokens { prompt: Some(100), completion: Some(50), cached: Some(10), reasoning: None },
        usage_source: UsageSource::Reported,
        cost_pico: Some(15_000_000_000),
        own_key: false,
        repeat: 1,
        ip: Some("192.0.2.1".to_owned()),
        user_agent: Some("curl/8".to_owned()),
        error_code: None,
    }
}

/// Appends events on a stream of their own.
pub fn append(stores: &Stores, events: &[UsageEvent]) {
    let stream = stores.events.open_stream(at(0)).unwrap();
    for (group, seq) in events.chunks(crate::event::MAX_GROUP).zip((1..).step_by(crate::event::MAX_GROUP)) {
        stores.events.append(stream, seq, Arc::from(group), PATIENCE).unwrap();
    }
}

/// Folds until nothing waits; gives how many events were added.
pub fn fold(stores: &Stores) -> u64 {
    let mut events = 0;
    let mark = stores.events.mark().unwrap();
    loop {
        let Folded { events: some, more } = stores.events.fold(1_000, &mark).unwrap();
        events += some;
        if !more {
            return events;
        }
    }
}

/// Saves windows until nothing waits; gives how many events were passed.
pub fn save(stores: &Stores, now: Time) -> u64 {
    let mut events = 0;
    let mark = stores.events.mark().unwrap();
    loop {
        let Folded { events: some, more } = stores.windows.save(1_000, &mark, now).unwrap();
        events += some;
        if !more {
            return events;
        }
    }
}

/// Appends events and folds them.
pub fn used(stores: &Stores, events: &[UsageEvent]) {
    append(stores, events);
    fold(stores);
}

/// An attempt at an account, from no address, of which three are admitted.
pub fn attempt(account: [u8; 32]) -> Attempt {
    Attempt {
        account,
        known: Vec::new(),
        address: None,
        max_attempts: 3,
        lock: TimeDelta::minutes(30),
        now: at(0),
    }
}

/// A failed login from an address.
pub fn address(key: [u8; 32], limit: u64) -> AddressCount {
    AddressCount { hit: AddressHit::FailedLogin, key, limit }
}
