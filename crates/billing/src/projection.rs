//! What a running period will cost if it goes on as it went.

use crate::Money;

/// What `to_date`, spent in `elapsed` seconds of a period of `whole` seconds, comes to at its end, rounded down to a
/// pico-dollar. Before the first second it is what was spent, and so is what is beyond any amount of money.
pub fn projected(to_date: Money, elapsed: u32, whole: u32) -> Money {
    if elapsed == 0 {
        return to_date;
    }
    let pico = to_date.pico().checked_mul(whole.into()).map(|pico| pico / i128::from(elapsed));
    pico.map_or(to_date, Money::from_pico)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_period_is_half_of_the_cost() {
        let spent: Money = "1.5".parse().unwrap();
        assert_eq!(projected(spent, 50, 100), "3".parse().unwrap());
        assert_eq!(projected(spent, 100, 100), spent);
        assert_eq!(projected(spent, 0, 100), spent);
        assert_eq!(projected(Money::ZERO, 1, 100), Money::ZERO);
        assert_eq!(projected(Money::from_pico(10), 3, 4).pico(), 13);
        assert_eq!(projected(Money::from_pico(i128::MAX), 1, 2), Money::from_pico(i128::MAX));
    }
}
