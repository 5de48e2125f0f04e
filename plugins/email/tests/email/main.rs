//! The plugin against real mail servers, through its public API alone.

mod answers;
mod fetching;
mod letters;
mod replies;
mod sending;
#[path = "../../../../tests/src/standins/mail.rs"]
mod servers;
mod settings;
mod world;
