//! One entity per table of this crate.

pub mod answers;
pub mod assistants;
pub mod chat_events;
pub mod chats;
pub mod citations;
pub mod documents;
pub mod embedding_changes;
pub mod lexicon;
pub mod messages;
pub mod passage_vectors;
pub mod passages;
pub mod search_models;
pub mod source_pages;
pub mod sources;
pub mod uploads;
