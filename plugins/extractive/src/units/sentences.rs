//! A paragraph into sentences.

use unicode_segmentation::UnicodeSegmentation;

/// Endings after which a sentence goes on, lower case, without the last full stop.
const ABBREVIATIONS: &[&str] = &[
    "e.g", "i.e", "cf", "vs", "mr", "mrs", "ms", "dr", "prof", "st", "no", "nos", "fig", "vol", "approx", "dept",
    "z.b", "z. b", "d.h", "d. h", "u.a", "u. a", "bzw", "ca", "nr", "vgl", "evtl", "ggf", "inkl", "abs", "art", "bspw",
    "sog", "str", "tel", "p. ex", "p.ex", "par ex", "mme", "mlle", "env", "chap", "pp", "p. ej", "p.ej", "ej", "sr",
    "sra", "srta", "ud", "uds", "núm", "pág", "av", "aprox",
];

/// Sentences by the rules of Unicode (UAX #29), without the breaks these make after abbreviations, ordinals and
/// inside code.
pub(super) fn sentences(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut open = String::new();
    for piece in text.split_sentence_bounds() {
        open.push_str(piece);
        if !goes_on(&open) {
            found.push(std::mem::take(&mut open));
        }
    }
    found.push(open);
    found.into_iter().map(|sentence| sentence.trim().to_owned()).filter(|sentence| !sentence.is_empty()).collect()
}

fn goes_on(sentence: &str) -> bool {
    if sentence.matches('`').count() % 2 == 1 {
        return true;
    }
    let Some(words) = sentence.trim_end().strip_suffix('.') else { return false };
    let lower = words.to_lowercase();
    let ends_with = |abbreviation: &&str| {
        lower
            .strip_suffix(*abbreviation)
            .is_some_and(|before| !before.ends_with(|c: char| c.is_alphanumeric() || c == '.'))
    };
    let last = words.rsplit([' ', '(']).next().unwrap_or_default();
    let is_initial = last.chars().count() == 1 && last.chars().all(char::is_alphabetic);
    let is_ordinal = !last.is_empty() && last.len() <= 2 && last.chars().all(|c| c.is_ascii_digit());
    is_initial || is_ordinal || ABBREVIATIONS.iter().any(ends_with)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn abbreviations_initials_and_ordinals_end_no_sentence() {
        for whole in [
            "Write to Dr. Müller, z. B. Anfang Mai.",
            "Der Vertrag endet am 3. Mai.",
            "Ask J. Smith for e.g. Python.",
            "Véase la pág. Dos.",
        ] {
            assert_eq!(sentences(whole), [whole]);
        }
    }

    #[test]
    fn two_sentences_are_two() {
        assert_eq!(sentences("It costs 3.50 euros. You pay later!"), ["It costs 3.50 euros.", "You pay later!"]);
        assert_eq!(sentences("¿Y tú? Yo no."), ["¿Y tú?", "Yo no."]);
    }

    #[test]
    fn code_in_back_ticks_is_never_parted() {
        let whole = "Call `app.run(). Then. Wait` now.";
        assert_eq!(sentences(whole), [whole]);
    }
}
