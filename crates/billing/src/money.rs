//! Money: integer pico-dollars (10^-12 USD), since published rates reach twelve decimals.

use std::{fmt, iter::Sum, ops::Add, str::FromStr};

/// Pico-dollars in a dollar.
pub const PICO_PER_USD: i128 = 1_000_000_000_000;
/// Decimals of a pico-dollar.
const DECIMALS: usize = 12;

/// An amount in pico-dollars. Sums of any number of events fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Money(i128);

/// A text that is no amount of at most twelve decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a plain decimal number of at most twelve decimals, such as 0.0001")]
pub struct NotMoney;

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// From pico-dollars.
    pub const fn from_pico(pico: i128) -> Self {
        Self(pico)
    }

    /// In pico-dollars.
    pub const fn pico(self) -> i128 {
        self.0
    }

    /// Whole dollars and the remaining pico-dollars: how sums are stored.
    pub const fn split(self) -> (i128, i128) {
        (self.0.div_euclid(PICO_PER_USD), self.0.rem_euclid(PICO_PER_USD))
    }

    /// From whole dollars and pico-dollars, which need not be less than a dollar.
    pub const fn join(usd: i128, pico: i128) -> Self {
        Self(usd.saturating_mul(PICO_PER_USD).saturating_add(pico))
    }
}

impl Add for Money {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for Money {
    /// A plain decimal number of dollars, exact, without trailing zeros: also a JSON number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let magnitude = self.0.unsigned_abs();
        let one = PICO_PER_USD.unsigned_abs();
        let decimals = format!("{:012}", magnitude.rem_euclid(one));
        let decimals = decimals.trim_end_matches('0');
        let point = if decimals.is_empty() { "" } else { "." };
        write!(f, "{sign}{}{point}{decimals}", magnitude.div_euclid(one))
    }
}

impl FromStr for Money {
    type Err = NotMoney;

    fn from_str(text: &str) -> Result<Self, NotMoney> {
        let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
        let (whole, decimals) = digits.split_once('.').unwrap_or((digits, "0"));
        let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !plain(whole) || !plain(decimals) || decimals.len() > DECIMALS || whole.len() > DECIMALS {
            return Err(NotMoney);
        }
        let pico: i128 = format!("{whole}{decimals:0<DECIMALS$}").parse().map_err(|_too_long| NotMoney)?;
        Ok(Self(pico.saturating_mul(sign)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn amounts_are_plain_decimals() {
        for (pico, text) in [
            (0, "0"),
            (1, "0.000000000001"),
            (100_000_000, "0.0001"),
            (1_500_000_000_000, "1.5"),
            (-2_000_000_000_000, "-2"),
        ] {
            assert_eq!(Money::from_pico(pico).to_string(), text);
            assert_eq!(text.parse(), Ok(Money::from_pico(pico)));
        }
        for text in ["", ".", "1.", ".5", "1e3", "0.0000000000001", "+1", "1,5", "--1"] {
            assert_eq!(text.parse::<Money>(), Err(NotMoney), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn every_amount_reads_back_and_joins_again(pico in -1_000_000_000_000_000_000_000_i128..1_000_000_000_000_000_000_000) {
            let amount = Money::from_pico(pico);
            prop_assert_eq!(amount.to_string().parse::<Money>(), Ok(amount));
            let (usd, rest) = amount.split();
            prop_assert!((0..PICO_PER_USD).contains(&rest));
            prop_assert_eq!(Money::join(usd, rest), amount);
        }
    }
}
