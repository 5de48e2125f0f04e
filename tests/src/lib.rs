//! Black-box tests through the public API, and the people who play in them.
//!
//! Reading order: [`app`] (one gateway for one test), [`people`], [`client`], [`listen`] (what they do); [`canary`] and
//! [`database`] (searching bytes); [`contract`] (operations made from the schema); [`standins`] (other people's servers);
//! [`plugins`] (parts of the product that obey a test); [`recorder`] (a channel to people); [`postbox`] (mail to one person);
//! [`vouch`] (a customer's server); [`texts`] (what is uploaded); [`source`] (the house's own text).
//!
//! Nothing here reaches behind the public API, but to search bytes and to tamper with them.

pub mod app;
pub mod canary;
pub mod client;
pub mod contract;
pub mod database;
pub mod listen;
pub mod people;
pub mod plugins;
pub mod postbox;
pub mod recorder;
pub mod source;
pub mod standins;
pub mod texts;
pub mod vouch;
pub mod wire;
