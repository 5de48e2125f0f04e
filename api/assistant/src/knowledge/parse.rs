//! A document into blocks of clean text.
//!
//! [`parse`] decides what the bytes are by looking at them (`sniff`), hands them to the one file that reads that
//! format (`markdown`, `html`, `text`, `pdf`, `docx`, `pptx`, `xlsx`, `odf`, `epub`, `eml`, `csv`, `json`), and every block
//! it gets back has gone through one collector (`collect`) that cleans the text ([`clean`]) and keeps the limits.
//!
//! Office formats and books are archives (`archive`) of XML (`xml`), both read within limits; those of Microsoft are
//! packages of parts (`opc`). What formats share has a file of its own: tables (`table`), charts (`chart`), formulas
//! (`math`), slides (`slide`), sheets (`sheet`), pairs of question and answer (`qa`).
//!
//! Invariants, as absences:
//! - No invisible, bidirectional-control or other control character leaves here: what a person cannot see, a model is
//!   not told.
//! - No failure carries a word of the document: its sentence is for the customer, who knows which document it was.
//! - Nothing here opens a file, a process or a connection. A parser that loops or eats memory is the business of
//!   [`super::sandbox`], which runs this in a process of its own.

mod archive;
mod chart;
pub mod clean;
mod collect;
mod csv;
mod docx;
mod eml;
mod epub;
mod html;
mod json;
mod markdown;
mod math;
mod members;
mod odf;
mod opc;
mod pdf;
mod pptx;
mod qa;
mod sheet;
pub mod slide;
mod sniff;
mod table;
mod text;
mod xlsx;
mod xml;

#[cfg(test)]
pub(crate) mod tests;

use serde::{Deserialize, Serialize};

use archive::Archive;
use collect::Collector;
use sniff::Format;

pub use members::members;
pub use pdf::pictures;

/// A document as blocks of clean text, in reading order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParsedDocument {
    /// What the document calls itself, where it does.
    pub title: Option<String>,
    /// ISO 639-1, as the document declares it or as its text shows.
    pub language: Option<String>,
    /// The text, in reading order.
    pub blocks: Vec<Block>,
}

/// A piece of a document that belongs together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// What it is.
    pub kind: BlockKind,
    /// Its text. Line breaks mean something in [`BlockKind::Code`], [`BlockKind::Table`] and [`BlockKind::Records`] only.
    pub text: String,
    /// The page or slide it begins on, from 1, for a format that has them.
    pub page: Option<u32>,
    /// The part of the document it belongs to: a slide, a sheet, a pair of question and answer, counted up. No passage
    /// reaches over the end of one.
    pub part: u32,
    /// The headings above it, outermost first; a heading's own text is not among its own.
    pub headings: Vec<String>,
}

/// What a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlockKind {
    /// A heading, 1 outermost, 6 innermost.
    Heading(u8),
    /// Running text.
    Paragraph,
    /// One item of a list; an ordered one begins with its number.
    ListItem,
    /// Program text or console output, lines kept.
    Code,
    /// One row a line, cells separated by ` | `, the header first.
    Table,
    /// Rows that are each a passage of their own, written as a [`BlockKind::Table`]: what people keep in a spreadsheet.
    Records,
    /// Quoted text.
    Quote,
}

/// What a document may cost. Beyond any of these it is refused with a reason, not cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParseLimits {
    /// Bytes of the document.
    pub input_bytes: u64,
    /// Pages, for a format that has them.
    pub pages: usize,
    /// Bytes of text that come out.
    pub text_bytes: usize,
    /// Blocks that come out.
    pub blocks: usize,
    /// Elements, lists or quotes inside one another.
    pub depth: usize,
    /// Bytes that the compressed streams or members of one document may unpack to, pictures aside.
    pub unpacked_bytes: u64,
}

impl Default for ParseLimits {
    fn default() -> Self {
        Self {
            input_bytes: 50 << 20,
            pages: 5_000,
            text_bytes: 20 << 20,
            blocks: 200_000,
            depth: 256,
            unpacked_bytes: 256 << 20,
        }
    }
}

/// Why a document was not read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParseFailure {
    /// For a program.
    pub code: FailureCode,
    /// A sentence the customer can act on. It holds nothing of the document.
    pub message: String,
}

