//! How digits are read: a run of them, with what people write between.

/// Longest run that is read.
const MOST_DIGITS: usize = 24;

/// Digits as written, and where each of them ends.
pub(super) struct Run {
    /// First byte.
    pub start: usize,
    /// 0 to 9 each.
    pub digits: Vec<u8>,
    /// First byte behind the digit of the same place.
    pub ends: Vec<usize>,
}

impl Run {
    /// The first byte behind the first `count` digits, where no digit or letter follows directly.
    pub fn end_of(&self, text: &str, count: usize) -> Option<usize> {
        let end = *self.ends.get(count.checked_sub(1)?)?;
        let next = text[end..].chars().next();
        next.is_none_or(|c| !c.is_alphanumeric()).then_some(end)
    }

    /// How many digits stand in each group.
    pub fn groups(&self, count: usize) -> Vec<usize> {
        let mut groups = vec![0];
        for (place, end) in self.ends.iter().take(count).enumerate() {
            *groups.last_mut().expect("never empty") += 1;
            if place + 1 < count && self.ends[place + 1] != end + 1 {
                groups.push(0);
            }
        }
        groups
    }
}

/// Whether a word or a number could begin at `at`: no letter or digit stands before.
pub(super) fn begins(text: &str, at: usize) -> bool {
    text[..at].chars().next_back().is_none_or(|c| !c.is_alphanumeric() && c != '_')
}

/// The digits from `start` on, with at most one sign of `between` from one to the next.
pub(super) fn read(text: &str, start: usize, between: &[char]) -> Run {
    let mut run = Run { start, digits: Vec::new(), ends: Vec::new() };
    let mut gap = 0;
    for (place, c) in text[start..].char_indices() {
        match c {
            '0'..='9' => {
                run.digits.push(c as u8 - b'0');
                run.ends.push(start + place + 1);
                gap = 0;
                if run.digits.len() == MOST_DIGITS {
                    break;
                }
            }
            c if between.contains(&c) && gap == 0 && !run.digits.is_empty() => gap = 1,
            _ => break,
        }
    }
    run
}

/// Where runs of digits begin that no letter or digit stands before.
pub(super) fn starts(text: &str) -> impl Iterator<Item = usize> {
    let bytes = text.as_bytes();
    bytes.iter().enumerate().filter(|(_, byte)| byte.is_ascii_digit()).map(|(at, _)| at).filter(|at| begins(text, *at))
}
