//! Decimal digits of any script, read as those of ASCII: `+٤٩ ٣٠ ١٢٣٤٥٦٧` is a telephone number too.

use std::sync::LazyLock;

use regex::Regex;
use zeroize::Zeroizing;

static OTHER: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"[\d--0-9]").expect("a pattern"));

/// A text whose digits were replaced, and how places in it are places in what was written.
pub(super) struct Folded {
    pub text: Zeroizing<String>,
    /// First byte behind a digit that became shorter, and by how much all up to there did.
    shorter: Vec<(usize, usize)>,
}

impl Folded {
    /// The text with digits of ASCII; `None` where it has no others.
    pub fn of(text: &str) -> Option<Self> {
        if text.is_ascii() {
            return None;
        }
        let mut others = OTHER.find_iter(text).peekable();
        others.peek()?;
        let mut folded = Self { text: Zeroizing::new(String::with_capacity(text.len())), shorter: Vec::new() };
        let mut from = 0;
        for digit in others {
            folded.text.push_str(&text[from..digit.start()]);
            folded.text.push(char::from(b'0' + value(digit.as_str())));
            from = digit.end();
            folded.shorter.push((folded.text.len(), digit.end() - folded.text.len()));
        }
        folded.text.push_str(&text[from..]);
        Some(folded)
    }

    /// Where this place is in what was written.
    pub fn written(&self, at: usize) -> usize {
        let before = self.shorter.partition_point(|(behind, _)| *behind <= at);
        at + before.checked_sub(1).map_or(0, |last| self.shorter[last].1)
    }
}

/// Scripts have their digits in order, from zero on, in blocks of ten without a gap (Unicode, 4.6).
fn value(digit: &str) -> u8 {
    let digit = digit.chars().next().map_or(0, u32::from);
    let is_digit = |code: u32| char::from_u32(code).is_some_and(|c| OTHER.is_match(c.encode_utf8(&mut [0; 4])));
    let below = (1..).take_while(|down| digit.checked_sub(*down).is_some_and(is_digit)).count();
    (below % 10) as u8
}
