//! Numbers that states give people and undertakings.

use std::sync::LazyLock;

use regex::Regex;

use super::{
    Confidence::{self, Certain, Likely},
    Kind, Span, before, checks, number,
};

fn words(pattern: &str) -> Regex {
    Regex::new(&format!(r"(?i)\b(?:{pattern})\b")).expect("a pattern")
}

static SIREN_WORD: LazyLock<Regex> = LazyLock::new(|| words("siren|siret|rcs"));
static TAX_WORD: LazyLock<Regex> =
    LazyLock::new(|| words(r"steuer-?id|steuer-?identifikationsnummer|idnr|steuernummer|identifikationsnummer|tax id"));
static NHS_WORD: LazyLock<Regex> = LazyLock::new(|| words("nhs"));
static NINO_WORD: LazyLock<Regex> = LazyLock::new(|| words("national insurance|nino|ni number|ni no"));
static SSN_WORD: LazyLock<Regex> = LazyLock::new(|| words("ssn|social security"));
static VAT_WORD: LazyLock<Regex> = LazyLock::new(|| {
    words(r"vat|tva|ust|ust-?idnr|ust-?id|umsatzsteuer|mwst|iva|nif|cif|uid|btw|p\.? ?iva|partita iva")
});

static NIR: LazyLock<Regex> = LazyLock::new(|| {
    let gap = r"[ \u{a0}.-]?";
    Regex::new(&format!(
        r"[1-478]{gap}\d{{2}}{gap}(?:0[1-9]|1[0-2]|[2-9]\d){gap}(?:\d{{2}}|2[ABab]){gap}\d{{3}}{gap}\d{{3}}{gap}\d{{2}}"
    ))
    .expect("a pattern")
});
static DNI: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?:\d{8}|\d{2}\.\d{3}\.\d{3}|[XYZxyz][ -]?\d{7})[ -]?[A-Za-z]").expect("a pattern"));
static CIF: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"[ABCDEFGHJNPQRSUVWabcdefghjnpqrsuvw][ -]?\d{7}[ -]?[0-9A-Ja-j]").expect("a pattern"));
static NINO: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?:[A-Za-z]{2}) ?\d{2} ?\d{2} ?\d{2} ?[A-Za-z]").expect("a pattern"));
static SSN: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\d{3}([- ])\d{2}[- ]\d{4}").expect("a pattern"));
static VAT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(concat!(
        r"AT ?U ?\d{8}|BE ?0?[01]\d{3}[ .]?\d{3}[ .]?\d{3}|BG ?\d{9,10}|CY ?\d{8}[A-Z]|CZ ?\d{8,10}|DE ?\d{3} ?\d{3} ?\d{3}",
        r"|DK ?\d{2} ?\d{2} ?\d{2} ?\d{2}|EE ?\d{9}|EL ?\d{9}|ES ?[A-Z]\d{7}[0-9A-Z]|ES ?\d{8}[A-Z]|FI ?\d{8}",
        r"|FR ?[0-9A-HJ-NP-Z]{2} ?\d{3} ?\d{3} ?\d{3}|GB ?\d{3} ?\d{4} ?\d{2}(?: ?\d{3})?|GB ?(?:GD|HA)\d{3}|HR ?\d{11}",
        r"|HU ?\d{8}|IE ?\d[0-9A-Z+*]\d{5}[A-Z]{1,2}|IT ?\d{11}|LT ?(?:\d{12}|\d{9})|LU ?\d{8}|LV ?\d{11}|MT ?\d{8}",
        r"|NL ?\d{9} ?B ?\d{2}|PL ?\d{10}|PT ?\d{9}|RO ?\d{2,10}|SE ?\d{12}|SI ?\d{8}|SK ?\d{10}|XI ?\d{9}",
    ))
    .expect("a pattern")
});

pub(super) fn find(text: &str, found: &mut Vec<Span>) {
    scan(text, &NIR, found, |code, _| nir(code).then_some((Kind::NationalNumber, Certain)));
    scan(text, &DNI, found, |code, _| dni(code).then_some((Kind::NationalNumber, Certain)));
    scan(text, &CIF, found, |code, _| cif(code).then_some((Kind::CompanyNumber, Certain)));
    scan(text, &NINO, found, |code, said| nino(code, said).then_some((Kind::NationalNumber, Certain)));
    scan(text, &SSN, found, ssn);
    scan(text, &VAT, found, vat);
    runs(text, found);
}

/// Every candidate that no letter or digit touches and that `check` accepts; a refused one hides none that begins in it.
fn scan(text: &str, pattern: &Regex, found: &mut Vec<Span>, check: impl Fn(&str, &str) -> Option<(Kind, Confidence)>) {
    let mut from = 0;
    while let Some(at) = pattern.find_at(text, from) {
        let ends = text[at.end()..].chars().next().is_none_or(|c| !c.is_alphanumeric());
        let taken = (ends && number::begins(text, at.start()))
            .then(|| check(at.as_str(), before(text, at.start(), 48)))
            .flatten();
        if let Some((kind, confidence)) = taken {
            found.push(Span { kind, confidence, start: at.start(), end: at.end() });
        }
        from = if taken.is_some() { at.end() } else { at.start() + 1 };
    }
}

