//! From what a provider reported and what was delivered to what is charged.

use tollgate_domain::{Tokens, UsageSource};

use crate::{tokenizer, upstream::ReportedUsage};

/// Text that waits to be counted; beyond it, it is counted and let go.
const MAX_WAITING_TEXT_BYTES: usize = 64 * 1024;

/// What was delivered, counted only if nobody reports.
#[derive(Debug, Default)]
pub(crate) struct Observed {
    waiting: String,
    counted: u64,
}

impl Observed {
    /// Notes text that was delivered.
    pub fn add(&mut self, text: &str) {
        self.waiting.push_str(text);
        if self.waiting.len() > MAX_WAITING_TEXT_BYTES {
            self.counted = self.tokens();
            self.waiting.clear();
        }
    }

    /// Tokens of everything delivered.
    pub fn tokens(&self) -> u64 {
        if self.waiting.is_empty() {
            self.counted
        } else {
            self.counted.saturating_add(tokenizer::count(&self.waiting))
        }
    }
}

/// The counts that the provider's words give; `None` where they do not suffice.
pub(crate) fn from_report(report: &ReportedUsage) -> Option<(Tokens, UsageSource)> {
    let of = |prompt, completion| Tokens {
        prompt: Some(prompt),
        completion: Some(completion),
        cached: report.cached,
        reasoning: report.reasoning,
    };
    match (report.prompt, report.completion, report.total) {
        (Some(prompt), Some(completion), _) => Some((of(prompt, completion), UsageSource::Reported)),
        (Some(prompt), None, Some(total)) => {
            total.checked_sub(prompt).map(|rest| (of(prompt, rest), UsageSource::Derived))
        }
        (None, Some(completion), Some(total)) => {
            total.checked_sub(completion).map(|rest| (of(rest, completion), UsageSource::Derived))
        }
        _ => None,
    }
}

/// The counts where nobody reported: the tokenizer's over what was delivered, and the prompt as reported
/// early or else estimated.
pub(crate) fn from_observation(
    report: Option<&ReportedUsage>,
    observed: &Observed,
    prompt_estimate: impl FnOnce() -> u64,
) -> (Tokens, UsageSource) {
    let completion = observed.tokens();
    let prompt = report.and_then(|report| report.prompt).unwrap_or_else(prompt_estimate);
    let source = if completion == 0 { UsageSource::Estimated } else { UsageSource::Observed };
    (Tokens { prompt: Some(prompt), completion: Some(completion), ..Tokens::default() }, source)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(prompt: Option<u64>, completion: Option<u64>, total: Option<u64>) -> ReportedUsage {
        ReportedUsage { prompt, completion, total, ..ReportedUsage::default() }
    }

    #[test]
    fn what_is_missing_is_derived_from_the_total_or_unknown() {
        let source = |report| from_report(&report).map(|(tokens, source)| (tokens.total(), source));
        assert_eq!(source(report(Some(3), Some(4), None)), Some((Some(7), UsageSource::Reported)));
        assert_eq!(source(report(Some(0), Some(0), None)), Some((Some(0), UsageSource::Reported)));
        assert_eq!(source(report(Some(3), None, Some(9))), Some((Some(9), UsageSource::Derived)));
        assert_eq!(source(report(Some(9), None, Some(3))), None);
        assert_eq!(source(report(Some(3), None, None)), None);
    }

    #[test]
    fn long_answers_are_counted_in_pieces() {
        let mut observed = Observed::default();
        for _ in 0..20_000 {
            observed.add("hello world, ");
        }
        assert!(observed.waiting.len() <= MAX_WAITING_TEXT_BYTES);
        let tokens = observed.tokens();
        assert!((59_000..=61_000).contains(&tokens), "{tokens}");
    }
}
