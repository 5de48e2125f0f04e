//! The replies of mail programs in the collection: what is left is what the person wrote.

use std::path::Path;

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};

use crate::world::{collection, events, open, reply, reply_address, settings, with};
use crate::{
    servers::{Smtp, SmtpMode},
    world::{delivery, opened},
};

/// An address that an escalation's mails are answered to.
async fn address() -> Option<String> {
    let server = Smtp::start(SmtpMode::Plain, None).await.expect("it starts")?;
    let without = with(settings(&server.url()), serde_json::json!({ "username": null }));
    let channel = open(without).await.expect("usable settings");
    channel.deliver(delivery("d_1", None, opened(None, Vec::new()))).await.expect("it is sent");
    Some(reply_address(&server.arrived().expect("mails")[0].raw))
}

fn files(folder: &Path, ending: &str) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("a folder")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|found| found == ending))
        .map(|path| {
            (path.file_name().expect("a name").to_string_lossy().into_owned(), std::fs::read(&path).expect("a file"))
        })
        .collect();
    files.sort();
    files
}

#[tokio::test]
async fn the_replies_of_twelve_mail_programs_come_out_exactly() {
    let Some(folder) = collection("parsers/email_talon/standard_replies") else { return };
    let Some(address) = address().await else { return };
    let channel = open(settings("smtps://mail.example")).await.expect("usable settings");
    let mails = files(&folder, "eml");
    let mut wrong = Vec::new();
    for (name, raw) in &mails {
        // What a server adds when it delivers: the address that the person answered to.
        let delivered = [format!("Delivered-To: {address}\r\n").as_bytes(), raw].concat();
        let found = events(&*channel, delivered).await;
        let (text, files) = reply(&found);
        if (text.as_str(), files) != ("Hello", 0) {
            wrong.push(format!("{name}: {text:?} and {files} files"));
        }
    }
    println!("{} of {} exactly", mails.len() - wrong.len(), mails.len());
    assert!(mails.len() >= 12 && wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn the_replies_that_are_html_alone_come_out_exactly() {
    let Some(folder) = collection("parsers/email_talon/html_replies") else { return };
    let Some(address) = address().await else { return };
    let channel = open(settings("smtps://mail.example")).await.expect("usable settings");
    let pages = files(&folder, "html");
    let mut wrong = Vec::new();
    for (name, html) in &pages {
        let charset = if name.contains("2010") { "iso-2022-jp" } else { "utf-8" };
        let mail = format!(
            "From: Alex <alex@example.com>\r\nTo: {address}\r\nMIME-Version: 1.0\r\nContent-Type: text/html; \
             charset={charset}\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n",
            BASE64.encode(html)
        );
        let found = events(&*channel, mail).await;
        let (text, _) = reply(&found);
        // How a program spaces its paragraphs is its own business.
        let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
        if lines != ["Hi. I am fine.", "Thanks,", "Alex"] {
            wrong.push(format!("{name}: {text:?}"));
        }
    }
    println!("{} of {} exactly", pages.len() - wrong.len(), pages.len());
    assert!(!pages.is_empty() && wrong.is_empty(), "{wrong:#?}");
}
