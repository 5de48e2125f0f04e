//! Many partitions under one memory budget.
//!
//! Work on a few rows is done where it is called. Work on more than [`INLINE_BYTES`] of them goes to the blocking pool, so
//! that no timer, socket or subscription of the async runtime waits for it; and as many of those at a time as there
//! are cores, because a scan is bound by them and more would only make all of them late.

use std::sync::Arc;

use async_trait::async_trait;
use consigne_sdk::{Hit, IndexQuery, Partition, PluginError, PluginErrorKind, Point, Residency, Result, VectorIndex};
use tokio::{sync::Semaphore, task::spawn_blocking};
use uuid::Uuid;

use crate::{
    rows::{Rows, check_length},
    scan::nearest,
    shelf::{SharedRows, Shelf},
};

/// Bytes of points that may be worked on within the async runtime: about 500 passages of 384 numbers, scanned in some
/// 50 microseconds, which is what tokio advises between two awaits. Handing work over costs about 15.
const INLINE_BYTES: usize = 768 * 1024;

/// The index.
pub(crate) struct FlatIndex {
    shelf: Shelf,
    scans: Arc<Semaphore>,
}

impl FlatIndex {
    /// An empty index that may take this many bytes.
    pub fn new(memory_bytes: usize) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { shelf: Shelf::new(memory_bytes), scans: Arc::new(Semaphore::new(cores)) }
    }

    async fn change(&self, partition: &Partition, rows: &SharedRows, change: Change) -> Result<()> {
        let mut held = rows.clone().write_owned().await;
        held.check(&change.put)?;
        let needed = held.bytes_after(&change.put, &change.remove).max(held.bytes());
        free(self.shelf.reserve(partition, rows, needed)?);
        let worked_on = change.put.iter().map(|point| size_of_val(point.vector.as_slice())).sum();
        let held = run(worked_on, move || {
            held.change(change.put, &change.remove);
            held
        })
        .await?;
        self.shelf.settle(partition, rows, held.bytes(), Some(change.version))
    }
}

/// What [`VectorIndex::apply`] is asked for.
struct Change {
    put: Vec<Point>,
    remove: Vec<Uuid>,
    version: i64,
}

#[async_trait]
impl VectorIndex for FlatIndex {
    fn residency(&self) -> Residency {
        Residency::Memory
    }

    async fn version(&self, partition: &Partition) -> Result<Option<i64>> {
        Ok(self.shelf.version(partition))
    }

    /// Beyond the trait's errors: `Misconfigured` where the partition alone exceeds the memory budget, `Internal` where a
    /// vector has another length than the others, `Unavailable` where the partition was evicted since the host last
    /// asked for its version. In each case nothing was changed.
    async fn apply(&self, partition: &Partition, put: Vec<Point>, remove: &[Uuid], version: i64) -> Result<()> {
        let rows = self.shelf.open(partition)?;
        let changed = self.change(partition, &rows, Change { put, remove: remove.to_vec(), version }).await;
        if changed.is_err() {
            self.shelf.close_unused(partition);
        }
        changed
    }

    /// Beyond the trait's errors: `Internal` where the vector has another length than the partition's, `Unavailable`
    /// where the partition was evicted and not filled again, which "no hit" would hide.
    async fn search(&self, partition: &Partition, query: &IndexQuery) -> Result<Vec<Hit>> {
        let Some(rows) = self.shelf.find_to_search(partition)? else { return Ok(Vec::new()) };
        let held = rows.read_owned().await;
        if held.len() == 0 || query.limit == 0 {
            return Ok(Vec::new());
        }
        check_length(held.dimensions(), query.vector.len())?;
        let numbers = query.vector.iter().copied().chain(query.terms.iter().map(|term| term.weight));
        if !numbers.into_iter().all(f32::is_finite) {
            return Err(PluginError::new(PluginErrorKind::Internal, "a number of a search is not finite"));
        }
        if held.bytes() <= INLINE_BYTES {
            return Ok(nearest(&held, query));
        }
        let permit = self.scans.clone().acquire_owned().await.map_err(|_| broken())?;
        let query = query.clone();
        spawn_blocking(move || {
            let hits = nearest(&held, &query);
            drop(permit);
            hits
        })
        .await
        .map_err(|_| broken())
    }

