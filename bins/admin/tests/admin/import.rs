use std::fmt::Write as _;

use serde_json::{Value, json};
use tollgate_persistence::testing::TestDb;

use crate::support::{Site, on_each_database, text};

fn hash(number: u32) -> String {
    format!("{number:064x}")
}

fn import(site: &Site, words: &[&str], name: &str, content: &str) -> (i32, Value) {
    std::fs::write(site.path(name), content).unwrap();
    let ran = site.run(&[words, &["--file", name, "--json"]].concat());
    let report = serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
    (ran.code.unwrap(), report)
}

fn counts(report: &Value) -> [u64; 4] {
    ["imported", "new_users", "known", "skipped"].map(|name| report[name].as_u64().unwrap())
}

fn keys(site: &Site) -> Vec<Value> {
    site.json(&["list", "--include-inactive"])["items"].as_array().unwrap().clone()
}

#[test]
fn keys_come_from_csv_line_by_line() {
    on_each_database(|site| {
        let file = format!(
            "\u{feff}ID,Key_Hash,key_prefix,user_id,name,tier,unknown,metadata\r\n\
             a1,{},sk_live_,user_1,\"Quoted, \"\"name\"\"\",pro,x,\r\n\
             a2,{},sk_live_,user_1,Second,,x,\"{{\"\"team\"\": 7}}\"\r\n\
             a3,nonsense,,user_2,Third,free,x,\r\n\
             a4,{}\r\n\
             \r\n\
             a5,{},sk_live_,user_2,Fifth,gold,x,\r\n\
             a6,{},sk_live_,user_2,Sixth,free,x,\r\n",
            hash(1),
            hash(2),
            hash(4),
            hash(5),
            hash(6)
        );
        let (code, dry) = import(site, &["migrate", "--dry-run"], "keys.csv", &file);
        assert_eq!((code, counts(&dry), &dry["dry_run"]), (1, [3, 3, 0, 3], &json!(true)));
        assert!(keys(site).is_empty(), "a dry run writes nothing");

        let (code, report) = import(site, &["keys", "import"], "keys.csv", &file);
        assert_eq!((code, counts(&report)), (1, [3, 2, 0, 3]), "{report}");
        let reasons: Vec<_> = report["reasons"]
            .as_array()
            .unwrap()
            .iter()
            .map(|skipped| (skipped["line"].as_u64().unwrap(), text(skipped, "/reason")))
            .collect();
        assert!(matches!(reasons[..], [(4, _), (5, "has 2 values under 8 names"), (7, _)]), "{reasons:?}");
        assert!(reasons[0].1.starts_with("key_hash must be"), "{reasons:?}");
        assert!(reasons[2].1.starts_with("tier must be"), "{reasons:?}");

        let (code, again) = import(site, &["migrate"], "keys.csv", &file);
        assert_eq!((code, counts(&again)), (1, [0, 0, 3, 3]), "what is known is passed over");
        let mut names: Vec<_> = keys(site).iter().map(|key| text(key, "/name").to_owned()).collect();
        names.sort();
        assert_eq!(names, ["Quoted, \"name\"", "Second", "Sixth"]);
        let audit = site.json(&["audit", "list", "--action", "key.imported"]);
        assert_eq!(audit["items"].as_array().unwrap().len(), 3);
    });
}

#[test]
fn values_are_told_apart_by_what_stands_between_the_names() {
    on_each_database(|site| {
        let file = format!("key_hash;name;permissions\r\n{};\"a;b\";chat,embeddings\r\n", hash(1));
        let (code, report) = import(site, &["migrate"], "keys.csv", &file);
        assert_eq!((code, counts(&report)), (0, [1, 1, 0, 0]), "{report}");
        let (code, report) =
            import(site, &["migrate"], "keys.csv", &format!("key_hash\tname\n{}\tx\n", hash(2)));
        assert_eq!((code, counts(&report)), (0, [1, 1, 0, 0]), "{report}");
        let keys = keys(site);
        let of = |name: &str| keys.iter().find(|key| key["name"] == name).unwrap();
        assert_eq!(of("a;b")["permissions"], json!(["chat", "embeddings"]));
        assert_eq!(of("x")["status"], "active");
    });
}

#[test]
fn a_limit_that_is_none_is_told_with_its_bounds() {
    on_each_database(|site| {
        let file = format!(
            "key_hash,hourly_limit\n{},-5\n{},many\n{},0\n{},7.0\n",
            hash(1),
            hash(2),
            hash(3),
            hash(4)
        );
        let (code, report) = import(site, &["migrate"], "keys.csv", &file);
        assert_eq!((code, counts(&report)), (1, [1, 1, 0, 3]), "{report}");
        for skipped in report["reasons"].as_array().unwrap() {
            assert_eq!(text(skipped, "/reason"), "hourly_limit must be 1 to 1000000000000");
        }
    });
}

