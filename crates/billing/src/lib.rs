//! What things cost: prices, money and how both are computed exactly.
//!
//! **Owns** money in integer pico-dollars, prices by model and the default prices by kind of request.
//!
//! **Must never see** a runtime, a database, a server, the present time, or a float for money.
//!
//! ```
//! use tollgate_billing::{Money, PriceBook};
//! use tollgate_domain::{RequestType, Tokens};
//!
//! let tokens = Tokens { prompt: Some(100), completion: Some(50), ..Tokens::default() };
//! let cost = PriceBook::default().cost("any-model", RequestType::Chat, &tokens);
//! assert_eq!(cost.map(|cost| cost.to_string()).as_deref(), Some("0.015"));
//! ```

pub mod money;
pub mod price;
pub mod projection;

pub use money::Money;
pub use price::{ModelPrice, PriceBook};
