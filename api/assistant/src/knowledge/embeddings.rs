//! With which embedding model a workspace is searched, and how it comes to another.
//!
//! Vectors of two models never mix, so a change embeds every passage anew, beside the vectors in use, while searches go on
//! with those; then one transaction says which model is searched with from now on. See
//! `docs/decisions/0008-changing-the-embedding-model.md`.
//!
//! Reading order: [`model`] (what is searched with), [`change`] (start, cancel, progress), `vectors` (own ones and those
//! beside), `run` (the job: embed, fill the index, switch), `clear` (the job: what is not searched with goes), `sweep` (a
//! change that starts by itself).
//!
//! Invariants, as absences:
//! - No search compares vectors of two models.
//! - No passage is published without a vector of the model that is searched with, as long as that model can be had.
//! - No switch while a published passage lacks a vector of the new model.

pub mod change;
mod clear;
pub mod model;
mod run;
mod sweep;
pub(crate) mod vectors;

pub use self::{
    change::{ChangeState, EmbeddingChange},
    clear::ClearHandler,
    model::SearchModel,
    run::ChangeHandler,
    sweep::EmbeddingSweep,
};
