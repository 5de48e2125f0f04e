//! What the other side sends: requests as Slack, a mail server and a receiver of webhooks sign them, and mails as two
//! programs write them.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use consigne_tests::{app::TestApp, standins::slack::Sent};
use hmac::{Hmac, KeyInit, Mac};
use reqwest::Method;
use serde_json::Value;
use sha2::Sha256;

/// Signed now, as Standard Webhooks has it.
#[expect(clippy::disallowed_methods, reason = "somebody else's server has a clock of its own")]
pub fn signed(secret: &str, id: &str, media_type: &str, body: Vec<u8>) -> Result<Sent> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs().to_string();
    let key = BASE64.decode(secret.trim_start_matches("whsec_"))?;
    let mut hmac = Hmac::<Sha256>::new_from_slice(&key)?;
    hmac.update(format!("{id}.{now}.").as_bytes());
    hmac.update(&body);
    let signature = format!("v1,{}", BASE64.encode(hmac.finalize().into_bytes()));
    let headers = [
        ("content-type", media_type),
        ("webhook-id", id),
        ("webhook-timestamp", now.as_str()),
        ("webhook-signature", signature.as_str()),
    ];
    Ok(Sent { headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(), body })
}

/// The same, of a JSON value.
pub fn signed_json(secret: &str, id: &str, body: &Value) -> Result<Sent> {
    signed(secret, id, "application/json", body.to_string().into_bytes())
}

/// Sends it; answers the status.
pub async fn post(app: &TestApp, url: &str, sent: &Sent) -> Result<u16> {
    let mut request = app.public().request(Method::POST, url).body(sent.body.clone());
    for (name, value) in &sent.headers {
        request = request.header(name, value);
    }
    Ok(request.send().await?.status().as_u16())
}

/// A reply as a web mailer writes it: plain text and HTML, the mail that it answers below.
pub fn by_web_mailer(to: &str, answered: &str, text: &str) -> Vec<u8> {
    let quoted = "On Mon, 23 Nov 2026 at 09:12, Acme <support@example.com> wrote:";
    format!(
        "Return-Path: <bob@example.com>\r\nFrom: Bob Agent <bob@example.com>\r\nTo: Acme <{to}>\r\n\
         Subject: Re: A visitor needs a person\r\nMIME-Version: 1.0\r\nMessage-ID: <web-1@mail.example.com>\r\n\
         In-Reply-To: {answered}\r\nReferences: {answered}\r\nDate: Mon, 23 Nov 2026 09:20:00 +0100\r\n\
         Content-Type: multipart/alternative; boundary=\"parts\"\r\n\r\n\
         --parts\r\nContent-Type: text/plain; charset=\"UTF-8\"\r\n\r\n\
         {text}\r\n\r\n{quoted}\r\n\r\n> A visitor needs a person\r\n>\r\n> Who won the chess world championship?\r\n\r\n\
         --parts\r\nContent-Type: text/html; charset=\"UTF-8\"\r\n\r\n\
         <div dir=\"ltr\">{text}</div><br><div class=\"gmail_quote\"><div class=\"gmail_attr\">{quoted}<br></div>\
         <blockquote class=\"gmail_quote\">A visitor needs a person</blockquote></div>\r\n--parts--\r\n"
    )
    .into_bytes()
}

/// A reply as a program on a desk writes it: plain text, a German quotation, a signature.
pub fn by_desk_program(to: &str, answered: &str, text: &str) -> Vec<u8> {
    format!(
        "From: Bob <bob@example.com>\r\nTo: {to}\r\nSubject: Re: A visitor needs a person\r\n\
         Message-ID: <desk-1@mail.example.com>\r\nIn-Reply-To: {answered}\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8; format=flowed\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
         Am 23.11.26 um 09:12 schrieb Acme:\r\n> A visitor needs a person\r\n>\r\n> {QUESTION}\r\n\r\n\
         {text}\r\n\r\n-- \r\nBob Agent\r\nAcme, Brussels\r\n",
        QUESTION = super::QUESTION,
    )
    .into_bytes()
}
