//! PowerPoint presentations: the text of each slide that is shown, under a heading that says its number.
//!
//! Invariants, as absences:
//! - No notes of the speaker, no comments of reviewers, no hidden slides: an audience does not see them.
//! - No passage holds text of two slides: each is a part.

mod shapes;

use super::archive::Archive;
use super::collect::{Collector, too_complex};
use super::{ParseFailure, opc, slide};
use shapes::Reader;

/// Reads a presentation.
pub fn read(archive: &mut Archive<'_>, out: &mut Collector) -> Result<(), ParseFailure> {
    let limits = out.limits;
    if let Some(title) = opc::title(archive, &limits)? {
        out.title(&title);
    }
    let main = opc::main(archive, &limits)?;
    let slides = main.root.child("sldIdLst").into_iter().flat_map(|list| list.elements());
    let slides: Vec<&str> = slides.filter_map(|slide| main.by_id(slide.relation()?)).collect();
    if slides.len() > limits.pages {
        return Err(too_complex(format!("more than {} slides", limits.pages)));
    }
    for (number, name) in (1..).zip(slides) {
        let Some(part) = opc::part(archive, name, &limits)? else { continue };
        if matches!(part.root.attribute("show"), Some("0" | "false")) {
            continue;
        }
        let Some(tree) = part.root.at(&["cSld", "spTree"]) else { continue };
        slide::begin(number, &shapes::title(tree), out)?;
        Reader { part: &part, archive, out }.shapes(tree)?;
    }
    Ok(())
}
