//! What arrives at a real server, and what becomes of what does not.

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use consigne_sdk::{Delivery, EscalationState, Line, Notice, Once, PluginErrorKind, Speaker};
use mail_parser::{Message, MessageParser};
use rcgen::{KeyPair, PKCS_RSA_SHA256, PublicKeyData, RsaKeySize};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::{
    servers::{Arrived, Smtp, SmtpMode},
    world::{TOKEN, delivery, events, identity, open, opened, reply, reply_address, said, settings, with},
};

fn read(arrived: &[Arrived]) -> Vec<Message<'_>> {
    arrived.iter().map(|mail| MessageParser::default().parse(mail.raw.as_bytes()).expect("a mail")).collect()
}

#[tokio::test]
async fn an_escalation_is_one_thread_of_mails_that_can_be_answered() {
    let Some(server) = Smtp::start(SmtpMode::Plain, None).await.expect("it starts") else { return };
    let channel = open(with(settings(&server.url()), json!({ "username": null }))).await.expect("usable settings");
    assert!(channel.traits().two_way && channel.traits().once == Once::Never);
    let conversation = vec![
        said("Où est <b>ma</b> commande & \"mon\" reçu ?\n.\nFrom: Merci"),
        Line { speaker: Speaker::Assistant, ..said("Je ne sais pas. 📦") },
    ];
    let first = channel.deliver(delivery("d_1", None, opened(Some("fr"), conversation))).await.expect("it is sent");
    let thread = first.thread.clone().expect("a thread");
    let state = Notice::Changed { state: EscalationState::Taken, by: Some("Ada".to_owned()) };
    for (key, notice) in [("d_2", Notice::Said(said("Allô ?"))), ("d_3", state)] {
        let later = channel.deliver(delivery(key, Some(&thread), notice)).await.expect("it is sent");
        assert_eq!(later.thread.as_deref(), Some(thread.as_str()));
    }

    let arrived = server.arrived().expect("mails");
    assert_eq!(arrived.len(), 3);
    let mails = read(&arrived);
    let first_id = first.message.expect("an id");
    assert!(first_id.starts_with(&format!("d_1.{TOKEN}")) && first_id.ends_with(".consigne@example.com"), "{first_id}");
    assert_eq!(mails[0].message_id(), Some(first_id.as_str()));
    let references = |at: usize| [mails[at].in_reply_to().as_text(), mails[at].references().as_text()];
    assert_eq!((references(0), references(1)), ([None; 2], [Some(first_id.as_str()); 2]));
    let subjects: Vec<_> = mails.iter().filter_map(|mail| mail.subject()).collect();
    assert_eq!(subjects[0], "Un visiteur a besoin d'une personne [k7f2a9]");
    assert_eq!(subjects[1..], ["Re: Un visiteur a besoin d'une personne [k7f2a9]"; 2]);
    for (mail, arrived) in mails.iter().zip(&arrived) {
        assert_eq!(mail.header_raw("Auto-Submitted").map(str::trim), Some("auto-generated"));
        assert!(mail.date().is_some());
        assert_eq!(arrived.to, ["desk@example.com"]);
        let address = reply_address(&arrived.raw);
        assert!(address.starts_with(&format!("Replies+{TOKEN}")), "{address}");
        assert_eq!(arrived.from, address, "bounces come back with their token");
        assert!(arrived.raw.is_ascii() && arrived.raw.lines().all(|line| line.len() <= 998));
    }

    let (text, html) = (mails[0].body_text(0).expect("text"), mails[0].body_html(0).expect("HTML"));
    let text = text.replace("\r\n", "\n");
    assert!(text.contains("| Où est <b>ma</b> commande & \"mon\" reçu ?\n| .\n| From: Merci"), "{text}");
    assert!(
        text.contains("https://console.example/chats/chat_1?a=1&b=2") && text.contains("Je ne sais pas. 📦"),
        "{text}"
    );
    assert!(html.contains("Où est &lt;b&gt;ma&lt;/b&gt; commande &amp; &quot;mon&quot; reçu ?<br>"), "{html}");
    assert!(html.contains("href=\"https://console.example/chats/chat_1?a=1&amp;b=2\""), "{html}");
    assert_eq!(html.matches("http").count(), 1, "one link, and nothing that is fetched: {html}");
    assert!(!html.contains("<img") && !html.contains("<script"));
    assert!(mails[1].body_text(0).expect("text").contains("| Allô ?"));
    assert!(mails[2].body_text(0).expect("text").starts_with("État: avec une personne (par Ada)"));

    // Somebody answers, as a mail program does.
    let address = reply_address(&arrived[0].raw);
    let answer = format!(
        "From: Ada <ada@example.com>\r\nTo: {address}\r\nIn-Reply-To: <{first_id}>\r\nMessage-ID: <1@ada>\r\n\r\nBonjour !\r\n"
    );
    let events = events(&*channel, answer).await;
    assert_eq!((reply(&events), events[0].by.as_deref()), (("Bonjour !".to_owned(), 0), Some("ada@example.com")));
}

