//! What is sent: text and the same in HTML, under a message id that never changes.

use std::time::{Duration, UNIX_EPOCH};

use consigne_sdk::{
    Delivery, Line, Notice, Opened, PluginError, PluginErrorKind, Result,
    channel::phrases::{Phrases, phrases},
};
use lettre::{
    Address, Message,
    address::Envelope,
    message::{
        Mailbox, MultiPart, SinglePart,
        header::{HeaderName, HeaderValue},
    },
};

use crate::{ID, mark::Marks, settings::Settings};

/// Longest conversation that is sent, in characters: the newest part of it.
const MOST_CONVERSATION: usize = 200_000;

/// A mail, and what later ones answer to.
pub(crate) struct Written {
    pub mail: Message,
    /// Its own message id, without angle brackets.
    pub id: String,
    /// The first mail of the escalation and its language: `de:d_1.k7f2a9....consigne@example.com`.
    pub thread: String,
}

/// Writes the mail of a delivery.
///
/// # Errors
/// `Misconfigured` where an address cannot be written; `Internal`.
pub(crate) fn write(settings: &Settings, marks: &Marks, delivery: &Delivery) -> Result<Written> {
    let known = delivery.thread.as_deref().and_then(|thread| thread.split_once(':'));
    let of_chat = match &delivery.notice {
        Notice::Opened(opened) => opened.language.as_deref(),
        _ => known.map(|(language, _)| language),
    };
    let words = phrases(settings.language.as_deref().or(of_chat));
    let id = marks.message_id(&delivery.key, &delivery.reply_token);
    let first = match &delivery.notice {
        Notice::Opened(_) | Notice::Test => None,
        _ => known.map(|(_, first)| first),
    };
    let reply_to = marks.address(&delivery.reply_token);
    if reply_to.is_none() && settings.mode == crate::settings::Mode::TwoWay {
        return Err(crate::settings::misconfigured("replyTo is too long before the @ for a token"));
    }
    let page = page(words, delivery, reply_to.is_some());

    let unusable = |_| PluginError::new(PluginErrorKind::Internal, format!("{ID}: a mail that cannot be written"));
    let sender = settings.sender()?;
    let mut mail = Message::builder()
        .from(Mailbox::new(settings.from_name.clone(), sender.clone()))
        .subject(subject(words, delivery, first.is_some()))
        .message_id(Some(format!("<{id}>")))
        // When it happened, not when it is tried: however often it is sent, it is the same mail.
        .date(UNIX_EPOCH + Duration::from_millis(delivery.at.try_into().unwrap_or_default()))
        .raw_header(raw("Auto-Submitted", "auto-generated"))
        .raw_header(raw("X-Auto-Response-Suppress", "All"));
    for recipient in settings.recipients()? {
        mail = mail.to(Mailbox::new(None, recipient));
    }
    if let Some(first) = first {
        mail = mail.in_reply_to(format!("<{first}>")).references(format!("<{first}>"));
    }
    if let Some(reply_to) = &reply_to {
        mail = mail.reply_to(Mailbox::new(settings.from_name.clone(), reply_to.clone()));
    }
    let envelope = Envelope::new(Some(return_path(&sender, reply_to)), settings.recipients()?).map_err(unusable)?;
    let parts = MultiPart::alternative().boundary(format!("consigne-{}", delivery.key));
    let parts = parts.singlepart(SinglePart::plain(page.text)).singlepart(SinglePart::html(page.html));
    let mail = mail.envelope(envelope).multipart(parts).map_err(unusable)?;
    let thread = format!("{}:{}", words.code, first.unwrap_or(&id));
    Ok(Written { mail, id, thread })
}

/// Bounces come back where replies do, with their token, unless that is another domain than the one mails come from: its
/// policies are not ours to lean on.
fn return_path(sender: &Address, reply_to: Option<Address>) -> Address {
    reply_to.filter(|reply_to| reply_to.domain().eq_ignore_ascii_case(sender.domain())).unwrap_or(sender.clone())
}

/// The same for all mails of an escalation, so that clients that sort by it find them together.
fn subject(words: &Phrases, delivery: &Delivery, is_later: bool) -> String {
    if matches!(delivery.notice, Notice::Test) {
        return words.test.to_owned();
    }
    let reference: String = delivery.reply_token.chars().take(6).collect();
    format!("{}{} [{reference}]", if is_later { "Re: " } else { "" }, words.needs_a_person)
}

