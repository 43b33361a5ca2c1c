//! Latencies as counts in fixed buckets, because percentiles of parts do not add up and counts do.
//!
//! Buckets are exact up to 15 ms, then sixteen to each doubling: a percentile read from them is at most
//! one sixteenth too high.

/// The highest bucket; longer times are counted in it.
pub const MAX_BUCKET: u16 = 511;
const SUB_BITS: u32 = 4;

/// The bucket of a duration of `ms` milliseconds.
pub fn bucket_of(ms: u64) -> u16 {
    let exact = 1 << SUB_BITS;
    let number = if ms < exact {
        ms
    } else {
        let shift = ms.ilog2().saturating_sub(SUB_BITS);
        (ms >> shift).saturating_add(u64::from(shift).saturating_mul(exact))
    };
    u16::try_from(number).map_or(MAX_BUCKET, |number| number.min(MAX_BUCKET))
}

/// The longest duration that falls into `bucket`, in milliseconds.
pub fn upper_ms(bucket: u16) -> u64 {
    let number = u64::from(bucket.min(MAX_BUCKET));
    let exact = 1 << SUB_BITS;
    if number < exact {
        return number;
    }
    let shift = number.div_euclid(exact).saturating_sub(1);
    let mantissa = number.saturating_sub(shift.saturating_mul(exact));
    (mantissa.saturating_add(1) << shift).saturating_sub(1)
}

/// The duration in milliseconds that `percent` of all counted requests did not exceed; `counts` are
/// (bucket, requests) in ascending order. `None` when nothing was counted.
pub fn percentile(counts: &[(u16, u64)], percent: u64) -> Option<u64> {
    let total = counts.iter().fold(0_u64, |sum, (_, count)| sum.saturating_add(*count));
    let rank = total.saturating_mul(percent).div_ceil(100).max(1);
    let mut seen = 0_u64;
    counts.iter().find_map(|(bucket, count)| {
        seen = seen.saturating_add(*count);
        (seen >= rank).then(|| upper_ms(*bucket))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn percentiles_of_a_few() {
        let counts = [(bucket_of(1), 98), (bucket_of(10), 1), (bucket_of(1_000), 1)];
        assert_eq!(percentile(&counts, 50), Some(1));
        assert_eq!(percentile(&counts, 99), Some(10));
        assert!((1_000..1_063).contains(&percentile(&counts, 100).unwrap()));
        assert_eq!(percentile(&[], 50), None);
    }

    proptest! {
        #[test]
        fn a_duration_lies_within_its_bucket(ms in 0_u64..10_000_000_000) {
            let bucket = bucket_of(ms);
            prop_assert!(upper_ms(bucket) >= ms);
            prop_assert!(upper_ms(bucket) <= ms + ms / 16);
            prop_assert!(bucket == 0 || upper_ms(bucket - 1) < ms);
        }
    }
}
