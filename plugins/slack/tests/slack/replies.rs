//! What comes back, and what is not taken for it.

use std::path::Path;

use bytes::Bytes;
use consigne_sdk::{Action, Channel, InboundRequest, PluginErrorKind, ReplyTo};
use serde_json::{Value, json};

use crate::{
    standin::{CHANNEL, Post, Sent, Slack},
    world::{came_in, delivery, now, open, opened},
};

async fn thread(slack: &Slack, channel: &dyn Channel) -> Post {
    channel.deliver(delivery("d_1", None, opened(Vec::new()))).await.expect("it is posted");
    slack.posts().remove(0)
}

/// What one request brings: the events as `id, thread or token, who, what`.
async fn events(channel: &dyn Channel, sent: &Sent) -> Vec<(String, String, Option<String>, String)> {
    let received = channel.receive(came_in(sent)).await.expect("it verifies");
    let events = received.events.into_iter().map(|event| {
        let of = match event.of {
            ReplyTo::Thread(thread) => thread,
            ReplyTo::Token(token) => token,
        };
        let what = match event.what {
            Action::Reply { text, refused_files } => format!("reply {refused_files}: {text}"),
            Action::Note { text } => format!("note: {text}"),
            Action::Take => "take".to_owned(),
            Action::HandBack => "hand back".to_owned(),
            Action::Resolve => "resolve".to_owned(),
            Action::Bounced { .. } => "bounced".to_owned(),
        };
        (event.id, of, event.by, what)
    });
    events.collect()
}

#[tokio::test]
async fn a_reply_in_the_thread_comes_back_clean_and_a_retry_under_the_same_id() {
    let slack = Slack::start().await;
    let channel = open(slack.settings()).await.expect("usable settings");
    let post = thread(&slack, &*channel).await;
    let sent = slack.reply(&post, "Hello &lt;you&gt;, see <https://example.com/a|here>");
    let first = events(&*channel, &sent).await;
    let of = format!("{CHANNEL}:{}", post.ts);
    let expected = (
        "Ev00000001".to_owned(),
        of,
        Some("U024BE7LH".to_owned()),
        "reply 0: Hello <you>, see here (https://example.com/a)".to_owned(),
    );
    assert_eq!(first, [expected]);
    assert_eq!(events(&*channel, &sent).await, first);
}

#[tokio::test]
async fn a_note_stays_inside_and_files_are_counted() {
    let slack = Slack::start().await;
    let channel = open(slack.settings()).await.expect("usable settings");
    let ts = thread(&slack, &*channel).await.ts;
    for (more, expected) in [
        (json!({ "text": "// ask <@U2> first" }), "note: ask first"),
        (json!({ "text": "https://example.com is //not// a note" }), "reply 0: https://example.com is //not// a note"),
        (json!({ "subtype": "thread_broadcast" }), "reply 0: Hello"),
        (json!({ "subtype": "file_share", "files": [{ "id": "F1" }, { "id": "F2" }] }), "reply 2: Hello"),
        (json!({ "subtype": "file_share", "text": "", "files": [{ "id": "F1" }] }), "reply 1: "),
    ] {
        let mut more: Value = more;
        more["thread_ts"] = json!(ts);
        let events = events(&*channel, &slack.message(more.clone())).await;
        assert_eq!(events.iter().map(|event| event.3.as_str()).collect::<Vec<_>>(), [expected], "{more}");
    }
}

#[tokio::test]
async fn bots_edits_other_places_and_the_thread_itself_are_no_replies() {
    let slack = Slack::start().await;
    let channel = open(slack.settings()).await.expect("usable settings");
    let ts = thread(&slack, &*channel).await.ts;
    for more in [
        json!({ "bot_id": "B1" }),
        json!({ "subtype": "bot_message", "user": null }),
        json!({ "subtype": "message_changed", "hidden": true }),
        json!({ "subtype": "message_deleted" }),
        json!({ "subtype": "channel_join" }),
        json!({ "channel": "C0OTHER" }),
        json!({ "thread_ts": null }),
        json!({ "text": " " }),
        json!({ "text": "//" }),
        json!({ "type": "reaction_added" }),
        json!({ "ts": ts }),
    ] {
        let mut whole = json!({ "thread_ts": ts });
        for (name, value) in more.as_object().expect("an object") {
            whole[name] = value.clone();
        }
        assert_eq!(events(&*channel, &slack.message(whole)).await, [], "{more}");
    }
}