fn raw(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

/// The same words twice.
#[derive(Default)]
struct Page {
    text: String,
    html: String,
}

impl Page {
    fn paragraph(&mut self, text: &str) {
        self.text.push_str(&format!("{}\r\n\r\n", lines(text).join("\r\n")));
        self.html.push_str(&format!("<p>{}</p>\r\n", marked_up(text)));
    }

    fn heading(&mut self, text: &str) {
        self.text.push_str(&format!("{text}\r\n\r\n"));
        self.html.push_str(&format!("<p><strong>{}</strong></p>\r\n", escaped(text)));
    }

    fn link(&mut self, label: &str, address: &str) {
        self.text.push_str(&format!("{label}: {address}\r\n\r\n"));
        self.html.push_str(&format!("<p><a href=\"{}\">{}</a></p>\r\n", escaped(address), escaped(label)));
    }

    fn said(&mut self, who: &str, text: &str) {
        self.text.push_str(&format!("{who}:\r\n"));
        for line in lines(text) {
            self.text.push_str(&format!("| {line}\r\n"));
        }
        self.text.push_str("\r\n");
        let style = "margin:0 0 1em;padding-left:1em;border-left:3px solid #999";
        let (who, text) = (escaped(who), marked_up(text));
        self.html.push_str(&format!("<div style=\"{style}\"><strong>{who}</strong><br>\r\n{text}</div>\r\n"));
    }

    fn line(&mut self, words: &Phrases, line: &Line) {
        match line.text.as_deref().filter(|text| !text.trim().is_empty()) {
            Some(text) => self.said(words.of_speaker(line), text),
            None => self.paragraph(words.wrote(line.speaker)),
        }
    }
}

fn page(words: &Phrases, delivery: &Delivery, is_two_way: bool) -> Page {
    let mut page = Page::default();
    match &delivery.notice {
        Notice::Opened(opened) => of_opened(&mut page, words, opened),
        Notice::Said(line) => page.line(words, line),
        Notice::Rectified(line) => {
            page.paragraph(&format!("{}:", words.rectified));
            page.line(words, line);
        }
        Notice::Changed { state, by } => {
            page.paragraph(&format!("{}: {}", words.state, words.of_state(*state, by.as_deref())));
        }
        Notice::Test => page.paragraph(words.test),
    }
    if is_two_way && !matches!(delivery.notice, Notice::Test) {
        page.paragraph(words.reply_reaches);
    }
    page.html = format!(
        "<!DOCTYPE html>\r\n<html lang=\"{}\"><head><meta charset=\"utf-8\"></head><body>\r\n{}</body></html>\r\n",
        words.code, page.html
    );
    page
}

fn of_opened(page: &mut Page, words: &Phrases, opened: &Opened) {
    page.heading(words.needs_a_person);
    let mut facts =
        format!("{}: {}\n{}: {}", words.assistant, opened.assistant, words.reason, words.of_reason(opened.reason));
    if let Some(language) = &opened.language {
        facts.push_str(&format!("\n{}: {language}", words.language));
    }
    page.paragraph(&facts);
    if let Some(link) =
        opened.link.as_deref().filter(|link| link.starts_with("https://") || link.starts_with("http://"))
    {
        page.link(words.open, link);
    }
    if opened.conversation.is_empty() {
        return;
    }
    page.heading(words.conversation);
    let mut room = MOST_CONVERSATION;
    let fits = opened.conversation.iter().rev().take_while(|line| {
        let length = line.text.as_ref().map_or(0, |text| text.chars().count());
        let fits = length <= room;
        room = room.saturating_sub(length);
        fits
    });
    let left_out = opened.conversation.len() - fits.count();
    if left_out > 0 {
        page.paragraph(words.left_out);
    }
    for line in &opened.conversation[left_out..] {
        page.line(words, line);
    }
}

/// Lines without what could end them early.
fn lines(text: &str) -> Vec<&str> {
    text.split(['\n', '\r'])
        .enumerate()
        .filter(|(at, line)| *at == 0 || !line.is_empty())
        .map(|(_, line)| line)
        .collect()
}

fn marked_up(text: &str) -> String {
    lines(text).into_iter().map(escaped).collect::<Vec<_>>().join("<br>\r\n")
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}
