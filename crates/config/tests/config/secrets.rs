//! Secrets: generated once, kept privately, and never shown.

use crate::support::Case;
use secrecy::ExposeSecret as _;
use tollgate_config::{Loaded, MIN_SECRET_BYTES, REDACTED, Source, ensure_secrets};

fn texts(loaded: &Loaded) -> Vec<String> {
    let secrets = &loaded.config.secrets;
    let lists = [&secrets.jwt, &secrets.pepper, &secrets.encryption];
    lists.into_iter().flatten().map(|secret| secret.expose_secret().to_owned()).collect()
}

#[test]
fn missing_secrets_are_generated_once() {
    let case = Case::new();
    let mut first = case.loaded();
    let created = ensure_secrets(&mut first).unwrap();
    let names: Vec<_> = created.iter().map(|created| created.name).collect();
    assert_eq!(names, ["JWT_SECRET_KEY", "SECRET_KEY", "ENCRYPTION_MASTER_KEY"]);
    let secrets = texts(&first);
    assert_eq!(secrets.len(), 3);
    assert!(secrets[0] != secrets[1] && secrets[1] != secrets[2]);
    assert!(secrets.iter().all(|secret| secret.len() >= MIN_SECRET_BYTES));
    let shown = first.provenance.iter().find(|shown| shown.key == "secrets.jwt").unwrap();
    assert_eq!(shown.value, REDACTED);
    assert_eq!(shown.source, Source::DataDirectory { path: created[0].path.clone() });

    let mut again = case.loaded();
    assert!(ensure_secrets(&mut again).unwrap().is_empty(), "nothing is made twice");
    assert_eq!(texts(&again), secrets);

    let files = std::fs::read_dir(case.dir.path().join("data/secrets")).unwrap().count();
    assert_eq!(files, 3, "no draft is left behind");
}

#[cfg(unix)]
#[test]
fn generated_secrets_are_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let case = Case::new();
    let mut loaded = case.loaded();
    let created = ensure_secrets(&mut loaded).unwrap();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for created in &created {
        assert_eq!(mode(&created.path), 0o600);
    }
    assert_eq!(mode(&case.dir.path().join("data/secrets")), 0o700);

    std::fs::set_permissions(&created[0].path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let mut loaded = case.loaded();
    ensure_secrets(&mut loaded).unwrap();
    assert!(loaded.warnings.iter().any(|warning| warning.contains("chmod 600")), "{:?}", loaded.warnings);
}

#[test]
fn programs_that_start_at_once_agree() {
    let case = Case::new();
    let all: Vec<Vec<String>> = std::thread::scope(|scope| {
        let start = |_| {
            scope.spawn(|| {
                let mut loaded = case.loaded();
                ensure_secrets(&mut loaded).unwrap();
                texts(&loaded)
            })
        };
        let running: Vec<_> = (0..8).map(start).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(all.iter().all(|secrets| *secrets == all[0] && secrets.len() == 3));
}

#[test]
fn a_data_directory_that_cannot_be_written_is_a_problem_for_each_secret() {
    let case = Case::new().file("data", "a file where a directory should be");
    let mut loaded = case.loaded();
    let problems = ensure_secrets(&mut loaded).unwrap_err();
    assert_eq!(problems.0.len(), 3, "{problems}");
}

#[test]
fn given_secrets_are_lists_and_stay_text() {
    let case = Case::new()
        .file("pepper", "  one-from-a-file\n")
        .var("JWT_SECRET_KEY", "0123456789, 1e5 ,")
        .var("SECRET_KEY_FILE", "pepper")
        .file("config.yaml", "secrets:\n  encryption: 0123456789012345678901234567890123456789\n");
    let mut loaded = case.loaded();
    assert!(ensure_secrets(&mut loaded).unwrap().is_empty());
    assert_eq!(
        texts(&loaded),
        ["0123456789", "1e5", "one-from-a-file", "0123456789012345678901234567890123456789"]
    );
    assert!(!case.dir.path().join("data").exists());
    if cfg!(unix) {
        assert!(loaded.warnings.iter().any(|warning| warning.starts_with("SECRET_KEY_FILE")));
    }
}

/// Every secret here contains `hunter`; nothing that is printed may.
#[test]
fn no_secret_is_ever_shown() {
    let yaml = "
authentication:
  api_keys:
    hunter-legacy-key-in-plain: {name: Roo, rate_limit: 5}
providers:
  own: {base_url: http://localhost/v1, api_key: hunter-own}
";
    let case = Case::new()
        .file("config.yaml", yaml)
        .file(".env", "SECRET_KEY=hunter-pepper-hunter-pepper-hunter-pepper\n")
        .var("DATABASE_URL", "postgres://me:hunter@db.example/tollgate")
        .var("JWT_SECRET_KEY", "hunter1")
        .var("ENCRYPTION_MASTER_KEY", "hunter2,hunter3")
        .var("OPENAI_API_KEY", "hunter4")
        .var("TOLLGATE_TOKEN", "hunter5");
    let loaded = case.loaded();
    assert_eq!(loaded.config.providers[0].api_key.as_ref().unwrap().expose_secret(), "hunter-own");
    let mut printed = format!("{loaded:?}");
    for shown in &loaded.provenance {
        printed.push_str(&format!("{} {} {}\n", shown.key, shown.value, shown.source));
    }
    assert!(!printed.contains("hunter"), "{printed}");
    let value = |key: &str| loaded.provenance.iter().find(|shown| shown.key == key).unwrap().value.as_str();
    assert_eq!(value("database.url"), "postgres://me:***@db.example/tollgate");
    for key in ["secrets.jwt", "authentication.api_keys.#1.key", "providers.openai.api_key", "admin.token"] {
        assert_eq!(value(key), REDACTED);
    }
}

#[test]
fn no_problem_repeats_a_secret() {
    let yaml = "
authentication:
  api_keys:
    hunter-legacy-key-in-plain: {nam: Roo, rate_limit: no}
    hunter-short: {}
    hunter-other-key-in-plain: [hunter]
providers:
  own: {base_url: 'http://me:hunter@localhost/v1', api_key: [hunter]}
  two: hunter
  three: {base_url: 'http://x', api_key_env: sk-hunter}
cors: {origins: ['https://me:hunter@x']}
";
    let problems = Case::new()
        .file("config.yaml", yaml)
        .file(".env", "SECRET_KEY='hunter\nhunter hunter\n")
        .var("DATABASE_URL", "postgres://me:hunter @db.example/tollgate")
        .var("POSTGRES_URL", "postgres://me:hunter2@db.example/tollgate")
        .var("TOLLGATE_PUBLIC_URL", "https://me:hunter@x")
        .var("TOLLGATE_ENV", "production")
        .var("JWT_SECRET_KEY", "hunter1")
        .problems();
    let printed = format!("{problems} {problems:?}");
    assert!(!printed.contains("hunter"), "{printed}");
}
