//! One error for every plugin: a kind the host can act on, and a message without personal data.

use std::time::Duration;

/// What the host may do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PluginErrorKind {
    /// The settings cannot work; a person has to change them.
    Misconfigured,
    /// The other side is down, slow or overloaded; later may work.
    Unavailable,
    /// The other side asks to wait, for this long where it said so.
    RateLimited(Option<Duration>),
    /// The other side understood and refused; repeating will not help.
    Refused,
    /// The other side answered something outside its published protocol.
    InvalidResponse,
    /// The receiver wants nothing more, for good (410).
    Gone,
    /// The host is not on the allow-list of the manifest.
    HostNotAllowed,
    /// Our own fault.
    Internal,
}

/// A plugin's failure. The message carries ids, hosts and status codes, never a text that was processed.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct PluginError {
    /// What the host may do about it.
    pub kind: PluginErrorKind,
    /// For the operator.
    pub message: String,
}

/// A plugin's result.
pub type Result<T, E = PluginError> = std::result::Result<T, E>;

impl PluginError {
    /// An error of this kind.
    pub fn new(kind: PluginErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        matches!(self.kind, PluginErrorKind::Unavailable | PluginErrorKind::RateLimited(_))
    }
}
