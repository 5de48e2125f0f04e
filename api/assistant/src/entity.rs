//! One entity per table of this crate.

pub mod answers;
pub mod assistants;
pub mod chat_events;
pub mod chats;
pub mod citations;
pub mod documents;
pub mod lexicon;
pub mod messages;
pub mod passages;
pub mod source_pages;
pub mod sources;
pub mod uploads;
