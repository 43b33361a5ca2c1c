//! Prices: by model where known, else by kind of request where defaults are on, else unknown.

use std::collections::HashMap;

use tollgate_domain::{RequestType, Tokens};

use crate::Money;

/// 0.0001 USD: the documents' price of a chat token, in pico-dollars.
pub const DEFAULT_CHAT_PICO: u64 = 100_000_000;
/// 0.00005 USD: the documents' price of a code token, in pico-dollars.
pub const DEFAULT_CODE_PICO: u64 = 50_000_000;
const PER: i128 = 1_000_000;

/// A model's price, in pico-dollars for a million tokens of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelPrice {
    /// Prompt tokens that were not cached.
    pub input: u64,
    /// Prompt tokens that the provider had cached; `None`: like `input`.
    pub cached_input: Option<u64>,
    /// Completion tokens.
    pub output: u64,
}

impl ModelPrice {
    /// What `tokens` cost, rounded once, half to even. Unknown counts cost nothing here: who does not
    /// know them must not ask.
    fn cost(&self, tokens: &Tokens) -> Money {
        let prompt = i128::from(tokens.prompt.unwrap_or(0));
        let cached = i128::from(tokens.cached.unwrap_or(0)).min(prompt);
        let completion = i128::from(tokens.completion.unwrap_or(0));
        let sum = (prompt.saturating_sub(cached))
            .saturating_mul(i128::from(self.input))
            .saturating_add(cached.saturating_mul(i128::from(self.cached_input.unwrap_or(self.input))))
            .saturating_add(completion.saturating_mul(i128::from(self.output)));
        Money::from_pico(divide_half_even(sum))
    }
}

/// `sum / PER` for sums that are not negative.
const fn divide_half_even(sum: i128) -> i128 {
    let quotient = sum.div_euclid(PER);
    let twice = sum.rem_euclid(PER).saturating_mul(2);
    let up = twice > PER || (twice == PER && quotient % 2 == 1);
    if up { quotient.saturating_add(1) } else { quotient }
}

/// What a token costs by kind of request where its model has no price of its own, in pico-dollars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DefaultPrices {
    /// A chat token.
    pub chat: u64,
    /// A code token.
    pub code: u64,
}

impl Default for DefaultPrices {
    fn default() -> Self {
        Self { chat: DEFAULT_CHAT_PICO, code: DEFAULT_CODE_PICO }
    }
}

/// Every price known here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceBook {
    /// By public model name.
    pub models: HashMap<String, ModelPrice>,
    /// For the others; `None` leaves their cost unknown.
    pub defaults: Option<DefaultPrices>,
}

impl Default for PriceBook {
    fn default() -> Self {
        Self { models: HashMap::new(), defaults: Some(DefaultPrices::default()) }
    }
}

impl PriceBook {
    /// What `tokens` of `model` cost. `None` where no price is known, or where nothing is known to have
    /// been counted: an unknown is never 0.
    pub fn cost(&self, model: &str, kind: RequestType, tokens: &Tokens) -> Option<Money> {
        let total = tokens.total()?;
        if let Some(price) = self.models.get(model) {
            return Some(price.cost(tokens));
        }
        let defaults = self.defaults?;
        let each = match kind {
            RequestType::Chat => defaults.chat,
            RequestType::Code => defaults.code,
        };
        Some(Money::from_pico(i128::from(total).saturating_mul(i128::from(each))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(prompt: u64, cached: u64, completion: u64) -> Tokens {
        Tokens { prompt: Some(prompt), cached: Some(cached), completion: Some(completion), reasoning: None }
    }

    #[test]
    fn the_documents_prices_are_the_default() {
        let book = PriceBook::default();
        let cost = |kind| book.cost("m", kind, &tokens(100, 0, 50)).unwrap().to_string();
        assert_eq!(cost(RequestType::Chat), "0.015");
        assert_eq!(cost(RequestType::Code), "0.0075");
    }

    #[test]
    fn a_models_own_price_tells_cached_from_fresh() {
        let price = ModelPrice {
            input: 3_000_000_000_000,
            cached_input: Some(300_000_000_000),
            output: 15_000_000_000_000,
        };
        let book = PriceBook { models: HashMap::from([("m".into(), price)]), defaults: None };
        let cost = book.cost("m", RequestType::Chat, &tokens(1_200, 1_000, 350)).unwrap();
        assert_eq!(cost.to_string(), "0.00615");
        assert_eq!(book.cost("other", RequestType::Chat, &tokens(1, 0, 1)), None);
    }

    #[test]
    fn nothing_counted_is_unknown_and_zero_is_zero() {
        let book = PriceBook::default();
        assert_eq!(book.cost("m", RequestType::Chat, &Tokens::default()), None);
        assert_eq!(book.cost("m", RequestType::Chat, &tokens(0, 0, 0)), Some(Money::ZERO));
    }

    #[test]
    fn halves_go_to_the_even_side() {
        assert_eq!(divide_half_even(500_000), 0);
        assert_eq!(divide_half_even(1_500_000), 2);
        assert_eq!(divide_half_even(1_500_001), 2);
    }
}
