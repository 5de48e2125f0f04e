//! Lines into paragraphs, headings, lists, tables and program text.

mod join;
mod measure;

use super::lines::{CELL, Line, Page};
use crate::knowledge::parse::collect::Collector;
use crate::knowledge::parse::{BlockKind, ParseFailure};
use join::Words;
use measure::Measure;

/// Writes the blocks of all pages.
pub fn write(pages: &[Page], out: &mut Collector) -> Result<(), ParseFailure> {
    let measure = Measure::of(pages);
    let words = Words::of(pages);
    let mut flow = Flow { out, words: &words, open: None };
    for (number, page) in (1..).zip(pages) {
        for (at, line) in page.lines.iter().enumerate() {
            let above = at.checked_sub(1).map(|above| &page.lines[above]);
            flow.line(line, measure.kind(line, above), number)?;
        }
    }
    flow.close()
}

struct Flow<'a> {
    out: &'a mut Collector,
    words: &'a Words,
    open: Option<Open<'a>>,
}

/// The block that lines are being added to.
struct Open<'a> {
    kind: BlockKind,
    lines: Vec<&'a Line>,
    page: u32,
    last_page: u32,
}

impl<'a> Flow<'a> {
    fn line(&mut self, line: &'a Line, kind: BlockKind, page: u32) -> Result<(), ParseFailure> {
        if let Some(open) = &mut self.open
            && open.goes_on(line, kind, page)
        {
            open.lines.push(line);
            open.last_page = page;
            return Ok(());
        }
        self.close()?;
        self.open = Some(Open { kind, lines: vec![line], page, last_page: page });
        Ok(())
    }

    fn close(&mut self) -> Result<(), ParseFailure> {
        let Some(open) = self.open.take() else { return Ok(()) };
        self.out.page(open.page);
        match open.kind {
            BlockKind::Table if open.lines.len() > 1 => {
                let rows: Vec<String> = open.lines.iter().map(|line| line.text.replace(CELL, " | ")).collect();
                self.out.push(BlockKind::Table, &rows.join("\n"))
            }
            BlockKind::Table => self.out.push(BlockKind::Paragraph, &self.words.join(&open.lines)),
            BlockKind::Code => self.out.push(BlockKind::Code, &code(&open.lines)),
            BlockKind::ListItem => {
                let text = self.words.join(&open.lines);
                self.out.push(BlockKind::ListItem, text.trim_start_matches(measure::is_bullet))
            }
            kind => self.out.push(kind, &self.words.join(&open.lines)),
        }
    }
}

impl Open<'_> {
    /// Whether the next line belongs to this block.
    fn goes_on(&self, line: &Line, kind: BlockKind, page: u32) -> bool {
        let Some(last) = self.lines.last() else { return false };
        let down = line.y - last.y;
        let size = last.size.max(line.size);
        let below = page == self.last_page && down > 0.0 && down < 2.0 * size;
        match (self.kind, kind) {
            (BlockKind::Heading(a), BlockKind::Heading(b)) => a == b && below,
            (BlockKind::Code, BlockKind::Code) => page == self.last_page && (0.0..4.0 * size).contains(&down),
            // A bracket is too short to show its font.
            (BlockKind::Code, BlockKind::Paragraph) => {
                below && line.text.len() <= 3 && !line.text.contains(char::is_alphanumeric)
            }
            (BlockKind::Table, BlockKind::Table) => page == self.last_page && (0.0..3.5 * size).contains(&down),
            (BlockKind::Paragraph | BlockKind::ListItem, BlockKind::Paragraph) => {
                if below {
                    self.same_paragraph(last, line)
                } else {
                    down.abs() > 0.0 && is_cut(last, line)
                }
            }
            _ => false,
        }
    }

    fn same_paragraph(&self, last: &Line, line: &Line) -> bool {
        let size = last.size.max(line.size);
        let alike = (last.size - line.size).abs() <= 0.15 * size;
        let one_above_other = line.x < last.end && last.x < line.end;
        if !alike || !one_above_other || self.is_wider_gap(last, line) {
            return false;
        }
        let ended = ends_sentence(&last.text);
        let indented =
            line.x > last.x + 0.8 * size && self.kind == BlockKind::Paragraph && line.x < last.x + 6.0 * size;
        let short = last.end < line.end - 0.2 * (line.end - line.x);
        !(ended && (indented || short))
    }

    /// More space than between the lines before.
    fn is_wider_gap(&self, last: &Line, line: &Line) -> bool {
        let gap = line.y - last.y;
        match self.lines.as_slice() {
            [.., before, _] if last.y > before.y => gap > 1.3 * (last.y - before.y),
            _ => gap > 1.75 * last.size,
        }
    }
}

/// Whether a sentence goes on over a column's or a page's end.
fn is_cut(last: &Line, line: &Line) -> bool {
    let alike = (last.size - line.size).abs() <= 0.15 * last.size.max(line.size);
    alike && !ends_sentence(&last.text) && line.text.chars().next().is_some_and(char::is_lowercase)
}

fn ends_sentence(text: &str) -> bool {
    text.trim_end_matches(['"', '”', '»', '’', ')', ']']).ends_with(['.', '!', '?', ':', ';', '。', '؟', '…'])
}

/// Program text, its indentation put back.
fn code(lines: &[&Line]) -> String {
    let left = lines.iter().map(|line| line.x).fold(f64::INFINITY, f64::min);
    let line = |line: &&Line| {
        let indent = ((line.x - left) / (0.6 * line.size)).round().clamp(0.0, 80.0) as usize;
        format!("{}{}", " ".repeat(indent), line.text.replace(CELL, "    "))
    };
    lines.iter().map(line).collect::<Vec<_>>().join("\n")
}
