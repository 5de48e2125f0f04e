//! What a document is: by its bytes first, then its name, then the declared type.

use super::archive::{Archive, damaged, encrypted};
use super::{FailureCode, ParseFailure, ParseLimits, text};

/// The formats that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A PDF.
    Pdf,
    /// A web page.
    Html,
    /// Markdown, CommonMark with the usual additions.
    Markdown,
    /// Rows of values: CSV and its like.
    Table,
    /// JSON, or a JSON value a line.
    Json,
    /// An e-mail.
    Mail,
    /// A Word document.
    Word,
    /// A PowerPoint presentation.
    PowerPoint,
    /// An Excel workbook.
    Excel,
    /// An OpenDocument text, spreadsheet or presentation.
    OpenDocument,
    /// An EPUB book.
    Epub,
    /// Plain text of any encoding.
    Text,
}

/// How old office files, Outlook messages and office files with a password begin.
const OLE: &[u8] = b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1";

/// The start of files that are certainly no text, by what a person calls them.
const BINARIES: &[(&[u8], &str)] = &[
    (OLE, "an old Word, Excel or PowerPoint file"),
    (b"{\\rtf", "a rich text file"),
    (b"%!PS", "a PostScript file"),
    (b"\x89PNG", "a picture"),
    (b"\xFF\xD8\xFF", "a picture"),
    (b"GIF8", "a picture"),
    (b"II*\0", "a picture"),
    (b"MM\0*", "a picture"),
    (b"RIFF", "a picture, a sound or a film"),
    (b"\x1F\x8B", "a compressed file"),
    (b"BZh", "a compressed file"),
    (b"\xFD7zXZ", "a compressed file"),
    (b"7z\xBC\xAF", "a compressed file"),
    (b"Rar!", "a compressed file"),
    (b"\x28\xB5\x2F\xFD", "a compressed file"),
    (b"\x7FELF", "a program"),
    (b"MZ\x90", "a program"),
    (b"ID3", "a sound"),
    (b"OggS", "a sound or a film"),
    (b"SQLite format 3\0", "a database"),
];

/// Decides, or refuses.
pub fn format(media_type: &str, file_name: &str, bytes: &[u8], limits: &ParseLimits) -> Result<Format, ParseFailure> {
    let media_type = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let extension = file_name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase()).unwrap_or_default();
    let named_pdf = media_type == "application/pdf" || extension == "pdf";

    let start = first_visible(bytes);
    if start.starts_with(b"%PDF-") {
        return Ok(Format::Pdf);
    }
    // Readers accept a PDF whose header comes within the first kilobyte (ISO 32000-1, annex H.3.4.1).
    let head = &bytes[..bytes.len().min(1024)];
    if named_pdf && head.windows(5).any(|window| window == b"%PDF-") {
        return Ok(Format::Pdf);
    }
    if bytes.starts_with(b"PK\x03\x04") {
        return in_archive(bytes, &extension, limits);
    }
    if bytes.starts_with(OLE) && holds_utf_16(bytes, "EncryptedPackage") {
        return Err(encrypted());
    }
    if bytes.starts_with(OLE) && holds_utf_16(bytes, "__substg1.0_") {
        return Err(unsupported("an Outlook message, which Outlook also saves as .eml"));
    }
    if let Some((_, name)) = BINARIES.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return Err(unsupported(name));
    }
    if named_pdf {
        let message = "The document is named a PDF and is none. Export it again and upload that.";
        return Err(ParseFailure::new(FailureCode::Damaged, message));
    }
    if extension == "eml" || media_type == "message/rfc822" {
        return Ok(Format::Mail);
    }
    if text::is_binary(bytes) {
        return Err(unsupported("of an unknown kind"));
    }
    if begins_as_html(start) {
        return Ok(Format::Html);
    }
    Ok(match (extension.as_str(), media_type.as_str()) {
        ("md" | "markdown" | "mdown" | "mkd" | "mdx", _) => Format::Markdown,
        ("html" | "htm" | "xhtml", _) => Format::Html,
        ("csv" | "tsv", _) => Format::Table,
        ("json" | "jsonl" | "ndjson", _) => Format::Json,
        (_, "text/markdown" | "text/x-markdown") => Format::Markdown,
        (_, "text/html" | "application/xhtml+xml") => Format::Html,
        (_, "text/csv" | "text/tab-separated-values") => Format::Table,
        (_, "application/json" | "application/jsonl" | "application/x-ndjson") => Format::Json,
        _ => Format::Text,
    })
}

