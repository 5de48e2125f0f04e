//! The flat index through the plugin's own door, as the host opens it.

mod conformance;
mod memory;
mod recall;
mod world;
