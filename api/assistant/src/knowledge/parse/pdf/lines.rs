//! Glyphs into lines of text.

use std::collections::HashSet;

use super::glyphs::{Face, Glyph};

/// Between two cells of a row, in a [`Line`]'s text.
pub const CELL: char = '\u{1F}';

/// A gap of this many type sizes is a space.
const SPACE: f64 = 0.15;
/// A gap of this many type sizes parts two cells.
const CELL_GAP: f64 = 1.5;
/// Baselines this near, in type sizes, are one: subscripts and superscripts.
const BASELINE: f64 = 0.45;

/// A page as lines.
pub struct Page {
    /// In reading order.
    pub lines: Vec<Line>,
    /// In points.
    pub height: f64,
}

/// A line of text, in points from the page's top left corner.
#[derive(Debug, Clone)]
pub struct Line {
    /// What it reads, cells parted by [`CELL`].
    pub text: String,
    /// Its left end.
    pub x: f64,
    /// Its right end.
    pub end: f64,
    /// Its baseline.
    pub y: f64,
    /// The size of most of its type.
    pub size: f64,
    /// The look all of its letters share.
    pub face: Face,
}

/// Lines in the order their first glyphs are drawn.
pub fn of_glyphs(glyphs: Vec<Glyph>) -> Vec<Line> {
    let mut lines = vec![];
    let mut seen = HashSet::new();
    let mut open: Option<Open> = None;
    for glyph in glyphs {
        // Bold is often faked by drawing twice.
        if !seen.insert((glyph.text.clone(), (glyph.x * 2.0).round() as i64, (glyph.y * 2.0).round() as i64)) {
            continue;
        }
        match &mut open {
            Some(line) if line.takes(&glyph) => line.push(glyph),
            _ => {
                lines.extend(open.take().and_then(Open::close));
                open = Some(Open::new(glyph));
            }
        }
    }
    lines.extend(open.and_then(Open::close));
    lines
}

struct Open {
    glyphs: Vec<Glyph>,
    x: f64,
    end: f64,
    y: f64,
    size: f64,
}

impl Open {
    fn new(glyph: Glyph) -> Self {
        Self { x: glyph.x, end: glyph.end, y: glyph.y, size: glyph.size, glyphs: vec![glyph] }
    }

    /// On the same baseline, and beyond one of its ends or beside the last glyph.
    fn takes(&self, glyph: &Glyph) -> bool {
        let size = self.size.max(glyph.size);
        if (glyph.y - self.y).abs() > BASELINE * size {
            return false;
        }
        let near = self.glyphs.last().is_some_and(|last| {
            glyph.x > last.x - size && glyph.x < last.end + size || glyph.end > last.x - size && glyph.end < last.end
        });
        near || glyph.x >= self.end - 0.5 * size || glyph.end <= self.x + 0.5 * size
    }

    fn push(&mut self, glyph: Glyph) {
        // A line that begins with a superscript or a big initial has the baseline of what follows.
        if glyph.size > self.size * 1.1 && self.glyphs.len() < 3 {
            self.y = glyph.y;
            self.size = glyph.size;
        }
        self.x = self.x.min(glyph.x);
        self.end = self.end.max(glyph.end);
        self.glyphs.push(glyph);
    }

    fn close(mut self) -> Option<Line> {
        let right_to_left = self.is_right_to_left();
        if right_to_left {
            self.glyphs.sort_by(|a, b| (b.x + b.end).total_cmp(&(a.x + a.end)));
        } else if self.glyphs.windows(2).any(|pair| pair[1].x < pair[0].x - pair[0].size) {
            self.glyphs.sort_by(|a, b| a.x.total_cmp(&b.x));
        }
        let pieces = pieces(&self.glyphs, right_to_left);
        let text = if right_to_left { reading_order(pieces) } else { pieces.concat() };
        let text = text.trim_matches([' ', CELL, '\t']).to_owned();
        if text.is_empty() {
            return None;
        }
        let inked = || self.glyphs.iter().filter(|glyph| !glyph.text.trim().is_empty());
        let size = most(inked().map(|glyph| (glyph.size * 2.0).round() as i64)) as f64 / 2.0;
        let face = Face {
            bold: inked().all(|glyph| glyph.face.bold),
            mono: inked().all(|glyph| glyph.face.mono) || is_typewritten(&self.glyphs),
        };
        let x = inked().map(|glyph| glyph.x).fold(f64::INFINITY, f64::min);
        let end = inked().map(|glyph| glyph.end).fold(f64::NEG_INFINITY, f64::max);
        Some(Line { text, x, end, y: self.y, size, face })
    }

