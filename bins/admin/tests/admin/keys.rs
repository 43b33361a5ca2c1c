use std::time::Duration;

use chrono::TimeDelta;
use serde_json::json;
use tollgate_config::system::{OsRandomness, SystemClock};
use tollgate_domain::{
    Clock, Environment, EventId, KeyHash, KeyId, KeyText, Month, RequestType, Time, Tokens, UsageEvent,
    UsageSource,
};
use tollgate_persistence::ServerLock;
use tollgate_store::{Change, NewKey};

use crate::support::{Site, on_each_database, text};

pub fn now() -> Time {
    SystemClock::start().now()
}

pub fn a_key(site: &Site) -> KeyId {
    let made = site.json(&["create", "--name", "John Doe", "--email", "john@example.com"]);
    text(&made, "/key_id").parse().unwrap()
}

#[test]
fn create_as_000_prints_it() {
    on_each_database(|site| {
        let first = [
            "--name",
            "John Doe",
            "--email",
            "john@example.com",
            "--hourly-limit",
            "200",
            "--daily-limit",
            "2000",
        ];
        let ran = site.run(&[&["create"], &first[..]].concat());
        ran.ended(0);
        assert!(ran.out.contains("200 per hour, 2,000 per day"), "{ran:?}");
        assert!(ran.out.contains("WARNING") && ran.out.contains("shown this once"), "{ran:?}");
        let secret = ran.out.split_whitespace().find(|word| word.starts_with("sk_live_tg_")).unwrap();
        KeyText::parse(secret).unwrap();
        assert_eq!(ran.out.matches(secret).count(), 1, "the key is printed once: {ran:?}");

        let whole = site.json(&[
            "keys",
            "create",
            "--name",
            "User Name",
            "--email",
            "user@example.com",
            "--permissions",
            "chat,code_generation",
            "--hourly-limit",
            "100",
            "--daily-limit",
            "1000",
            "--metadata",
            r#"{"department": "engineering", "project": "ai-tools"}"#,
        ]);
        assert_eq!(whole["api_key"], whole["key"]);
        assert_eq!(whole["key_id"], whole["id"]);
        assert_eq!(whole["user_id"], whole["user"]["id"]);
        assert_eq!(whole["user"]["name"], "User Name");
        assert_eq!(whole["user"]["email"], "user@example.com");
        assert_eq!(whole["permissions"], json!(["chat", "code_generation"]));
        assert_eq!(whole["metadata"], json!({"department": "engineering", "project": "ai-tools"}));
        assert_eq!((&whole["hourly_limit"], &whole["daily_limit"]), (&json!(100), &json!(1000)));
    });
}

#[test]
fn an_email_that_is_known_gets_a_further_key() {
    on_each_database(|site| {
        let one = site.json(&["create", "--email", "ann@example.com"]);
        let two = site.json(&["create", "--email", " Ann@Example.com"]);
        assert_eq!(one["user_id"], two["user_id"]);
        assert_ne!(one["key_id"], two["key_id"]);
    });
}

#[test]
fn create_as_002_prints_it() {
    on_each_database(|site| {
        let basic = site.json(&["create", "--user-id", "user_123", "--name", "Production API Key"]);
        assert_eq!(basic["name"], "Production API Key");
        assert_eq!(
            (&basic["user"]["external_id"], &basic["user"]["name"]),
            (&json!("user_123"), &json!(null))
        );

        let pro = site.json(&[
            "create",
            "--user-id",
            "user_123",
            "--name",
            "Pro Account Key",
            "--tier",
            "pro",
            "--expires-in-days",
            "365",
            "--email",
            "user@example.com",
            "--company",
            "Example Corp",
        ]);
        assert_eq!(pro["user_id"], basic["user_id"]);
        assert_eq!((&pro["tier"], &pro["user"]["email"]), (&json!("pro"), &json!(null)));
        assert_eq!(pro["metadata"], json!({"email": "user@example.com", "company": "Example Corp"}));
        let made: Time = text(&pro, "/created_at").parse().unwrap();
        let end: Time = text(&pro, "/expires_at").parse().unwrap();
        assert_eq!(end - made, TimeDelta::days(365));

        let by_id = site.json(&["create", "--user-id", text(&pro, "/user_id"), "--name", "By id"]);
        assert_eq!(by_id["user_id"], basic["user_id"]);
        let listed = site.json(&["list", "--user-id", "user_123"]);
        let names: Vec<_> = listed["items"].as_array().unwrap().iter().map(|key| &key["name"]).collect();
        assert_eq!(names, ["By id", "Pro Account Key", "Production API Key"]);
    });
}

