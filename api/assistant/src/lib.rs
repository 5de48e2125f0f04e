//! What the assistant does: keeps a customer's knowledge, answers visitors from it, and answers to the privacy engine.
//!
//! Reading order: [`assistants`], [`knowledge`] (documents, ingest, search), [`policy`] (where texts may go), [`usage`]
//! (numbers and budgets), [`routes`] (ways to a model), [`chats`] (chats, answers, live events), [`escalations`] (people in
//! the loop), [`corrections`], [`analytics`] (of those who agreed), [`holder`], [`retention`].
//!
//! Invariants, as absences:
//! - Nothing here knows HTTP or GraphQL.
//! - No visitor's text is embedded into an index or reaches another visitor's prompt.
//! - No citation is shown that was not found in a stored passage.
//! - No text that is corrected reaches a table, a job, a log or an error.

pub mod analytics;
pub mod assistants;
pub mod chats;
pub mod corrections;
pub mod entity;
pub mod escalations;
pub mod holder;
pub mod knowledge;
pub mod policy;
pub mod retention;
pub mod routes;
mod sensitive;
pub mod usage;