    fn is_right_to_left(&self) -> bool {
        let (mut right, mut left) = (0, 0);
        for c in self.glyphs.iter().flat_map(|glyph| glyph.text.chars()) {
            right += usize::from(is_right_to_left(c));
            left += usize::from(c.is_alphabetic() && !is_right_to_left(c));
        }
        right > left
    }
}

/// Each glyph's text, with spaces and cell breaks as pieces of their own.
fn pieces(glyphs: &[Glyph], right_to_left: bool) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::with_capacity(glyphs.len());
    let mut last: Option<&Glyph> = None;
    let mut spaced = false;
    for glyph in glyphs {
        if glyph.text.trim().is_empty() {
            spaced = true;
            continue;
        }
        if let Some(last) = last {
            let gap = if right_to_left { last.x - glyph.end } else { glyph.x - last.end };
            let size = last.size.max(glyph.size);
            if gap > CELL_GAP * size && !is_marker(&pieces) {
                pieces.push(CELL.to_string());
            } else if spaced || gap > SPACE * size {
                pieces.push(" ".to_owned());
            }
        }
        spaced = false;
        pieces.push(glyph.text.clone());
        last = Some(glyph);
    }
    pieces
}

/// Whether the line so far is a bullet or a number: the gap behind it is no cell's.
fn is_marker(pieces: &[String]) -> bool {
    let length: usize = pieces.iter().map(String::len).sum();
    length <= 6 && {
        let text = pieces.concat();
        let text = text.trim();
        text.chars().count() == 1 || text.trim_end_matches(['.', ')']).chars().all(|c| c.is_ascii_digit() || c == '.')
    }
}

/// From right to left as drawn to the order of reading: numbers and Latin words run the other way.
fn reading_order(pieces: Vec<String>) -> String {
    let is_left = |piece: &String| piece.chars().any(|c| c.is_alphanumeric() && !is_right_to_left(c));
    let is_right = |piece: &String| piece.chars().any(is_right_to_left);
    let mut text = String::new();
    let mut at = 0;
    while at < pieces.len() {
        if !is_left(&pieces[at]) {
            text.push_str(&pieces[at]);
            at += 1;
            continue;
        }
        // As far as the last left-to-right piece before the next right-to-left one.
        let stop = pieces[at..].iter().position(is_right).map_or(pieces.len(), |found| at + found);
        let end = pieces[at..stop].iter().rposition(is_left).map_or(at + 1, |found| at + found + 1);
        pieces[at..end].iter().rev().for_each(|piece| text.push_str(piece));
        at = end;
    }
    text
}

/// Whether narrow and wide letters take the same room: not every program font says what it is.
fn is_typewritten(glyphs: &[Glyph]) -> bool {
    let widths =
        glyphs.iter().filter(|glyph| !glyph.text.trim().is_empty()).map(|glyph| (glyph.end - glyph.x) / glyph.size);
    let (least, most) =
        widths.fold((f64::INFINITY, 0.0f64), |(least, most), width| (least.min(width), most.max(width)));
    let letters: HashSet<&str> = glyphs
        .iter()
        .map(|glyph| glyph.text.as_str())
        .filter(|text| text.contains(|c: char| !c.is_numeric()))
        .collect();
    // Ideographs are a full size wide each.
    letters.len() > 4 && most - least < 0.01 && (0.4..0.75).contains(&most)
}

fn is_right_to_left(c: char) -> bool {
    // Arabic digits run left to right.
    matches!(c, '\u{590}'..='\u{65F}' | '\u{66A}'..='\u{6EF}' | '\u{6FA}'..='\u{8FF}' | '\u{FB1D}'..='\u{FDFF}' | '\u{FE70}'..='\u{FEFC}')
}

/// The value that comes most often.
fn most(values: impl Iterator<Item = i64>) -> i64 {
    let mut sorted: Vec<i64> = values.collect();
    sorted.sort_unstable();
    let longest = sorted.chunk_by(|a, b| a == b).max_by_key(|run| run.len());
    longest.and_then(|run| run.first().copied()).unwrap_or_default()
}
