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

/// Said once when people were called and are there.
pub fn waiting(language: Option<&str>) -> &'static str {
    match language {
        Some("fr") => "J'ai prévenu notre équipe. Une personne va vous répondre ici.",
        Some("de") => "Ich habe unser Team verständigt. Ein Mensch antwortet Ihnen hier.",
        Some("es") => "He avisado a nuestro equipo. Una persona le responderá aquí.",
        Some("it") => "Ho avvisato il nostro team. Una persona le risponderà qui.",
        Some("nl") => "Ik heb ons team verwittigd. Een medewerker antwoordt u hier.",
        Some("pt") => "Avisei a nossa equipa. Uma pessoa irá responder-lhe aqui.",
        _ => "I have told our team. A person will answer you here.",
    }
}

/// Said once when people were called and are not there now.
pub fn off_hours(language: Option<&str>) -> &'static str {
    match language {
        Some("fr") => {
            "Notre équipe n'est pas disponible pour le moment. Une personne vous répondra ici dès son retour."
        }
        Some("de") => {
            "Unser Team ist gerade nicht erreichbar. Ein Mensch antwortet Ihnen hier, sobald es wieder da ist."
        }
        Some("es") => "Nuestro equipo no está disponible ahora. Una persona le responderá aquí cuando vuelva.",
        Some("it") => "Il nostro team non è disponibile ora. Una persona le risponderà qui al suo ritorno.",
        Some("nl") => "Ons team is nu niet bereikbaar. Een medewerker antwoordt u hier zodra het terug is.",
        Some("pt") => "A nossa equipa não está disponível agora. Uma pessoa irá responder-lhe aqui quando voltar.",
        _ => "Our team is not available at the moment. A person will answer you here as soon as it is back.",
    }
}
