//! What reading a configuration gathers beside the values: problems, warnings, and where each value came from.

use crate::problem::Problem;
use crate::source::{Shown, Source};
use crate::variable::Variables;

/// Longest piece of a value that a problem repeats.
const MAX_QUOTED_CHARS: usize = 60;

pub(crate) struct Report {
    pub(crate) variables: Variables,
    pub(crate) problems: Vec<Problem>,
    pub(crate) warnings: Vec<String>,
    pub(crate) shown: Vec<Shown>,
}

impl Report {
    pub(crate) fn problem(
        &mut self,
        key: impl Into<String>,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.problems.push(Problem { key: key.into(), problem: problem.into(), remedy: remedy.into() });
    }

    pub(crate) fn show(&mut self, key: impl Into<String>, value: impl Into<String>, source: Source) {
        self.shown.push(Shown { key: key.into(), value: value.into(), source });
    }
}

/// A value as a problem may repeat it: short, and on one line.
pub(crate) fn quoted(value: &str) -> String {
    let short: String = value.chars().take(MAX_QUOTED_CHARS).collect();
    let dots = if short.len() < value.len() { "…" } else { "" };
    format!("`{}{dots}`", short.escape_debug())
}