#[tokio::test]
async fn starttls_and_tls_are_used_and_trusted_by_the_authority_of_the_settings_alone() {
    let (authority, (certificate, key)) = identity();
    let (stranger, _) = identity();
    for mode in [SmtpMode::StartTls, SmtpMode::Tls] {
        let server = Smtp::start(mode, Some((&certificate, &key))).await.expect("it starts");
        let Some(server) = server else { return };
        let settings = |authorities: &str| with(settings(&server.url()), json!({ "authorities": authorities }));
        let channel = open(settings(&authority)).await.expect("usable settings");
        assert_eq!(channel.check().await.expect("it signs in"), "localhost: signed in.");
        assert_eq!(server.arrived().expect("mails").len(), 0, "a check tells nobody");
        channel.deliver(delivery("d_1", None, Notice::Test)).await.expect("it is sent");
        let arrived = server.arrived().expect("mails");
        assert!(arrived.len() == 1 && arrived[0].is_encrypted, "{mode:?}");

        let stranger = open(settings(&stranger)).await.expect("usable settings");
        assert_eq!(stranger.check().await.expect_err("another authority").kind, PluginErrorKind::Unavailable);
        let wrong = with(settings(&authority), json!({ "password": "hunter2" }));
        let wrong = open(wrong).await.expect("usable settings").check().await.expect_err("another password");
        assert_eq!(wrong.kind, PluginErrorKind::Misconfigured, "{}", wrong.message);
        assert!(!wrong.message.contains("hunter2"));
        let nobody = open(with(settings(&authority), json!({ "username": null }))).await.expect("usable settings");
        let refused = nobody.deliver(delivery("d_1", None, Notice::Test)).await.expect_err("nobody signed in");
        assert_eq!(refused.kind, PluginErrorKind::Misconfigured, "{}", refused.message);
        assert_eq!(server.arrived().expect("mails").len(), 1);
    }
}

#[tokio::test]
async fn a_server_without_a_modern_tls_is_not_spoken_to() {
    let (authority, (certificate, key)) = identity();
    let server = Smtp::start(SmtpMode::OldTls, Some((&certificate, &key))).await.expect("it starts");
    let Some(server) = server else { return };
    let channel =
        open(with(settings(&server.url()), json!({ "authorities": authority }))).await.expect("usable settings");
    assert_eq!(channel.check().await.expect_err("TLS 1.2").kind, PluginErrorKind::Unavailable);
}

#[tokio::test]
async fn what_is_said_before_the_handshake_breaks_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let served = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.expect("a connection");
        socket.write_all(b"220 mail\r\n").await.expect("it writes");
        let mut heard = [0; 512];
        let length = socket.read(&mut heard).await.expect("it reads");
        assert!(heard[..length].starts_with(b"EHLO example.com\r\n"));
        socket.write_all(b"250-mail\r\n250 STARTTLS\r\n").await.expect("it writes");
        let length = socket.read(&mut heard).await.expect("it reads");
        assert_eq!(&heard[..length], b"STARTTLS\r\n");
        socket.write_all(b"220 go\r\n250 somebody else says this\r\n").await.expect("it writes");
        let mut after = Vec::new();
        drop(socket.read_to_end(&mut after).await);
        after
    });
    let channel = open(settings(&format!("smtp://localhost:{port}"))).await.expect("usable settings");
    assert_eq!(channel.check().await.expect_err("no handshake").kind, PluginErrorKind::Unavailable);
    let after = served.await.expect("it served");
    assert!(!after.windows(4).any(|window| window == b"AUTH" || window == b"MAIL"));
}

#[tokio::test]
async fn a_failure_says_what_may_help() {
    let Some(mut server) = Smtp::start(SmtpMode::Plain, None).await.expect("it starts") else { return };
    let url = server.url();
    let to = |address: &str| with(settings(&url), json!({ "username": null, "to": [address] }));
    for (address, expected) in
        [("nobody@example.com", PluginErrorKind::Refused), ("later@example.com", PluginErrorKind::Unavailable)]
    {
        let channel = open(to(address)).await.expect("usable settings");
        let failed = channel.deliver(delivery("d_1", None, opened(None, vec![said("secret")]))).await;
        let failed = failed.expect_err("a failure");
        assert_eq!(failed.kind, expected);
        assert!(!failed.message.contains("secret") && !failed.message.contains("nobody"), "{}", failed.message);
    }
    server.stop().await.expect("it stops");
    let channel = open(to("desk@example.com")).await.expect("usable settings");
    let failed = channel.deliver(delivery("d_1", None, Notice::Test)).await.expect_err("nobody is there");
    assert_eq!(failed.kind, PluginErrorKind::Unavailable);
}

