//! What comes back by a signed request, and what is not taken for an answer.

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use consigne_sdk::{Action, Channel, Inbound, InboundRequest, PluginErrorKind, ReplyTo};
use serde_json::json;

use crate::{
    servers::{Smtp, SmtpMode},
    world::{TOKEN, delivery, events, handed_over, open, opened, reply, reply_address, settings, with},
};

/// What an escalation's first mail said of itself: its id, and where replies go.
async fn first_mail() -> Option<(String, String)> {
    let server = Smtp::start(SmtpMode::Plain, None).await.expect("it starts")?;
    let channel = open(with(settings(&server.url()), json!({ "username": null }))).await.expect("usable settings");
    let receipt = channel.deliver(delivery("d_1", None, opened(None, Vec::new()))).await.expect("it is sent");
    Some((receipt.message.expect("an id"), reply_address(&server.arrived().expect("mails")[0].raw)))
}

async fn channel() -> std::sync::Arc<dyn Channel> {
    open(settings("smtps://mail.example")).await.expect("usable settings")
}

fn mail(to: &str, more: &str, text: &str) -> String {
    format!("From: Ada <ada@example.com>\r\nTo: {to}\r\nMessage-ID: <1@ada.example>\r\n{more}\r\n{text}\r\n")
}

#[tokio::test]
async fn a_mail_is_known_by_its_address_or_by_what_it_answers_to() {
    let (Some((id, address)), channel) = (first_mail().await, channel().await) else { return };
    for mail in [
        mail(&address, "", "Hello"),
        mail(&address.to_uppercase(), "", "Hello"),
        mail("desk@example.com", &format!("Delivered-To: {address}\r\n"), "Hello"),
        mail("desk@example.com", &format!("Cc: Bob <bob@example.com>,\r\n\t<{address}>\r\n"), "Hello"),
        mail("support@example.com", &format!("In-Reply-To: <{id}>\r\n"), "Hello"),
        mail("support@example.com", &format!("References: <other@x>\r\n <{id}>\r\n"), "Hello"),
    ] {
        let events = events(&*channel, mail.clone()).await;
        assert_eq!(
            (reply(&events), events[0].by.as_deref()),
            (("Hello".to_owned(), 0), Some("ada@example.com")),
            "{mail}"
        );
    }
}

#[tokio::test]
async fn a_guessed_address_is_nobodys() {
    let (Some((id, address)), channel) = (first_mail().await, channel().await) else { return };
    for (to, more) in [
        ("replies@example.com".to_owned(), String::new()),
        (format!("replies+{TOKEN}@example.com"), String::new()),
        (format!("replies+{TOKEN}aaaaaaaaaa@example.com"), String::new()),
        (address.replace(TOKEN, "k7f2a9c0d5"), String::new()),
        ("support@example.com".to_owned(), format!("In-Reply-To: <{}>\r\n", id.replace(TOKEN, "k7f2a9c0d5"))),
    ] {
        assert!(events(&*channel, mail(&to, &more, "Hello")).await.is_empty(), "{to} {more}");
    }
    let other = with(settings("smtps://mail.example"), json!({ "replySecret": "another secret of 24 characters" }));
    let other = open(other).await.expect("usable settings");
    assert!(events(&*other, mail(&address, "", "Hello")).await.is_empty());
}

#[tokio::test]
async fn the_same_mail_has_the_same_id_whichever_way_it_comes_and_nothing_of_its_sender() {
    let (Some((_, address)), channel) = (first_mail().await, channel().await) else { return };
    let plain = mail(&address, "", "Hello");
    let again = format!("Received: from a by b\r\n{plain}");
    let wrapped = json!({ "raw": BASE64.encode(&plain) }).to_string();
    let wrapped = channel.receive(handed_over("application/json; charset=utf-8", wrapped)).await.expect("it verifies");
    let ids = [&events(&*channel, plain).await[0].id, &events(&*channel, again).await[0].id, &wrapped.events[0].id]
        .map(String::clone);
    assert!(ids.iter().all(|id| *id == ids[0] && !id.contains("ada") && id.len() <= 200), "{ids:?}");
    let other = mail(&address, "", "Hello").replace("<1@ada.example>", "<2@ada.example>");
    assert_ne!(events(&*channel, other).await[0].id, ids[0]);
}

#[tokio::test]
async fn what_a_machine_wrote_is_no_answer() {
    let (Some((id, address)), channel) = (first_mail().await, channel().await) else { return };
    for more in [
        "Auto-Submitted: auto-replied\r\n",
        "Auto-Submitted: auto-generated; owner=x\r\n",
        "Precedence: bulk\r\n",
        "Precedence: auto_reply\r\n",
        "X-Autoreply: yes\r\n",
        "X-Auto-Response-Suppress: All\r\n",
        "Return-Path: <>\r\n",
    ] {
        assert!(events(&*channel, mail(&address, more, "I am on holiday.")).await.is_empty(), "{more}");
    }
    let own = mail(&address, "", "Hello").replace("<1@ada.example>", &format!("<{id}>"));
    assert!(events(&*channel, own).await.is_empty(), "a mail of ours that came back");
    let own = mail(&address, "", "Hello").replace("ada@example.com", "Support@example.com");
    assert!(events(&*channel, own).await.is_empty(), "a mail of our address");
    assert_eq!(
        events(&*channel, mail(&address, "Auto-Submitted: no\r\nReturn-Path: <a@b>\r\n", "Hello")).await.len(),
        1
    );
}

