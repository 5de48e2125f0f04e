//! What the mails say, in English, French, German and Spanish. Plain text; the code stands in the body alone, where no
//! notification shows it.

use super::MailKind;
use crate::privacy::{information::Information, requests::PrivacyRequest};

/// Subject and text of a mail.
pub(super) fn write(
    kind: MailKind,
    language: &str,
    information: &Information,
    request: &PrivacyRequest,
    code: &str,
) -> (String, String) {
    let from = &information.controller_name;
    let words = request.words.as_deref().unwrap_or_default();
    let due = day(request.due_at.rfc3339());
    let complain = information.complaint_route(language);
    let (subject, text) = match (kind, language) {
        (MailKind::Code, "fr") => (
            "Confirmez votre demande".to_owned(),
            format!(
                "Quelqu’un, sans doute vous, a adressé à {from} une demande sur ses données personnelles.\n\n\
                 Pour confirmer que c’est bien vous, saisissez ce code dans les 15 minutes :\n\n    {code}\n\n\
                 Si ce n’est pas vous, ne faites rien : rien n’est communiqué sans ce code.\n"
            ),
        ),
        (MailKind::Code, "de") => (
            "Bestätigen Sie Ihre Anfrage".to_owned(),
            format!(
                "Jemand, vermutlich Sie, hat bei {from} eine Anfrage zu personenbezogenen Daten gestellt.\n\n\
                 Geben Sie innerhalb von 15 Minuten diesen Code ein, um zu bestätigen, dass Sie es waren:\n\n    {code}\n\n\
                 Waren Sie es nicht, tun Sie nichts: Ohne den Code wird nichts herausgegeben.\n"
            ),
        ),
        (MailKind::Code, "es") => (
            "Confirme su solicitud".to_owned(),
            format!(
                "Alguien, probablemente usted, ha hecho a {from} una solicitud sobre datos personales.\n\n\
                 Para confirmar que fue usted, introduzca este código en los próximos 15 minutos:\n\n    {code}\n\n\
                 Si no fue usted, no haga nada: sin el código no se entrega nada.\n"
            ),
        ),
        (MailKind::Code, _) => (
            "Confirm your request".to_owned(),
            format!(
                "Somebody, probably you, asked {from} about personal data.\n\n\
                 To confirm that it was you, enter this code within 15 minutes:\n\n    {code}\n\n\
                 If it was not you, do nothing: nothing is given out without the code.\n"
            ),
        ),
        (MailKind::Extended, "fr") => (
            "Votre demande prend plus de temps".to_owned(),
            format!("{words}\n\nVous recevrez une réponse au plus tard le {due} (RGPD, art. 12(3)).\n\n{complain}\n"),
        ),
        (MailKind::Extended, "de") => (
            "Ihre Anfrage dauert länger".to_owned(),
            format!("{words}\n\nSie erhalten spätestens am {due} eine Antwort (DSGVO, Art. 12(3)).\n\n{complain}\n"),
        ),
        (MailKind::Extended, "es") => (
            "Su solicitud tarda más".to_owned(),
            format!("{words}\n\nRecibirá una respuesta a más tardar el {due} (RGPD, art. 12(3)).\n\n{complain}\n"),
        ),
        (MailKind::Extended, _) => (
            "Your request takes longer".to_owned(),
            format!("{words}\n\nYou will have an answer by {due} (GDPR art. 12(3)).\n\n{complain}\n"),
        ),
        (MailKind::Fulfilled, language) => (
            match language {
                "fr" => "Votre demande a été traitée",
                "de" => "Ihre Anfrage wurde erledigt",
                "es" => "Su solicitud ha sido atendida",
                _ => "Your request was served",
            }
            .to_owned(),
            format!("{words}\n\n{complain}\n"),
        ),
        (MailKind::Refused, language) => (
            match language {
                "fr" => "Votre demande n’a pas pu être satisfaite",
                "de" => "Ihrer Anfrage konnte nicht entsprochen werden",
                "es" => "Su solicitud no ha podido atenderse",
                _ => "Your request was refused",
            }
            .to_owned(),
            format!("{words}\n\n{complain}\n"),
        ),
        (MailKind::Arrived | MailKind::Alarm, language) => for_controller(kind, language, request),
    };
    (subject, text)
}

/// Ids, kinds and times; what the person wrote is read in the console.
fn for_controller(kind: MailKind, language: &str, request: &PrivacyRequest) -> (String, String) {
    let (id, right) = (request.id, request.kind.name());
    let received = day(request.received_at.rfc3339());
    let (agreement, due) = (day(request.agreement_due_at.rfc3339()), day(request.due_at.rfc3339()));
    let raised: Vec<&str> = request.alarms.iter().map(|(alarm, _)| alarm.as_str()).collect();
    let raised = raised.join(", ");
    match (kind, language) {
        (MailKind::Alarm, "fr") => (
            format!("Échéance : demande {right}"),
            format!(
                "La demande {id} ({right}), reçue le {received}, attend.\nAlertes : {raised}\nÀ traiter avant le {agreement} ; réponse due le {due}.\n"
            ),
        ),
        (MailKind::Alarm, _) => (
            format!("Deadline: request {right}"),
            format!(
                "The request {id} ({right}), received on {received}, is waiting.\nAlarms: {raised}\nTo be handled by {agreement}; the answer is due on {due}.\n"
            ),
        ),
        (_, "fr") => (
            format!("Nouvelle demande : {right}"),
            format!(
                "Une demande {right} est arrivée le {received} : {id}.\nÀ traiter avant le {agreement} ; réponse due le {due}.\nLe texte est dans la console.\n"
            ),
        ),
        _ => (
            format!("New request: {right}"),
            format!(
                "A request {right} came on {received}: {id}.\nTo be handled by {agreement}; the answer is due on {due}.\nWhat was written is in the console.\n"
            ),
        ),
    }
}

/// The day of a moment, in UTC.
fn day(moment: String) -> String {
    moment.chars().take(10).collect()
}
