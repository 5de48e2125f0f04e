//! One memory budget over many workspaces.

use consigne_plugin_flat::{Flat, FlatOptions};
use consigne_sdk::{CapabilityKind, Egress, Plugin, PluginErrorKind, Point, ProcessorRole};
use futures::poll;
use serde_json::json;

use crate::world::{Seed, id, open, open_default, point, search, workspace};

const DIMENSIONS: usize = 384;

/// Room for two partitions of 1,000 passages, not for three.
const ROOM_FOR_TWO: usize = 2_500_000;

fn knowledge(seed: u64, count: u128) -> Vec<Point> {
    let mut seed = Seed(seed);
    (0..count).map(|n| point(n, n % 10, &seed.unit(DIMENSIONS))).collect()
}

#[tokio::test]
async fn the_workspace_not_used_for_longest_makes_room() {
    let index = open(ROOM_FOR_TWO).await;
    index.apply(&workspace(1), knowledge(1, 1000), &[], 1).await.unwrap();
    index.apply(&workspace(2), knowledge(2, 1000), &[], 1).await.unwrap();
    search(&index, &workspace(1), &Seed(9).unit(DIMENSIONS), 5).await.unwrap();
    index.apply(&workspace(3), knowledge(3, 1000), &[], 1).await.unwrap();

    assert_eq!(index.version(&workspace(1)).await.unwrap(), Some(1));
    assert_eq!(index.version(&workspace(2)).await.unwrap(), None);
    assert_eq!(index.version(&workspace(3)).await.unwrap(), Some(1));
    assert_eq!(index.count(&workspace(2)).await.unwrap(), 0);
}

#[tokio::test]
async fn an_evicted_workspace_can_be_filled_again() {
    let index = open(ROOM_FOR_TWO).await;
    for n in 1..=3 {
        index.apply(&workspace(n), knowledge(n as u64, 1000), &[], 1).await.unwrap();
    }
    assert_eq!(index.version(&workspace(1)).await.unwrap(), None);
    index.apply(&workspace(1), knowledge(1, 1000), &[], 4).await.unwrap();
    let first = &knowledge(1, 1)[0];
    assert_eq!(search(&index, &workspace(1), &first.vector, 1).await.unwrap()[0].passage, first.passage);
    assert_eq!(index.version(&workspace(1)).await.unwrap(), Some(4));
}

#[tokio::test]
async fn a_small_change_never_makes_half_a_workspace_of_an_evicted_one() {
    let index = open(ROOM_FOR_TWO).await;
    for n in 1..=3 {
        index.apply(&workspace(n), knowledge(n as u64, 1000), &[], 1).await.unwrap();
    }
    // The host last heard that workspace 1 is at version 1, and brings what came since.
    let refused = index.apply(&workspace(1), knowledge(7, 1), &[], 2).await.unwrap_err();
    assert_eq!(refused.kind, PluginErrorKind::Unavailable);
    assert!(refused.is_retryable());
    assert_eq!(index.version(&workspace(1)).await.unwrap(), None);
}

