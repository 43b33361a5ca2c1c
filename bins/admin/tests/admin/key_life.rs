use std::time::Duration;

use chrono::{NaiveDate, TimeDelta};
use tollgate_domain::{KeyId, KeyText};

use crate::{
    keys::{a_key, now, used},
    support::{Site, on_each_database, text},
};

/// So much of a day is left for a test that counts days.
const LEFT: TimeDelta = TimeDelta::seconds(30);

/// The present day, or the next where too little of it is left.
fn today() -> NaiveDate {
    while (now() + LEFT).date_naive() != now().date_naive() {
        std::thread::sleep(Duration::from_millis(100));
    }
    now().date_naive()
}

/// A key with requests: how many days ago, and their tokens.
pub fn used_key(site: &Site, uses: &[(i64, u64)]) -> KeyId {
    let id = a_key(site);
    let stores = site.db.as_ref().unwrap().stores();
    let key = stores.keys.by_id(id).unwrap().unwrap().key;
    let stream = stores.events.open_stream(now()).unwrap();
    let events: Vec<_> =
        uses.iter().map(|(days, tokens)| used(&key, now() - TimeDelta::days(*days), *tokens)).collect();
    stores.events.append(stream, 1, events.into(), Duration::from_secs(10)).unwrap();
    assert!(!stores.events.fold(1_000, &stores.events.mark().unwrap()).unwrap().more);
    id
}

#[test]
fn stats_show_what_a_key_did() {
    on_each_database(|site| {
        let today = today();
        let id = used_key(site, &[(0, 10), (1, 20), (1, 30), (40, 1_000)]);
        let id = id.to_string();

        let basic = site.run(&["stats", &id[..12]]).ended(0);
        assert!(basic.contains("The last 30 days") && basic.contains(&id), "{basic}");
        assert!(!basic.contains("By day"), "{basic}");
        let detailed = site.run(&["stats", &id, "--days", "2", "--detailed"]).ended(0);
        let days: Vec<_> = detailed.lines().filter(|line| line.starts_with('|')).collect();
        let row = |ago: i64| {
            let day = (today - TimeDelta::days(ago)).to_string();
            days.iter()
                .find(|line| line.contains(&day))
                .unwrap_or_else(|| panic!("{day}: {detailed}"))
                .to_string()
        };
        assert_eq!(row(1).matches('#').count(), 30, "{detailed}");
        assert_eq!(row(0).matches('#').count(), 15, "{detailed}");
        assert_eq!(row(2).matches('#').count(), 0, "{detailed}");
        assert!(detailed.contains("By model") && detailed.contains("By endpoint"), "{detailed}");

        let whole = site.json(&["stats", &id]);
        assert_eq!((whole["total_requests"].as_u64(), whole["total_tokens"].as_u64()), (Some(3), Some(60)));
        assert_eq!(whole["by_day"].as_array().unwrap().len(), 2);
        assert!(whole["by_model"][0].get("day").is_none());
        assert!(whole["quota"]["remaining"].is_u64());
        assert_eq!(site.json(&["stats", &id, "--days", "60"])["total_tokens"].as_u64(), Some(1_060));
        site.run(&["stats", &id, "--days", "0"]).ended(2);
        for no_id in
            ["ffffffffffffffffffffffffffffffff", "a1b2c3d4e5f6g7h8", "00", "0x", "", &format!("{id}0")]
        {
            let said = site.run(&["stats", no_id]).ended(1);
            assert!(said.contains("there is no key") && said.contains(&id), "{no_id}: {said}");
        }
    });
}

#[test]
fn a_key_is_switched_off_and_on() {
    on_each_database(|site| {
        let id = a_key(site).to_string();
        let off = site.json(&["deactivate", &id[..8]]);
        assert_eq!((text(&off, "/status"), text(&off, "/id")), ("disabled", id.as_str()));
        assert!(site.run(&["deactivate", &id]).ended(0).contains("switched off"));
        assert!(!site.run(&["list"]).ended(0).contains(&id));
        assert!(site.run(&["activate", &id]).ended(0).contains("switched on"));
        assert!(site.run(&["list"]).ended(0).contains(&id));
        site.run(&["revoke", &id, "--force"]).ended(0);
        let said = site.run(&["activate", &id]).ended(1);
        assert!(said.contains("this key is revoked, once and for ever"), "{said}");
        assert!(site.run(&["deactivate", &id]).ended(0).contains("stays revoked"));
        let said = site.run(&["activate", "0000"]).ended(1);
        assert!(said.contains("there is no key"), "{said}");
    });
}

#[test]
fn a_key_is_rotated() {
    on_each_database(|site| {
        let id = a_key(site).to_string();
        let ran = site.run(&["rotate", &id, "--grace-period-seconds", "60"]);
        ran.ended(0);
        let secret = ran.out.split_whitespace().find(|word| word.starts_with("sk_live_tg_")).unwrap();
        KeyText::parse(secret).unwrap();
        assert!(ran.out.contains("good until") && ran.out.contains("shown this once"), "{ran:?}");
        let rotated = site.json(&["rotate", &id]);
        assert_eq!(
            (text(&rotated, "/id"), text(&rotated, "/key")),
            (id.as_str(), text(&rotated, "/api_key"))
        );
        assert_ne!(text(&rotated, "/key"), secret);
        site.run(&["rotate", &id, "--grace-period-seconds", "99999999"]).ended(2);
        site.run(&["revoke", &id, "--force"]).ended(0);
        assert!(site.run(&["rotate", &id]).ended(1).contains("revoked"));
    });
}
