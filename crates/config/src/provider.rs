//! `providers`: who answers, by the file and by presets that the environment enables.

use secrecy::SecretString;

use crate::preset::{self, PRESETS, Preset};
use crate::report::quoted;
use crate::section::{Naming, Section, plain_text};
use crate::source::UNSET;
use crate::url;

/// The built-in provider that repeats what it is told.
pub const ECHO: &str = "echo";
/// Most providers.
const MAX_PROVIDERS: usize = 100;
/// Most model names that one provider lists.
const MAX_MODELS: usize = 1_000;
/// Longest name of a model.
pub(crate) const MAX_MODEL_CHARS: usize = 200;
/// Longest name of a provider; it stands in metrics and events.
const MAX_NAME_BYTES: usize = 40;

/// Which API a provider speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProviderKind {
    /// OpenAI's, or one compatible with it.
    OpenAi,
}

/// A provider that answers requests.
#[derive(Debug, Clone)]
pub struct Provider {
    /// What it is called in `models`, in events and in metrics.
    pub name: String,
    /// Which API it speaks.
    pub kind: ProviderKind,
    /// The base of its API with the version path, without a slash at its end.
    pub base_url: String,
    /// The operator's key. A local provider may need none.
    pub api_key: Option<SecretString>,
    /// Bound of each attempt's first byte and of each later pause.
    pub timeout_seconds: u32,
    /// The models that it lists; may be empty.
    pub models: Vec<String>,
    /// The model of requests that name none.
    pub default_model: Option<String>,
    /// Whether test keys may reach it.
    pub test: bool,
}

/// Reads the providers: those of the file in its order, then the presets that the environment enables.
pub(crate) fn read(root: &mut Section<'_, '_>, request_timeout_seconds: u32) -> Vec<Provider> {
    let mut names = Vec::new();
    let in_file = root.map("providers", Naming::Key, |name, section| {
        names.push(name.to_owned());
        provider(name, section, request_timeout_seconds)
    });
    let mut providers: Vec<Provider> = in_file.into_iter().flatten().collect();
    for preset in &PRESETS {
        let key = format!("{}_API_KEY", preset.variable);
        if names.iter().any(|name| name == preset.name) {
            continue;
        }
        if root.report.variables.has_secret(&key) {
            let path = format!("providers.{}", preset.name);
            let read =
                |section: &mut Section<'_, '_>| provider(preset.name, section, request_timeout_seconds);
            providers.extend(Section::read(root.report, &path, None, read));
        } else if root.report.variables.get(&format!("{}_BASE_URL", preset.variable)).is_some() {
            let warning =
                format!("{0}_BASE_URL is set without {0}_API_KEY, so it enables nothing", preset.variable);
            root.report.warnings.push(warning);
        }
    }
    if root.report.variables.has_secret(preset::ANTHROPIC_KEY) {
        root.report.warnings.push(format!(
            "{}: this version does not speak Anthropic's own API, so this provider is left out; configure its \
             OpenAI-compatible endpoint under `providers:` with kind: openai",
            preset::ANTHROPIC_KEY
        ));
    }
    if providers.len() > MAX_PROVIDERS {
        root.report.problem("providers", format!("has more than {MAX_PROVIDERS} entries"), "remove some");
    }
    providers
}

fn provider(name: &str, section: &mut Section<'_, '_>, request_timeout_seconds: u32) -> Option<Provider> {
    let preset = preset::named(name);
    let named = check_name(name, section);
    let kind = kind(name, section);
    let api_key = api_key(preset, section);
    let base_url = base_url(preset, section);
    let timeout_seconds = section.integer("timeout_seconds", request_timeout_seconds, 1..=86_400);
    let models = section.texts("models").map(|found| model_names(section, found));
    let models = models.unwrap_or_else(|| {
        preset.map(|preset| preset.models.iter().map(|&model| model.to_owned()).collect()).unwrap_or_default()
    });
    section.show_default("models", models.join(", "));
    let default_model = section.text("default_model", MAX_MODEL_CHARS).or_else(|| models.first().cloned());
    section.show_default("default_model", default_model.as_deref().unwrap_or(UNSET));
    let test = section.boolean("test", false);
    named.then_some(())?;
    Some(Provider {
        name: name.to_owned(),
        kind: kind?,
        base_url: base_url?,
        api_key,
        timeout_seconds,
        models,
        default_model,
        test,
    })
}

