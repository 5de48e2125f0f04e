//! Points one can read, and the workspaces they live in.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use uuid::Uuid;

use crate::{Facts, Filter, Fingerprint, Hit, IndexQuery, Partition, Point, Term, VectorIndex};

/// Four directions in four dimensions.
pub const EAST: [f32; 4] = [1.0, 0.0, 0.0, 0.0];
/// Between east and north: its cosine with east is 0.6, with north 0.8.
pub const NORTH_EAST: [f32; 4] = [0.6, 0.8, 0.0, 0.0];
/// At a right angle to east.
pub const NORTH: [f32; 4] = [0.0, 1.0, 0.0, 0.0];
/// Opposite to east.
pub const WEST: [f32; 4] = [-1.0, 0.0, 0.0, 0.0];

/// How far a score may be off: an index may keep a passage's weights in as few as 256 steps.
pub const TOLERANCE: f32 = 0.02;

/// The model of [`workspace`].
pub const MODEL: Fingerprint = Fingerprint([0xC5; 32]);
/// Another one, of two dimensions.
pub const OTHER_MODEL: Fingerprint = Fingerprint([0xC6; 32]);

/// An empty workspace that only this behaviour knows, by its name and a number.
pub async fn workspace(index: &Arc<dyn VectorIndex>, behaviour: &str, number: u64) -> Partition {
    let partition = Partition::new(workspace_id(behaviour, number), MODEL);
    index.drop_partition(&partition).await.unwrap();
    partition
}

/// The id of [`workspace`].
pub fn workspace_id(behaviour: &str, number: u64) -> Uuid {
    let mut hasher = DefaultHasher::new();
    behaviour.hash(&mut hasher);
    Uuid::from_u64_pair(hasher.finish(), number)
}

/// A readable id.
pub fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

/// A passage of a document, without terms and facts.
pub fn point(passage: u128, document: u128, vector: &[f32]) -> Point {
    Point {
        passage: id(passage),
        document: id(document),
        vector: vector.to_vec(),
        terms: Vec::new(),
        facts: Facts::default(),
    }
}

/// Terms by number and weight.
pub fn terms(all: &[(u32, f32)]) -> Vec<Term> {
    all.iter().map(|(number, weight)| Term { number: *number, weight: *weight }).collect()
}

/// A question by its vector alone.
pub fn near(vector: &[f32], limit: usize) -> IndexQuery {
    IndexQuery { vector: vector.to_vec(), terms: Vec::new(), filter: Filter::default(), limit }
}

/// The passages of hits, best first.
pub fn passages(hits: &[Hit]) -> Vec<Uuid> {
    hits.iter().map(|hit| hit.passage).collect()
}

/// Whether these are the passages with about these scores, in this order.
pub fn assert_hits(hits: &[Hit], wanted: &[(u128, f32)]) {
    let ids: Vec<Uuid> = wanted.iter().map(|(passage, _)| id(*passage)).collect();
    assert_eq!(passages(hits), ids, "{hits:?}");
    let close = hits.iter().zip(wanted).all(|(hit, (_, score))| is_about(hit.score, *score));
    assert!(close, "{hits:?} is not {wanted:?}");
}

/// Whether a score is what it should be.
pub fn is_about(score: f32, wanted: f32) -> bool {
    (score - wanted).abs() < TOLERANCE
}
