//! Passwords that anyone would try first. A list of whole passwords would be long and full of `Password1234`, `P@ssw0rd1!!!`
//! and `passwordpassword`: these are one word, in clothes. So the list holds words, names and runs of keys, and a password is
//! common if nothing else is left of it without its clothes.

use std::{collections::HashSet, sync::LazyLock};

/// Words, as the well-known lists of leaked passwords name them most.
const WORDS: &str = include_str!("common_words.txt");

/// Runs that a finger or a child's rhyme makes.
const RUNS: [&str; 12] = [
    "01234567890123456789",
    "98765432109876543210",
    "abcdefghijklmnopqrstuvwxyz",
    "zyxwvutsrqponmlkjihgfedcba",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
    "azertyuiopqsdfghjklmwxcvbn",
    "1q2w3e4r5t6y7u8i9o0p",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik",
    "qazwsxedcrfvtgbyhnujmikolp",
    "qwertyuiop[]asdfghjkl;'",
    "poiuytrewqlkjhgfdsamnbvcxz",
];

static KNOWN: LazyLock<HashSet<&str>> = LazyLock::new(|| WORDS.split_whitespace().collect());

/// Whether anyone would try it among the first.
pub(super) fn is_common(password: &str) -> bool {
    let lower = password.to_lowercase();
    let plain: String = lower.chars().filter(|c| !c.is_whitespace()).collect();
    let few = plain.chars().collect::<HashSet<_>>().len() <= 3;
    few || is_run(&plain) || is_run_twice(&plain) || is_dressed_word(&plain)
}

/// `Passw0rd!2024`: letters changed for digits, and what is no letter put around.
fn is_dressed_word(plain: &str) -> bool {
    let bare = plain.trim_matches(|c: char| !c.is_alphabetic());
    let undressed = undress(plain);
    let undressed = undressed.trim_matches(|c: char| !c.is_alphabetic());
    [bare, undressed, &undress(bare)].iter().any(|word| is_known(word))
}

/// A word, or the same one again and again.
fn is_known(word: &str) -> bool {
    let letters: Vec<char> = word.chars().filter(|c| c.is_alphabetic()).collect();
    (1..=letters.len()).filter(|length| letters.len().is_multiple_of(*length)).any(|length| {
        let first: String = letters[..length].iter().collect();
        KNOWN.contains(first.as_str()) && letters.chunks(length).all(|chunk| chunk.iter().collect::<String>() == first)
    })
}

fn undress(text: &str) -> String {
    let letter = |c| match c {
        '0' => 'o',
        '1' | '!' | '|' => 'i',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        other => other,
    };
    text.chars().map(letter).collect()
}

fn is_run(text: &str) -> bool {
    RUNS.iter().any(|run| run.contains(text))
}

/// `123456123456`, `abc123abc123`, `qwerty123456`: runs of at least three, side by side.
fn is_run_twice(text: &str) -> bool {
    let mut rest = text;
    while !rest.is_empty() {
        let longest = rest.char_indices().rev().map(|(at, c)| at + c.len_utf8()).find(|end| is_run(&rest[..*end]));
        match longest {
            Some(end) if rest[..end].chars().count() >= 3 => rest = &rest[end..],
            _ => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_anyone_would_try_is_common_in_all_its_clothes() {
        for password in [
            "PassWord1234",
            "P@ssw0rd2024!",
            "passwordpassword",
            "Passwort12345",
            "motdepasse123",
            "qwertyuiop12",
            "QWERTZUIOP!!",
            "azertyuiop2025",
            "123456789012",
            "1q2w3e4r5t6y",
            "abc123abc123",
            "qwerty123456",
            "aaaaaaaaaaaaaaa",
            "ababababababab",
            "iloveyou1234",
            "Welcome-2026!!",
            "correct horse battery staple",
            "consigne1234",
            "sunshine sunshine",
            "letmein letmein!",
            "Admin1234567",
            "!!!Liverpool2005",
        ] {
            assert!(is_common(password), "{password}");
        }
    }

    #[test]
    fn what_takes_thought_is_not() {
        for password in [
            "Mustard-Lantern-47-Quarry",
            "a reasonable password",
            "a long enough password",
            "Pelican-Harbour-31-Lantern",
            "kupfer dachs regen wanne",
            "eT7!vbn2kQ9x",
            "the dragon ate my summer hat",
            "مصباح أزرق فوق الجسر",
        ] {
            assert!(!is_common(password), "{password}");
        }
    }
}
