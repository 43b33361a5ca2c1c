use std::process::Command;

use crate::support::{Ran, Site};

#[test]
fn show_redacts_and_tells_where_values_come_from() {
    let site = Site::empty();
    std::fs::write(site.path("config.yaml"), "quota:\n  default_output_tokens: 77\n").unwrap();
    let run = |words: &[&str]| {
        let mut command = site.command(words);
        command.env("SECRET_KEY", "a pepper that nobody must ever see here");
        command.env("OPENAI_API_KEY", "sk-the-operators-own");
        command.env("DATABASE_URL", "postgresql://ann:hunter2@db.example.com/tollgate");
        Ran::from(command.output().unwrap())
    };
    let (table, document) = (run(&["config", "show"]), run(&["config", "show", "--json"]));
    for ran in [&table, &document] {
        let said = ran.ended(0);
        for secret in ["nobody must ever", "sk-the-operators-own", "hunter2"] {
            assert!(!said.contains(secret), "{said}");
        }
    }
    let read: serde_json::Value = serde_json::from_str(&document.out).unwrap();
    let items = read["items"].as_array().unwrap();
    let of = |key: &str| items.iter().find(|item| item["key"] == key).unwrap();
    assert_eq!(of("secrets.pepper")["value"], "[redacted]");
    assert_eq!(of("secrets.pepper")["source"], "environment, SECRET_KEY");
    assert_eq!(of("quota.default_output_tokens")["value"], "77");
    assert_eq!(of("quota.default_output_tokens")["source"], "configuration file, line 2");
    assert!(of("database.url")["value"].as_str().unwrap().contains("db.example.com"));
    assert!(table.out.contains("| quota.default_output_tokens "));
    assert!(!site.path("data").exists(), "showing makes no secrets");
}

#[test]
fn every_problem_is_listed_with_its_remedy() {
    let site = Site::empty();
    std::fs::write(site.path("other.yaml"), "quotas:\n  image_tokens: 1\nlogging:\n  level: loud\n").unwrap();
    for words in [&["list"][..], &["config", "show"], &["db", "check"]] {
        let said = site.run(&[words, &["--config", "other.yaml"]].concat()).ended(2);
        assert!(said.contains("2 problems"), "{said}");
        assert!(
            said.contains("quotas") && said.contains("quota") && said.contains("logging.level"),
            "{said}"
        );
        assert!(said.contains("->"), "{said}");
    }
    assert!(site.run(&["--config", "missing.yaml", "list"]).ended(2).contains("missing.yaml"));
    assert!(!site.path("data").exists());
}

#[test]
fn the_server_and_the_program_share_the_generated_secrets() {
    let site = Site::empty();
    let said = site.run(&["create", "--name", "A"]).ended(0);
    assert!(said.contains("SECRET_KEY was generated"), "{said}");
    let before = std::fs::read(site.path("data/secrets/SECRET_KEY")).unwrap();
    assert!(!site.run(&["create", "--name", "B"]).ended(0).contains("was generated"));
    assert_eq!(std::fs::read(site.path("data/secrets/SECRET_KEY")).unwrap(), before);
}

#[test]
fn help_version_and_completions_need_no_configuration() {
    let site = Site::empty();
    std::fs::write(site.path("config.yaml"), "broken: [").unwrap();
    assert!(site.run(&["--help"]).ended(0).contains("completions"));
    assert!(site.run(&["--version"]).ended(0).contains(env!("CARGO_PKG_VERSION")));
    for shell in ["bash", "zsh", "fish"] {
        let script = site.run(&["completions", shell]).ended(0);
        assert!(script.contains("include-inactive") && script.contains("create-admin"), "{shell}");
    }
    site.run(&[]).ended(2);
    site.run(&["stats"]).ended(2);
}

#[test]
fn bash_completes_commands_and_their_flags() {
    let site = Site::empty();
    std::fs::write(site.path("script"), site.run(&["completions", "bash"]).ended(0)).unwrap();
    let completed = |words: &[&str]| {
        let (last, before) = words.split_last().unwrap();
        let given = format!(
            "source ./script; COMP_WORDS=(tollgate-admin {} '{last}'); COMP_CWORD={}; \
             _tollgate__admin tollgate-admin '{last}' '{}'; echo ${{COMPREPLY[@]}}",
            before.join(" "),
            words.len(),
            before.last().unwrap_or(&"tollgate-admin"),
        );
        let ran = Command::new("bash").args(["-c", &given]).current_dir(site.folder.path()).output().unwrap();
        String::from_utf8(ran.stdout).unwrap().trim_end().to_owned()
    };
    assert_eq!(completed(&["rev"]), "revoke");
    assert_eq!(completed(&["create", "--user"]), "--user-id");
    assert_eq!(completed(&["create", "--tier", ""]), "free pro enterprise");
    assert_eq!(completed(&["users", "create-"]), "create-admin");
    assert_eq!(completed(&["users", "create-admin", "--password-"]), "--password-stdin");
}
