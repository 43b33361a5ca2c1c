//! Counting tokens where nobody else did, with OpenAI's `o200k_base` vocabulary.
//!
//! Linear in the text whatever stands in it (`bpe`'s algorithm), so that no prompt can stall a worker for
//! longer than its length explains. Loaded at its first use, which takes a part of a second and some ten
//! megabytes: [`warm_up`].

/// The longest token of the vocabulary (a run of spaces), in bytes: no text has fewer tokens than its
/// bytes over this.
pub const LONGEST_TOKEN_BYTES: usize = 128;
/// The most text that is read for an estimate.
const MAX_ESTIMATED_BYTES: usize = 64 * 1024;

/// Loads the vocabulary. Blocks for a part of a second: for a thread that may.
pub fn warm_up() {
    bpe_openai::o200k_base();
}

/// The beginning of `text` up to its last word: no token reaches over that end, so that the counts of both
/// parts add up to the whole's.
pub fn whole_words(text: &str) -> &str {
    // The vocabulary is applied to words, and a space before a word is its first character.
    let ends = text.rmatch_indices(' ').map(|(at, _)| text.split_at(at));
    let begins_word = |rest: &str| rest.chars().nth(1).is_some_and(|next| !next.is_whitespace());
    ends.filter(|(_, rest)| begins_word(rest)).map(|(words, _)| words).next().unwrap_or_default()
}

/// About as many tokens as `text` has: of a long text, its beginning is counted and taken for the rest.
pub fn estimate(text: &str) -> u64 {
    let read = text.floor_char_boundary(MAX_ESTIMATED_BYTES);
    let (start, length) = (text.get(..read).unwrap_or(text), text.len());
    let to_u64 = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
    count(start).saturating_mul(to_u64(length)).div_ceil(to_u64(read).max(1))
}

/// Tokens of `text`.
pub fn count(text: &str) -> u64 {
    u64::try_from(bpe_openai::o200k_base().count(text)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_token_is_longer_than_the_bound() {
        let bpe = &bpe_openai::o200k_base().bpe;
        let tokens = u32::try_from(bpe.num_tokens()).unwrap();
        let longest = (0..tokens).map(|token| bpe.token_len(token)).max().unwrap();
        assert!(longest <= LONGEST_TOKEN_BYTES, "{longest}");
    }

    #[test]
    fn long_texts_are_taken_for_their_beginning() {
        let text = "hello world, ".repeat(50_000);
        let (exact, estimated) = (count(&text), estimate(&text));
        assert!(exact.abs_diff(estimated) * 100 < exact, "{estimated} for {exact}");
        assert_eq!(estimate("hello world"), count("hello world"));
        assert_eq!(estimate(""), 0);
    }
}
