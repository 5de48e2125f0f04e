//! Corrections of a text that is never kept.
//!
//! The text lives in [`Ephemeral`], which can be read and nothing else: it has no `Serialize`, `Debug`, `Display`, `Clone`,
//! `PartialEq` or `Hash`, and is wiped when it is dropped. A plugin hands it to the one request it makes.
//!
//! The host masks personal data before and puts it back after, finds the changes by comparing both texts itself, and asks
//! the model only why each was made: no position comes from a model.

use async_trait::async_trait;
use futures::stream::BoxStream;
use zeroize::Zeroizing;

use crate::Result;

/// A text that exists for the length of a request.
///
/// ```compile_fail
/// let text = consigne_sdk::Ephemeral::new(String::new());
/// format!("{text:?}");
/// ```
///
/// ```compile_fail
/// let text = consigne_sdk::Ephemeral::new(String::new());
/// let copy = text.clone();
/// # drop((text, copy));
/// ```
///
/// ```compile_fail
/// fn stored<T: serde::Serialize>(_: T) {}
/// stored(consigne_sdk::Ephemeral::new(String::new()));
/// ```
pub struct Ephemeral(Zeroizing<String>);

impl Ephemeral {
    /// Takes the text over; the string it came in is the one that is wiped.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text, to be read where it is needed and not to be kept.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// What is asked of a corrector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CorrectionAim {
    /// Spelling, grammar and punctuation; nothing else changes.
    Grammar,
    /// Says the same more clearly.
    Clarity,
    /// Says the same in another tone.
    Tone(Tone),
    /// Says the same in simpler words.
    Simpler,
    /// Says the same in another language.
    Translation,
    /// Corrects like [`CorrectionAim::Grammar`], for somebody who learns from the reasons.
    Feedback,
}

/// How a text sounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// As one writes to a customer.
    Polite,
    /// As one writes to a friend.
    Friendly,
    /// As one writes to an office.
    Formal,
}

/// A text to be corrected.
pub struct CorrectionRequest {
    /// The text, with placeholders of the form `[[KIND_1]]` where personal data was. They have to come back as they are.
    pub text: Ephemeral,
    /// What is asked.
    pub aim: CorrectionAim,
    /// ISO 639-1 code of the text's language, where it was detected.
    pub language: Option<String>,
    /// ISO 639-1 code of the language that the answer is written in: the target of a translation, else the text's own.
    pub target: Option<String>,
    /// Longest answer, in tokens.
    pub max_tokens: u32,
}

/// A piece of the corrected text.
pub enum CorrectionDelta {
    /// More text.
    Text(Ephemeral),
    /// What the call used, where the other side says so.
    Usage {
        /// Tokens read.
        input_tokens: u32,
        /// Tokens written.
        output_tokens: u32,
    },
}

/// A corrected text as it is made. Dropping it cancels the call.
pub type CorrectionStream = BoxStream<'static, Result<CorrectionDelta>>;

/// What is to be explained.
pub struct ExplainRequest {
    /// What was asked.
    pub aim: CorrectionAim,
    /// The text before, with placeholders.
    pub before: Ephemeral,
    /// Each change: what was there and what is there now; one of both may be empty.
    pub changes: Vec<(Ephemeral, Ephemeral)>,
    /// ISO 639-1 code of the language that reasons and feedback are written in.
    pub language: Option<String>,
    /// Longest answer, in tokens.
    pub max_tokens: u32,
}

/// Why the changes were made.
pub struct Explained {
    /// One reason for each change, in order; nothing where the model gave none.
    pub reasons: Vec<Option<Ephemeral>>,
    /// What the writer can take from it, in a few sentences.
    pub feedback: Option<Ephemeral>,
    /// Tokens read and written, where the other side says so.
    pub usage: Option<(u32, u32)>,
}

/// Corrects texts without keeping any.
#[async_trait]
pub trait Corrector: Send + Sync {
    /// The model's name, as the disclosure shows it.
    fn model_name(&self) -> &str;

    /// Starts a correction.
    ///
    /// # Errors
    /// Before the first delta, so that the host may retry: `Unavailable`, `RateLimited`, `Refused`, `Misconfigured`. No
    /// error holds a piece of the text.
    async fn correct(&self, request: CorrectionRequest) -> Result<CorrectionStream>;

    /// Says why changes were made.
    ///
    /// # Errors
    /// As [`Corrector::correct`].
    async fn explain(&self, request: ExplainRequest) -> Result<Explained>;
}
