//! Prices, money and periods of Tollgate
