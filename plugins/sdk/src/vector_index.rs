//! Nearest passages of one workspace.
//!
//! An index is derived: it can be thrown away and filled again from the database, where vectors and terms live sealed.
//! It is handed vectors, term numbers and facts to filter by; never a word.

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

/// A term of a passage or of a question. The number comes from a hash under the workspace's key: it says nothing to
/// whoever lacks the key, and equal words of two workspaces have different numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Term {
    /// Which term.
    pub number: u32,
    /// What it weighs: in a passage 0 to [`MOST_TERM_WEIGHT`], in a question any positive number.
    pub weight: f32,
}

/// The most that a term weighs in a passage.
pub const MOST_TERM_WEIGHT: f32 = 4.0;

/// What a passage can be filtered by.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Facts {
    /// The source that its document came from.
    pub source: Option<Uuid>,
    /// ISO 639-1 code, where it was detected.
    pub language: Option<String>,
    /// Tags of its document, as numbers from a hash under the workspace's key.
    pub tags: Vec<u32>,
    /// The date of its document, in milliseconds since 1970 (UTC).
    pub date: i64,
}

/// A vector and whose it is. Ids and numbers only: no text reaches an index.
#[derive(Debug, Clone)]
pub struct Point {
    /// The passage.
    pub passage: Uuid,
    /// Its document, by which it is deleted.
    pub document: Uuid,
    /// Unit length, as many numbers as the model has dimensions.
    pub vector: Vec<f32>,
    /// Its terms, each once, in no order.
    pub terms: Vec<Term>,
    /// What it can be filtered by.
    pub facts: Facts,
}

/// Which passages may be found. Each condition that is not empty has to hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// From one of these sources.
    pub sources: Vec<Uuid>,
    /// From none of these sources.
    pub not_sources: Vec<Uuid>,
    /// In one of these languages.
    pub languages: Vec<String>,
    /// With at least one of these tags.
    pub tags: Vec<u32>,
    /// Dated at or after this.
    pub from: Option<i64>,
    /// Dated before this.
    pub until: Option<i64>,
}

impl Filter {
    /// Whether every passage may be found.
    pub fn is_open(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a passage with these facts may be found.
    pub fn admits(&self, facts: &Facts) -> bool {
        let language = facts.language.as_ref();
        (self.sources.is_empty() || facts.source.is_some_and(|source| self.sources.contains(&source)))
            && !facts.source.is_some_and(|source| self.not_sources.contains(&source))
            && (self.languages.is_empty() || language.is_some_and(|language| self.languages.contains(language)))
            && (self.tags.is_empty() || self.tags.iter().any(|tag| facts.tags.contains(tag)))
            && self.from.is_none_or(|from| facts.date >= from)
            && self.until.is_none_or(|until| facts.date < until)
    }
}

/// What is looked for.
#[derive(Debug, Clone, Default)]
pub struct IndexQuery {
    /// The question's vector, unit length.
    pub vector: Vec<f32>,
    /// The question's terms; none where only the vector counts.
    pub terms: Vec<Term>,
    /// Which passages may be found.
    pub filter: Filter,
    /// How many at most.
    pub limit: usize,
}

/// A passage found, best first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// The passage.
    pub passage: Uuid,
    /// The cosine of the two vectors, plus the product of the two weights of every term that they share. An index that
    /// ranks vectors and terms apart before it adds them may give a passage of the lower ranks less than that.
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

/// Finds the nearest passages. Removing waits until the points can no longer be found.
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

    /// Puts these points and takes those away, then records `version`. In memory that is one step for searchers; a server
    /// puts before it takes away. A point that exists already is replaced.
    async fn apply(&self, partition: &Partition, put: Vec<Point>, remove: &[Uuid], version: i64) -> Result<()>;

    /// The best passages by [`Hit::score`], at most [`IndexQuery::limit`]. Empty where the partition holds nothing.
    async fn search(&self, partition: &Partition, query: &IndexQuery) -> Result<Vec<Hit>>;

    /// All passages that the partition holds, in no order.
    async fn passages(&self, partition: &Partition) -> Result<Vec<Uuid>>;

    /// Takes away all points of a document and says how many there were.
    async fn remove_document(&self, partition: &Partition, document: Uuid) -> Result<u64>;

    /// How many points the partition holds.
    async fn count(&self, partition: &Partition) -> Result<u64>;

    /// Forgets the partition.
    async fn drop_partition(&self, partition: &Partition) -> Result<()>;

    /// Makes what was removed unreadable in the storage of the index, too, and answers once it is. Nothing to do for
    /// an index that overwrites what it removes.
    ///
    /// # Errors
    /// `Unavailable` also where the storage still has it after a fair wait.
    async fn purge(&self, partition: &Partition) -> Result<()>;
}
