//! A passage as units that can be quoted: sentences, list items, table rows and whole code blocks, in reading order.
//!
//! A passage is Markdown, or it is what a parser made of a document: paragraphs between blank lines, `- ` before list
//! items, cells parted by ` | `, code and headings without any mark. And a chunk may start or end anywhere, also inside
//! a code block. So lines are read one by one, nothing is required to be closed, and what is code or a heading is told by
//! its looks where no mark says so.

mod looks;
mod sentences;

use crate::markdown::inline;
use looks::{
    Fence, cells_of, heading_of, is_furniture, is_rule, item_of, looks_like_code, looks_like_heading, underlines,
};
use sentences::sentences;

/// Longer list items are taken apart into their sentences.
const LONGEST_ITEM: usize = 400;

/// What a unit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnitKind {
    /// A sentence of running text.
    Sentence,
    /// A list item.
    Item,
    /// A row of a table.
    Row,
    /// A code block. Quoted only behind the sentence that leads to it.
    Code,
}

/// A piece that is quoted whole or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unit {
    /// What it is.
    pub kind: UnitKind,
    /// Plain text; for code its lines.
    pub text: String,
    /// The heading above it inside the passage, or the question before it in its paragraph.
    pub heading: String,
    /// Counts the paragraphs, lists, tables and code blocks of the passage.
    pub block: usize,
}

impl Unit {
    /// Whether it announces what follows: its text ends with a colon.
    pub fn leads(&self) -> bool {
        self.kind != UnitKind::Code && self.text.ends_with([':', '：'])
    }
}

/// The units of a passage, whose text was made visible before.
pub(crate) fn units(text: &str) -> Vec<Unit> {
    let lines: Vec<&str> = text.lines().collect();
    let mut reader = Reader::default();
    let mut at = if looks::starts_inside_code(&lines) { reader.read_fenced(&lines, 0, &Fence::default()) } else { 0 };
    while let Some(line) = lines.get(at) {
        if let Some(fence) = Fence::opening(line) {
            at = reader.read_fenced(&lines, at + 1, &fence);
        } else if line.trim().is_empty() {
            at += 1;
        } else {
            let end =
                (at..lines.len()).find(|end| lines[*end].trim().is_empty() || Fence::opening(lines[*end]).is_some());
            let end = end.unwrap_or(lines.len());
            let is_last = lines[end..].iter().all(|line| line.trim().is_empty());
            reader.read(&lines[at..end], is_last);
            at = end;
        }
    }
    reader.units
}

#[derive(Default)]
struct Reader {
    units: Vec<Unit>,
    heading: String,
    block: usize,
    /// What the open block is made of; the next unit of another kind begins a new one.
    open: Option<UnitKind>,
}

impl Reader {
    /// Reads lines without a blank one among them.
    fn read(&mut self, lines: &[&str], is_last: bool) {
        let led = self.units.last().is_some_and(Unit::leads) || self.open == Some(UnitKind::Code);
        if looks_like_code(lines, led) {
            self.read_unfenced(&lines.join("\n"));
            return;
        }
        if let [line] = lines
            && !is_last
            && !led
            && heading_of(line.trim()).is_none()
            && looks_like_heading(line)
        {
            self.begin_section(inline(line));
            return;
        }
        let mut open = String::new();
        let mut lines = lines.iter().map(|line| unquoted(line)).peekable();
        while let Some(line) = lines.next() {
            let next = lines.peek().copied().unwrap_or_default();
            if let Some(heading) = heading_of(line) {
                self.read_prose(&mut open);
                self.begin_section(heading);
            } else if underlines(next) && open.is_empty() && item_of(line).is_none() {
                self.begin_section(inline(line));
                lines.next();
            } else if is_furniture(line) {
                self.read_prose(&mut open);
            } else if let Some(cells) = cells_of(line, next, self.open == Some(UnitKind::Row)) {
                self.read_prose(&mut open);
                self.read_row(&cells);
            } else {
                if item_of(line).is_some() {
                    self.read_prose(&mut open);
                } else if !open.is_empty() {
                    open.push(' ');
                }
                open.push_str(line);
            }
        }
        self.read_prose(&mut open);
        // A blank line ends anything but a list.
        self.open = self.open.filter(|kind| *kind == UnitKind::Item);
    }

    fn begin_section(&mut self, heading: String) {
        self.heading = heading;
        self.open = None;
    }

    /// Reads a paragraph or a list item whose lines were joined.
    fn read_prose(&mut self, markdown: &mut String) {
        let markdown = std::mem::take(markdown);
        let item = item_of(&markdown).map(inline);
        match item.filter(|item| item.chars().count() <= LONGEST_ITEM) {
            Some(item) => self.push(UnitKind::Item, item),
            None => {
                let text = inline(item_of(&markdown).unwrap_or(&markdown));
                sentences(&text).into_iter().for_each(|sentence| self.push(UnitKind::Sentence, sentence));
            }
        }
    }

    fn read_row(&mut self, cells: &[String]) {
        let is_header = self.open != Some(UnitKind::Row);
        if is_header {
            self.block += 1;
            self.open = Some(UnitKind::Row);
        } else if !is_rule(cells) {
            let filled: Vec<&str> = cells.iter().map(String::as_str).filter(|cell| !cell.is_empty()).collect();
            self.push(UnitKind::Row, filled.join(" – "));
        }
    }

    /// Reads code up to its closing fence and says where reading goes on.
    fn read_fenced(&mut self, lines: &[&str], start: usize, fence: &Fence) -> usize {
        let end = (start..lines.len()).find(|at| fence.closes(lines[*at])).unwrap_or(lines.len());
        self.open = None;
        self.push(UnitKind::Code, lines[start..end].join("\n").trim_matches('\n').to_owned());
        self.open = None;
        end + 1
    }

    /// Code without fences: pieces that only a blank line parts are one block.
    fn read_unfenced(&mut self, code: &str) {
        match self.units.last_mut() {
            Some(unit) if self.open == Some(UnitKind::Code) => unit.text.extend(["\n\n", code]),
            _ => self.push(UnitKind::Code, code.to_owned()),
        }
    }

    fn push(&mut self, kind: UnitKind, text: String) {
        if !text.contains(char::is_alphanumeric) {
            return;
        }
        if self.open != Some(kind) {
            self.block += 1;
            self.open = Some(kind);
        }
        let before = self.units.last().filter(|before| kind == UnitKind::Sentence && before.block == self.block);
        let heading = match before {
            Some(question) if question.text.ends_with('?') => question.text.clone(),
            Some(before) => before.heading.clone(),
            None => self.heading.clone(),
        };
        self.units.push(Unit { kind, text, heading, block: self.block });
    }
}

fn unquoted(line: &str) -> &str {
    line.trim().trim_start_matches("> ").trim_start_matches('>').trim()
}

#[cfg(test)]
mod tests;
