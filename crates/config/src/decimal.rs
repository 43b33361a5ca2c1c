//! Decimal numbers as exact integers.

/// Reads a plain decimal such as `1.5` or `0.000000075` as an integer scaled by `10^places`.
///
/// The error says what is wrong: not a plain decimal, more places than `places`, or too large for `u64`.
pub(crate) fn scaled(text: &str, places: usize) -> Result<u64, &'static str> {
    const NOT_DECIMAL: &str = "is not a plain decimal number";
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return Err(NOT_DECIMAL);
    }
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > places {
        return Err("has more decimal places than are kept");
    }
    let digits = format!("{whole}{fraction:0<places$}");
    digits.parse().map_err(|_overflow| "is too large")
}

#[cfg(test)]
mod tests {
    use super::scaled;

    #[test]
    fn keeps_every_place() {
        assert_eq!(scaled("1.5", 3), Ok(1_500));
        assert_eq!(scaled("2", 3), Ok(2_000));
        assert_eq!(scaled("0.10", 12), Ok(100_000_000_000));
        assert_eq!(scaled("0.000000000001", 12), Ok(1));
        assert_eq!(scaled("0.0000000000010000", 12), Ok(1));
        // As a binary float this would be 0.29999999999999998…
        assert_eq!(scaled("0.3", 12), Ok(300_000_000_000));
    }

    #[test]
    fn refuses_what_it_cannot_keep() {
        for text in ["", ".", "1.", ".5", "-1", "+1", "1e3", "0x1", "1,5", " 1", "1 ", "NaN", "٣"] {
            assert_eq!(scaled(text, 3), Err("is not a plain decimal number"), "{text}");
        }
        assert_eq!(scaled("0.0001", 3), Err("has more decimal places than are kept"));
        assert_eq!(scaled("99999999999", 12), Err("is too large"));
    }
}
