//! Names, postal addresses and dates of birth, by what stands around them. Best effort: a name that nothing announces is
//! missed, and a capitalised word behind a greeting is taken for one.

use std::sync::LazyLock;

use regex::Regex;

use super::{
    Confidence::{Guess, Likely},
    Kind, Span, before, behind,
};

/// A name: up to six words with a capital, initials, and the small words that names are made with.
const NAME: &str = r"\p{Lu}(?:[\p{L}\p{M}'’]+(?:-\p{Lu}?[\p{L}\p{M}'’]+)*|\.)(?: (?:(?:de|du|des|del|de la|de las|de los|da|dos|von|von der|van|van der|van den|zu|zur|der|den|la|le|el|y|bin|al|auch) )?\p{Lu}(?:[\p{L}\p{M}'’]+(?:-\p{Lu}?[\p{L}\p{M}'’]+)*|\.)){0,5}";

/// What announces one name, which may be one word.
const BEFORE_ANY: &[&str] = &[
    r"(?i:my name is|my name's|name is|i am called|this is|signed,?)",
    r"(?i:je m['’]appelle|mon nom est|je suis (?:monsieur|madame)|ici)",
    r"(?i:mein name ist|ich hei(?:ß|ss)e|mein name:)",
    r"(?i:me llamo|mi nombre es)",
    r"(?i:(?:full |first |last |sur)?name|nom(?: complet)?|prénom|nombre(?: completo)?|apellidos?|vorname|nachname) ?:",
    r"(?i:dear|bonjour|cher|chère|hallo|liebe|lieber|guten tag|hola|estimado|estimada|querido|querida|hi|hello)",
    r"(?i:mr|mrs|ms|miss|dr|prof|mister|sir|mme|mlle|madame|monsieur|herrn?|frau|sr|sra|señora?|don|doña|doctor|doctora)\.?",
    r"M\.",
];

/// What announces a name of two words or more.
const BEFORE_TWO: &[&str] = &[
    r"(?i:i am|i'm|call|contact|ask for|speak (?:to|with)|regards to|on behalf of|file of|account of|for|to|by|from|with)",
    r"(?i:je suis|contacter|rappeler|appeler|joindre|dossier d[e']|compte d[e']|au nom de|de la part de|avec|pour|par)",
    r"(?i:ich bin|rufen sie|kontaktieren sie|akte von|konto von|im namen von|mit|für|von)",
    r"(?i:soy|llamar a|llamen a|contactar (?:a|con)|expediente de|cuenta de|en nombre de|con|para|por)",
];

static ANY: LazyLock<Regex> = LazyLock::new(|| announced(BEFORE_ANY));
static TWO: LazyLock<Regex> = LazyLock::new(|| announced(BEFORE_TWO));
static SIGNED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(&format!(
        r"(?:^|\n)[ \t]*(?i:(?:kind |best |warm |many )?regards|best wishes|best|sincerely|yours(?: sincerely| faithfully| truly)?|thanks|thank you|cheers|cordialement|bien cordialement|bien à vous|salutations(?: distinguées)?|mit freundlichen grüßen|freundliche grüße|viele grüße|beste grüße|herzliche grüße|lg|mfg|saludos(?: cordiales)?|un saludo|atentamente)[ \t]*[,.!]?[ \t]*\n\s{{0,4}}({NAME})"
    ))
    .expect("a pattern")
});

fn announced(by: &[&str]) -> Regex {
    Regex::new(&format!(r"\b(?:{})[ \u{{a0}}]({NAME})", by.join("|"))).expect("a pattern")
}

