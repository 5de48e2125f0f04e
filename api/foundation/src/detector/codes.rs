//! What has a form of its own: e-mail addresses, bank accounts, cards, addresses of machines.

use std::{net::Ipv6Addr, sync::LazyLock};

use regex::Regex;

use super::{
    Confidence::{Certain, Likely},
    Kind, Span, before, checks, number,
};

static EMAIL: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"[\w!#$%&'*+/=?^`{|}~.-]+@(?:[\w-]+\.)+\p{L}{2,}").expect("a pattern"));
static IBAN: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"[A-Za-z]{2}\d{2}").expect("a pattern"));
static IP4: LazyLock<Regex> = LazyLock::new(|| {
    let octet = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)";
    Regex::new(&format!(r"{octet}(?:\.{octet}){{3}}")).expect("a pattern")
});
static IP6: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"[0-9A-Fa-f:]{2,39}:[0-9A-Fa-f.:]{0,15}").expect("a pattern"));
static CARD_WORD: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)\b(?:cards?|carte|cb|karte|kreditkarte|tarjeta|visa|master ?card|amex|maestro)\b")
        .expect("a pattern")
});
static VERSION: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?i)(?:version|\bv|release)[ .:]*$").expect("a pattern"));

/// Countries of the IBAN registry with the length of theirs.
#[rustfmt::skip]
const IBAN_LENGTHS: &[(&str, usize)] = &[
    ("AD", 24), ("AE", 23), ("AL", 28), ("AT", 20), ("AZ", 28), ("BA", 20), ("BE", 16), ("BG", 22), ("BH", 22), ("BI", 27),
    ("BR", 29), ("BY", 28), ("CH", 21), ("CR", 22), ("CY", 28), ("CZ", 24), ("DE", 22), ("DJ", 27), ("DK", 18), ("DO", 28),
    ("EE", 20), ("EG", 29), ("ES", 24), ("FI", 18), ("FK", 18), ("FO", 18), ("FR", 27), ("GB", 22), ("GE", 22), ("GI", 23),
    ("GL", 18), ("GR", 27), ("GT", 28), ("HR", 21), ("HU", 28), ("IE", 22), ("IL", 23), ("IQ", 23), ("IS", 26), ("IT", 27),
    ("JO", 30), ("KW", 30), ("KZ", 20), ("LB", 28), ("LC", 32), ("LI", 21), ("LT", 20), ("LU", 20), ("LV", 21), ("LY", 25),
    ("MC", 27), ("MD", 24), ("ME", 22), ("MK", 19), ("MN", 20), ("MR", 27), ("MT", 31), ("MU", 30), ("NI", 28), ("NL", 18),
    ("NO", 15), ("OM", 23), ("PK", 24), ("PL", 28), ("PS", 29), ("PT", 25), ("QA", 29), ("RO", 24), ("RS", 22), ("RU", 33),
    ("SA", 24), ("SC", 31), ("SD", 18), ("SE", 24), ("SI", 19), ("SK", 24), ("SM", 27), ("SO", 23), ("ST", 25), ("SV", 28),
    ("TL", 23), ("TN", 24), ("TR", 26), ("UA", 29), ("VA", 22), ("VG", 24), ("XK", 20), ("YE", 30),
];

pub(super) fn find(text: &str, found: &mut Vec<Span>) {
    emails(text, found);
    ibans(text, found);
    cards(text, found);
    addresses_of_machines(text, found);
}

fn emails(text: &str, found: &mut Vec<Span>) {
    for at in EMAIL.find_iter(text) {
        // A sign in front of the address is punctuation: `(ada@x.org`, `'ada@x.org`.
        let start =
            at.start() + at.as_str().len() - at.as_str().trim_start_matches(|c: char| !c.is_alphanumeric()).len();
        found.push(Span { kind: Kind::Email, confidence: Certain, start, end: at.end() });
    }
}

