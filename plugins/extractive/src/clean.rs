//! A passage's text as a person may safely read it: nothing invisible, and no number that passes for a citation.

use unicode_normalization::UnicodeNormalization;

/// Takes away what cannot be seen but changes what is read: zero-width characters, tags, variation selectors, controls of
/// direction, soft hyphens, characters without a meaning of their own (private use) and control characters. Line ends
/// become `\n`; the rest is in composed form (NFC).
pub(crate) fn visible(text: &str) -> String {
    text.replace("\r\n", "\n").chars().filter_map(seen).nfc().collect()
}

fn seen(c: char) -> Option<char> {
    match c {
        '\n' | '\t' => Some(c),
        '\r' | '\u{0B}' | '\u{0C}' | '\u{85}' | '\u{2028}' | '\u{2029}' => Some('\n'),
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{180B}'..='\u{180F}' | '\u{3164}' => None,
        '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' => None,
        '\u{E000}'..='\u{F8FF}'
        | '\u{FE00}'..='\u{FE0F}'
        | '\u{FEFF}'
        | '\u{FFA0}'
        | '\u{FFF9}'..='\u{FFFB}'
        | '\u{E0000}'..='\u{E0FFF}' => None,
        c => (!c.is_control()).then_some(c),
    }
}

/// `[12]` becomes `［12］`, and so does `[1, 2]`.
pub(crate) fn widen_numbers(text: &str) -> String {
    let mut wide = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('[') {
        wide.push_str(&rest[..start]);
        let after = &rest[start + 1..];
        match after.find(']').filter(|end| is_numbers(&after[..*end])) {
            Some(end) => {
                wide.extend(["［", &after[..end], "］"]);
                rest = &after[end + 1..];
            }
            None => {
                wide.push('[');
                rest = after;
            }
        }
    }
    wide.push_str(rest);
    wide
}

/// Whether this holds something like `[1]` or `[1, 2]`, which would read as a citation.
pub(crate) fn has_numbers(text: &str) -> bool {
    text.match_indices('[').any(|(at, _)| {
        let after = &text[at + 1..];
        after.find(']').is_some_and(|end| is_numbers(&after[..end]))
    })
}

pub(crate) fn is_numbers(inside: &str) -> bool {
    inside.contains(|c: char| c.is_ascii_digit()) && inside.chars().all(|c| c.is_ascii_digit() || " ,;-–".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_gone() {
        let hidden = "a\u{200B}b\u{E0041}c\u{FE0F}d\u{2060}e\u{202E}f\u{2066}g\u{FEFF}h\u{AD}i\u{7}j\r\nk";
        assert_eq!(visible(hidden), "abcdefghij\nk");
    }

    #[test]
    fn letters_are_composed() {
        assert_eq!(visible("e\u{301}"), "é");
    }

    #[test]
    fn numbers_in_brackets_are_told_from_other_brackets() {
        for text in ["a[1]", "[1, 2]", "x [ 12 ] y", "[[3]]"] {
            assert!(has_numbers(text), "{text}");
            assert!(!has_numbers(&widen_numbers(text)), "{text}");
        }
        for text in ["a[i]", "[]", "[ ]", "[1", "List[int]", "1]"] {
            assert!(!has_numbers(text), "{text}");
            assert_eq!(widen_numbers(text), text);
        }
    }
}
