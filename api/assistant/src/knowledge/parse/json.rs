//! JSON: pairs of question and answer, lists of records, or anything else, made readable.
//!
//! A list whose elements all have a question and an answer is read as pairs, wherever it is. An element of any other list
//! of objects is a part, under its title where it has one. The rest is one line a value, `key: value`.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::collect::{Collector, too_complex};
use super::{BlockKind, FailureCode, ParseFailure, qa};

/// What keys with the name of a record are called.
const TITLES: &[&str] = &["title", "name", "heading", "subject", "label", "titre", "titel", "nom"];

/// A value whose keys keep their order.
enum Value {
    Nothing,
    Scalar(String),
    List(Vec<Value>),
    Object(Vec<(String, Value)>),
}

/// Reads a document, or a document a line.
pub fn read(text: &str, out: &mut Collector) -> Result<(), ParseFailure> {
    let text = text.trim_start_matches('\u{FEFF}');
    let value = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(error) => lines(text).ok_or_else(|| failure(&error))?,
    };
    write(&value, Within::Document(""), out)
}

/// JSON Lines: a value a line.
fn lines(text: &str) -> Option<Value> {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    if lines.len() < 2 {
        return None;
    }
    let values: Result<Vec<Value>, _> = lines.into_iter().map(serde_json::from_str).collect();
    values.ok().map(Value::List)
}

fn failure(error: &serde_json::Error) -> ParseFailure {
    // serde_json stops at 128 levels; its words hold nothing of the document.
    if error.to_string().starts_with("recursion limit") {
        return too_complex("values more than 128 deep".to_owned());
    }
    ParseFailure::new(FailureCode::Damaged, "The document is no valid JSON. Export it again and upload that.")
}

/// Where a value is.
#[derive(Clone, Copy)]
enum Within<'a> {
    /// In no record yet, reached by these keys.
    Document(&'a str),
    /// In a record, reached by these keys from there.
    Record(&'a str),
}

/// Writes a value.
fn write(value: &Value, within: Within<'_>, out: &mut Collector) -> Result<(), ParseFailure> {
    match value {
        Value::Nothing => Ok(()),
        Value::Scalar(text) => out.push(BlockKind::ListItem, &within.line(text)),
        Value::List(values) if !values.is_empty() && values.iter().all(|value| pair(value).is_some()) => {
            values.iter().try_for_each(|value| write_pair(value, out))
        }
        Value::List(values) => match values.iter().map(scalar).collect::<Option<Vec<&str>>>() {
            Some(scalars) => out.push(BlockKind::ListItem, &within.line(&scalars.join(", "))),
            None => values.iter().try_for_each(|value| write_element(value, within, out)),
        },
        Value::Object(members) => members.iter().try_for_each(|(key, value)| {
            let path = if within.path().is_empty() { key.clone() } else { format!("{}.{key}", within.path()) };
            match within {
                Within::Document(_) => write(value, Within::Document(&path), out),
                Within::Record(_) => write(value, Within::Record(&path), out),
            }
        }),
    }
}

/// An element of a list: in no record yet it is one, a part of its own under its title.
fn write_element(element: &Value, within: Within<'_>, out: &mut Collector) -> Result<(), ParseFailure> {
    let (Value::Object(members), Within::Document(_)) = (element, within) else { return write(element, within, out) };
    out.part();
    let is_title = |(key, value): &&(String, Value)| {
        TITLES.contains(&key.to_lowercase().as_str()) && scalar(value).is_some_and(|title| !title.is_empty())
    };
    let title = members.iter().find(is_title);
    if let Some((_, title)) = title {
        out.push(BlockKind::Heading(2), scalar(title).unwrap_or_default())?;
    }
    let title = title.map(|(key, _)| key);
    let mut others = members.iter().filter(|(key, _)| Some(key) != title);
    others.try_for_each(|(key, value)| write(value, Within::Record(key), out))
}

/// Question and answer of an object that has both, once each and as text.
fn pair(value: &Value) -> Option<(&str, &str)> {
    let Value::Object(members) = value else { return None };
    let only = |is: fn(&str) -> bool| {
        let mut found = members.iter().filter(|(key, _)| is(key));
        let first = found.next().and_then(|(_, value)| scalar(value));
        first.filter(|_| found.next().is_none())
    };
    Some((only(qa::is_question)?, only(qa::is_answer)?))
}

fn write_pair(value: &Value, out: &mut Collector) -> Result<(), ParseFailure> {
    let (Some((question, answer)), Value::Object(members)) = (pair(value), value) else { return Ok(()) };
    qa::write(question, answer, out)?;
    let mut others = members.iter().filter(|(key, _)| !qa::is_question(key) && !qa::is_answer(key));
    others.try_for_each(|(key, value)| write(value, Within::Record(key), out))
}

fn scalar(value: &Value) -> Option<&str> {
    match value {
        Value::Scalar(text) => Some(text),
        Value::Nothing => Some(""),
        Value::List(_) | Value::Object(_) => None,
    }
}

impl Within<'_> {
    fn path(&self) -> &str {
        match self {
            Self::Document(path) | Self::Record(path) => path,
        }
    }

    fn line(&self, text: &str) -> String {
        if self.path().is_empty() { text.to_owned() } else { format!("{}: {text}", self.path()) }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(InOrder)
    }
}

struct InOrder;

impl<'de> Visitor<'de> for InOrder {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Scalar(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Scalar(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Scalar(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Scalar(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Scalar(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Nothing)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Value, A::Error> {
        let mut list = vec![];
        while let Some(value) = values.next_element()? {
            list.push(value);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = vec![];
        while let Some(member) = members.next_entry()? {
            object.push(member);
        }
        Ok(Value::Object(object))
    }
}
