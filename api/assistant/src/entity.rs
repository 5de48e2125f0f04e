//! One entity per table of this crate.

pub mod answers;
pub mod assistants;
pub mod canned_replies;
pub mod channel_events;
pub mod channel_states;
pub mod channel_threads;
pub mod chat_events;
pub mod chat_notes;
pub mod chat_reads;
pub mod chats;
pub mod citations;
pub mod deliveries;
pub mod documents;
pub mod embedding_changes;
pub mod escalations;
pub mod inbox_events;
pub mod inbox_heads;
pub mod lexicon;
pub mod messages;
pub mod passage_vectors;
pub mod passages;
pub mod search_models;
pub mod source_pages;
pub mod sources;
pub mod staff_names;
pub mod uploads;