    async fn passages(&self, partition: &Partition) -> Result<Vec<Uuid>> {
        let Some(rows) = self.shelf.find(partition) else { return Ok(Vec::new()) };
        Ok(rows.read_owned().await.passages())
    }

    async fn remove_document(&self, partition: &Partition, document: Uuid) -> Result<u64> {
        let Some(rows) = self.shelf.find(partition) else { return Ok(0) };
        let mut held = rows.clone().write_owned().await;
        let (held, removed) = run(held.bytes(), move || {
            let removed = held.remove_document(document);
            (held, removed)
        })
        .await?;
        // Where the partition went meanwhile, so did the points: the count still holds.
        self.shelf.settle(partition, &rows, held.bytes(), None).ok();
        Ok(removed)
    }

    async fn count(&self, partition: &Partition) -> Result<u64> {
        let Some(rows) = self.shelf.find(partition) else { return Ok(0) };
        Ok(rows.read_owned().await.len() as u64)
    }

    async fn drop_partition(&self, partition: &Partition) -> Result<()> {
        let Some(rows) = self.shelf.remove(partition) else { return Ok(()) };
        // Whoever is still searching ends first; then nothing is left to find, and it was overwritten.
        let mut held = rows.write_owned().await;
        run(held.bytes(), move || *held = Rows::default()).await
    }

    /// What was removed was overwritten when it was.
    async fn purge(&self, _: &Partition) -> Result<()> {
        Ok(())
    }
}

/// Runs work on this many bytes here, or on the blocking pool where it would hold up the runtime.
async fn run<T: Send + 'static>(bytes: usize, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    if bytes <= INLINE_BYTES {
        return Ok(work());
    }
    spawn_blocking(work).await.map_err(|_| broken())
}

/// Overwrites and frees evicted rows beside the runtime, once their last search has ended.
fn free(evicted: Vec<SharedRows>) {
    if !evicted.is_empty() {
        spawn_blocking(move || drop(evicted));
    }
}

fn broken() -> PluginError {
    PluginError::new(PluginErrorKind::Internal, "a search or change of the flat index broke off")
}

#[cfg(test)]
mod tests {
    use consigne_sdk::{Facts, Fingerprint, Term};

    use super::*;

    const BUDGET: usize = 2_000_000;

    fn partition(n: u128) -> Partition {
        Partition::new(Uuid::from_u128(n), Fingerprint([0; 32]))
    }

    fn points(count: u128) -> Vec<Point> {
        let vector = vec![0.5; 64];
        (0..count)
            .map(|n| Point {
                passage: Uuid::from_u128(n),
                document: Uuid::from_u128(n % 7),
                vector: vector.clone(),
                terms: vec![Term { number: n as u32 % 50, weight: 1.0 }],
                facts: Facts::default(),
            })
            .collect()
    }

    #[tokio::test]
    async fn what_is_counted_stays_within_the_budget_and_ends_at_nothing() {
        let index = FlatIndex::new(BUDGET);
        for n in 0..40 {
            let partition = partition(n % 6);
            index.version(&partition).await.unwrap();
            index.apply(&partition, points(100 + n * 37), &[Uuid::from_u128(3)], 1).await.unwrap();
            index.remove_document(&partition, Uuid::from_u128(n % 7)).await.unwrap();
            assert!(index.shelf.bytes() <= BUDGET);
            assert!(index.shelf.bytes() > 0);
        }
        for n in 0..6 {
            index.drop_partition(&partition(n)).await.unwrap();
        }
        assert_eq!(index.shelf.bytes(), 0);
    }

    #[tokio::test]
    async fn a_refused_fill_leaves_nothing_counted() {
        let index = FlatIndex::new(BUDGET);
        index.apply(&partition(1), points(100_000), &[], 1).await.unwrap_err();
        assert_eq!(index.shelf.bytes(), 0);
        assert!(index.shelf.find(&partition(1)).is_none());
    }
}
