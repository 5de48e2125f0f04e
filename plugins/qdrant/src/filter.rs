//! Conditions of the server's filters.

use consigne_sdk::Filter as Wanted;
use qdrant_client::qdrant::{
    Condition, FieldCondition, Filter, HasIdCondition, Match, PointId, Range, RepeatedIntegers, RepeatedStrings,
    condition::ConditionOneOf, r#match::MatchValue,
};

use crate::point::{DATE, LANGUAGE, SOURCE, TAGS};

/// What `wanted` asks for, one condition each.
pub(crate) fn conditions(wanted: &Wanted) -> Vec<Condition> {
    let mut all = Vec::new();
    if !wanted.sources.is_empty() {
        all.push(one_of(SOURCE, wanted.sources.iter().map(ToString::to_string).collect()));
    }
    if !wanted.not_sources.is_empty() {
        // Within what must hold, so that the tenant's condition stays the only way in.
        let them = one_of(SOURCE, wanted.not_sources.iter().map(ToString::to_string).collect());
        let none = Filter { must_not: vec![them], ..Filter::default() };
        all.push(Condition { condition_one_of: Some(ConditionOneOf::Filter(none)) });
    }
    if !wanted.languages.is_empty() {
        all.push(one_of(LANGUAGE, wanted.languages.clone()));
    }
    if !wanted.tags.is_empty() {
        let integers = wanted.tags.iter().map(|tag| i64::from(*tag)).collect();
        all.push(matches(TAGS, MatchValue::Integers(RepeatedIntegers { integers })));
    }
    if wanted.from.is_some() || wanted.until.is_some() {
        // Milliseconds fit into 53 bits until the year 287,396.
        let (gte, lt) = (wanted.from.map(|from| from as f64), wanted.until.map(|until| until as f64));
        all.push(field(FieldCondition {
            key: DATE.to_owned(),
            range: Some(Range { gte, lt, ..Range::default() }),
            ..FieldCondition::default()
        }));
    }
    all
}

/// The field is this.
pub(crate) fn is(key: &str, value: String) -> Condition {
    matches(key, MatchValue::Keyword(value))
}

/// The point is one of these.
pub(crate) fn is_point(ids: Vec<PointId>) -> Condition {
    Condition { condition_one_of: Some(ConditionOneOf::HasId(HasIdCondition { has_id: ids })) }
}

fn one_of(key: &str, strings: Vec<String>) -> Condition {
    matches(key, MatchValue::Keywords(RepeatedStrings { strings }))
}

fn matches(key: &str, value: MatchValue) -> Condition {
    field(FieldCondition {
        key: key.to_owned(),
        r#match: Some(Match { match_value: Some(value) }),
        ..FieldCondition::default()
    })
}

fn field(condition: FieldCondition) -> Condition {
    Condition { condition_one_of: Some(ConditionOneOf::Field(condition)) }
}
