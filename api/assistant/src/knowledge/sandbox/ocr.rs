//! Scanned pages: drawn in one child, recognised in another for each page.
//!
//! Tesseract is a program of its own. The child that is to recognise limits its resources as every child does and then
//! becomes Tesseract, which inherits the limits and finds the picture at its standard input.

use std::io;
use std::path::PathBuf;

use consigne_foundation::id::WorkspaceId;
use serde::{Deserialize, Serialize};

use super::{Sandbox, Task, crashed, death, talk, timed_out, unavailable};
use crate::knowledge::parse::{self, FailureCode, ParseFailure, ParsedDocument, too_large};

/// Text of a page that is longer is no page's.
const LONGEST_PAGE: u64 = 1 << 20;

/// How much more processor time than for a document with text the drawing of all its pages may take.
const DRAWING: u64 = 8;

/// The program that recognises, and for which languages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recognizer {
    /// Tesseract 4 or later.
    pub tesseract: PathBuf,
    /// As Tesseract names them: `eng+fra`. Those that are not installed are passed over by it.
    pub languages: String,
}

impl Sandbox {
    /// Parses a document, and recognises its text where it is a scanned PDF. Dropping the future kills the children.
    ///
    /// # Errors
    /// Those of [`Sandbox::parse`]; `NoText` says whether recognition was tried.
    pub async fn read(
        &self,
        workspace: WorkspaceId,
        media_type: &str,
        file_name: &str,
        bytes: &[u8],
    ) -> Result<ParsedDocument, ParseFailure> {
        match (self.parse(workspace, media_type, file_name, bytes).await, &self.options.recognizer) {
            (Err(failure), Some(recognizer))
                if failure.code == FailureCode::NoText && parse::is_pdf(bytes, &self.options.limits) =>
            {
                let recognition = self.recognize(bytes, recognizer);
                tokio::time::timeout(self.options.recognition, recognition).await.map_err(|_| too_long())?
            }
            (parsed, _) => parsed,
        }
    }

    async fn recognize(&self, bytes: &[u8], recognizer: &Recognizer) -> Result<ParsedDocument, ParseFailure> {
        // Pages are drawn one at a time, as they are recognised: many together are large and take long.
        let mut header = self.header(Task::Draw, "", "", bytes);
        header.cpu_seconds = header.cpu_seconds.saturating_mul(DRAWING);
        let mut pictures = self.pieces(&header, bytes, u64::MAX).await?;
        let mut pages = vec![];
        let mut left = self.options.limits.text_bytes;
        while let Some(picture) = pictures.next().await? {
            let page = self.page(&picture.bytes, recognizer);
            let text = tokio::time::timeout(self.options.wall, page).await.map_err(|_| timed_out())??;
            left = left.checked_sub(text.len()).ok_or_else(|| too_large(self.options.limits.text_bytes as u64))?;
            // Pages without anything drawn on them are left out, so each says its number.
            pages.push((picture.name.parse().unwrap_or(1), text));
        }
        parse::recognized(&pages, &self.options.limits)
    }

    /// The text of a picture.
    async fn page(&self, picture: &[u8], recognizer: &Recognizer) -> Result<String, ParseFailure> {
        let mut child = self.start().map_err(|_| unavailable())?;
        let header = self.header(Task::Recognize(recognizer.clone()), "", "", picture);
        let said = talk(&mut child, &header, picture, LONGEST_PAGE).await?;
        if !said.status.success() {
            let failure = death(said.status, &said.last_words);
            return Err(if failure.code == FailureCode::Crashed { unrecognized() } else { failure });
        }
        String::from_utf8(said.answer).map_err(|_| crashed())
    }
}

fn too_long() -> ParseFailure {
    let message = "The PDF is scanned, and recognising its text takes longer than half an hour. Split it, or run text \
                   recognition (OCR) on it and upload it again.";
    ParseFailure::new(FailureCode::TimedOut, message)
}

fn unrecognized() -> ParseFailure {
    let message = "The PDF is scanned, and text recognition failed on it. The operator finds out by running tesseract; \
                   or run text recognition (OCR) on it and upload it again.";
    ParseFailure::new(FailureCode::NoText, message)
}

/// What the child does: becomes Tesseract. Comes back with the reason where it cannot.
#[cfg(unix)]
pub(super) fn become_it(recognizer: &Recognizer) -> io::Error {
    use std::os::unix::process::CommandExt;
    std::process::Command::new(&recognizer.tesseract)
        .args(["stdin", "stdout", "-l", &recognizer.languages])
        .env_clear()
        // A second thread would be one more than the limits allow.
        .env("OMP_THREAD_LIMIT", "1")
        .exec()
}

#[cfg(not(unix))]
pub(super) fn become_it(_: &Recognizer) -> io::Error {
    io::ErrorKind::Unsupported.into()
}
