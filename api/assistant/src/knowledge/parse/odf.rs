//! OpenDocument: texts, spreadsheets and presentations (ISO/IEC 26300).
//!
//! A text is read by `flow`, a spreadsheet by `sheets`, a presentation by `slides`, whose shapes are flows again.
//!
//! Invariants, as absences:
//! - No deleted text of tracked changes, no comments, no notes of a speaker, no hidden slides and sheets.
//! - No table of contents, which says what the headings say.

mod flow;
mod lists;
mod sheets;
mod slides;

use super::archive::{Archive, damaged, encrypted};
use super::collect::Collector;
use super::xml::{self, Element};
use super::{ParseFailure, ParseLimits};
use flow::Flow;
use lists::Lists;

/// Reads a document of any of the three kinds.
pub fn read(archive: &mut Archive<'_>, out: &mut Collector) -> Result<(), ParseFailure> {
    let limits = out.limits;
    let manifest = member(archive, "META-INF/manifest.xml", &limits)?;
    if manifest.is_some_and(|manifest| manifest.all("encryption-data").next().is_some()) {
        return Err(encrypted());
    }
    let meta = member(archive, "meta.xml", &limits)?;
    if let Some(title) = meta.as_ref().and_then(|meta| meta.all("title").next()) {
        out.title(&title.text());
    }
    let content = member(archive, "content.xml", &limits)?.ok_or_else(damaged)?;
    let styles = member(archive, "styles.xml", &limits)?;
    let body = content.child("body").ok_or_else(damaged)?;
    if let Some(spreadsheet) = body.child("spreadsheet") {
        return sheets::read(&content, spreadsheet, out);
    }
    let lists = Lists::of(styles.iter().chain([&content]));
    let mut flow = Flow::new(archive, limits, lists);
    if let Some(presentation) = body.child("presentation") {
        return slides::read(&content, presentation, &mut flow, out);
    }
    flow.blocks(body.child("text").ok_or_else(damaged)?)?;
    flow.write(out)
}

fn member(archive: &mut Archive<'_>, name: &str, limits: &ParseLimits) -> Result<Option<Element>, ParseFailure> {
    archive.read(name)?.map(|bytes| xml::tree(&bytes, limits)).transpose()
}
