//! What the type of a document says about its lines.

use std::collections::BTreeMap;

use crate::knowledge::parse::BlockKind;
use crate::knowledge::parse::pdf::lines::{CELL, Line, Page};

/// Type this much larger than the body's is a heading's.
const HEADING: f64 = 1.12;
/// A longer line is no heading.
const LONGEST: usize = 160;

/// The sizes of a document's type.
pub struct Measure {
    body: f64,
    /// The smallest size of each level of headings, largest first, in half points.
    headings: Vec<i64>,
    bold_body: bool,
}

impl Measure {
    /// Measures: the body's size is the one most letters have.
    pub fn of(pages: &[Page]) -> Self {
        let mut letters: BTreeMap<i64, usize> = BTreeMap::new();
        let (mut bold, mut all) = (0, 0);
        for line in pages.iter().flat_map(|page| &page.lines) {
            all += line.text.len();
            bold += if line.face.bold { line.text.len() } else { 0 };
            *letters.entry(half_points(line.size)).or_default() += line.text.len();
        }
        let body = letters.iter().max_by_key(|(_, count)| **count).map_or(10.0, |(size, _)| *size as f64 / 2.0);
        let headings = levels(letters.into_keys().filter(|size| *size as f64 / 2.0 >= HEADING * body).rev().collect());
        Self { body, headings, bold_body: bold * 2 > all }
    }

    /// What a line is by itself, `above` being the line before it on its page.
    pub fn kind(&self, line: &Line, above: Option<&Line>) -> BlockKind {
        let length = line.text.chars().count();
        let has_letters = line.text.chars().any(char::is_alphabetic);
        if line.face.mono && length > 1 {
            return BlockKind::Code;
        }
        if has_letters && length <= LONGEST && !line.text.contains(CELL) && !line.text.starts_with(is_bullet) {
            if let Some(level) = self.level(line) {
                return BlockKind::Heading(level);
            }
            if self.is_set_apart(line, above) {
                return BlockKind::Heading((self.headings.len() as u8 + 1).max(2));
            }
        }
        if begins_item(&line.text) {
            return BlockKind::ListItem;
        }
        if line.text.contains(CELL) { BlockKind::Table } else { BlockKind::Paragraph }
    }

    fn level(&self, line: &Line) -> Option<u8> {
        if line.size < HEADING * self.body {
            return None;
        }
        let at = self.headings.iter().position(|size| half_points(line.size) >= *size)?;
        Some(at as u8 + 1)
    }

    /// A short line with space above it that is bold, or begins with a section's number.
    fn is_set_apart(&self, line: &Line, above: Option<&Line>) -> bool {
        let space = above.is_none_or(|above| line.y < above.y || line.y - above.y > 1.4 * line.size);
        let ends = line.text.ends_with(['.', ',', ';', ':']);
        let begins = line.text.starts_with(|c: char| c.is_uppercase() || c.is_numeric());
        let bold = line.face.bold && !self.bold_body;
        (bold || is_numbered(&line.text)) && space && !ends && begins && line.text.chars().count() <= 90
    }
}

/// At most so many levels of headings are told apart by size.
const LEVELS: usize = 3;

/// The smallest size of each level, from all sizes, largest first: the nearest sizes are one level until few are left.
fn levels(sizes: Vec<i64>) -> Vec<i64> {
    let mut sizes = sizes;
    loop {
        let ratio = |pair: &[i64]| pair[0] as f64 / pair[1] as f64;
        let nearest =
            (0..sizes.len().saturating_sub(1)).min_by(|a, b| ratio(&sizes[*a..]).total_cmp(&ratio(&sizes[*b..])));
        match nearest {
            Some(at) if sizes.len() > LEVELS || ratio(&sizes[at..]) < 1.06 => sizes.remove(at),
            _ => return sizes,
        };
    }
}

/// "5.1 Results": a section's number of at least two parts, then a capital.
fn is_numbered(text: &str) -> bool {
    let Some((number, rest)) = text.split_once(' ') else { return false };
    let parts = number.trim_end_matches('.').split('.');
    let number = parts.clone().count() > 1
        && parts.clone().all(|part| (1..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit()));
    number && rest.trim_start().starts_with(char::is_uppercase)
}

fn half_points(size: f64) -> i64 {
    (size * 2.0).round() as i64
}

/// A bullet, whatever font it comes from.
pub fn is_bullet(c: char) -> bool {
    matches!(c, '•' | '●' | '○' | '◦' | '▪' | '■' | '□' | '‣' | '⁃' | '∙' | '·' | '►' | '▶' | '✓' | '❑' | '➢')
}

/// Whether a line begins an item of a list.
fn begins_item(text: &str) -> bool {
    if text.starts_with(is_bullet) || text.starts_with("- ") || text.starts_with("– ") {
        return true;
    }
    // A line of a table of contents.
    if text.contains(".....") || text.contains(". . . . .") {
        return true;
    }
    let number = text.split([' ', CELL]).next().unwrap_or_default();
    let Some(inner) = number.strip_suffix(['.', ')']) else { return false };
    let inner = inner.trim_start_matches('(');
    let digits = (1..=2).contains(&inner.len()) && inner.bytes().all(|b| b.is_ascii_digit());
    let letter = inner.len() == 1 && number.ends_with(')') && inner.bytes().all(|b| b.is_ascii_lowercase());
    digits || letter
}
