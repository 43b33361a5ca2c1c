//! A table of another database.

use tollgate_persistence::foreign::ForeignTable;

use super::{json, source::Each};
use crate::error::AdminError;

/// Gives each row, with its number.
pub fn each(table: &mut ForeignTable, each: &mut Each<'_>) -> Result<(), AdminError> {
    let mut done = 0_i64;
    loop {
        let rows = table.read().map_err(AdminError::Source)?;
        if rows.is_empty() {
            return Ok(());
        }
        for row in rows {
            done = done.saturating_add(1);
            let parsed = serde_json::from_str(&row.json)
                .map_err(|_not_json| "cannot be read".to_owned())
                .and_then(json::record);
            each(u64::try_from(row.number).unwrap_or(0), parsed, done)?;
        }
    }
}
