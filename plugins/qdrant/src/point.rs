//! A passage as a point: two named vectors, and a payload of ids and numbers.

use std::collections::HashMap;

use consigne_sdk::{Point, Term};
use qdrant_client::qdrant::{
    NamedVectors, PayloadIncludeSelector, PointId, PointStruct, SparseVector, Value, Vector, Vectors,
    WithPayloadSelector, point_id::PointIdOptions, value::Kind, vector, vectors::VectorsOptions,
    with_payload_selector::SelectorOptions,
};
use uuid::Uuid;

/// The dense vector.
pub(crate) const VECTOR: &str = "vector";
/// The sparse vector: term numbers and weights.
pub(crate) const TERMS: &str = "terms";

/// The tenant key.
pub(crate) const WORKSPACE: &str = "workspace_id";
/// The passage.
pub(crate) const PASSAGE: &str = "passage_id";
/// Its document.
pub(crate) const DOCUMENT: &str = "document_id";
/// The source of its document.
pub(crate) const SOURCE: &str = "source_id";
/// Its language.
pub(crate) const LANGUAGE: &str = "language";
/// The tags of its document, as numbers.
pub(crate) const TAGS: &str = "tags";
/// The date of its document.
pub(crate) const DATE: &str = "date";

/// The id of a workspace's point. It is made from both, so that no workspace can overwrite the point of another.
pub(crate) fn id_of(workspace: Uuid, passage: Uuid) -> PointId {
    uuid_id(Uuid::new_v5(&workspace, passage.as_bytes()))
}

/// An id that is a UUID.
pub(crate) fn uuid_id(id: Uuid) -> PointId {
    PointId { point_id_options: Some(PointIdOptions::Uuid(id.to_string())) }
}

/// The point of a passage in a workspace.
pub(crate) fn of(workspace: Uuid, point: &Point) -> PointStruct {
    let facts = &point.facts;
    let mut payload = HashMap::from([
        (WORKSPACE.to_owned(), text(workspace)),
        (PASSAGE.to_owned(), text(point.passage)),
        (DOCUMENT.to_owned(), text(point.document)),
        (DATE.to_owned(), number(facts.date)),
    ]);
    if let Some(source) = facts.source {
        payload.insert(SOURCE.to_owned(), text(source));
    }
    if let Some(language) = &facts.language {
        payload.insert(LANGUAGE.to_owned(), text(language));
    }
    if !facts.tags.is_empty() {
        let tags: Vec<Value> = facts.tags.iter().map(|tag| number(i64::from(*tag))).collect();
        payload.insert(TAGS.to_owned(), tags.into());
    }
    let mut vectors = HashMap::from([(VECTOR.to_owned(), Vector::from(point.vector.clone()))]);
    if !point.terms.is_empty() {
        let terms = Vector { vector: Some(vector::Vector::Sparse(sparse(&point.terms))), ..Vector::default() };
        vectors.insert(TERMS.to_owned(), terms);
    }
    PointStruct { id: Some(id_of(workspace, point.passage)), payload, vectors: Some(named(vectors)) }
}

/// Vectors by name. A point without any has an empty list: the server refuses one that has no list.
pub(crate) fn named(vectors: HashMap<String, Vector>) -> Vectors {
    Vectors { vectors_options: Some(VectorsOptions::Vectors(NamedVectors { vectors })) }
}

/// Terms as a sparse vector, each number once: the server refuses a number that stands there twice.
pub(crate) fn sparse(terms: &[Term]) -> SparseVector {
    let mut weights: HashMap<u32, f32> = HashMap::with_capacity(terms.len());
    for term in terms {
        *weights.entry(term.number).or_default() += term.weight;
    }
    let (indices, values) = weights.into_iter().unzip();
    SparseVector { indices, values }
}

/// Only this of the payload is wanted.
pub(crate) fn only(field: &str) -> WithPayloadSelector {
    let include = PayloadIncludeSelector { fields: vec![field.to_owned()] };
    WithPayloadSelector { selector_options: Some(SelectorOptions::Include(include)) }
}

/// Text in a payload.
pub(crate) fn text(value: impl ToString) -> Value {
    Value { kind: Some(Kind::StringValue(value.to_string())) }
}

/// A number in a payload.
pub(crate) fn number(value: i64) -> Value {
    Value { kind: Some(Kind::IntegerValue(value)) }
}

/// The id in a payload.
pub(crate) fn id_in(payload: &HashMap<String, Value>, key: &str) -> Option<Uuid> {
    match payload.get(key)?.kind.as_ref()? {
        Kind::StringValue(text) => text.parse().ok(),
        _ => None,
    }
}

/// The number in a payload.
pub(crate) fn number_in(payload: &HashMap<String, Value>, key: &str) -> Option<i64> {
    match payload.get(key)?.kind.as_ref()? {
        Kind::IntegerValue(number) => Some(*number),
        _ => None,
    }
}
