//! The plugin against a strict stand-in, through its public API alone.

mod answers;
mod bench;
mod failures;
mod settings;
#[expect(dead_code, reason = "each plugin's tests need a part of it")]
#[path = "../../../../tests/src/standins/openai.rs"]
mod standin;
mod standin_rules;
