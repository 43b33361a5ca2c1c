//! What is refused: always everything at once, each with a key and a remedy.

use crate::support::{Case, with_key};

const LONG: &str = "0123456789abcdef0123456789abcdef";

#[test]
fn every_problem_is_listed_with_its_key_and_a_remedy() {
    let problems = Case::new()
        .file(
            "config.yaml",
            "
performance:
  request_timout: 3
  cache_size: many
  max_concurrent_requests: 0
  max_body_bytes: '4096'
authentication:
  enabled: maybe
  default_permissions: [chat, chatt]
  api_keys: {V2C-8UkDpfeuisiWxMCkf-5cFpY9zv: {permission: [chat]}}
tiers:
  gold: {minute: 1}
  pro: {minut: 1, hour: 0}
providers:
  bare: {}
  claude: {api_key: x}
  own: {kind: gemini, base_url: http://x}
  echo: {base_url: http://x}
default_provider: glmm
models:
  a: [{provider: nobody, model: m}]
  b: []
quota: {tokenizer_factor: 0.5}
pricing: {models: {m: {input: 1e-5}}}
logging: loud
services: [{name: stocks}]
identity_providers: [{name: clerk}]
cors: {origins: ['*']}
perfomance: {}
",
        )
        .file(".env", "THIS IS NOT A LINE\n")
        .var("TOLLGATE_BIND", "8000")
        .var("TOLLGATE_METRICS_BIND", "localhost")
        .var("TOLLGATE_PUBLIC_URL", "example.com")
        .var("TOLLGATE_TRUSTED_PROXIES", "10.0.0.0/8, 10.0.0.0/33")
        .var("TOLLGATE_ENV", "staging")
        .var("DATABASE_URL", "mysql://x")
        .var("REDIS_URL", "redis://x")
        .var("BCRYPT_ROUNDS", "3")
        .var("ACCESS_TOKEN_EXPIRE_MINUTES", "-1")
        .problems();
    for (key, remedy) in [
        ("performance.request_timout", "`performance.request_timeout`"),
        ("performance.cache_size", "whole number"),
        ("performance.max_concurrent_requests", "from 1"),
        ("performance.max_body_bytes", "whole number"),
        ("authentication.enabled", "true"),
        ("authentication.default_permissions", "code_generation"),
        ("authentication.api_keys.#1.permission", "permissions`"),
        ("tiers.gold", "`tiers."),
        ("tiers.pro.minut", "`tiers.pro.minute`"),
        ("tiers.pro.hour", "from 1"),
        ("providers.bare.base_url", "http"),
        ("providers.claude.kind", "kind: openai"),
        ("providers.claude.base_url", "http"),
        ("providers.own.kind", "kind: openai"),
        ("providers.echo", "another"),
        ("default_provider", "configure a provider"),
        ("models.a", "configure a provider"),
        ("models.b", "at least one"),
        ("quota.tokenizer_factor", "from 1"),
        ("pricing.models.m.input", "plain decimal"),
        ("pricing.models.m.output", "plain decimal"),
        ("logging", "indented"),
        ("services", "remove"),
        ("identity_providers.#1", "authorized_parties"),
        ("identity_providers.#1.issuer", "https://"),
        ("cors.origins", "https://"),
        ("perfomance", "`performance`"),
        (".env line 1", "NAME="),
        ("TOLLGATE_BIND", "address:port"),
        ("TOLLGATE_METRICS_BIND", "address:port"),
        ("TOLLGATE_PUBLIC_URL", "http"),
        ("TOLLGATE_TRUSTED_PROXIES", "10.0.0.0/8"),
        ("TOLLGATE_ENV", "production"),
        ("DATABASE_URL", "sqlite://"),
        ("REDIS_URL", "unset"),
        ("BCRYPT_ROUNDS", "from 4"),
        ("ACCESS_TOKEN_EXPIRE_MINUTES", "from 1"),
    ] {
        let problem = with_key(&problems, key);
        assert!(problem.remedy.contains(remedy), "{problem:?}");
        assert!(!problem.problem.is_empty());
        assert!(problems.to_string().contains(&format!("{key}: {}", problem.problem)));
    }
    assert_eq!(problems.0.len(), 37, "{problems}");
    assert!(problems.to_string().contains("has 37 problems"));
}

#[test]
fn a_syntax_error_names_line_and_column_beside_other_problems() {
    let case = Case::new().file("config.yaml", "server:\n  bind: 'x\n").var("TOLLGATE_BIND", "x");
    let problems = case.problems();
    let path = case.dir.path().join("config.yaml").display().to_string();
    assert!(with_key(&problems, &path).problem.contains("line "), "{problems}");
    assert!(with_key(&problems, &path).problem.contains("column "), "{problems}");
    with_key(&problems, "TOLLGATE_BIND");
}

#[test]
fn files_are_bounded_and_must_be_text() {
    for text in [vec![b'#'; 1024 * 1024 + 1], vec![b'a', b':', b' ', 0xff]] {
        let case = Case::new();
        std::fs::write(case.dir.path().join("config.yaml"), text).unwrap();
        assert_eq!(case.problems().0.len(), 1);
    }
}

#[test]
fn two_addresses_of_the_database_must_agree() {
    let same = Case::new().var("DATABASE_URL", "postgres://h/a").var("POSTGRES_URL", "postgres://h/a");
    same.loaded();
    let problems = Case::new()
        .var("DATABASE_URL", "postgres://h/a")
        .file(".env", "POSTGRES_URL=postgres://h/b")
        .problems();
    assert!(with_key(&problems, "DATABASE_URL").problem.contains("POSTGRES_URL"));
    for bad in ["sqlite://", "sqlite://:memory:", "postgres://", "x", "postgres://a b"] {
        with_key(&Case::new().var("POSTGRES_URL", bad).problems(), "POSTGRES_URL");
    }
}

#[test]
fn a_secret_and_its_file_are_one_too_many() {
    let problems = Case::new()
        .file("secret", LONG)
        .var("SECRET_KEY", LONG)
        .var("SECRET_KEY_FILE", "secret")
        .var("JWT_SECRET_KEY_FILE", "gone")
        .var("OPENAI_API_KEY_FILE", "gone")
        .file("empty", " \n")
        .var("ENCRYPTION_MASTER_KEY_FILE", "empty")
        .problems();
    assert!(with_key(&problems, "SECRET_KEY").problem.contains("both"));
    assert!(with_key(&problems, "JWT_SECRET_KEY_FILE").problem.contains("does not exist"));
    assert!(with_key(&problems, "OPENAI_API_KEY_FILE").problem.contains("does not exist"));
    assert!(with_key(&problems, "ENCRYPTION_MASTER_KEY_FILE").problem.contains("is empty"));
    assert_eq!(problems.0.len(), 4, "{problems}");
}

#[test]
fn providers_must_say_one_key() {
    let problems = Case::new()
        .file(
            "config.yaml",
            "providers:\n  one: {base_url: http://x, api_key: a, api_key_env: K}\n  \
             two: {base_url: http://x, api_key_env: MISSING}\n  groq: {}\n",
        )
        .var("K", "k")
        .problems();
    assert!(with_key(&problems, "providers.one.api_key").problem.contains("api_key_env"));
    assert!(with_key(&problems, "providers.two.api_key_env").problem.contains("MISSING"));
    assert!(with_key(&problems, "providers.groq.api_key").remedy.contains("GROQ_API_KEY"));
    assert_eq!(problems.0.len(), 3, "{problems}");
}

#[test]
fn echo_is_never_mixed_with_real_providers() {
    let models = "models:\n  m: [{provider: echo, model: e}]\n";
    Case::new().file("config.yaml", models).loaded();
    let problems = Case::new().file("config.yaml", models).var("GLM_API_KEY", "k").problems();
    assert!(with_key(&problems, "models.m").problem.contains("never mixed"));
}

fn production() -> Case {
    Case::new()
        .var("TOLLGATE_ENV", "production")
        .var("TOLLGATE_PUBLIC_URL", "https://api.example.com")
        .var("JWT_SECRET_KEY", LONG)
        .var("SECRET_KEY", LONG)
        .var("ENCRYPTION_MASTER_KEY", LONG)
}

#[test]
fn production_with_everything_in_order_loads() {
    let config = production().loaded().config;
    assert!(config.server.is_production() && !config.echo_for_live);
    assert!(config.registration.require_verified_email);
    assert!(config.cors.origins.is_empty());
    assert!(config.providers.is_empty(), "no provider is no problem");
}

#[test]
fn production_refuses_what_development_lets_pass() {
    let problems = Case::new()
        .file("config.yaml", "default_provider: echo\nauthentication: {enabled: false}\n")
        .var("TOLLGATE_ENV", "production")
        .var("JWT_SECRET_KEY", "your-secret-key-change-this-in-production")
        .var("ENCRYPTION_MASTER_KEY", &format!("{LONG},short"))
        .var("BCRYPT_ROUNDS", "9")
        .problems();
    assert!(with_key(&problems, "JWT_SECRET_KEY").problem.contains("documents print"));
    assert!(with_key(&problems, "SECRET_KEY").problem.contains("missing"));
    assert!(with_key(&problems, "ENCRYPTION_MASTER_KEY").problem.contains("number 2"));
    with_key(&problems, "TOLLGATE_PUBLIC_URL");
    with_key(&problems, "default_provider");
    with_key(&problems, "authentication.enabled");
    with_key(&problems, "BCRYPT_ROUNDS");
    assert_eq!(problems.0.len(), 7, "{problems}");
}

#[test]
fn legacy_keys_must_be_keys_that_somebody_could_send() {
    let problem = |key: &str| {
        let file = format!("authentication:\n  api_keys:\n    {key:?}: {{name: n}}\n");
        let problems = Case::new().file("config.yaml", &file).problems();
        assert_eq!(problems.0.len(), 1, "{problems}");
        assert!(!problems.to_string().contains(key), "{problems}");
        with_key(&problems, "authentication.api_keys.#1.key").problem.clone()
    };
    for (key, says) in [
        ("fifteen-letters", "shorter than 16"),
        ("a key of four words", "printable ASCII"),
        ("ключ-ключ-ключ-ключ", "printable ASCII"),
        (&"k".repeat(257), "1 to 256"),
        ("sk_live_tg_0123456789abcdefghijklmnop", "checksum"),
        ("sk_test_tg_0123456789abcdefghijklmnop", "checksum"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "access token"),
    ] {
        assert!(problem(key).contains(says), "{key}: {}", problem(key));
    }
    // What looks odd and can be sent is good.
    for key in ["{sixteen:letters}", "eyJ.no-token-is-so-short", "sk_live_0123456789", &"k".repeat(256)] {
        let file = format!("authentication:\n  api_keys:\n    {key:?}: {{name: ' Roo ', rate_limit: 1}}\n");
        let loaded = Case::new().file("config.yaml", &file).loaded();
        assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
        assert_eq!(loaded.config.authentication.api_keys[0].name, "Roo");
    }
    let long =
        format!("authentication: {{api_keys: {{{LONG}: {{name: {}, rate_limit: 0}}}}}}\n", "n".repeat(101));
    let problems = Case::new().file("config.yaml", &long).problems();
    for key in ["name", "rate_limit"] {
        with_key(&problems, &format!("authentication.api_keys.#1.{key}"));
    }
    let many: String = (0..1_001).map(|number| format!("    {LONG}{number}: {{}}\n")).collect();
    let problems =
        Case::new().file("config.yaml", &format!("authentication:\n  api_keys:\n{many}")).problems();
    assert!(with_key(&problems, "authentication.api_keys").remedy.contains("keys import"));
}

#[test]
fn no_key_administers_by_default() {
    for (permissions, is_problem) in
        [("[chat, admin]", true), ("[admin]", true), ("[chat, keys:verify]", false)]
    {
        let file = format!("authentication: {{default_permissions: {permissions}}}");
        let case = Case::new().file("config.yaml", &file);
        if is_problem {
            with_key(&case.problems(), "authentication.default_permissions");
        } else {
            case.loaded();
        }
    }
}

#[test]
fn a_printed_legacy_key_is_for_development_alone() {
    let file = "authentication:\n  api_keys:\n    V2C-8UkDpfeuisiWxMCkf-5cFpY9zvRxy5MoZ47PVLY: {}\n";
    assert_eq!(Case::new().file("config.yaml", file).loaded().warnings.len(), 1);
    let problems = production().file("config.yaml", file).problems();
    assert!(with_key(&problems, "authentication.api_keys.#1.key").problem.contains("documents print"));
    assert_eq!(problems.0.len(), 1, "{problems}");
    production().file("config.yaml", &file.replace("V2C", "W2C")).loaded();
}

#[test]
fn authentication_is_switched_off_in_development_alone() {
    let off = "authentication: {enabled: false}\n";
    let loaded = Case::new().file("config.yaml", off).loaded();
    assert!(!loaded.config.authentication.enabled);
    let warned = |warning: &String| warning.contains("without a key");
    assert!(loaded.warnings.iter().any(warned), "{:?}", loaded.warnings);
    let problems = production().file("config.yaml", off).problems();
    assert!(with_key(&problems, "authentication.enabled").remedy.contains("true"));
}

#[test]
fn a_prefix_is_no_built_in_one_and_no_access_tokens() {
    let with = |prefix: &str| Case::new().file("config.yaml", &format!("keys: {{prefix: '{prefix}'}}\n"));
    for prefix in ["qwen-", "acme_live_", "Q", "0", "sk-", "sk_prod_", &"p".repeat(32)] {
        assert_eq!(with(prefix).loaded().config.keys.prefix.as_deref(), Some(prefix));
    }
    for prefix in ["", "qwen key", "qwen:", "ключ-", "a.b", &"p".repeat(33)] {
        assert!(
            with_key(&with(prefix).problems(), "keys.prefix").problem.contains("not a prefix"),
            "{prefix}"
        );
    }
    for prefix in ["s", "sk_", "sk_live_", "sk_live_tg_", "sk_test_tg_x", "eyJ", "eyJhbGci"] {
        let problems = with(prefix).problems();
        let problem = with_key(&problems, "keys.prefix");
        assert!(problem.problem.contains("built-in"), "{prefix}: {problem:?}");
        assert!(problem.remedy.contains("qwen-"));
    }
}

#[test]
fn production_without_a_mail_server_is_warned_of() {
    let warned = |case: Case| case.loaded().warnings.iter().any(|warning| warning.starts_with("SMTP_URL"));
    assert!(warned(production()) && !warned(Case::new()));
    assert!(!warned(production().var("SMTP_URL", "smtp://h").var("MAIL_FROM", "a@example.com")));
}

#[test]
fn a_mail_server_needs_a_sender() {
    let problems = Case::new().var("SMTP_URL", "smtp://ann:hunter2@mail.example.com").problems();
    assert!(with_key(&problems, "MAIL_FROM").problem.contains("missing"));
    assert!(!problems.to_string().contains("hunter2"));
    for bad in ["nobody", "Ann <ann>", "Ann <ann@example.com", "a\u{7}@example.com", "@example.com"] {
        let problems = Case::new().var("MAIL_FROM", bad).problems();
        assert!(with_key(&problems, "MAIL_FROM").problem.contains("no sender"), "{bad:?}");
    }
}

#[test]
fn identity_providers_are_checked() {
    let problems = |list: &str| {
        let file = format!("identity_providers:\n{list}");
        Case::new().file("config.yaml", &file).problems()
    };
    let good = "  - {name: a, issuer: 'https://a.example.com', audience: x}\n";
    for (entry, key, problem) in [
        ("  - {name: b, issuer: 'https://b'}\n", "#2", "neither"),
        ("  - {name: b, issuer: 'https://b', authorized_parties: []}\n", "#2", "neither"),
        ("  - {name: b, issuer: 'b.example.com', audience: x}\n", "#2.issuer", "not a URL"),
        ("  - {name: b, issuer: 'https://me:hunter2@b', audience: x}\n", "#2.issuer", "credentials"),
        ("  - {name: b, audience: x}\n", "#2.issuer", "missing"),
        ("  - {issuer: 'https://b', audience: x}\n", "#2.name", "missing"),
        ("  - {name: b, issuer: 'https://b', audience: ''}\n", "#2.audience", "empty"),
        (
            "  - {name: b, issuer: 'https://b', authorized_parties: ['']}\n",
            "#2.authorized_parties",
            "malformed",
        ),
        ("  - {name: b, issuer: 'https://a.example.com', audience: y}\n", "#2", "before it"),
        ("  - {name: a, issuer: 'https://b', audience: y}\n", "#2", "before it"),
        ("  - {name: b, issuer: 'https://b', audience: y, jwks: z}\n", "#2.jwks", "not a known key"),
    ] {
        let problems = problems(&[good, entry].concat());
        let found = with_key(&problems, &format!("identity_providers.{key}"));
        assert!(found.problem.contains(problem), "{entry}: {problems}");
        assert!(!problems.to_string().contains("hunter2"));
    }
    assert!(with_key(&problems("  a: b\n"), "identity_providers").problem.contains("where a list"));
    let many: String = (0..21)
        .map(|number| format!("  - {{name: n{number}, issuer: 'https://n{number}', audience: x}}\n"))
        .collect();
    assert!(with_key(&problems(&many), "identity_providers").problem.contains("more than 20"));
}

#[test]
fn identity_providers_use_tls_in_production() {
    let list = "identity_providers:\n  - {name: a, issuer: 'http://a', audience: x}\n  \
                - {name: b, issuer: 'https://b', audience: x}\n";
    Case::new().file("config.yaml", list).loaded();
    let problems = production().file("config.yaml", list).problems();
    assert!(with_key(&problems, "identity_providers.#1.issuer").problem.contains("not https"));
    assert_eq!(problems.0.len(), 1, "{problems}");
}
