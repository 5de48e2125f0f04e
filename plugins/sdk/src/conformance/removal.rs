//! Removal: counted, complete, and of nothing else.

use std::sync::Arc;

use super::world::{EAST, NORTH_EAST, assert_hits, id, near, passages, point, terms, workspace};
use crate::{IndexQuery, Point, VectorIndex};

/// A second time there is nothing to remove.
pub async fn removing_a_document_counts_its_passages_and_leaves_the_others(index: Arc<dyn VectorIndex>) {
    let acme = workspace(&index, "documents", 1).await;
    let with_terms = |n| Point { terms: terms(&[(1, 1.0)]), ..point(n, n % 4, &NORTH_EAST) };
    index.apply(&acme, (0..200).map(with_terms).collect(), &[], 1).await.unwrap();

    assert_eq!(index.remove_document(&acme, id(3)).await.unwrap(), 50);
    assert_eq!(index.remove_document(&acme, id(3)).await.unwrap(), 0);
    let mut left = index.passages(&acme).await.unwrap();
    left.sort();
    assert_eq!(left, (0..200).filter(|n| n % 4 != 3).map(id).collect::<Vec<_>>());
    let by_vector = index.search(&acme, &near(&NORTH_EAST, 500)).await.unwrap();
    let question = IndexQuery { terms: terms(&[(1, 1.0)]), ..near(&EAST, 500) };
    assert_eq!((by_vector.len(), index.search(&acme, &question).await.unwrap().len()), (150, 150));
}

/// Ids of documents are no secret between workspaces, and no key to them.
pub async fn a_document_of_the_same_name_in_another_workspace_stays(index: Arc<dyn VectorIndex>) {
    let (acme, other) = (workspace(&index, "same", 1).await, workspace(&index, "same", 2).await);
    for partition in [&acme, &other] {
        index.apply(partition, vec![point(1, 1, &EAST), point(2, 1, &EAST)], &[], 1).await.unwrap();
    }
    assert_eq!(index.remove_document(&acme, id(1)).await.unwrap(), 2);
    assert_eq!((index.count(&acme).await.unwrap(), index.count(&other).await.unwrap()), (0, 2));
}

/// It can be filled again.
pub async fn a_dropped_partition_is_forgotten_with_its_version(index: Arc<dyn VectorIndex>) {
    let acme = workspace(&index, "dropped", 1).await;
    index.apply(&acme, vec![point(1, 1, &EAST)], &[], 5).await.unwrap();
    index.drop_partition(&acme).await.unwrap();
    assert_eq!(index.version(&acme).await.unwrap(), None);
    assert_eq!(index.count(&acme).await.unwrap(), 0);
    assert!(index.search(&acme, &near(&EAST, 5)).await.unwrap().is_empty());
    index.apply(&acme, vec![point(2, 1, &EAST)], &[], 6).await.unwrap();
    assert_eq!(index.passages(&acme).await.unwrap(), [id(2)]);
}

/// Whatever an index does to be rid of bytes, what is there stays there.
pub async fn a_purge_leaves_what_was_not_removed(index: Arc<dyn VectorIndex>) {
    let acme = workspace(&index, "purged", 1).await;
    index.purge(&acme).await.unwrap();
    let kept = Point { terms: terms(&[(1, 2.0)]), ..point(1, 1, &NORTH_EAST) };
    index.apply(&acme, vec![kept, point(2, 2, &EAST)], &[], 3).await.unwrap();
    assert_eq!(index.remove_document(&acme, id(2)).await.unwrap(), 1);
    index.purge(&acme).await.unwrap();
    index.purge(&acme).await.unwrap();

    assert_eq!((index.count(&acme).await.unwrap(), index.version(&acme).await.unwrap()), (1, Some(3)));
    let question = IndexQuery { terms: terms(&[(1, 1.0)]), ..near(&EAST, 10) };
    let hits = index.search(&acme, &question).await.unwrap();
    assert_hits(&hits, &[(1, 2.6)]);
    assert_eq!(passages(&hits), index.passages(&acme).await.unwrap());
}
