//! The plugin against a strict stand-in, through its public API alone.

mod bench;
mod chat;
#[expect(dead_code, reason = "each plugin's tests need a part of it")]
#[path = "../../../../tests/src/standins/openai.rs"]
mod standin;
