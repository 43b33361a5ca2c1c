//! Which provider answers for which model.

use std::{collections::HashMap, sync::Arc};

use tollgate_domain::Environment;

use crate::Refusal;

/// The name of the provider that answers with the caller's own words.
pub const ECHO: &str = "echo";

/// What the line knows of a provider.
#[derive(Debug, Clone)]
pub struct ProviderInfo {
    /// Its name, as configured.
    pub name: Arc<str>,
    /// The models that it lists.
    pub models: Vec<String>,
    /// The model where none is named.
    pub default_model: Option<String>,
    /// Whether test keys reach it.
    pub test: bool,
}

/// Which of its two names a provider's output limit goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputLimitField {
    /// `max_tokens`.
    MaxTokens,
    /// `max_completion_tokens`.
    MaxCompletionTokens,
}

impl OutputLimitField {
    /// The name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MaxTokens => "max_tokens",
            Self::MaxCompletionTokens => "max_completion_tokens",
        }
    }
}

/// A public model and who may answer for it.
#[derive(Debug, Clone)]
pub struct Model {
    /// Its public name.
    pub name: String,
    /// Providers and their names of it, in the order in which they are tried.
    pub candidates: Vec<(Arc<str>, String)>,
    /// The output limit where a request names none.
    pub max_output_tokens: Option<u64>,
    /// The only name of its output limit that it knows; else it goes by the caller's name, and where that
    /// names none, by one that is guessed from the model's.
    pub output_limit_field: Option<OutputLimitField>,
}

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The provider.
    pub provider: Arc<str>,
    /// The public name of the model.
    pub model: String,
    /// The provider's name of it.
    pub upstream_model: String,
    /// The output limit where the request names none.
    pub max_output_tokens: Option<u64>,
    /// The name of its output limit where the request names none.
    pub output_limit_field: OutputLimitField,
    /// Whether it knows no other name.
    pub knows_no_other_field: bool,
}

/// Providers and models as configured.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    /// Providers, by name.
    pub providers: HashMap<Arc<str>, ProviderInfo>,
    /// Public models in their order; where there are any, other names are not found.
    pub models: Vec<Model>,
    /// Where every model goes when `models` is empty.
    pub default_provider: Option<Arc<str>>,
}

impl Catalogue {
    /// Where a request for `model` goes; without a model, to the default one.
    ///
    /// # Errors
    /// `ModelNotFound`, `ProviderUnavailable`, or `Validation` where a model must be named.
    pub fn route(&self, environment: Environment, model: Option<&str>) -> Result<Route, Refusal> {
        if self.models.is_empty() {
            self.route_by_default(environment, model)
        } else {
            self.route_by_name(environment, model)
        }
    }

    fn route_by_name(&self, environment: Environment, name: Option<&str>) -> Result<Route, Refusal> {
        let model = match name {
            Some(name) => self.models.iter().find(|model| model.name == name),
            None => self.models.first(),
        };
        let model = model.ok_or_else(|| Refusal::ModelNotFound(name.unwrap_or_default().to_owned()))?;
        let reachable = |provider: &Arc<str>| environment == Environment::Live || self.is_test(provider);
        let candidate = model.candidates.iter().find(|(provider, _)| reachable(provider));
        let (provider, upstream_model) = match candidate {
            Some((provider, upstream_model)) => (Arc::clone(provider), upstream_model.clone()),
            None if environment == Environment::Test => (Arc::from(ECHO), model.name.clone()),
            None => return Err(Refusal::ProviderUnavailable),
        };
        Ok(Route {
            provider,
            output_limit_field: model.output_limit_field.unwrap_or_else(|| field_of(&upstream_model)),
            knows_no_other_field: model.output_limit_field.is_some(),
            upstream_model,
            model: model.name.clone(),
            max_output_tokens: model.max_output_tokens,
        })
    }

    fn route_by_default(&self, environment: Environment, name: Option<&str>) -> Result<Route, Refusal> {
        let provider = self.provider_for(environment).ok_or(Refusal::ProviderUnavailable)?;
        let model = match name {
            Some(name) => name,
            None => provider
                .default_model
                .as_ref()
                .or_else(|| provider.models.first())
                .ok_or_else(|| missing_model("no model is the default here"))?,
        };
        Ok(Route {
            provider: Arc::clone(&provider.name),
            model: model.to_owned(),
            upstream_model: model.to_owned(),
            max_output_tokens: None,
            output_limit_field: field_of(model),
            knows_no_other_field: false,
        })
    }

    fn provider_for(&self, environment: Environment) -> Option<&ProviderInfo> {
        let default = self.default_provider.as_ref().and_then(|name| self.providers.get(name));
        match environment {
            Environment::Live => default,
            Environment::Test => {
                default.filter(|provider| provider.test).or_else(|| self.providers.get(ECHO))
            }
        }
    }

    fn is_test(&self, provider: &Arc<str>) -> bool {
        self.providers.get(provider).is_some_and(|provider| provider.test)
    }

    /// The models that are offered, each with its provider's name.
    pub fn offered(&self, environment: Environment) -> Vec<(&str, &str)> {
        if self.models.is_empty() {
            let provider = self.provider_for(environment);
            return provider.map_or_else(Vec::new, |provider| {
                provider.models.iter().map(|model| (model.as_str(), provider.name.as_ref())).collect()
            });
        }
        self.models
            .iter()
            .map(|model| {
                let provider = model.candidates.first().map_or(ECHO, |(provider, _)| provider.as_ref());
                (model.name.as_str(), provider)
            })
            .filter(|(_, provider)| self.providers.contains_key(*provider))
            .collect()
    }
}

fn missing_model(why: &str) -> Refusal {
    let message = format!("name a model; {why}");
    Refusal::Validation(vec![crate::FieldError::new("model", "missing", message)])
}

/// OpenAI's reasoning models refuse `max_tokens`; everybody else's know nothing else.
fn field_of(upstream_model: &str) -> OutputLimitField {
    let name = upstream_model.rsplit('/').next().unwrap_or(upstream_model);
    let reasoning = ["o1", "o3", "o4", "gpt-5"];
    if reasoning.iter().any(|prefix| name.starts_with(prefix)) {
        OutputLimitField::MaxCompletionTokens
    } else {
        OutputLimitField::MaxTokens
    }
}

#[cfg(test)]
mod tests;
