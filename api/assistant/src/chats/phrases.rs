//! The few sentences that the product itself says to a visitor, in the visitor's language.

/// Said when the knowledge has no answer. `offers_person` adds the offer of a person.
pub fn not_in_knowledge(language: Option<&str>, offers_person: bool) -> String {
    let (sorry, person) = match language {
        Some("fr") => (
            "Je n'ai pas trouvé de réponse à cette question dans la documentation.",
            "Souhaitez-vous être mis en relation avec une personne ?",
        ),
        Some("de") => {
            ("Dazu habe ich in der Dokumentation keine Antwort gefunden.", "Möchten Sie mit einem Menschen sprechen?")
        }
        Some("es") => {
            ("No he encontrado una respuesta a esta pregunta en la documentación.", "¿Quiere hablar con una persona?")
        }
        Some("it") => {
            ("Non ho trovato una risposta a questa domanda nella documentazione.", "Desidera parlare con una persona?")
        }
        Some("nl") => {
            ("Ik heb hierop geen antwoord gevonden in de documentatie.", "Wilt u met een medewerker spreken?")
        }
        Some("pt") => ("Não encontrei uma resposta a esta pergunta na documentação.", "Deseja falar com uma pessoa?"),
        _ => ("I found no answer to this question in the documentation.", "Would you like to talk to a person?"),
    };
    if offers_person { format!("{sorry} {person}") } else { sorry.to_owned() }
}
