//! Filters and scores, exact.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use qdrant_client::qdrant::{
    Condition, Filter, PointId, PointStruct, PrefetchQuery, Query, Value, condition::ConditionOneOf,
    expression::Variant as Expression, r#match::MatchValue, point_id::PointIdOptions, query::Variant, value::Kind,
    vector, vector_input::Variant as Input, vectors::VectorsOptions,
};
use tonic::Status;

use super::memory::{Collection, Stored};

/// Scores, best first.
type Scored = Vec<(String, f32)>;

/// A query, or a part of one.
pub struct Part<'a> {
    /// Its own parts.
    pub prefetch: &'a [PrefetchQuery],
    /// How it scores.
    pub query: Option<&'a Query>,
    /// What it compares.
    pub using: Option<&'a str>,
    /// What may be found.
    pub filter: &'a Filter,
    /// How many.
    pub limit: Option<u64>,
}

/// Runs a query: its parts first, then its own score over what they found, or over everything where it has none.
pub fn run(collection: &Collection, part: &Part<'_>) -> Result<Scored, Status> {
    let mut parts = Vec::new();
    for inner in part.prefetch {
        let filter = inner.filter.as_ref().ok_or_else(|| Status::invalid_argument("a part without a filter"))?;
        let (prefetch, query, using) = (inner.prefetch.as_slice(), inner.query.as_ref(), inner.using.as_deref());
        parts.push(run(collection, &Part { prefetch, query, using, filter, limit: inner.limit })?);
    }
    let candidates: BTreeSet<String> = match parts.as_slice() {
        [] => collection.find(part.filter)?.into_iter().collect(),
        found => found.iter().flatten().map(|(id, _)| id.clone()).collect(),
    };
    let query = part.query.and_then(|query| query.variant.as_ref());
    let mut scored = match query {
        Some(Variant::Nearest(input)) => nearest(collection, &candidates, input.variant.as_ref(), part.using)?,
        Some(Variant::Formula(formula)) if !parts.is_empty() => {
            let sum = formula.expression.as_ref().and_then(|expression| expression.variant.as_ref());
            let Some(Expression::Sum(sum)) = sum else { return Err(unknown("formula")) };
            let mut scored = Vec::new();
            for id in candidates {
                let mut score = 0.0;
                for term in &sum.sum {
                    score += score_of(&parts, term.variant.as_ref(), &id)?;
                }
                scored.push((id, score));
            }
            scored
        }
        _ => return Err(unknown("query")),
    };
    scored.sort_by(|a, b| b.1.total_cmp(&a.1));
    scored.truncate(usize::try_from(part.limit.unwrap_or(10)).unwrap_or(usize::MAX));
    Ok(scored)
}

/// `$score[n]`: the score that part n gave, 0 where it gave none.
fn score_of(parts: &[Scored], term: Option<&Expression>, id: &str) -> Result<f32, Status> {
    let Some(Expression::Variable(name)) = term else { return Err(unknown("expression")) };
    let index = name.strip_prefix("$score[").and_then(|rest| rest.strip_suffix(']'));
    let index: usize = index.and_then(|index| index.parse().ok()).ok_or_else(|| unknown("variable"))?;
    let part = parts.get(index).ok_or_else(|| unknown("part"))?;
    Ok(part.iter().find(|(found, _)| found == id).map_or(0.0, |(_, score)| *score))
}

fn nearest(
    collection: &Collection,
    candidates: &BTreeSet<String>,
    input: Option<&Input>,
    using: Option<&str>,
) -> Result<Scored, Status> {
    let all = candidates.iter().filter_map(|id| Some((id, collection.points.get(id)?)));
    match (input, using) {
        (Some(Input::Dense(wanted)), Some("vector")) => {
            if Some(wanted.data.len() as u64) != collection.length {
                return Err(Status::invalid_argument("Wrong input: Vector dimension error"));
            }
            Ok(all.map(|(id, point)| (id.clone(), cosine(&point.dense, &wanted.data))).collect())
        }
        (Some(Input::Sparse(wanted)), Some("terms")) => {
            check_indices(&wanted.indices)?;
            let shared = |point: &Stored| {
                let wanted = wanted.indices.iter().zip(&wanted.values);
                let products: Vec<f32> =
                    wanted.filter_map(|(index, weight)| Some(point.sparse.get(index)? * weight)).collect();
                if products.is_empty() { None } else { Some(products.iter().sum()) }
            };
            Ok(all.filter_map(|(id, point)| Some((id.clone(), shared(point)?))).collect())
        }
        _ => Err(unknown("vector")),
    }
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
    let lengths = (dot(a, a) * dot(b, b)).sqrt();
    if lengths == 0.0 { 0.0 } else { dot(a, b) / lengths }
}