#[test]
fn people_are_told_in_words() {
    on_each_database(|site| {
        std::fs::write(site.path("keys.jsonl"), format!("{{\"key_hash\": \"{}\"}}\nnonsense\n", hash(1)))
            .unwrap();
        let said = site.run(&["migrate", "--file", "keys.jsonl", "--dry-run"]).ended(1);
        for part in ["dry run", "1 keys", "line 2: is no JSON", "1 keys were skipped"] {
            assert!(said.contains(part), "{part}: {said}");
        }
        std::fs::write(site.path("good.jsonl"), format!("{{\"key_hash\": \"{}\"}}", hash(1))).unwrap();
        let said = site.run(&["migrate", "--file", "good.jsonl"]).ended(0);
        assert!(said.contains("Imported") && !said.contains("dry run"), "{said}");
    });
}

#[test]
fn json_comes_as_an_array_and_by_lines() {
    on_each_database(|site| {
        let line =
            |number| json!({"key_hash": hash(number), "user_id": {"$oid": "507f1f77bcf86cd799439011"}});
        let array = format!("\u{feff} [{},\n 7, {}]\n", line(1), line(2));
        let (code, report) = import(site, &["migrate"], "keys.json", &array);
        assert_eq!((code, counts(&report)), (1, [2, 1, 0, 1]), "{report}");
        assert_eq!(report["reasons"][0]["line"], 2);
        let lines = format!("{}\n\n{}\n", line(2), line(3));
        for name in ["keys.json", "keys.jsonl"] {
            let (code, report) = import(site, &["migrate"], name, &lines);
            assert_eq!((code, report["skipped"].as_u64()), (0, Some(0)), "{report}");
        }
        assert_eq!(keys(site).len(), 3);
        // Cut off: what came before is told and kept.
        let (code, report) = import(site, &["migrate"], "keys.json", &format!("[{},{{\"key", line(4)));
        assert_eq!((code, counts(&report)), (1, [1, 0, 0, 0]), "{report}");
        assert_eq!(keys(site).len(), 4);
        let (code, report) = import(site, &["migrate"], "keys.json", " \n");
        assert_eq!((code, counts(&report)), (0, [0; 4]));
        // Objects that are laid out for people.
        let spread = |number| serde_json::to_string_pretty(&line(number)).unwrap();
        let file = format!("{}\n{}\n", spread(5), spread(6));
        let (code, report) = import(site, &["migrate"], "keys.json", &file);
        assert_eq!((code, counts(&report)), (0, [2, 0, 0, 0]), "{report}");
    });
}

#[test]
fn what_cannot_be_read_is_said() {
    let site = Site::empty();
    std::fs::write(site.path("keys.txt"), "").unwrap();
    assert!(site.run(&["migrate", "--file", "none.csv"]).ended(1).contains("none.csv"));
    assert!(site.run(&["migrate", "--file", "keys.txt"]).ended(2).contains(".csv, .jsonl or .json"));
    assert!(site.run(&["migrate", "--from-url", "mysql://h"]).ended(2).contains("postgres://"));
    assert!(site.run(&["migrate", "--table", "a;b"]).ended(2).contains("name of a table"));
    site.run(&["migrate", "--file", "keys.csv", "--table", "a"]).ended(2);
    assert!(site.run(&["migrate"]).ended(1).contains("divv_api_keys, api_keys"));
    let gone = site.run(&["migrate", "--from-url", "sqlite://gone.db"]);
    let said = gone.ended(1);
    assert!(said.contains("gone.db") && !site.path("gone.db").exists(), "{said}");
    // Nothing was read, so there is nothing to report; and the database is not the one that is configured.
    assert!(gone.out.is_empty() && !said.contains("config show"), "{said}");
    // A quote that never ends does not fill the memory.
    let endless = format!("key_hash\n\"{}", "x".repeat(5 << 20));
    std::fs::write(site.path("endless.csv"), endless).unwrap();
    assert!(site.run(&["migrate", "--file", "endless.csv"]).ended(1).contains("is a quote or bracket open?"));
}

