//! Answers from passages, as a stream.

use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;

use crate::{Embedder, Result};

/// Who speaks in a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PromptRole {
    /// The product's own instructions.
    System,
    /// The visitor.
    User,
    /// An earlier answer.
    Assistant,
}

/// One turn of the rendered prompt.
#[derive(Clone)]
pub struct PromptMessage {
    /// Who speaks.
    pub role: PromptRole,
    /// What is said.
    pub content: String,
}

/// A passage the answer may rest on. Cited in the text as `[index]`.
#[derive(Clone)]
pub struct PromptPassage {
    /// Counts from 1.
    pub index: u32,
    /// Title of the document and the headings above the passage.
    pub title: String,
    /// The passage.
    pub text: String,
    /// ISO 639-1 code where it was detected.
    pub language: Option<String>,
    /// Cosine of question and passage.
    pub score: f32,
}

/// What a model is asked. A language model reads `messages`; a model that works on the passages themselves reads the
/// rest. Texts are personal data: this type has no `Debug` and must not be logged.
#[derive(Clone)]
pub struct ChatRequest {
    /// The rendered prompt: instructions, passages, history and question.
    pub messages: Vec<PromptMessage>,
    /// The question alone, made independent of the history where that was possible.
    pub question: String,
    /// ISO 639-1 code of the question's language, where it was detected.
    pub language: Option<String>,
    /// The selected passages, best first.
    pub passages: Vec<PromptPassage>,
    /// Longest answer, in tokens.
    pub max_tokens: u32,
    /// Cosine under which a passage is not taken to answer, by the assistant's policy.
    pub answer_threshold: f32,
    /// Lent by the host, for models that compare sentences.
    pub embedder: Arc<dyn Embedder>,
}

/// A piece of the answer.
#[derive(Debug, Clone, PartialEq)]
pub enum ChatDelta {
    /// More text. Citations are `[1]`, `[2]` and so on, after what they support.
    Text(String),
    /// The passages do not answer the question. Ends the stream; no text came before.
    NotInKnowledge,
    /// What the call used, where the other side says so.
    Usage {
        /// Tokens read.
        input_tokens: u32,
        /// Tokens written.
        output_tokens: u32,
    },
}

/// An answer as it is made. Dropping it cancels the call.
pub type ChatStream = BoxStream<'static, Result<ChatDelta>>;

/// Answers a question from passages.
#[async_trait]
pub trait ChatModel: Send + Sync {
    /// The model's name, as the disclosure shows it.
    fn model_name(&self) -> &str;

    /// Starts an answer.
    ///
    /// # Errors
    /// Before the first delta, so that the host may retry: `Unavailable`, `RateLimited`, `Refused`, `Misconfigured`.
    async fn answer(&self, request: ChatRequest) -> Result<ChatStream>;

    /// Says a short text of at most `max_tokens` tokens, for the host's own work on a question: nothing of it is shown.
    /// `None` where the model cannot speak freely.
    ///
    /// # Errors
    /// As [`ChatModel::answer`].
    async fn say(&self, messages: Vec<PromptMessage>, max_tokens: u32) -> Result<Option<String>>;

    /// The models that could be set instead, by name; the one that is set where the other side keeps no list.
    ///
    /// # Errors
    /// As [`ChatModel::answer`].
    async fn models(&self) -> Result<Vec<String>> {
        Ok(vec![self.model_name().to_owned()])
    }
}
