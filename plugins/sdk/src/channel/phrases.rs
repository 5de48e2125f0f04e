//! The fixed words that channels say to people, in the languages of the product.

use super::{EscalationReason, EscalationState, Line, Speaker};

/// The words of one language.
pub struct Phrases {
    /// ISO 639-1 code.
    pub code: &'static str,
    /// The heading of a new escalation, and the subject of its mails.
    pub needs_a_person: &'static str,
    /// Label before the assistant's name.
    pub assistant: &'static str,
    /// Label before the reason.
    pub reason: &'static str,
    /// Label before the visitor's language.
    pub language: &'static str,
    /// Label before the state.
    pub state: &'static str,
    /// The name of the conversation.
    pub conversation: &'static str,
    /// Stands where the beginning of a conversation is too long to be sent.
    pub left_out: &'static str,
    /// Stands before something that was told before and is put right.
    pub rectified: &'static str,
    /// The link to the console.
    pub open: &'static str,
    /// The button that takes the chat.
    pub take: &'static str,
    /// The button that closes the escalation.
    pub resolve: &'static str,
    /// The button that gives the chat back to the assistant.
    pub hand_back: &'static str,
    /// Says that an answer to the mail reaches the visitor.
    pub reply_reaches: &'static str,
    /// What somebody who tests a channel reads.
    pub test: &'static str,
    speakers: [&'static str; 3],
    wrote: [&'static str; 3],
    reasons: [&'static str; 7],
    states: [&'static str; 4],
    by: &'static str,
}

const ENGLISH: Phrases = Phrases {
    code: "en",
    needs_a_person: "A visitor needs a person",
    assistant: "Assistant",
    reason: "Reason",
    language: "Language",
    state: "State",
    conversation: "Conversation",
    left_out: "What was said before is left out.",
    rectified: "This was put right. Please use it in the place of what you were told before",
    open: "Open the chat",
    take: "Take",
    resolve: "Resolve",
    hand_back: "Hand back",
    reply_reaches: "Your reply to this mail reaches the visitor. Files are not taken.",
    test: "This is a test. The channel works.",
    speakers: ["Visitor", "Assistant", "Staff"],
    wrote: ["The visitor wrote.", "The assistant answered.", "A colleague answered."],
    reasons: [
        "the knowledge does not hold the answer",
        "the assistant is not sure of its answer",
        "the visitor asked for a person",
        "the visitor found the answers bad",
        "a word that is listed was said",
        "the assistant could not answer for a technical reason",
        "a colleague took the chat",
    ],
    states: ["waiting for a person", "with a person", "with the assistant again", "resolved"],
    by: "by",
};

const FRENCH: Phrases = Phrases {
    code: "fr",
    needs_a_person: "Un visiteur a besoin d'une personne",
    assistant: "Assistant",
    reason: "Raison",
    language: "Langue",
    state: "État",
    conversation: "Conversation",
    left_out: "Le début de la conversation n'est pas repris.",
    rectified: "Ceci a été rectifié. Veuillez l'utiliser à la place de ce qui vous a été communiqué",
    open: "Ouvrir la conversation",
    take: "Prendre",
    resolve: "Clore",
    hand_back: "Rendre à l'assistant",
    reply_reaches: "Votre réponse à ce message parvient au visiteur. Les fichiers ne sont pas transmis.",
    test: "Ceci est un test. Le canal fonctionne.",
    speakers: ["Visiteur", "Assistant", "Équipe"],
    wrote: ["Le visiteur a écrit.", "L'assistant a répondu.", "Un collègue a répondu."],
    reasons: [
        "la base de connaissances ne contient pas la réponse",
        "l'assistant n'est pas sûr de sa réponse",
        "le visiteur a demandé une personne",
        "le visiteur a trouvé les réponses mauvaises",
        "un mot de la liste a été prononcé",
        "l'assistant n'a pas pu répondre pour une raison technique",
        "un collègue a pris la conversation",
    ],
    states: ["en attente d'une personne", "avec une personne", "de nouveau avec l'assistant", "close"],
    by: "par",
};

const GERMAN: Phrases = Phrases {
    code: "de",
    needs_a_person: "Ein Besucher braucht einen Menschen",
    assistant: "Assistent",
    reason: "Grund",
    language: "Sprache",
    state: "Stand",
    conversation: "Gespräch",
    left_out: "Was davor gesagt wurde, ist ausgelassen.",
    rectified: "Dies wurde berichtigt. Bitte verwenden Sie es anstelle des früher Mitgeteilten",
    open: "Chat öffnen",
    take: "Übernehmen",
    resolve: "Abschließen",
    hand_back: "Zurückgeben",
    reply_reaches: "Ihre Antwort auf diese Mail erreicht den Besucher. Dateien werden nicht übernommen.",
    test: "Dies ist ein Test. Der Kanal funktioniert.",
    speakers: ["Besucher", "Assistent", "Team"],
    wrote: ["Der Besucher hat geschrieben.", "Der Assistent hat geantwortet.", "Jemand vom Team hat geantwortet."],
    reasons: [
        "die Wissensbasis enthält die Antwort nicht",
        "der Assistent ist sich seiner Antwort nicht sicher",
        "der Besucher hat nach einem Menschen gefragt",
        "der Besucher fand die Antworten schlecht",
        "ein Wort der Liste ist gefallen",
        "der Assistent konnte aus technischen Gründen nicht antworten",
        "jemand vom Team hat den Chat übernommen",
    ],
    states: ["wartet auf einen Menschen", "bei einem Menschen", "wieder beim Assistenten", "abgeschlossen"],
    by: "von",
};

const SPANISH: Phrases = Phrases {
    code: "es",
    needs_a_person: "Un visitante necesita a una persona",
    assistant: "Asistente",
    reason: "Motivo",
    language: "Idioma",
    state: "Estado",
    conversation: "Conversación",
    left_out: "Se omite lo que se dijo antes.",
    rectified: "Esto se ha rectificado. Úselo en lugar de lo que se le comunicó antes",
    open: "Abrir el chat",
    take: "Atender",
    resolve: "Cerrar",
    hand_back: "Devolver al asistente",
    reply_reaches: "Su respuesta a este correo llega al visitante. Los archivos no se transmiten.",
    test: "Esto es una prueba. El canal funciona.",
    speakers: ["Visitante", "Asistente", "Equipo"],
    wrote: ["El visitante ha escrito.", "El asistente ha respondido.", "Un compañero ha respondido."],
    reasons: [
        "la base de conocimiento no contiene la respuesta",
        "el asistente no está seguro de su respuesta",
        "el visitante pidió hablar con una persona",
        "al visitante le parecieron malas las respuestas",
        "se dijo una palabra de la lista",
        "el asistente no pudo responder por un motivo técnico",
        "un compañero atendió el chat",
    ],
    states: ["espera a una persona", "con una persona", "de nuevo con el asistente", "cerrado"],
    by: "por",
};

/// The words of this language; English where it is none of the product's.
pub fn phrases(language: Option<&str>) -> &'static Phrases {
    let known: [&'static Phrases; 4] = [&ENGLISH, &FRENCH, &GERMAN, &SPANISH];
    known.into_iter().find(|phrases| Some(phrases.code) == language).unwrap_or(&ENGLISH)
}

impl Phrases {
    /// Why a person is needed.
    pub fn of_reason(&self, reason: EscalationReason) -> &'static str {
        self.reasons[match reason {
            EscalationReason::NotInKnowledge => 0,
            EscalationReason::LowConfidence => 1,
            EscalationReason::VisitorAsked => 2,
            EscalationReason::BadRatings => 3,
            EscalationReason::Keyword => 4,
            EscalationReason::AnswerFailed => 5,
            EscalationReason::StaffTook => 6,
        }]
    }

    /// Where an escalation stands, and who brought it there.
    pub fn of_state(&self, state: EscalationState, by: Option<&str>) -> String {
        let state = self.states[match state {
            EscalationState::Waiting => 0,
            EscalationState::Taken => 1,
            EscalationState::HandedBack => 2,
            EscalationState::Resolved => 3,
        }];
        by.map_or_else(|| state.to_owned(), |by| format!("{state} ({} {by})", self.by))
    }

    /// Who said something: a name where colleagues know one.
    pub fn of_speaker<'a>(&self, line: &'a Line) -> &'a str {
        line.name.as_deref().unwrap_or(self.speakers[place(line.speaker)])
    }

    /// That somebody said something, without what.
    pub fn wrote(&self, speaker: Speaker) -> &'static str {
        self.wrote[place(speaker)]
    }
}

fn place(speaker: Speaker) -> usize {
    match speaker {
        Speaker::Visitor => 0,
        Speaker::Assistant => 1,
        Speaker::Staff => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_of_the_product_has_words_of_its_own() {
        let all = ["en", "fr", "de", "es"].map(|code| phrases(Some(code)));
        for (place, phrases) in all.iter().enumerate() {
            assert!(all[..place].iter().all(|other| other.needs_a_person != phrases.needs_a_person));
        }
        assert_eq!([Some("pt"), None].map(|code| phrases(code).code), ["en"; 2]);
        assert_eq!(phrases(Some("de")).of_state(EscalationState::Taken, Some("Ada")), "bei einem Menschen (von Ada)");
    }
}