/// The failure for a document that is not read at all, `name` saying what it is.
pub fn unsupported(name: &str) -> ParseFailure {
    let message =
        format!("The document is {name}; that is not read. Save it as PDF, DOCX, HTML or plain text and upload that.");
    ParseFailure::new(FailureCode::UnsupportedFormat, message)
}

/// What an archive is: an office document, a book, or files of any kind.
fn in_archive(bytes: &[u8], extension: &str, limits: &ParseLimits) -> Result<Format, ParseFailure> {
    let mut archive = match Archive::open(bytes, limits) {
        Ok(archive) => archive,
        Err(failure) if failure.code != FailureCode::Damaged => return Err(failure),
        Err(_) if extension == "zip" || extension.is_empty() => return Err(damaged()),
        Err(_) if OFFICE.contains(&extension) => return Err(damaged()),
        Err(_) => return Err(unsupported("a ZIP file under another name")),
    };
    let under = |archive: &Archive<'_>, folder: &str| archive.names().any(|name| name.starts_with(folder));
    if archive.has("[Content_Types].xml") {
        return match () {
            () if under(&archive, "word/") => Ok(Format::Word),
            () if under(&archive, "ppt/") => Ok(Format::PowerPoint),
            () if archive.has("xl/workbook.bin") => Err(unsupported("a binary Excel file (.xlsb)")),
            () if under(&archive, "xl/") => Ok(Format::Excel),
            () => Err(unsupported("an office file of an unknown kind")),
        };
    }
    let kind = archive.read("mimetype")?.unwrap_or_default();
    if kind.trim_ascii() == b"application/epub+zip" || archive.has("META-INF/container.xml") {
        return Ok(Format::Epub);
    }
    if kind.starts_with(b"application/vnd.oasis.opendocument.") {
        return Ok(Format::OpenDocument);
    }
    if archive.names().any(|name| name.ends_with(".iwa")) {
        return Err(unsupported("a Pages, Numbers or Keynote file"));
    }
    let message = "The document is a ZIP archive of files. Complete its upload as an archive, so that each file becomes a \
                   document of its own.";
    Err(ParseFailure::new(FailureCode::UnsupportedFormat, message))
}

/// How office files are named that are archives.
const OFFICE: &[&str] = &["docx", "docm", "dotx", "pptx", "pptm", "ppsx", "xlsx", "xlsm", "odt", "ods", "odp", "epub"];

fn holds_utf_16(bytes: &[u8], name: &str) -> bool {
    let name: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
    bytes.windows(name.len()).any(|window| window == name)
}

fn first_visible(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    bytes.trim_ascii_start()
}

/// Whether it opens as a web page, behind any comments and XML declaration.
fn begins_as_html(mut start: &[u8]) -> bool {
    for _ in 0..16 {
        let end: &[u8] = match start {
            [b'<', b'!', b'-', b'-', ..] => b"-->",
            [b'<', b'?', b'x', b'm', b'l', ..] => b"?>",
            _ => break,
        };
        let Some(at) = start.windows(end.len()).position(|window| window == end) else { return false };
        start = start[at + end.len()..].trim_ascii_start();
    }
    let tag: Vec<u8> = start.iter().take(14).map(u8::to_ascii_lowercase).collect();
    tag.starts_with(b"<!doctype html")
        || [&b"<html>"[..], b"<html ", b"<html\n", b"<html\r"].iter().any(|t| tag.starts_with(t))
}