#[tokio::test]
async fn a_search_in_an_evicted_workspace_says_so_instead_of_finding_nothing() {
    let index = open(ROOM_FOR_TWO).await;
    for n in 1..=3 {
        index.apply(&workspace(n), knowledge(n as u64, 1000), &[], 1).await.unwrap();
    }
    let refused = search(&index, &workspace(1), &Seed(9).unit(DIMENSIONS), 5).await.unwrap_err();
    assert_eq!(refused.kind, PluginErrorKind::Unavailable);
    index.drop_partition(&workspace(1)).await.unwrap();
    assert!(search(&index, &workspace(1), &Seed(9).unit(DIMENSIONS), 5).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_workspace_beyond_the_whole_budget_is_refused_with_the_numbers_and_costs_nobody_else() {
    let index = open(ROOM_FOR_TWO).await;
    index.apply(&workspace(1), knowledge(1, 1000), &[], 1).await.unwrap();
    let refused = index.apply(&workspace(2), knowledge(2, 3000), &[], 1).await.unwrap_err();
    assert_eq!(refused.kind, PluginErrorKind::Misconfigured);
    assert!(refused.message.contains("2500000"), "{}", refused.message);
    assert_eq!(index.version(&workspace(2)).await.unwrap(), None);
    assert_eq!(index.count(&workspace(1)).await.unwrap(), 1000);
}

#[tokio::test]
async fn a_workspace_that_outgrows_the_budget_keeps_what_it_had() {
    let index = open(ROOM_FOR_TWO).await;
    index.apply(&workspace(1), knowledge(1, 1000), &[], 1).await.unwrap();
    index.apply(&workspace(1), knowledge(1, 3000), &[], 2).await.unwrap_err();
    assert_eq!(index.version(&workspace(1)).await.unwrap(), Some(1));
    assert_eq!(index.count(&workspace(1)).await.unwrap(), 1000);
}

#[tokio::test]
async fn removing_makes_room_for_others() {
    let index = open(ROOM_FOR_TWO).await;
    index.apply(&workspace(1), knowledge(1, 1000), &[], 1).await.unwrap();
    index.apply(&workspace(2), knowledge(2, 1000), &[], 1).await.unwrap();
    for document in 0..9 {
        index.remove_document(&workspace(1), id(document)).await.unwrap();
    }
    index.apply(&workspace(3), knowledge(3, 1000), &[], 1).await.unwrap();
    for n in 1..=3 {
        assert_eq!(index.version(&workspace(n)).await.unwrap(), Some(1), "workspace {n}");
    }
}

#[tokio::test]
async fn a_big_scan_leaves_the_runtime_free_and_a_small_one_is_not_handed_over() {
    let index = open_default().await;
    let question = Seed(9).unit(DIMENSIONS);
    index.apply(&workspace(1), knowledge(1, 100), &[], 1).await.unwrap();
    index.apply(&workspace(2), knowledge(2, 8000), &[], 1).await.unwrap();

    let (few, many) = (workspace(1), workspace(2));
    let mut small = Box::pin(search(&index, &few, &question, 5));
    assert!(poll!(&mut small).is_ready());
    let mut big = Box::pin(search(&index, &many, &question, 5));
    assert!(poll!(&mut big).is_pending());
    assert_eq!(big.await.unwrap().len(), 5);
}

#[tokio::test]
async fn opening_twice_gives_one_index() {
    let plugin = Flat::new(FlatOptions::default());
    let mut opened = Vec::new();
    for _ in 0..2 {
        let egress = Egress::new(plugin.manifest(), &json!({})).unwrap();
        match plugin.open(CapabilityKind::VectorIndex, json!({}), egress).await.unwrap() {
            consigne_sdk::Capability::VectorIndex(index) => opened.push(index),
            _ => panic!("flat is a vector index"),
        }
    }
    opened[0].apply(&workspace(1), knowledge(1, 10), &[], 3).await.unwrap();
    assert_eq!(opened[1].version(&workspace(1)).await.unwrap(), Some(3));
}

#[tokio::test]
async fn it_declares_vectors_inside_this_installation_and_takes_no_setting() {
    let plugin = Flat::new(FlatOptions::default());
    let processing = plugin.processing(&json!({}));
    assert_eq!(processing.role, ProcessorRole::Internal);
    assert_eq!(plugin.manifest().capabilities, [CapabilityKind::VectorIndex]);
    assert!(plugin.manifest().hosts.is_empty());
    let egress = Egress::new(plugin.manifest(), &json!({})).unwrap();
    let refused = plugin.open(CapabilityKind::VectorIndex, json!({ "surprise": 1 }), egress).await.err().unwrap();
    assert_eq!(refused.kind, PluginErrorKind::Misconfigured);
}
