//! What begins a slide, of whatever program.

use super::collect::Collector;
use super::{BlockKind, ParseFailure, clean};

/// Begins a slide: a part and a page, under a heading that a citation can show.
pub fn begin(number: u32, title: &str, out: &mut Collector) -> Result<(), ParseFailure> {
    let title = clean::one_line(title);
    out.title(&title);
    out.part();
    out.page(number);
    out.push(BlockKind::Heading(1), &heading(number, &title))
}

fn heading(number: u32, title: &str) -> String {
    if title.is_empty() { format!("Slide {number}") } else { format!("Slide {number}: {title}") }
}

/// What a citation calls the place: `Slide 3` where the headings above a passage say so of its page.
pub fn location(page: i64, headings: &[String]) -> Option<String> {
    let name = format!("Slide {page}");
    let first = headings.first()?.strip_prefix(&name)?;
    (first.is_empty() || first.starts_with(':')).then_some(name)
}
