use super::*;

fn provider(name: &str, models: &[&str], default_model: Option<&str>, test: bool) -> ProviderInfo {
    ProviderInfo {
        name: name.into(),
        models: models.iter().map(ToString::to_string).collect(),
        default_model: default_model.map(str::to_owned),
        test,
    }
}

fn model(name: &str, candidates: &[(&str, &str)]) -> Model {
    Model {
        name: name.into(),
        candidates: candidates
            .iter()
            .map(|(provider, model)| ((*provider).into(), (*model).into()))
            .collect(),
        max_output_tokens: None,
        output_limit_field: None,
    }
}

fn catalogue(providers: Vec<ProviderInfo>, models: Vec<Model>, default: Option<&str>) -> Catalogue {
    let providers = providers.into_iter().map(|provider| (Arc::clone(&provider.name), provider)).collect();
    Catalogue { providers, models, default_provider: default.map(Arc::from) }
}

/// The provider, the public name and the provider's name.
fn route(catalogue: &Catalogue, environment: Environment, name: Option<&str>) -> (String, String, String) {
    let route = catalogue.route(environment, name).unwrap();
    (route.provider.to_string(), route.model, route.upstream_model)
}

fn triple(provider: &str, model: &str, upstream_model: &str) -> (String, String, String) {
    (provider.into(), model.into(), upstream_model.into())
}

use Environment::{Live, Test};

#[test]
fn without_a_list_every_name_goes_to_the_default_provider() {
    let catalogue = catalogue(vec![provider("p", &["a", "b"], Some("b"), false)], vec![], Some("p"));
    assert_eq!(route(&catalogue, Live, Some("anything")), triple("p", "anything", "anything"));
    assert_eq!(route(&catalogue, Live, None), triple("p", "b", "b"));
    assert_eq!(catalogue.offered(Live), [("a", "p"), ("b", "p")]);
}

#[test]
fn where_no_model_is_named_the_first_listed_stands_in_or_one_must_be_named() {
    let listed = catalogue(vec![provider("p", &["a", "b"], None, false)], vec![], Some("p"));
    assert_eq!(route(&listed, Live, None), triple("p", "a", "a"));
    let none = catalogue(vec![provider("p", &[], None, false)], vec![], Some("p"));
    let refusal = none.route(Live, None).unwrap_err();
    assert!(matches!(&refusal, Refusal::Validation(errors) if errors[0].field == "model"), "{refusal:?}");
}

#[test]
fn with_a_list_other_names_are_not_found() {
    let models = vec![model("fast", &[("p", "f-1"), ("q", "f-2")]), model("slow", &[("q", "s-1")])];
    let providers = vec![provider("p", &["x"], None, false), provider("q", &[], None, false)];
    let catalogue = catalogue(providers, models, Some("p"));
    assert_eq!(route(&catalogue, Live, Some("fast")), triple("p", "fast", "f-1"));
    assert_eq!(route(&catalogue, Live, Some("slow")), triple("q", "slow", "s-1"));
    assert_eq!(route(&catalogue, Live, None), triple("p", "fast", "f-1"));
    for name in ["x", "f-1", "FAST", ""] {
        let refusal = catalogue.route(Live, Some(name)).unwrap_err();
        assert_eq!(refusal, Refusal::ModelNotFound(name.into()));
        assert_eq!((refusal.status(), refusal.code()), (404, "model_not_found"));
    }
    assert_eq!(catalogue.offered(Live), [("fast", "p"), ("slow", "q")]);
}

#[test]
fn test_keys_never_reach_a_provider_that_is_not_for_tests() {
    let providers = vec![
        provider("p", &["a"], None, false),
        provider("t", &["b"], None, true),
        provider(ECHO, &["echo"], Some("echo"), true),
    ];
    let models = vec![model("both", &[("p", "a"), ("t", "b")]), model("live", &[("p", "a")])];
    let listed = catalogue(providers.clone(), models, Some("p"));
    assert_eq!(route(&listed, Test, Some("both")), triple("t", "both", "b"));
    assert_eq!(route(&listed, Live, Some("both")), triple("p", "both", "a"));
    assert_eq!(route(&listed, Test, Some("live")), triple(ECHO, "live", "live"));
    let by_default = catalogue(providers.clone(), vec![], Some("p"));
    assert_eq!(route(&by_default, Test, Some("a")), triple(ECHO, "a", "a"));
    assert_eq!(by_default.offered(Test), [("echo", ECHO)]);
    let tested = catalogue(providers, vec![], Some("t"));
    assert_eq!(route(&tested, Test, Some("a")), triple("t", "a", "a"));
}

#[test]
fn without_a_provider_there_is_none_to_ask() {
    for (catalogue, name) in [
        (Catalogue::default(), Some("m")),
        (catalogue(vec![], vec![], Some("gone")), Some("m")),
        (catalogue(vec![], vec![model("m", &[])], None), None),
    ] {
        let refusal = catalogue.route(Live, name).unwrap_err();
        assert_eq!((refusal.status(), refusal.code()), (503, "provider_unavailable"));
        assert!(catalogue.offered(Live).is_empty());
    }
}

#[test]
fn the_output_limit_goes_by_the_name_that_the_model_knows() {
    let catalogue = catalogue(vec![provider("p", &[], None, false)], vec![], Some("p"));
    let field = |name| catalogue.route(Live, Some(name)).unwrap().output_limit_field;
    for name in ["o1", "o3-mini", "o4-mini-high", "gpt-5", "openai/gpt-5-nano"] {
        assert_eq!(field(name), OutputLimitField::MaxCompletionTokens, "{name}");
    }
    for name in ["gpt-4o", "glm-4.6", "qwen-max", "omni", "o", "x/o-model", "mistral-o1", ""] {
        assert_eq!(field(name), OutputLimitField::MaxTokens, "{name}");
    }
    let mut named = model("m", &[("p", "gpt-5")]);
    named.output_limit_field = Some(OutputLimitField::MaxTokens);
    named.max_output_tokens = Some(77);
    let listed = Catalogue { models: vec![named], ..catalogue.clone() };
    let route = listed.route(Live, Some("m")).unwrap();
    assert_eq!((route.output_limit_field, route.max_output_tokens), (OutputLimitField::MaxTokens, Some(77)));
    assert!(
        route.knows_no_other_field && !catalogue.route(Live, Some("gpt-5")).unwrap().knows_no_other_field
    );
}
