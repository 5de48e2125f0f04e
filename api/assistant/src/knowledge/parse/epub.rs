//! EPUB books: their chapters in reading order (EPUB 3.3, W3C).
//!
//! Invariants, as absences:
//! - No table of contents, and nothing that the book does not count among what is read from front to back.

use super::archive::{Archive, damaged, encrypted};
use super::collect::{Collector, too_complex};
use super::xml::{self, Element};
use super::{ParseFailure, html, opc, text};

/// Elements that have no content in HTML; any other may be written empty in XHTML.
const VOID: &[&str] =
    &["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"];

/// Reads a book.
pub fn read(archive: &mut Archive<'_>, out: &mut Collector) -> Result<(), ParseFailure> {
    let limits = out.limits;
    let container = archive.read("META-INF/container.xml")?.ok_or_else(damaged)?;
    let container = xml::tree(&container, &limits)?;
    let package = container.all("rootfile").find_map(|file| file.attribute("full-path")).ok_or_else(damaged)?;
    let book = xml::tree(&archive.read(package)?.ok_or_else(damaged)?, &limits)?;
    if let Some(title) = book.at(&["metadata", "title"]) {
        out.title(&title.text());
    }
    if let Some(language) = book.at(&["metadata", "language"]) {
        out.language(&language.text());
    }
    let folder = package.rsplit_once('/').map_or("", |(folder, _)| folder);
    let chapters = chapters(&book, folder);
    if chapters.len() > limits.pages {
        return Err(too_complex(format!("more than {} chapters", limits.pages)));
    }
    let protected = archive.read("META-INF/encryption.xml")?.map(|bytes| xml::tree(&bytes, &limits)).transpose()?;
    // Fonts may be garbled without harm; a chapter may not.
    let is_protected = |chapter: &String| {
        protected.as_ref().is_some_and(|list| {
            list.all("CipherReference").any(|one| one.attribute("URI").is_some_and(|uri| decoded(uri) == *chapter))
        })
    };
    if chapters.iter().any(is_protected) {
        return Err(encrypted());
    }
    for chapter in chapters {
        let Some(bytes) = archive.read(&chapter)? else { continue };
        let page = text::decode(&bytes, text::declared_in_html("", &bytes))?;
        html::read_chapter(&closed(&page), out)?;
    }
    Ok(())
}

/// The members with the chapters, in reading order.
fn chapters(book: &Element, folder: &str) -> Vec<String> {
    let items: Vec<&Element> = book.at(&["manifest"]).into_iter().flat_map(Element::elements).collect();
    let item = |reference: &Element| {
        let id = reference.attribute("idref")?;
        items.iter().find(|item| item.attribute("id") == Some(id)).copied()
    };
    let spine = book.child("spine").into_iter().flat_map(Element::elements);
    let linear = spine.filter(|reference| reference.attribute("linear") != Some("no")).filter_map(item);
    let pages = linear.filter(|item| {
        let is_page = matches!(item.attribute("media-type"), Some("application/xhtml+xml" | "text/html"));
        let is_contents = item.attribute("properties").is_some_and(|all| all.split(' ').any(|one| one == "nav"));
        is_page && !is_contents
    });
    pages.filter_map(|item| Some(opc::within(folder, &decoded(item.attribute("href")?)))).collect()
}

/// XHTML as HTML: `<title/>` as `<title></title>`, which would swallow the page otherwise.
fn closed(page: &str) -> String {
    let mut closed = String::with_capacity(page.len() + 64);
    let mut left = page;
    while let Some(end) = left.find("/>") {
        let (before, after) = left.split_at(end);
        left = &after[2..];
        closed.push_str(before);
        let name = before.rfind('<').map(|start| &before[start + 1..]).unwrap_or_default();
        let name = name.split(|c: char| c.is_whitespace()).next().unwrap_or_default();
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic()) && !name.contains(['>', '"', '\'']);
        if is_name && !VOID.contains(&name.to_ascii_lowercase().as_str()) {
            closed.push_str("></");
            closed.push_str(name);
            closed.push('>');
        } else {
            closed.push_str("/>");
        }
    }
    closed.push_str(left);
    closed
}

/// A reference with its percent signs resolved.
fn decoded(reference: &str) -> String {
    let mut bytes = Vec::with_capacity(reference.len());
    let mut left = reference.split('#').next().unwrap_or_default().as_bytes();
    while let [first, rest @ ..] = left {
        let escaped = rest.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                left = &rest[2..];
            }
            _ => {
                bytes.push(*first);
                left = rest;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
