//! The shapes of a slide: their paragraphs, tables, charts and diagrams.

use crate::knowledge::parse::archive::Archive;
use crate::knowledge::parse::collect::Collector;
use crate::knowledge::parse::opc::{self, Part};
use crate::knowledge::parse::table::{Cell, Table};
use crate::knowledge::parse::xml::Element;
use crate::knowledge::parse::{BlockKind, ParseFailure, chart, math};

/// Reads the shapes of a slide.
pub struct Reader<'a, 'z> {
    /// The slide.
    pub part: &'a Part,
    /// Where its charts and diagrams are.
    pub archive: &'a mut Archive<'z>,
    /// Where blocks go.
    pub out: &'a mut Collector,
}

/// The title of a slide; empty where it has none.
pub fn title(tree: &Element) -> String {
    let mut shapes = tree.all("sp").filter(|shape| is_title(shape));
    let body = shapes.find_map(|shape| shape.child("txBody"));
    body.map(|body| body.all("p").map(text).collect::<Vec<_>>().join(" ")).unwrap_or_default()
}

impl Reader<'_, '_> {
    /// Reads all shapes but the title and what repeats on every slide.
    pub fn shapes(&mut self, tree: &Element) -> Result<(), ParseFailure> {
        for shape in tree.elements() {
            match shape.name() {
                "sp" if !is_title(shape) && !is_furniture(shape) => self.shape(shape)?,
                "graphicFrame" => self.frame(shape)?,
                "grpSp" => self.shapes(shape)?,
                "AlternateContent" => {
                    if let Some(chosen) = shape.child("Choice").or(shape.child("Fallback")) {
                        self.shapes(chosen)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn shape(&mut self, shape: &Element) -> Result<(), ParseFailure> {
        let Some(body) = shape.child("txBody") else { return Ok(()) };
        let is_list = placeholder(shape).is_some_and(|kind| matches!(kind, "" | "body" | "obj"));
        let mut numbers = [0u32; 9];
        for paragraph in body.elements().filter(|element| element.name() == "p") {
            let text = text(paragraph);
            if text.trim().is_empty() {
                continue;
            }
            let properties = paragraph.child("pPr");
            let has = |name: &str| properties.is_some_and(|properties| properties.child(name).is_some());
            let level = properties.and_then(|properties| properties.attribute("lvl")?.parse::<usize>().ok());
            let level = level.unwrap_or_default().min(8);
            numbers[level + 1..].fill(0);
            if has("buAutoNum") {
                let start = properties.and_then(|properties| properties.child("buAutoNum")?.attribute("startAt"));
                let start = start.and_then(|start| start.parse().ok()).unwrap_or(1);
                numbers[level] = if numbers[level] == 0 { start } else { numbers[level].saturating_add(1) };
                self.out.push(BlockKind::ListItem, &format!("{}. {text}", numbers[level]))?;
                continue;
            }
            numbers[level] = 0;
            let is_item = has("buChar") || has("buBlip") || (is_list && !has("buNone"));
            self.out.push(if is_item { BlockKind::ListItem } else { BlockKind::Paragraph }, &text)?;
        }
        Ok(())
    }

    fn frame(&mut self, frame: &Element) -> Result<(), ParseFailure> {
        let Some(data) = frame.at(&["graphic", "graphicData"]) else { return Ok(()) };
        for content in data.elements() {
            match content.name() {
                "tbl" => self.out.push(BlockKind::Table, &table(content))?,
                "chart" => {
                    if let Some(part) = self.related(content.relation())? {
                        self.out.push(BlockKind::Paragraph, &chart::title(&part.root).unwrap_or_default())?;
                        self.out.push(BlockKind::Table, &chart::table(&part.root))?;
                    }
                }
                "relIds" => {
                    if let Some(part) = self.related(content.attribute("dm"))? {
                        for paragraph in part.root.all("p") {
                            self.out.push(BlockKind::ListItem, &text(paragraph))?;
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn related(&mut self, id: Option<&str>) -> Result<Option<Part>, ParseFailure> {
        let Some(name) = id.and_then(|id| self.part.by_id(id)) else { return Ok(None) };
        opc::part(self.archive, name, &self.out.limits)
    }
}

fn table(table: &Element) -> String {
    let mut read = Table::default();
    for row in table.elements().filter(|row| row.name() == "tr") {
        // A cell that another one of the row covers is written as one too.
        let cells = row.elements().filter(|cell| cell.name() == "tc" && !is_set(cell.attribute("hMerge")));
        read.row(cells.map(|cell| Cell {
            text: cell.all("p").map(text).collect::<Vec<_>>().join(" "),
            columns: cell.attribute("gridSpan").and_then(|columns| columns.parse().ok()).unwrap_or(1),
            goes_on: is_set(cell.attribute("vMerge")),
        }));
    }
    read.lines()
}

/// The text of a paragraph, lines kept.
fn text(paragraph: &Element) -> String {
    let mut text = String::new();
    for element in paragraph.elements() {
        match element.name() {
            "r" | "fld" => text.push_str(&element.child("t").map(Element::text).unwrap_or_default()),
            "br" => text.push('\n'),
            "m" | "AlternateContent" => element.all("oMath").take(1).for_each(|formula| {
                text.push_str(&format!(" {} ", math::line(formula)));
            }),
            _ => {}
        }
    }
    text
}

/// The kind of place on the layout that a shape fills; empty for the usual one.
fn placeholder(shape: &Element) -> Option<&str> {
    Some(shape.at(&["nvSpPr", "nvPr", "ph"])?.attribute("type").unwrap_or_default())
}

fn is_title(shape: &Element) -> bool {
    matches!(placeholder(shape), Some("title" | "ctrTitle"))
}

fn is_furniture(shape: &Element) -> bool {
    matches!(placeholder(shape), Some("ftr" | "hdr" | "dt" | "sldNum"))
}

fn is_set(flag: Option<&str>) -> bool {
    matches!(flag, Some("1" | "true" | "on"))
}
