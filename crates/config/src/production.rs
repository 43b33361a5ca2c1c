//! What is a convenience in development and a danger in production.

use crate::config::Config;
use crate::provider::ECHO;
use crate::report::Report;
use crate::source::Source;

/// Reports what production refuses, beside what the sections know themselves (secrets, bcrypt rounds,
/// `authentication.enabled`).
pub(crate) fn check(config: &Config, report: &mut Report) {
    if !config.server.is_production() {
        return;
    }
    let given = |shown: &crate::Shown| shown.key == "server.public_url" && shown.source != Source::Default;
    let reported = report.problems.iter().any(|problem| problem.key.ends_with("PUBLIC_URL"));
    if !reported && !report.shown.iter().any(given) {
        report.problem(
            "TOLLGATE_PUBLIC_URL",
            "is missing, and must be set in production",
            "set it to the address by which users reach this server, such as https://api.example.com",
        );
    }
    for (index, provider) in config.identity_providers.iter().enumerate() {
        if !provider.issuer.to_ascii_lowercase().starts_with("https://") {
            report.problem(
                format!("identity_providers.#{}.issuer", index + 1),
                "is not https, and must be in production",
                "give the issuer's https:// address",
            );
        }
    }
    let echo_candidates = config
        .models
        .iter()
        .filter(|model| model.candidates.iter().any(|candidate| candidate.provider == ECHO));
    let mut echoing: Vec<String> = echo_candidates.map(|model| format!("models.{}", model.name)).collect();
    if config.default_provider.as_deref() == Some(ECHO) {
        echoing.push("default_provider".to_owned());
    }
    for key in echoing {
        report.problem(
            key,
            "names echo, which answers no live keys in production",
            "name a real provider; test keys reach echo without being told",
        );
    }
}
