//! Values of a row, opened, as an archive has them; and back, sealed.

use std::collections::HashMap;

use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
use serde_json::{Map, Value};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use uuid::Uuid;

use super::plan::{ColumnPlan, TablePlan, ValueKind};
use crate::{
    audit,
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::{SubjectId, WorkspaceId},
    privacy::{Purpose, register::Seal},
    vault::{Key, Place, Vault},
};

/// Keys of people that are held at once.
const MOST_KEYS: usize = 10_000;

/// The keys of a run through a workspace, each person's read once. It lives for one run.
pub(crate) struct Keys<'a> {
    vault: &'a Vault,
    workspace: WorkspaceId,
    persons: HashMap<SubjectId, Key>,
}

impl<'a> Keys<'a> {
    pub fn new(vault: &'a Vault, workspace: WorkspaceId) -> Self {
        Self { vault, workspace, persons: HashMap::new() }
    }

    pub fn workspace(&self) -> WorkspaceId {
        self.workspace
    }

    async fn of(&mut self, seal: Seal, person: Option<SubjectId>) -> Result<Key> {
        let person = match (seal, person) {
            (Seal::Root, _) => return Ok(self.vault.instance_key()),
            // Details of the audit log that are about nobody.
            (Seal::Workspace, _) | (Seal::Subject, None) => return self.vault.workspace_key(self.workspace).await,
            (Seal::Subject, Some(person)) => person,
        };
        if let Some(key) = self.persons.get(&person) {
            return Ok(key.clone());
        }
        let key = self.vault.subject_key(self.workspace, person).await?;
        if self.persons.len() >= MOST_KEYS {
            self.persons.clear();
        }
        self.persons.insert(person, key.clone());
        Ok(key)
    }
}

/// What an archive says of a row, whose values are as a backup says them.
///
/// # Errors
/// `Corrupt` where a value cannot be opened; `SubjectErased` where somebody was erased meanwhile.
pub(crate) async fn open(plan: &TablePlan, values: &[Value], keys: &mut Keys<'_>) -> Result<Vec<Value>> {
    let mut shown = Vec::with_capacity(plan.columns.len());
    for column in &plan.columns {
        shown.push(match column.line.sealed {
            Some(seal) => open_sealed(plan, column, seal, values, keys).await?,
            None => plain_out(column.kind, &values[column.at]).ok_or_else(|| unreadable(plan, column))?,
        });
    }
    Ok(shown)
}

async fn open_sealed(
    plan: &TablePlan,
    column: &ColumnPlan,
    seal: Seal,
    values: &[Value],
    keys: &mut Keys<'_>,
) -> Result<Value> {
    let sealed = match &values[column.at] {
        Value::String(text) if !text.is_empty() => bytes_of(text).ok_or_else(|| unreadable(plan, column))?,
        // What was withdrawn is emptied.
        _ => return Ok(Value::Null),
    };
    let (key, place) = key_and_place(plan, column, seal, values, keys).await?;
    let opened = key.open(&place, &sealed)?;
    Ok(match column.kind {
        ValueKind::Bytes => BASE64_STANDARD_NO_PAD.encode(&*opened).into(),
        ValueKind::Json => audit::read_details(&opened)?,
        _ => std::str::from_utf8(&opened).map_err(|_| unreadable(plan, column))?.into(),
    })
}

/// Seals what an archive says of a column, for the row whose plain values are in `values`. Absent is absent.
///
/// # Errors
/// `Corrupt` where it is not what such a column holds; `Unavailable`.
pub(crate) async fn seal(
    plan: &TablePlan,
    column: &ColumnPlan,
    seal: Seal,
    said: &Value,
    values: &[Value],
    keys: &mut Keys<'_>,
) -> Result<Value> {
    let plain = match (column.kind, said) {
        (_, Value::Null) => return Ok(Value::Null),
        (ValueKind::Bytes, Value::String(text)) => bytes_of(text).ok_or_else(|| unreadable(plan, column))?,
        (_, Value::String(text)) => text.clone().into_bytes(),
        _ => return Err(unreadable(plan, column)),
    };
    let (key, place) = key_and_place(plan, column, seal, values, keys).await?;
    Ok(BASE64_STANDARD_NO_PAD.encode(key.seal(&place, &plain)).into())
}

async fn key_and_place(
    plan: &TablePlan,
    column: &ColumnPlan,
    seal: Seal,
    values: &[Value],
    keys: &mut Keys<'_>,
) -> Result<(Key, Place)> {
    let person = id_at(plan, "subject_id", values).map(SubjectId);
    let (row, part) = plan.sealed_at;
    let row = id_at(plan, row, values).ok_or_else(|| unreadable(plan, column))?;
    let name = column.line.name.as_str();
    let place = match seal {
        Seal::Root => Place::instance(plan.name, name, row),
        _ => Place::new(keys.workspace, plan.name, name, row),
    };
    let place = match part.map(|part| value_at(plan, part, values)) {
        None => place,
        Some(Some(Value::Number(number))) => place.part(number.as_i64().unwrap_or_default()),
        // An objection stands at the number of its purpose.
        Some(Some(Value::String(purpose))) => place.part(number_of(purpose)?),
        Some(_) => return Err(unreadable(plan, column)),
    };
    Ok((keys.of(seal, person).await?, place))
}