fn plain(code: &str) -> Vec<u8> {
    code.bytes().filter(u8::is_ascii_alphanumeric).map(|byte| byte.to_ascii_uppercase()).collect()
}

fn digits(code: &[u8]) -> Vec<u8> {
    code.iter().filter(|byte| byte.is_ascii_digit()).map(|byte| byte - b'0').collect()
}

/// The French NIR with its key; Corsica's letters count as 19 and 18.
fn nir(code: &str) -> bool {
    let code = plain(code);
    let mut number = code[..13].to_vec();
    match &code[5..7] {
        b"2A" => number[5..7].copy_from_slice(b"19"),
        b"2B" => number[5..7].copy_from_slice(b"18"),
        _ => {}
    }
    let key = checks::value(&digits(&code[13..]));
    97 - checks::value(&digits(&number)) % 97 == key
}

fn dni(code: &str) -> bool {
    let code = plain(code);
    let (letter, front) = code.split_last().expect("nine characters");
    let leading = match front[0] {
        b'X' => vec![0],
        b'Y' => vec![1],
        b'Z' => vec![2],
        _ => vec![],
    };
    let number: Vec<u8> = leading.into_iter().chain(digits(front)).collect();
    checks::dni_letter(checks::value(&number)) == *letter
}

fn cif(code: &str) -> bool {
    let code = plain(code);
    <[u8; 7]>::try_from(digits(&code[1..8])).is_ok_and(|number| checks::cif(&number, code[8]))
}

/// HMRC's rules for the letters; the test numbers that begin with ZZ only where they are called a NINO.
fn nino(code: &str, said: &str) -> bool {
    let code = plain(code);
    let (first, second, suffix) = (code[0], code[1], code[8]);
    let regular = !b"DFIQUV".contains(&first)
        && !b"DFIOQUV".contains(&second)
        && ![b"BG", b"GB", b"KN", b"NK", b"NT", b"TN", b"ZZ"].contains(&&[first, second])
        && (b'A'..=b'D').contains(&suffix);
    regular || NINO_WORD.is_match(said)
}

fn ssn(code: &str, said: &str) -> Option<(Kind, Confidence)> {
    let number = digits(code.as_bytes());
    let area = checks::value(&number[..3]);
    let issued = !matches!(area, 0 | 666 | 900..) && number[3..5] != [0, 0] && number[5..] != [0, 0, 0, 0];
    let hyphens = code.as_bytes()[3] == b'-' && code.as_bytes()[6] == b'-';
    match (issued, SSN_WORD.is_match(said)) {
        (_, true) => Some((Kind::NationalNumber, Certain)),
        (true, false) if hyphens => Some((Kind::NationalNumber, Likely)),
        _ => None,
    }
}

fn vat(code: &str, said: &str) -> Option<(Kind, Confidence)> {
    let code = plain(code);
    let number = digits(&code[2..]);
    let proved = match &code[..2] {
        b"DE" => checks::mod_11_10(&number),
        b"FR" if number.len() == 11 => {
            checks::luhn(&number[2..])
                && (12 + 3 * (checks::value(&number[2..]) % 97)) % 97 == checks::value(&number[..2])
        }
        b"IT" => checks::luhn(&number),
        b"BE" => number.len() == 10 && 97 - checks::value(&number[..8]) % 97 == checks::value(&number[8..]),
        b"GB" | b"XI" if number.len() >= 9 => checks::gb_vat(&number),
        b"ES" => dni(&String::from_utf8_lossy(&code[2..])) || cif(&String::from_utf8_lossy(&code[2..])),
        _ => false,
    };
    match (proved, VAT_WORD.is_match(said)) {
        (true, _) => Some((Kind::CompanyNumber, Certain)),
        (false, true) => Some((Kind::CompanyNumber, Certain)),
        (false, false) => None,
    }
}

/// Numbers of digits alone.
fn runs(text: &str, found: &mut Vec<Span>) {
    for start in number::starts(text) {
        let run = number::read(text, start, &[' ', '\u{a0}', '.', '-', '/']);
        let said = before(text, start, 48);
        let read = [14, 11, 10, 9].into_iter().find_map(|length| {
            let end = run.end_of(text, length)?;
            let (kind, confidence) = of_digits(&run, length, said)?;
            Some(Span { kind, confidence, start: run.start, end })
        });
        found.extend(read);
    }
}

fn of_digits(run: &number::Run, length: usize, said: &str) -> Option<(Kind, Confidence)> {
    let digits = &run.digits[..length];
    let groups = run.groups(length);
    match length {
        14 if checks::luhn(digits) && (SIREN_WORD.is_match(said) || groups == [3, 3, 3, 5]) => {
            Some((Kind::CompanyNumber, Certain))
        }
        11 if digits[0] != 0 && checks::mod_11_10(digits) && (groups.len() == 1 || groups == [2, 3, 3, 3]) => {
            let called = TAX_WORD.is_match(said);
            (called || checks::steuer_id_digits(digits)).then_some((Kind::NationalNumber, Certain))
        }
        10 if checks::nhs(digits) && NHS_WORD.is_match(said) => Some((Kind::NationalNumber, Certain)),
        9 if checks::luhn(digits) && SIREN_WORD.is_match(said) => Some((Kind::CompanyNumber, Certain)),
        _ => None,
    }
}
