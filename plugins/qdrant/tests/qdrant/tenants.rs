//! Every request is watched for its tenant.

use std::collections::BTreeSet;

use consigne_qdrant_standin::Standin;
use consigne_sdk::{
    Facts, Filter, IndexQuery, Partition, Point,
    conformance::world::{EAST, MODEL, NORTH, id, near, point, terms},
};
use uuid::Uuid;

use crate::world::open_on;

const ACME: Uuid = Uuid::from_u128(0xACE);
const OTHER: Uuid = Uuid::from_u128(0x07E);

fn passage(number: u128) -> Point {
    let facts = Facts { source: Some(id(7)), language: Some("fr".into()), tags: vec![1, u32::MAX], date: 5 };
    Point { terms: terms(&[(1, 1.0), (2, 0.5)]), facts, ..point(number, 1, &NORTH) }
}

/// Everything that an index can be asked.
#[expect(clippy::unwrap_used, reason = "part of a test")]
async fn everything(standin: &Standin, workspace: Uuid) {
    let (index, partition) = (open_on(standin).await, Partition::new(workspace, MODEL));
    index.version(&partition).await.unwrap();
    index.apply(&partition, (0..600).map(passage).collect(), &[id(1000), id(2000)], 1).await.unwrap();
    let filter = Filter {
        sources: vec![id(7)],
        not_sources: vec![id(8)],
        languages: vec!["fr".into()],
        tags: vec![1],
        from: Some(1),
        until: Some(9),
    };
    let question = IndexQuery { terms: terms(&[(1, 1.0)]), filter, ..near(&EAST, 5) };
    assert_eq!(index.search(&partition, &question).await.unwrap().len(), 5);
    assert_eq!(index.search(&partition, &near(&EAST, 5)).await.unwrap().len(), 5);
    assert_eq!(index.passages(&partition).await.unwrap().len(), 600);
    assert_eq!(index.version(&partition).await.unwrap(), Some(1));
    assert_eq!(index.remove_document(&partition, id(1)).await.unwrap(), 600);
    assert_eq!(index.count(&partition).await.unwrap(), 0);
    index.drop_partition(&partition).await.unwrap();
}

#[tokio::test]
async fn every_request_about_points_names_its_workspace_and_no_other() {
    let standin = Standin::start().await;
    everything(&standin, ACME).await;
    let seen = standin.seen();
    let calls: BTreeSet<&str> = seen.iter().map(|seen| seen.call).collect();
    assert_eq!(calls, BTreeSet::from(["count", "delete", "query", "scroll", "upsert"]));
    let collections: BTreeSet<&str> = seen.iter().map(|seen| seen.collection.as_str()).collect();
    assert_eq!(collections.len(), 2, "points and versions: {collections:?}");
    assert!(seen.iter().all(|seen| seen.tenant == ACME.to_string()), "{seen:?}");
}

#[tokio::test]
async fn a_purge_touches_the_points_of_nobody_alone() {
    let standin = Standin::start().await;
    let (index, partition) = (open_on(&standin).await, Partition::new(ACME, MODEL));
    index.apply(&partition, vec![passage(1)], &[], 1).await.unwrap();
    let before = standin.seen().len();
    index.purge(&partition).await.unwrap();
    let seen = standin.seen().split_off(before);
    assert!(!seen.is_empty() && seen.iter().all(|seen| seen.tenant == Uuid::nil().to_string()), "{seen:?}");
    assert_eq!(index.passages(&partition).await.unwrap(), [id(1)]);
}

#[tokio::test]
async fn two_workspaces_with_the_same_passages_write_different_points() {
    let standin = Standin::start().await;
    let index = open_on(&standin).await;
    for workspace in [ACME, OTHER] {
        index.apply(&Partition::new(workspace, MODEL), vec![passage(1)], &[], 1).await.unwrap();
    }
    assert!(standin.has_bytes_of(ACME, id(1)) && standin.has_bytes_of(OTHER, id(1)));
    assert_eq!(index.remove_document(&Partition::new(ACME, MODEL), id(1)).await.unwrap(), 1);
    assert_eq!(index.count(&Partition::new(OTHER, MODEL)).await.unwrap(), 1);
}
