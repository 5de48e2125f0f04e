//! Presentations: the text of each slide that is shown.

use std::collections::HashSet;

use super::flow::Flow;
use crate::knowledge::parse::collect::{Collector, too_complex};
use crate::knowledge::parse::xml::Element;
use crate::knowledge::parse::{ParseFailure, slide};

/// Reads the slides of a document.
pub fn read(
    content: &Element,
    presentation: &Element,
    flow: &mut Flow<'_, '_>,
    out: &mut Collector,
) -> Result<(), ParseFailure> {
    let styles = content.child("automatic-styles").into_iter().flat_map(Element::elements);
    let is_hidden = |style: &&Element| {
        style.child("drawing-page-properties").and_then(|p| p.attribute("visibility")) == Some("hidden")
    };
    let hidden: HashSet<&str> = styles.filter(is_hidden).filter_map(|style| style.attribute("name")).collect();
    for (number, page) in (1..).zip(presentation.elements().filter(|element| element.name() == "page")) {
        if number as usize > out.limits.pages {
            return Err(too_complex(format!("more than {} slides", out.limits.pages)));
        }
        if page.attribute("style-name").is_some_and(|style| hidden.contains(style)) {
            continue;
        }
        let title = page.elements().find(|shape| role(shape) == "title");
        let title = title.map(|title| flow.plain(title)).transpose()?;
        slide::begin(number, &title.unwrap_or_default(), out)?;
        let shapes = page.elements().filter(|shape| {
            // The speaker's notes, and what repeats on every slide.
            !matches!(role(shape), "title" | "notes" | "page-number" | "date-time" | "footer" | "header")
        });
        shapes.filter(|shape| shape.name() != "notes").try_for_each(|shape| flow.block(shape))?;
        flow.write(out)?;
    }
    Ok(())
}

fn role(shape: &Element) -> &str {
    shape.attribute("class").unwrap_or_default()
}
