//! Running text: headings, paragraphs, lists, tables, and what is anchored in them.

use super::lists::Lists;
use super::member;
use crate::knowledge::parse::archive::Archive;
use crate::knowledge::parse::collect::Collector;
use crate::knowledge::parse::table::{Cell, Table};
use crate::knowledge::parse::xml::{Element, Node};
use crate::knowledge::parse::{BlockKind, ParseFailure, ParseLimits, opc};

/// A row or a cell that a file repeats is read at most this often.
const MOST_REPEATS: usize = 200;

/// Blocks read so far, and where their objects are.
pub struct Flow<'o, 'z> {
    archive: &'o mut Archive<'z>,
    limits: ParseLimits,
    lists: Lists,
    read: Vec<(BlockKind, String)>,
    /// The lists around what is read: style, and number of the item.
    within: Vec<(String, u32)>,
    /// What stands before the next paragraph; `None` outside of lists and behind an item's first paragraph.
    label: Option<String>,
    /// The number at which the last list of the outermost level ended.
    ended_at: u32,
}

impl<'o, 'z> Flow<'o, 'z> {
    /// Nothing read yet.
    pub fn new(archive: &'o mut Archive<'z>, limits: ParseLimits, lists: Lists) -> Self {
        Self { archive, limits, lists, read: vec![], within: vec![], label: None, ended_at: 0 }
    }

    /// Writes what was read.
    pub fn write(&mut self, out: &mut Collector) -> Result<(), ParseFailure> {
        for (kind, text) in self.read.drain(..) {
            out.push(kind, &text)?;
        }
        Ok(())
    }

    /// Reads what an element holds.
    pub fn blocks(&mut self, parent: &Element) -> Result<(), ParseFailure> {
        parent.elements().try_for_each(|element| self.block(element))
    }

    /// Reads an element.
    pub fn block(&mut self, element: &Element) -> Result<(), ParseFailure> {
        match element.name() {
            "h" => {
                let level = element.attribute("outline-level").and_then(|level| level.parse().ok()).unwrap_or(1);
                self.paragraph(element, Some(level))
            }
            "p" => self.paragraph(element, None),
            "list" => self.list(element),
            "table" => self.table(element),
            "frame" => self.frame(element),
            // Around other blocks, and shapes with text of their own.
            "section" | "numbered-paragraph" | "text-box" | "a" | "g" | "custom-shape" | "rect" | "ellipse"
            | "circle" | "polygon" | "polyline" | "path" | "line" | "connector" | "caption" | "measure"
            | "regular-polygon" => self.blocks(element),
            _ => Ok(()),
        }
    }

    /// The text of what an element holds, on one line.
    pub fn plain(&mut self, element: &Element) -> Result<String, ParseFailure> {
        let outer = (std::mem::take(&mut self.read), std::mem::take(&mut self.within), self.label.take());
        let result = self.blocks(element);
        let inner = std::mem::take(&mut self.read);
        (self.read, self.within, self.label) = outer;
        result?;
        Ok(inner.into_iter().map(|(_, text)| text.replace(" | ", " ")).collect::<Vec<_>>().join(" "))
    }

    fn paragraph(&mut self, paragraph: &Element, level: Option<u8>) -> Result<(), ParseFailure> {
        let mut text = String::new();
        let mut anchored = vec![];
        line(paragraph, &mut text, &mut anchored);
        let label = self.label.take();
        let kind = match level {
            Some(level) => BlockKind::Heading(level.clamp(1, 6)),
            None => self.kind(paragraph.attribute("style-name").unwrap_or_default(), label.is_some()),
        };
        if !text.trim().is_empty() {
            match label.as_deref().unwrap_or_default() {
                "" => self.read.push((kind, text)),
                label => self.read.push((kind, format!("{label} {text}"))),
            }
        }
        for element in anchored {
            match element.name() {
                "note" => {
                    let body = element.child("note-body").map(|body| self.plain(body)).transpose()?;
                    self.read.push((BlockKind::Paragraph, body.unwrap_or_default()));
                }
                _ => self.block(element)?,
            }
        }
        Ok(())
    }

    fn kind(&self, style: &str, is_item: bool) -> BlockKind {
        let based_on = |name: &str| self.lists.is_based_on(style, |style| style == name);
        if based_on("Title") {
            return BlockKind::Heading(1);
        }
        if based_on("Subtitle") {
            return BlockKind::Heading(2);
        }
        if based_on("Preformatted_20_Text") {
            return BlockKind::Code;
        }
        if based_on("Quotations") {
            return BlockKind::Quote;
        }
        if is_item { BlockKind::ListItem } else { BlockKind::Paragraph }
    }

