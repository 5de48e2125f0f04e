//! Embeddings inside this process: `multilingual-e5-small` through fastembed and ONNX Runtime; and a reranker, where the
//! operator has one.
//!
//! Nothing is downloaded and nothing leaves the machine: the model and the runtime lie in the parts folder that
//! `make parts` fills (`parts/fetch.py`). One instance of the model is loaded for good and answers questions before
//! anything else; when passages queue up, more instances are loaded and dropped again.
//!
//! Reading order: [`plugin`] (the manifest and the way in), [`settings`], `parts` (where the files are), `e5` (the model
//! in them), `model` (what any model comes to), `vocabulary` (from a text to its tokens), `runtime` (the library), `embedder`
//! (the capability), `queue` (who is served next), `pool` (by how many); [`reranker`]; `hub` with the feature
//! `online`.
//!
//! Invariants, as absences:
//! - No text is run beside another: an int8 model would make a vector depend on its neighbours.
//! - No text or part of one is kept after its answer, logged, or quoted in an error.
//! - No blocking work on an async thread: files are hashed on the blocking pool, models run on threads of their own.
//! - Nothing here reads the environment; paths come with [`FastembedOptions`].

mod e5;
mod embedder;
#[cfg(feature = "online")]
mod hub;
mod model;
mod parts;
pub mod plugin;
mod pool;
mod queue;
pub mod reranker;
mod runtime;
pub mod settings;
mod vocabulary;

pub use plugin::{Fastembed, FastembedOptions};
pub use reranker::FastembedReranker;
pub use settings::{FastembedRerankerSettings, FastembedSettings};
