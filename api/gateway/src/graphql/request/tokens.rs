//! What is checked before the parser runs: size, and brackets inside one another.
//!
//! The parser descends once for every open bracket, so the brackets are counted first. Strings and comments are skipped
//! as its grammar skips them; where the two could disagree (a string that never ends), the document is refused.

use super::{Limits, Refusal};

/// Refuses a text that is too large to parse, or nested too deep to parse without overflowing the stack.
///
/// # Errors
/// A limit is passed, or a string never ends.
pub fn check(query: &str, limits: &Limits) -> Result<(), Refusal> {
    if query.len() > limits.query_bytes {
        return Err(Refusal::document(
            "QUERY_TOO_LARGE",
            format!("The query text has {} bytes; {} are allowed.", query.len(), limits.query_bytes),
        ));
    }
    let mut rest = query.as_bytes();
    let mut open: usize = 0;
    while let Some((&byte, after)) = rest.split_first() {
        rest = match byte {
            b'{' | b'(' | b'[' => {
                open += 1;
                if open > limits.nesting {
                    return Err(Refusal::document(
                        "QUERY_TOO_DEEP",
                        format!(
                            "The query text opens more than the {} brackets allowed inside one another.",
                            limits.nesting
                        ),
                    ));
                }
                after
            }
            b'}' | b')' | b']' => {
                open = open.saturating_sub(1);
                after
            }
            b'#' => after_comment(after),
            b'"' => match rest.strip_prefix(b"\"\"\"") {
                Some(block) => after_block_string(block)?,
                None => after_string(after)?,
            },
            _ => after,
        };
    }
    Ok(())
}

fn after_comment(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(text.len());
    &text[end..]
}

fn after_string(mut text: &[u8]) -> Result<&[u8], Refusal> {
    loop {
        text = match text {
            [b'"', rest @ ..] => return Ok(rest),
            [] | [b'\n' | b'\r', ..] | [b'\\'] => return Err(endless()),
            [b'\\', _, rest @ ..] | [_, rest @ ..] => rest,
        };
    }
}

fn after_block_string(mut text: &[u8]) -> Result<&[u8], Refusal> {
    loop {
        text = match text {
            [b'"', b'"', b'"', rest @ ..] => return Ok(rest),
            [] => return Err(endless()),
            [b'\\', b'"', b'"', b'"', rest @ ..] | [_, rest @ ..] => rest,
        };
    }
}

fn endless() -> Refusal {
    Refusal::document("GRAPHQL_PARSE_FAILED", "The document is not GraphQL: a string does not end.")
}
