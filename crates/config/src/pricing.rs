//! `pricing`: what tokens cost, exactly.

use crate::decimal;
use crate::report::quoted;
use crate::section::{Naming, Section};

/// Decimal places of a pico-dollar.
const PICO_PLACES: usize = 12;
/// The highest price, in USD per million tokens.
const MAX_USD_PER_MILLION: u64 = 1_000_000;
const PICO_PER_USD: u64 = 1_000_000_000_000;
const REMEDY: &str = "give USD per million tokens as a plain decimal of at most twelve places, such as 0.15";

/// What tokens cost.
#[derive(Debug, Clone)]
pub struct Pricing {
    /// Whether models without a price of their own cost what the documents print.
    pub defaults: bool,
    /// Prices of models, in the order of the file.
    pub models: Vec<ModelPrice>,
}

/// The price of one model, in pico-dollars per million tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelPrice {
    /// The public name of the model.
    pub name: String,
    /// Prompt tokens.
    pub input: u64,
    /// Prompt tokens that the provider had cached; where unset they cost what others do.
    pub cached_input: Option<u64>,
    /// Completion tokens.
    pub output: u64,
}

pub(crate) fn read(root: &mut Section<'_, '_>) -> Pricing {
    root.section("pricing", |section| Pricing {
        defaults: section.choice(
            "defaults",
            true,
            &[("on", true), ("off", false), ("true", true), ("false", false)],
        ),
        models: section.map("models", Naming::Key, |name, section| {
            let input = required(section, "input");
            let cached_input = price(section, "cached_input");
            let output = required(section, "output");
            ModelPrice { name: name.to_owned(), input, cached_input, output }
        }),
    })
}

fn required(section: &mut Section<'_, '_>, key: &'static str) -> u64 {
    let missing = !section.has(key);
    let price = price(section, key);
    if missing {
        let name = section.name(key);
        section.report.problem(name, "is missing", REMEDY);
    }
    price.unwrap_or_default()
}

fn price(section: &mut Section<'_, '_>, key: &'static str) -> Option<u64> {
    section.parsed(key, REMEDY, |found| {
        let pico = decimal::scaled(&found.text, PICO_PLACES)
            .map_err(|what| format!("{} {what}", quoted(&found.text)))?;
        if pico > MAX_USD_PER_MILLION * PICO_PER_USD {
            return Err(format!("{} is too large", quoted(&found.text)));
        }
        Ok(pico)
    })
}
