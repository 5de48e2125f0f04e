//! What a person provided, for other programs (GDPR art. 20): their own words and what they are known by, in one JSON document
//! whose schema is published at `/schemas/portability-1.json`. What others wrote, and what the product noted, is not in it.

use serde_json::{Map, Value, json};

use super::Gathered;
use crate::{
    error::{Error, Result},
    privacy::holding::Provided,
};

/// The name of this way to write it.
pub const FORMAT: &str = "consigne-portability-1";

/// Its JSON Schema (2020-12).
pub const SCHEMA: &str = include_str!("../../../../../docs/portability.schema.json");

/// Makes the document.
pub(super) fn build(gathered: &Gathered) -> Result<Vec<u8>> {
    let mut items = Vec::new();
    for holding in gathered.holders.iter().flat_map(|(_, holdings)| holdings) {
        for provided in holding.provided {
            items.extend(holding.rows.iter().filter_map(|row| item(provided, row)));
        }
    }
    items.sort_by(|a, b| a["at"].as_str().cmp(&b["at"].as_str()));
    let document = json!({
        "format": FORMAT,
        "schema": "/schemas/portability-1.json",
        "subject": gathered.export.subject,
        "madeAt": gathered.made_at.rfc3339(),
        "items": items,
    });
    serde_json::to_vec_pretty(&document).map_err(|e| Error::internal("a portable copy as JSON").because(e))
}

/// A row, where the person provided it.
fn item(provided: &Provided, row: &Map<String, Value>) -> Option<Value> {
    if let Some((column, value)) = provided.when
        && row.get(column).and_then(Value::as_str) != Some(value)
    {
        return None;
    }
    let text = row.get(provided.text).filter(|text| text.is_string())?;
    let mut item = Map::new();
    item.insert("kind".to_owned(), provided.kind.into());
    item.insert("text".to_owned(), text.clone());
    for (name, column) in
        [("id", provided.id), ("in", provided.within), ("at", provided.at), ("type", provided.of_type)]
    {
        if let Some(value) = column.and_then(|column| row.get(column)).filter(|value| value.is_string()) {
            item.insert(name.to_owned(), value.clone());
        }
    }
    Some(Value::Object(item))
}
