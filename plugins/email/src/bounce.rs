//! Reports that a mail did not arrive (RFC 3464).

use mail_parser::{Message, MessagePart, MimeHeaders, PartType};

use crate::mark::Marks;

/// What a report says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Report {
    /// It did not arrive, and whether trying again is useless.
    Failed { for_good: bool },
    /// Anything else: it arrived, or may still.
    Other,
}

/// What a mail reports, if it is a report.
pub(crate) fn read(mail: &Message<'_>) -> Option<Report> {
    let kind = mail.content_type()?;
    let is_report = kind.c_type.eq_ignore_ascii_case("multipart")
        && kind.c_subtype.as_deref().is_some_and(|kind| kind.eq_ignore_ascii_case("report"));
    if !is_report {
        return None;
    }
    let status = mail.parts.iter().find(|part| part.is_content_type("message", "delivery-status"))?;
    let text = String::from_utf8_lossy(status.contents());
    let fields = |wanted: &'static str| {
        let fields = text.lines().filter_map(|line| line.split_once(':'));
        let wanted = fields.filter(move |(name, _)| name.trim().eq_ignore_ascii_case(wanted));
        wanted.map(|(_, value)| value.trim().to_ascii_lowercase())
    };
    if !fields("action").any(|action| action.starts_with("failed")) {
        return Some(Report::Other);
    }
    // Several recipients: as long as one of them may still be tried, trying is of use.
    let for_good = fields("status").all(|status| !status.starts_with('4'));
    Some(Report::Failed { for_good })
}

/// The token of the mail that a report is about: by what was returned of it.
pub(crate) fn token(mail: &Message<'_>, marks: &Marks) -> Option<String> {
    mail.parts.iter().filter(|part| is_returned(part)).find_map(|part| {
        let returned = match &part.body {
            PartType::Message(inner) => {
                let head = inner.headers_raw().map(|(name, value)| format!("{name}: {value}\n"));
                head.collect::<String>()
            }
            _ => String::from_utf8_lossy(part.contents()).into_owned(),
        };
        marks.in_message_ids(&returned).or_else(|| marks.in_addresses(&returned))
    })
}

fn is_returned(part: &MessagePart<'_>) -> bool {
    part.is_content_type("message", "rfc822")
        || part.is_content_type("message", "global")
        || part.is_content_type("text", "rfc822-headers")
        || part.is_content_type("message", "delivery-status")
}