/// Whether all conditions of a filter hold. A kind of condition that the plugin does not use is refused.
pub fn holds(filter: &Filter, id: &str, payload: &HashMap<String, Value>) -> Result<bool, Status> {
    for condition in &filter.must {
        if !condition_holds(condition, id, payload)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The fields that a filter looks at.
pub fn fields(filter: &Filter) -> Vec<&str> {
    let all = filter.must.iter().chain(&filter.must_not).flat_map(|condition| match &condition.condition_one_of {
        Some(ConditionOneOf::Field(field)) => vec![field.key.as_str()],
        Some(ConditionOneOf::Filter(inner)) => fields(inner),
        _ => Vec::new(),
    });
    all.collect()
}

fn condition_holds(condition: &Condition, id: &str, payload: &HashMap<String, Value>) -> Result<bool, Status> {
    let field = match &condition.condition_one_of {
        Some(ConditionOneOf::HasId(ids)) => return Ok(ids.has_id.iter().any(|one| uuid(one) == Some(id))),
        Some(ConditionOneOf::Filter(inner)) => return none_holds(inner, id, payload),
        Some(ConditionOneOf::Field(field)) => field,
        _ => return Err(unknown("condition")),
    };
    let (strings, numbers) = values(payload.get(&field.key));
    if let Some(range) = field.range {
        let is_inside = |number: i64| {
            let number = number as f64;
            range.gte.is_none_or(|from| number >= from) && range.lt.is_none_or(|until| number < until)
        };
        return Ok(numbers.into_iter().any(is_inside));
    }
    match field.r#match.as_ref().and_then(|wanted| wanted.match_value.as_ref()) {
        Some(MatchValue::Keyword(wanted)) => Ok(strings.contains(&wanted.as_str())),
        Some(MatchValue::Keywords(wanted)) => Ok(wanted.strings.iter().any(|one| strings.contains(&one.as_str()))),
        Some(MatchValue::Integers(wanted)) => Ok(wanted.integers.iter().any(|one| numbers.contains(one))),
        _ => Err(unknown("match")),
    }
}

/// A filter within a filter, of what must not hold alone.
fn none_holds(inner: &Filter, id: &str, payload: &HashMap<String, Value>) -> Result<bool, Status> {
    if !inner.must.is_empty() || !inner.should.is_empty() || inner.min_should.is_some() {
        return Err(unknown("filter"));
    }
    for condition in &inner.must_not {
        if condition_holds(condition, id, payload)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The texts and the numbers of a value, which may be a list.
fn values(value: Option<&Value>) -> (Vec<&str>, Vec<i64>) {
    let all = match value.and_then(|value| value.kind.as_ref()) {
        Some(Kind::ListValue(list)) => list.values.iter().collect(),
        _ => Vec::from_iter(value),
    };
    let (mut strings, mut numbers) = (Vec::new(), Vec::new());
    for value in all {
        match &value.kind {
            Some(Kind::StringValue(text)) => strings.push(text.as_str()),
            Some(Kind::IntegerValue(number)) => numbers.push(*number),
            _ => {}
        }
    }
    (strings, numbers)
}

/// A point as it is kept, and its id.
pub fn stored(point: PointStruct, length: Option<u64>) -> Result<(String, Stored), Status> {
    let id = point.id.as_ref().and_then(uuid).ok_or_else(|| unknown("id"))?.to_owned();
    let (mut dense, mut sparse) = (Vec::new(), BTreeMap::new());
    match point.vectors.and_then(|vectors| vectors.vectors_options) {
        None => return Err(Status::invalid_argument("Expected some vectors")),
        Some(VectorsOptions::Vectors(named)) => {
            for (name, value) in named.vectors {
                match (name.as_str(), value.vector) {
                    ("vector", Some(vector::Vector::Dense(given))) => dense = given.data,
                    ("terms", Some(vector::Vector::Sparse(given))) => {
                        check_indices(&given.indices)?;
                        sparse = given.indices.into_iter().zip(given.values).collect();
                    }
                    _ => return Err(unknown("vector")),
                }
            }
        }
        Some(VectorsOptions::Vector(_)) => return Err(unknown("vector without a name")),
    }
    let fits = length.is_none_or(|length| dense.len() as u64 == length);
    if !fits || !dense.iter().all(|number| number.is_finite()) {
        return Err(Status::invalid_argument("Wrong input: Vector dimension error"));
    }
    Ok((id, Stored { payload: point.payload, dense, sparse }))
}

/// The original refuses these, too.
fn check_indices(indices: &[u32]) -> Result<(), Status> {
    if indices.iter().collect::<BTreeSet<_>>().len() == indices.len() {
        Ok(())
    } else {
        Err(Status::invalid_argument("Validation error: indices must be unique"))
    }
}

/// The id, where it is a UUID.
pub fn uuid(id: &PointId) -> Option<&str> {
    match id.point_id_options.as_ref()? {
        PointIdOptions::Uuid(id) => Some(id),
        PointIdOptions::Num(_) => None,
    }
}

fn unknown(what: &str) -> Status {
    Status::unimplemented(format!("the stand-in does not know this {what}"))
}
