//! Telling `null` from what is not there.

use serde::{Deserialize, Deserializer};

/// With `#[serde(default)]`: missing is `None`, `null` is `Some(None)`.
pub fn present<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::deserialize(deserializer).map(Some)
}
