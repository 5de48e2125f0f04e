//! The inbox of those who answer: what waits, what happened, what was read.

use std::time::Duration;

use anyhow::Result;
use consigne_tests::{
    app::{TestApp, minutes},
    people::Member,
};
use serde_json::{Value, json};

use super::{Desk, text};

async fn inbox(member: &Member) -> Result<[i64; 4]> {
    let shown = member.graphql("inbox", json!({})).await?.ok();
    Ok(["waiting", "mine", "unreadMessages", "unreadChats"].map(|field| shown.number(&format!("/inbox/{field}"))))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_member_has_unread_messages_of_their_own() -> Result<()> {
    let app = TestApp::start().await?;
    let desk = Desk::open(&app, json!({})).await?;
    let agent = desk.acme.agent(&app.public(), "agent@acme.example").await?;
    assert_eq!(inbox(&desk.acme).await?, [0, 0, 0, 0]);
    desk.visitor.request_person(&desk.chat).await?;
    for said in ["Hello?", "Anybody?"] {
        app.advance(Duration::from_secs(1));
        desk.visitor.say(&desk.chat, said).await?;
    }
    assert_eq!(inbox(&desk.acme).await?, [1, 0, 2, 1]);
    assert_eq!(desk.acme.escalation().await?["unreadMessages"], 2);
    assert_eq!(agent.does("mark_chat_read", &desk.chat).await?, None);
    assert_eq!((inbox(&desk.acme).await?, inbox(&agent).await?), ([1, 0, 2, 1], [1, 0, 0, 0]));
    assert_eq!(agent.does("take_chat", &desk.chat).await?, None);
    app.advance(Duration::from_secs(1));
    desk.visitor.say(&desk.chat, "There you are.").await?;
    assert_eq!((inbox(&desk.acme).await?, inbox(&agent).await?), ([0, 0, 3, 1], [0, 1, 1, 1]));
    assert_eq!(agent.does("resolve_chat", &desk.chat).await?, None);
    assert_eq!(inbox(&desk.acme).await?, [0, 0, 0, 0]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happened_is_replayed_behind_any_number() -> Result<()> {
    let app = TestApp::start().await?;
    let desk = Desk::open(&app, json!({})).await?;
    let mut live = desk.acme.listen("inbox_events", json!({})).await?;
    desk.visitor.request_person(&desk.chat).await?;
    desk.visitor.say(&desk.chat, "Hello?").await?;
    desk.acme.does("take_chat", &desk.chat).await?;
    desk.acme.graphql("add_note", json!({"input": {"chatId": desk.chat, "text": "Known."}})).await?.ok();
    desk.acme.does("resolve_chat", &desk.chat).await?;
    let is_last = |event: &Value| event["data"]["inboxEvents"]["kind"] == "RESOLVED";
    let heard = live.until(is_last).await?;
    let kinds: Vec<&str> = heard.iter().map(|event| text(&event["data"]["inboxEvents"]["kind"])).collect();
    assert_eq!(kinds, ["OPENED", "MESSAGE", "TAKEN", "NOTE", "RESOLVED"]);
    for cut in 0..heard.len() - 1 {
        let after = heard[cut]["data"]["inboxEvents"]["seq"].clone();
        let rest = desk.acme.listen("inbox_events", json!({"after": after})).await?;
        let rest = { rest }.until(is_last).await?;
        let kinds_again: Vec<&str> = rest.iter().map(|event| text(&event["data"]["inboxEvents"]["kind"])).collect();
        assert_eq!(kinds_again, kinds[cut + 1..]);
    }
    let visitor = desk.visitor.listen("inbox_events", json!({})).await?;
    let refused = { visitor }.rest().await?;
    assert!(refused.iter().all(|event| event["errors"][0]["extensions"]["code"] == "FORBIDDEN"), "{refused:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_that_went_silent_is_resolved() -> Result<()> {
    let app = TestApp::start().await?;
    let desk = Desk::open(&app, json!({"resolveAfterHours": 2})).await?;
    let program = desk.program().await?;
    desk.visitor.request_person(&desk.chat).await?;
    app.advance(minutes(119));
    app.run_duties().await?;
    assert_eq!(program.escalation().await?["state"], "WAITING");
    program.reply(&desk.chat, "Still there?").await?;
    app.advance(minutes(119));
    app.run_duties().await?;
    assert_eq!(program.escalation().await?["state"], "TAKEN", "a reply breaks the silence");
    app.advance(minutes(1));
    app.run_duties().await?;
    assert_eq!(program.escalation().await?["state"], "RESOLVED");
    app.run_jobs().await?;
    assert!(app.recorder.told().contains(&"CHANGED Resolved".to_owned()));

    let input = json!({"assistantId": desk.assistant, "resolveAfterHours": null});
    let owner = app.owner_credentials();
    let again = Member::sign_in(&app.public(), &owner.email, &owner.password, Some(&desk.acme.workspace)).await?;
    again.graphql("configure_escalation", json!({"input": input})).await?.ok().get("/configureEscalation/settings");
    let visitor = again.visitor(&desk.assistant).await?;
    let chat = visitor.start_chat().await?;
    visitor.request_person(&chat).await?;
    app.advance(minutes(60 * 24 * 20));
    app.run_duties().await?;
    assert_eq!(program.escalation().await?["state"], "WAITING", "never is never");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn canned_replies_are_kept_changed_and_taken_away() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    let input = json!({"title": "Hello", "text": "Good morning! How can I help?"});
    let made = acme.graphql("create_canned_reply", json!({"input": input})).await?.ok();
    let id = made.text("/createCannedReply/cannedReply/id");
    let input = json!({"cannedReplyId": id, "title": "Hello", "text": "Good evening!"});
    acme.graphql("change_canned_reply", json!({"input": input})).await?.ok();
    let all = acme.graphql("canned_replies", json!({})).await?.ok();
    assert_eq!(all.text("/cannedReplies/0/text"), "Good evening!");
    let input = json!({"cannedReplyId": id});
    acme.graphql("delete_canned_reply", json!({"input": input})).await?.ok().text("/deleteCannedReply/deletedId");
    let again = acme.graphql("delete_canned_reply", json!({"input": input})).await?;
    assert_eq!(again.user_error(), Some("NOT_FOUND"));
    let input = json!({"title": " ", "text": "x"});
    assert_eq!(acme.graphql("create_canned_reply", json!({"input": input})).await?.user_error(), Some("INVALID_INPUT"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn escalations_are_listed_by_their_state() -> Result<()> {
    let app = TestApp::start().await?;
    let desk = Desk::open(&app, json!({})).await?;
    for operation in [None, Some("take_chat"), Some("resolve_chat"), Some("hand_back_chat")] {
        app.advance(Duration::from_secs(1));
        let visitor = desk.acme.visitor(&desk.assistant).await?;
        let chat = visitor.start_chat().await?;
        visitor.request_person(&chat).await?;
        if let Some(operation) = operation {
            assert_eq!(desk.acme.does(operation, &chat).await?, None);
        }
    }
    for (states, count) in [(json!(null), 4), (json!(["WAITING"]), 1), (json!(["WAITING", "TAKEN"]), 2)] {
        let listed = desk.acme.graphql("escalations", json!({"states": states})).await?.ok();
        assert_eq!(listed.number("/escalations/totalCount"), count, "{states}");
        assert_eq!(listed.get("/escalations/nodes").as_array().map(Vec::len), Some(usize::try_from(count)?));
    }
    Ok(())
}