#[test]
fn many_lines_come_in_batches() {
    on_each_database(|site| {
        let mut file = String::from("key_hash,user_id\n");
        for number in 0..1_001 {
            let bad = if number % 100 == 7 { "x" } else { "" };
            writeln!(file, "{}{bad},user_{}", hash(number), number % 10).unwrap();
        }
        let (code, report) = import(site, &["migrate"], "keys.csv", &file);
        assert_eq!((code, counts(&report)), (1, [991, 10, 0, 10]));
        let lines: Vec<_> =
            report["reasons"].as_array().unwrap().iter().map(|one| one["line"].as_u64().unwrap()).collect();
        assert_eq!(lines, (0..10).map(|hundred| hundred * 100 + 9).collect::<Vec<_>>());
        assert_eq!(keys(site).len(), 991);
    });
}

#[test]
fn a_report_names_the_first_of_many_faults_and_counts_the_rest() {
    on_each_database(|site| {
        // A value over two lines, and a file without the one column that is needed.
        let mut file = String::from("user_id,metadata\r\nuser_1,\"{\"\"a\"\":\r\n1}\"\r\n");
        for number in 0..1_100 {
            write!(file, "user_{number},\r\n").unwrap();
        }
        let (code, report) = import(site, &["migrate"], "keys.csv", &file);
        assert_eq!((code, counts(&report)), (1, [0, 0, 0, 1_101]));
        let reasons = report["reasons"].as_array().unwrap();
        let lines: Vec<_> = reasons.iter().map(|one| one["line"].as_u64().unwrap()).collect();
        assert_eq!(lines, std::iter::once(2).chain(4..1_003).collect::<Vec<_>>());
        assert!(reasons.iter().all(|one| text(one, "/reason").starts_with("key_hash must be")), "{report}");
        let said = site.run(&["migrate", "--file", "keys.csv"]).ended(1);
        assert!(said.contains("and 101 more") && said.contains("1101 keys were skipped"), "{said}");
    });
}

/// A table as the older systems made it.
const TABLE: &str = "CREATE TABLE SCHEMAdivv_api_keys (id VARCHAR(36) PRIMARY KEY, key_hash VARCHAR(64), \
    key_prefix VARCHAR(20), user_id VARCHAR(255), name VARCHAR(255), tier VARCHAR(50), is_active BOOLEAN, \
    created_at TIMESTAMP, request_count INTEGER, metadata TEXT)";

/// Into the schema in which such tables are.
fn old_table(db: &TestDb, statement: &str) {
    let schema = if db.url().starts_with("sqlite") { "" } else { "public." };
    db.tamper(&statement.replace("SCHEMA", schema));
}

fn row(number: u32, active: &str) -> String {
    format!(
        "INSERT INTO SCHEMAdivv_api_keys VALUES ('old-{number}', '{}', 'sk_live_', 'user_{number}', 'It''s {number}', 'pro', \
         {active}, '2025-01-02 03:04:05', 5, '{{\"company\": \"Example\"}}')",
        hash(number)
    )
}

#[test]
fn keys_come_from_the_table_of_another_system() {
    on_each_database(|site| {
        let older = if site.db.as_ref().unwrap().url().starts_with("sqlite") {
            TestDb::sqlite()
        } else {
            TestDb::postgres().unwrap()
        };
        old_table(&older, TABLE);
        for (number, active) in [(1, "true"), (2, "false")] {
            old_table(&older, &row(number, active));
        }
        let url = older.url();
        let from = |table: &str| site.run(&["migrate", "--from-url", &url, "--table", table, "--json"]);
        assert!(from("none").ended(1).contains("no table none"));
        // Tollgate's own is none of another system.
        assert!(from("api_keys").ended(1).contains("no table api_keys"));
        let report: Value = serde_json::from_str(&from("divv_api_keys").ended(0)).unwrap();
        assert_eq!(counts(&report), [2, 2, 0, 0]);
        let again = site.json(&["keys", "import", "--from-url", &url]);
        assert_eq!(counts(&again), [0, 0, 2, 0], "it is looked for by its name");
        let keys = keys(site);
        let first = keys.iter().find(|key| key["name"] == "It's 1").unwrap();
        assert_eq!(text(first, "/created_at"), "2025-01-02T03:04:05Z");
        assert_eq!(first["metadata"], json!({"company": "Example", "imported_id": "old-1"}));
        assert!(first["permissions"].as_array().unwrap().contains(&json!("keys:manage")), "{first}");
        let second = keys.iter().find(|key| key["name"] == "It's 2").unwrap();
        assert_eq!(second["status"], "disabled");
    });
}

#[test]
fn keys_come_from_a_table_beside_tollgates_own() {
    on_each_database(|site| {
        let db = site.db.as_ref().unwrap();
        old_table(db, TABLE);
        old_table(db, &row(1, "true"));
        assert_eq!(counts(&site.json(&["migrate", "--dry-run"])), [1, 1, 0, 0]);
        assert_eq!(counts(&site.json(&["migrate"])), [1, 1, 0, 0]);
        assert_eq!(counts(&site.json(&["migrate"])), [0, 0, 1, 0]);
    });
}

