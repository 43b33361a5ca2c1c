//! Where values come from, and that the documents' files load as printed.

use crate::support::{Case, with_key};
use secrecy::ExposeSecret as _;
use tollgate_config::{
    Candidate, DatabaseUrl, Environment, LogFormat, LogLevel, OutputLimitField, RegistrationMode, Source,
};
use tollgate_domain::{Permission, Permissions, Tiers};

/// The three pieces of `config.yaml` that the first document prints.
const PRINTED_CONFIG: &str = r#"# config.yaml
authentication:
  enabled: true
  api_keys:
    # Legacy keys (for backward compatibility)
    "V2C-8UkDpfeuisiWxMCkf-5cFpY9zvRxy5MoZ47PVLY":
      name: "Continue/Roo Code"
      permissions: ["chat", "code_generation"]
      rate_limit: 100
  default_permissions: ["chat"]
performance:
  max_concurrent_requests: 10
  request_timeout: 300
  enable_caching: true
  cache_size: 100
logging:
  level: "DEBUG"
"#;

/// The `.env` that the last document prints.
const PRINTED_DOTENV: &str = "# Database
DATABASE_URL=postgresql://user:password@localhost:5432/ai_platform

# JWT Configuration
JWT_SECRET_KEY=your-secret-key-change-this-in-production
ACCESS_TOKEN_EXPIRE_MINUTES=30
REFRESH_TOKEN_EXPIRE_DAYS=7

# Encryption
ENCRYPTION_MASTER_KEY=your-encryption-key-change-this

# Security
MAX_LOGIN_ATTEMPTS=5
LOCKOUT_DURATION_MINUTES=30
";

#[test]
fn nothing_at_all_is_a_development_server() {
    let case = Case::new();
    let loaded = case.loaded();
    let config = &loaded.config;
    assert_eq!(config.server.environment, Environment::Development);
    assert_eq!(config.server.bind.to_string(), "127.0.0.1:8000");
    assert_eq!(config.server.metrics_bind, None);
    assert_eq!(config.server.public_url, "http://localhost:8000");
    assert_eq!(config.server.data_dir, case.dir.path().join("data"));
    assert!(
        config
            .server
            .trusted_proxies
            .iter()
            .any(|net| net.contains(&"127.0.0.1".parse::<std::net::IpAddr>().unwrap()))
    );
    let DatabaseUrl::Sqlite(path) = &config.database.url else { panic!("{:?}", config.database) };
    assert_eq!(*path, case.dir.path().join("data/tollgate.db"));
    assert_eq!(config.tiers, Tiers::default());
    assert_eq!(config.authentication.default_permissions, Permissions::defaults());
    assert_eq!(config.quota.default_output_tokens, 4_096);
    assert_eq!(config.quota.tokenizer_factor_thousandths, 1_500);
    assert_eq!(config.performance.max_gate_body_bytes, 32 << 20);
    assert_eq!(config.performance.max_other_body_bytes, 64 << 10);
    assert_eq!((config.tokens.access_minutes, config.tokens.refresh_days), (30, 7));
    assert_eq!((config.lockout.max_attempts, config.lockout.minutes), (5, 30));
    assert_eq!((config.password.min_length, config.password.bcrypt_rounds), (8, 12));
    assert_eq!(config.registration.mode, RegistrationMode::Open);
    assert!(!config.registration.require_verified_email);
    assert_eq!(config.record.max_open, 10_000);
    assert_eq!(config.cache.max_bytes, 256 << 20);
    assert_eq!(config.cors.origins, ["http://localhost:*"]);
    assert!(config.providers.is_empty() && config.echo_for_live && config.pricing.defaults);
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    assert!(loaded.provenance.iter().all(|shown| shown.source == Source::Default));
    assert!(!case.dir.path().join("data").exists(), "loading writes nothing");
}

