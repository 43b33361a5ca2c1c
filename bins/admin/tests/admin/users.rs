use serde_json::json;
use tollgate_domain::Email;

use crate::support::{PASSWORD, Site, on_each_database, text};

#[test]
fn an_administrator_is_made_with_a_password_from_standard_input() {
    on_each_database(|site| {
        let words = ["users", "create-admin", "--email", "Root@Example.com", "--password-stdin"];
        let said = site.run_with(&words, &format!("{PASSWORD}\n")).ended(0);
        assert!(said.contains("root@example.com") && said.contains("administrator"), "{said}");
        assert!(!said.contains(PASSWORD));
        let shown = site.json(&["users", "show", "root@example.com"]);
        assert_eq!((&shown["role"], &shown["is_verified"]), (&json!("admin"), &json!(true)));
        let email: Email = "root@example.com".parse().unwrap();
        let users = site.db.as_ref().unwrap().stores().users;
        let hash = users.by_email(&email).unwrap().unwrap().password_hash.unwrap();
        assert!(hash.starts_with("$2"), "{hash}");
        // Once more changes nothing, and needs no password.
        site.run(&words[..4]).ended(0);
    });
}

#[test]
fn an_administrator_is_made_with_a_password_of_the_command_line() {
    on_each_database(|site| {
        let words = ["users", "create-admin", "--email", "a@example.com", "--password", PASSWORD];
        assert_eq!(site.json(&words)["role"], "admin");
        assert!(!site.run(&words).ended(0).contains(PASSWORD));
    });
}

#[test]
fn a_user_who_exists_becomes_administrator_after_a_yes() {
    on_each_database(|site| {
        site.run(&["create", "--email", "ann@example.com"]).ended(0);
        let words = ["users", "create-admin", "--email", "ann@example.com", "--password", PASSWORD];
        let said = site.run(&words).ended(1);
        assert!(said.contains("nothing was changed") && !said.contains(PASSWORD), "{said}");
        assert_eq!(site.json(&["users", "show", "ann@example.com"])["role"], "user");
        let said = site.run(&[&words[..], &["--force"]].concat()).ended(0);
        assert!(!said.contains(PASSWORD), "{said}");
        assert_eq!(site.json(&["users", "show", "ann@example.com"])["role"], "admin");
        let hash = || {
            let users = site.db.as_ref().unwrap().stores().users;
            users.by_email(&"ann@example.com".parse().unwrap()).unwrap().unwrap().password_hash.unwrap()
        };
        let first = hash();
        assert!(first.starts_with("$2"), "an administrator who cannot sign in is none: {first}");
        // Who has a password keeps it: somebody else may know the one that is given here.
        let users = site.db.as_ref().unwrap().stores().users;
        let id = users.by_email(&"ann@example.com".parse().unwrap()).unwrap().unwrap().user.id;
        let demote =
            std::sync::Arc::new(|user: &mut tollgate_domain::User| user.role = tollgate_domain::Role::User);
        users.edit(id, demote, tollgate_domain::Time::UNIX_EPOCH, &[]).unwrap().unwrap();
        let said = site.run(&[&words[..], &["--force"]].concat()).ended(0);
        assert!(said.contains("keeps the password") && !said.contains(PASSWORD), "{said}");
        assert_eq!(hash(), first);
    });
}

#[test]
fn a_password_is_never_repeated() {
    let site = Site::empty();
    let admin = ["users", "create-admin", "--email", "a@example.com"];
    let with = |more: &[&str]| site.run(&[&admin[..], more].concat());
    let said = with(&["--password", "short"]).ended(2);
    assert!(said.contains("--password must have at least 8") && !said.contains("short"), "{said}");
    for more in [
        &["--password", "my", "s3cretword"][..],
        &["--password", "s3cretword", "--password-stdin"],
        &["--password", "s3cretword", "--unknown=s3cretword"],
    ] {
        let said = with(more).ended(2);
        assert!(!said.contains("s3cretword") && said.contains("--help"), "{said}");
    }
    assert!(with(&[]).ended(2).contains("--password-stdin"), "nobody is there to be asked");
    let said = site.run_with(&[&admin[..], &["--password-stdin"]].concat(), "\n").ended(1);
    assert!(said.contains("no password"), "{said}");
    assert!(site.run(&["users", "create-admin", "--email", "nobody"]).ended(2).contains("--email must be"));
}

#[test]
fn users_are_made_listed_shown_and_moved() {
    on_each_database(|site| {
        let made = site.json(&[
            "users",
            "create",
            "--name",
            "New User",
            "--email",
            "newuser@example.com",
            "--external-id",
            "ext_7",
            "--permissions",
            "chat,code_generation",
            "--hourly-limit",
            "150",
            "--daily-limit",
            "1500",
            "--metadata",
            r#"{"team": "research"}"#,
            "--tier",
            "pro",
        ]);
        assert_eq!((&made["name"], &made["user"]["name"]), (&json!("New User"), &json!("New User")));
        assert_eq!((&made["user"]["external_id"], &made["hourly_limit"]), (&json!("ext_7"), &json!(150)));
        assert_eq!(made["user"]["subscription"], "pro");
        site.run(&["users", "create", "--name", "Other"]).ended(0);
        let taken =
            ["users", "create", "--name", "X", "--external-id", "y", "--email", "newuser@example.com"];
        assert!(site.run(&taken).ended(1).contains("another user has this email address"));

        let listed = site.json(&["users", "list"]);
        assert_eq!(listed["items"], listed["users"]);
        assert_eq!(listed["items"].as_array().unwrap().len(), 2);
        let found = site.json(&["users", "list", "--search", "NEWUSER"]);
        assert_eq!(found["items"], json!([made["user"]]));
        assert!(site.run(&["users", "list"]).ended(0).contains("| ext_7 "));

        for name in [text(&made, "/user_id"), "ext_7", "newuser@example.com"] {
            assert_eq!(site.json(&["users", "show", name])["id"], made["user_id"], "{name}");
        }
        assert_eq!(made["user"]["quota_grant"], 0);
        let said = site.run(&["users", "show", "newuser@example"]).ended(1);
        assert!(said.contains("The nearest are") && said.contains("newuser@example.com"), "{said}");

        let said = site.run(&["users", "set-tier", "ext_7", "enterprise"]).ended(0);
        assert!(said.contains("enterprise") && said.contains("pro"), "{said}");
        let shown = site.run(&["users", "show", "ext_7"]).ended(0);
        assert!(shown.contains("enterprise") && shown.contains("0 of 1,000,000 tokens"), "{shown}");
        assert!(site.run(&["users", "set-tier", "ext_7", "gold"]).ended(2).contains("free"));
    });
}

#[test]
fn delete_asks_and_without_an_answer_nothing_happens() {
    on_each_database(|site| {
        let made = site.json(&["create", "--name", "Gone Soon", "--email", "gone@example.com"]);
        for input in ["", "n\n"] {
            let said = site.run_with(&["users", "delete", "gone@example.com"], input).ended(1);
            assert!(said.contains("nothing was changed") && said.contains("--force"), "{said}");
        }
        site.run(&["users", "show", "gone@example.com"]).ended(0);
        let gone = site.json(&["users", "delete", "gone@example.com", "--force"]);
        assert_eq!(gone["id"], made["user_id"]);
        site.run(&["users", "show", "gone@example.com"]).ended(1);
        assert!(!site.run(&["list", "--include-inactive"]).ended(0).contains("Gone Soon"));
        site.run(&["users", "delete", "gone@example.com", "--force"]).ended(1);
    });
}
