//! Text into vectors.

use async_trait::async_trait;

use crate::Result;

/// SHA-256 of a model and its tokenizer. Vectors of two fingerprints never mix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

/// Facts of an embedding model.
#[derive(Debug, Clone)]
pub struct EmbeddingModel {
    /// The name people know it by: `multilingual-e5-small`.
    pub name: String,
    /// What its vectors are bound to.
    pub fingerprint: Fingerprint,
    /// Length of a vector.
    pub dimensions: usize,
    /// Longest input in tokens; more is cut.
    pub max_tokens: usize,
    /// Cosine at or above which the best passage can be expected to hold the answer, calibrated for this model.
    pub answer_threshold: f32,
}

/// What a text is, because asymmetric models embed questions and passages differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmbedKind {
    /// A question. Served before any waiting passage.
    Question,
    /// A passage of the knowledge.
    Passage,
}

/// Turns text into vectors of unit length.
#[async_trait]
pub trait Embedder: Send + Sync {
    /// Facts of the model.
    fn model(&self) -> &EmbeddingModel;

    /// Loads what the first call would load, so that a start-up pays for it and not a visitor.
    ///
    /// # Errors
    /// `Unavailable` where the model cannot be loaded.
    async fn warm(&self) -> Result<()>;

    /// One vector of unit length for each text, in order. Any prefix the model wants is added here.
    ///
    /// # Errors
    /// `Unavailable` where the model cannot be loaded or the queue is closed.
    async fn embed(&self, kind: EmbedKind, texts: Vec<String>) -> Result<Vec<Vec<f32>>>;

    /// Tokens of each text by the model's own tokenizer, in order, without special tokens.
    ///
    /// # Errors
    /// As [`Embedder::embed`].
    async fn count_tokens(&self, texts: Vec<String>) -> Result<Vec<usize>>;
}
