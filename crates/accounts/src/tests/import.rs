//! Keys and users of other systems, from their records.

use serde_json::json;
use tollgate_domain::{ApiKey, KeyText};
use tollgate_store::{Imported, ListedKey};

use super::*;
use crate::import::{Outcome, Record};

const OLD: &str = "testpass123";
const SECRET: &str = "qwen-8UkDpfeuisiWxMCkf5cFpY9zvRxy5MoZ47PVLY";
/// SHA-256 of [`SECRET`].
const DIGEST: &str = "d16f459ea62c1b1c82998fd0b12091edf1f6b6855e8d5b92dbef0a7db072d1cb";

fn record(value: serde_json::Value) -> Record {
    match value {
        serde_json::Value::Object(record) => record,
        other => panic!("{other}"),
    }
}

impl House {
    fn import_key(&self, value: serde_json::Value) -> Outcome {
        self.accounts.import_keys(&By::program(), &[record(value)], false).unwrap().remove(0)
    }

    fn import_user(&self, value: serde_json::Value) -> Outcome {
        self.accounts.import_users(&By::program(), &[record(value)], false).unwrap().remove(0)
    }

    fn keys_of(&self, external_id: &str) -> (User, Vec<ListedKey>) {
        let user = self.stores.users.by_external_id(external_id).unwrap().unwrap();
        let filter =
            KeyFilter { user: Some(user.id), include_inactive: true, now: self.clock.now(), kind: None };
        (user, self.stores.keys.list(&filter, &PageRequest::default()).unwrap().items)
    }

    fn only_key_of(&self, external_id: &str) -> ApiKey {
        let (_, keys) = self.keys_of(external_id);
        assert_eq!(keys.len(), 1);
        keys[0].key.clone()
    }
}

fn hash(number: u32) -> String {
    format!("{number:064x}")
}

