//! Check digits.

/// Luhn's formula (ISO/IEC 7812-1): cards, SIREN, SIRET.
pub(super) fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let doubled = u32::from(*digit) * if place % 2 == 1 { 2 } else { 1 };
            if doubled > 9 { doubled - 9 } else { doubled }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// ISO 7064, MOD 97-10, over letters and digits with the first four characters moved to the end: IBAN (ISO 13616).
pub(super) fn iban(code: &[u8]) -> bool {
    let moved = code[4..].iter().chain(&code[..4]);
    let rest = moved.fold(0u32, |rest, sign| match sign {
        b'0'..=b'9' => (rest * 10 + u32::from(sign - b'0')) % 97,
        letter => (rest * 100 + u32::from(letter.to_ascii_uppercase() - b'A') + 10) % 97,
    });
    rest == 1
}

/// ISO 7064, MOD 11,10: Steuer-ID, Umsatzsteuer-ID.
pub(super) fn mod_11_10(digits: &[u8]) -> bool {
    let Some((last, front)) = digits.split_last() else { return false };
    let product = front.iter().fold(10u32, |product, digit| {
        let sum = match (u32::from(*digit) + product) % 10 {
            0 => 10,
            sum => sum,
        };
        (2 * sum) % 11
    });
    (11 - product) % 10 == u32::from(*last)
}

/// A number from its digits; at most 19 of them.
pub(super) fn value(digits: &[u8]) -> u64 {
    digits.iter().fold(0, |value, digit| value * 10 + u64::from(*digit))
}

/// The letter of a Spanish DNI or NIE.
pub(super) fn dni_letter(number: u64) -> u8 {
    b"TRWAGMYFPDXBNJZSQVHLCKE"[usize::try_from(number % 23).expect("below 23")]
}

/// A Spanish CIF: a letter, seven digits, and a check that is a digit or a letter.
pub(super) fn cif(digits: &[u8; 7], check: u8) -> bool {
    let sum: u32 = digits
        .iter()
        .enumerate()
        .map(|(place, digit)| match place % 2 {
            0 => {
                let doubled = u32::from(*digit) * 2;
                doubled / 10 + doubled % 10
            }
            _ => u32::from(*digit),
        })
        .sum();
    let control = u8::try_from((10 - sum % 10) % 10).expect("one digit");
    check == b'0' + control || check.to_ascii_uppercase() == b"JABCDEFGHI"[usize::from(control)]
}

/// The digits of a Steuer-ID's first ten places: one digit comes two or three times, no more than one does.
pub(super) fn steuer_id_digits(digits: &[u8]) -> bool {
    let mut counts = [0; 10];
    for digit in &digits[..10] {
        counts[usize::from(*digit)] += 1;
    }
    let more: Vec<_> = counts.iter().filter(|count| **count > 1).collect();
    more.len() == 1 && *more[0] <= 3
}

/// An NHS number: weights 10 to 2, modulo 11.
pub(super) fn nhs(digits: &[u8]) -> bool {
    let sum: u32 = digits[..9].iter().zip((2..=10).rev()).map(|(digit, weight)| u32::from(*digit) * weight).sum();
    match 11 - sum % 11 {
        10 => false,
        11 => digits[9] == 0,
        check => u32::from(digits[9]) == check,
    }
}

/// A British VAT number's nine digits, by either of its two rules.
pub(super) fn gb_vat(digits: &[u8]) -> bool {
    let sum: u64 = digits[..7].iter().zip((2..=8).rev()).map(|(digit, weight)| u64::from(*digit) * weight).sum();
    let sum = sum + value(&digits[7..9]);
    sum.is_multiple_of(97) || (sum + 55).is_multiple_of(97)
}
