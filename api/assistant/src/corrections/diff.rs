//! What changed between two texts, word by word. Placeholders count as one word, so no change cuts a masked value.

use std::ops::Range;

use consigne_foundation::detector::mask::Values;
use consigne_sdk::Ephemeral;
use similar::{Algorithm, DiffOp, capture_diff_slices};
use zeroize::Zeroizing;

use super::Change;

/// A place in a text, in UTF-16 code units, as JavaScript, Java and the language server protocol count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// First unit.
    pub start: usize,
    /// First unit behind it.
    pub end: usize,
}

/// A change, with what the model may see of it.
pub(super) struct Found {
    before: Place,
    after: Place,
    from: Both,
    to: Both,
}

/// A piece of a text, masked and not.
struct Both {
    masked: Zeroizing<String>,
    real: Zeroizing<String>,
}

impl Found {
    /// What was there and what is there now, with placeholders.
    pub(super) fn masked(&self) -> (Ephemeral, Ephemeral) {
        (Ephemeral::new(self.from.masked.to_string()), Ephemeral::new(self.to.masked.to_string()))
    }

    /// The change as it is shown.
    pub(super) fn with(self, why: Option<Ephemeral>) -> Change {
        let shown = |both: Both| Ephemeral::new(both.real.to_string());
        Change { before: self.before, after: self.after, from: shown(self.from), to: shown(self.to), why }
    }
}

/// The changes from one masked text to the other. Places are those of the texts with their values put back, `shift` units
/// further on.
pub(super) fn changes(before: &str, after: &str, values: &Values, shift: usize) -> Vec<Found> {
    let (old, new) = (words(before), words(after));
    let (old_at, new_at) = (places(&old, values, shift), places(&new, values, shift));
    let ops = capture_diff_slices(Algorithm::Myers, &old, &new);
    let mut all: Vec<(Range<usize>, Range<usize>)> = Vec::new();
    for op in ops.iter().filter(|op| !matches!(op, DiffOp::Equal { .. })) {
        let (from, to) = (op.old_range(), op.new_range());
        match all.last_mut() {
            // A blank between two changes belongs to both: "a lot of" for "alot" is one change.
            Some((last_from, last_to)) if is_blank(&old, last_from.end..from.start) => {
                last_from.end = from.end;
                last_to.end = to.end;
            }
            _ => all.push((from, to)),
        }
    }
    let found = all.into_iter().map(|(from, to)| Found {
        before: Place { start: old_at[from.start], end: old_at[from.end] },
        after: Place { start: new_at[to.start], end: new_at[to.end] },
        from: both(&old[from], values),
        to: both(&new[to], values),
    });
    found.collect()
}

fn both(words: &[&str], values: &Values) -> Both {
    let masked = Zeroizing::new(words.concat());
    Both { real: values.restore(&masked), masked }
}

fn is_blank(words: &[&str], range: Range<usize>) -> bool {
    range.len() <= 1 && words[range].iter().all(|word| word.chars().all(|c| c == ' '))
}

/// Where each word begins in the text with its values put back, and behind the last one.
fn places(words: &[&str], values: &Values, shift: usize) -> Vec<usize> {
    let mut at = shift;
    let mut all = Vec::with_capacity(words.len() + 1);
    all.push(at);
    for word in words {
        at += values.restore(word).encode_utf16().count();
        all.push(at);
    }
    all
}

/// Words, blanks and signs: placeholders whole, letters and digits together, everything else one by one.
fn words(text: &str) -> Vec<&str> {
    let mut all = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (word, behind) = rest.split_at(length(rest));
        all.push(word);
        rest = behind;
    }
    all
}

fn length(text: &str) -> usize {
    if let Some(inside) = text.strip_prefix("[[")
        && let Some(end) = inside.get(..inside.len().min(40)).or(Some(inside)).and_then(|start| start.find("]]"))
        && inside[..end].bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
    {
        return end + 4;
    }
    let first = text.chars().next().expect("asked only while something is left");
    let of_word = |c: char| c.is_alphanumeric() || matches!(c, '\'' | '’');
    let same: &dyn Fn(char) -> bool = match first {
        c if of_word(c) => &of_word,
        ' ' => &|c| c == ' ',
        c => return c.len_utf8(),
    };
    text.find(|c| !same(c)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use consigne_foundation::detector::{find, mask::mask};

    use super::*;

    fn shown(before: &str, after: &str) -> Vec<(String, String)> {
        let found = changes(before, after, &Values::default(), 0);
        found.iter().map(|f| (f.from.real.to_string(), f.to.real.to_string())).collect()
    }

    fn pair(from: &str, to: &str) -> (String, String) {
        (from.to_owned(), to.to_owned())
    }

    #[test]
    fn words_are_compared_and_neighbours_are_one_change() {
        assert_eq!(shown("The same.", "The same."), []);
        assert_eq!(
            shown("I has alot of cats", "I have a lot of cats."),
            [pair("has alot", "have a lot"), pair("", ".")]
        );
        assert_eq!(shown("Hello  world", "Hello world"), [pair("  ", " ")]);
        assert_eq!(shown("Its late, I know", "It's late I know"), [pair("Its", "It's"), pair(",", "")]);
        assert_eq!(shown("abc", ""), [pair("abc", "")]);
    }

    #[test]
    fn places_count_utf_16_with_the_values_put_back() {
        let text = "🦀 ada@x.example wich";
        let masked = mask(text, &find(text).expect("short"));
        let after = masked.text.replace("wich", "which 🧳");
        let found = changes(&masked.text, &after, &masked.values, 2);
        assert_eq!(found.len(), 1);
        let utf16: Vec<u16> = text.encode_utf16().collect();
        let Place { start, end } = found[0].before;
        assert_eq!(String::from_utf16_lossy(&utf16[start - 2..end - 2]), "wich");
        assert_eq!(found[0].after, Place { start, end: start + "which 🧳".encode_utf16().count() });
    }

    #[test]
    fn a_masked_value_is_one_word_and_never_shown_to_the_model() {
        let text = "Ask ada@x.example now";
        let masked = mask(text, &find(text).expect("short"));
        let found = changes(&masked.text, "Ask now", &masked.values, 0);
        assert_eq!(found[0].masked().0.expose().trim(), "[[EMAIL_1]]");
        assert_eq!(found[0].from.real.trim(), "ada@x.example");
        assert_eq!(words("[[EMAIL_1]][[é]] [[X"), ["[[EMAIL_1]]", "[", "[", "é", "]", "]", " ", "[", "[", "X"]);
    }
}