    fn list(&mut self, list: &Element) -> Result<(), ParseFailure> {
        let outer = self.within.last().map(|(style, _)| style.clone()).unwrap_or_default();
        let style = list.attribute("style-name").map_or(outer, str::to_owned);
        let goes_on = list.attribute("continue-numbering") == Some("true") || list.attribute("continue-list").is_some();
        let first = if goes_on && self.within.is_empty() { self.ended_at } else { 0 };
        self.within.push((style.clone(), first));
        for item in list.elements() {
            if item.name() == "list-item" {
                let start = item.attribute("start-value").and_then(|start| start.parse().ok());
                // An item that only holds a deeper list shows no number.
                let is_shown = item.elements().next().is_some_and(|first| first.name() != "list");
                if let Some((_, number)) = self.within.last_mut() {
                    *number = start.unwrap_or(number.saturating_add(u32::from(is_shown)));
                }
                let numbers: Vec<u32> = self.within.iter().map(|(_, number)| (*number).max(1)).collect();
                self.label = is_shown.then(|| self.lists.label(&style, &numbers));
            }
            if matches!(item.name(), "list-item" | "list-header") {
                self.blocks(item)?;
            }
            self.label = None;
        }
        let ended = self.within.pop();
        if self.within.is_empty() {
            self.ended_at = ended.map_or(0, |(_, number)| number);
        }
        Ok(())
    }

    fn table(&mut self, table: &Element) -> Result<(), ParseFailure> {
        let lines = self.lines(table)?;
        self.read.push((BlockKind::Table, lines));
        Ok(())
    }

    fn lines(&mut self, table: &Element) -> Result<String, ParseFailure> {
        let mut read = Table::default();
        for row in rows(table) {
            let mut cells = vec![];
            // Cells that one before them in the row covers; others are covered from above.
            let mut covered = 0;
            for cell in row.elements() {
                let number = |name: &str| cell.attribute(name).and_then(|number| number.parse::<usize>().ok());
                let repeats = number("number-columns-repeated").unwrap_or(1).clamp(1, MOST_REPEATS);
                match cell.name() {
                    "table-cell" => {
                        let columns = number("number-columns-spanned").unwrap_or(1).clamp(1, MOST_REPEATS);
                        covered = columns - 1;
                        let text = self.plain(cell)?;
                        cells.extend((0..repeats).map(|_| Cell { text: text.clone(), columns, goes_on: false }));
                    }
                    "covered-table-cell" => {
                        let beside = covered.min(repeats);
                        covered -= beside;
                        cells.extend((beside..repeats).map(|_| Cell { goes_on: true, ..Cell::default() }));
                    }
                    _ => {}
                }
            }
            read.row(cells);
        }
        Ok(read.lines())
    }

    /// What a frame holds, the first of several variants of it: a box, a table, an object.
    fn frame(&mut self, frame: &Element) -> Result<(), ParseFailure> {
        let Some(content) = frame.elements().find(|inner| matches!(inner.name(), "text-box" | "table" | "object"))
        else {
            return Ok(());
        };
        match (content.name(), content.attribute("href")) {
            ("object", Some(folder)) => {
                let name = format!("{}/content.xml", opc::within("", folder));
                let object = member(self.archive, &name, &self.limits)?;
                object.map_or(Ok(()), |object| self.object(&object))
            }
            ("object", None) => content.elements().try_for_each(|object| self.object(object)),
            _ => self.block(content),
        }
    }

    /// A chart as the table it was drawn from, a formula as its author wrote it.
    fn object(&mut self, object: &Element) -> Result<(), ParseFailure> {
        if object.name() == "math" {
            let written = object.all("annotation").next().unwrap_or(object).text();
            self.read.push((BlockKind::Paragraph, written));
            return Ok(());
        }
        let Some(chart) = object.all("chart").find(|chart| chart.child("plot-area").is_some()) else { return Ok(()) };
        if let Some(title) = chart.child("title") {
            let title = self.plain(title)?;
            self.read.push((BlockKind::Paragraph, title));
        }
        chart.child("table").map_or(Ok(()), |table| self.table(table))
    }
}

/// The rows of a table, those in its groups too.
pub fn rows(table: &Element) -> Vec<&Element> {
    let row = |element: &'_ Element| -> bool { element.name() == "table-row" };
    let mut found = vec![];
    for element in table.elements() {
        match element.name() {
            _ if row(element) => found.push(element),
            "table-header-rows" | "table-rows" | "table-row-group" => found.extend(rows(element)),
            _ => {}
        }
    }
    found
}

/// Adds the text of what stands within a paragraph, and finds what is anchored in it.
fn line<'a>(parent: &'a Element, text: &mut String, anchored: &mut Vec<&'a Element>) {
    for node in parent.nodes() {
        let element = match node {
            Node::Text(piece) => {
                text.push_str(piece);
                continue;
            }
            Node::Element(element) => element,
        };
        match element.name() {
            "s" => {
                let spaces = element.attribute("c").and_then(|count| count.parse().ok()).unwrap_or(1);
                text.extend(std::iter::repeat_n(' ', spaces.min(MOST_REPEATS)));
            }
            "tab" => text.push('\t'),
            "line-break" => text.push('\n'),
            "number" => {
                text.push_str(&element.text());
                text.push(' ');
            }
            "note" | "frame" | "custom-shape" | "g" | "rect" | "ellipse" | "list" | "table" => anchored.push(element),
            "annotation" | "annotation-end" | "ruby-text" | "tracked-changes" | "hidden-text" | "script" => {}
            _ => line(element, text, anchored),
        }
    }
}