/// A system that had begun to carry its keys over itself has both tables.
#[test]
fn keys_come_from_both_tables_where_none_is_named() {
    on_each_database(|site| {
        let is_sqlite = site.db.as_ref().unwrap().url().starts_with("sqlite");
        let older = if is_sqlite { TestDb::sqlite() } else { TestDb::postgres().unwrap() };
        if is_sqlite {
            // There is no other schema for Tollgate's own.
            older.tamper("ALTER TABLE api_keys RENAME TO own_keys");
        }
        old_table(&older, TABLE);
        old_table(&older, &TABLE.replace("divv_", ""));
        let bad = |number| row(number, "true").replace("'pro'", "'gold'");
        for row in [row(1, "true"), row(2, "true"), bad(3)] {
            old_table(&older, &row);
        }
        for row in [row(2, "true"), bad(4), row(5, "true")] {
            old_table(&older, &row.replace("divv_", ""));
        }
        let url = older.url();
        let ran = site.run(&["migrate", "--from-url", &url, "--json"]);
        ran.ended(1);
        let report: Value = serde_json::from_str(&ran.out).unwrap();
        assert_eq!(counts(&report), [3, 3, 1, 2], "{report}");
        let reasons = report["reasons"].as_array().unwrap();
        let places: Vec<_> =
            reasons.iter().map(|one| (text(one, "/table"), one["line"].as_u64().unwrap())).collect();
        assert_eq!(places, [("divv_api_keys", 3), ("api_keys", 2)]);
        let said = site.run(&["migrate", "--from-url", &url]).ended(1);
        assert!(said.contains("  divv_api_keys, line 3: tier must be"), "{said}");
        let one = site.run(&["migrate", "--from-url", &url, "--table", "api_keys"]).ended(1);
        assert!(one.contains("  line 2: tier must be"), "{one}");
    });
}

#[test]
fn users_come_with_their_passwords_hashes() {
    on_each_database(|site| {
        let bcrypt = "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW";
        let lines = [
            json!({"_id": {"$oid": "507f1f77bcf86cd799439011"}, "email": "ann@example.com", "password_hash": bcrypt,
                "subscription": "pro", "is_active": true}),
            json!({"_id": {"$oid": "507f1f77bcf86cd799439012"}, "email": "bob@example.com", "password_hash": "plain"}),
            json!({"_id": {"$oid": "507f1f77bcf86cd799439013"}, "email": "ANN@example.com"}),
        ]
        .map(|user| user.to_string())
        .join("\n");
        let (code, dry) = import(site, &["users", "import", "--dry-run"], "users.json", &lines);
        assert_eq!((code, counts(&dry)), (1, [2, 2, 0, 1]), "each as if it came alone");
        assert!(site.json(&["users", "list"])["items"].as_array().unwrap().is_empty());
        let (code, report) = import(site, &["users", "import"], "users.json", &lines);
        assert_eq!((code, counts(&report)), (1, [1, 1, 1, 1]), "{report}");
        assert!(!report.to_string().contains("plain"), "{report}");
        let user = site.json(&["users", "show", "507f1f77bcf86cd799439011"]);
        let user = user.get("user").unwrap_or(&user);
        assert_eq!((text(user, "/email"), text(user, "/subscription")), ("ann@example.com", "pro"));
        let id = user["id"].as_str().unwrap().parse().unwrap();
        let stored = site.db.as_ref().unwrap().stores().users.credentials(id).unwrap().unwrap();
        assert_eq!(stored.password_hash, Some(format!("imported:{bcrypt}")));
        let csv = "id,email,hashed_password,is_verified\n12,carl@example.com,,1\n,,,\n";
        let (code, report) = import(site, &["users", "import"], "users.csv", csv);
        assert_eq!((code, counts(&report)), (1, [1, 1, 0, 1]), "{report}");
        // Another system counts from 1 as well.
        let csv = "id,email\n12,carl@example.com\n12,dora@example.com\n";
        let (code, report) = import(site, &["users", "import"], "users.csv", csv);
        assert_eq!((code, counts(&report)), (1, [0, 0, 1, 1]), "{report}");
        assert!(text(&report, "/reasons/0/reason").contains("another email address"), "{report}");
        assert_eq!(
            site.json(&["audit", "list", "--action", "user.imported"])["items"].as_array().unwrap().len(),
            2
        );
    });
}
