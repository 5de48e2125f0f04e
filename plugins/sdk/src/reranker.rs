//! Passages in a better order.

use async_trait::async_trait;

use crate::Result;

/// Reads a question and each passage together, which tells better whether one answers the other than two vectors that were
/// made apart. Slower by far than an index, so it is shown the best few that the index found.
#[async_trait]
pub trait Reranker: Send + Sync {
    /// The model's name.
    fn model_name(&self) -> &str;

    /// How well each passage answers the question, in the order of the passages: more is better. What a number means beyond
    /// that is the model's own business, so two models' scores, or a score and a cosine, are never compared.
    ///
    /// # Errors
    /// `Unavailable`, `RateLimited`, `Refused`, `Misconfigured`; `InvalidResponse` where there is not one finite score for
    /// each passage. Never with a text in the message.
    async fn scores(&self, question: &str, passages: Vec<String>) -> Result<Vec<f32>>;
}
