//! Servers that stand in for other people's products. Each speaks the published protocol and refuses what its original
//! would refuse, so that a test against it says something about the original.

mod http;
pub mod issuer;
pub mod mail;
pub mod names;
pub mod openai;
pub mod qdrant;
pub mod site;
pub mod slack;
pub mod transit;
pub mod webhook;
