//! What of a mail's text is the answer: without what it answers to, and without the signature.
//!
//! Four things are known, whatever the program and the language: lines that begin with `>`; the line above them that says
//! who wrote them and when; a block of headers (`From:`, `Sent:`, `To:`) or a ruled line that stands before a whole mail;
//! and the `-- ` before a signature (RFC 3676). Only what can follow none of those is cut: text between and below
//! quotations is kept.

/// What opens a line that says who wrote what follows, in lower case.
const OPENINGS: [&str; 26] = [
    "on ",
    "le ",
    "am ",
    "el ",
    "il ",
    "em ",
    "op ",
    "den ",
    "w dniu",
    "mon,",
    "tue,",
    "wed,",
    "thu,",
    "fri,",
    "sat,",
    "sun,",
    "lundi",
    "mardi",
    "mercredi",
    "jeudi",
    "vendredi",
    "montag",
    "dienstag",
    "mittwoch",
    "donnerstag",
    "freitag",
];

/// How such a line ends, in lower case and without the colon.
const ENDINGS: [&str; 11] = [
    "wrote",
    "écrit",
    "schrieb",
    "escribió",
    "scritto",
    "escreveu",
    "schreef",
    "napisał",
    "написал",
    "написала",
    "пишет",
];

/// Headers of a mail as programs write them into the text, in lower case.
const HEADERS: [&str; 30] = [
    "from",
    "sent",
    "to",
    "cc",
    "bcc",
    "subject",
    "date",
    "reply-to",
    "importance",
    "de",
    "envoyé",
    "envoyé le",
    "date d'envoi",
    "à",
    "objet",
    "von",
    "gesendet",
    "gesendet am",
    "an",
    "betreff",
    "datum",
    "enviado",
    "enviado el",
    "para",
    "asunto",
    "fecha",
    "da",
    "inviato",
    "a",
    "oggetto",
];

/// What stands between dashes before a whole mail, in lower case.
const RULED: [&str; 14] = [
    "original message",
    "original-nachricht",
    "ursprüngliche nachricht",
    "originalnachricht",
    "message d'origine",
    "message original",
    "mensaje original",
    "messaggio originale",
    "mensagem original",
    "forwarded message",
    "weitergeleitete nachricht",
    "message transféré",
    "mensaje reenviado",
    "original appointment",
];

/// What phones write under a mail, in lower case.
const PHONES: [&str; 16] = [
    "sent from my ",
    "sent from outlook",
    "sent from mail for",
    "sent from yahoo",
    "sent from proton",
    "sent with ",
    "sent via ",
    "envoyé de mon ",
    "envoyé depuis ",
    "von meinem ",
    "gesendet von ",
    "gesendet mit ",
    "enviado desde ",
    "enviado do meu ",
    "get outlook for ",
    "télécharger outlook ",
];

/// Longest line that a phone writes.
const LONGEST_PHONE: usize = 70;

/// Most lines that say who wrote what follows.
const MOST_SAYING: usize = 4;

/// The answer.
pub fn answer(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace(['\u{200b}', '\u{feff}'], "");
    let all: Vec<&str> = text.split(['\n', '\r']).map(|line| line.trim_end_matches([' ', '\t', '\u{a0}'])).collect();
    let all = &all[..whole_mail(&all).unwrap_or(all.len())];
    let mut kept = without_quotations(all);
    if let Some(signature) = kept.iter().position(|line| *line == "--") {
        kept.truncate(signature);
    }
    without_phone(&mut kept);
    tidy(&kept)
}

/// Where a whole mail begins that was put under the answer.
fn whole_mail(lines: &[&str]) -> Option<usize> {
    (0..lines.len()).find(|&at| is_ruled(lines[at]) || is_headers(&lines[at..]) || is_said_without_quotation(lines, at))
}

/// `-----Original Message-----`, or a line of underscores above headers.
fn is_ruled(line: &str) -> bool {
    let line = line.trim();
    let inside = line.trim_matches(['-', ' ', '_', '*']).to_lowercase();
    line.starts_with("--") && line.ends_with('-') && RULED.contains(&inside.as_str())
}

