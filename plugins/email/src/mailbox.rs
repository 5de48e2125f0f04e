//! Mails that people write about their data: each that a person wrote is a letter.

use async_trait::async_trait;
use consigne_sdk::{Egress, Fetch, Letter, Mailbox, Result};
use mail_parser::MessageParser;

use crate::{
    bounce,
    imap::Imap,
    inbound::{id_of, is_a_machines, text_of},
    settings::Settings,
};

/// Longest subject, in characters.
const LONGEST_SUBJECT: usize = 300;

/// The mailbox that the settings name, if they do.
pub(crate) struct EmailMailbox {
    imap: Option<Imap>,
    sender: String,
}

impl EmailMailbox {
    /// Under settings that were checked.
    pub(crate) fn new(settings: &Settings, egress: Egress) -> Result<Self> {
        Ok(Self { imap: Imap::of_privacy_mailbox(settings, egress)?, sender: settings.from.clone() })
    }
}

#[async_trait]
impl Mailbox for EmailMailbox {
    async fn fetch(&self, cursor: Option<String>) -> Result<Fetch> {
        match &self.imap {
            Some(imap) => imap.letters(cursor.as_deref(), &self.sender).await,
            None => Ok(Fetch { letters: Vec::new(), cursor }),
        }
    }
}

/// Reads a mail as it came over the wire; nothing where no person wrote it, or this side did.
pub(crate) fn read(raw: &[u8], sender: &str, received_at: i64) -> Option<Letter> {
    let mail = MessageParser::default().parse(raw)?;
    let head: Vec<(String, &str)> =
        mail.headers_raw().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
    let from = mail.from().and_then(|from| from.first()).and_then(|from| from.address()).map(str::to_owned);
    let is_daemon = from.as_deref().is_some_and(|from| from.to_ascii_lowercase().starts_with("mailer-daemon@"));
    let is_own = from.as_deref().is_some_and(|from| from.eq_ignore_ascii_case(sender));
    if bounce::read(&mail).is_some() || is_daemon || is_own || is_a_machines(&head) {
        return None;
    }
    let subject: String = mail.subject().unwrap_or_default().trim().chars().take(LONGEST_SUBJECT).collect();
    let text = text_of(&mail).trim().to_owned();
    Some(Letter { id: id_of(&mail, raw), from, subject, text, received_at })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_mail(head: &str, text: &str) -> Option<Letter> {
        read(format!("From: Ana <ana@people.example>\r\n{head}\r\n{text}\r\n").as_bytes(), "support@example.com", 7)
    }

    #[test]
    fn what_a_person_wrote_is_a_letter() {
        let letter = read_mail("Subject: My =?utf-8?q?donn=C3=A9es?=\r\nMessage-ID: <1@ana>\r\n", "Please erase me.");
        let letter = letter.expect("a letter");
        assert_eq!((letter.from.as_deref(), letter.received_at), (Some("ana@people.example"), 7));
        assert_eq!((letter.subject.as_str(), letter.text.as_str()), ("My données", "Please erase me."));
        let html = read_mail("Content-Type: text/html\r\nSubject: x\r\n", "<p>Erase <b>me</b></p>").expect("a letter");
        assert_eq!(html.text, "Erase me");
        let again = read_mail("Message-ID: <1@ana>\r\nSubject: other\r\n", "It came another way.").expect("a letter");
        assert_eq!((letter.id == again.id, letter.id.contains("ana")), (true, false));
    }

    #[test]
    fn what_machines_wrote_is_none() {
        for head in [
            "Auto-Submitted: auto-replied\r\nSubject: Away\r\n",
            "Precedence: bulk\r\nSubject: News\r\n",
            "X-Autoreply: yes\r\nSubject: Away\r\n",
            "Return-Path: <>\r\nSubject: Away\r\n",
            "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\nSubject: Failed\r\n\r\n--b\r\n\
             Content-Type: message/delivery-status\r\n\r\nAction: failed\r\nStatus: 5.1.1\r\n--b--\r\n",
        ] {
            assert!(read_mail(head, "I am away.").is_none(), "{head}");
        }
        for from in ["MAILER-DAEMON@example.com", "support@example.com"] {
            let raw = format!("From: {from}\r\nSubject: x\r\n\r\nHello\r\n");
            assert!(read(raw.as_bytes(), "support@example.com", 7).is_none(), "{from}");
        }
    }
}
