//! Deleted bytes leave the disk: here on the stand-in, which keeps them as the original does; `bytes` looks into the
//! files of a real server.

use consigne_qdrant_standin::{Fault, Standin};
use consigne_sdk::{
    Partition, Point,
    conformance::world::{EAST, MODEL, NORTH, id, point},
};
use uuid::Uuid;

use crate::world::open_on;

const ACME: Uuid = Uuid::from_u128(1);
const OTHER: Uuid = Uuid::from_u128(2);

fn documents(count: u128) -> Vec<Point> {
    (0..count).map(|number| point(number, number % 2, &EAST)).collect()
}

#[expect(clippy::unwrap_used, reason = "part of a test")]
async fn bytes_are_gone_after_a_purge(count: u128) {
    let standin = Standin::start().await;
    let (index, acme) = (open_on(&standin).await, Partition::new(ACME, MODEL));
    index.apply(&acme, documents(count), &[], 1).await.unwrap();
    index.apply(&Partition::new(OTHER, MODEL), vec![point(1, 1, &NORTH)], &[], 1).await.unwrap();
    assert_eq!(index.remove_document(&acme, id(1)).await.unwrap() as u128, count / 2);
    assert!(standin.has_bytes_of(ACME, id(1)), "a deletion only marks");

    index.purge(&acme).await.unwrap();
    assert!((0..count).filter(|n| n % 2 == 1).all(|n| !standin.has_bytes_of(ACME, id(n))));
    assert!(standin.has_bytes_of(ACME, id(0)) && standin.has_bytes_of(OTHER, id(1)));
}

#[tokio::test]
async fn a_few_points_in_a_segment_too_small_to_be_rewritten() {
    bytes_are_gone_after_a_purge(4).await;
}

#[tokio::test]
async fn a_share_below_the_everyday_threshold() {
    bytes_are_gone_after_a_purge(5000).await;
}

#[tokio::test]
async fn the_thresholds_are_put_back() {
    let standin = Standin::start().await;
    let (index, acme) = (open_on(&standin).await, Partition::new(ACME, MODEL));
    index.apply(&acme, documents(4), &[], 1).await.unwrap();
    let before = standin.collections();
    index.purge(&acme).await.unwrap();
    assert_eq!(standin.collections(), before);
    assert!(before.iter().all(|(_, share, least)| (*share, *least) == (0.2, 1000)), "{before:?}");
}

#[tokio::test]
async fn a_purge_that_another_gateway_ends_early_goes_on() {
    let standin = Standin::start().await;
    let (index, acme) = (open_on(&standin).await, Partition::new(ACME, MODEL));
    index.apply(&acme, documents(400), &[], 1).await.unwrap();
    index.remove_document(&acme, id(1)).await.unwrap();
    let other = open_on(&standin).await;
    let (one, two) = tokio::join!(index.purge(&acme), other.purge(&acme));
    one.unwrap();
    two.unwrap();
    assert!(!standin.has_bytes_of(ACME, id(1)));
    assert!(standin.collections().iter().all(|(_, share, least)| (*share, *least) == (0.2, 1000)));
}

#[tokio::test]
async fn a_purge_that_fails_says_so_and_puts_the_thresholds_back() {
    let standin = Standin::start().await;
    let (index, acme) = (open_on(&standin).await, Partition::new(ACME, MODEL));
    index.apply(&acme, documents(4), &[], 1).await.unwrap();
    standin.fail("delete", Fault::Unconfirmed);
    assert!(index.purge(&acme).await.unwrap_err().is_retryable());
    assert!(standin.collections().iter().all(|(_, share, least)| (*share, *least) == (0.2, 1000)));
}