/// Three headers in a row, or two where a line of underscores stands above.
fn is_headers(lines: &[&str]) -> bool {
    let is_line = |line: &str| line.len() >= 20 && line.bytes().all(|byte| byte == b'_');
    let (lines, least) = match lines.split_first() {
        Some((first, rest)) if is_line(first.trim()) => (rest, 2),
        _ => (lines, 3),
    };
    let mut count = 0;
    let mut filled = lines.iter().skip_while(|line| least == 2 && line.trim().is_empty());
    for line in filled.by_ref().take(8) {
        match (is_header(line), count) {
            (true, _) => count += 1,
            // A long header goes on in the next line.
            (false, 1..) if !line.trim().is_empty() && count < least => {}
            _ => break,
        }
        if count == least {
            return true;
        }
    }
    false
}

fn is_header(line: &str) -> bool {
    let line = line.trim().trim_start_matches('*');
    let Some((name, _)) = line.split_once(':') else { return false };
    HEADERS.contains(&name.trim_matches(['*', ' ', '\u{a0}']).to_lowercase().as_str())
}

/// A line that says who wrote what follows, where what follows has no `>`: everything below it was answered to.
fn is_said_without_quotation(lines: &[&str], at: usize) -> bool {
    let Some(count) = (1..=MOST_SAYING).find(|count| {
        let Some(said) = lines.get(at..at + count) else { return false };
        is_saying(&said.join(" "), Strictly::Yes)
    }) else {
        return false;
    };
    let below = lines[at + count..].iter().find(|line| !line.trim().is_empty());
    below.is_some_and(|line| !line.trim_start().starts_with('>'))
}

/// How sure one has to be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Strictly {
    /// It opens and ends as known.
    Yes,
    /// A quotation follows: one of both is enough.
    No,
}

fn is_saying(line: &str, strictly: Strictly) -> bool {
    let line = line.trim().trim_start_matches('>').trim().to_lowercase();
    let Some(line) = line.strip_suffix(':') else { return false };
    let line = line.trim_end();
    let opens =
        OPENINGS.iter().any(|opening| line.starts_with(opening)) || line.starts_with(|c: char| c.is_ascii_digit());
    let ends =
        ENDINGS.iter().any(|ending| line.ends_with(ending)) || ENDINGS.iter().any(|e| line.contains(&format!(" {e} ")));
    let is_dated = line.contains(|c: char| c.is_ascii_digit());
    match strictly {
        Strictly::Yes => opens && ends && is_dated,
        Strictly::No => (opens || line.starts_with('"')) && (ends || is_dated || line.contains('@')),
    }
}

/// The lines that are nobody else's.
fn without_quotations<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    let mut kept: Vec<&str> = Vec::new();
    let mut is_inside = false;
    for line in lines {
        let is_quoted = line.trim_start().starts_with('>');
        if is_quoted && !is_inside {
            drop_saying(&mut kept);
        }
        is_inside = is_quoted || (is_inside && line.trim().is_empty());
        if !is_quoted {
            kept.push(line);
        }
    }
    kept
}

/// Takes away the lines above a quotation that say who wrote it.
fn drop_saying(kept: &mut Vec<&str>) {
    let filled = kept.iter().rposition(|line| !line.trim().is_empty()).map_or(0, |at| at + 1);
    // Somebody says it right above, or with one empty line between.
    if kept.len() - filled > 1 {
        return;
    }
    for count in 1..=MOST_SAYING.min(filled) {
        let said = &kept[filled - count..filled];
        if said.iter().any(|line| line.trim().is_empty()) {
            break;
        }
        if is_saying(&said.join(" "), Strictly::No) {
            kept.truncate(filled - count);
            return;
        }
    }
    // A last line that ends as known, whatever it opens with: `Ada <ada@example.com> wrote:`.
    let last = kept[..filled].last().map(|line| line.trim().to_lowercase()).unwrap_or_default();
    let ends =
        last.strip_suffix(':').is_some_and(|line| ENDINGS.iter().any(|ending| line.trim_end().ends_with(ending)));
    if ends {
        kept.truncate(filled - 1);
    }
}

