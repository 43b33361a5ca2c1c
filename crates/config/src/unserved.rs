//! Keys and variables that are known but that this version does not act on. Those whose silent absence would
//! hurt are problems, the others warnings.

use crate::report::Report;
use crate::section::Section;
use crate::source::Source;
use crate::yaml::Value;

const REFUSED_SECTIONS: &[(&str, &str)] = &[("services", "remove it; calls to its paths would be 404")];
const IGNORED_SECTIONS: &[&str] = &["billing", "webhooks", "alerts", "telemetry"];
/// Keys, and sections, whose values are checked and that nothing acts on yet.
const INERT_SECTIONS: &[&str] = &["management_limits.exports_per_hour", "retention."];
const IGNORED_VARIABLES: &[&str] = &["POLAR_ACCESS_TOKEN", "POLAR_WEBHOOK_SECRET", "POLAR_BASE_URL"];

pub(crate) fn read(root: &mut Section<'_, '_>) {
    for (key, remedy) in REFUSED_SECTIONS {
        if root.raw(key).is_some_and(|node| !is_empty(&node.value)) {
            root.report.problem(*key, "is not served by this version", *remedy);
        }
    }
    for key in IGNORED_SECTIONS {
        if root.raw(key).is_some_and(|node| !is_empty(&node.value)) {
            root.report.warnings.push(format!("{key}: this version does not act on it"));
        }
    }
    if root.report.variables.has_secret("REDIS_URL") {
        root.report.problem(
            "REDIS_URL",
            "is set, and several servers with shared limits are not served by this version",
            "unset it and run one server",
        );
    }
    for variable in IGNORED_VARIABLES {
        if root.report.variables.has_secret(variable) {
            root.report.warnings.push(format!("{variable}: this version does not act on it"));
        }
    }
}

/// Warns of settings that were made and that nothing acts on yet.
pub(crate) fn warn_of_inert(report: &mut Report) {
    let inert = |key: &str| INERT_SECTIONS.iter().any(|section| key.starts_with(section));
    let made = report.shown.iter().filter(|shown| shown.source != Source::Default && inert(&shown.key));
    let warnings: Vec<_> =
        made.map(|shown| format!("{}: this version does not act on it", shown.key)).collect();
    report.warnings.extend(warnings);
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Scalar { .. } => false,
        Value::List(items) => items.is_empty(),
        Value::Map(entries) => entries.is_empty(),
    }
}
