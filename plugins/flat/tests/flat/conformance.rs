//! What any vector index has to do, asked of this one through the trait alone.

use consigne_sdk::PluginErrorKind;

use crate::world::{id, open_default, point, search, workspace};

const EAST: [f32; 4] = [1.0, 0.0, 0.0, 0.0];
const NORTH_EAST: [f32; 4] = [0.6, 0.8, 0.0, 0.0];
const NORTH: [f32; 4] = [0.0, 1.0, 0.0, 0.0];
const WEST: [f32; 4] = [-1.0, 0.0, 0.0, 0.0];

#[tokio::test]
async fn the_nearest_passage_comes_first_with_its_cosine() {
    let index = open_default().await;
    let acme = workspace(1);
    let put = vec![point(1, 1, &NORTH), point(2, 1, &NORTH_EAST), point(3, 1, &EAST), point(4, 1, &WEST)];
    index.apply(&acme, put, &[], 1).await.unwrap();

    let hits = search(&index, &acme, &EAST, 3).await.unwrap();
    let found: Vec<_> = hits.iter().map(|hit| hit.passage).collect();
    assert_eq!(found, [id(3), id(2), id(1)]);
    let wanted = [1.0, 0.6, 0.0];
    assert!(hits.iter().zip(wanted).all(|(hit, score)| (hit.score - score).abs() < 1e-4), "{hits:?}");
}

#[tokio::test]
async fn a_limit_beyond_what_is_there_gives_all_of_it() {
    let index = open_default().await;
    index.apply(&workspace(1), vec![point(1, 1, &NORTH), point(2, 1, &EAST)], &[], 1).await.unwrap();
    assert_eq!(search(&index, &workspace(1), &EAST, 100).await.unwrap().len(), 2);
    assert!(search(&index, &workspace(1), &EAST, 0).await.unwrap().is_empty());
}

#[tokio::test]
async fn two_workspaces_never_see_each_other() {
    let index = open_default().await;
    let (acme, other) = (workspace(1), workspace(2));
    index.apply(&acme, vec![point(1, 1, &EAST)], &[], 1).await.unwrap();
    index.apply(&other, vec![point(2, 1, &EAST), point(3, 1, &NORTH)], &[], 9).await.unwrap();

    let hits = search(&index, &acme, &EAST, 10).await.unwrap();
    assert_eq!(hits.iter().map(|hit| hit.passage).collect::<Vec<_>>(), [id(1)]);
    assert_eq!(index.remove_document(&acme, id(1)).await.unwrap(), 1);
    assert_eq!(index.count(&other).await.unwrap(), 2);
    index.drop_partition(&acme).await.unwrap();
    assert_eq!(index.version(&other).await.unwrap(), Some(9));
    assert_eq!(search(&index, &other, &EAST, 10).await.unwrap().len(), 2);
}

#[tokio::test]
async fn two_models_of_one_workspace_never_mix() {
    let index = open_default().await;
    let old = workspace(1);
    let new = consigne_sdk::Partition::new(old.workspace(), consigne_sdk::Fingerprint([8; 32]));
    index.apply(&old, vec![point(1, 1, &EAST)], &[], 1).await.unwrap();
    index.apply(&new, vec![point(2, 1, &[1.0, 0.0])], &[], 1).await.unwrap();
    assert_eq!(search(&index, &old, &EAST, 10).await.unwrap()[0].passage, id(1));
    assert_eq!(search(&index, &new, &[1.0, 0.0], 10).await.unwrap()[0].passage, id(2));
}

#[tokio::test]
async fn a_partition_nobody_filled_is_empty() {
    let index = open_default().await;
    let nowhere = workspace(404);
    assert_eq!(index.version(&nowhere).await.unwrap(), None);
    assert_eq!(index.count(&nowhere).await.unwrap(), 0);
    assert!(search(&index, &nowhere, &EAST, 5).await.unwrap().is_empty());
    assert!(index.passages(&nowhere).await.unwrap().is_empty());
    assert_eq!(index.remove_document(&nowhere, id(1)).await.unwrap(), 0);
    index.drop_partition(&nowhere).await.unwrap();
}

#[tokio::test]
async fn an_empty_fill_has_a_version() {
    let index = open_default().await;
    index.apply(&workspace(1), Vec::new(), &[], 0).await.unwrap();
    assert_eq!(index.version(&workspace(1)).await.unwrap(), Some(0));
}

#[tokio::test]
async fn a_point_put_again_is_replaced() {
    let index = open_default().await;
    let acme = workspace(1);
    index.apply(&acme, vec![point(1, 1, &EAST), point(2, 1, &NORTH)], &[], 1).await.unwrap();
    index.apply(&acme, vec![point(1, 2, &WEST)], &[], 2).await.unwrap();

    assert_eq!(index.count(&acme).await.unwrap(), 2);
    assert_eq!(search(&index, &acme, &WEST, 1).await.unwrap()[0].passage, id(1));
    assert_eq!(index.remove_document(&acme, id(2)).await.unwrap(), 1, "the document it now belongs to");
    assert_eq!(index.version(&acme).await.unwrap(), Some(2));
}

