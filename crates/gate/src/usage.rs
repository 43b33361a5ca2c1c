//! From what a provider reported and what was delivered to what is charged.

use tollgate_domain::{Tokens, UsageSource};

use crate::{tokenizer, upstream::ReportedUsage};

/// Text that waits to be counted; beyond it, it is counted and let go.
const MAX_WAITING_TEXT_BYTES: usize = 16 * 1024;
/// Text that is counted on a worker at once, some milliseconds' work; beyond it, on a thread of its own.
pub(crate) const MAX_TEXT_ON_WORKER: usize = 64 * 1024;

/// What was delivered. Each word is counted once, however often one asks.
#[derive(Debug, Default)]
pub(crate) struct Observed {
    waiting: String,
    counted: u64,
}

impl Observed {
    /// Notes text that was delivered.
    pub fn add(&mut self, text: &str) {
        self.waiting.push_str(text);
        if self.waiting.len() > MAX_WAITING_TEXT_BYTES && !self.is_long() {
            self.count_words();
            if self.waiting.len() > MAX_WAITING_TEXT_BYTES {
                self.count_as(tokenizer::count);
            }
        }
    }

    /// Counts what waits, but for its last word, which may not be whole yet.
    pub fn count_words(&mut self) {
        let words = tokenizer::whole_words(&self.waiting);
        self.counted = self.counted.saturating_add(tokenizer::count(words));
        self.waiting.drain(..words.len());
    }

    /// Whether more waits than a worker should count.
    pub const fn is_long(&self) -> bool {
        self.waiting.len() > MAX_TEXT_ON_WORKER
    }

    /// What is not counted yet.
    pub fn uncounted(&self) -> &str {
        &self.waiting
    }

    /// Takes the count of what waits from elsewhere.
    pub fn count_as(&mut self, count: impl FnOnce(&str) -> u64) {
        self.counted = self.counted.saturating_add(count(&self.waiting));
        self.waiting.clear();
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
        // Some count reasoning in the total alone.
        (Some(prompt), Some(completion), Some(total)) if total > prompt.saturating_add(completion) => {
            Some((of(prompt, total.saturating_sub(prompt)), UsageSource::Derived))
        }
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

/// The counts where the provider's words do not suffice: as far as they go, and for the rest the tokenizer's
/// over what was delivered, and the prompt's estimate.
pub(crate) fn from_observation(
    report: Option<&ReportedUsage>,
    observed: &Observed,
    prompt_estimate: impl FnOnce() -> u64,
) -> (Tokens, UsageSource) {
    let report = report.copied().unwrap_or_default();
    let completion = report.completion.unwrap_or_else(|| observed.tokens());
    let prompt = report.prompt.unwrap_or_else(prompt_estimate);
    let source = if completion == 0 { UsageSource::Estimated } else { UsageSource::Observed };
    let of = |prompt, completion, source| {
        let (prompt, completion) = (Some(prompt), Some(completion));
        (Tokens { prompt, completion, cached: report.cached, reasoning: report.reasoning }, source)
    };
    match (report.prompt, report.completion, report.total) {
        // The sum is the provider's, only its division is not.
        (None, None, Some(total)) => {
            let prompt = prompt.min(total);
            of(prompt, total.saturating_sub(prompt), UsageSource::Derived)
        }
        _ => of(prompt, completion, source),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn report(prompt: Option<u64>, completion: Option<u64>, total: Option<u64>) -> ReportedUsage {
        ReportedUsage { prompt, completion, total, ..ReportedUsage::default() }
    }

    #[test]
    fn what_is_missing_is_derived_from_the_total_or_unknown() {
        let source = |report| from_report(&report).map(|(tokens, source)| (tokens.total(), source));
        assert_eq!(source(report(Some(3), Some(4), None)), Some((Some(7), UsageSource::Reported)));
        assert_eq!(source(report(Some(0), Some(0), None)), Some((Some(0), UsageSource::Reported)));
        assert_eq!(source(report(Some(20), Some(198), Some(623))), Some((Some(623), UsageSource::Derived)));
        assert_eq!(source(report(Some(3), None, Some(9))), Some((Some(9), UsageSource::Derived)));
        assert_eq!(source(report(Some(9), None, Some(3))), None);
        assert_eq!(source(report(Some(3), None, None)), None);
    }

    #[test]
    fn what_the_provider_said_counts_as_far_as_it_goes() {
        let mut observed = Observed::default();
        observed.add("hello world");
        let of = |report: Option<_>| {
            let (tokens, source) = from_observation(report.as_ref(), &observed, || 30);
            (tokens.prompt.unwrap(), tokens.completion.unwrap(), source)
        };
        assert_eq!(of(None), (30, 2, UsageSource::Observed));
        assert_eq!(of(Some(report(Some(9), None, None))), (9, 2, UsageSource::Observed));
        assert_eq!(of(Some(report(None, Some(5), None))), (30, 5, UsageSource::Observed));
        assert_eq!(of(Some(report(None, Some(0), None))), (30, 0, UsageSource::Estimated));
        assert_eq!(of(Some(report(None, None, Some(50)))), (30, 20, UsageSource::Derived));
        assert_eq!(of(Some(report(None, None, Some(7)))), (7, 0, UsageSource::Derived));
        assert_eq!(of(Some(report(None, None, Some(0)))), (0, 0, UsageSource::Derived));
        // A total below its parts is no total.
        assert_eq!(of(Some(report(Some(9), None, Some(3)))), (9, 2, UsageSource::Observed));
    }

    #[test]
    fn long_answers_are_counted_in_pieces() {
        let mut observed = Observed::default();
        for _ in 0..20_000 {
            observed.add("hello world, ");
            assert!(observed.waiting.len() <= MAX_WAITING_TEXT_BYTES);
        }
        assert_eq!(observed.tokens(), tokenizer::count(&"hello world, ".repeat(20_000)));
        // Where no word ends, a cut between two pieces costs a token at most.
        let mut observed = Observed::default();
        for _ in 0..20_000 {
            observed.add("0123456789");
            assert!(observed.waiting.len() <= MAX_WAITING_TEXT_BYTES);
        }
        let (tokens, whole) = (observed.tokens(), tokenizer::count(&"0123456789".repeat(20_000)));
        assert!((whole..=whole + 20).contains(&tokens), "{tokens} for {whole}");
    }

    #[test]
    fn a_piece_too_long_for_a_worker_waits_to_be_counted_elsewhere() {
        let mut observed = Observed::default();
        observed.add("hello ");
        observed.add(&"x".repeat(MAX_TEXT_ON_WORKER));
        assert!(observed.is_long());
        let text = observed.uncounted().to_owned();
        observed.count_as(|waiting| {
            assert_eq!(waiting, text);
            7
        });
        observed.add("hello");
        assert!(!observed.is_long());
        assert_eq!(observed.tokens(), 8);
    }

    proptest! {
        #[test]
        fn looking_often_changes_no_count(
            pieces in proptest::collection::vec("[ a-z0-9.,'\n\u{e9}\u{4e16}\u{3000}]{0,12}", 0..40),
        ) {
            let mut observed = Observed::default();
            for piece in &pieces {
                observed.add(piece);
                observed.count_words();
            }
            prop_assert_eq!(observed.tokens(), tokenizer::count(&pieces.concat()));
        }
    }
}