/// Words with a capital that are nobody's name.
const NOBODY: &[&str] = &[
    "Sir",
    "Sirs",
    "Madam",
    "Team",
    "All",
    "Everyone",
    "Everybody",
    "Support",
    "Customer",
    "Customers",
    "Service",
    "There",
    "Friends",
    "Colleagues",
    "Friday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Saturday",
    "Sunday",
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
    "Damen",
    "Herren",
    "Damen und Herren",
    "Kunde",
    "Kundin",
    "Kollegen",
    "Zusammen",
    "Madame",
    "Monsieur",
    "Messieurs",
    "Mesdames",
    "Tous",
    "Équipe",
    "Señores",
    "Señor",
    "Señora",
    "Equipo",
    "Cliente",
    "Todos",
    "The",
    "This",
    "That",
    "I",
    "A",
    "It",
    "We",
    "You",
    "He",
    "She",
    "They",
    "My",
    "Je",
    "Ich",
    "Sie",
    "Wir",
    "Yo",
    "Welcome",
    "Thanks",
    "Thank",
    "Please",
    "Merci",
    "Danke",
    "Gracias",
    "Bitte",
    "English",
    "French",
    "German",
    "Spanish",
    "Europe",
    "Windows",
    "Office",
    "Internet",
];

static STREET: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(concat!(
        // 62, chemin de Bigot, 13886 Legrandboeuf
        r"(?:\b\d{1,5}(?: ?(?:bis|ter|quater))?,? )?\b(?i:rue|avenue|av\.|boulevard|bd|chemin|allée|place|impasse|route|quai|cours|square|passage|sentier)(?: (?:de |du |des |de la |de l['’]|d['’]|la |le )?[\p{L}'’ .-]+)?, ?\d{5} \p{Lu}[\p{L}'’ -]+",
        r"|\b\d{1,5}(?: ?(?:bis|ter|quater))?,? (?:rue|avenue|boulevard|chemin|allée|impasse|quai|route)\b [\p{L}'’ -]+",
        // Hans-Weihmann-Ring 840, 04883 Brilon
        r"|\p{Lu}[\p{L}.\-]*(?: \p{Lu}[\p{L}.\-]*){0,3}(?i:straße|strasse|str\.|weg|platz|allee|gasse|ring|damm|ufer) \d{1,5} ?[a-z]?(?:[-/]\d{1,5})?(?:, ?\d{5} \p{Lu}[\p{L} .()/-]+)?",
        // Avenida de Almudena Ribas 30, Valencia, 29578
        r"|\b(?:Calle|C\.|C/|Avenida|Avda\.?|Plaza|Paseo|Rambla|Camino|Alameda|Carrera|Callejón|Ronda|Travesía|Urbanización|Vial|Via|Vía|Acceso|Cañada|Cuesta|Glorieta|Pasadizo|Pasaje|Camiño) [\p{L}. '-]+ ?\d{1,4}(?: ?(?:Piso|Apt\.|Puerta|º) ?\d{0,3})?(?: ?, ?[\p{L} ]+, ?\d{5})?",
        // 12 Baker Street, Flat 4, ...
        r"|\b\d{1,6}[A-Za-z]? (?:\p{Lu}[\p{L}'.]* ){1,4}(?:Street|St|Road|Rd|Avenue|Ave|Lane|Ln|Drive|Dr|Court|Ct|Boulevard|Blvd|Square|Terrace|Close|Crescent|Way|Place|Gardens|Crossroad|Grove|Groves|Mews|Parkway|Hill)\b\.?(?:,? (?:Flat|Apt\.?|Suite|Unit) ?\w{1,5})?(?:, \p{Lu}[\p{L} ]+){0,3}(?:,? [A-Z]{1,2}\d[A-Z\d]? \d[A-Z]{2})?",
    ))
    .expect("a pattern")
});
static POSTCODE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?:(?:\b(?:Flat|Studio|Apt\.?|Unit) ?\w{1,5}|\b\d{1,5}[A-Za-z]?) ?,? )?(?:\p{Lu}[\p{L}'-]+ ?){1,4}(?:, (?:\p{Lu}[\p{L}'-]+ ?){1,4}){0,3},? ?\b[A-Z]{1,2}\d{1,2}[A-Z]? \d[A-Z]{2}\b").expect("a pattern")
});
static LIVES: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)\b(?:(?:my |the )?address(?: of [\p{L} ]+)? (?:is|to)|i live (?:at|in)|j['’]habite(?: au| à)?|mon adresse est|ich wohne(?: in)?|meine adresse (?:ist|lautet)|vivo en|mi dirección es|(?:postal )?address ?:|adresse ?:|dirección ?:|anschrift ?:) ").expect("a pattern")
});