/// Takes away what a phone wrote under the answer.
fn without_phone(kept: &mut Vec<&str>) {
    let Some(last) = kept.iter().rposition(|line| !line.trim().is_empty()) else { return };
    let line = kept[last].trim().to_lowercase();
    let is_apart = last == 0 || kept[last - 1].trim().is_empty();
    let is_phone = PHONES.iter().any(|phone| line.starts_with(phone)) && line.chars().count() <= LONGEST_PHONE;
    if is_apart && is_phone {
        kept.truncate(last);
    }
}

/// No empty line at the ends, and no two in a row.
fn tidy(lines: &[&str]) -> String {
    let mut text = String::new();
    let mut is_empty = false;
    for line in lines {
        if line.trim().is_empty() {
            is_empty = true;
            continue;
        }
        if !text.is_empty() {
            text.push_str(if is_empty { "\n\n" } else { "\n" });
        }
        is_empty = false;
        text.push_str(line);
    }
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_answered_to_goes_in_every_language() {
        for quoted in [
            "On Mon, Apr 2, 2012 at 6:26 PM, Megan One <xxx@gmail.com> wrote:\n\n> Hi",
            "On Mon, Apr 2, 2012 at 6:26 PM, Megan One\n<xxx@gmail.com> wrote:\n> Hi",
            "Le lun. 2 avr. 2012 à 18:26, Léa <lea@example.com> a écrit :\n\n> Bonjour",
            "Am 02.04.2012 um 18:26 schrieb Jürgen <j@example.de>:\n\n> Hallo",
            "El lun, 2 abr 2012 a las 18:26, Ana (<ana@example.es>) escribió:\n\n> Hola",
            "Il giorno lun 2 apr 2012 alle ore 18:26 Ada ha scritto:\n> Ciao",
            "02.04.2012 14:20 пользователь \"bob\" <\nbob@example.com> написал:\n\n> Hi\n>",
            "Ada <ada@example.com> wrote:\n> Hi",
            "> Subject: Test\n> From: bob@example.com\n>\n> Hi",
            "-----Original Message-----\nFrom: bob <bob@example.com>\nSent: Mon\n\nHi",
            "-----Ursprüngliche Nachricht-----\nVon: bob\nGesendet: Montag\n\nHallo",
            "________________________________\nDe : bob <bob@example.com>\nEnvoyé : lundi 2 avril 2012\n\nBonjour",
            "Von: bob <bob@example.com>\nGesendet: Montag, 2. April 2012\nAn: Ada\nBetreff: Test\n\nHallo",
            "*From:* bob <bob@example.com>\n*Sent:* Monday\n*To:* Ada\n\nHi",
            "On Mon, Apr 2, 2012 at 6:26 PM, Megan One wrote:\n\nHi, without a sign\nand more",
            "---------- Forwarded message ---------\nFrom: Bob\nHi",
        ] {
            assert_eq!(answer(&format!("Hello\n\nBest\n\n{quoted}")), "Hello\n\nBest", "{quoted}");
            assert_eq!(answer(quoted), "", "{quoted}");
        }
    }

    #[test]
    fn what_stands_between_and_below_quotations_is_kept() {
        let text =
            "On 04/02/2012 06:26 PM, Megan One wrote:\n> Where is it?\n\nOn its way.\n\n> And when?\n\nTomorrow.";
        assert_eq!(answer(text), "On its way.\n\nTomorrow.");
    }

    #[test]
    fn what_only_looks_like_it_is_kept() {
        for text in [
            "Please do this:\n\n1. open it\n2. close it",
            "On Monday we are closed.",
            "From: 8 to 12 we are open.\nTo: the door, please.",
            "It costs:\n- 5 for one\n- 8 for two",
            "The parcel was sent from my office yesterday.",
            "a > b, and 1 -- 2",
            "Date: tomorrow\n\nPlace: here",
        ] {
            assert_eq!(answer(text), text);
        }
        assert_eq!(answer("You asked:\n> Where is it?\nOn its way."), "You asked:\nOn its way.");
    }

    #[test]
    fn signatures_go() {
        for signature in [
            "-- \nAda\nAcme Inc.",
            "--\nAda",
            "Sent from my iPhone",
            "Von meinem iPhone gesendet",
            "Envoyé de mon iPad",
            "Get Outlook for iOS",
        ] {
            assert_eq!(answer(&format!("Hello\r\n\r\n{signature}\r\n\r\n")), "Hello", "{signature}");
        }
    }
}