#[tokio::test]
async fn buttons_take_hand_back_and_resolve() {
    let slack = Slack::start().await;
    let channel = open(slack.settings()).await.expect("usable settings");
    let post = thread(&slack, &*channel).await;
    let mut ids = Vec::new();
    for (action, expected) in
        [("consigne_take", "take"), ("consigne_hand_back", "hand back"), ("consigne_resolve", "resolve")]
    {
        let sent = slack.press(&post, action);
        let events = events(&*channel, &sent).await;
        let [(id, of, by, what)] = &events[..] else { panic!("one event: {events:?}") };
        assert_eq!((of.as_str(), by.as_deref(), what.as_str()), ("k7f2a9", Some("U024BE7LH"), expected));
        assert_eq!(self::events(&*channel, &sent).await[0].0, *id);
        ids.push(id.clone());
    }
    ids.dedup();
    assert_eq!(ids.len(), 3);
    assert_eq!(events(&*channel, &slack.press(&post, "consigne_open")).await, []);
}

#[tokio::test]
async fn slack_is_told_that_the_address_is_ours() {
    let slack = Slack::start().await;
    let channel = open(slack.settings()).await.expect("usable settings");
    let body =
        json!({ "token": "deprecated", "challenge": "3eZbrw1aBm2rZgRNFdxV2595E9CY", "type": "url_verification" });
    let received = channel.receive(came_in(&Sent::event(&body))).await.expect("it verifies");
    assert_eq!(received.answer, Some(("text/plain", Bytes::from("3eZbrw1aBm2rZgRNFdxV2595E9CY"))));
    assert!(received.events.is_empty());
}

#[tokio::test]
async fn what_slack_did_not_sign_just_now_is_refused() {
    let slack = Slack::start().await;
    let channel = open(slack.settings()).await.expect("usable settings");
    let post = thread(&slack, &*channel).await;
    let good = came_in(&slack.reply(&post, "Hello"));
    let kind = async |request: InboundRequest| channel.receive(request).await.err().map(|error| error.kind);
    let refused = Some(PluginErrorKind::Refused);
    assert_eq!(kind(good.clone()).await, None);
    for age in [-301_000, 301_000] {
        assert_eq!(kind(InboundRequest { at: good.at + age, ..good.clone() }).await, refused);
    }
    let again = serde_json::from_slice::<Value>(&good.body).and_then(|body| serde_json::to_vec_pretty(&body));
    let other = slack.reply(&post, "Goodbye").body;
    for body in [again.expect("JSON"), other, Vec::new()] {
        assert_eq!(kind(InboundRequest { body: body.into(), ..good.clone() }).await, refused);
    }
    for place in 1..3 {
        let mut request = good.clone();
        request.headers[place].1.pop();
        assert_eq!(kind(request.clone()).await, refused);
        request.headers.remove(place);
        assert_eq!(kind(request).await, refused);
    }
    let mut twice = good.clone();
    twice.headers.push(("x-slack-signature".to_owned(), "v0=00".to_owned()));
    assert_eq!(kind(twice).await, refused);
}

/// The published vector is older than five minutes now: it verifies as of its own time, and is refused today.
#[tokio::test]
async fn the_published_vector_verifies() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/security/signing_vectors.json");
    let Ok(text) = std::fs::read_to_string(&file) else { return println!("skipped: no {}", file.display()) };
    let all: Value = serde_json::from_str(&text).expect("JSON");
    let vector = &all["slack"]["vector"];
    let text = |name: &str| vector[name].as_str().expect("a text").to_owned();
    let timestamp = vector["timestamp"].as_i64().expect("a number");
    let mut settings = Slack::start().await.settings();
    settings["signingSecret"] = json!(text("signing_secret"));
    let channel = open(settings).await.expect("usable settings");
    let headers = [
        ("content-type", "application/x-www-form-urlencoded".to_owned()),
        ("x-slack-request-timestamp", timestamp.to_string()),
        ("x-slack-signature", text("signature")),
    ];
    let headers: Vec<_> = headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let request = InboundRequest { headers, body: Bytes::from(text("body")), at: timestamp * 1_000 };
    // It verifies, and is a slash command, which is none of ours.
    let error = channel.receive(request.clone()).await.err().expect("a form without a payload");
    assert_eq!(error.message, "slack: a form without a payload");
    for request in [
        InboundRequest { at: now(), ..request.clone() },
        InboundRequest { body: Bytes::from(text("body").replace("%2F", "/")), ..request },
    ] {
        let error = channel.receive(request).await.err().expect("it does not verify");
        assert_eq!(error.message, "slack: the request does not verify");
    }
}
