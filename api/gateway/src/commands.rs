//! What `consigne` does from a terminal. The rest of the product never prints; these do.

pub mod account;
pub mod ask;
pub mod backup;
pub mod client;
pub mod demo;
pub mod doctor;
pub mod drill;
pub mod evaluate;
pub mod import;
pub mod keys;
pub mod reindex;
pub mod restore;
pub mod retention;
pub mod schema;
pub mod serve;
pub mod terminations;
pub mod verify;
