//! What comes back through a channel: verified, once, and only where it belongs.

use std::time::Duration;

use anyhow::{Context, Result};
use consigne_tests::{
    app::TestApp,
    people::Member,
    recorder::{SECRET, inbound},
};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Desk, text};

/// Where the recorder is written to.
async fn address(member: &Member) -> Result<String> {
    let all = member.graphql("channels", json!({})).await?.ok();
    Ok(all.text("/channels/0/inboundUrl"))
}

/// The other side writes; answers the status and the body.
async fn post(app: &TestApp, url: &str, secret: &str, events: Value) -> Result<(u16, String)> {
    let request = app.public().request(Method::POST, url).header("X-Recorder", secret).json(&json!({"events": events}));
    let response = request.send().await?;
    Ok((response.status().as_u16(), response.text().await?))
}

/// A visitor waits, the recorder knows it; where it is written to, and its thread.
async fn waiting(app: &TestApp, more: Value) -> Result<(Desk, String, String)> {
    let desk = Desk::on(app, &["recorder", "second"], more).await?;
    desk.visitor.request_person(&desk.chat).await?;
    app.run_jobs().await?;
    let url = address(&desk.acme).await?;
    let thread = format!("thread of {}", text(&app.recorder.handed()[0]["token"]));
    Ok((desk, url, thread))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_in_the_thread_reaches_the_visitor_once() -> Result<()> {
    let app = TestApp::start().await?;
    let (desk, url, thread) = waiting(&app, json!({})).await?;
    let reply = json!([inbound("e1", ("thread", &thread), "reply", "Good morning!")]);
    for _ in 0..3 {
        let answered = post(&app, &url, SECRET, reply.clone()).await?;
        assert_eq!(answered, (200, "thank you".to_owned()));
    }
    let said = desk.visitor.messages(&desk.chat).await?;
    let staff: Vec<_> = said.iter().filter(|(author, _)| author == "STAFF").map(|(_, text)| text.as_str()).collect();
    assert_eq!(staff, ["Good morning!"]);
    assert_eq!(desk.visitor.state(&desk.chat).await?, "WITH_PERSON");
    let escalation = desk.acme.escalation().await?;
    assert_eq!((&escalation["state"], &escalation["takenByChannelId"]), (&json!("TAKEN"), &json!("recorder")));
    let shown = desk.acme.graphql("chat", json!({"id": desk.chat, "first": 100})).await?.ok();
    let nodes = shown.get("/chat/messages/nodes").as_array().cloned().unwrap_or_default();
    let reply = nodes.iter().find(|node| node["author"] == "STAFF").context("the reply")?;
    assert_eq!((&reply["channelId"], &reply["channelSender"]), (&json!("recorder"), &json!("U024BE7LH")));

    app.run_jobs().await?;
    assert_eq!(app.recorder.told(), ["OPENED", "CHANGED Taken"], "the recorder knows what it said itself");
    assert_eq!(app.second.told(), ["OPENED", "CHANGED Taken", "SAID STAFF Good morning!"]);
    assert!(app.metrics().contains("consigne_channel_events_total{outcome=\"repeated\"} 2"), "{}", app.metrics());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_that_come_at_the_same_moment_are_one() -> Result<()> {
    let app = TestApp::start().await?;
    let (desk, url, thread) = waiting(&app, json!({})).await?;
    let reply = json!([inbound("e1", ("thread", &thread), "reply", "Once.")]);
    let all = futures::future::join_all((0..8).map(|_| post(&app, &url, SECRET, reply.clone()))).await;
    for answered in all {
        assert!(matches!(answered?.0, 200 | 503));
    }
    let said = desk.visitor.messages(&desk.chat).await?;
    assert_eq!(said.iter().filter(|(author, _)| author == "STAFF").count(), 1, "{said:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_verify_is_refused_without_a_word() -> Result<()> {
    let app = TestApp::start().await?;
    let (desk, url, thread) = waiting(&app, json!({})).await?;
    let reply = json!([inbound("e1", ("thread", &thread), "reply", "I am nobody.")]);
    let unknown = format!("{}{}", &url[..url.len() - 6], "9k3m7q");
    let nowhere = format!("{}/channels/nothing", url.split("/channels").next().unwrap_or_default());
    for (url, secret) in [(&url, "another's"), (&unknown, SECRET), (&nowhere, SECRET)] {
        assert_eq!(post(&app, url, secret, reply.clone()).await?, (401, String::new()), "{url}");
    }
    desk.acme.graphql("disable_plugin", json!({"input": {"pluginId": "recorder"}})).await?.ok();
    assert_eq!(post(&app, &url, SECRET, reply).await?.0, 401);
    let big = app.public().request(Method::POST, &url).header("X-Recorder", SECRET).body(vec![b' '; 11 << 20]);
    assert!(matches!(big.send().await.map(|r| r.status().as_u16()), Ok(413) | Err(_)));
    assert!(!desk.visitor.messages(&desk.chat).await?.iter().any(|(author, _)| author == "STAFF"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_belongs_nowhere_is_taken_and_forgotten() -> Result<()> {
    let app = TestApp::start().await?;
    let (desk, url, _) = waiting(&app, json!({})).await?;
    let token = text(&app.second.handed()[0]["token"]).to_owned();
    let nowhere = json!([
        inbound("e1", ("thread", "of somebody else"), "reply", "Hello?"),
        inbound("e2", ("token", "nobodys"), "reply", "Hello?"),
    ]);
    assert_eq!(post(&app, &url, SECRET, nowhere).await?.0, 200);
    assert!(app.metrics().contains("consigne_channel_events_total{outcome=\"unknown\"} 2"), "{}", app.metrics());
    let by_token = json!([inbound("e3", ("token", &token), "reply", "By the token.")]);
    assert_eq!(post(&app, &url, SECRET, by_token).await?.0, 200);
    let said = desk.visitor.messages(&desk.chat).await?;
    let staff: Vec<_> = said.iter().filter(|(author, _)| author == "STAFF").map(|(_, text)| text.as_str()).collect();
    assert_eq!(staff, ["By the token."]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn buttons_and_notes_come_back_too() -> Result<()> {
    let app = TestApp::start().await?;
    let (desk, url, thread) = waiting(&app, json!({})).await?;
    let at = ("thread", thread.as_str());
    let mut number = 0;
    for (what, state) in [
        ("note", "WAITING_FOR_PERSON"),
        ("take", "WITH_PERSON"),
        ("take", "WITH_PERSON"),
        ("hand back", "ASSISTANT"),
        ("reply with files", "WITH_PERSON"),
        ("resolve", "RESOLVED"),
        ("resolve", "RESOLVED"),
    ] {
        number += 1;
        app.advance(Duration::from_secs(1));
        let event = json!([inbound(&format!("e{number}"), at, what, "Known customer.")]);
        assert_eq!(post(&app, &url, SECRET, event).await?.0, 200);
        assert_eq!(desk.visitor.state(&desk.chat).await?, state, "after {what}");
    }
    let escalation = desk.acme.escalation().await?;
    let notes = escalation["notes"].as_array().context("notes")?;
    let texts: Vec<&str> = notes.iter().map(|note| text(&note["text"])).collect();
    assert_eq!(texts, ["Known customer.", "2 file(s) that came with a reply were not taken."]);
    assert_eq!(notes[0]["channelSender"], "U024BE7LH");
    let messages = desk.visitor.messages(&desk.chat).await?;
    assert_eq!(messages.iter().filter(|(_, text)| text == "Known customer.").count(), 1, "the note is no message");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_is_fetched_from_where_it_was_left() -> Result<()> {
    let app = TestApp::start().await?;
    let (desk, _, thread) = waiting(&app, json!({})).await?;
    let at = ("thread", thread.as_str());
    app.recorder.mail(inbound("m1", at, "reply", "one"));
    app.recorder.mail(inbound("m2", at, "reply", "two"));
    app.run_duties().await?;
    app.run_duties().await?;
    app.advance(Duration::from_secs(1));
    app.recorder.mail(inbound("m2", at, "reply", "two"));
    app.recorder.mail(inbound("m3", at, "reply", "three"));
    app.run_duties().await?;
    let said = desk.visitor.messages(&desk.chat).await?;
    let mut staff: Vec<_> =
        said.iter().filter(|(author, _)| author == "STAFF").map(|(_, text)| text.as_str()).collect();
    staff.sort_unstable();
    assert_eq!(staff, ["one", "three", "two"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_back_undelivered_is_seen_and_the_next_channel_told() -> Result<()> {
    let app = TestApp::start().await?;
    let (desk, url, thread) = waiting(&app, json!({"channelOrder": "ONE_AFTER_ANOTHER"})).await?;
    assert!(app.second.told().is_empty());
    let bounce = json!([inbound("e1", ("thread", &thread), "bounce", "")]);
    assert_eq!(post(&app, &url, SECRET, bounce).await?.0, 200);
    app.run_jobs().await?;
    assert_eq!(app.second.told(), ["OPENED"]);
    assert_eq!(desk.acme.deliveries("BOUNCED").await?[0]["lastErrorCode"], "BOUNCED");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_may_set_plugins_sees_the_address() -> Result<()> {
    let app = TestApp::start().await?;
    let desk = Desk::open(&app, json!({})).await?;
    let reader = desk.acme.program(&["PLUGINS_READ"]).await?;
    let all = reader.graphql("channels", json!({})).await?.ok();
    assert_eq!(all.get("/channels/0")["inboundUrl"], Value::Null);
    let (first, again) = (address(&desk.acme).await?, address(&desk.acme).await?);
    assert_eq!(first, again);
    let other = app.workspace("other").await?;
    other.graphql("enable_plugin", json!({"input": {"pluginId": "recorder"}})).await?.ok();
    assert_ne!(first, address(&other).await?);
    Ok(())
}
