//! One search as one request: the vector and the terms find candidates, and the server adds up both scores.

use consigne_sdk::IndexQuery;
use qdrant_client::qdrant::{
    DenseVector, Expression, Filter, Formula, PrefetchQuery, Query, QueryPoints, SumExpression, VectorInput,
    expression, query, vector_input,
};

use crate::point::{PASSAGE, TERMS, VECTOR, only, sparse};

/// Candidates for each passage that is wanted, by the vector and again by the terms.
const CANDIDATES_A_HIT: u64 = 4;
/// Candidates at least.
const LEAST_CANDIDATES: u64 = 100;

/// The request. `filter` holds the tenant already and goes to every part of it.
///
/// The candidates of both kinds are given their exact cosine, and then the weight of their terms, where the terms found
/// them too. A passage that only its vector found, with a few terms in common, so counts less than
/// [`consigne_sdk::Hit::score`] says, and none ever counts more; a constant in place of a cosine that was not computed
/// would have to be guessed for each model.
pub(crate) fn of(collection: &str, filter: Filter, wanted: &IndexQuery) -> QueryPoints {
    let limit = u64::try_from(wanted.limit).unwrap_or(u64::MAX);
    let by_vector = nearest(vector_input::Variant::Dense(DenseVector { data: wanted.vector.clone() }));
    let mut request = QueryPoints {
        collection_name: collection.to_owned(),
        filter: Some(filter.clone()),
        limit: Some(limit),
        with_payload: Some(only(PASSAGE)),
        ..QueryPoints::default()
    };
    if wanted.terms.is_empty() {
        request.query = Some(by_vector);
        request.using = Some(VECTOR.to_owned());
        return request;
    }
    let by_terms = nearest(vector_input::Variant::Sparse(sparse(&wanted.terms)));
    let candidates = limit.saturating_mul(CANDIDATES_A_HIT).max(LEAST_CANDIDATES);
    let find = |query: &Query, using: &str| PrefetchQuery {
        query: Some(query.clone()),
        using: Some(using.to_owned()),
        filter: Some(filter.clone()),
        limit: Some(candidates),
        ..PrefetchQuery::default()
    };
    let terms = find(&by_terms, TERMS);
    let cosines = PrefetchQuery {
        prefetch: vec![find(&by_vector, VECTOR), terms.clone()],
        limit: Some(candidates.saturating_mul(2)),
        ..find(&by_vector, VECTOR)
    };
    request.prefetch = vec![cosines, terms];
    request.query = Some(Query { variant: Some(query::Variant::Formula(sum_of_scores())) });
    request
}

fn nearest(variant: vector_input::Variant) -> Query {
    Query { variant: Some(query::Variant::Nearest(VectorInput { variant: Some(variant) })) }
}

/// A score that a candidate lacks counts as 0, which the server takes where no default is given.
fn sum_of_scores() -> Formula {
    let score = |index: u8| Expression { variant: Some(expression::Variant::Variable(format!("$score[{index}]"))) };
    let sum = SumExpression { sum: vec![score(0), score(1)] };
    Formula { expression: Some(Expression { variant: Some(expression::Variant::Sum(sum)) }), ..Formula::default() }
}
