use serde_json::json;

use crate::support::{Site, on_each_database};

#[test]
fn check_changes_nothing_and_migrate_makes_the_database() {
    let site = Site::empty();
    let said = site.run(&["db", "check"]).ended(1);
    assert!(said.contains("no database") && said.contains("tollgate-admin db migrate"), "{said}");
    assert!(!site.path("data").exists());

    let applied = site.json(&["db", "migrate"])["applied"].clone();
    assert!(applied.as_array().is_some_and(|names| names.len() > 1), "{applied}");
    assert!(site.path("data/tollgate.db").exists());
    assert_eq!(site.json(&["db", "migrate"]), json!({"applied": []}));
    assert!(site.run(&["db", "migrate"]).ended(0).contains("No migration was missing"));
}

#[test]
fn check_tells_version_migrations_and_latency() {
    on_each_database(|site| {
        let checked = site.json(&["db", "check"]);
        assert_eq!(checked["pending_migrations"], json!([]));
        assert!(checked["latency_us"].is_u64(), "{checked}");
        let said = site.run(&["db", "check"]).ended(0);
        for value in ["database", "version"] {
            assert!(said.contains(checked[value].as_str().unwrap()), "{value}: {said}");
        }
        assert!(said.contains("Latency:") && said.contains("Missing migrations: none"), "{said}");
    });
}

#[test]
fn what_is_no_database_is_told_with_a_remedy() {
    let site = Site::empty();
    std::fs::write(site.path("notes.txt"), "no database, but long enough to be read as one: ".repeat(99))
        .unwrap();
    for words in [&["db", "check"][..], &["list"]] {
        let output = site.command(words).env("DATABASE_URL", "sqlite://notes.txt").output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8(output.stderr).unwrap().contains("error: "));
    }
    let unreachable = "postgresql://ann:s3cr3t@127.0.0.1:1/tollgate";
    let output = site.command(&["db", "check"]).env("DATABASE_URL", unreachable).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("127.0.0.1:1") && said.contains("config show") && !said.contains("s3cr3t"),
        "{said}"
    );
}
