//! Finds personal data, secrets and special categories of personal data in a text, in English, French, German and Spanish.
//!
//! Numbers are found by their form and proved by their check digits; where a form alone says too little, a word nearby
//! has to say what it is. Names and addresses are best effort: they are found where a title, a greeting, a sign-off or a
//! word such as "my name is" gives them away, and missed elsewhere. `docs/benchmarks.md` says how well each is found.
//!
//! Reading order: [`Kind`] and [`find`], then `checks` (check digits), `digits` (of which script), `number` (how they are read), `codes` (e-mail, IBAN,
//! cards, addresses of machines), `national`, `phone`, `people` (names, addresses, dates of birth), `secrets`, `special`
//! (GDPR art. 9), `someone` (whether it is anybody's), and [`mask`] (placeholders instead of what was found, and back).
//!
//! Invariants, as absences:
//! - Nothing here knows a table, a plugin or a workspace, and nothing is kept or logged.
//! - No time that grows faster than the text: every pattern runs on an automaton, every candidate is of bounded length.

mod checks;
mod codes;
mod digits;
pub mod mask;
mod national;
mod number;
mod people;
mod phone;
mod secrets;
mod someone;
mod special;
#[cfg(test)]
mod tests;

use std::ops::Range;

use self::digits::Folded;
pub use self::someone::is_about_someone;

/// Longest text that is searched, in bytes. A longer one is refused, never searched in part.
pub const LONGEST: usize = 256 * 1024;

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// An e-mail address.
    Email,
    /// A telephone number.
    Phone,
    /// An international bank account number.
    Iban,
    /// A payment card's number.
    Card,
    /// A number that a state gave a person: NIR, Steuer-ID, DNI, NIE, National Insurance, NHS, SSN.
    NationalNumber,
    /// A number that a state gave an undertaking, which may be one person: SIRET, SIREN, CIF, VAT.
    CompanyNumber,
    /// An address of a machine on a network.
    Ip,
    /// A date of birth.
    BirthDate,
    /// A person's name; best effort.
    Name,
    /// A postal address; best effort.
    Address,
    /// A key of an interface: of a cloud, a payment service, a code host.
    ApiKey,
    /// A private key in its text form.
    PrivateKey,
    /// A token that signs somebody in.
    Token,
    /// A password or PIN that a word nearby calls so, or one inside a URL.
    Password,
    /// Health, pregnancy and disability.
    Health,
    /// Religion and belief.
    Religion,
    /// Membership in a trade union.
    Union,
    /// Racial or ethnic origin.
    Origin,
    /// Sex life and sexual orientation.
    Orientation,
    /// Political opinion.
    Politics,
}

/// What follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Group {
    /// Names somebody or leads to them: can be masked.
    Personal,
    /// Opens a door: nobody else may see it.
    Secret,
    /// A special category of personal data (GDPR art. 9).
    Special,
}

/// How sure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confidence {
    /// By its surroundings alone.
    Guess,
    /// By its form, or by its form and a word nearby.
    Likely,
    /// By a check digit, or by a form that nothing else has.
    Certain,
}

/// Something that was found, by its place in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// What.
    pub kind: Kind,
    /// How sure it is.
    pub confidence: Confidence,
    /// First byte.
    pub start: usize,
    /// First byte behind it.
    pub end: usize,
}

/// The text is longer than [`LONGEST`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the text is longer than what can be searched for personal data")]
pub struct TooLong;

impl Kind {
    /// The name in placeholders and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Email => "EMAIL",
            Self::Phone => "PHONE",
            Self::Iban => "IBAN",
            Self::Card => "CARD",
            Self::NationalNumber => "NATIONAL_NUMBER",
            Self::CompanyNumber => "COMPANY_NUMBER",
            Self::Ip => "IP",
            Self::BirthDate => "BIRTH_DATE",
            Self::Name => "NAME",
            Self::Address => "ADDRESS",
            Self::ApiKey => "API_KEY",
            Self::PrivateKey => "PRIVATE_KEY",
            Self::Token => "TOKEN",
            Self::Password => "PASSWORD",
            Self::Health => "HEALTH",
            Self::Religion => "RELIGION",
            Self::Union => "UNION",
            Self::Origin => "ORIGIN",
            Self::Orientation => "ORIENTATION",
            Self::Politics => "POLITICS",
        }
    }

    /// What follows from it.
    pub fn group(self) -> Group {
        match self {
            Self::ApiKey | Self::PrivateKey | Self::Token | Self::Password => Group::Secret,
            Self::Health | Self::Religion | Self::Union | Self::Origin | Self::Orientation | Self::Politics => {
                Group::Special
            }
            _ => Group::Personal,
        }
    }
}

impl Span {
    /// Its place.
    pub fn range(&self) -> Range<usize> {
        self.start..self.end
    }

    fn overlaps(&self, other: &Span) -> bool {
        self.start < other.end && other.start < self.end
    }
}

/// Everything that is found in `text`, in order, without overlaps: where two readings of a place compete, the one that is
/// surer stays, and of equals the one that was looked for first.
///
/// # Errors
/// [`TooLong`].
pub fn find(text: &str) -> Result<Vec<Span>, TooLong> {
    if text.len() > LONGEST {
        return Err(TooLong);
    }
    let Some(folded) = Folded::of(text) else { return Ok(search(text)) };
    let written = |span: Span| Span { start: folded.written(span.start), end: folded.written(span.end), ..span };
    Ok(search(&folded.text).into_iter().map(written).collect())
}

/// All digits of `text` are those of ASCII.
fn search(text: &str) -> Vec<Span> {
    let mut found = Vec::new();
    secrets::find(text, &mut found);
    codes::find(text, &mut found);
    national::find(text, &mut found);
    phone::find(text, &mut found);
    people::find(text, &mut found);
    special::find(text, &mut found);
    without_overlaps(found)
}

fn without_overlaps(mut found: Vec<Span>) -> Vec<Span> {
    // A stable sort keeps the order of the searches among equals.
    found.sort_by_key(|span| std::cmp::Reverse(span.confidence));
    let mut taken: std::collections::BTreeMap<usize, Span> = std::collections::BTreeMap::new();
    for span in found {
        let before = taken.range(..span.end).next_back().map(|(_, other)| *other);
        if span.start < span.end && before.is_none_or(|other| !other.overlaps(&span)) {
            taken.insert(span.start, span);
        }
    }
    taken.into_values().collect()
}

/// The text before `at`, at most `most` bytes of it.
fn before(text: &str, at: usize, most: usize) -> &str {
    let mut from = at.saturating_sub(most);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    &text[from..at]
}

/// The text behind `at`, at most `most` bytes of it.
fn behind(text: &str, at: usize, most: usize) -> &str {
    let mut to = (at + most).min(text.len());
    while !text.is_char_boundary(to) {
        to -= 1;
    }
    &text[at..to]
}
