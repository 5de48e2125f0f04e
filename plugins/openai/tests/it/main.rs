//! The plugin against a strict stand-in, through its public API alone.

mod answers;
mod bench;
mod failures;
mod settings;
#[path = "../../../../tests/src/standins/openai.rs"]
mod standin;
mod standin_rules;
