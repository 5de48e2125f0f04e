//! A question that the knowledge does not answer becomes one thread, one mail and one webhook; what people answer there
//! comes back into the chat, once and clean.

use std::time::Duration;

use anyhow::{Context, Result};
use consigne_tests::{
    app::TestApp,
    source,
    standins::{mail::Imap, slack::Sent},
};
use serde_json::json;

use super::{
    Desk, MAIL_SECRET, OtherSide, QUESTION, WEBHOOK_SECRET, blocks, header,
    sent::{by_desk_program, by_web_mailer, post, signed, signed_json},
    text,
};

/// The other side sends it, and sends it again because it is not sure that it got through.
async fn twice(app: &TestApp, url: &str, sent: &Sent) -> Result<()> {
    app.advance(Duration::from_secs(1));
    for _ in 0..2 {
        assert_eq!(post(app, url, sent).await?, 200);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_without_an_answer_becomes_one_thread_one_mail_and_one_webhook() -> Result<()> {
    let Some(other) = OtherSide::start().await? else { return Ok(()) };
    let app = other.app().await?;
    let desk = Desk::open(&app, &other, None).await?;
    app.run_jobs().await?;
    app.run_jobs().await?;
    assert_eq!(desk.visitor.state(&desk.chat).await?, "WAITING_FOR_PERSON");
    assert_eq!(other.counts()?, [1, 1, 1]);
    other.assert_content()?;
    let (posts, mails, requests) = (other.slack.posts(), other.smtp.arrived()?, other.receiver.taken());
    let escalation = desk.owner.escalation().await?;

    assert!(posts[0].thread.is_none() && blocks(&posts[0]).contains(QUESTION), "{:?}", posts[0]);
    assert_eq!(mails[0].to, ["desk@example.com"]);
    assert!(mails[0].raw.contains(QUESTION), "{}", mails[0].raw);
    let (body, data) = (&requests[0].body, &requests[0].body["data"]);
    assert_eq!((&body["type"], &data["reason"]), (&json!("escalation.opened"), &json!("NOT_IN_KNOWLEDGE")));
    assert_eq!((&data["escalationId"], &data["chatId"]), (&escalation["id"], &json!(desk.chat)));
    assert_eq!(data["conversation"][0]["text"], QUESTION);
    let delivered = desk.owner.deliveries("DELIVERED").await?;
    assert_eq!(delivered.len(), 3, "{delivered:?}");
    assert!(delivered.iter().all(|delivery| delivery["attempts"] == 1), "{delivered:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_visitor_says_next_goes_into_the_same_threads() -> Result<()> {
    let Some(other) = OtherSide::start().await? else { return Ok(()) };
    let app = other.app().await?;
    let desk = Desk::open(&app, &other, None).await?;
    app.run_jobs().await?;
    for said in ["It was in Reykjavik.", "Are you <there> & well?"] {
        app.advance(Duration::from_secs(1));
        assert_eq!(desk.visitor.say(&desk.chat, said).await?, None, "the assistant is silent");
    }
    app.run_jobs().await?;
    assert_eq!(other.counts()?, [3, 3, 3]);
    other.assert_content()?;
    let (posts, mails, requests) = (other.slack.posts(), other.smtp.arrived()?, other.receiver.taken());
    for post in &posts[1..] {
        assert_eq!(post.thread.as_ref(), Some(&posts[0].ts));
    }
    assert!(blocks(&posts[2]).contains("Are you &lt;there&gt; &amp; well?"), "{:?}", posts[2]);
    let first = header(&mails[0], "Message-ID");
    for mail in &mails[1..] {
        assert_eq!((header(mail, "In-Reply-To"), header(mail, "References")), (first.clone(), first.clone()));
        assert_eq!(header(mail, "Subject"), format!("Re: {}", header(&mails[0], "Subject")));
        assert_eq!(header(mail, "Reply-To"), header(&mails[0], "Reply-To"));
    }
    assert!(mails[1].raw.contains("It was in Reykjavik."), "{}", mails[1].raw);
    for request in &requests[1..] {
        assert_eq!(request.body["type"], "chat.message");
        assert_eq!(request.body["data"]["escalationId"], requests[0].body["data"]["escalationId"]);
    }
    assert_eq!(requests[2].body["data"]["message"]["text"], "Are you <there> & well?");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_answer_comes_back_once_and_clean() -> Result<()> {
    let Some(other) = OtherSide::start().await? else { return Ok(()) };
    let app = other.app().await?;
    let desk = Desk::open(&app, &other, None).await?;
    app.run_jobs().await?;
    let mut listening = desk.visitor.chat_events(&desk.chat, None).await?;
    let opening = other.slack.posts().remove(0);
    let (slack, email, webhook) =
        (desk.address("slack").await?, desk.address("email").await?, desk.address("webhook").await?);

    twice(&app, &slack, &other.slack.reply(&opening, "// A regular, be patient.")).await?;
    assert_eq!(desk.visitor.state(&desk.chat).await?, "WAITING_FOR_PERSON", "a note takes nothing");
    twice(&app, &slack, &other.slack.press(&opening, "consigne_take")).await?;
    assert_eq!(desk.visitor.state(&desk.chat).await?, "WITH_PERSON");
    twice(&app, &slack, &other.slack.reply(&opening, "Bobby Fischer &amp; not <@U1|Boris>.")).await?;

    let mail = other.smtp.arrived()?.remove(0);
    let (to, answered) = (reply_address(&header(&mail, "Reply-To")), header(&mail, "Message-ID"));
    let reply = by_web_mailer(&to, &answered, "He won by 12.5 to 8.5.");
    twice(&app, &email, &signed(MAIL_SECRET, "mail-1", "message/rfc822", reply.clone())?).await?;
    // A mail server that is not sure may hand it over under another id, too.
    assert_eq!(post(&app, &email, &signed(MAIL_SECRET, "mail-2", "message/rfc822", reply)?).await?, 200);

    let token = other.receiver.taken()[0].body["data"]["replyToken"].clone();
    let said = |kind: &str, said: &str| json!({"type": kind, "data": {"token": token, "text": said, "by": "ada"}});
    twice(&app, &webhook, &signed_json(WEBHOOK_SECRET, "a-1", &said("reply", "Against Boris Spassky."))?).await?;
    twice(&app, &webhook, &signed_json(WEBHOOK_SECRET, "a-2", &said("note", "Loves chess."))?).await?;
    let forged = signed_json(MAIL_SECRET, "a-3", &said("reply", "Nobody said this."))?;
    assert_eq!(post(&app, &webhook, &forged).await?, 401);
    app.run_jobs().await?;
    twice(&app, &slack, &other.slack.press(&opening, "consigne_resolve")).await?;
    assert_eq!(desk.visitor.state(&desk.chat).await?, "RESOLVED");

    let staff = ["Bobby Fischer & not @Boris.", "He won by 12.5 to 8.5.", "Against Boris Spassky."];
    assert_eq!(desk.said_by_staff().await?, staff);
    let heard = listening.until(|event| event["data"]["chatEvents"]["__typename"] == "ChatResolved").await?;
    let heard: Vec<_> = heard.iter().map(|event| &event["data"]["chatEvents"]["message"]).collect();
    let of_staff: Vec<_> =
        heard.iter().filter(|said| said["author"] == "STAFF").map(|said| text(&said["text"])).collect();
    assert_eq!(of_staff, staff);
    let everything = format!("{heard:?}{:?}", desk.visitor.messages(&desk.chat).await?);
    assert!(!everything.contains("patient") && !everything.contains("Loves chess"), "a visitor reads a note");
    let escalation = desk.owner.escalation().await?;
    let notes: Vec<_> =
        escalation["notes"].as_array().context("notes")?.iter().map(|note| text(&note["text"])).collect();
    assert_eq!(notes, ["A regular, be patient.", "Loves chess."]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn slack_is_told_that_the_address_is_ours() -> Result<()> {
    let Some(other) = OtherSide::start().await? else { return Ok(()) };
    let app = other.app().await?;
    let desk = Desk::open(&app, &other, None).await?;
    let asked = Sent::event(&json!({"type": "url_verification", "challenge": "3eZbrw1aBm2r", "token": "deprecated"}));
    let mut request = app.public().request(reqwest::Method::POST, &desk.address("slack").await?).body(asked.body);
    for (name, value) in &asked.headers {
        request = request.header(name, value);
    }
    let answered = request.send().await?;
    assert_eq!((answered.status().as_u16(), answered.text().await?.as_str()), (200, "3eZbrw1aBm2r"));
    Ok(())
}

/// Each hears what the two others said, and nobody hears themselves.
#[tokio::test(flavor = "multi_thread")]
async fn colleagues_on_other_channels_are_told_what_was_answered() -> Result<()> {
    let Some(other) = OtherSide::start().await? else { return Ok(()) };
    let app = other.app().await?;
    let desk = Desk::open(&app, &other, None).await?;
    app.run_jobs().await?;
    let opening = other.slack.posts().remove(0);
    twice(&app, &desk.address("slack").await?, &other.slack.reply(&opening, "Bobby Fischer.")).await?;
    app.run_jobs().await?;
    let posts: String = other.slack.posts()[1..].iter().map(blocks).collect();
    assert!(!posts.contains("Bobby Fischer"), "Slack is told what was said there: {posts}");
    let mails: Vec<_> = other.smtp.arrived()?.into_iter().filter(|mail| mail.raw.contains("Bobby Fischer")).collect();
    assert_eq!(mails.len(), 1);
    let told = |kind: &str| other.receiver.taken().into_iter().filter(|sent| sent.body["type"] == kind).count();
    assert_eq!((told("chat.message"), told("escalation.changed")), (1, 1));
    other.assert_content()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_lies_in_the_mailbox_is_fetched_once() -> Result<()> {
    let Some(mut mailbox) = Imap::start(None).await? else { return Ok(()) };
    let Some(other) = OtherSide::start().await? else { return Ok(()) };
    let app = other.app().await?;
    let desk = Desk::open(&app, &other, Some(&mailbox)).await?;
    app.run_jobs().await?;
    app.run_duties().await?;
    let mail = other.smtp.arrived()?.remove(0);
    let (to, answered) = (reply_address(&header(&mail, "Reply-To")), header(&mail, "Message-ID"));
    let reply = by_desk_program(&to, &answered, "Das war Bobby Fischer.");
    // Twice, as where two servers deliver the same mail.
    mailbox.put(&reply)?;
    mailbox.put(&reply)?;
    app.run_duties().await?;
    app.run_duties().await?;
    assert_eq!(desk.said_by_staff().await?, ["Das war Bobby Fischer."]);
    // And once more by the other way in.
    let again = signed(MAIL_SECRET, "mail-1", "message/rfc822", reply)?;
    assert_eq!(post(&app, &desk.address("email").await?, &again).await?, 200);
    assert_eq!(desk.said_by_staff().await?, ["Das war Bobby Fischer."]);
    assert_eq!(desk.visitor.state(&desk.chat).await?, "WITH_PERSON");
    Ok(())
}

/// Each said "Hello" above a quotation of a style of its own.
#[tokio::test(flavor = "multi_thread")]
async fn the_replies_of_twelve_mail_programs_come_back_once_and_clean() -> Result<()> {
    let folder = source::root().join("../shared/data/parsers/email_talon/standard_replies");
    let Ok(files) = std::fs::read_dir(&folder) else {
        println!("skipped: no {}", folder.display());
        return Ok(());
    };
    let Some(other) = OtherSide::start().await? else { return Ok(()) };
    let app = other.app().await?;
    let desk = Desk::open(&app, &other, None).await?;
    app.run_jobs().await?;
    let (to, email) = (reply_address(&header(&other.smtp.arrived()?[0], "Reply-To")), desk.address("email").await?);
    let mut replies = 0;
    for file in files {
        let path = file?.path();
        if path.extension().is_none_or(|ending| ending != "eml") {
            continue;
        }
        replies += 1;
        // What a server adds when it delivers: the address that the person answered to.
        let mail = [format!("Delivered-To: {to}\r\n").into_bytes(), std::fs::read(path)?].concat();
        twice(&app, &email, &signed(MAIL_SECRET, &format!("mail-{replies}"), "message/rfc822", mail)?).await?;
    }
    assert!(replies >= 12, "{replies} mails");
    assert_eq!(desk.said_by_staff().await?, vec!["Hello"; replies]);
    Ok(())
}

/// People can be faster than Slack's answer, or than the process that was to hear it.
#[tokio::test(flavor = "multi_thread")]
async fn a_reply_to_a_thread_that_is_not_known_yet_comes_again() -> Result<()> {
    let Some(other) = OtherSide::start().await? else { return Ok(()) };
    let app = other.app().await?;
    let desk = Desk::open(&app, &other, None).await?;
    other.slack.hold_the_next(true);
    app.run_jobs_until(|| other.slack.held() == 1).await?;
    let slack = desk.address("slack").await?;
    let opening = other.slack.posts().remove(0);
    let reply = other.slack.reply(&opening, "Bobby Fischer.");
    assert_eq!(post(&app, &slack, &reply).await?, 503, "Slack is to come again");
    app.advance(Duration::from_secs(20));
    app.run_jobs().await?;
    assert_eq!(other.slack.posts().iter().filter(|post| post.thread.is_none()).count(), 1);
    twice(&app, &slack, &reply).await?;
    assert_eq!(desk.said_by_staff().await?, ["Bobby Fischer."]);
    // In a channel where nothing is on its way, a thread of somebody else is nobody's.
    let chatter = other.slack.message(json!({"thread_ts": "1355517523.000005", "text": "Lunch?"}));
    twice(&app, &slack, &chatter).await?;
    assert_eq!(desk.said_by_staff().await?, ["Bobby Fischer."]);
    Ok(())
}

/// `replies+TOKEN@example.com`, without the name before it.
fn reply_address(header: &str) -> String {
    let address = header.rsplit_once('<').map_or(header, |(_, address)| address);
    address.trim_end_matches('>').to_owned()
}
