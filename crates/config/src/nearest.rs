//! The nearest known name to a mistyped one.

/// Longest part of an unknown name that is compared.
const MAX_COMPARED_CHARS: usize = 80;
/// From this likeness on, a name of another section is worth pointing to.
const MISPLACED_LIKENESS: f64 = 0.9;
/// Below this likeness, a name of the same section is not what was meant.
const SAME_SECTION_LIKENESS: f64 = 0.6;

/// Keys that people look for in the wrong section, with the section they are in.
const SECTIONS_OF_KEYS: &[(&str, &str)] = &[
    ("allow_inexact", "cluster"),
    ("api_keys", "authentication"),
    ("bcrypt_rounds", "password"),
    ("bind", "server"),
    ("cache_size", "performance"),
    ("data_dir", "server"),
    ("default_permissions", "authentication"),
    ("environment", "server"),
    ("events_days", "retention"),
    ("grace_seconds", "shutdown"),
    ("level", "logging"),
    ("max_body_bytes", "performance"),
    ("max_concurrent_requests", "performance"),
    ("max_open", "record"),
    ("max_per_user", "keys"),
    ("max_stale_minutes", "cache"),
    ("metrics_bind", "server"),
    ("min_length", "password"),
    ("origins", "cors"),
    ("public_url", "server"),
    ("request_timeout", "performance"),
    ("require_verified_email", "registration"),
    ("tokenizer_factor", "quota"),
    ("trusted_proxies", "server"),
];

/// The problem and the remedy of an unknown key in the section `path`, whose known keys are `known`.
pub(crate) fn unknown_key(key: &str, line: usize, path: &str, known: &[&str]) -> (String, String) {
    let problem = format!("is not a known key (line {line})");
    let dotted = |section: &str, key: &str| match section {
        "" => key.to_owned(),
        section => format!("{section}.{key}"),
    };
    let here = best(key, known.iter().copied());
    let misplaced = best(key, SECTIONS_OF_KEYS.iter().map(|(key, _)| *key));
    if here.is_none_or(|(likeness, _)| likeness < SAME_SECTION_LIKENESS)
        && let Some((likeness, name)) = misplaced
        && likeness >= MISPLACED_LIKENESS
        && let Some((_, section)) = SECTIONS_OF_KEYS.iter().find(|(key, _)| *key == name)
    {
        return (problem, format!("the nearest known key is `{}`", dotted(section, name)));
    }
    let remedy = match here {
        Some((_, name)) => format!("the nearest known key is `{}`", dotted(path, name)),
        None => "remove it; nothing can stand here".to_owned(),
    };
    (problem, remedy)
}

/// The name among `names` that is most like `text`, with its likeness from 0 to 1.
pub(crate) fn best<'a>(text: &str, names: impl Iterator<Item = &'a str>) -> Option<(f64, &'a str)> {
    let text: String = text.chars().take(MAX_COMPARED_CHARS).flat_map(char::to_lowercase).collect();
    names
        .map(|name| (strsim::normalized_damerau_levenshtein(&text, &name.to_lowercase()), name))
        .max_by(|(left, _), (right, _)| left.total_cmp(right))
}

#[cfg(test)]
mod tests {
    use super::unknown_key;

    #[test]
    fn names_the_nearest_key_of_the_same_or_of_another_section() {
        let (problem, remedy) =
            unknown_key("request_timout", 4, "performance", &["request_timeout", "cache_ttl"]);
        assert!(problem.contains("line 4"));
        assert!(remedy.contains("`performance.request_timeout`"), "{remedy}");
        let (_, remedy) = unknown_key("public_url", 1, "", &["server", "quota"]);
        assert!(remedy.contains("`server.public_url`"), "{remedy}");
    }
}
