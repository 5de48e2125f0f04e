//! What plugins share that ask a language model on somebody's server, over HTTP with a stream of events.
//!
//! Reading order: [`settings`] (checks of what an administrator typed), [`declaration`] (who processes where), [`sse`] and
//! [`completions`] (what comes back), [`failure`] (what an error becomes), [`retry`], [`wipe`] (texts that are overwritten), [`client`] (one call from end to
//! end).
//!
//! Invariants, as absences:
//! - Nothing of an error's body is read, so no prompt, answer or key is in an error or a log line.
//! - No answer ends early in silence: a stream without an explicit end is an error.
//! - Nothing is repeated once a piece of the answer was handed on.

pub mod client;
pub mod completions;
pub mod declaration;
pub mod failure;
pub mod retry;
pub mod settings;
pub mod sse;
pub mod wipe;

pub use self::{client::Client, declaration::Stated, failure::Failures, settings::Checks};
