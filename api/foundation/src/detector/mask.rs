//! Placeholders instead of what was found, and back.
//!
//! The same value has the same placeholder, so that a reader of the masked text sees who is who. What a text has in the
//! form of a placeholder from the start keeps its number to itself: no value gets it, and it comes back as it is.

use std::{
    collections::{HashMap, HashSet},
    sync::LazyLock,
};

use regex::Regex;
use zeroize::Zeroizing;

use super::Span;

/// `[[EMAIL_1]]`.
static PLACEHOLDER: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\[\[[A-Z][A-Z_]{0,23}_\d{1,6}\]\]").expect("a pattern"));

/// Longest placeholder in bytes.
const LONGEST: usize = 2 + 24 + 1 + 6 + 2;

/// A text without what was found in it. Wiped when it is dropped; it has no `Debug`.
pub struct Masked {
    /// The text with placeholders.
    pub text: Zeroizing<String>,
    /// What stands behind them.
    pub values: Values,
}

/// What stands behind placeholders. Wiped when it is dropped; it has no `Debug`.
#[derive(Default)]
pub struct Values(HashMap<String, Zeroizing<String>>);

/// Masks these spans of `text`, which are in order and do not overlap.
pub fn mask(text: &str, spans: &[Span]) -> Masked {
    let taken: HashSet<&str> = PLACEHOLDER.find_iter(text).map(|found| found.as_str()).collect();
    let mut masked = Zeroizing::new(String::with_capacity(2 * text.len() + 64));
    let mut of_value: HashMap<(&'static str, &str), String> = HashMap::new();
    let mut counts: HashMap<&'static str, u32> = HashMap::new();
    let mut from = 0;
    for span in spans {
        let (name, value) = (span.kind.name(), &text[span.range()]);
        let placeholder = of_value.entry((name, value)).or_insert_with(|| {
            let count = counts.entry(name).or_default();
            loop {
                *count += 1;
                let placeholder = format!("[[{name}_{count}]]");
                if !taken.contains(placeholder.as_str()) {
                    break placeholder;
                }
            }
        });
        masked.push_str(&text[from..span.start]);
        masked.push_str(placeholder);
        from = span.end;
    }
    masked.push_str(&text[from..]);
    let kept = |value: &str| Zeroizing::new(value.to_owned());
    let values = of_value.into_iter().map(|((_, value), placeholder)| (placeholder, kept(value))).collect();
    Masked { text: masked, values: Values(values) }
}

impl Values {
    /// How many values there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was masked.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text with the values put back. A placeholder that stands for none of them stays.
    pub fn restore(&self, text: &str) -> Zeroizing<String> {
        let mut restored = Zeroizing::new(String::with_capacity(text.len() + 64));
        let mut from = 0;
        for found in PLACEHOLDER.find_iter(text) {
            let Some(value) = self.0.get(found.as_str()) else { continue };
            restored.push_str(&text[from..found.start()]);
            restored.push_str(value);
            from = found.end();
        }
        restored.push_str(&text[from..]);
        restored
    }
}

/// Puts values back into a text that comes in pieces, which may cut a placeholder anywhere.
pub struct Restorer<'v> {
    values: &'v Values,
    /// What may be the beginning of a placeholder.
    held: Zeroizing<String>,
}

impl<'v> Restorer<'v> {
    /// Nothing was read yet.
    pub fn new(values: &'v Values) -> Self {
        Self { values, held: Zeroizing::default() }
    }

    /// What can be handed on once `piece` was read.
    pub fn push(&mut self, piece: &str) -> Zeroizing<String> {
        let mut all = Zeroizing::new(String::with_capacity(self.held.len() + piece.len()));
        all.push_str(&self.held);
        all.push_str(piece);
        let whole = begun_at(&all).unwrap_or(all.len());
        let restored = self.values.restore(&all[..whole]);
        self.held = Zeroizing::new(all[whole..].to_owned());
        restored
    }

    /// What was held back, once nothing follows.
    pub fn finish(self) -> Zeroizing<String> {
        self.values.restore(&self.held)
    }
}

/// Where a placeholder begins that the text ends inside of.
fn begun_at(text: &str) -> Option<usize> {
    let begun = text.rfind("[[").filter(|at| {
        let rest = &text[at + 2..];
        let inside = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || matches!(b, b'_' | b']');
        rest.len() < LONGEST && !rest.contains("]]") && rest.bytes().all(inside)
    });
    begun.or_else(|| text.ends_with('[').then(|| text.len() - 1))
}
