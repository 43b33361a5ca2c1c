//! The server's first words: what it did and what to try next.

use std::net::SocketAddr;

use tollgate_config::{Config, Created, Loaded, RegistrationMode};

/// What is told at the start.
pub fn text(loaded: &Loaded, created: &[Created], address: SocketAddr) -> String {
    let config = &loaded.config;
    let mut lines = vec![
        String::new(),
        format!("  Tollgate {} listens on http://{address}", env!("CARGO_PKG_VERSION")),
        format!("  database   {}", config.database.url),
        format!("  settings   {}", file(loaded)),
        format!("  providers  {}", providers(loaded)),
    ];
    for secret in created {
        lines.push(format!("  made       {} in {}", secret.name, secret.path.display()));
    }
    lines.push(format!("  reference  http://{address}/docs"));
    let open =
        config.registration.mode == RegistrationMode::Open && !config.registration.require_verified_email;
    if open && !config.server.is_production() {
        lines.push(String::new());
        lines.push("  Try it: sign up, keep the key, chat.".to_owned());
        lines.push(String::new());
        lines.push(try_it(&loaded.config, address));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn file(loaded: &Loaded) -> String {
    loaded
        .file
        .as_ref()
        .map_or_else(|| "the defaults (no config.yaml)".to_owned(), |file| file.display().to_string())
}

fn providers(loaded: &Loaded) -> String {
    let names: Vec<_> = loaded.config.providers.iter().map(|provider| provider.name.as_str()).collect();
    match (names.is_empty(), loaded.config.echo_for_live) {
        (false, _) => names.join(", "),
        (true, true) => {
            "echo, which repeats your words; set OPENAI_API_KEY or GLM_API_KEY for a model".to_owned()
        }
        (true, false) => "none: set OPENAI_API_KEY, GLM_API_KEY or `providers` in config.yaml".to_owned(),
    }
}

/// Works by paste, and again: a second sign-up under another name.
fn try_it(config: &Config, address: SocketAddr) -> String {
    let here = format!("http://{}", reachable(address));
    [
        format!("  KEY=$(curl -s {here}/api/auth/register -H 'Content-Type: application/json' \\"),
        "    -d '{\"email\":\"you'$(date +%s)-$$'@example.com\",\"password\":\"correct horse\"}' \\"
            .to_owned(),
        "    | sed 's/.*\"key\":\"\\([^\"]*\\)\".*/\\1/')".to_owned(),
        format!("  curl -s {here}/v1/chat/completions -H \"Authorization: Bearer $KEY\" \\"),
        "    -H 'Content-Type: application/json' \\".to_owned(),
        format!(
            "    -d '{{\"model\":\"{}\",\"messages\":[{{\"role\":\"user\",\"content\":\"Hello!\"}}]}}'",
            model(config)
        ),
    ]
    .join("\n")
}

/// A model that is offered: the first public one, else the default provider's, else echo's.
fn model(config: &Config) -> &str {
    let provider = || {
        let default = config.default_provider.as_ref();
        let provider = config.providers.iter().find(|provider| Some(&provider.name) == default)?;
        provider.default_model.as_deref().or_else(|| provider.models.first().map(String::as_str))
    };
    let public = config.models.first().map(|model| model.name.as_str());
    public.or_else(provider).unwrap_or("echo")
}

/// An address that can be called: a server that listens everywhere is called here.
fn reachable(address: SocketAddr) -> SocketAddr {
    let mut address = address;
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    address
}
