//! CRC-32 (ISO-HDLC, as in zip and GitHub's tokens) in six base62 digits.

/// Digits of a checksum: 62^6 is more than 2^32.
pub const DIGITS: usize = 6;

/// The checksum of `text`, zero-padded.
pub fn of(text: &str) -> String {
    digits(text).into_iter().collect()
}

fn digits(text: &str) -> [char; DIGITS] {
    let mut rest = crc32(text.as_bytes());
    let mut digits = ['0'; DIGITS];
    for place in digits.iter_mut().rev() {
        *place = super::digit(rest % 62);
        rest /= 62;
    }
    digits
}

/// Whether the last six characters of `text` are the checksum of those before.
pub fn fits(text: &str) -> bool {
    text.len()
        .checked_sub(DIGITS)
        .and_then(|end| text.split_at_checked(end))
        .is_some_and(|(body, sum)| sum.chars().eq(digits(body)))
}

/// What each byte changes in the checksum.
const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let (mut at, mut byte) = (0, 0);
    while at < table.len() {
        let (mut crc, mut bit) = (byte, 0);
        while bit < 8 {
            crc = (crc >> 1) ^ (0xEDB8_8320 & 0_u32.wrapping_sub(crc & 1));
            bit += 1;
        }
        table[at] = crc;
        at += 1;
        byte += 1;
    }
    table
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        let [low, ..] = (crc ^ u32::from(*byte)).to_le_bytes();
        (crc >> 8) ^ TABLE[usize::from(low)]
    };
    !bytes.iter().fold(u32::MAX, step)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_standard_check_value() {
        assert_eq!(super::crc32(b"123456789"), 0xCBF4_3926);
    }
}
