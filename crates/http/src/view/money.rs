//! Money as a plain decimal number, exact to the last digit.

use serde::{Serialize, Serializer, ser::Error};
use serde_json::value::RawValue;
use tollgate_billing::Money;

/// An amount in USD.
#[derive(Debug, Clone, Copy)]
pub struct Usd(pub Money);

impl Serialize for Usd {
    /// As the digits themselves: a binary float in between would not keep them.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(self.0.to_string()).map_err(S::Error::custom)?.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_digit_stays() {
        let amount = "123456789012.123456789012".parse().unwrap();
        assert_eq!(serde_json::to_string(&[Usd(amount)]).unwrap(), "[123456789012.123456789012]");
        assert_eq!(serde_json::to_string(&Usd(Money::ZERO)).unwrap(), "0");
    }
}
