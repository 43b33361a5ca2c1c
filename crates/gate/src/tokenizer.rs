//! Counting tokens where nobody else did, with OpenAI's `o200k_base` vocabulary.
//!
//! Linear in the text whatever stands in it (`bpe`'s algorithm), so that no prompt can stall a worker for
//! longer than its length explains. Loaded at its first use.

/// Tokens of `text`.
pub fn count(text: &str) -> u64 {
    u64::try_from(bpe_openai::o200k_base().count(text)).unwrap_or(u64::MAX)
}
