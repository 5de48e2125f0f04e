//! People write to a mailbox: each of their mails becomes one request, whose clock runs from the server's receipt. The mailbox is one of
//! a real server (dovecot), where the machine has it.

use std::time::{Duration, UNIX_EPOCH};

use anyhow::Result;
use consigne_tests::{
    app::days,
    canary::Canary,
    standins::mail::{Imap, NAME, PASSWORD},
};
use serde_json::json;

use super::{OFFICER, Office, PERSON};

fn mail(head: &str, text: &str) -> Vec<u8> {
    format!("From: Ana <{PERSON}>\r\nTo: privacy@acme.example\r\n{head}\r\n\r\n{text}\r\n").into_bytes()
}

impl Office {
    async fn reads_mail(&self, imap: &Imap, password: &str) -> Result<()> {
        let settings = json!({
            "smtpUrl": "smtp://localhost:2525", "from": "support@acme.example", "to": ["desk@acme.example"], "mode": "alert",
            "imapUrl": imap.url(), "imapUsername": NAME, "imapPassword": password, "privacyMailbox": {"folder": "INBOX"},
        });
        let input = json!({"pluginId": "email", "settings": settings});
        self.acme.graphql("enable_plugin", json!({"input": input})).await?.ok().get("/enablePlugin/plugin");
        Ok(())
    }

    async fn looks(&self) -> Result<()> {
        self.app.run_duties().await?;
        self.app.run_jobs().await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_mail_that_a_person_wrote_becomes_one_request() -> Result<()> {
    let Some(mut imap) = Imap::start(None).await? else { return Ok(()) };
    let (office, canary) = (Office::open().await?, Canary::new());
    office.reads_mail(&imap, PASSWORD).await?;
    // Whatever the mail says of its date, it counts from the server's receipt.
    let received = office.app.clock.now().minus(days(2));
    let at = UNIX_EPOCH + Duration::from_millis(received.0.unsigned_abs());
    let head = "Subject: Erase my account\r\nMessage-ID: <1@ana>\r\nDate: Thu, 1 Jan 2099 00:00:00 +0000";
    imap.put_received(&mail(head, &format!("I am {canary}. Please erase me.")), at)?;
    office.looks().await?;
    let request = office.newest().await?;
    assert_eq!((&request["source"], &request["kind"]), (&json!("MAIL"), &json!("OTHER")), "{request}");
    assert_eq!((&request["contact"], &request["receivedAt"]), (&json!(PERSON), &json!(received.rfc3339())));
    let message = request["message"].as_str().unwrap_or_default();
    assert!(message.starts_with("Erase my account\n\n") && message.contains(&canary.to_string()), "{message}");
    assert!(office.postbox.to(OFFICER).iter().any(|letter| letter.subject.contains("OTHER")), "the officer is told");
    assert_eq!(office.code().len(), 8, "a code goes to whoever wrote");
    assert_eq!(request["forwardDueAt"], office.app.clock.now().rfc3339(), "it lay in the mailbox for two days");
    office.app.assert_absent(&canary).await?;

    // Machines ask for nothing, and no mail asks twice: not when it comes again, nor when it is not known how far was read.
    for head in [
        "Subject: Away\r\nAuto-Submitted: auto-replied\r\nMessage-ID: <2@ana>",
        "Subject: News\r\nPrecedence: bulk\r\nMessage-ID: <3@ana>",
        "Subject: Failed\r\nMessage-ID: <4@ana>\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b",
        head,
    ] {
        imap.put_received(
            &mail(head, "--b\r\nContent-Type: message/delivery-status\r\n\r\nAction: failed\r\n--b--"),
            at,
        )?;
    }
    office.looks().await?;
    office.app.tamper("UPDATE privacy_mailboxes SET cursor = NULL").await?;
    office.looks().await?;
    let all = office.acme.graphql("privacy_requests", json!({"onlyOpen": false, "first": 10})).await?.ok();
    assert_eq!(all.number("/privacyRequests/totalCount"), 1, "{}", all.body);
    office.app.advance(Duration::from_secs(1));
    imap.put_received(&mail("Subject: And my sister's\r\nMessage-ID: <5@ana>", "Hers, too."), at)?;
    office.looks().await?;
    assert_ne!(office.newest().await?["id"], request["id"]);
    assert_eq!(imap.seen()?, (6, 3), "nothing is taken away, and what a person wrote is marked");
    let shown = office.acme.graphql("privacy_settings", json!({})).await?.ok();
    let mailbox = shown.get("/privacySettings/mailboxes/0");
    assert_eq!((&mailbox["pluginId"], &mailbox["lastError"]), (&json!("email"), &json!(null)), "{mailbox}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_that_cannot_be_read_is_shown_and_a_sender_gets_few_codes() -> Result<()> {
    let Some(mut imap) = Imap::start(None).await? else { return Ok(()) };
    let office = Office::open().await?;
    office.reads_mail(&imap, "hunter2").await?;
    office.looks().await?;
    let shown = office.acme.graphql("privacy_settings", json!({})).await?.ok();
    assert_eq!(shown.text("/privacySettings/mailboxes/0/lastError"), "MISCONFIGURED");
    office.reads_mail(&imap, PASSWORD).await?;
    for number in 0..5 {
        imap.put(&mail(&format!("Subject: Mine\r\nMessage-ID: <{number}@ana>"), "Please."))?;
    }
    office.looks().await?;
    let all = office.acme.graphql("privacy_requests", json!({"first": 10})).await?.ok();
    assert_eq!(all.number("/privacyRequests/totalCount"), 5, "every mail counts");
    let codes = office.postbox.to(PERSON).iter().filter(|letter| letter.code().is_some()).count();
    assert_eq!(codes, 3, "nobody's mailbox is filled");

    // A folder of replies is none of requests.
    let settings = json!({
        "smtpUrl": "smtp://localhost:2525", "from": "support@acme.example", "to": ["desk@acme.example"],
        "replyTo": "replies@acme.example", "replySecret": "a secret of at least 24 characters", "imapUrl": imap.url(),
        "imapUsername": NAME, "imapPassword": PASSWORD, "privacyMailbox": {},
    });
    let input = json!({"pluginId": "email", "settings": settings});
    office.acme.graphql("enable_plugin", json!({"input": input})).await?.ok();
    office.looks().await?;
    let shown = office.acme.graphql("privacy_settings", json!({})).await?.ok();
    assert_eq!(shown.text("/privacySettings/mailboxes/0/lastError"), "MISCONFIGURED");
    Ok(())
}
