//! The capability: each call is a tenant's.

use std::time::Duration;

use async_trait::async_trait;
use consigne_sdk::{Egress, Hit, IndexQuery, Partition, Point, Residency, Result, VectorIndex};
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::{
    channel,
    collections::Collections,
    failure::{not_finite, unavailable, wrong_length},
    purge,
    settings::Settings,
    tenant::Points,
};

/// The index.
pub(crate) struct QdrantIndex {
    points: Points,
    collections: Collections,
    purge_timeout: Duration,
    /// One purge at a time: each puts the thresholds of a collection back when it ends.
    purging: Mutex<()>,
}

impl QdrantIndex {
    /// The index under these settings. Nothing is connected yet.
    ///
    /// # Errors
    /// `Misconfigured`.
    pub(crate) fn open(settings: Settings, egress: Egress) -> Result<Self> {
        let wire = channel::open(&settings, egress)?;
        Ok(Self {
            points: Points::new(wire.clone(), settings.timeout()),
            collections: Collections::new(wire, settings.timeout(), settings.replicas),
            purge_timeout: settings.purge_timeout(),
            purging: Mutex::new(()),
        })
    }
}

#[async_trait]
impl VectorIndex for QdrantIndex {
    fn residency(&self) -> Residency {
        Residency::Server
    }

    /// Asks the server: another gateway may have recorded a later one.
    async fn version(&self, partition: &Partition) -> Result<Option<i64>> {
        self.points.of(partition).version().await
    }

    /// Beyond the trait's errors: `Misconfigured` where a vector has another length than the collection's, `Internal` where
    /// one is not finite; in both cases nothing was changed. After any other error some of the change may be there, and
    /// the version is still the old one: applying it again finishes it.
    async fn apply(&self, partition: &Partition, put: Vec<Point>, remove: &[Uuid], version: i64) -> Result<()> {
        let tenant = self.points.of(partition);
        if let Some(first) = put.first() {
            check(&put, first.vector.len())?;
            self.collections.make(&self.points, tenant.collection(), first.vector.len()).await?;
            if let Err(error) = tenant.put(&put).await {
                self.collections.forget(tenant.collection());
                return Err(error);
            }
        }
        let kept: std::collections::HashSet<Uuid> = put.iter().map(|point| point.passage).collect();
        let gone: Vec<Uuid> = remove.iter().filter(|passage| !kept.contains(passage)).copied().collect();
        tenant.take(&gone).await?;
        self.collections.make_versions(&self.points).await?;
        tenant.record(version).await.inspect_err(|_| self.collections.forget(crate::collections::VERSIONS))
    }

    /// Beyond the trait's errors: `Misconfigured` where the vector has another length than the collection's.
    async fn search(&self, partition: &Partition, query: &IndexQuery) -> Result<Vec<Hit>> {
        let tenant = self.points.of(partition);
        if query.limit == 0 {
            return Ok(Vec::new());
        }
        if !is_finite(&query.vector) || query.terms.iter().any(|term| !term.weight.is_finite()) {
            return Err(not_finite());
        }
        if !self.collections.check(tenant.collection(), query.vector.len()).await? {
            return Ok(Vec::new());
        }
        let found = tenant.search(query).await?;
        Ok(found.unwrap_or_else(|| {
            self.collections.forget(tenant.collection());
            Vec::new()
        }))
    }

    async fn passages(&self, partition: &Partition) -> Result<Vec<Uuid>> {
        self.points.of(partition).passages().await
    }

    async fn remove_document(&self, partition: &Partition, document: Uuid) -> Result<u64> {
        let tenant = self.points.of(partition);
        let there = tenant.count(Some(document)).await?;
        tenant.take_document(document).await?;
        match tenant.count(Some(document)).await? {
            0 => Ok(there),
            _ => Err(unavailable("a deleted document is still there")),
        }
    }

    async fn count(&self, partition: &Partition) -> Result<u64> {
        self.points.of(partition).count(None).await
    }

    async fn drop_partition(&self, partition: &Partition) -> Result<()> {
        let tenant = self.points.of(partition);
        tenant.take_all().await?;
        tenant.forget_version().await?;
        match tenant.count(None).await? {
            0 => Ok(()),
            _ => Err(unavailable("a dropped workspace is still there")),
        }
    }

    async fn purge(&self, partition: &Partition) -> Result<()> {
        let _one_at_a_time = self.purging.lock().await;
        purge::purge(&self.points, &self.collections, partition, self.purge_timeout).await
    }
}

fn check(points: &[Point], length: usize) -> Result<()> {
    for point in points {
        if point.vector.len() != length {
            return Err(wrong_length(length, point.vector.len()));
        }
        if !is_finite(&point.vector) || point.terms.iter().any(|term| !term.weight.is_finite()) {
            return Err(not_finite());
        }
    }
    Ok(())
}

fn is_finite(vector: &[f32]) -> bool {
    vector.iter().all(|number| number.is_finite())
}