fn reason(outcome: Outcome) -> String {
    match outcome {
        Outcome::Refused(reason) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_key_comes_with_all_its_columns() {
    on_each(|house| {
        let whole = json!({
            "id": "3f2a", "key_hash": DIGEST.to_uppercase(), "key_prefix": "qwen-8Uk...", "user_id": 7,
            "name": "CI", "email": "Ann@Example.com", "tier": "Pro", "permissions": ["chat", "embeddings"],
            "hourly_limit": 100, "daily_limit": "500", "is_active": true,
            "expires_at": "2027-01-01 00:00:00+00", "created_at": "2025-01-02T03:04:05.5",
            "last_used": 1_760_000_000, "metadata": {"team": "research"}, "request_count": 5,
        });
        assert_eq!(house.import_key(whole.clone()), Outcome::Became(Imported::MadeWithOwner));
        assert_eq!(house.import_key(whole), Outcome::Became(Imported::Known));
        let (user, keys) = house.keys_of("7");
        assert_eq!(user.email.as_ref().map(Email::as_str), Some("ann@example.com"));
        assert_eq!((user.name, user.tier, user.is_verified), (None, Tier::Pro, false));
        assert_eq!(keys[0].last_used_at, Time::from_timestamp(1_760_000_000, 0));
        let key = &keys[0].key;
        assert_eq!(
            (key.name.as_str(), key.prefix.as_str(), key.preview.as_str()),
            ("CI", "qwen-8Uk", "qwen-8Uk…")
        );
        assert_eq!(key.permissions.to_text(), "chat,embeddings");
        assert_eq!((key.limits.limits.hour, key.limits.limits.day), (Some(100), Some(500)));
        assert_eq!(key.limits.tier, Some(Tier::Pro));
        assert!(key.limits.by_admin.hour && key.limits.by_admin.day && key.limits.by_admin.tier);
        assert_eq!(key.expires_at, "2027-01-01T00:00:00Z".parse().ok());
        assert_eq!(Some(key.created_at), "2025-01-02T03:04:05.5Z".parse().ok());
        let notes: serde_json::Value = serde_json::from_str(&key.metadata).unwrap();
        assert_eq!(notes, json!({"team": "research", "imported_id": "3f2a"}));
        // By the secret that only its holder knows.
        let secret = KeyText::parse(SECRET).unwrap();
        let found = house.stores.keys.by_hash(&house.accounts.settings().pepper.hash(&secret)).unwrap();
        assert_eq!(found.map(|found| found.id), Some(key.id));
    });
}

#[test]
fn what_is_missing_takes_its_default() {
    on_each(|house| {
        house.import_key(json!({"key_hash": hash(1), "user_id": "u1", "name": "", "expires_at": null}));
        let key = house.only_key_of("u1");
        assert_eq!((key.name.as_str(), &key.permissions), ("API Key", &Permissions::defaults()));
        assert_eq!((key.limits.tier, key.expires_at, key.is_active), (None, None, true));
        assert_eq!((key.created_at, key.metadata.as_str()), (house.clock.now(), "{}"));

        house.import_key(json!({"key_hash": hash(2), "user_id": "u2", "is_active": "f"}));
        let off = house.only_key_of("u2");
        assert!(!off.is_active && off.disabled_by_admin);

        // Nobody is named: everybody is somebody else.
        for number in [3, 4] {
            let made = house.import_key(json!({"key_hash": hash(number), "name": "Bob"}));
            assert_eq!(made, Outcome::Became(Imported::MadeWithOwner));
        }
        let users = house.stores.users.list(&PageRequest::default(), Some("bob")).unwrap().items;
        assert_eq!(users.len(), 2);
    });
}

#[test]
fn a_key_that_managed_keys_there_does_so_here() {
    on_each(|house| {
        let manages = |user: &str| house.only_key_of(user).permissions.allow(&Permission::KeysManage);
        house.import_key(json!({"key_hash": hash(1), "user_id": "a", "tier": null}));
        assert!(manages("a"), "a table with users and tiers, without permissions");
        house.import_key(json!({"key_hash": hash(2), "user_id": "b", "tier": "free", "permissions": ""}));
        assert!(!manages("b"), "a table with permissions");
        house.import_key(json!({"key_hash": hash(3), "user_id": "c", "name": "Primary API Key"}));
        assert!(manages("c"), "the key that came with an account");
    });
}

#[test]
fn permissions_and_notes_come_as_lists_and_as_texts() {
    on_each(|house| {
        let forms = [json!(["chat"]), json!("chat"), json!("[\"chat\"]"), json!("{chat}"), json!(" chat ,")];
        for (number, form) in (0..).zip(forms) {
            let user = format!("u{number}");
            let key = json!({"key_hash": hash(number), "user_id": user, "permissions": form, "metadata": "{\"a\":1}"});
            assert_eq!(house.import_key(key), Outcome::Became(Imported::MadeWithOwner), "{form}");
            let key = house.only_key_of(&user);
            assert_eq!((key.permissions.to_text().as_str(), key.metadata.as_str()), ("chat", "{\"a\":1}"));
        }
        let none = json!({
            "key_hash": hash(99), "user_id": "none", "permissions": "null", "metadata": "null",
            "created_at": "2024-01-15 14:30",
        });
        assert_eq!(house.import_key(none), Outcome::Became(Imported::MadeWithOwner));
        let key = house.only_key_of("none");
        assert_eq!((&key.permissions, key.metadata.as_str()), (&Permissions::defaults(), "{}"));
        assert_eq!(Some(key.created_at), "2024-01-15T14:30:00Z".parse().ok());
    });
}

#[test]
fn what_cannot_be_taken_is_refused_with_its_columns_and_without_its_secrets() {
    on_each(|house| {
        let with = |column: &str, value: serde_json::Value| {
            let mut key = record(json!({"key_hash": hash(1), "user_id": "u"}));
            key.insert(column.to_owned(), value);
            key
        };
        let long = "x".repeat(5_000);
        let bad = [
            ("key_hash", json!(SECRET)),
            ("key_hash", json!(null)),
            ("key_hash", json!(format!("{}g", &hash(1)[1..]))),
            ("user_id", json!(long)),
            ("user_id", json!(["u"])),
            ("name", json!(long)),
            ("email", json!("nobody")),
            ("tier", json!("gold")),
            ("permissions", json!("chat,root")),
            ("permissions", json!([1])),
            ("permissions", json!("admin")),
            ("hourly_limit", json!(0)),
            ("hourly_limit", json!(-5)),
            ("daily_limit", json!("many")),
            ("daily_limit", json!(1e300)),
            ("is_active", json!("perhaps")),
            ("expires_at", json!("tomorrow")),
            ("expires_at", json!("99999-01-01T00:00:00Z")),
            ("created_at", json!({"at": 1})),
            ("metadata", json!("[]")),
            ("metadata", json!({"a": long})),
        ];
        let records: Vec<_> = bad.iter().map(|(column, value)| with(column, value.clone())).collect();
        let outcomes = house.accounts.import_keys(&By::program(), &records, false).unwrap();
        for ((column, value), outcome) in bad.iter().zip(outcomes) {
            let reason = reason(outcome);
            assert!(reason.starts_with(column), "{column} {value}: {reason}");
            assert!(!reason.contains(SECRET) && reason.len() < 300, "{reason}");
        }
        // The others of the batch come all the same.
        let batch = [with("tier", json!("gold")), with("tier", json!("pro"))];
        let mixed = house.accounts.import_keys(&By::program(), &batch, false).unwrap();
        assert!(
            matches!(mixed[..], [Outcome::Refused(_), Outcome::Became(Imported::MadeWithOwner)]),
            "{mixed:?}"
        );
    });
}

#[test]
fn a_user_signs_in_with_the_old_password() {
    on_each(|house| {
        let there = bcrypt::hash_with_salt(OLD, 4, [1; 16]).unwrap();
        let hash = there.format_for_version(bcrypt::Version::TwoY);
        let document = json!({
            "_id": {"$oid": "507f1f77bcf86cd799439011"}, "email": "Ann@Example.com", "password_hash": hash,
            "subscription": "enterprise", "is_verified": true, "name": "Ann", "tokens_used": {"$numberInt": "7"},
            "created_at": {"$date": {"$numberLong": "1700000000000"}},
        });
        assert_eq!(house.import_user(document.clone()), Outcome::Became(Imported::Made));
        assert_eq!(house.import_user(document), Outcome::Became(Imported::Known));
        let user = house.stores.users.by_external_id("507f1f77bcf86cd799439011").unwrap().unwrap();
        assert_eq!((user.tier, user.is_verified, user.role), (Tier::Enterprise, true, Role::User));
        assert_eq!(user.name.as_deref(), Some("Ann"));
        assert_eq!(Some(user.created_at), Time::from_timestamp(1_700_000_000, 0));
        assert!(matches!(
            house.login("ann@example.com", "testpass124"),
            Err(AccountsError::InvalidCredentials)
        ));
        house.login("ann@example.com", OLD).unwrap();
        let now = house.stores.users.credentials(user.id).unwrap().unwrap().password_hash.unwrap();
        assert!(now.starts_with("$2b$"), "hashed as every other: {now}");

        // The keys of the same system find their user.
        let key = json!({"key_hash": DIGEST, "user_id": {"$oid": "507f1f77bcf86cd799439011"}});
        assert_eq!(house.import_key(key), Outcome::Became(Imported::Made));
        assert_eq!(house.only_key_of("507f1f77bcf86cd799439011").user_id, user.id);
    });
}

#[test]
fn who_is_known_keeps_the_password() {
    on_each(|house| {
        let user = house.register("ann@example.com").user;
        let before = house.stores.users.credentials(user.id).unwrap().unwrap();
        let foreign = bcrypt::hash_with_salt("another password", 4, [1; 16]).unwrap().to_string();
        let again = json!({"id": 5, "email": "ann@example.com", "hashed_password": foreign, "tier": "pro"});
        assert_eq!(house.import_user(again), Outcome::Became(Imported::Known));
        let after = house.stores.users.credentials(user.id).unwrap().unwrap();
        assert_eq!((after.user, after.password_hash), (before.user, before.password_hash));
    });
}

#[test]
fn only_bcrypt_is_a_password() {
    on_each(|house| {
        let costly = format!("$2b$31${}", "a".repeat(53));
        for hash in ["testpass123", "pbkdf2:sha256:1$x$y", "imported:x", "$2b$99$aaaa", &costly] {
            let user = json!({"email": "ann@example.com", "password": hash});
            let reason = reason(house.import_user(user));
            assert!(reason.starts_with("password must be") && !reason.contains(hash), "{reason}");
        }
        assert!(reason(house.import_user(json!({"name": "Ann"}))).starts_with("email"));
        assert_eq!(house.import_user(json!({"email": "ann@example.com"})), Outcome::Became(Imported::Made));
        assert!(matches!(house.login("ann@example.com", OLD), Err(AccountsError::InvalidCredentials)));
    });
}
