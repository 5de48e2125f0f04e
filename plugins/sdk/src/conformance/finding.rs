//! Finding: by the vector, by terms, and never past a workspace or a model.

use std::sync::Arc;

use super::world::{
    EAST, NORTH, NORTH_EAST, OTHER_MODEL, WEST, assert_hits, id, is_about, near, passages, point, terms, workspace,
};
use crate::{IndexQuery, Partition, Point, VectorIndex};

/// Best first, with the cosine as the score.
pub async fn the_nearest_passage_comes_first_with_its_cosine(index: Arc<dyn VectorIndex>) {
    let acme = workspace(&index, "nearest", 1).await;
    let put = vec![point(1, 1, &NORTH), point(2, 1, &NORTH_EAST), point(3, 1, &EAST), point(4, 1, &WEST)];
    index.apply(&acme, put, &[], 1).await.unwrap();

    let hits = index.search(&acme, &near(&EAST, 3)).await.unwrap();
    assert_hits(&hits, &[(3, 1.0), (2, 0.6), (1, 0.0)]);
}

/// The score is the cosine plus, for each term of both, the product of its two weights.
pub async fn shared_terms_add_the_product_of_their_weights(index: Arc<dyn VectorIndex>) {
    let acme = workspace(&index, "terms", 1).await;
    let put = vec![
        Point { terms: terms(&[(7, 2.0), (8, 0.5)]), ..point(1, 1, &NORTH) },
        Point { terms: terms(&[(8, 4.0), (4_000_000_000, 1.0)]), ..point(2, 1, &NORTH_EAST) },
        Point { terms: terms(&[(9, 4.0)]), ..point(3, 1, &EAST) },
        point(4, 1, &WEST),
    ];
    index.apply(&acme, put, &[], 1).await.unwrap();

    let question = IndexQuery { terms: terms(&[(7, 1.0), (8, 0.1), (4_000_000_000, 0.2)]), ..near(&EAST, 10) };
    let hits = index.search(&acme, &question).await.unwrap();
    assert_hits(&hits, &[(1, 2.05), (2, 1.2), (3, 1.0), (4, -1.0)]);
}

/// A passage far off by its vector is found by its terms, and scored like every other.
pub async fn a_passage_that_only_its_terms_find_has_its_cosine_too(index: Arc<dyn VectorIndex>) {
    let acme = workspace(&index, "terms alone", 1).await;
    let mut put: Vec<Point> = (0..300).map(|n| point(n, 1, &EAST)).collect();
    put.push(Point { terms: terms(&[(5, 3.0)]), ..point(1000, 2, &NORTH_EAST) });
    index.apply(&acme, put, &[], 1).await.unwrap();

    let question = IndexQuery { terms: terms(&[(5, 0.5)]), ..near(&EAST, 3) };
    let hits = index.search(&acme, &question).await.unwrap();
    assert_eq!(hits.len(), 3);
    assert_hits(&hits[..1], &[(1000, 2.1)]);
    assert!(hits[1..].iter().all(|hit| is_about(hit.score, 1.0)), "{hits:?}");
}

/// Terms that no passage has change nothing.
pub async fn a_question_whose_terms_nobody_has_is_answered_by_its_vector(index: Arc<dyn VectorIndex>) {
    let acme = workspace(&index, "unknown terms", 1).await;
    let put = vec![Point { terms: terms(&[(1, 1.0)]), ..point(1, 1, &EAST) }, point(2, 1, &NORTH_EAST)];
    index.apply(&acme, put, &[], 1).await.unwrap();

    let question = IndexQuery { terms: terms(&[(404, 9.0)]), ..near(&EAST, 5) };
    assert_hits(&index.search(&acme, &question).await.unwrap(), &[(1, 1.0), (2, 0.6)]);
}