#[test]
fn the_first_documents_file_loads_as_printed() {
    let loaded = Case::new().file("config.yaml", PRINTED_CONFIG).loaded();
    let config = &loaded.config;
    assert_eq!(config.performance.max_concurrent_requests, Some(10));
    assert_eq!(config.performance.request_timeout_seconds, 300);
    assert_eq!(config.logging.level, LogLevel::Debug);
    assert_eq!(config.logging.format, LogFormat::Human);
    assert_eq!(config.authentication.default_permissions, [Permission::Chat].into_iter().collect());
    let [key] = config.authentication.api_keys.as_slice() else { panic!("one legacy key") };
    assert_eq!(key.key.expose_secret(), "V2C-8UkDpfeuisiWxMCkf-5cFpY9zvRxy5MoZ47PVLY");
    assert_eq!((key.name.as_str(), key.rate_limit_per_hour), ("Continue/Roo Code", Some(100)));
    assert_eq!(key.permissions, [Permission::Chat, Permission::CodeGeneration].into_iter().collect());
    let warned = |warning: &String| warning.starts_with("authentication.api_keys.#1.key: is the example");
    assert!(loaded.warnings.iter().any(warned), "{:?}", loaded.warnings);
}

#[test]
fn the_last_documents_dotenv_loads_as_printed() {
    let loaded = Case::new().file(".env", PRINTED_DOTENV).loaded();
    let config = &loaded.config;
    let DatabaseUrl::Postgres(url) = &config.database.url else { panic!("{:?}", config.database) };
    assert_eq!(url.expose_secret(), "postgresql://user:password@localhost:5432/ai_platform");
    assert_eq!(config.secrets.jwt[0].expose_secret(), "your-secret-key-change-this-in-production");
    assert_eq!(config.secrets.encryption[0].expose_secret(), "your-encryption-key-change-this");
    assert!(config.secrets.pepper.is_empty());
    for name in ["JWT_SECRET_KEY", "ENCRYPTION_MASTER_KEY"] {
        assert!(loaded.warnings.iter().any(|warning| warning.starts_with(name)), "{:?}", loaded.warnings);
    }
}

#[test]
fn a_provider_key_alone_enables_its_preset() {
    let loaded = Case::new()
        .file(".env", "GLM_API_KEY=sk-your-actual-glm-key-here\n")
        .var("OPENAI_API_KEY", "sk-b")
        .var("OPENAI_BASE_URL", "http://127.0.0.1:9/v1/")
        .var("ANTHROPIC_API_KEY", "sk-c")
        .loaded();
    let [glm, openai] = loaded.config.providers.as_slice() else { panic!("{:?}", loaded.config.providers) };
    assert_eq!((glm.name.as_str(), glm.base_url.as_str()), ("glm", "https://api.z.ai/api/paas/v4"));
    assert_eq!(glm.api_key.as_ref().unwrap().expose_secret(), "sk-your-actual-glm-key-here");
    assert_eq!(glm.default_model.as_deref(), Some("glm-4.6"));
    assert_eq!((openai.name.as_str(), openai.base_url.as_str()), ("openai", "http://127.0.0.1:9/v1"));
    assert_eq!(loaded.config.default_provider.as_deref(), Some("glm"));
    assert!(!loaded.config.echo_for_live);
    assert!(loaded.warnings.iter().any(|warning| warning.starts_with("ANTHROPIC_API_KEY")));
}

#[test]
fn later_sources_win() {
    let case = Case::new()
        .file(
            "config.yaml",
            "server:\n  bind: 127.0.0.1:1\n  public_url: http://file\n  metrics_bind: 127.0.0.1:4\n",
        )
        .file(".env", "TOLLGATE_BIND=127.0.0.1:2\nTOLLGATE_PUBLIC_URL=http://dotenv\n")
        .var("TOLLGATE_BIND", "127.0.0.1:3")
        // An empty variable is not set.
        .var("TOLLGATE_METRICS_BIND", "");
    let loaded = case.loaded();
    assert_eq!(loaded.config.server.bind.port(), 3);
    assert_eq!(loaded.config.server.public_url, "http://dotenv");
    assert_eq!(loaded.config.server.metrics_bind.unwrap().port(), 4);
    let source = |key: &str| loaded.provenance.iter().find(|shown| shown.key == key).unwrap().source.clone();
    assert_eq!(source("server.bind"), Source::Environment { name: "TOLLGATE_BIND".to_owned() });
    assert_eq!(source("server.public_url"), Source::DotEnv { name: "TOLLGATE_PUBLIC_URL".to_owned() });
    assert_eq!(source("server.metrics_bind"), Source::File { line: 4 });
    assert_eq!(source("shutdown.grace_seconds"), Source::Default);
    let mut keys: Vec<_> = loaded.provenance.iter().map(|shown| &shown.key).collect();
    keys.dedup();
    assert_eq!(keys.len(), loaded.provenance.len(), "each key is shown once");
}

