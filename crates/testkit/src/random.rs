//! Randomness that is the same every time.

use std::sync::{Mutex, PoisonError};

use tollgate_domain::Randomness;

/// Bytes from a seed (SplitMix64). Anybody can guess them: for tests only.
#[derive(Debug)]
pub struct SeededRandomness {
    state: Mutex<u64>,
}

impl SeededRandomness {
    /// The same seed gives the same bytes, in the same order.
    pub const fn new(seed: u64) -> Self {
        Self { state: Mutex::new(seed) }
    }
}

impl Default for SeededRandomness {
    fn default() -> Self {
        Self::new(1)
    }
}

impl Randomness for SeededRandomness {
    fn fill(&self, buffer: &mut [u8]) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for piece in buffer.chunks_mut(8) {
            *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut mixed = *state;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            mixed ^= mixed >> 31;
            piece.copy_from_slice(&mixed.to_le_bytes()[..piece.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use tollgate_domain::random::bytes;

    use super::*;

    #[test]
    fn one_seed_gives_one_sequence() {
        let (a, b, c) = (SeededRandomness::new(7), SeededRandomness::new(7), SeededRandomness::new(8));
        let first: [u8; 20] = bytes(&a);
        assert_eq!(first, bytes(&b));
        assert_ne!(first, bytes(&a));
        assert_ne!(first, bytes(&c));
    }
}