/// A limit is a limit, not a demand.
pub async fn a_limit_beyond_what_is_there_gives_all_of_it_and_none_gives_nothing(index: Arc<dyn VectorIndex>) {
    let acme = workspace(&index, "limits", 1).await;
    let put = vec![Point { terms: terms(&[(1, 1.0)]), ..point(1, 1, &NORTH) }, point(2, 1, &EAST)];
    index.apply(&acme, put, &[], 1).await.unwrap();

    for asked in [Vec::new(), terms(&[(1, 1.0)])] {
        let question = |limit| IndexQuery { terms: asked.clone(), ..near(&EAST, limit) };
        assert_eq!(index.search(&acme, &question(100)).await.unwrap().len(), 2);
        assert_eq!(index.search(&acme, &question(1)).await.unwrap().len(), 1);
        assert!(index.search(&acme, &question(0)).await.unwrap().is_empty());
    }
}

/// Not when one is searched, counted, changed or dropped, and not where passages have the same ids.
pub async fn two_workspaces_never_see_each_other(index: Arc<dyn VectorIndex>) {
    let (acme, other) = (workspace(&index, "two", 1).await, workspace(&index, "two", 2).await);
    let shared = |vector: &[f32]| Point { terms: terms(&[(1, 1.0)]), ..point(1, 1, vector) };
    index.apply(&acme, vec![shared(&EAST)], &[], 1).await.unwrap();
    index.apply(&other, vec![shared(&NORTH), point(2, 1, &EAST)], &[], 9).await.unwrap();

    let question = IndexQuery { terms: terms(&[(1, 1.0)]), ..near(&EAST, 10) };
    assert_hits(&index.search(&acme, &question).await.unwrap(), &[(1, 2.0)]);
    let hits = index.search(&other, &question).await.unwrap();
    assert!(hits.iter().all(|hit| is_about(hit.score, 1.0)) && hits.len() == 2, "{hits:?}");

    index.apply(&acme, Vec::new(), &[id(1), id(2)], 2).await.unwrap();
    assert_eq!((index.count(&acme).await.unwrap(), index.count(&other).await.unwrap()), (0, 2));
    index.drop_partition(&acme).await.unwrap();
    assert_eq!(index.version(&other).await.unwrap(), Some(9));
    assert_eq!(index.passages(&other).await.unwrap().len(), 2);
}

/// Vectors of two models cannot be compared, and may have different lengths.
pub async fn two_models_of_one_workspace_never_mix(index: Arc<dyn VectorIndex>) {
    let old = workspace(&index, "models", 1).await;
    let new = Partition::new(old.workspace(), OTHER_MODEL);
    index.drop_partition(&new).await.unwrap();
    index.apply(&old, vec![point(1, 1, &EAST)], &[], 1).await.unwrap();
    index.apply(&new, vec![point(2, 1, &[1.0, 0.0])], &[], 2).await.unwrap();

    assert_eq!(passages(&index.search(&old, &near(&EAST, 10)).await.unwrap()), [id(1)]);
    assert_eq!(passages(&index.search(&new, &near(&[1.0, 0.0], 10)).await.unwrap()), [id(2)]);
    assert_eq!((index.version(&old).await.unwrap(), index.version(&new).await.unwrap()), (Some(1), Some(2)));
}

/// Nothing is there, and everything can be asked.
pub async fn a_partition_nobody_filled_is_empty(index: Arc<dyn VectorIndex>) {
    let nowhere = workspace(&index, "nowhere", 404).await;
    assert_eq!(index.version(&nowhere).await.unwrap(), None);
    assert_eq!(index.count(&nowhere).await.unwrap(), 0);
    assert!(index.search(&nowhere, &near(&EAST, 5)).await.unwrap().is_empty());
    assert!(index.passages(&nowhere).await.unwrap().is_empty());
    assert_eq!(index.remove_document(&nowhere, id(1)).await.unwrap(), 0);
    index.drop_partition(&nowhere).await.unwrap();
    assert_eq!(index.version(&nowhere).await.unwrap(), None);
}
