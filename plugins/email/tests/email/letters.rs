//! What people write about their data, in a mailbox of a real server.

use std::{
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use consigne_plugin_email::Email;
use consigne_sdk::{Capability, CapabilityKind, Egress, Mailbox, Plugin, PluginErrorKind, Result};
use serde_json::{Value, json};

use crate::{
    servers::{Imap, NAME, PASSWORD},
    world::{settings, with},
};

async fn open(settings: Value) -> Result<Arc<dyn Mailbox>> {
    let plugin = Email::new();
    let schema = jsonschema::validator_for(&plugin.manifest().settings_schema).expect("a schema");
    assert!(schema.is_valid(&settings), "{settings}");
    let egress = Egress::new(plugin.manifest(), &settings)?;
    match plugin.open(CapabilityKind::Mailbox, settings, egress).await? {
        Capability::Mailbox(mailbox) => Ok(mailbox),
        _ => panic!("the plugin opens as what its manifest says"),
    }
}

fn mail(number: usize, head: &str) -> Vec<u8> {
    format!("From: ana@people.example\r\nMessage-ID: <{number}@ana>\r\nSubject: Mine\r\n{head}\r\nHello {number}\r\n")
        .into_bytes()
}

#[tokio::test]
async fn letters_come_once_with_the_servers_receipt_and_machines_write_none() {
    let Some(mut imap) = Imap::start(None).await.expect("it starts") else { return };
    let usual = with(
        settings("smtp://localhost:2525"),
        json!({ "mode": "alert", "imapUrl": imap.url(), "imapUsername": NAME, "imapPassword": PASSWORD, "privacyMailbox": {} }),
    );
    let mailbox = open(usual.clone()).await.expect("usable settings");
    let received = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    imap.put_received(&mail(1, ""), received).expect("it is put");
    imap.put(&mail(2, "Auto-Submitted: auto-replied\r\n")).expect("it is put");
    let first = mailbox.fetch(None).await.expect("it fetches");
    let [letter] = first.letters.as_slice() else { panic!("{} letters", first.letters.len()) };
    assert_eq!((letter.from.as_deref(), letter.subject.as_str()), (Some("ana@people.example"), "Mine"));
    assert_eq!((letter.text.as_str(), letter.received_at), ("Hello 1", 1_700_000_000_000));
    assert_eq!(imap.seen().expect("a mailbox"), (2, 1), "nothing is taken away");

    // Of one that is too large it is known that it came.
    let mut large = mail(3, "");
    large.resize(11 * 1024 * 1024, b'x');
    imap.put(&large).expect("it is put");
    let second = mailbox.fetch(first.cursor.clone()).await.expect("it fetches");
    assert_eq!(second.letters.iter().map(|letter| letter.text.as_str()).collect::<Vec<_>>(), [""]);
    assert!(mailbox.fetch(second.cursor).await.expect("it fetches").letters.is_empty());
    let again = mailbox.fetch(None).await.expect("it fetches");
    assert_eq!(again.letters[0].id, letter.id, "it is known by its id");

    let wrong = with(usual.clone(), json!({ "imapPassword": "hunter2" }));
    let wrong = open(wrong).await.expect("usable settings").fetch(None).await.err().expect("another password");
    assert_eq!(wrong.kind, PluginErrorKind::Misconfigured, "{}", wrong.message);
    for useless in [
        json!({ "imapUrl": null }),
        json!({ "mode": "two_way" }),
        json!({ "privacyMailbox": { "folder": "a\r\nb" } }),
        json!({ "privacyMailbox": { "username": "privacy@example.com" } }),
    ] {
        let refused = open(with(usual.clone(), useless)).await.err().expect("settings that cannot work");
        assert_eq!(refused.kind, PluginErrorKind::Misconfigured, "{}", refused.message);
    }
    let none = open(with(usual, json!({ "privacyMailbox": null }))).await.expect("usable settings");
    assert!(none.fetch(None).await.expect("it asks nobody").letters.is_empty());
}
