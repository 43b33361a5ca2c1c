//! `quota`: how much a request holds before it is forwarded.

use crate::decimal;
use crate::report::quoted;
use crate::section::Section;

/// Most tokens that a request's output or an image may be counted as.
const MAX_TOKENS: u64 = 10_000_000;
/// Decimal places of `quota.tokenizer_factor`.
const FACTOR_PLACES: usize = 3;
const DEFAULT_FACTOR_THOUSANDTHS: u32 = 1_500;

/// How much a request holds before it is forwarded.
#[derive(Debug, Clone)]
pub struct Quota {
    /// The output limit, in tokens, of a request that names none to a model that has none.
    pub default_output_tokens: u64,
    /// What a tokenizer's count is multiplied by to be an upper bound, in thousandths.
    pub tokenizer_factor_thousandths: u32,
    /// What an image is counted as, in tokens.
    pub image_tokens: u64,
}

pub(crate) fn read(root: &mut Section<'_, '_>) -> Quota {
    root.section("quota", |section| {
        let default_output_tokens = section.integer("default_output_tokens", 4_096, 1..=MAX_TOKENS);
        let factor = section.parsed("tokenizer_factor", "give a decimal from 1 to 100", |found| {
            if !found.plain {
                return Err(format!("{} is not a number", quoted(&found.text)));
            }
            let thousandths = decimal::scaled(&found.text, FACTOR_PLACES)
                .map_err(|what| format!("{} {what}", quoted(&found.text)))?;
            u32::try_from(thousandths)
                .ok()
                .filter(|factor| (1_000..=100_000).contains(factor))
                .ok_or_else(|| format!("{} is out of range", quoted(&found.text)))
        });
        section.show_default("tokenizer_factor", "1.5");
        Quota {
            default_output_tokens,
            tokenizer_factor_thousandths: factor.unwrap_or(DEFAULT_FACTOR_THOUSANDTHS),
            image_tokens: section.integer("image_tokens", 4_096, 0..=MAX_TOKENS),
        }
    })
}
