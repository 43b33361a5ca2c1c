//! CRC-32 (ISO-HDLC, as in zip and GitHub's tokens) in six base62 digits.

/// Digits of a checksum: 62^6 is more than 2^32.
pub const DIGITS: usize = 6;

/// The checksum of `text`, zero-padded.
pub fn of(text: &str) -> String {
    let mut rest = crc32(text.as_bytes());
    let mut digits = ['0'; DIGITS];
    for place in digits.iter_mut().rev() {
        *place = super::digit(rest % 62);
        rest /= 62;
    }
    digits.into_iter().collect()
}

/// Whether the last six characters of `text` are the checksum of those before.
pub fn fits(text: &str) -> bool {
    text.len()
        .checked_sub(DIGITS)
        .and_then(|end| text.split_at_checked(end))
        .is_some_and(|(body, sum)| of(body) == sum)
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xEDB8_8320 & 0_u32.wrapping_sub(crc & 1));
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_standard_check_value() {
        assert_eq!(super::crc32(b"123456789"), 0xCBF4_3926);
    }
}
