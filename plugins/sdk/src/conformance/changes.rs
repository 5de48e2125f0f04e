//! Changes: put, replace, remove, and the version that says how far it came.

use std::sync::Arc;

use super::world::{EAST, NORTH, WEST, assert_hits, id, near, passages, point, terms, workspace};
use crate::{Facts, Filter, IndexQuery, Point, VectorIndex};

/// A workspace without knowledge is up to date, too.
pub async fn an_empty_fill_has_a_version(index: Arc<dyn VectorIndex>) {
    let acme = workspace(&index, "empty fill", 1).await;
    index.apply(&acme, Vec::new(), &[], 0).await.unwrap();
    assert_eq!(index.version(&acme).await.unwrap(), Some(0));
    index.apply(&acme, Vec::new(), &[id(1)], i64::MAX).await.unwrap();
    assert_eq!(index.version(&acme).await.unwrap(), Some(i64::MAX));
}

/// Vector, document, terms and facts.
pub async fn a_point_put_again_is_replaced_with_all_it_had(index: Arc<dyn VectorIndex>) {
    let acme = workspace(&index, "replaced", 1).await;
    let facts = Facts { source: Some(id(9)), language: Some("en".into()), tags: vec![1], date: 5 };
    let old = Point { terms: terms(&[(1, 1.0)]), facts, ..point(1, 1, &EAST) };
    index.apply(&acme, vec![old, point(2, 1, &NORTH)], &[], 1).await.unwrap();
    index.apply(&acme, vec![point(1, 2, &WEST)], &[], 2).await.unwrap();

    assert_eq!(index.count(&acme).await.unwrap(), 2);
    let question = IndexQuery { terms: terms(&[(1, 1.0)]), ..near(&WEST, 1) };
    assert_hits(&index.search(&acme, &question).await.unwrap(), &[(1, 1.0)]);
    let of_the_source = Filter { sources: vec![id(9)], ..Filter::default() };
    let question = IndexQuery { filter: of_the_source, ..near(&WEST, 10) };
    assert!(index.search(&acme, &question).await.unwrap().is_empty());
    assert_eq!(index.remove_document(&acme, id(2)).await.unwrap(), 1, "the document it now belongs to");
    assert_eq!(index.version(&acme).await.unwrap(), Some(2));
}

/// Also where it stands in both lists.
pub async fn what_a_change_removes_and_puts_is_there_afterwards(index: Arc<dyn VectorIndex>) {
    let acme = workspace(&index, "both lists", 1).await;
    index.apply(&acme, vec![point(1, 1, &EAST), point(2, 1, &NORTH)], &[], 1).await.unwrap();
    index.apply(&acme, vec![point(1, 1, &WEST)], &[id(1), id(2), id(3)], 2).await.unwrap();
    assert_eq!(index.passages(&acme).await.unwrap(), [id(1)]);
}

/// Whoever does not know whether a change arrived applies it again.
pub async fn a_change_applied_twice_is_applied_once(index: Arc<dyn VectorIndex>) {
    let acme = workspace(&index, "twice", 1).await;
    index.apply(&acme, vec![point(1, 1, &EAST)], &[], 1).await.unwrap();
    for _ in 0..2 {
        index.apply(&acme, vec![point(2, 1, &NORTH), point(3, 1, &WEST)], &[id(1)], 2).await.unwrap();
        let mut there = index.passages(&acme).await.unwrap();
        there.sort();
        assert_eq!(there, [id(2), id(3)]);
        assert_eq!(index.version(&acme).await.unwrap(), Some(2));
    }
}

/// More than one message carries.
pub async fn thousands_of_points_are_all_there(index: Arc<dyn VectorIndex>) {
    let acme = workspace(&index, "thousands", 1).await;
    index.apply(&acme, (0..6000).map(|n| point(n, n % 10, &EAST)).collect(), &[], 1).await.unwrap();
    assert_eq!(index.count(&acme).await.unwrap(), 6000);
    let mut there = index.passages(&acme).await.unwrap();
    there.sort();
    assert_eq!(there, (0..6000).map(id).collect::<Vec<_>>());

    let most: Vec<_> = (10..6000).map(id).collect();
    index.apply(&acme, Vec::new(), &most, 2).await.unwrap();
    assert_eq!(index.count(&acme).await.unwrap(), 10);
}

/// Which of the two is wrong is for a person to find out.
pub async fn a_vector_of_another_length_is_refused_with_both_lengths_and_changes_nothing(index: Arc<dyn VectorIndex>) {
    let acme = workspace(&index, "lengths", 1).await;
    index.apply(&acme, vec![point(1, 1, &EAST)], &[], 1).await.unwrap();

    for put in [vec![point(2, 1, &NORTH), point(3, 1, &[1.0, 0.0])], vec![point(2, 1, &[1.0, 0.0])]] {
        let refused = index.apply(&acme, put, &[id(1)], 2).await.unwrap_err();
        assert!(!refused.is_retryable() && names(&refused.message, 2, 4), "{}", refused.message);
        assert_eq!(index.passages(&acme).await.unwrap(), [id(1)]);
        assert_eq!(index.version(&acme).await.unwrap(), Some(1));
    }
    let refused = index.search(&acme, &near(&[1.0; 3], 1)).await.unwrap_err();
    assert!(!refused.is_retryable() && names(&refused.message, 3, 4), "{}", refused.message);
}

fn names(message: &str, one: usize, other: usize) -> bool {
    message.contains(&one.to_string()) && message.contains(&other.to_string())
}

/// It would poison every comparison.
pub async fn a_vector_that_is_not_finite_is_refused(index: Arc<dyn VectorIndex>) {
    let acme = workspace(&index, "not finite", 1).await;
    let broken = [f32::NAN, 0.0, 0.0, 0.0];
    assert!(!index.apply(&acme, vec![point(1, 1, &broken)], &[], 1).await.unwrap_err().is_retryable());
    assert_eq!(index.version(&acme).await.unwrap(), None);
    index.apply(&acme, vec![point(1, 1, &EAST)], &[], 1).await.unwrap();
    assert!(index.search(&acme, &near(&[f32::INFINITY, 0.0, 0.0, 0.0], 1)).await.is_err());
    assert_eq!(passages(&index.search(&acme, &near(&EAST, 9)).await.unwrap()), [id(1)]);
}
