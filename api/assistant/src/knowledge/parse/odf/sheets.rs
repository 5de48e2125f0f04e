//! Spreadsheets: every sheet that is shown, its name the heading.

use std::collections::HashSet;

use super::flow::rows;
use crate::knowledge::parse::collect::{Collector, too_complex};
use crate::knowledge::parse::sheet::{self, Cells};
use crate::knowledge::parse::xml::Element;
use crate::knowledge::parse::{BlockKind, ParseFailure};

/// A value that a file repeats in a row is read at most this often.
const MOST_REPEATS: u32 = 200;

/// Reads the sheets of a document.
pub fn read(content: &Element, spreadsheet: &Element, out: &mut Collector) -> Result<(), ParseFailure> {
    let styles = content.child("automatic-styles").into_iter().flat_map(Element::elements);
    let is_hidden =
        |style: &&Element| style.child("table-properties").and_then(|p| p.attribute("display")) == Some("false");
    let hidden: HashSet<&str> = styles.filter(is_hidden).filter_map(|style| style.attribute("name")).collect();
    let is_shown = |sheet: &&Element| {
        sheet.name() == "table" && !sheet.attribute("style-name").is_some_and(|style| hidden.contains(style))
    };
    for (number, sheet) in spreadsheet.elements().filter(is_shown).enumerate() {
        if number >= out.limits.pages {
            return Err(too_complex(format!("more than {} sheets", out.limits.pages)));
        }
        out.part();
        out.push(BlockKind::Heading(1), sheet.attribute("name").unwrap_or_default())?;
        sheet::write(cells(sheet).rows()?, out)?;
    }
    Ok(())
}

fn cells(sheet: &Element) -> Cells {
    let mut cells = Cells::default();
    let mut at: u32 = 0;
    for row in rows(sheet) {
        let mut column: u32 = 0;
        for cell in row.elements().filter(|cell| matches!(cell.name(), "table-cell" | "covered-table-cell")) {
            let repeats = repeats(cell, "number-columns-repeated");
            let text = if cell.name() == "table-cell" { shown(cell) } else { String::new() };
            if !text.is_empty() {
                (0..repeats.min(MOST_REPEATS)).for_each(|more| cells.push(at, column + more, text.clone()));
            }
            column = column.saturating_add(repeats);
        }
        // A row that is repeated says the same each time.
        at = at.saturating_add(repeats(row, "number-rows-repeated").min(2));
    }
    cells
}

fn repeats(element: &Element, name: &str) -> u32 {
    element.attribute(name).and_then(|number| number.parse().ok()).unwrap_or(1).max(1)
}

/// What a cell shows: the text that the program wrote for it, or else its value.
fn shown(cell: &Element) -> String {
    let lines = cell.elements().filter(|line| line.name() == "p").map(Element::text);
    let text = lines.collect::<Vec<_>>().join("\n");
    if !text.is_empty() {
        return text;
    }
    let value = ["string-value", "date-value", "time-value", "boolean-value", "value"];
    value.iter().find_map(|name| cell.attribute(name)).unwrap_or_default().to_owned()
}
