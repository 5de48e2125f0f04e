//! Text without what cannot be seen.

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// The text in NFC, without invisible, bidirectional-control and other control characters. Line breaks of every kind
/// become `\n`; tabs stay.
///
/// Tags (U+E0000 to E007F) and variation selectors can spell out whole hidden messages, and bidirectional controls show
/// a person another text than a model reads (CVE-2021-42574); zero-width characters break look-ups.
pub fn clean(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    let visible = text.chars().filter_map(visible);
    if is_nfc_quick(visible.clone()) == IsNormalized::Yes {
        return visible.collect();
    }
    visible.nfc().collect()
}

/// The text on one line: cleaned, every run of white space one space, none at the ends.
pub fn one_line(text: &str) -> String {
    let text = clean(text);
    let mut line = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    line
}

/// Lines cleaned and kept: no white space at their ends, no blank lines around them, at most one between.
pub fn lines(text: &str) -> String {
    let text = clean(text);
    let mut kept = String::with_capacity(text.len());
    let mut blank = false;
    for line in text.lines().map(str::trim_end) {
        if line.is_empty() {
            blank = !kept.is_empty();
            continue;
        }
        if !kept.is_empty() {
            kept.push_str(if blank { "\n\n" } else { "\n" });
        }
        blank = false;
        kept.push_str(line);
    }
    kept
}

fn visible(c: char) -> Option<char> {
    match c {
        '\n' | '\t' => Some(c),
        '\r' | '\u{0B}' | '\u{0C}' | '\u{85}' | '\u{2028}' | '\u{2029}' => Some('\n'),
        c if c.is_control() => None,
        // Soft hyphen, Arabic letter mark, Mongolian vowel separator, grapheme joiner, Hangul fillers.
        '\u{AD}' | '\u{61C}' | '\u{180E}' | '\u{34F}' | '\u{115F}' | '\u{1160}' | '\u{3164}' | '\u{FFA0}' => None,
        // Zero-width characters, marks, embeddings, overrides, isolates, joiners and invisible operators.
        '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' => None,
        // Variation selectors, byte order mark, interlinear annotation, musical formatting.
        '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{1D173}'..='\u{1D17A}' => None,
        // Tags, more variation selectors, and the rest of that plane's format characters.
        '\u{E0000}'..='\u{E0FFF}' => None,
        // Noncharacters.
        '\u{FDD0}'..='\u{FDEF}' => None,
        c if (c as u32) & 0xFFFE == 0xFFFE => None,
        c => Some(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_gone() {
        let hidden: String = ('\u{E0000}'..='\u{E007F}')
            .chain('\u{FE00}'..='\u{FE0F}')
            .chain('\u{200B}'..='\u{200F}')
            .chain(['\u{2060}', '\u{202E}', '\u{2066}', '\u{2069}', '\u{0}', '\u{1B}', '\u{7F}', '\u{9B}', '\u{FEFF}'])
            .collect();
        assert_eq!(clean(&format!("a{hidden}b")), "ab");
    }

    #[test]
    fn letters_and_their_accents_are_one_character() {
        assert_eq!(clean("Cafe\u{301}"), "Café");
        assert_eq!(clean("e\u{200B}\u{301}"), "é");
    }

    #[test]
    fn line_breaks_become_one_kind() {
        assert_eq!(clean("a\r\nb\rc\u{2028}d\te"), "a\nb\nc\nd\te");
        assert_eq!(one_line("  a\n\n b\u{A0}c "), "a b c");
        assert_eq!(lines("\n\n  a  \n\n\n b\n\n"), "  a\n\n b");
    }
}
