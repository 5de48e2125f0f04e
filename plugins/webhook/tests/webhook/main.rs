//! The plugin against a strict receiver, through its public API alone.

mod deliveries;
mod guard;
#[path = "../../../../tests/src/standins/http.rs"]
mod http;
#[path = "../../../../tests/src/standins/webhook.rs"]
mod receiver;
mod replies;
mod schema;
mod world;
