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

/// Said in place of an answer when the visitor asks for a person.
pub fn asks_for_a_person(language: Option<&str>) -> &'static str {
    match language {
        Some("fr") => "Vous souhaitez parler à une personne.",
        Some("de") => "Sie möchten mit einem Menschen sprechen.",
        Some("es") => "Desea hablar con una persona.",
        Some("it") => "Desidera parlare con una persona.",
        Some("nl") => "U wilt met een medewerker spreken.",
        Some("pt") => "Deseja falar com uma pessoa.",
        _ => "You would like to talk to a person.",
    }
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

/// Said where a visitor wrote what opens something.
pub fn holds_a_secret(language: Option<&str>) -> &'static str {
    match language {
        Some("fr") => {
            "Votre message semble contenir un mot de passe, une clé ou un jeton. Rien n'a été conservé ni transmis : \
             retirez-le et envoyez à nouveau votre message."
        }
        Some("de") => {
            "Ihre Nachricht enthält offenbar ein Passwort, einen Schlüssel oder ein Token. Nichts davon wurde gespeichert \
             oder weitergegeben: Bitte senden Sie sie ohne diese Angabe."
        }
        Some("es") => {
            "Su mensaje parece contener una contraseña, una clave o un token. No se ha guardado ni transmitido nada: \
             envíelo de nuevo sin ese dato."
        }
        Some("it") => {
            "Il suo messaggio sembra contenere una password, una chiave o un token. Nulla è stato conservato né \
             trasmesso: lo invii di nuovo senza questo dato."
        }
        Some("nl") => {
            "Uw bericht lijkt een wachtwoord, een sleutel of een token te bevatten. Er is niets bewaard of doorgegeven: \
             stuur het opnieuw zonder dit gegeven."
        }
        Some("pt") => {
            "A sua mensagem parece conter uma palavra-passe, uma chave ou um token. Nada foi guardado nem transmitido: \
             envie-a de novo sem esse dado."
        }
        _ => {
            "Your message seems to hold a password, a key or a token. Nothing of it was kept or passed on: please send it \
             again without."
        }
    }
}

/// Said where a visitor wrote about somebody's health, belief and the like (GDPR art. 9).
pub fn holds_a_special_category(language: Option<&str>) -> &'static str {
    match language {
        Some("fr") => {
            "Votre message semble contenir des informations sensibles, par exemple sur la santé ou les convictions d'une \
             personne. Rien n'a été conservé ni transmis : reformulez-le sans ces informations."
        }
        Some("de") => {
            "Ihre Nachricht enthält offenbar besonders geschützte Angaben, etwa zur Gesundheit oder zum Glauben einer \
             Person. Nichts davon wurde gespeichert oder weitergegeben: Bitte senden Sie sie ohne diese Angaben."
        }
        Some("es") => {
            "Su mensaje parece contener datos sensibles, por ejemplo sobre la salud o las creencias de una persona. No se \
             ha guardado ni transmitido nada: envíelo de nuevo sin esos datos."
        }
        Some("it") => {
            "Il suo messaggio sembra contenere dati sensibili, per esempio sulla salute o sulle convinzioni di una persona. \
             Nulla è stato conservato né trasmesso: lo invii di nuovo senza questi dati."
        }
        Some("nl") => {
            "Uw bericht lijkt gevoelige gegevens te bevatten, bijvoorbeeld over iemands gezondheid of overtuiging. Er is \
             niets bewaard of doorgegeven: stuur het opnieuw zonder deze gegevens."
        }
        Some("pt") => {
            "A sua mensagem parece conter dados sensíveis, por exemplo sobre a saúde ou as convicções de uma pessoa. Nada \
             foi guardado nem transmitido: envie-a de novo sem esses dados."
        }
        _ => {
            "Your message seems to hold sensitive information, such as on a person's health or belief. Nothing of it was \
             kept or passed on: please send it again without."
        }
    }
}