#[tokio::test]
async fn files_are_counted_and_charsets_and_encodings_read() {
    let (Some((_, address)), channel) = (first_mail().await, channel().await) else { return };
    let parts = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n";
    let body = "--b\r\nContent-Type: text/plain; charset=iso-8859-15\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
                Gr=FC=DFe, 5 =A4\r\n--b\r\nContent-Type: application/pdf; name=a.pdf\r\nContent-Disposition: attachment; \
                filename=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nJVBERg==\r\n--b\r\nContent-Type: image/png\r\n\
                Content-Disposition: inline\r\nContent-ID: <logo>\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORw==\r\n--b\r\n\
                Content-Type: text/csv\r\nContent-Disposition: attachment; filename=b.csv\r\n\r\na,b\r\n--b--\r\n";
    let found = events(&*channel, mail(&address, parts, body)).await;
    assert_eq!(reply(&found), ("Grüße, 5 €".to_owned(), 2));
    let flowed = "Content-Type: text/plain; charset=utf-8; format=flowed\r\n";
    let body = "A long line that \r\nwas broken.\r\n\r\n> quoted \r\n> too\r\nBelow.\r\n-- \r\nAda";
    let found = events(&*channel, mail(&address, flowed, body)).await;
    assert_eq!(reply(&found).0, "A long line that was broken.\n\nBelow.");
    assert!(events(&*channel, mail(&address, "", "> only a quotation")).await.is_empty());
}

fn report(to: &str, action: &str, status: &str, returned: &str) -> String {
    format!(
        "From: MAILER-DAEMON@mx.example\r\nTo: {to}\r\nReturn-Path: <>\r\nAuto-Submitted: auto-replied\r\n\
         Message-ID: <bounce-1@mx.example>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/report; \
         report-type=delivery-status; boundary=r\r\n\r\n--r\r\nContent-Type: text/plain\r\n\r\nIt did not arrive.\r\n--r\r\n\
         Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\nFinal-Recipient: rfc822; \
         desk@example.com\r\nAction: {action}\r\nStatus: {status}\r\n\r\n--r\r\nContent-Type: {returned}\r\n--r--\r\n"
    )
}

#[tokio::test]
async fn a_report_that_a_mail_did_not_arrive_finds_its_escalation() {
    let (Some((id, address)), channel) = (first_mail().await, channel().await) else { return };
    let whole =
        format!("message/rfc822\r\n\r\nFrom: support@example.com\r\nMessage-ID: <{id}>\r\nSubject: x\r\n\r\nHello\r\n");
    let head = format!("text/rfc822-headers\r\n\r\nFrom: support@example.com\r\nMessage-ID:\r\n <{id}>\r\n");
    let nothing = "text/plain\r\n\r\nnothing\r\n".to_owned();
    for (to, action, status, returned, expected) in [
        ("support@example.com", "failed", "5.1.1", &whole, Some(true)),
        ("support@example.com", "failed", "5.1.1", &head, Some(true)),
        (address.as_str(), "Failed", "5.2.2", &nothing, Some(true)),
        ("support@example.com", "failed", "4.4.7", &whole, Some(false)),
        ("support@example.com", "delayed", "4.4.7", &whole, None),
        ("support@example.com", "relayed", "2.0.0", &whole, None),
        ("support@example.com", "failed", "5.1.1", &nothing, None),
    ] {
        let events = events(&*channel, report(to, action, status, returned)).await;
        let found = events.first().map(|event| match event {
            Inbound { of: ReplyTo::Token(token), by: None, what: Action::Bounced { for_good }, .. }
                if token == TOKEN =>
            {
                *for_good
            }
            _ => panic!("a report alone"),
        });
        assert_eq!(found, expected, "{action} {status} to {to}");
    }
}

#[tokio::test]
async fn what_is_stale_altered_unsigned_or_not_understood_is_refused() {
    let (Some((_, address)), channel) = (first_mail().await, channel().await) else { return };
    let good = handed_over("message/rfc822", mail(&address, "", "Hello"));
    let kind = async |request: InboundRequest| channel.receive(request).await.err().map(|error| error.kind);
    let refused = Some(PluginErrorKind::Refused);
    assert_eq!(kind(good.clone()).await, None);
    for age in [301_000, -302_000] {
        assert_eq!(kind(InboundRequest { at: good.at + age, ..good.clone() }).await, refused);
    }
    let other = mail(&address, "", "Goodbye");
    assert_eq!(kind(InboundRequest { body: other.into(), ..good.clone() }).await, refused);
    for place in 1..4 {
        let mut request = good.clone();
        request.headers.remove(place);
        assert_eq!(kind(request).await, refused);
    }
    for (media_type, body) in [("text/plain", "x"), ("application/json", "{}"), ("application/json", "{\"raw\":\"%\"}")]
    {
        assert_eq!(kind(handed_over(media_type, body)).await, refused, "{media_type} {body}");
    }
    let without = with(settings("smtps://mail.example"), json!({ "inboundSecrets": null }));
    let without = open(without).await.expect("usable settings");
    assert_eq!(without.receive(good).await.err().map(|error| error.kind), Some(PluginErrorKind::Misconfigured));
}

#[tokio::test]
async fn nothing_that_somebody_sends_makes_it_panic() {
    let (Some((id, address)), channel) = (first_mail().await, channel().await) else { return };
    let deep = format!("{}Hello{}", "<div><blockquote>".repeat(20_000), "</blockquote></div>".repeat(20_000));
    for body in [String::new(), ">".repeat(100_000), "é\u{2028}\u{0}:\r\r\r>".repeat(3_000), format!("<{id}"), deep] {
        for kind in [
            "text/plain; charset=utf-8",
            "text/html",
            "multipart/report; boundary=x",
            "text/plain; charset=x; format=flowed",
        ] {
            drop(events(&*channel, mail(&address, &format!("Content-Type: {kind}\r\n"), &body)).await);
        }
    }
    drop(events(&*channel, vec![0xff; 1_000]).await);
    drop(events(&*channel, Vec::new()).await);
}
