//! E-mail (RFC 5322, MIME): the subject, the day, what was written, the names of what was attached.
//!
//! Invariants, as absences:
//! - No address and no name of a sender or a receiver from the head of the message: an answer needs none of them.
//! - Nothing attached is opened.

use mail_parser::{Message, MessageParser, MimeHeaders, PartType};

use super::collect::Collector;
use super::{BlockKind, FailureCode, ParseFailure, html, text};

/// Reads a message.
pub fn read(bytes: &[u8], out: &mut Collector) -> Result<(), ParseFailure> {
    let message = MessageParser::default().parse(bytes).ok_or_else(damaged)?;
    if let Some(subject) = message.subject() {
        out.title(subject);
        out.push(BlockKind::Heading(1), subject)?;
    }
    if let Some(date) = message.date().filter(|date| date.is_valid()) {
        let day = format!("Date: {:04}-{:02}-{:02}", date.year, date.month, date.day);
        out.push(BlockKind::Paragraph, &day)?;
    }
    write_body(&message, out)?;
    let attached: Vec<&str> = message.attachments().filter_map(|part| part.attachment_name()).collect();
    if !attached.is_empty() {
        out.push(BlockKind::Paragraph, &format!("Attachments: {}", attached.join(", ")))?;
    }
    Ok(())
}

/// What was written: as a web page where there is one, since it has the lists and tables, or else as text.
fn write_body(message: &Message<'_>, out: &mut Collector) -> Result<(), ParseFailure> {
    let before = out.len();
    for part in message.html_body.iter().filter_map(|id| message.part(*id)) {
        match &part.body {
            PartType::Html(page) => html::read_chapter(page, out)?,
            PartType::Text(plain) => write_text(plain, out)?,
            _ => {}
        }
    }
    if out.len() > before {
        return Ok(());
    }
    for part in message.text_body.iter().filter_map(|id| message.part(*id)) {
        if let PartType::Text(plain) = &part.body {
            write_text(plain, out)?;
        }
    }
    Ok(())
}

/// Plain text, what it quotes as quotes.
fn write_text(plain: &str, out: &mut Collector) -> Result<(), ParseFailure> {
    let lines: Vec<&str> = plain.lines().collect();
    for run in lines.chunk_by(|a, b| a.starts_with('>') == b.starts_with('>')) {
        match run[0].starts_with('>') {
            false => text::read(&run.join("\n"), out)?,
            true => {
                let quoted = run.iter().map(|line| line.trim_start_matches(['>', ' ']));
                out.push(BlockKind::Quote, &quoted.collect::<Vec<_>>().join("\n"))?;
            }
        }
    }
    Ok(())
}

fn damaged() -> ParseFailure {
    ParseFailure::new(FailureCode::Damaged, "The document is no e-mail that can be read. Save it again as .eml.")
}
