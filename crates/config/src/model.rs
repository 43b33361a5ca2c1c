//! `models` and `default_provider`: which provider answers for which name.

use crate::provider::{ECHO, MAX_MODEL_CHARS, Provider};
use crate::report::quoted;
use crate::section::Section;
use crate::source::{Source, UNSET};
use crate::yaml::{Node, Value};

/// Most public names.
const MAX_MODELS: usize = 10_000;
/// Most candidates of one name.
const MAX_CANDIDATES: usize = 20;
/// The highest output limit, in tokens.
const MAX_OUTPUT_TOKENS: u64 = 10_000_000;

/// A public name of a model and who answers for it, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// The name that callers use.
    pub name: String,
    /// Who answers for it; the first is asked first. Not empty.
    pub candidates: Vec<Candidate>,
    /// The output limit, in tokens, of requests that name none.
    pub max_output_tokens: Option<u64>,
    /// Which field carries the output limit upstream; unset: the one that the caller used.
    pub output_limit_field: Option<OutputLimitField>,
}

/// One provider's model behind a public name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// A configured provider, or `echo`.
    pub provider: String,
    /// What the provider calls the model.
    pub model: String,
}

/// The field of OpenAI's API that carries an output limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputLimitField {
    /// `max_tokens`.
    MaxTokens,
    /// `max_completion_tokens`.
    MaxCompletionTokens,
}

pub(crate) fn read(root: &mut Section<'_, '_>, providers: &[Provider]) -> Vec<Model> {
    let entries = root.map_entries("models");
    if entries.len() > MAX_MODELS {
        root.report.problem("models", format!("has more than {MAX_MODELS} entries"), "remove some");
        return Vec::new();
    }
    let models: Vec<Model> = entries.iter().map(|(name, node)| model(root, name, node)).collect();
    for model in &models {
        check(root, model, providers);
    }
    models
}

fn model(root: &mut Section<'_, '_>, name: &str, node: &Node) -> Model {
    let path = format!("models.{name}");
    let mut model = Model {
        name: name.to_owned(),
        candidates: Vec::new(),
        max_output_tokens: None,
        output_limit_field: None,
    };
    if matches!(node.value, Value::List(_)) {
        model.candidates = candidates(root, &path, node);
    } else {
        Section::read(root.report, &path, Some(node), |section| {
            if let Some(node) = section.raw("candidates") {
                model.candidates = candidates(section, &format!("{path}.candidates"), node);
            }
            model.max_output_tokens = section.optional_integer("max_output_tokens", 1..=MAX_OUTPUT_TOKENS);
            let fields = [
                ("max_tokens", Some(OutputLimitField::MaxTokens)),
                ("max_completion_tokens", Some(OutputLimitField::MaxCompletionTokens)),
            ];
            if section.has("output_limit_field") {
                model.output_limit_field = section.choice("output_limit_field", None, &fields);
            }
        });
    }
    let list: Vec<String> = model.candidates.iter().map(|c| format!("{}/{}", c.provider, c.model)).collect();
    root.report.show(path, list.join(", "), Source::File { line: node.line });
    model
}

fn candidates(section: &mut Section<'_, '_>, path: &str, node: &Node) -> Vec<Candidate> {
    const REMEDY: &str = "list one `{provider: NAME, model: NAME}` an entry, the first choice first";
    let Value::List(nodes) = &node.value else {
        let problem = format!("is {}, where a list of candidates is expected", node.value.kind());
        section.report.problem(path, problem, REMEDY);
        return Vec::new();
    };
    if nodes.len() > MAX_CANDIDATES {
        section.report.problem(path, format!("has more than {MAX_CANDIDATES} candidates"), "remove some");
    }
    let mut candidates = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        let path = format!("{path}.#{}", index + 1);
        candidates.extend(Section::read(section.report, &path, Some(node), |section| {
            let problems = section.report.problems.len();
            let provider = section.text("provider", MAX_MODEL_CHARS);
            let model = section.text("model", MAX_MODEL_CHARS);
            if (provider.is_none() || model.is_none()) && section.report.problems.len() == problems {
                section.report.problem(&path, "lacks its provider or its model", REMEDY);
            }
            Some(Candidate { provider: provider?, model: model? })
        }));
    }
    candidates
}

fn check(root: &mut Section<'_, '_>, model: &Model, providers: &[Provider]) {
    let key = format!("models.{}", model.name);
    if model.name.is_empty() || model.name.chars().count() > MAX_MODEL_CHARS {
        let remedy = format!("give a name of 1 to {MAX_MODEL_CHARS} characters");
        root.report.problem(key.as_str(), "is not a name for a model", remedy);
    }
    if model.candidates.is_empty()
        && !root.report.problems.iter().any(|problem| problem.key.starts_with(&key))
    {
        root.report.problem(key.as_str(), "has no candidates", "list at least one `{provider: …, model: …}`");
    }
    for candidate in &model.candidates {
        check_provider(root, &key, &candidate.provider, providers);
    }
}

/// Checks that a provider that is referred to exists, and that echo is never mixed with real ones.
fn check_provider(root: &mut Section<'_, '_>, key: &str, name: &str, providers: &[Provider]) {
    if name == ECHO {
        if !providers.is_empty() {
            let problem = "names echo, which is never mixed with real providers";
            root.report.problem(key, problem, "name one of the configured providers");
        }
        return;
    }
    // A provider that the file has but that is a problem itself has been reported already.
    let in_file = format!("providers.{name}.");
    let reported = || root.report.problems.iter().any(|problem| problem.key.starts_with(&in_file));
    if providers.iter().any(|provider| provider.name == name) || reported() {
        return;
    }
    let known: Vec<&str> = providers.iter().map(|provider| provider.name.as_str()).collect();
    let remedy = match known.as_slice() {
        [] => "configure a provider: set its <NAME>_API_KEY or add it under `providers:`".to_owned(),
        known => format!("name one of: {}", known.join(", ")),
    };
    root.report.problem(key, format!("names {}, which is no configured provider", quoted(name)), remedy);
}

/// The provider of names that `models` does not hold: the configured one, else the first.
pub(crate) fn default_provider(root: &mut Section<'_, '_>, providers: &[Provider]) -> Option<String> {
    let given = root.text("default_provider", MAX_MODEL_CHARS);
    if let Some(name) = &given {
        check_provider(root, "default_provider", name, providers);
    }
    let chosen = given.or_else(|| providers.first().map(|provider| provider.name.clone()));
    root.show_default("default_provider", chosen.as_deref().unwrap_or(UNSET));
    chosen
}
