//! What the assistant does: keeps a customer's knowledge, answers visitors from it, and answers to the privacy engine.
//!
//! Reading order: [`assistants`], [`knowledge`] (documents, ingest, search), [`chats`] (chats, answers, live events),
//! [`escalations`] (people in the loop), [`holder`].
//!
//! Invariants, as absences:
//! - Nothing here knows HTTP or GraphQL.
//! - No visitor's text is embedded into an index or reaches another visitor's prompt.
//! - No citation is shown that was not found in a stored passage.

pub mod assistants;
pub mod chats;
pub mod entity;
pub mod escalations;
pub mod holder;
pub mod knowledge;
