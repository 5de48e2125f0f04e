//! The extractive model through the plugin's own door, with an embedder that knows words and a few translations.

mod answers;
mod layout;
mod plugin;
mod safety;
mod world;
