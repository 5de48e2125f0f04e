//! A customer's knowledge: documents go in as bytes and come out as passages that can be found.
//!
//! Reading order: [`uploads`] (bytes in; many at once by [`bulk`]), [`documents`], [`ingest`] ([`parse`], [`chunk`], embed,
//! `terms`, `lexicon`), [`search`], [`embeddings`] (with which model, and how that changes), and [`sources`], which fetch
//! documents by themselves.
//!
//! Passages and their vectors live sealed in the database, which is the truth; an index is derived from it and is
//! brought in step by [`search::sync()`].

mod ahead;
pub mod arrived;
pub mod bulk;
pub mod chunk;
pub mod deletion;
pub mod documents;
pub mod embeddings;
pub mod ending;
pub mod ingest;
pub mod language;
mod lexicon;
pub mod parse;
pub mod progress;
pub mod purge;
pub mod resealing;
pub mod sandbox;
pub mod search;
pub mod sources;
pub mod sweep;
mod terms;
pub mod uploads;
pub mod wordless;

use std::{collections::HashMap, sync::Arc, time::Duration};

use consigne_foundation::{blobs::Blobs, plugins::Registry, store::Store};
use consigne_sdk::Partition;
use tokio::sync::Mutex;

use self::ahead::Ahead;
pub use self::{
    documents::{Document, DocumentState},
    sandbox::Sandbox,
    search::{Found, KnowledgeFilter, Ranking, excerpts::Excerpt},
    uploads::Upload,
};

/// What knowledge works with. Cheap to clone.
#[derive(Clone)]
pub struct Knowledge {
    pub(crate) store: Store,
    pub(crate) blobs: Blobs,
    pub(crate) registry: Arc<Registry>,
    pub(crate) sandbox: Arc<Sandbox>,
    pub(crate) limits: KnowledgeLimits,
    /// One fill of an index partition at a time.
    pub(crate) syncing: Arc<Mutex<HashMap<Partition, Arc<Mutex<()>>>>>,
    /// Vectors of questions that are on their way.
    pub(crate) ahead: Arc<Ahead>,
}

/// Limits of what is taken in.
#[derive(Debug, Clone, Copy)]
pub struct KnowledgeLimits {
    /// Largest document, in bytes.
    pub document_bytes: u64,
    /// Documents ingested at once in one process.
    pub parallel_ingests: usize,
    /// Largest page of a website, in bytes.
    pub page_bytes: u64,
    /// Passages that a reranker is shown for an answer, the best ones.
    pub reranked_passages: usize,
    /// How long an answer waits for a reranker.
    pub rerank_within: Duration,
}

impl Knowledge {
    /// Knowledge over these parts.
    pub fn new(store: Store, blobs: Blobs, registry: Arc<Registry>, sandbox: Sandbox, limits: KnowledgeLimits) -> Self {
        Self {
            store,
            blobs,
            registry,
            sandbox: Arc::new(sandbox),
            limits,
            syncing: Arc::default(),
            ahead: Arc::default(),
        }
    }
}