#[test]
fn the_file_can_be_named_and_must_exist_then() {
    let case =
        Case::new().file("other.yaml", "record:\n  max_open: 7\n").var("TOLLGATE_CONFIG", "other.yaml");
    let loaded = case.loaded();
    assert_eq!(loaded.config.record.max_open, 7);
    assert_eq!(loaded.file, Some(case.dir.path().join("other.yaml")));
    let mut sources = case.sources();
    sources.file = Some("gone.yaml".into());
    let problems = tollgate_config::load(&sources).map(|_| ()).unwrap_err();
    let path = case.dir.path().join("gone.yaml").display().to_string();
    assert!(with_key(&problems, &path).problem.contains("does not exist"));
}

#[test]
fn providers_and_models_keep_their_order_and_their_details() {
    let config = Case::new()
        .file(
            "config.yaml",
            "
providers:
  zeta:
    base_url: http://localhost:11434/v1
    models: [llama3, \"7\"]
    test: true
    timeout_seconds: 12
  openai:
    api_key_env: MY_KEY
  alpha: {kind: openai, base_url: 'https://alpha.example/v1', api_key: 0123}
default_provider: openai
models:
  gpt-4.1:
    - {provider: openai, model: gpt-4.1-2025}
    - {provider: alpha, model: x}
  big:
    candidates: [{provider: zeta, model: llama3}]
    max_output_tokens: 512
    output_limit_field: max_completion_tokens
",
        )
        .var("MY_KEY", "sk-mine")
        .var("GROQ_API_KEY", "sk-groq")
        .loaded()
        .config;
    let names: Vec<_> = config.providers.iter().map(|provider| provider.name.as_str()).collect();
    assert_eq!(names, ["zeta", "openai", "alpha", "groq"]);
    let [zeta, openai, alpha, _] = config.providers.as_slice() else { unreachable!() };
    assert_eq!(zeta.models, ["llama3", "7"]);
    assert_eq!((zeta.test, zeta.timeout_seconds, zeta.default_model.as_deref()), (true, 12, Some("llama3")));
    assert!(zeta.api_key.is_none());
    assert_eq!(openai.api_key.as_ref().unwrap().expose_secret(), "sk-mine");
    assert_eq!((openai.base_url.as_str(), openai.timeout_seconds), ("https://api.openai.com/v1", 300));
    assert_eq!(alpha.api_key.as_ref().unwrap().expose_secret(), "0123", "a numeric key stays text");
    assert_eq!(config.default_provider.as_deref(), Some("openai"));
    assert_eq!(config.models[0].name, "gpt-4.1");
    assert_eq!(
        config.models[0].candidates[1],
        Candidate { provider: "alpha".to_owned(), model: "x".to_owned() }
    );
    assert_eq!(config.models[1].max_output_tokens, Some(512));
    assert_eq!(config.models[1].output_limit_field, Some(OutputLimitField::MaxCompletionTokens));
}

#[test]
fn money_and_factors_are_exact() {
    let config = Case::new()
        .file(
            "config.yaml",
            "
quota: {tokenizer_factor: 1.234}
pricing:
  defaults: off
  models:
    gpt-4o-mini: {input: 0.15, cached_input: 0.075, output: 0.60}
    tiny: {input: 0.000000000001, output: 3}
tiers:
  free: {minute: 5, monthly_tokens: 1000000000000}
",
        )
        .loaded()
        .config;
    assert_eq!(config.quota.tokenizer_factor_thousandths, 1_234);
    assert!(!config.pricing.defaults);
    let [mini, tiny] = config.pricing.models.as_slice() else { panic!("{:?}", config.pricing) };
    assert_eq!(
        (mini.input, mini.cached_input, mini.output),
        (150_000_000_000, Some(75_000_000_000), 600_000_000_000)
    );
    assert_eq!((tiny.input, tiny.cached_input, tiny.output), (1, None, 3_000_000_000_000));
    assert_eq!((config.tiers.free.minute, config.tiers.free.hour), (5, 1_000));
    assert_eq!(config.tiers.free.monthly_tokens, 1_000_000_000_000);
}

const DOCUMENT: &str = include_str!("../../../../docs/CONFIGURATION.md");

#[test]
fn the_document_names_every_key() {
    let loaded = Case::new().loaded();
    for shown in loaded.provenance {
        let last = shown.key.rsplit('.').next().unwrap();
        let named = [format!("`{}`", shown.key), format!(".{last}`"), format!("`{last}`")];
        assert!(named.iter().any(|name| DOCUMENT.contains(name.as_str())), "{} is not documented", shown.key);
    }
}

#[test]
fn the_documents_examples_load() {
    let examples = DOCUMENT.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let load = |yaml: &str| Case::new().file("config.yaml", yaml).var("MY_OPENAI_KEY", "k").loaded();
    let loaded: Vec<_> = examples.map(load).collect();
    let [keys, providers, identities] = loaded.as_slice() else { panic!("{} examples", loaded.len()) };
    assert!(keys.warnings.is_empty(), "{:?}", keys.warnings);
    assert_eq!(keys.config.authentication.api_keys[0].rate_limit_per_hour, Some(100));
    assert_eq!(providers.config.providers[1].models, ["llama3.2", "qwen3"]);
    assert_eq!(providers.config.models[1].max_output_tokens, Some(8_192));
    assert_eq!(identities.config.identity_providers.len(), 2);
}

#[test]
fn mails_come_from_a_made_up_sender_until_they_are_really_sent() {
    let case = Case::new().var("TOLLGATE_PUBLIC_URL", "https://api.example.com:8443");
    let mail = case.loaded().config.mail;
    assert!(mail.smtp_url.is_none());
    assert_eq!(mail.from, "noreply@api.example.com");

    let from = "Tollgate <hello@example.com>";
    let case = Case::new().file("config.yaml", &format!("mail: {{smtp_url: 'smtp://h', from: '{from}'}}"));
    let loaded = case.loaded();
    assert_eq!(loaded.config.mail.from, from);
    let shown = loaded.provenance.iter().find(|shown| shown.key == "mail.smtp_url").unwrap();
    assert_eq!(shown.value, tollgate_config::REDACTED);
}

#[test]
fn issuers_are_kept_to_the_letter() {
    let file = "
identity_providers:
  - name: clerk
    issuer: https://clerk.example.com
    authorized_parties: [https://app.example.com, 'http://localhost:3000']
  - {name: auth0, issuer: 'https://example.eu.auth0.com/', audience: abc}
";
    let config = Case::new().file("config.yaml", file).loaded().config;
    let [clerk, auth0] = &config.identity_providers[..] else { panic!("{:?}", config.identity_providers) };
    assert_eq!((clerk.name.as_str(), clerk.issuer.as_str()), ("clerk", "https://clerk.example.com"));
    assert_eq!(clerk.audience, None);
    assert_eq!(clerk.authorized_parties, ["https://app.example.com", "http://localhost:3000"]);
    assert_eq!(auth0.issuer, "https://example.eu.auth0.com/");
    assert_eq!((auth0.audience.as_deref(), auth0.authorized_parties.len()), (Some("abc"), 0));
    assert!(Case::new().loaded().config.identity_providers.is_empty());
}
