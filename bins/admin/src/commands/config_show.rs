//! `config show`: each effective value and where it came from.

use serde::Serialize;
use tollgate_config::{Loaded, Shown};

use crate::{
    error::AdminError,
    json,
    table::{Column, Table, text},
};

const COLUMNS: &[Column] = &[text("Key"), text("Value"), text("Source")];

#[derive(Serialize)]
struct Value<'a> {
    key: &'a str,
    value: &'a str,
    source: String,
}

impl<'a> From<&'a Shown> for Value<'a> {
    fn from(shown: &'a Shown) -> Self {
        Self { key: &shown.key, value: &shown.value, source: shown.source.to_string() }
    }
}

#[derive(Serialize)]
struct Configuration<'a> {
    file: Option<String>,
    items: Vec<Value<'a>>,
    warnings: &'a [String],
}

/// Prints the configuration; it has its secrets redacted already.
pub fn run(loaded: &Loaded, json: bool) -> Result<(), AdminError> {
    if !json {
        let row = |shown: &Shown| vec![shown.key.clone(), shown.value.clone(), shown.source.to_string()];
        let mut table = Table::on_stdout(COLUMNS);
        table.page(&loaded.provenance.iter().map(row).collect::<Vec<_>>())?;
        return table.end();
    }
    json::print(&Configuration {
        file: loaded.file.as_ref().map(|file| file.display().to_string()),
        items: loaded.provenance.iter().map(Value::from).collect(),
        warnings: &loaded.warnings,
    })
}
