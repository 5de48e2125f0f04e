//! What in a visitor's own words calls for a person: asking for one, in four languages, and the words that a workspace
//! listed. In any other language, and in other words, [`asking`](super::asking) hears it; the button (`requestPerson`) always does.

use super::{
    EscalationReason,
    settings::{EscalationSettings, Trigger},
};

/// Whoever answers that is no machine.
const PEOPLE: &[&str] = &[
    // English
    "human",
    "real person",
    "person",
    "agent",
    "someone",
    "somebody",
    "representative",
    "operator",
    "customer service",
    "support team",
    "staff",
    "employee",
    "colleague",
    "real human",
    "live agent",
    "human being",
    "advisor",
    // French
    "humain",
    "personne",
    "quelqu'un",
    "conseiller",
    "conseillère",
    "agent",
    "opérateur",
    "service client",
    "vraie personne",
    "être humain",
    "collaborateur",
    "employé",
    "interlocuteur",
    // German
    "mensch",
    "menschen",
    "mitarbeiter",
    "mitarbeiterin",
    "jemandem",
    "jemanden",
    "person",
    "berater",
    "kundendienst",
    "kundenservice",
    "echten menschen",
    "support-mitarbeiter",
    "kollegen",
    "ansprechpartner",
    // Spanish
    "humano",
    "persona",
    "alguien",
    "agente",
    "asesor",
    "operador",
    "atención al cliente",
    "persona real",
    "empleado",
    "representante",
    "ser humano",
];

/// Asking to be with them. Each stands before one of [`PEOPLE`] with a few words between.
const ASKING: &[&str] = &[
    // English
    "talk to",
    "speak to",
    "speak with",
    "talk with",
    "chat with",
    "connect me",
    "transfer me",
    "put me through",
    "contact",
    "reach",
    "i want a",
    "i need a",
    "get me a",
    "give me a",
    "i'd like a",
    "is there a",
    "want to talk to",
    "can i get a",
    "let me talk",
    "let me speak",
    "hand me over",
    "escalate",
    // French
    "parler à",
    "parler avec",
    "parler a",
    "discuter avec",
    "contacter",
    "joindre",
    "être mis en relation avec",
    "mettre en relation avec",
    "mettez-moi en relation",
    "passez-moi",
    "transférez-moi",
    "je veux un",
    "je veux une",
    "je voudrais un",
    "je voudrais une",
    "besoin d'un",
    "besoin d'une",
    "échanger avec",
    // German
    "sprechen mit",
    "reden mit",
    "spreche mit",
    "mit einem",
    "mit einer",
    "mit jemandem",
    "verbinden sie mich",
    "verbinde mich",
    "ich möchte einen",
    "ich will einen",
    "ich brauche einen",
    "ich brauche eine",
    "einen echten",
    "kontakt zu",
    // Spanish
    "hablar con",
    "hablar a",
    "contactar con",
    "contactar a",
    "comunicarme con",
    "páseme con",
    "pásame con",
    "conécteme con",
    "conéctame con",
    "transfiérame a",
    "quiero un",
    "quiero una",
    "necesito un",
    "necesito una",
    "chatear con",
];

/// German puts the verb last: "mit einem Menschen sprechen".
const GERMAN_VERBS: &[&str] = &["sprechen", "reden", "verbinden", "verbunden", "chatten", "verbindest", "telefonieren"];

/// Questions that mention a person and ask for none.
const NOT_ASKING: &[&str] = &["contact person", "per person", "par personne", "pro person", "por persona"];

/// Words between the asking and the person asked for.
const FEW: usize = 4;

/// Yes to "Would you like to talk to a person?".
const YES: &[&str] = &[
    "yes",
    "yes please",
    "yes, please",
    "yeah",
    "sure",
    "ok",
    "okay",
    "please",
    "oui",
    "oui merci",
    "oui s'il vous plaît",
    "oui, s'il vous plaît",
    "volontiers",
    "d'accord",
    "ja",
    "ja bitte",
    "ja, bitte",
    "gerne",
    "ja gerne",
    "sí",
    "si",
    "sí por favor",
    "sí, por favor",
    "si por favor",
    "claro",
];

/// Why the visitor's words call for a person, where the settings say that they do. `was_offered` says whether the last
/// answer offered one.
pub(crate) fn called_by(text: &str, was_offered: bool, settings: &EscalationSettings) -> Option<EscalationReason> {
    let says_yes = || was_offered && YES.contains(&plain(text).as_str());
    if settings.calls_for(Trigger::VisitorAsked) && (asks_for_a_person(text) || says_yes()) {
        return Some(EscalationReason::VisitorAsked);
    }
    (settings.calls_for(Trigger::Keyword) && holds_keyword(text, &settings.keywords))
        .then_some(EscalationReason::Keyword)
}

