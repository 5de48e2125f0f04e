//! What a plugin is.
//!
//! A plugin is anything that speaks to an outside party, or that could be swapped for another product. It knows this
//! crate and nothing else of ours. It states what it is and what personal data it is handed ([`manifest`]), offers a
//! capability ([`Embedder`], [`VectorIndex`], [`Reranker`], [`ChatModel`], [`PageFetcher`], [`Channel`] or [`Corrector`]), and
//! reaches the network only through the [`Egress`] it is given.
//!
//! Reading order: [`plugin`], [`manifest`], [`processing`], [`egress`], [`error`], then the capabilities
//! [`embedder`], [`vector_index`], [`reranker`], [`chat_model`], [`page_fetcher`], [`channel`], [`corrector`], [`mailer`], [`key_server`], [`sign_on`]; [`words`] and
//! [`signed`] are what several of both sides need, [`server`] and [`model_server`] what plugins share that speak to one.
//! Behind the feature `conformance`, for tests: what every index has to do.
//!
//! Invariants, as absences:
//! - Nothing here knows a table, a workspace's rights, HTTP routes or GraphQL.
//! - No plugin opens a connection but through [`Egress`], which refuses a host its manifest does not name.
//! - No host that a customer names is reached at an address that is not on the public internet.
//! - No vector call exists without a [`Partition`], and no partition without a workspace.

mod audit_sink;
pub mod channel;
pub mod chat_model;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod corrector;
pub mod egress;
pub mod embedder;
pub mod error;
pub mod key_server;
pub mod mailbox;
pub mod mailer;
pub mod manifest;
pub mod model_server;
pub mod page_fetcher;
pub mod plugin;
pub mod processing;
pub mod reranker;
pub mod server;
pub mod sign_on;
pub mod signed;
pub mod vector_index;
pub mod words;

pub use audit_sink::{AuditBatch, AuditSink};
pub use channel::{
    Action, Channel, ChannelTraits, Delivery, EscalationReason, EscalationState, Inbound, InboundRequest, Line, Notice,
    Once, Opened, Polled, Receipt, Received, ReplyTo, Speaker,
};
pub use chat_model::{ChatDelta, ChatModel, ChatRequest, ChatStream, PromptMessage, PromptPassage, PromptRole};
pub use corrector::{
    CorrectionAim, CorrectionDelta, CorrectionRequest, CorrectionStream, Corrector, Ephemeral, ExplainRequest,
    Explained, Tone,
};
pub use egress::{Egress, EgressRequest, EgressResponse};
pub use embedder::{EmbedKind, Embedder, EmbeddingModel, Fingerprint};
pub use error::{PluginError, PluginErrorKind, Result};
pub use key_server::KeyServer;
pub use mailbox::{Fetch, Letter, Mailbox};
pub use mailer::{Mail, Mailer};
pub use manifest::{CapabilityKind, HostRule, Manifest};
pub use page_fetcher::{Fetched, Page, PageFetcher, PageRequest};
pub use plugin::{Capability, Plugin, Price};
pub use processing::{DataCategory, Processing, ProcessorRole, Purpose, Region, Retention, Safeguard};
pub use reranker::Reranker;
pub use sign_on::{Identity, Logout, Provider, Question, Reply, SignOn};
pub use vector_index::{
    Facts, Filter, Hit, IndexQuery, MOST_TERM_WEIGHT, Partition, Point, Residency, Term, VectorIndex,
};
