//! The plugin against a strict stand-in, through its public API alone.

mod deliveries;
#[path = "../../../../tests/src/standins/http.rs"]
mod http;
mod looking;
mod replies;
mod settings;
#[path = "../../../../tests/src/standins/slack.rs"]
mod standin;
mod world;