#[tokio::test]
async fn what_a_change_removes_and_puts_is_there_afterwards() {
    let index = open_default().await;
    let acme = workspace(1);
    index.apply(&acme, vec![point(1, 1, &EAST), point(2, 1, &NORTH)], &[], 1).await.unwrap();
    index.apply(&acme, vec![point(1, 1, &WEST)], &[id(1), id(2), id(3)], 2).await.unwrap();
    assert_eq!(index.passages(&acme).await.unwrap(), [id(1)]);
}

#[tokio::test]
async fn removing_a_document_counts_its_passages_and_leaves_the_others() {
    let index = open_default().await;
    let acme = workspace(1);
    let put = (0..200).map(|n| point(n, n % 4, &NORTH_EAST)).collect();
    index.apply(&acme, put, &[], 1).await.unwrap();

    assert_eq!(index.remove_document(&acme, id(3)).await.unwrap(), 50);
    assert_eq!(index.remove_document(&acme, id(3)).await.unwrap(), 0);
    let mut left = index.passages(&acme).await.unwrap();
    left.sort();
    assert_eq!(left, (0..200).filter(|n| n % 4 != 3).map(id).collect::<Vec<_>>());
    assert_eq!(search(&index, &acme, &NORTH_EAST, 500).await.unwrap().len(), 150);
}

#[tokio::test]
async fn a_dropped_partition_is_forgotten_with_its_version() {
    let index = open_default().await;
    let acme = workspace(1);
    index.apply(&acme, vec![point(1, 1, &EAST)], &[], 5).await.unwrap();
    index.drop_partition(&acme).await.unwrap();
    assert_eq!(index.version(&acme).await.unwrap(), None);
    assert_eq!(index.count(&acme).await.unwrap(), 0);
    assert!(search(&index, &acme, &EAST, 5).await.unwrap().is_empty());
    index.apply(&acme, vec![point(2, 1, &EAST)], &[], 6).await.unwrap();
    assert_eq!(index.passages(&acme).await.unwrap(), [id(2)]);
}

#[tokio::test]
async fn a_vector_of_another_length_is_refused_with_both_lengths_and_changes_nothing() {
    let index = open_default().await;
    let acme = workspace(1);
    index.apply(&acme, vec![point(1, 1, &EAST)], &[], 1).await.unwrap();

    let refused =
        index.apply(&acme, vec![point(2, 1, &NORTH), point(3, 1, &[1.0, 0.0])], &[id(1)], 2).await.unwrap_err();
    assert_eq!(refused.kind, PluginErrorKind::Internal);
    assert!(refused.message.contains('2') && refused.message.contains('4'), "{}", refused.message);
    assert_eq!(index.passages(&acme).await.unwrap(), [id(1)]);
    assert_eq!(index.version(&acme).await.unwrap(), Some(1));

    let refused = search(&index, &acme, &[1.0; 3], 1).await.unwrap_err();
    assert!(refused.message.contains('3') && refused.message.contains('4'), "{}", refused.message);
}

#[tokio::test]
async fn a_vector_that_is_not_finite_is_refused() {
    let index = open_default().await;
    let acme = workspace(1);
    let refused = index.apply(&acme, vec![point(1, 1, &[f32::NAN, 0.0])], &[], 1).await.unwrap_err();
    assert_eq!(refused.kind, PluginErrorKind::Internal);
    assert_eq!(index.version(&acme).await.unwrap(), None);
    index.apply(&acme, vec![point(1, 1, &EAST)], &[], 1).await.unwrap();
    assert!(search(&index, &acme, &[f32::INFINITY, 0.0, 0.0, 0.0], 1).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn searchers_see_all_of_a_change_or_nothing_of_it() {
    let index = open_default().await;
    let acme = workspace(1);
    let generation = |n: u128| (0..300).map(|p| point(n * 1000 + p, n, &EAST)).collect::<Vec<_>>();
    let ids = |n: u128| (0..300).map(|p| id(n * 1000 + p)).collect::<Vec<_>>();
    index.apply(&acme, generation(0), &[], 0).await.unwrap();

    let changes = {
        let index = index.clone();
        tokio::spawn(async move {
            for n in 1..60 {
                index.apply(&acme, generation(n), &ids(n - 1), n as i64).await.unwrap();
            }
        })
    };
    let mut seen = 0;
    while !changes.is_finished() || seen == 0 {
        let hits = search(&index, &acme, &EAST, 1000).await.unwrap();
        let first = hits[0].passage.as_u128() / 1000;
        assert_eq!(hits.len(), 300);
        assert!(hits.iter().all(|hit| hit.passage.as_u128() / 1000 == first));
        seen += 1;
    }
    changes.await.unwrap();
}
