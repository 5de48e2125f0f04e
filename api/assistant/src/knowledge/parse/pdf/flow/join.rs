//! Lines joined into running text, words broken at a line's end made whole.

use std::collections::HashSet;

use crate::knowledge::parse::pdf::lines::{CELL, Line, Page};

/// The words of a document that are not at the end of a line: they tell a hyphen that belongs from one that was put in.
pub struct Words(HashSet<String>);

impl Words {
    /// All of them.
    pub fn of(pages: &[Page]) -> Self {
        let mut words = HashSet::new();
        for line in pages.iter().flat_map(|page| &page.lines) {
            let mut inner: Vec<&str> = line.text.split_whitespace().collect();
            if inner.last().is_some_and(|last| last.ends_with(HYPHENS)) {
                inner.pop();
            }
            words.extend(inner.into_iter().map(bare));
        }
        Self(words)
    }

    /// The lines as one text.
    pub fn join(&self, lines: &[&Line]) -> String {
        let mut text = String::new();
        for line in lines {
            let next = line.text.replace(CELL, " ");
            self.append(&mut text, &next);
        }
        without_leaders(&text)
    }

    fn append(&self, text: &mut String, next: &str) {
        let Some(last) = text.chars().last() else {
            text.push_str(next);
            return;
        };
        let first = next.chars().next().unwrap_or(' ');
        let before = text.chars().rev().nth(1).unwrap_or(' ');
        if HYPHENS.contains(&last) && before.is_alphabetic() && first.is_alphanumeric() {
            if first.is_lowercase() && !self.is_hyphenated(text, next) {
                text.pop();
            }
        } else if !(is_ideograph(last) && is_ideograph(first)) {
            text.push(' ');
        }
        text.push_str(next);
    }

    /// Whether the hyphen belongs: the word stands elsewhere with it and not without, or stands nowhere and both its
    /// parts do.
    fn is_hyphenated(&self, text: &str, next: &str) -> bool {
        let first = text.split_whitespace().next_back().unwrap_or_default();
        let second = next.split_whitespace().next().unwrap_or_default();
        let knows = |word: &str| self.0.contains(&bare(word));
        if knows(&format!("{}{second}", first.trim_end_matches(HYPHENS))) {
            return false;
        }
        knows(&format!("{first}{second}")) || (knows(first) && knows(second))
    }
}

const HYPHENS: [char; 3] = ['-', '\u{2010}', '\u{AD}'];

fn bare(word: &str) -> String {
    word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase()
}

fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{3000}'..='\u{30FF}' | '\u{3400}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{FF00}'..='\u{FFEF}')
}

/// Without the dots that lead the eye to a page number.
fn without_leaders(text: &str) -> String {
    if !text.contains("....") && !text.contains(". . . .") {
        return text.to_owned();
    }
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = [rest.find("...."), rest.find(". . . .")].into_iter().flatten().min() {
        kept.push_str(&rest[..at]);
        kept.push(' ');
        rest = rest[at..].trim_start_matches(['.', ' ']);
    }
    kept.push_str(rest);
    kept
}
