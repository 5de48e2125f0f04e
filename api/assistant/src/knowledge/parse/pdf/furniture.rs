//! What repeats at the head and the foot of pages.

use std::collections::HashMap;

use super::lines::{Line, Page};

/// The part of a page's height, at either end, in which repetition is looked for.
const MARGIN: f64 = 0.12;
/// Baselines nearer than this, in type sizes, belong together.
const CLOSE: f64 = 1.6;
/// Heights this near, in points, are the same place.
const PLACE: f64 = 6.0;

/// Drops lines that stand at the same place of many pages and differ at most in numbers.
pub fn remove(pages: &mut [Page]) {
    let mut pages_with: HashMap<(String, i64), usize> = HashMap::new();
    for page in &*pages {
        let mut keys: Vec<_> = page.lines.iter().filter(|line| is_in_margin(line, page.height)).map(key).collect();
        keys.sort();
        keys.dedup();
        for key in keys {
            *pages_with.entry(key).or_default() += 1;
        }
    }
    // Odd and even pages may differ, and so may chapters.
    let enough = (pages.len() / 5).clamp(2, 8);
    for page in pages.iter_mut() {
        let repeats =
            |line: &Line| is_in_margin(line, page.height) && pages_with.get(&key(line)).is_some_and(|n| *n >= enough);
        let mut furniture: Vec<bool> = page.lines.iter().map(repeats).collect();
        spare_body(&page.lines, &mut furniture);
        let mut furniture = furniture.into_iter();
        page.lines.retain(|line| {
            let repeated = furniture.next().unwrap_or_default();
            let number = is_in_margin(line, page.height) && is_page_number(&line.text);
            !repeated && !number
        });
    }
}

/// Text that stands close to the body is the body's, whatever repeats: forms, contracts, tables over pages.
fn spare_body(lines: &[Line], furniture: &mut [bool]) {
    loop {
        let close = |a: &Line, b: &Line| (a.y - b.y).abs() > 1.0 && (a.y - b.y).abs() < CLOSE * a.size.max(b.size);
        let body = |line: &Line| lines.iter().zip(&*furniture).any(|(other, dropped)| !dropped && close(line, other));
        let Some(spared) = (0..lines.len()).find(|at| furniture[*at] && body(&lines[*at])) else { return };
        furniture[spared] = false;
    }
}

fn is_in_margin(line: &Line, height: f64) -> bool {
    line.y < MARGIN * height || line.y > (1.0 - MARGIN) * height
}

fn key(line: &Line) -> (String, i64) {
    let words = line.text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let words = words.map(|word| if is_number(word) { "#".to_owned() } else { word.to_lowercase() });
    (words.collect::<Vec<_>>().join(" "), (line.y / PLACE).round() as i64)
}

/// A number alone, or with a dash on either side, or "3 / 12".
fn is_page_number(text: &str) -> bool {
    let bare = text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '-' | '–' | '—' | '|'));
    bare.len() <= 12 && bare.split('/').all(|part| is_number(part.trim()))
}

/// Arabic or small Roman.
fn is_number(word: &str) -> bool {
    !word.is_empty()
        && (word.bytes().all(|b| b.is_ascii_digit()) || word.bytes().all(|b| matches!(b, b'i' | b'v' | b'x' | b'l')))
}