fn check_name(name: &str, section: &mut Section<'_, '_>) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    let problem = if name == ECHO {
        "is the name of the built-in echo provider"
    } else if name.is_empty() || name.len() > MAX_NAME_BYTES || !name.bytes().all(plain) {
        "is not a name for a provider"
    } else {
        return true;
    };
    let key = format!("providers.{name}");
    let remedy = format!("take another: at most {MAX_NAME_BYTES} of a-z, 0-9, `-` and `_`");
    section.report.problem(key, problem, remedy);
    false
}

/// The kind, if this version serves it.
fn kind(name: &str, section: &mut Section<'_, '_>) -> Option<ProviderKind> {
    const NOT_SERVED: &str = "is not served by this version";
    const USE_COMPATIBLE: &str = "use its OpenAI-compatible endpoint with kind: openai";
    if !section.has("kind") {
        if preset::ANTHROPIC_NAMES.contains(&name) {
            let key = section.name("kind");
            section.report.problem(key, format!("`anthropic` {NOT_SERVED}"), USE_COMPATIBLE);
            return None;
        }
        section.show_default("kind", "openai");
        return Some(ProviderKind::OpenAi);
    }
    section.parsed("kind", USE_COMPATIBLE, |found| match found.text.to_ascii_lowercase().as_str() {
        "openai" => Ok(ProviderKind::OpenAi),
        "anthropic" | "gemini" => Err(format!("`{}` {NOT_SERVED}", found.text)),
        _ => Err(format!("{} is not a kind of provider", quoted(&found.text))),
    })
}

/// The key: of the preset's variable, of the variable that `api_key_env` names, or of the file.
fn api_key(preset: Option<&Preset>, section: &mut Section<'_, '_>) -> Option<SecretString> {
    let by_env = section.text("api_key_env", 200);
    let (given, named) = (section.has("api_key"), section.name("api_key"));
    if given && by_env.is_some() {
        section.report.problem(&named, "is given beside `api_key_env`", "keep one of the two");
    }
    let preset_variable = preset.map(|preset| format!("{}_API_KEY", preset.variable));
    let variable = by_env.clone().or_else(|| preset_variable.clone());
    let problems = section.report.problems.len();
    let key = match &variable {
        Some(variable) => section.secret(("api_key", variable.clone())),
        None => section.secret("api_key"),
    };
    if key.is_none() && section.report.problems.len() == problems {
        if let Some(variable) = &by_env {
            let key = section.name("api_key_env");
            // Who pasted the key itself in place of a variable's name must not find it in a log.
            let name = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
            let shown = if variable.bytes().all(name) { variable } else { "a variable" };
            let problem = format!("names {shown}, which is not set");
            section.report.problem(key, problem, "set that variable, in the environment or in .env");
        } else if let Some(variable) = &preset_variable {
            section.report.problem(named, "is missing", format!("set {variable} or api_key_env"));
        }
    }
    key
}

fn base_url(preset: Option<&Preset>, section: &mut Section<'_, '_>) -> Option<String> {
    let variable = preset.map(|preset| format!("{}_BASE_URL", preset.variable));
    let problems = section.report.problems.len();
    let parse = |found: &crate::section::Found| url::base(&found.text);
    let given = match variable {
        Some(variable) => section.parsed(("base_url", variable), url::REMEDY, parse),
        None => section.parsed("base_url", url::REMEDY, parse),
    };
    if given.is_some() || section.report.problems.len() > problems {
        return given;
    }
    match preset {
        Some(preset) => section.show_default("base_url", preset.base_url),
        None => {
            let key = section.name("base_url");
            section.report.problem(key, "is missing", url::REMEDY);
        }
    }
    preset.map(|preset| preset.base_url.to_owned())
}

fn model_names(section: &mut Section<'_, '_>, found: crate::section::Texts) -> Vec<String> {
    let valid = |text: &String| plain_text(text, MAX_MODEL_CHARS).is_ok();
    if found.texts.len() > MAX_MODELS || !found.texts.iter().all(valid) {
        let remedy = format!("list at most {MAX_MODELS} names of 1 to {MAX_MODEL_CHARS} characters");
        section.report.problem(found.named, "has too many or malformed names", remedy);
    }
    found.texts
}
