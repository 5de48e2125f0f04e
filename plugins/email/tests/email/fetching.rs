//! Replies that lie in a mailbox of a real server.

use consigne_sdk::{Channel, Inbound, PluginErrorKind};
use serde_json::json;

use crate::{
    servers::{Imap, NAME, PASSWORD, Smtp, SmtpMode},
    world::{delivery, identity, open, opened, reply, reply_address, settings, with},
};

async fn address(smtp: &Smtp) -> String {
    let channel = open(with(settings(&smtp.url()), json!({ "username": null }))).await.expect("usable settings");
    channel.deliver(delivery("d_1", None, opened(None, Vec::new()))).await.expect("it is sent");
    reply_address(&smtp.arrived().expect("mails")[0].raw)
}

fn mail(to: &str, number: usize) -> Vec<u8> {
    format!("From: ada@example.com\r\nTo: {to}\r\nMessage-ID: <{number}@ada>\r\n\r\nHello {number}\r\n").into_bytes()
}

async fn poll(channel: &dyn Channel, cursor: &mut Option<String>) -> Vec<Inbound> {
    let polled = channel.poll(cursor.take()).await.expect("it fetches");
    *cursor = polled.cursor;
    polled.events
}

#[tokio::test]
async fn new_replies_are_fetched_once_and_other_mail_is_left_as_it_is() {
    let Some(smtp) = Smtp::start(SmtpMode::Plain, None).await.expect("it starts") else { return };
    let (authority, (certificate, key)) = identity();
    let Some(mut imap) = Imap::start(Some((&certificate, &key))).await.expect("it starts") else { return };
    let address = address(&smtp).await;
    let fetching = json!({ "username": null, "imapUrl": imap.url(), "imapUsername": NAME, "imapPassword": PASSWORD, "authorities": authority });
    let channel = open(with(settings(&smtp.url()), fetching.clone())).await.expect("usable settings");
    assert!(channel.check().await.expect("it signs in").ends_with("Replies can be fetched."));

    imap.put(&mail(&address, 1)).expect("it is put");
    imap.put(&mail("desk@example.com", 2)).expect("it is put");
    let mut cursor = None;
    let events = poll(&*channel, &mut cursor).await;
    assert_eq!(reply(&events), ("Hello 1".to_owned(), 0));
    assert_eq!(imap.seen().expect("a mailbox"), (2, 1), "nothing is taken away, and ours alone is marked");
    assert!(poll(&*channel, &mut cursor).await.is_empty());

    imap.put(&mail(&address, 3)).expect("it is put");
    let again = cursor.clone();
    let events = poll(&*channel, &mut cursor).await;
    assert_eq!(reply(&events), ("Hello 3".to_owned(), 0));
    // A host that died before it took them in asks again, and gets the same.
    let repeated = poll(&*channel, &mut again.clone()).await;
    assert_eq!((repeated.len(), &repeated[0].id), (1, &events[0].id));
    assert!(poll(&*channel, &mut cursor).await.is_empty());

    let wrong = with(settings(&smtp.url()), with(fetching.clone(), json!({ "imapPassword": "hunter2" })));
    let wrong = open(wrong).await.expect("usable settings").poll(None).await.err().expect("another password");
    assert_eq!(wrong.kind, PluginErrorKind::Misconfigured, "{}", wrong.message);
    let nowhere = with(settings(&smtp.url()), with(fetching, json!({ "imapFolder": "Nowhere" })));
    let nowhere = open(nowhere).await.expect("usable settings").poll(None).await.err().expect("no such folder");
    assert_eq!(nowhere.kind, PluginErrorKind::Misconfigured, "{}", nowhere.message);
}

#[tokio::test]
async fn many_and_large_mails_come_a_few_at_a_time_and_none_twice() {
    let Some(smtp) = Smtp::start(SmtpMode::Plain, None).await.expect("it starts") else { return };
    let Some(mut imap) = Imap::start(None).await.expect("it starts") else { return };
    let address = address(&smtp).await;
    let fetching = json!({ "username": null, "imapUrl": imap.url(), "imapUsername": NAME, "imapPassword": PASSWORD });
    let channel = open(with(settings(&smtp.url()), fetching)).await.expect("usable settings");
    let mut cursor = None;
    assert!(poll(&*channel, &mut cursor).await.is_empty());
    for number in 0..120 {
        imap.put(&mail(&address, number)).expect("it is put");
    }
    let mut large = mail(&address, 120);
    large.resize(11 * 1024 * 1024, b'x');
    imap.put(&large).expect("it is put");
    imap.put(&mail(&address, 121)).expect("it is put");
    let mut all = Vec::new();
    let mut counts = Vec::new();
    for _ in 0..5 {
        let events = poll(&*channel, &mut cursor).await;
        counts.push(events.len());
        all.extend(events);
    }
    assert_eq!(counts, [50, 50, 21, 0, 0]);
    let mut ids: Vec<&str> = all.iter().map(|event| event.id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 121);

    // A server that counts anew says so by another UIDVALIDITY than that of the cursor: mails that were seen come under
    // the ids that they had, and none is missed.
    let (_, last) = cursor.as_deref().and_then(|cursor| cursor.split_once(':')).expect("a cursor");
    cursor = Some(format!("1:{last}"));
    imap.put(&mail(&address, 122)).expect("it is put");
    let mut after = Vec::new();
    for _ in 0..4 {
        after.extend(poll(&*channel, &mut cursor).await);
    }
    let known = |event: &&Inbound| all.iter().any(|before| before.id == event.id);
    assert_eq!((after.iter().filter(known).count(), after.len()), (121, 122));
}