#[test]
fn what_create_cannot_take_is_named() {
    let site = Site::empty();
    let said = site.run(&["create", "--name", "A", "--permissions", "chat,root"]).ended(2);
    assert!(said.contains("`root`") && said.contains("code_generation, embeddings"), "{said}");
    assert!(site.run(&["create"]).ended(2).contains("--user-id"));
    assert!(site.run(&["create", "--name", "A", "--metadata", "[1]"]).ended(2).contains("JSON object"));
    assert!(site.run(&["create", "--name", "A", "--tier", "gold"]).ended(2).contains("enterprise"));
    assert!(site.run(&["create", "--name", "A", "--hourly-limit", "0"]).ended(2).contains("--hourly-limit"));
    assert!(!site.path("data").exists(), "a wrong command line leaves nothing behind");

    let said = site.run(&["create", "--name", "", "--email", "nobody", "--expires-in-days", "0"]).ended(2);
    for flag in ["--name must", "--email must", "--expires-in-days must"] {
        assert!(said.contains(flag), "{flag}: {said}");
    }
    assert_eq!(site.json(&["users", "list"])["items"], json!([]));
    let unknown = KeyId::new(now(), &OsRandomness).to_string();
    assert!(site.run(&["create", "--user-id", &unknown]).ended(1).contains("no such user"));
}

#[test]
fn list_shows_the_columns_and_the_sums_of_seven_days() {
    on_each_database(|site| {
        let id = a_key(site);
        let stores = site.db.as_ref().unwrap().stores();
        let key = stores.keys.by_id(id).unwrap().unwrap().key;
        let stream = stores.events.open_stream(now()).unwrap();
        let events: Vec<_> = [(1, 12_000), (6, 340), (8, 5)]
            .map(|(days, tokens)| used(&key, now() - TimeDelta::days(days), tokens))
            .into();
        stores.events.append(stream, 1, events.into(), Duration::from_secs(10)).unwrap();
        assert!(!stores.events.fold(1_000, &stores.events.mark().unwrap()).unwrap().more);

        let ran = site.run(&["list"]);
        ran.ended(0);
        let cells = |line: &str| -> Vec<String> {
            line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
        };
        let lines: Vec<&str> = ran.out.lines().collect();
        assert_eq!(lines.len(), 5, "{ran:?}");
        let columns =
            ["Key ID", "Name", "Email", "Active", "Created", "Last Used", "Requests (7d)", "Tokens (7d)"];
        assert_eq!(cells(lines[1]), columns);
        let row = cells(lines[3]);
        assert_eq!(row[..4], [id.to_string().as_str(), "John Doe", "john@example.com", "yes"]);
        assert_eq!(row[4], key.created_at.format("%Y-%m-%d").to_string());
        assert!(row[5].starts_with("20") && row[5].len() == "2024-01-15 14:30".len(), "{row:?}");
        assert_eq!(row[6..], ["2", "12,340"]);

        let listed = site.json(&["keys", "list"]);
        assert_eq!(listed["items"], listed["keys"]);
        assert_eq!(listed["next_cursor"], json!(null));
        let item = &listed["items"][0];
        assert_eq!((&item["requests_7d"], &item["tokens_7d"]), (&json!(2), &json!(12_340)));
        assert_eq!(item["request_count"], json!(3));
        assert!(item.get("key").is_none() && item.get("api_key").is_none());
    });
}

pub fn used(key: &tollgate_domain::ApiKey, time: Time, tokens: u64) -> UsageEvent {
    UsageEvent {
        id: EventId::new(time, &OsRandomness),
        time,
        month: Month::of(time),
        request_id: "r".into(),
        user_id: key.user_id,
        api_key_id: key.id,
        environment: Environment::Live,
        end_user: None,
        endpoint: "/v1/chat/completions".into(),
        method: "POST".into(),
        params: "{}".into(),
        status: 200,
        counts: true,
        request_bytes: 1,
        response_bytes: 1,
        duration_ms: 1,
        upstream_ms: None,
        provider: None,
        model: None,
        upstream_model: None,
        request_type: RequestType::Chat,
        tokens: Tokens { prompt: Some(tokens), ..Tokens::default() },
        usage_source: UsageSource::Reported,
        cost_pico: Some(0),
        own_key: false,
        repeat: 1,
        ip: None,
        user_agent: None,
        error_code: None,
    }
}

