//! What a mail is: somebody's answer, a report that one of ours did not arrive, or nothing for us.

use consigne_sdk::{Action, Inbound, ReplyTo};
use mail_parser::{Message, MessageParser, MessagePart, MimeHeaders, PartType};
use sha2::{Digest, Sha256};

use crate::{
    bounce::{self, Report},
    html,
    mark::Marks,
    reply::answer,
};

/// Headers that name who a mail is for; what a server adds comes before what a program wrote.
const FOR: [&str; 6] = ["delivered-to", "x-original-to", "envelope-to", "to", "cc", "resent-to"];

/// Longest text of an answer that is read, in bytes.
const LONGEST: usize = 1024 * 1024;

/// What came of a mail.
pub(crate) enum Mail {
    /// Somebody did something.
    Event(Inbound),
    /// It carries a token of ours, and there is nothing to do: a machine's answer, a report of success.
    Nothing,
    /// It carries none.
    NotOurs,
}

/// Reads a mail as it came over the wire.
pub(crate) fn read(raw: &[u8], sender: &str, marks: &Marks) -> Mail {
    let Some(mail) = MessageParser::default().parse(raw) else { return Mail::NotOurs };
    let head: Vec<(String, &str)> =
        mail.headers_raw().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
    let values = |wanted: &'static str| head.iter().filter(move |(name, _)| name == wanted).map(|(_, value)| *value);
    let by_address = FOR.iter().find_map(|name| values(name).find_map(|value| marks.in_addresses(value)));

    if let Some(report) = bounce::read(&mail) {
        let token = bounce::token(&mail, marks).or(by_address);
        return match (token, report) {
            (Some(token), Report::Failed { for_good }) => Mail::Event(Inbound {
                id: id_of(&mail, raw),
                of: ReplyTo::Token(token),
                by: None,
                what: Action::Bounced { for_good },
            }),
            (Some(_), Report::Other) => Mail::Nothing,
            (None, _) => Mail::NotOurs,
        };
    }

    let by_reference =
        || ["in-reply-to", "references"].into_iter().find_map(|n| values(n).find_map(|v| marks.in_message_ids(v)));
    let Some(token) = by_address.or_else(by_reference) else { return Mail::NotOurs };
    let by = mail.from().and_then(|from| from.first()).and_then(|from| from.address()).map(str::to_owned);
    let is_own = by.as_deref().is_some_and(|by| by.eq_ignore_ascii_case(sender))
        || values("message-id").any(|id| marks.in_message_ids(id).is_some());
    if is_own || is_a_machines(&head) {
        return Mail::Nothing;
    }
    let text = answer(&text_of(&mail));
    let refused_files = mail.attachments().filter(|part| is_a_file(part)).count().try_into().unwrap_or(u32::MAX);
    if text.is_empty() && refused_files == 0 {
        return Mail::Nothing;
    }
    let what = Action::Reply { text, refused_files };
    Mail::Event(Inbound { id: id_of(&mail, raw), of: ReplyTo::Token(token), by, what })
}

/// Whether no person wrote it (RFC 3834, and what programs did before it).
pub(crate) fn is_a_machines(head: &[(String, &str)]) -> bool {
    head.iter().any(|(name, value)| {
        let value = value.trim().to_ascii_lowercase();
        match name.as_str() {
            "auto-submitted" => !value.starts_with("no"),
            "precedence" => matches!(value.as_str(), "bulk" | "junk" | "list" | "auto_reply"),
            "x-autoreply" | "x-autorespond" | "x-autoresponder" => value != "no",
            "x-auto-response-suppress" => true,
            "return-path" => value == "<>",
            _ => false,
        }
    })
}

/// The same for the same mail, whichever way it came, and without anything of whom it came from.
pub(crate) fn id_of(mail: &Message<'_>, raw: &[u8]) -> String {
    let digest = match mail.message_id() {
        Some(id) => Sha256::new_with_prefix(b"id:").chain_update(id),
        None => Sha256::new_with_prefix(b"raw:").chain_update(raw),
    };
    hex::encode(digest.finalize())
}

/// The text that is shown, from the plain form where there is one.
pub(crate) fn text_of(mail: &Message<'_>) -> String {
    let mut whole = String::new();
    for part in mail.text_bodies() {
        let text = match &part.body {
            PartType::Text(text) if is_flowed(part) => unflowed(text),
            PartType::Text(text) => text.to_string(),
            PartType::Html(text) => html::text(text),
            _ => continue,
        };
        if whole.len() + text.len() > LONGEST {
            break;
        }
        whole.push_str(&text);
        whole.push('\n');
    }
    whole
}

fn is_flowed(part: &MessagePart<'_>) -> bool {
    part.content_type()
        .and_then(|kind| kind.attribute("format"))
        .is_some_and(|format| format.eq_ignore_ascii_case("flowed"))
}

/// Lines that a program broke for want of width, put together again (RFC 3676).
fn unflowed(text: &str) -> String {
    let mut whole = String::new();
    let mut open: Option<usize> = None;
    for line in text.lines() {
        let depth = line.bytes().take_while(|byte| *byte == b'>').count();
        let said = line[depth..].strip_prefix(' ').unwrap_or(&line[depth..]);
        let is_signature = said.trim_end() == "--";
        match open {
            Some(before) if before == depth && !is_signature => whole.push_str(said),
            Some(_) => {
                whole.push('\n');
                whole.push_str(line);
            }
            None => whole.push_str(line),
        }
        let flows = said.ends_with(' ') && !is_signature;
        open = flows.then_some(depth);
        if !flows {
            whole.push('\n');
        }
    }
    whole
}

/// A file that somebody meant to send: not the logo of a signature, nor what proves who signed.
fn is_a_file(part: &MessagePart<'_>) -> bool {
    let is_named = part.content_disposition().is_some_and(|disposition| disposition.is_attachment());
    let is_proof = part.is_content_type("application", "pkcs7-signature")
        || part.is_content_type("application", "x-pkcs7-signature")
        || part.is_content_type("application", "pgp-signature");
    !is_proof && (is_named || part.content_id().is_none())
}