#[tokio::test]
async fn a_mail_whose_acceptance_was_lost_comes_again_under_the_same_id() {
    let Some(server) = Smtp::start(SmtpMode::Plain, None).await.expect("it starts") else { return };
    let channel = open(with(settings(&server.url()), json!({ "username": null }))).await.expect("usable settings");
    server.hang_up_after_the_next().expect("it is told");
    let line = delivery("d_1", None, opened(None, Vec::new()));
    let lost = channel.deliver(line.clone()).await.expect_err("nobody said that it was taken");
    assert_eq!(lost.kind, PluginErrorKind::Unavailable);
    let now = line.now + 60_000;
    channel.deliver(Delivery { attempt: 2, may_have_been_sent: true, now, ..line }).await.expect("it is sent");
    let arrived = server.arrived().expect("mails");
    assert_eq!(arrived.len(), 2);
    assert_eq!(arrived[0].raw, arrived[1].raw, "byte by byte the same");
}

#[tokio::test]
async fn a_server_that_is_busy_or_never_answers_is_asked_again() {
    let Some(server) = Smtp::start(SmtpMode::Plain, None).await.expect("it starts") else { return };
    let channel = open(with(settings(&server.url()), json!({ "username": null }))).await.expect("usable settings");
    let line = delivery("d_1", None, opened(None, Vec::new()));
    server.be_busy(true).expect("it is told");
    let busy = channel.deliver(line.clone()).await.expect_err("it takes nothing now");
    assert_eq!((busy.kind, server.arrived().expect("mails").len()), (PluginErrorKind::Unavailable, 0));
    server.be_busy(false).expect("it is told");
    server.hold_the_next(true).expect("it is told");
    let dies = tokio::time::timeout(std::time::Duration::from_secs(2), channel.deliver(line.clone()));
    dies.await.expect_err("the answer is held back");
    assert_eq!((server.held().expect("mails"), server.arrived().expect("mails").len()), (1, 1));
    channel.deliver(Delivery { attempt: 2, may_have_been_sent: true, ..line }).await.expect("it is sent");
    assert_eq!((server.held().expect("mails"), server.arrived().expect("mails").len()), (1, 2));
}

#[tokio::test]
async fn a_mail_is_signed_for_the_domain_that_it_comes_from() {
    let Some(server) = Smtp::start(SmtpMode::Plain, None).await.expect("it starts") else { return };
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).expect("a key");
    let dkim = json!({ "selector": "mail", "privateKey": key.serialize_pem() });
    let signing = with(settings(&server.url()), json!({ "username": null, "dkim": dkim }));
    let channel = open(signing).await.expect("usable settings");
    let conversation = vec![said("Two  spaces,\ttabs \n\n\n.\nand 📦"), said(&"a long line ".repeat(100))];
    channel.deliver(delivery("d_1", None, opened(None, conversation))).await.expect("it is sent");
    let arrived = server.arrived().expect("mails").remove(0);
    let record = format!("v=DKIM1; k=rsa; p={}", BASE64.encode(key.subject_public_key_info()));
    let (name, other) = ("mail._domainkey.example.com", "mail._domainkey.example.org");
    assert!(arrived.verifies(name, &record).expect("it is looked at"), "{}", arrived.raw);
    assert!(!arrived.verifies(other, &record).expect("it is looked at"));
    let altered = Arrived { raw: arrived.raw.replace("Subject: A", "Subject: B"), ..arrived };
    assert!(!altered.verifies(name, &record).expect("it is looked at"));
}

#[tokio::test]
async fn an_alert_cannot_be_answered_and_a_link_only_holds_no_word_of_the_visitor() {
    let Some(server) = Smtp::start(SmtpMode::Plain, None).await.expect("it starts") else { return };
    let alert = json!({ "username": null, "mode": "alert", "replyTo": null, "replySecret": null, "language": "de" });
    let channel = open(with(settings(&server.url()), alert)).await.expect("usable settings");
    assert!(!channel.traits().two_way);
    channel.deliver(delivery("d_1", None, opened(Some("fr"), Vec::new()))).await.expect("it is sent");
    channel.deliver(delivery("d_2", None, Notice::Said(Line { text: None, ..said("") }))).await.expect("it is sent");
    let arrived = server.arrived().expect("mails");
    assert!(arrived.iter().all(|mail| !mail.raw.contains("Reply-To:") && mail.from == "support@example.com"));
    let mails = read(&arrived);
    let text = mails[0].body_text(0).expect("text");
    assert!(text.starts_with("Ein Besucher braucht einen Menschen") && !text.contains("Gespräch"), "{text}");
    assert_eq!(mails[1].body_text(0).expect("text").trim(), "Der Besucher hat geschrieben.");
}
