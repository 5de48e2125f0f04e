//! What goes wrong, and what the host may do about it.

use std::{sync::Arc, time::Duration};

use consigne_qdrant_standin::{Fault, Standin};
use consigne_sdk::{
    Partition, PluginError, PluginErrorKind, VectorIndex,
    conformance::world::{EAST, MODEL, id, near, passages, point},
};
use serde_json::json;
use uuid::Uuid;

use crate::world::{open, open_on};

fn acme() -> Partition {
    Partition::new(Uuid::from_u128(1), MODEL)
}

#[expect(clippy::unwrap_used, reason = "part of a test")]
async fn filled() -> (Standin, Arc<dyn VectorIndex>) {
    let standin = Standin::start().await;
    let index = open_on(&standin).await;
    index.apply(&acme(), vec![point(1, 1, &EAST), point(2, 1, &EAST)], &[], 1).await.unwrap();
    (standin, index)
}

fn assert_later(error: &PluginError) {
    assert!(error.is_retryable(), "{error:?}");
    assert!(!error.message.contains("secret"), "the server's words: {error}");
}

#[tokio::test]
async fn a_connection_lost_once_is_not_noticed() {
    let (mut standin, index) = filled().await;
    standin.fail("query", Fault::Unavailable);
    assert_eq!(index.search(&acme(), &near(&EAST, 5)).await.unwrap().len(), 2);
    standin.restart().await;
    assert_eq!(index.search(&acme(), &near(&EAST, 5)).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_server_that_stays_away_is_unavailable() {
    let (standin, index) = filled().await;
    for call in ["query", "query", "count", "count", "scroll", "scroll", "upsert", "upsert"] {
        standin.fail(call, Fault::Unavailable);
    }
    assert_later(&index.search(&acme(), &near(&EAST, 5)).await.unwrap_err());
    assert_later(&index.count(&acme()).await.unwrap_err());
    assert_later(&index.version(&acme()).await.unwrap_err());
    assert_later(&index.apply(&acme(), vec![point(3, 1, &EAST)], &[], 2).await.unwrap_err());
    assert_eq!(index.version(&acme()).await.unwrap(), Some(1), "a change that failed has no version");
}

#[tokio::test]
async fn a_server_nobody_started_is_unavailable() {
    let index = open(json!({ "url": "http://127.0.0.1:1" })).await.unwrap();
    let error = index.search(&acme(), &near(&EAST, 5)).await.unwrap_err();
    assert_later(&error);
    assert_later(&index.remove_document(&acme(), id(1)).await.unwrap_err());
    assert_later(&index.purge(&acme()).await.unwrap_err());
}

#[tokio::test]
async fn a_late_answer_is_no_answer() {
    let (standin, index) = filled().await;
    standin.fail("query", Fault::Slow(Duration::from_secs(30)));
    assert_later(&index.search(&acme(), &near(&EAST, 5)).await.unwrap_err());
}

#[tokio::test]
async fn a_write_that_is_not_confirmed_is_not_reported() {
    let (standin, index) = filled().await;
    standin.fail("delete", Fault::Unconfirmed);
    assert_later(&index.remove_document(&acme(), id(1)).await.unwrap_err());
    standin.fail("upsert", Fault::Unconfirmed);
    assert_later(&index.apply(&acme(), vec![point(3, 1, &EAST)], &[], 2).await.unwrap_err());
    assert_eq!(index.version(&acme()).await.unwrap(), Some(1));
    index.apply(&acme(), vec![point(3, 1, &EAST)], &[], 2).await.unwrap();
    assert_eq!(index.version(&acme()).await.unwrap(), Some(2), "the same change again finishes it");
}

#[tokio::test]
async fn a_deletion_is_counted_and_not_believed() {
    let (standin, index) = filled().await;
    standin.fail("delete", Fault::Lies);
    assert_later(&index.remove_document(&acme(), id(1)).await.unwrap_err());
    standin.fail("delete", Fault::Lies);
    assert_later(&index.drop_partition(&acme()).await.unwrap_err());
    assert_eq!(index.remove_document(&acme(), id(1)).await.unwrap(), 2);
}

#[tokio::test]
async fn a_key_that_is_refused_is_for_a_person_to_mend() {
    let (standin, index) = filled().await;
    let stranger = open(json!({ "url": standin.url(), "apiKey": "another" })).await.unwrap();
    let refused = stranger.search(&acme(), &near(&EAST, 5)).await.unwrap_err();
    assert_eq!(refused.kind, PluginErrorKind::Misconfigured);
    assert!(!refused.message.contains("another"), "{refused}");
    standin.fail("update", Fault::Denied);
    assert_eq!(index.purge(&acme()).await.unwrap_err().kind, PluginErrorKind::Misconfigured);
}

#[tokio::test]
async fn a_collection_dropped_by_hand_is_empty_and_made_again() {
    let (standin, index) = filled().await;
    let (points, _, _) = standin.collections().into_iter().find(|(name, ..)| name != "consigne_versions").unwrap();
    standin.drop_collection(&points);
    assert!(index.search(&acme(), &near(&EAST, 5)).await.unwrap().is_empty());
    assert_eq!(index.count(&acme()).await.unwrap(), 0);
    index.apply(&acme(), vec![point(3, 1, &EAST)], &[], 2).await.unwrap();
    assert_eq!(passages(&index.search(&acme(), &near(&EAST, 5)).await.unwrap()), [id(3)]);

    standin.drop_collection(&points);
    assert_later(&index.apply(&acme(), vec![point(4, 1, &EAST)], &[], 3).await.unwrap_err());
    index.apply(&acme(), vec![point(4, 1, &EAST)], &[], 3).await.unwrap();
    assert_eq!(index.passages(&acme()).await.unwrap(), [id(4)]);
}