static DATE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(concat!(
        r"\b(?:\d{1,2}[./-]\d{1,2}[./-](?:\d{4}|\d{2})|\d{4}-\d{2}-\d{2}|\d{1,2}(?:st|nd|rd|th|er|\.)? (?:de )?",
        r"(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|janv|févr|mars|avr|mai|juin|juil|août|sept|déc|jän|mär|okt|dez|ene|abr|ago|dic)[a-zéû]*\.?,? (?:de |del )?\d{4}",
        r"|(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.? \d{1,2}(?:st|nd|rd|th)?,? \d{4})\b",
    ))
    .expect("a pattern")
});
static BORN: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)\b(?:born|birth|birthday|dob|né|née|naissance|anniversaire|geboren|geb\.|geburtsdatum|geburtstag|nací|nacid[oa]|nacimiento|cumpleaños)(?:\b|$)").expect("a pattern")
});

pub(super) fn find(text: &str, found: &mut Vec<Span>) {
    addresses(text, found);
    names(text, found);
    for at in DATE.find_iter(text) {
        if BORN.is_match(before(text, at.start(), 40)) || BORN.is_match(first_clause(behind(text, at.end(), 48))) {
            found.push(Span { kind: Kind::BirthDate, confidence: Likely, start: at.start(), end: at.end() });
        }
    }
}

fn first_clause(text: &str) -> &str {
    text.split(['.', '\n', ';', '!', '?']).next().unwrap_or_default()
}

fn names(text: &str, found: &mut Vec<Span>) {
    named(text, &SIGNED, 1, found);
    named(text, &ANY, 1, found);
    named(text, &TWO, 2, found);
}

fn named(text: &str, pattern: &Regex, words: usize, found: &mut Vec<Span>) {
    let mut from = 0;
    while let Some(all) = pattern.captures_at(text, from) {
        let (whole, name) = (all.get(0).expect("a match"), all.get(1).expect("the pattern has a group"));
        // A name can announce the next one: "Dear Dr. Ada".
        from = name.start().max(whole.start() + 1);
        let (mut start, mut written) = (name.start(), name.as_str());
        while let Some((first, rest)) = written.split_once(' ') {
            if !NOBODY.contains(&first) {
                break;
            }
            start += first.len() + 1;
            written = rest;
        }
        if written.split(' ').count() < words || NOBODY.contains(&written) || written.chars().count() < 2 {
            continue;
        }
        let end = start + written.trim_end_matches(['.', '\'', '’']).len();
        found.push(Span { kind: Kind::Name, confidence: Guess, start, end });
        from = end;
    }
}

fn addresses(text: &str, found: &mut Vec<Span>) {
    for pattern in [&*STREET, &*POSTCODE] {
        for at in pattern.find_iter(text) {
            let end = at.start() + at.as_str().trim_end_matches([' ', '.']).len();
            found.push(Span { kind: Kind::Address, confidence: Likely, start: at.start(), end });
        }
    }
    for at in LIVES.find_iter(text) {
        let rest = behind(text, at.end(), 160);
        let end = sentence_end(rest);
        let written = rest[..end].trim_end();
        if written.contains(|c: char| c.is_ascii_digit()) {
            let place = at.end()..at.end() + written.len();
            found.push(Span { kind: Kind::Address, confidence: Guess, start: place.start, end: place.end });
        }
    }
}

/// A full stop behind a short word with a capital (`C.`, `Apt.`, `St.`) does not end a sentence.
fn sentence_end(text: &str) -> usize {
    for (place, c) in text.char_indices() {
        let next = text[place + c.len_utf8()..].chars().next();
        match c {
            '!' | '?' | ';' => return place,
            '.' if next.is_none_or(char::is_whitespace) => {
                let word = text[..place].rsplit([' ', '\n', ',']).next().unwrap_or_default();
                let short = word.chars().count() <= 4 && word.chars().next().is_some_and(char::is_uppercase);
                if !short || word.contains(|c: char| c.is_ascii_digit()) {
                    return place;
                }
            }
            _ => {}
        }
    }
    text.len()
}