/// The kinds of [`ParseFailure`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FailureCode {
    /// Not one of the formats that are read.
    UnsupportedFormat,
    /// Of a format that is read, and broken.
    Damaged,
    /// Opens with a password only.
    Encrypted,
    /// Holds no text: empty, or pictures of pages.
    NoText,
    /// More bytes, in or out, than the limits allow.
    TooLarge,
    /// More pages, blocks or nesting than the limits allow.
    TooComplex,
    /// Reading it took longer than it may.
    TimedOut,
    /// Reading it took more memory than it may.
    OutOfMemory,
    /// The reader broke on it.
    Crashed,
    /// Our own trouble (no process to be had, the bytes could not be fetched); nothing is said about the document.
    Unavailable,
}

impl ParseFailure {
    /// A failure of this kind.
    pub fn new(code: FailureCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// Whether the same document may be read later: only where the trouble was ours.
    pub fn is_retryable(&self) -> bool {
        self.code == FailureCode::Unavailable
    }
}

impl std::fmt::Display for ParseFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ParseFailure {}

/// Reads a document. What it is is decided by its bytes first, then its name, then the declared type.
///
/// # Errors
/// A [`ParseFailure`] with a sentence for the customer. Never `TimedOut`, `OutOfMemory`, `Crashed` or `Unavailable`:
/// those are the sandbox's to say.
pub fn parse(
    media_type: &str,
    file_name: &str,
    bytes: &[u8],
    limits: &ParseLimits,
) -> Result<ParsedDocument, ParseFailure> {
    if bytes.len() as u64 > limits.input_bytes {
        return Err(too_large(limits.input_bytes));
    }
    let mut collector = Collector::new(*limits);
    let format = sniff::format(media_type, file_name, bytes, limits)?;
    match format {
        Format::Pdf => pdf::read(bytes, &mut collector)?,
        Format::Html => html::read(&text::decode(bytes, text::declared_in_html(media_type, bytes))?, &mut collector)?,
        Format::Markdown => markdown::read(&text::decode(bytes, text::declared(media_type))?, &mut collector)?,
        Format::Table => csv::read(&text::decode(bytes, text::declared(media_type))?, &mut collector)?,
        Format::Json => json::read(&text::decode(bytes, text::declared(media_type))?, &mut collector)?,
        Format::Mail => eml::read(bytes, &mut collector)?,
        Format::Word => docx::read(&mut Archive::open(bytes, limits)?, &mut collector)?,
        Format::PowerPoint => pptx::read(&mut Archive::open(bytes, limits)?, &mut collector)?,
        Format::Excel => xlsx::read(bytes, &mut collector)?,
        Format::OpenDocument => odf::read(&mut Archive::open(bytes, limits)?, &mut collector)?,
        Format::Epub => epub::read(&mut Archive::open(bytes, limits)?, &mut collector)?,
        Format::Text => text::read(&text::decode(bytes, text::declared(media_type))?, &mut collector)?,
    }
    let document = collector.finish();
    if document.blocks.is_empty() {
        return Err(no_text(format));
    }
    Ok(document)
}

/// Whether these bytes are read as a PDF.
pub fn is_pdf(bytes: &[u8], limits: &ParseLimits) -> bool {
    matches!(sniff::format("", "", bytes, limits), Ok(Format::Pdf))
}

/// The document of pages whose text was recognised, by their numbers.
///
/// # Errors
/// `NoText` where nothing was; `TooLarge`, `TooComplex` beyond the limits.
pub fn recognized(pages: &[(u32, String)], limits: &ParseLimits) -> Result<ParsedDocument, ParseFailure> {
    let mut collector = Collector::new(*limits);
    for (number, page) in pages {
        collector.page(*number);
        text::read(&text::joined(page), &mut collector)?;
    }
    let document = collector.finish();
    if document.blocks.is_empty() {
        let message = "The PDF is scanned, and no text could be recognised on its pages.";
        return Err(ParseFailure::new(FailureCode::NoText, message));
    }
    Ok(document)
}

/// The failure for a document above the size limit, which callers may give before they fetch it.
pub fn too_large(limit: u64) -> ParseFailure {
    let message = format!("The document is larger than {} MiB. Split it and upload the parts.", limit >> 20);
    ParseFailure::new(FailureCode::TooLarge, message)
}

fn no_text(format: Format) -> ParseFailure {
    let message = match format {
        Format::Pdf => {
            "No text was found in this PDF: it is probably scanned, and text recognition (the program tesseract) is not \
             installed here. Have it installed, or run text recognition (OCR) on the PDF and upload it again."
        }
        _ => "No text was found in this document.",
    };
    ParseFailure::new(FailureCode::NoText, message)
}
