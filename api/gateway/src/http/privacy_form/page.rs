//! The pages: plain HTML, every value escaped.

use std::fmt::Write;

use consigne_foundation::privacy::{
    exports::page::escaped,
    information::Information,
    requests::{RequestKind, receive::Receipt},
};

use super::words::Words;

/// The form, above it what was wrong with what was sent.
pub(super) fn form(words: &Words, information: &Information, wrong: Option<&str>) -> String {
    let mut page = begin(words, Some(information));
    if let Some(wrong) = wrong {
        paragraph(&mut page, wrong);
    }
    let _ = write!(
        page,
        "<form method=\"post\">\n<p><label>{}<br>\n<select name=\"kind\" required>\n",
        escaped(words.kind)
    );
    for (kind, label) in RequestKind::ALL.iter().zip(words.kinds) {
        let _ = writeln!(page, "<option value=\"{}\">{}</option>", kind.name(), escaped(label));
    }
    let _ = write!(
        page,
        "</select></label></p>\n\
         <p><label>{}<br>\n<input type=\"email\" name=\"email\" required maxlength=\"254\" autocomplete=\"email\"></label></p>\n\
         <p><label>{}<br>\n<textarea name=\"message\" rows=\"8\" cols=\"60\" maxlength=\"5000\"></textarea></label></p>\n\
         <p><button>{}</button></p>\n</form>\n",
        escaped(words.email),
        escaped(words.message),
        escaped(words.send),
    );
    end(page, words, Some(information))
}

/// What is answered to a form, whoever sent it.
pub(super) fn taken(words: &Words, information: &Information, address: &str, receipt: &Receipt) -> String {
    let due = receipt.due_at.rfc3339();
    let due = due.split('T').next().unwrap_or_default().to_owned();
    let taken = format!("{} {} {}", words.taken, words.due, due);
    code(words, information, address, &receipt.reference, &taken)
}

/// A form for the code, below this sentence.
pub(super) fn code(words: &Words, information: &Information, address: &str, reference: &str, said: &str) -> String {
    let mut page = begin(words, Some(information));
    paragraph(&mut page, said);
    paragraph(&mut page, words.code_sent);
    let _ = write!(
        page,
        "<form method=\"post\" action=\"/privacy/{}/code\">\n\
         <p><label>{}<br>\n<input name=\"reference\" required maxlength=\"60\" size=\"56\" value=\"{}\"></label></p>\n\
         <p><label>{}<br>\n<input name=\"code\" required maxlength=\"20\" inputmode=\"numeric\" autocomplete=\"one-time-code\">\
         </label></p>\n<p><button>{}</button></p>\n</form>\n",
        escaped(address),
        escaped(words.reference),
        escaped(reference),
        escaped(words.code),
        escaped(words.confirm),
    );
    end(page, words, Some(information))
}

/// It is known now who asks.
pub(super) fn confirmed(words: &Words, information: &Information) -> String {
    message(words, Some(information), words.confirmed)
}

/// A sentence.
pub(super) fn message(words: &Words, information: Option<&Information>, said: &str) -> String {
    let mut page = begin(words, information);
    paragraph(&mut page, said);
    end(page, words, information)
}

fn begin(words: &Words, information: Option<&Information>) -> String {
    let title = escaped(words.title);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n</head>\n<body>\n\
         <main>\n<h1>{title}</h1>\n",
        words.language,
    );
    if let Some(information) = information {
        paragraph(&mut page, &format!("{} {}", words.controller, information.controller_name));
    }
    page
}

fn end(mut page: String, words: &Words, information: Option<&Information>) -> String {
    if let Some(information) = information {
        page.push_str("<hr>\n");
        let officer = [&information.dpo_name, &information.dpo_email].into_iter().flatten();
        let officer = officer.map(String::as_str).collect::<Vec<_>>().join(", ");
        if !officer.is_empty() {
            paragraph(&mut page, &format!("{} {officer}", words.officer));
        }
        if let Some(notice) = &information.notice_url {
            let _ = writeln!(page, "<p><a href=\"{}\">{}</a></p>", escaped(notice), escaped(words.notice));
        }
        paragraph(&mut page, &information.complaint_route(words.language));
    }
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

fn paragraph(page: &mut String, text: &str) {
    let _ = writeln!(page, "<p>{}</p>", escaped(text));
}
