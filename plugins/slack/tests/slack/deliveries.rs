//! What is posted, and what becomes of what is not.

use std::time::Duration;

use consigne_sdk::{EscalationState, Line, Notice, Once, PluginErrorKind, Speaker};
use serde_json::{Value, json};

use crate::{
    standin::{CHANNEL, Slack, Turn},
    world::{delivery, open, opened, said},
};

fn texts(post: &Value) -> Vec<String> {
    let blocks = post["blocks"].as_array().expect("blocks");
    blocks.iter().filter_map(|block| block["text"]["text"].as_str().map(str::to_owned)).collect()
}

fn actions(post: &Value) -> Vec<String> {
    let blocks = post["blocks"].as_array().expect("blocks");
    let elements = blocks.iter().flat_map(|block| block["elements"].as_array().into_iter().flatten());
    elements.filter_map(|element| element["action_id"].as_str().map(str::to_owned)).collect()
}

#[tokio::test]
async fn an_escalation_is_one_thread_that_the_rest_goes_into() {
    let slack = Slack::start().await;
    let channel = open(slack.settings()).await.expect("usable settings");
    assert!(channel.traits().two_way && channel.traits().once == Once::ByLooking);
    let conversation = vec![
        said("Où est <!channel> ma commande & mon reçu ?\nMerci"),
        Line { speaker: Speaker::Assistant, name: None, text: Some("Je ne sais pas.".to_owned()), ..said("") },
    ];
    let receipt = channel.deliver(delivery("d_1", None, opened(conversation))).await.expect("it is posted");
    let thread = receipt.thread.clone().expect("a thread");
    assert_eq!(receipt.message.as_deref(), Some(thread.as_str()));

    let changed = Notice::Changed { state: EscalationState::Taken, by: Some("Ada <3".to_owned()) };
    for (key, notice) in [("d_2", Notice::Said(said("Allô ?"))), ("d_3", changed)] {
        let receipt = channel.deliver(delivery(key, Some(&thread), notice)).await.expect("it is posted");
        assert_eq!(receipt.thread.as_deref(), Some(thread.as_str()));
        assert_ne!(receipt.message, receipt.thread);
    }

    let posts = slack.posts();
    assert_eq!((posts.len(), slack.refused()), (3, Vec::new()));
    assert_eq!(thread, format!("{CHANNEL}:{}", posts[0].ts));
    assert_eq!([&posts[1].thread, &posts[2].thread], [&Some(posts[0].ts.clone()); 2]);
    assert_eq!(
        texts(&posts[0].arguments),
        [
            "*A visitor needs a person* (Léa &amp; &lt;Co&gt;)\n*Reason:* the visitor asked for a person\n*Language:* fr",
            "*Visitor:*\n> Où est &lt;!channel&gt; ma commande &amp; mon reçu ?\n> Merci",
            "*Assistant:*\n> Je ne sais pas.",
        ]
    );
    assert_eq!(
        actions(&posts[0].arguments),
        ["consigne_open", "consigne_take", "consigne_hand_back", "consigne_resolve"]
    );
    assert_eq!(texts(&posts[1].arguments), ["*Visitor:*\n> Allô ?"]);
    assert_eq!(texts(&posts[2].arguments), ["*State:* with a person (by Ada &lt;3)"]);
    for (post, key) in posts.iter().zip(["d_1", "d_2", "d_3"]) {
        assert_eq!(
            post.arguments["metadata"],
            json!({ "event_type": "consigne_delivery", "event_payload": { "key": key } })
        );
        assert_eq!(post.arguments["unfurl_links"], json!(false));
    }
}

#[tokio::test]
async fn a_workspace_that_sends_a_link_only_sends_no_word_of_the_visitor() {
    let slack = Slack::start().await;
    let channel = open(slack.settings()).await.expect("usable settings");
    channel.deliver(delivery("d_1", None, opened(Vec::new()))).await.expect("it is posted");
    let silent = Line { text: None, ..said("") };
    channel.deliver(delivery("d_2", None, Notice::Said(silent))).await.expect("it is posted");
    let posts = slack.posts();
    assert_eq!(texts(&posts[0].arguments).len(), 1);
    assert_eq!(texts(&posts[1].arguments), ["The visitor wrote."]);
}