#[test]
fn a_list_of_several_pages_is_whole_and_in_order() {
    on_each_database(|site| {
        const MORE: u8 = 230;
        let id = a_key(site);
        let stores = site.db.as_ref().unwrap().stores();
        let key = stores.keys.by_id(id).unwrap().unwrap().key;
        for number in 0..MORE {
            let mut key = key.clone();
            key.id = KeyId::new(now(), &OsRandomness);
            key.name = format!("{}{number}", "n".repeat(usize::from(number % 90)));
            let new = NewKey { key, hash: KeyHash([number; 32]), sealed: None, maker: None };
            assert!(stores.keys.create(&new, u32::MAX, &[]).unwrap());
        }
        let table = site.run(&["list"]);
        table.ended(0);
        let rows: Vec<_> = table.out.lines().filter(|line| line.starts_with("| 0")).collect();
        assert_eq!(rows.len(), usize::from(MORE) + 1);
        assert!(table.out.contains(&"n".repeat(89)), "piped, nothing is cut");
        let listed = site.json(&["list"]);
        let ids: Vec<_> =
            listed["items"].as_array().unwrap().iter().map(|key| text(key, "/id").to_owned()).collect();
        assert!(ids.is_sorted_by(|newer, older| newer > older) && ids.len() == rows.len());
        assert!(rows.iter().zip(&ids).all(|(row, id)| row.contains(id)));
    });
}

#[test]
fn revoke_asks_and_without_an_answer_nothing_happens() {
    on_each_database(|site| {
        let id = a_key(site);
        let full = id.to_string();
        for input in ["", "no\n", "yes\n"] {
            let said = site.run_with(&["revoke", &full], input).ended(1);
            assert!(said.contains("nothing was changed") && said.contains("--force"), "{said}");
        }
        let keys = site.db.as_ref().unwrap().stores().keys;
        assert_eq!(keys.by_id(id).unwrap().unwrap().key.revoked_at, None);

        let revoked = site.json(&["revoke", &full, "--force"]);
        assert_eq!((&revoked["status"], &revoked["is_active"]), (&json!("revoked"), &json!(false)));
        assert!(keys.by_id(id).unwrap().unwrap().key.revoked_at.is_some());
        // What is revoked already is destroyed no further, so nothing is asked.
        site.run(&["revoke", &full]).ended(0);
        assert!(!site.run(&["list"]).out.contains(&full));
        assert!(site.run(&["list", "--include-inactive"]).out.contains("no (revoked)"));
    });
}

#[test]
fn an_id_may_be_cut_to_a_unique_beginning() {
    on_each_database(|site| {
        let (one, two) = (a_key(site).to_string(), a_key(site).to_string());
        let said = site.run(&["revoke", &one[..4], "--force"]).ended(1);
        assert!(said.contains("several keys") && said.contains(&one) && said.contains(&two), "{said}");
        let wrong = format!("{}{}", &one[..20], "0".repeat(12));
        let said = site.run(&["revoke", &wrong, "--force"]).ended(1);
        assert!(said.contains("The nearest are") && said.contains(&one) && !said.contains(&two), "{said}");
        // Somebody may paste the key in place of its id.
        let said = site.run(&["revoke", "sk_live_tg_secret", "--force"]).ended(1);
        assert!(!said.contains("secret"), "{said}");

        site.run(&["revoke", &format!("{}…", &one[..24].to_uppercase()), "--force"]).ended(0);
        let left = site.json(&["list"]);
        assert_eq!(left["items"].as_array().unwrap().len(), 1);
        assert_eq!(left["items"][0]["id"], json!(two));
    });
}

#[test]
fn a_running_server_keeps_its_lock_and_learns_of_the_change() {
    on_each_database(|site| {
        let db = site.db.as_ref().unwrap();
        let lock = ServerLock::take(&db.settings().url, Duration::ZERO).unwrap();
        let stores = db.stores();
        let id = a_key(site);
        let before = stores.changes.latest().unwrap();
        site.run(&["revoke", &id.to_string(), "--force"]).ended(0);
        let seen = stores.changes.since(before, 10).unwrap();
        assert!(seen.changes.contains(&Change::Key(id)), "{seen:?}");
        drop(lock);
    });
}
