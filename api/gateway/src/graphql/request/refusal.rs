//! What a client is told when a request is not executed.

use std::fmt;

use async_graphql::{ErrorExtensionValues, Pos, ServerError, Value};

/// Where a request was stopped. Transports answer differently by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The document or its variables: 400 in `application/graphql-response+json`, 200 in `application/json`, an event
    /// on a stream.
    Document,
    /// Before the document counted, with this HTTP status whatever the media type.
    Transport(u16),
}

/// A request that is not executed: one error with `extensions.code`.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// What a program acts on, in capitals: `QUERY_TOO_DEEP`.
    pub code: &'static str,
    /// For a person; carries numbers and nothing a client sent.
    pub message: String,
    /// Where it was stopped.
    pub stage: Stage,
    /// Where in the document.
    pub location: Option<Pos>,
    /// Seconds after which the same request may succeed.
    pub retry_after: Option<u64>,
    /// What the log knows this failure by.
    pub reference: Option<String>,
}

impl Refusal {
    /// The document or its variables cannot be accepted.
    pub fn document(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(code, message, Stage::Document)
    }

    /// The request cannot be accepted whatever its document says; `status` is the HTTP status.
    pub fn transport(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self::new(code, message, Stage::Transport(status))
    }

    /// Nobody is signed in, or the token is not valid any more.
    pub fn unauthenticated(message: impl Into<String>) -> Self {
        Self::transport(401, "UNAUTHENTICATED", message)
    }

    /// Signed in, but not allowed; or a page of this origin may not use this key.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::transport(403, "FORBIDDEN", message)
    }

    /// Our own fault. The reference is in the log; nothing else is said.
    pub fn internal(reference: String) -> Self {
        Self { reference: Some(reference), ..Self::transport(500, "INTERNAL", "Internal error") }
    }

    fn new(code: &'static str, message: impl Into<String>, stage: Stage) -> Self {
        Self { code, message: message.into(), stage, location: None, retry_after: None, reference: None }
    }

    /// Where in the document.
    #[must_use]
    pub fn at(mut self, location: Pos) -> Self {
        self.location = Some(location);
        self
    }

    /// Seconds after which the same request may succeed.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Refusal {}

impl From<Refusal> for ServerError {
    fn from(refusal: Refusal) -> Self {
        let mut extensions = ErrorExtensionValues::default();
        extensions.set("code", refusal.code);
        if let Some(seconds) = refusal.retry_after {
            extensions.set("retryAfter", Value::from(seconds));
        }
        if let Some(reference) = refusal.reference {
            extensions.set("reference", reference);
        }
        let mut error = Self::new(refusal.message, refusal.location);
        error.extensions = Some(extensions);
        error
    }
}