/// Whether the words ask for a person, in English, French, German or Spanish.
pub fn asks_for_a_person(text: &str) -> bool {
    let text = plain(text);
    if NOT_ASKING.iter().any(|phrase| holds(&text, phrase)) {
        return false;
    }
    let words: Vec<&str> = words(&text).collect();
    // "A human, please!"
    let is_short = words.len() <= 4;
    if is_short
        && ["human", "humain", "mensch", "humano", "real person", "live agent"].iter().any(|who| holds(&text, who))
    {
        return true;
    }
    ASKING.iter().any(|asking| {
        let Some(at) = find(&text, asking) else { return false };
        let behind = &text[at + asking.len()..];
        let near: Vec<&str> = self::words(behind).take(FEW).collect();
        let near = near.join(" ");
        let is_named = PEOPLE.iter().any(|who| holds(&near, who));
        // "mit einem Menschen" alone may be about anything.
        let is_german = asking.starts_with("mit ");
        let has_verb = || GERMAN_VERBS.iter().any(|verb| holds(&text, verb));
        (is_named || asking.ends_with("jemandem")) && (!is_german || has_verb())
    })
}

/// Whether one of these words or phrases stands in the text, in whole words, in any case.
pub fn holds_keyword(text: &str, keywords: &[String]) -> bool {
    let text = plain(text);
    keywords.iter().map(|keyword| plain(keyword)).any(|keyword| !keyword.is_empty() && holds(&text, &keyword))
}

/// Small letters, one kind of apostrophe, single spaces, no marks at the ends.
fn plain(text: &str) -> String {
    let text = text.to_lowercase().replace(['\u{2019}', '\u{2bc}'], "'");
    let joined = text.split_whitespace().collect::<Vec<_>>().join(" ");
    joined.trim_matches(|c: char| !c.is_alphanumeric()).to_owned()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '\'' && c != '-').filter(|word| !word.is_empty())
}

fn holds(text: &str, phrase: &str) -> bool {
    find(text, phrase).is_some()
}

/// Where a phrase stands in whole words.
fn find(text: &str, phrase: &str) -> Option<usize> {
    text.match_indices(phrase).map(|(at, _)| at).find(|&at| {
        let before = text[..at].chars().next_back();
        let after = text[at + phrase.len()..].chars().next();
        !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asking_for_a_person_is_understood_in_four_languages() {
        for text in [
            "Can I talk to a human?",
            "I want to speak with a real person, please",
            "please connect me with an agent",
            "A human, please!",
            "Is there a person I can reach?",
            "Can I speak to somebody from your support team?",
            "Je voudrais parler à un conseiller",
            "Puis-je parler avec quelqu\u{2019}un ?",
            "Passez-moi une vraie personne s'il vous plaît",
            "Ich möchte mit einem Menschen sprechen.",
            "Kann ich mit einem Mitarbeiter reden?",
            "Verbinden Sie mich bitte mit einem Berater",
            "Ich will mit jemandem sprechen",
            "Quiero hablar con una persona",
            "¿Puedo hablar con alguien de atención al cliente?",
            "Necesito un agente",
        ] {
            assert!(asks_for_a_person(text), "{text}");
        }
    }

    #[test]
    fn a_question_about_people_is_still_a_question() {
        for text in [
            "How much is it per person?",
            "Who is the contact person for invoices?",
            "How do I declare a query parameter?",
            "Combien coûte l'entrée par personne ?",
            "Kann ich mit einem Kinderwagen in den Bus?",
            "Wie viele Mitarbeiter hat die Firma?",
            "¿Cuántas personas caben en la sala?",
            "What does the user agent header contain?",
            "Do you deliver to Belgium?",
        ] {
            assert!(!asks_for_a_person(text), "{text}");
        }
    }

    #[test]
    fn keywords_are_whole_words_in_any_case() {
        let listed = ["refund".to_owned(), "lawyer up".to_owned()];
        assert!(holds_keyword("I want a REFUND!", &listed));
        assert!(holds_keyword("I will lawyer  up", &listed));
        assert!(!holds_keyword("refundable?", &listed));
        assert!(!holds_keyword("anything", &[" ".to_owned()]));
    }

    #[test]
    fn yes_calls_a_person_only_where_one_was_offered() {
        let settings = EscalationSettings { triggers: [Trigger::VisitorAsked].into(), ..EscalationSettings::default() };
        assert_eq!(called_by("Yes, please!", true, &settings), Some(EscalationReason::VisitorAsked));
        assert_eq!(called_by("Yes, please!", false, &settings), None);
        assert_eq!(called_by("Can I talk to a human?", false, &EscalationSettings::default()), None);
    }
}
