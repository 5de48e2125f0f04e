//! Nearest vectors of one workspace.
//!
//! An index is derived: it can be thrown away and filled again from the database, where the vectors live sealed.

use async_trait::async_trait;
use uuid::Uuid;

use crate::{Fingerprint, Result};

/// One workspace's vectors of one model. Every call names one, so no call can reach past a workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Partition {
    workspace: Uuid,
    model: Fingerprint,
}

impl Partition {
    /// The vectors of this model in this workspace.
    pub fn new(workspace: Uuid, model: Fingerprint) -> Self {
        Self { workspace, model }
    }

    /// The workspace.
    pub fn workspace(&self) -> Uuid {
        self.workspace
    }

    /// The model.
    pub fn model(&self) -> Fingerprint {
        self.model
    }
}

/// A vector and whose it is. Ids only: no text reaches an index.
#[derive(Debug, Clone)]
pub struct Point {
    /// The passage.
    pub passage: Uuid,
    /// Its document, by which it is deleted.
    pub document: Uuid,
    /// Unit length, as many numbers as the model has dimensions.
    pub vector: Vec<f32>,
}

/// A passage found, best first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// The passage.
    pub passage: Uuid,
    /// Cosine similarity, -1 to 1.
    pub score: f32,
}

/// Where an index keeps its points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Residency {
    /// In this process: the host fills it from the database on first use and keeps it in step.
    Memory,
    /// In a server of its own: the host writes to it when knowledge changes.
    Server,
}

/// Finds the nearest vectors. Removing waits until the points can no longer be found.
#[async_trait]
pub trait VectorIndex: Send + Sync {
    /// Where the points are kept.
    fn residency(&self) -> Residency;

    /// The version of the knowledge that the partition was last brought to, or `None` where it holds nothing yet or
    /// was evicted.
    ///
    /// # Errors
    /// `Unavailable` where the index cannot be reached, here and below.
    async fn version(&self, partition: &Partition) -> Result<Option<i64>>;

    /// Puts these points and takes those away, then records `version`, as one step for searchers. A point that
    /// exists already is replaced.
    async fn apply(&self, partition: &Partition, put: Vec<Point>, remove: &[Uuid], version: i64) -> Result<()>;

    /// The nearest points by cosine, best first, at most `limit`. Empty where the partition holds nothing.
    async fn search(&self, partition: &Partition, vector: &[f32], limit: usize) -> Result<Vec<Hit>>;

    /// All passages that the partition holds, in no order.
    async fn passages(&self, partition: &Partition) -> Result<Vec<Uuid>>;

    /// Takes away all points of a document and says how many there were.
    async fn remove_document(&self, partition: &Partition, document: Uuid) -> Result<u64>;

    /// How many points the partition holds.
    async fn count(&self, partition: &Partition) -> Result<u64>;

    /// Forgets the partition.
    async fn drop_partition(&self, partition: &Partition) -> Result<()>;
}
