//! Whatever the files and variables hold: an answer, never a panic.

use crate::support::Case;
use proptest::prelude::*;

const KEYS: &[&str] = &[
    "server",
    "bind",
    "providers",
    "openai",
    "models",
    "candidates",
    "provider",
    "authentication",
    "api_keys",
    "permissions",
    "pricing",
    "input",
    "quota",
    "tokenizer_factor",
    "tiers",
    "free",
    "minute",
    "cors",
    "origins",
    "secrets",
    "jwt",
    "database",
    "url",
    "default_provider",
    "services",
    "x",
];

const VARIABLES: &[&str] = &[
    "DATABASE_URL",
    "TOLLGATE_BIND",
    "TOLLGATE_PUBLIC_URL",
    "TOLLGATE_TRUSTED_PROXIES",
    "JWT_SECRET_KEY",
    "JWT_SECRET_KEY_FILE",
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "BCRYPT_ROUNDS",
    "TOLLGATE_CONFIG",
];

/// Flow-style YAML of known keys in unlikely places.
fn yaml() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("~".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>().prop_map(|number| number.to_string()),
        any::<bool>().prop_map(|truth| truth.to_string()),
        "[a-z:/.*@0-9-]{0,12}".prop_map(|text| format!("'{text}'")),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        let key = prop::sample::select(KEYS);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(", "))),
            prop::collection::btree_map(key, inner, 0..6).prop_map(|entries| {
                let entries: Vec<_> =
                    entries.into_iter().map(|(key, value)| format!("{key}: {value}")).collect();
                format!("{{{}}}", entries.join(", "))
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_answered(config in "\\PC{0,200}|(?s).{0,60}", dotenv in "(?s)[A-Z_=#'\"\\\\$ {}a\n\r]{0,80}|(?s).{0,60}") {
        let _answer = Case::new().file("config.yaml", &config).file(".env", &dotenv).load();
    }

    #[test]
    fn any_structure_is_answered(config in yaml()) {
        let _answer = Case::new().file("config.yaml", &config).load();
    }

    #[test]
    fn any_variable_is_answered(values in prop::collection::vec((prop::sample::select(VARIABLES), ".{0,40}"), 0..6)) {
        let mut case = Case::new();
        for (name, value) in values {
            case = case.var(name, &value);
        }
        let _answer = case.load();
    }
}
