//! From configured providers, models and prices to what the adapters and the line take.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tollgate_billing::{ModelPrice, PriceBook, price::DefaultPrices};
use tollgate_config::{Config, OutputLimitField};
use tollgate_gate::{
    Catalogue, Model, ProviderInfo,
    catalogue::{ECHO, OutputLimitField as Field},
};
use tollgate_providers::{Provider, ProviderKind};

/// How long echo may take; it needs none.
const ECHO_TIMEOUT: Duration = Duration::from_secs(1);

/// Every provider that can be called; test keys always have `echo`.
pub fn providers(config: &Config) -> Vec<Provider> {
    let configured = config.providers.iter().map(|provider| Provider {
        name: provider.name.clone(),
        kind: ProviderKind::OpenAi { base_url: provider.base_url.clone(), api_key: provider.api_key.clone() },
        timeout: Duration::from_secs(provider.timeout_seconds.into()),
    });
    let echo = Provider { name: ECHO.to_owned(), kind: ProviderKind::Echo, timeout: ECHO_TIMEOUT };
    configured.chain([echo]).collect()
}

/// Who answers for which model.
pub fn catalogue(config: &Config) -> Catalogue {
    let configured = config.providers.iter().map(|provider| ProviderInfo {
        name: Arc::from(provider.name.as_str()),
        models: provider.models.clone(),
        default_model: provider.default_model.clone(),
        test: provider.test,
    });
    let echo = ProviderInfo {
        name: Arc::from(ECHO),
        models: vec![ECHO.to_owned()],
        default_model: Some(ECHO.to_owned()),
        test: true,
    };
    let default = config.default_provider.as_deref();
    Catalogue {
        providers: configured.chain([echo]).map(|info| (Arc::clone(&info.name), info)).collect(),
        models: config.models.iter().map(model).collect(),
        default_provider: default.or(config.echo_for_live.then_some(ECHO)).map(Arc::from),
    }
}

fn model(model: &tollgate_config::Model) -> Model {
    Model {
        name: model.name.clone(),
        candidates: model
            .candidates
            .iter()
            .map(|candidate| (Arc::from(candidate.provider.as_str()), candidate.model.clone()))
            .collect(),
        max_output_tokens: model.max_output_tokens,
        output_limit_field: model.output_limit_field.map(|field| match field {
            OutputLimitField::MaxTokens => Field::MaxTokens,
            OutputLimitField::MaxCompletionTokens => Field::MaxCompletionTokens,
        }),
    }
}

/// What tokens cost.
pub fn prices(config: &Config) -> PriceBook {
    let price = |price: &tollgate_config::ModelPrice| ModelPrice {
        input: price.input,
        cached_input: price.cached_input,
        output: price.output,
    };
    let models: HashMap<_, _> =
        config.pricing.models.iter().map(|model| (model.name.clone(), price(model))).collect();
    PriceBook { models, defaults: config.pricing.defaults.then(DefaultPrices::default) }
}
