//! What opens a door: keys, tokens, passwords.

use std::sync::LazyLock;

use regex::Regex;

use super::{
    Confidence::{self, Certain, Likely},
    Kind, Span,
};

static PRIVATE_KEY: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"-----BEGIN [A-Z ]{0,24}PRIVATE KEY(?: BLOCK)?-----").expect("a pattern"));
static PRIVATE_KEY_END: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"-----END [A-Z ]{0,24}PRIVATE KEY(?: BLOCK)?-----").expect("a pattern"));
static TOKEN: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\beyJ[A-Za-z0-9_-]{6,4096}\.eyJ[A-Za-z0-9_-]{6,8192}\.[A-Za-z0-9_-]{0,2048}|(?i:\bbearer )[A-Za-z0-9_.~+/-]{20,2048}=*")
        .expect("a pattern")
});
static API_KEY: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(concat!(
        r"\b(?:sk|rk)[-_](?:live|test|proj|ant|svcacct|or)?[-_]?[A-Za-z0-9_-]{20,200}",
        r"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36,255}|\bgithub_pat_[A-Za-z0-9_]{22,255}",
        r"|\bglpat-[A-Za-z0-9_-]{20,64}|\bxox[abeprs]-[A-Za-z0-9-]{10,255}|\bxapp-[A-Za-z0-9-]{10,255}",
        r"|\bAIza[0-9A-Za-z_-]{35}|\bSG\.[A-Za-z0-9_-]{16,64}\.[A-Za-z0-9_-]{16,64}|\bnpm_[A-Za-z0-9]{36}",
        r"|\bhf_[A-Za-z0-9]{30,64}|\bpypi-[A-Za-z0-9_-]{40,255}|\bwhsec_[A-Za-z0-9+/=]{24,128}",
        r"|\bAGE-SECRET-KEY-1[0-9A-Z]{58}|\bdop_v1_[0-9a-f]{64}|\bya29\.[A-Za-z0-9_-]{20,512}",
    ))
    .expect("a pattern")
});
static CALLED_KEY: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?i)\b(?:api[ _-]?key|api[ _-]?token|access[ _-]?key|access[ _-]?token|secret[ _-]?key|client[ _-]?secret|secret|",
        r"cl[ée] (?:d['’])?api|cl[ée] secr[èe]te|api-schl[üu]ssel|clave (?:de )?api)\b",
        r#"["']?\s{0,3}(?:[:=]|(?:is|est|ist|lautet|es)\s?:?)\s{0,3}["']?([A-Za-z0-9_\-+/=.]{16,200})"#,
    ))
    .expect("a pattern")
});
static PASSWORD: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?i)\b(?:password|passwd|passphrase|pwd|mot de passe|mdp|code secret|passwort|kennwort|zugangscode|contrase[ñn]a|clave)\b",
        r#"["']?\s{0,3}(?:[:=]|(?:is|est|ist|lautet|es)\s?:?)\s{0,3}["'«„“]?\s?([^\s"'»“”,;]{4,128})"#,
    ))
    .expect("a pattern")
});
static PIN: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?i)\b(?:pin|cvv2?|cvc2?|code pin|c[óo]digo pin|tan|cryptogramme|pr[üu]fnummer)(?:[ -]?(?:code|number|nummer))?\b\s{0,3}(?:[:=]|is|est|ist|lautet|es)?\s{0,3}(\d{3,8})\b",
    )
    .expect("a pattern")
});
static IN_URL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\b[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s/:@]{1,128}:([^\s/@]{1,256})@").expect("a pattern")
});

pub(super) fn find(text: &str, found: &mut Vec<Span>) {
    private_keys(text, found);
    for at in TOKEN.find_iter(text) {
        found.push(Span { kind: Kind::Token, confidence: Certain, start: at.start(), end: at.end() });
    }
    for at in API_KEY.find_iter(text).filter(|at| has_digit(at.as_str())) {
        found.push(Span { kind: Kind::ApiKey, confidence: Certain, start: at.start(), end: at.end() });
    }
    captured(text, &IN_URL, (Kind::Password, Certain), |_| true, found);
    captured(text, &CALLED_KEY, (Kind::ApiKey, Likely), has_digit, found);
    captured(text, &PASSWORD, (Kind::Password, Likely), looks_chosen, found);
    captured(text, &PIN, (Kind::Password, Likely), |_| true, found);
}

/// A block goes to its end, or to the end of the text where that is missing.
fn private_keys(text: &str, found: &mut Vec<Span>) {
    let mut from = 0;
    while let Some(begin) = PRIVATE_KEY.find_at(text, from) {
        let end = PRIVATE_KEY_END.find_at(text, begin.end()).map_or(text.len(), |end| end.end());
        found.push(Span { kind: Kind::PrivateKey, confidence: Certain, start: begin.start(), end });
        from = end;
    }
}

fn captured(
    text: &str,
    pattern: &Regex,
    (kind, confidence): (Kind, Confidence),
    is_one: impl Fn(&str) -> bool,
    found: &mut Vec<Span>,
) {
    for all in pattern.captures_iter(text) {
        let Some(at) = all.get(1).filter(|at| is_one(at.as_str())) else { continue };
        let end = at.start() + at.as_str().trim_end_matches(['.', '!', '?', ')']).len().max(1);
        found.push(Span { kind, confidence, start: at.start(), end });
    }
}

fn has_digit(value: &str) -> bool {
    value.bytes().any(|byte| byte.is_ascii_digit())
}

/// "The password is wrong" names none: a digit, a sign or a capital inside says that it was chosen.
fn looks_chosen(value: &str) -> bool {
    let value = value.trim_end_matches(['.', '!', '?', ')', ':']);
    let inside = || value.chars().skip(1);
    value.chars().count() >= 4
        && (has_digit(value)
            || inside().any(char::is_uppercase) && value.chars().any(char::is_lowercase)
            || inside().any(|c| c.is_ascii_punctuation() && !matches!(c, '-' | '/' | '.')))
}