#[tokio::test]
async fn a_long_conversation_keeps_to_the_limits_and_its_newest_part() {
    let slack = Slack::start().await;
    let channel = open(slack.settings()).await.expect("usable settings");
    let mut conversation: Vec<Line> = (0..120).map(|n| said(&format!("line {n} {}", "&<é>\n".repeat(20)))).collect();
    conversation.push(said(&"word & word ".repeat(4_000)));
    conversation.push(said("the newest"));
    channel.deliver(delivery("d_1", None, opened(conversation))).await.expect("it is posted");
    let posts = slack.posts();
    let texts = texts(&posts[0].arguments);
    assert_eq!((posts.len(), slack.refused()), (1, Vec::new()));
    assert_eq!(posts[0].arguments["blocks"].as_array().expect("blocks").len(), 50);
    assert_eq!(texts[1], "_What was said before is left out._");
    assert_eq!(texts.last().map(String::as_str), Some("*Visitor:*\n> the newest"));
}

#[tokio::test]
async fn an_alert_has_a_link_and_no_button_and_speaks_the_language_of_the_settings() {
    let slack = Slack::start().await;
    let mut settings = slack.settings();
    settings["mode"] = json!("alert");
    settings["language"] = json!("de");
    settings.as_object_mut().expect("an object").remove("signingSecret");
    let channel = open(settings).await.expect("usable settings");
    assert!(!channel.traits().two_way);
    channel.deliver(delivery("d_1", None, opened(Vec::new()))).await.expect("it is posted");
    channel.deliver(delivery("d_2", None, Notice::Test)).await.expect("it is posted");
    let posts = slack.posts();
    assert_eq!(actions(&posts[0].arguments), ["consigne_open"]);
    assert!(texts(&posts[0].arguments)[0].starts_with("*Ein Besucher braucht einen Menschen*"));
    assert_eq!(texts(&posts[1].arguments), ["Dies ist ein Test. Der Kanal funktioniert."]);
}

#[tokio::test]
async fn a_failure_says_what_may_help() {
    let slack = Slack::start().await;
    let channel = open(slack.settings()).await.expect("usable settings");
    let wait = |seconds| PluginErrorKind::RateLimited(Some(Duration::from_secs(seconds)));
    let error = |code: &str| Turn::Error(code.to_owned());
    let status = |status, headers: &str| Turn::Status(status, headers.to_owned());
    for (turn, expected) in [
        (status(429, "retry-after: 30\r\n"), wait(30)),
        (status(429, ""), PluginErrorKind::RateLimited(None)),
        (status(500, ""), PluginErrorKind::Unavailable),
        (status(503, ""), PluginErrorKind::Unavailable),
        (status(302, "location: http://127.0.0.1:9/\r\n"), PluginErrorKind::InvalidResponse),
        (error("ratelimited"), PluginErrorKind::RateLimited(None)),
        (error("fatal_error"), PluginErrorKind::Unavailable),
        (error("invalid_auth"), PluginErrorKind::Misconfigured),
        (error("channel_not_found"), PluginErrorKind::Misconfigured),
        (error("not_in_channel"), PluginErrorKind::Misconfigured),
        (error("is_archived"), PluginErrorKind::Misconfigured),
        (error("msg_too_long"), PluginErrorKind::Refused),
        (status(200, ""), PluginErrorKind::InvalidResponse),
        (Turn::HangUp, PluginErrorKind::Unavailable),
        (Turn::DoAndHangUp, PluginErrorKind::Unavailable),
    ] {
        slack.script([turn.clone()]);
        let failed = channel.deliver(delivery("d_1", None, opened(vec![said("secret")]))).await;
        let failed = failed.expect_err("a failure");
        assert_eq!(failed.kind, expected, "{turn:?}");
        assert!(!failed.message.contains("secret") && !failed.message.contains("xoxb"), "{}", failed.message);
    }
}

#[tokio::test]
async fn silence_ends_by_itself() {
    let slack = Slack::start().await;
    let channel = open(slack.settings()).await.expect("usable settings");
    slack.script([Turn::Silence]);
    let silent = tokio::time::timeout(Duration::from_secs(20), channel.deliver(delivery("d_1", None, Notice::Test)));
    let failed = silent.await.expect("it ends by itself").expect_err("nobody answered");
    assert_eq!(failed.kind, PluginErrorKind::Unavailable);
}

#[tokio::test]
async fn a_check_names_the_workspace_and_tells_nobody() {
    let slack = Slack::start().await;
    let channel = open(slack.settings()).await.expect("usable settings");
    assert_eq!(channel.check().await.expect("it works"), "Connected to Acme as consigne.");
    let mut settings = slack.settings();
    settings["botToken"] = json!("xoxb-another");
    let stranger = open(settings).await.expect("usable settings");
    assert_eq!(stranger.check().await.expect_err("another token").kind, PluginErrorKind::Misconfigured);
    assert!(slack.posts().is_empty());
}
