//! How deleted bytes leave the server's disk.
//!
//! Qdrant marks a point deleted and keeps its bytes in two places. The **segment** that holds it is rewritten once
//! enough of it is deleted, and never while it holds fewer than 100 points, the smallest number the server accepts. The
//! **log** keeps every write until its file is full, the file after it too, and both are on disk as data.
//!
//! So a purge lowers the thresholds to "at the first deleted point"; puts in points of nobody and takes them out again,
//! until no segment is too small to be rewritten; and waits until the server has no rewriting left to do, which it
//! tells as the collection's status. Then it writes points of nobody, more of them than some files of the log take, takes
//! them out again, and waits until the server has dropped the files before them. The thresholds are put back, so that everyday changes do not
//! rewrite whole segments.
//!
//! The status is that of the copies that answer for the collection. The server tells nothing about the log: that wait is
//! three times as long as the server takes between two writes to disk. Snapshots that an operator took are the
//! operator's to delete.

use std::{ops::Range, time::Duration};

use consigne_sdk::{Facts, Partition, Point, Result};
use qdrant_client::qdrant::CollectionStatus;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use crate::{
    collections::{AT_ONCE, Collections, EVERYDAY, FLUSH_SECONDS, LOG_MEGABYTES, length_in, vacuum_in},
    failure::{invalid, unavailable},
    tenant::{Points, Tenant},
};

/// Points of nobody for each segment: more than the server wants in a segment that it rewrites.
const SWEEP_A_SEGMENT: u64 = 128;
/// Files of the log that are filled: the one with the deletion, the one that the server keeps behind it, and one more.
const LOG_FILES: u64 = 3;
/// Bytes that a number of a vector takes in the log at least, and the ids of a point.
const LEAST_BYTES_A_NUMBER: u64 = 3;
const LEAST_BYTES_A_POINT: u64 = 120;
/// Points of nobody in one request.
const DUST_AT_ONCE: usize = 256;
/// Between two looks at the status.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Makes what was deleted in the partition's collection unreadable, and answers once it is.
///
/// # Errors
/// `Unavailable` where it is not after `within`.
pub(crate) async fn purge(
    points: &Points,
    collections: &Collections,
    partition: &Partition,
    within: Duration,
) -> Result<()> {
    let nobody = points.of(&Partition::new(Uuid::nil(), partition.model()));
    let collection = nobody.collection();
    let Some(info) = collections.info(collection).await? else { return Ok(()) };
    let everyday = vacuum_in(&info).filter(|vacuum| *vacuum != AT_ONCE).unwrap_or(EVERYDAY);
    let length = length_in(&info).ok_or_else(|| invalid("a collection of another kind has this name"))?;

    let purged = timeout(within, async {
        collections.set_vacuum(collection, AT_ONCE, within).await?;
        sweep(&nobody, length, info.segments_count).await?;
        wait_until_rewritten(collections, collection, within).await?;
        push_out_of_the_log(&nobody, length).await
    });
    let purged = purged.await.unwrap_or_else(|_| Err(unavailable("deleted points are still on the server's disk")));
    if let Err(error) = collections.set_vacuum(collection, everyday, within).await {
        tracing::warn!(plugin = crate::ID, kind = ?error.kind, "a collection goes on rewriting itself at every deletion");
    }
    purged
}

/// The server puts new points into its smallest segment, so these fill up every small one.
async fn sweep(nobody: &Tenant<'_>, length: usize, segments: u64) -> Result<()> {
    nobody.put(&dust(0..SWEEP_A_SEGMENT * segments.max(2), length)).await?;
    nobody.take_all().await
}

/// Points of nobody with these numbers.
fn dust(numbers: Range<u64>, length: usize) -> Vec<Point> {
    let points = numbers.map(|number| {
        let mut vector = vec![0.0; length];
        vector[usize::try_from(number).unwrap_or_default() % length.max(1)] = 1.0;
        let passage = Uuid::from_u128(u128::from(number));
        Point { passage, document: Uuid::nil(), vector, terms: Vec::new(), facts: Facts::default() }
    });
    points.collect()
}

/// Another gateway that purges at the same time may have put the thresholds back: a green status counts only where it
/// was told together with the low ones.
async fn wait_until_rewritten(collections: &Collections, collection: &str, within: Duration) -> Result<()> {
    loop {
        let Some(info) = collections.info(collection).await? else { return Ok(()) };
        if vacuum_in(&info) != Some(AT_ONCE) {
            collections.set_vacuum(collection, AT_ONCE, within).await?;
            continue;
        }
        match info.status() {
            CollectionStatus::Green => return Ok(()),
            CollectionStatus::Red => return Err(unavailable("the server's optimizer reports an error")),
            _ => sleep(LOOK_EVERY).await,
        }
    }
}

/// A deletion by filter does not do: the server writes down what it found, not the filter.
async fn push_out_of_the_log(nobody: &Tenant<'_>, length: usize) -> Result<()> {
    let bytes = u64::try_from(length).unwrap_or_default() * LEAST_BYTES_A_NUMBER + LEAST_BYTES_A_POINT;
    let points = (LOG_FILES * (LOG_MEGABYTES << 20)).div_ceil(bytes);
    for from in (0..points).step_by(DUST_AT_ONCE) {
        nobody.put(&dust(from..from + DUST_AT_ONCE as u64, length)).await?;
    }
    nobody.take_all().await?;
    sleep(Duration::from_secs(3 * FLUSH_SECONDS)).await;
    Ok(())
}
