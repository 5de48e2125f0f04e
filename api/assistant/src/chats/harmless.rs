//! What a model says, without what could make a client act.
//!
//! Of addresses, only those stay that stand, letter by letter, in a passage that the model was given: a poisoned page can make
//! it compose one that carries away what the prompt holds, and one that stands in the customer's own knowledge carries
//! nothing. Addresses that are programs go in any case. Tags of HTML that load or run something lose what makes them tags;
//! others are text, as in an answer about HTML.

use std::sync::LazyLock;

use regex::Regex;

/// Stands where an address was taken out.
const TAKEN_OUT: &str = "…";

/// A word that is longer and begins no address is let through before its end.
const LONGEST_WORD: usize = 64;
/// Of it, what may be the beginning of an address is still kept.
const KEPT: usize = 16;
/// No address is longer; the rest of one that is comes out as it is, without what made it an address.
const LONGEST_ADDRESS: usize = 2_048;

/// An address with its scheme, one that browsers complete, or one that they run.
static ADDRESS: LazyLock<Regex> = LazyLock::new(|| {
    // What ends an address, in prose, in Markdown and in HTML.
    let inside = r#"[^\s<>"'`\]\[(){}|\\^]"#;
    let with_host = r"(?:\b[a-z][a-z0-9+.-]{1,15}://|\bwww\.|//[a-z0-9-]+\.)";
    let program = r"(?:javascript|vbscript):";
    let without = r"\b(?:data|mailto|file):";
    Regex::new(&format!("(?i)(?:{with_host}{inside}*|{program}{inside}*|{without}{inside}+)")).expect("a pattern")
});

/// An address that is a program.
static PROGRAM: LazyLock<Regex> = LazyLock::new(|| Regex::new("(?i)^(?:javascript|vbscript):").expect("a pattern"));

/// What begins a tag that loads or runs something.
static ACTIVE_TAG: LazyLock<Regex> = LazyLock::new(|| {
    let names = "script|iframe|frame|object|embed|applet|svg|math|img|image|video|audio|source|track|form|input|button|style|link|meta|base";
    Regex::new(&format!(r"(?i)<(/?\s*(?:{names})\b)")).expect("a pattern")
});

/// Lets text through as it streams, word by word.
pub(crate) struct Harmless<'a> {
    given: Vec<&'a str>,
    /// The word that is not at its end yet.
    held: String,
}

impl<'a> Harmless<'a> {
    /// These texts were given.
    pub(crate) fn new(given: impl IntoIterator<Item = &'a str>) -> Self {
        Self { given: given.into_iter().collect(), held: String::new() }
    }

    /// The text that can be shown now.
    pub(crate) fn push(&mut self, text: &str) -> String {
        self.held.push_str(text);
        let whole = self
            .held
            .rfind(char::is_whitespace)
            .map_or(0, |at| at + self.held[at..].chars().next().map_or(1, char::len_utf8));
        let whole = whole.max(self.unsuspicious());
        let rest = self.held.split_off(whole);
        let shown = self.harmless(&self.held);
        self.held = rest;
        shown
    }

    /// What is left at the end.
    pub(crate) fn finish(&mut self) -> String {
        let held = std::mem::take(&mut self.held);
        self.harmless(&held)
    }

    /// How much of a long word can be no part of an address.
    fn unsuspicious(&self) -> usize {
        let begun = self.held.rfind(char::is_whitespace).unwrap_or(0);
        let word = &self.held[begun..];
        if word.len() <= LONGEST_WORD || (ADDRESS.is_match(word) && word.len() <= LONGEST_ADDRESS) {
            return 0;
        }
        let mut end = self.held.len() - KEPT;
        while !self.held.is_char_boundary(end) {
            end -= 1;
        }
        end
    }

    fn harmless(&self, text: &str) -> String {
        let without_tags = ACTIVE_TAG.replace_all(text, "‹$1");
        ADDRESS
            .replace_all(&without_tags, |found: &regex::Captures<'_>| {
                let address = &found[0];
                // The end of a sentence is no part of an address.
                let bare = address.trim_end_matches(['.', ',', ';', ':', '!', '?']);
                if !PROGRAM.is_match(bare) && self.given.iter().any(|given| given.contains(bare)) {
                    address.to_owned()
                } else {
                    format!("{TAKEN_OUT}{}", &address[bare.len()..])
                }
            })
            .into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIVEN: &str =
        "See https://docs.example.com/start?lang=en and www.example.org, or write to mailto:desk@example.com.";

    fn filtered(text: &str, cut: usize) -> String {
        let mut filter = Harmless::new([GIVEN]);
        let pieces: Vec<char> = text.chars().collect();
        let mut out: String = pieces.chunks(cut).map(|piece| filter.push(&piece.iter().collect::<String>())).collect();
        out.push_str(&filter.finish());
        out
    }

    #[test]
    fn addresses_that_were_given_stay_and_others_go_however_the_stream_is_cut() {
        for (said, shown) in [
            ("Look at https://docs.example.com/start?lang=en.", "Look at https://docs.example.com/start?lang=en."),
            ("Look at https://docs.example.com/start?lang=en&q=secret now", "Look at … now"),
            ("[here](https://evil.example/?q=1), or www.example.org!", "[here](…), or www.example.org!"),
            ("[x](javascript:alert(1)) [y](//evil.example/a) HTTP://EVIL.example", "[x](…(1)) [y](…) …"),
            ("data:text/html;base64,PHNjcmlwdD4 ftp://a.b", "… …"),
            ("At 9:30, a/b, C:// is no one: fine. Data: 3", "At 9:30, a/b, C:// is no one: fine. Data: 3"),
        ] {
            for cut in [1, 2, 3, 7, 1_000] {
                assert_eq!(filtered(said, cut), shown, "{cut}");
            }
        }
    }

    #[test]
    fn tags_that_run_or_load_something_are_text_and_others_stay_as_they_are() {
        let said = "<script>alert(1)</script> <IMG src=x onerror=y> Use <div> and List<String>.";
        for cut in [1, 3, 1_000] {
            assert_eq!(
                filtered(said, cut),
                "‹script>alert(1)‹/script> ‹IMG src=x onerror=y> Use <div> and List<String>."
            );
        }
        let mut filter = Harmless::new(["javascript:alert(1) is no address to follow"]);
        assert_eq!(filter.push("Try javascript:alert(1) ") + &filter.finish(), "Try …(1) ");
    }

    #[test]
    fn a_word_without_end_does_not_wait_for_it() {
        let mut filter = Harmless::new([]);
        let long = "語".repeat(200);
        let shown = filter.push(&long);
        assert!(shown.chars().count() > 180);
        assert_eq!(shown + &filter.finish(), long);
        let address = format!("https://evil.example/{}", "a".repeat(4_000));
        let shown = filter.push(&address) + &filter.finish();
        assert!(!shown.contains("evil.example"), "{shown}");
    }
}
