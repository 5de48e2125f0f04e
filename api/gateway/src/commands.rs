//! What `consigne` does from a terminal. The rest of the product never prints; these do.

pub mod account;
pub mod ask;
pub mod client;
pub mod demo;
pub mod doctor;
pub mod evaluate;
pub mod reindex;
pub mod schema;
pub mod serve;
pub mod verify;
