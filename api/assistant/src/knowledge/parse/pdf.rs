//! PDF: text by page, put back into paragraphs.
//!
//! hayro reads the file and says which glyph is drawn where ([`glyphs`]); glyphs become lines ([`lines`]); what repeats
//! at the head and foot of pages goes ([`furniture`]); lines become paragraphs, headings and tables ([`flow`]). hayro
//! forbids unsafe code, keeps pages lazy, decodes no picture nobody asks for and stops at nesting and reference loops by
//! itself; [`bombs`] looks at compressed streams before it does. A scanned page has no glyphs: [`scan`] draws its pictures.

mod bombs;
mod flow;
mod furniture;
mod glyphs;
mod lines;
mod scan;

use hayro_interpret::hayro_syntax::{DecryptionError, LoadPdfError, Pdf};
use hayro_interpret::{InterpreterCache, InterpreterSettings, RenderContent};

pub use scan::pictures;

use super::collect::{Collector, too_complex};
use super::{FailureCode, ParseFailure};

/// Reads a PDF.
pub fn read(bytes: &[u8], out: &mut Collector) -> Result<(), ParseFailure> {
    bombs::refuse(bytes, out.limits.unpacked_bytes)?;
    let pdf = Pdf::new(bytes.to_vec()).map_err(|error| match error {
        LoadPdfError::Decryption(DecryptionError::PasswordProtected) => ParseFailure::new(
            FailureCode::Encrypted,
            "The PDF opens with a password only. Save it without a password and upload that.",
        ),
        LoadPdfError::Decryption(_) => ParseFailure::new(
            FailureCode::Encrypted,
            "The PDF is encrypted in a way that is not read. Save it without encryption and upload that.",
        ),
        LoadPdfError::Invalid => damaged(),
    })?;
    let pages = pdf.pages();
    if pages.is_empty() {
        return Err(damaged());
    }
    if pages.len() > out.limits.pages {
        return Err(too_complex(format!(
            "{} pages; at most {} are read",
            thousands(pages.len()),
            thousands(out.limits.pages)
        )));
    }
    if let Some(title) = pdf.metadata().title.as_deref().and_then(title) {
        out.title(&title);
    }

    let cache = InterpreterCache::new();
    let settings = InterpreterSettings { render_content: RenderContent::PAGE, ..Default::default() };
    let mut budget = out.limits.text_bytes;
    let mut read = Vec::with_capacity(pages.len());
    for page in pages.iter() {
        let (glyphs, height) = glyphs::of_page(page, &pdf, &cache, &settings, budget)?;
        budget -= glyphs.iter().map(|glyph| glyph.text.len()).sum::<usize>().min(budget);
        read.push(lines::Page { lines: lines::of_glyphs(glyphs), height });
    }
    furniture::remove(&mut read);
    flow::write(&read, out)
}

fn damaged() -> ParseFailure {
    ParseFailure::new(FailureCode::Damaged, "The PDF is damaged. Open it, export it as a new PDF and upload that.")
}

/// A title of the metadata: UTF-16 with a mark, UTF-8, or PDFDocEncoding, which is near Windows-1252. Names of files
/// and programs are none.
fn title(bytes: &[u8]) -> Option<String> {
    let text = match encoding_rs::Encoding::for_bom(bytes) {
        Some((encoding, _)) => encoding.decode(bytes).0.into_owned(),
        None => match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => encoding_rs::WINDOWS_1252.decode(bytes).0.into_owned(),
        },
    };
    let lower = text.trim().to_lowercase();
    let file =
        [".doc", ".docx", ".pdf", ".indd", ".dvi", ".tex", ".qxd", ".pptx", ".xlsx"].iter().any(|e| lower.ends_with(e));
    let program =
        ["microsoft word", "powerpoint presentation", "untitled", "unknown"].iter().any(|n| lower.starts_with(n));
    let none = lower.is_empty() || file || program;
    (!none).then_some(text)
}

/// 10,000 rather than 10000.
fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