fn ibans(text: &str, found: &mut Vec<Span>) {
    let mut from = 0;
    while let Some(at) = IBAN.find_at(text, from) {
        let end = number::begins(text, at.start()).then(|| iban_at(text, at.start())).flatten();
        if let Some(end) = end {
            found.push(Span { kind: Kind::Iban, confidence: Certain, start: at.start(), end });
        }
        from = end.unwrap_or(at.start() + 1);
    }
}

fn iban_at(text: &str, start: usize) -> Option<usize> {
    let country = text[start..start + 2].to_ascii_uppercase();
    let length = IBAN_LENGTHS.iter().find(|(code, _)| *code == country).map(|(_, length)| *length)?;
    let (mut code, mut gap) = (Vec::with_capacity(length), false);
    for (place, c) in text[start..].char_indices() {
        match c {
            c if c.is_ascii_alphanumeric() => {
                code.push(c as u8);
                gap = false;
            }
            ' ' | '-' | '.' | '\u{a0}' if !gap => gap = true,
            _ => return None,
        }
        if code.len() == length {
            let end = start + place + 1;
            let ends = text[end..].chars().next().is_none_or(|c| !c.is_alphanumeric());
            return (ends && checks::iban(&code)).then_some(end);
        }
    }
    None
}

fn cards(text: &str, found: &mut Vec<Span>) {
    let mut past = 0;
    for start in number::starts(text) {
        if start < past {
            continue;
        }
        let run = number::read(text, start, &[' ', '-', '\u{a0}']);
        let called = || CARD_WORD.is_match(before(text, start, 40));
        let length = (12..=run.digits.len().min(19)).rev().find(|length| {
            run.end_of(text, *length).is_some()
                && checks::luhn(&run.digits[..*length])
                && is_card(&run, *length, &called)
        });
        if let Some(end) = length.and_then(|length| run.end_of(text, length)) {
            found.push(Span { kind: Kind::Card, confidence: Certain, start, end });
            past = end;
        }
    }
}

/// Known prefixes and lengths. Others, and those that more than cards have, are cards where a word nearby says so.
fn is_card(run: &number::Run, length: usize, called: &dyn Fn() -> bool) -> bool {
    let prefix = |count: usize| checks::value(&run.digits[..count]);
    let known = match (prefix(1), prefix(2), prefix(4), length) {
        (4, _, _, 16 | 19) => true,
        (_, 51..=55, _, 16) | (_, _, 2221..=2720, 16) => true,
        (_, 34 | 37, _, 15) => true,
        (_, _, 6011 | 6440..=6599, 16..=19) | (_, 62, _, 16..=19) => true,
        (_, _, 3528..=3589, 16..=19) => true,
        _ => called(),
    };
    let groups = run.groups(length);
    known && (groups.len() == 1 || groups[0] == 4)
}

fn addresses_of_machines(text: &str, found: &mut Vec<Span>) {
    for at in IP4.find_iter(text) {
        let joined = |c: char| c.is_ascii_digit() || c == '.';
        let before_it = text[..at.start()].chars().next_back();
        let mut behind_it = text[at.end()..].chars();
        // A full stop ends the sentence; a full stop and a digit go on.
        let goes_on = match behind_it.next() {
            Some('.') => behind_it.next().is_some_and(|c| c.is_ascii_digit()),
            next => next.is_some_and(char::is_alphanumeric),
        };
        if before_it.is_some_and(|c| joined(c) || c.is_alphabetic())
            || goes_on
            || VERSION.is_match(before(text, at.start(), 12))
        {
            continue;
        }
        found.push(Span { kind: Kind::Ip, confidence: Likely, start: at.start(), end: at.end() });
    }
    for at in IP6.find_iter(text) {
        let written = at.as_str().trim_end_matches('.');
        let trimmed = if written.ends_with("::") { written } else { written.trim_end_matches(':') };
        let is_address = trimmed.parse::<Ipv6Addr>().is_ok() && trimmed.len() > 3;
        if is_address && number::begins(text, at.start()) {
            let end = at.start() + trimmed.len();
            found.push(Span { kind: Kind::Ip, confidence: Certain, start: at.start(), end });
        }
    }
}