fn number_of(purpose: &str) -> Result<i64> {
    let purpose: Purpose = purpose.parse()?;
    let number = Purpose::ALL.iter().position(|known| *known == purpose).unwrap_or_default();
    Ok(i64::try_from(number).unwrap_or_default())
}

/// The value of a column of the table, as a backup says it.
pub(crate) fn value_at<'v>(plan: &TablePlan, column: &str, values: &'v [Value]) -> Option<&'v Value> {
    values.get(plan.position(column)?)
}

/// The id in a column of the table.
pub(crate) fn id_at(plan: &TablePlan, column: &str, values: &[Value]) -> Option<Uuid> {
    Uuid::from_slice(&bytes_of(value_at(plan, column, values)?.as_str()?)?).ok()
}

pub(crate) fn bytes_of(text: &str) -> Option<Vec<u8>> {
    BASE64_STANDARD_NO_PAD.decode(text).ok()
}

/// From a backup's words to an archive's.
fn plain_out(kind: ValueKind, value: &Value) -> Option<Value> {
    if value.is_null() {
        return Some(Value::Null);
    }
    Some(match kind {
        ValueKind::Id => Uuid::from_slice(&bytes_of(value.as_str()?)?).ok()?.to_string().into(),
        ValueKind::Time => Timestamp(value.as_i64()?).rfc3339().into(),
        ValueKind::Boolean => (value.as_i64()? != 0).into(),
        ValueKind::Bytes | ValueKind::Integer | ValueKind::Real | ValueKind::Text | ValueKind::Json => value.clone(),
    })
}

/// From an archive's words to a backup's. None where it is not a value of this kind.
pub(crate) fn plain_in(kind: ValueKind, said: &Value) -> Option<Value> {
    if said.is_null() {
        return Some(Value::Null);
    }
    Some(match kind {
        ValueKind::Id => BASE64_STANDARD_NO_PAD.encode(Uuid::parse_str(said.as_str()?).ok()?.as_bytes()).into(),
        ValueKind::Time => time_of(said.as_str()?)?.into(),
        ValueKind::Boolean => i64::from(said.as_bool()?).into(),
        ValueKind::Integer => said.as_i64()?.into(),
        ValueKind::Bytes => bytes_of(said.as_str()?).map(|_| said.clone())?,
        ValueKind::Real => said.as_str()?.parse::<f64>().map(|_| said.clone()).ok()?,
        ValueKind::Text => said.as_str()?.into(),
        ValueKind::Json => return None,
    })
}

/// Milliseconds of what [`Timestamp::rfc3339`] wrote.
fn time_of(text: &str) -> Option<i64> {
    if let Some(millis) = text.strip_suffix("ms") {
        return millis.parse().ok();
    }
    let moment = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    i64::try_from(moment.unix_timestamp_nanos().div_euclid(1_000_000)).ok()
}

/// A row as a line of NDJSON says it: by the names of its columns.
pub(crate) fn object(plan: &TablePlan, shown: Vec<Value>) -> Value {
    let named = plan.columns.iter().zip(shown).map(|(column, value)| (column.name.to_owned(), value));
    Value::Object(named.collect::<Map<_, _>>())
}

fn unreadable(plan: &TablePlan, column: &ColumnPlan) -> Error {
    Error::new(
        ErrorKind::Corrupt,
        format!("A value of {}.{} is not what such a column holds.", plan.name, column.line.name),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_reads_back_as_it_was() {
        let id = BASE64_STANDARD_NO_PAD.encode([7; 16]);
        for (kind, value) in [
            (ValueKind::Id, json!(id)),
            (ValueKind::Time, json!(1_795_420_800_123_i64)),
            (ValueKind::Time, json!(1_795_420_800_000_i64)),
            (ValueKind::Time, json!(i64::MAX)),
            (ValueKind::Time, json!(-1)),
            (ValueKind::Boolean, json!(1)),
            (ValueKind::Integer, json!(i64::MIN)),
            (ValueKind::Real, json!("0.1")),
            (ValueKind::Text, json!("=1+1")),
            (ValueKind::Bytes, json!("AAEC")),
            (ValueKind::Text, Value::Null),
        ] {
            let out = plain_out(kind, &value).unwrap_or_else(|| panic!("{kind:?}: {value}"));
            assert_eq!(plain_in(kind, &out), Some(value.clone()), "{kind:?}: {out}");
        }
        assert_eq!(plain_in(ValueKind::Id, &json!("no id")), None);
        assert_eq!(plain_in(ValueKind::Boolean, &json!("true")), None);
    }
}
