//! Telephone numbers, as people write them in Europe and North America.

use std::sync::LazyLock;

use regex::Regex;

use super::{
    Confidence::{Certain, Guess, Likely},
    Kind, Span, before, behind,
};

/// A word before a number that says what it is: on the same line, with little between.
static CALLED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?i)(?:\b(?:phones?|telephone|tel|mobile|cell|fax|whatsapp|call|ring|dial|reach|text me|answering|hotline|",
        r"t[ée]l[ée]phone|t[ée]l|portable|appel\p{L}*|rappel\p{L}*|joindre|joignable|",
        r"telefon\p{L}*|handy\p{L}*|mobil\p{L}*|ruf\p{L}*|anruf\p{L}*|erreich\p{L}*|",
        r"tel[ée]fono|m[óo]vil|llam\p{L}*|ll[áa]m\p{L}*)\b\.?)(?:[^\d\n]{0,28}|[ \t]?:[ \t]*\n[ \t]*)$",
    ))
    .expect("a pattern")
});
/// A word directly behind a number.
static CALLED_BEHIND: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)^\s?[-(]\s?(?:office|fax|home|mobile|cell|work|phone|tel|bureau|privat|dienstlich|m[óo]vil)\b")
        .expect("a pattern")
});
static NUMBER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?:\+|\(\+?)?\d(?:[ \u{a0}./-]{0,2}[()]?[ \u{a0}]?\d|\) ?[-/]? ?\d|[ ]?\(0\)[ ]?\d?){5,17}")
        .expect("a pattern")
});
static EXTENSION: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?i)^ ?(?:x|ext\.? ?|poste ?|durchwahl ?|-)\d{1,6}\b").expect("a pattern"));
static DATE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^(?:\d{1,2}[./-]\d{1,2}[./-](?:19|20)?\d\d|(?:19|20)\d\d[./-]\d{1,2}[./-]\d{1,2})(?:[ T]\d\d?)?$")
        .expect("a pattern")
});

/// What a written number looks like.
struct Written<'t> {
    text: &'t str,
    digits: Vec<u8>,
    /// Digits in each group.
    groups: Vec<usize>,
}

impl<'t> Written<'t> {
    fn of(text: &'t str) -> Self {
        let digits = text.bytes().filter(u8::is_ascii_digit).map(|b| b - b'0').collect();
        let groups = text.split(|c: char| !c.is_ascii_digit()).map(str::len).filter(|len| *len > 0).collect();
        Self { text, digits, groups }
    }

    fn starts_with(&self, digits: &[u8]) -> bool {
        self.digits.starts_with(digits)
    }

    fn is_international(&self) -> bool {
        let plus = self.text.trim_start_matches('(').starts_with('+');
        let zeros = self.starts_with(&[0, 0]) && self.digits.get(2).is_some_and(|d| *d != 0);
        match (plus, zeros) {
            (true, _) => (8..=16).contains(&self.digits.len()) && self.digits[0] != 0,
            (_, true) => (10..=17).contains(&self.digits.len()) && self.groups.len() > 1,
            _ => false,
        }
    }

    /// `0` and a place: France, Germany, the United Kingdom and others.
    fn is_national(&self) -> bool {
        self.digits[0] == 0
            && self.digits.get(1).is_some_and(|digit| *digit != 0)
            && (9..=12).contains(&self.digits.len())
            && self.groups.len() <= 6
            && !self.text.contains('.') | (self.groups.len() == 5)
    }

    /// Spain: nine digits, in groups of three or of three and twos.
    fn is_spanish(&self) -> bool {
        matches!(self.digits[0], 6..=9)
            && (self.groups == [3, 3, 3] || self.groups == [3, 2, 2, 2])
            && !self.text.contains(['.', '/'])
    }

    /// North America: 3, 3 and 4 digits with hyphens, full stops or parentheses.
    fn is_american(&self) -> bool {
        let groups = match self.groups.as_slice() {
            [1 | 3, rest @ ..] if self.groups.len() == 4 => rest,
            all => all,
        };
        groups == [3, 3, 4] && self.text.contains(['-', '.', '('])
    }

    fn could_be(&self) -> bool {
        (6..=16).contains(&self.digits.len())
    }
}

pub(super) fn find(text: &str, found: &mut Vec<Span>) {
    let mut from = 0;
    while let Some(at) = NUMBER.find_at(text, from) {
        let taken = touches_nothing(text, at.start()).then(|| best(text, at.start(), at.as_str())).flatten();
        from = taken.map_or_else(|| next_group(text, at.start()), |span| span.end);
        found.extend(taken);
    }
}

/// No letter, digit or sign that a longer number would have stands before.
fn touches_nothing(text: &str, at: usize) -> bool {
    text[..at]
        .chars()
        .next_back()
        .is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '.' | '_' | '+' | '#' | '€' | '$'))
        || text[..at].ends_with(": ")
}

/// Behind the group of digits that begins at `at`.
fn next_group(text: &str, at: usize) -> usize {
    let rest = &text[at..];
    let begins = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(0);
    rest[begins..].find(|c: char| !c.is_ascii_digit()).map_or(text.len(), |len| at + begins + len)
}

/// The longest reading that is a number, whole groups at a time.
fn best(text: &str, start: usize, written: &str) -> Option<Span> {
    let mut length = written.len();
    loop {
        let candidate = &written[..length];
        if let Some(span) = judge(text, start, candidate) {
            return Some(span);
        }
        // Without its last group.
        let shorter = candidate.trim_end_matches(|c: char| c.is_ascii_digit());
        let shorter = shorter.trim_end_matches(|c: char| !c.is_ascii_digit() && c != ')');
        if shorter.is_empty() || shorter.len() == length {
            return None;
        }
        length = shorter.len();
    }
}

fn judge(text: &str, start: usize, candidate: &str) -> Option<Span> {
    let end = start + candidate.len();
    let number = Written::of(candidate);
    let rest = &text[end..];
    let extension = EXTENSION.find(rest).map(|found| found.end()).filter(|_| number.is_american());
    let goes_on = rest.chars().next().is_some_and(char::is_alphanumeric) && extension.is_none();
    if !number.could_be()
        || goes_on
        || DATE.is_match(candidate)
        || candidate.matches('(').count() != candidate.matches(')').count()
    {
        return None;
    }
    let called = CALLED.is_match(before(text, start, 64)) || CALLED_BEHIND.is_match(behind(text, end, 24));
    let confidence = if number.is_international() && (called || number.digits.len() >= 9) {
        Certain
    } else if number.is_national() || number.is_american() || number.is_spanish() {
        Likely
    } else if called {
        Guess
    } else {
        return None;
    };
    Some(Span { kind: Kind::Phone, confidence, start, end: end + extension.unwrap_or(0) })
}
