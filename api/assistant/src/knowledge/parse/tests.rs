//! Documents as they come, ours and other people's.

pub(crate) mod archive_writer;
mod formats;
pub(crate) mod hostile;
mod hostile_office;
mod knowledge_bases;
mod office;
mod others;
pub(crate) mod pdf_writer;

use super::*;

/// Parses with the usual limits.
fn read(file_name: &str, bytes: impl AsRef<[u8]>) -> ParsedDocument {
    parse("application/octet-stream", file_name, bytes.as_ref(), &ParseLimits::default()).unwrap()
}

/// Why a document is refused.
fn refused(file_name: &str, bytes: impl AsRef<[u8]>) -> FailureCode {
    parse("", file_name, bytes.as_ref(), &ParseLimits::default()).unwrap_err().code
}

/// Kind and text of each block.
fn outline(document: &ParsedDocument) -> Vec<(BlockKind, &str)> {
    document.blocks.iter().map(|block| (block.kind, block.text.as_str())).collect()
}
