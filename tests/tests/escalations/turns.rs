//! Who has a chat: the assistant is silent while a person has it.

use std::time::Duration;

use anyhow::{Context, Result};
use consigne_tests::{
    app::TestApp,
    people::idempotency_key,
    standins::openai::{StandIn, Turn},
    texts,
};
use serde_json::{Value, json};

use super::{Desk, text};

#[tokio::test(flavor = "multi_thread")]
async fn the_assistant_is_silent_until_the_chat_is_given_back() -> Result<()> {
    let app = TestApp::start().await?;
    let desk = Desk::open(&app, json!({})).await?;
    let Desk { acme, visitor, chat, .. } = &desk;
    visitor.request_person(chat).await?;
    app.advance(Duration::from_secs(1));
    assert_eq!(visitor.say(chat, "Is anybody there?").await?, None);
    app.advance(Duration::from_secs(1));
    assert_eq!(acme.does("take_chat", chat).await?, None);
    assert_eq!(acme.does("take_chat", chat).await?, None, "one's own can be taken again");
    assert_eq!(visitor.state(chat).await?, "WITH_PERSON");
    acme.reply(chat, "I am. What is the matter?").await?;
    app.advance(Duration::from_secs(1));
    assert_eq!(visitor.say(chat, "My brakes squeal.").await?, None);
    app.run_jobs().await?;
    let said: Vec<(String, String)> = visitor.messages(chat).await?;
    let waiting = said.iter().filter(|(author, _)| author == "ASSISTANT").count();
    assert_eq!(waiting, 1, "the waiting text is said once: {said:?}");
    let staff: Vec<_> = said.iter().filter(|(author, _)| author == "STAFF").map(|(_, text)| text.as_str()).collect();
    assert_eq!(staff, ["I am. What is the matter?"]);
    assert_eq!(
        app.recorder.told(),
        [
            "OPENED",
            "SAID VISITOR Is anybody there?",
            "CHANGED Taken",
            "SAID STAFF I am. What is the matter?",
            "SAID VISITOR My brakes squeal."
        ]
    );

    assert_eq!(acme.does("hand_back_chat", chat).await?, None);
    assert_eq!(visitor.state(chat).await?, "ASSISTANT");
    assert_eq!(acme.does("hand_back_chat", chat).await?.as_deref(), Some("CONFLICT"));
    app.advance(Duration::from_secs(1));
    let answer = visitor.ask(chat, "And how much is it?").await?;
    app.run_jobs().await?;
    assert_eq!(visitor.answer(&answer).await?["status"], "COMPLETED");
    let mut events = visitor.chat_events(chat, None).await?;
    let events = events.until(|e| e["data"]["chatEvents"]["__typename"] == "AnswerCompleted").await?;
    let names: Vec<String> = events.iter().map(|e| text(&e["data"]["chatEvents"]["__typename"]).to_owned()).collect();
    let changes: Vec<&String> = names.iter().filter(|name| name.starts_with("Chat")).collect();
    assert_eq!(changes, ["ChatHandedOver", "ChatHandedOver", "ChatHandedBack"]);
    for action in ["escalation.opened", "chat.taken", "chat.replied", "chat.handed_back", "message.posted"] {
        assert!(acme.audited_actions().await?.iter().any(|a| a == action), "{action} is not on record");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_after_the_end_is_for_the_assistant_again() -> Result<()> {
    let app = TestApp::start().await?;
    let desk = Desk::open(&app, json!({})).await?;
    desk.visitor.request_person(&desk.chat).await?;
    assert_eq!(desk.acme.does("resolve_chat", &desk.chat).await?, None);
    assert_eq!(desk.visitor.state(&desk.chat).await?, "RESOLVED");
    assert_eq!(desk.acme.escalation().await?["state"], "RESOLVED");
    app.advance(Duration::from_secs(1));
    assert!(desk.visitor.say(&desk.chat, "One more thing?").await?.is_some());
    assert_eq!(desk.visitor.state(&desk.chat).await?, "ASSISTANT");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_take_a_chat_at_once_one_gets_it() -> Result<()> {
    let app = TestApp::start().await?;
    let desk = Desk::open(&app, json!({})).await?;
    let agent = desk.acme.agent(&app.public(), "agent@acme.example").await?;
    for _ in 0..5 {
        let visitor = desk.acme.visitor(&desk.assistant).await?;
        let chat = visitor.start_chat().await?;
        visitor.request_person(&chat).await?;
        let (one, other) = tokio::join!(desk.acme.does("take_chat", &chat), agent.does("take_chat", &chat));
        let mut ends = [one?, other?];
        ends.sort();
        assert_eq!(ends, [None, Some("CONFLICT".to_owned())]);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_is_given_to_a_colleague_who_may_answer() -> Result<()> {
    let app = TestApp::start().await?;
    let desk = Desk::open(&app, json!({})).await?;
    desk.acme.agent(&app.public(), "agent@acme.example").await?;
    let members = desk.acme.graphql("members", json!({})).await?.ok();
    let members = members.get("/members").as_array().cloned().unwrap_or_default();
    let agent = members.iter().find(|member| member["role"] == "AGENT").context("the agent is a member")?;
    assert_eq!(agent["mayAnswer"], true);
    let agent = text(&agent["accountId"]).to_owned();
    desk.visitor.request_person(&desk.chat).await?;
    let input = json!({"chatId": desk.chat, "accountId": agent});
    desk.acme.graphql("assign_chat", json!({"input": input})).await?.ok().get("/assignChat/chat");
    let escalation = desk.acme.escalation().await?;
    assert_eq!((text(&escalation["assignedAccountId"]), &escalation["state"]), (agent.as_str(), &json!("TAKEN")));
    assert_eq!(desk.acme.does("take_chat", &desk.chat).await?.as_deref(), Some("CONFLICT"));
    let input = json!({"chatId": desk.chat, "accountId": "acc_01jdaaaaaaaaaaaaaaaaaaaaaa"});
    let refused = desk.acme.graphql("assign_chat", json!({"input": input})).await?;
    assert_eq!(refused.user_error(), Some("INVALID_INPUT"), "{}", refused.body);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_replies_once() -> Result<()> {
    let app = TestApp::start().await?;
    let desk = Desk::open(&app, json!({})).await?;
    let input = json!({"chatId": desk.chat, "text": "Hello!", "idempotencyKey": idempotency_key()});
    let first = desk.acme.graphql("reply_to_chat", json!({"input": input})).await?.ok();
    let again = desk.acme.graphql("reply_to_chat", json!({"input": input})).await?.ok();
    assert_eq!(first.text("/replyToChat/message/id"), again.text("/replyToChat/message/id"));
    assert_eq!(desk.visitor.messages(&desk.chat).await?.len(), 1);
    assert_eq!(desk.visitor.state(&desk.chat).await?, "WITH_PERSON", "a reply takes the chat");
    assert_eq!(desk.acme.escalation().await?["reason"], "STAFF_TOOK");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitors_key_posts_once_while_people_have_the_chat() -> Result<()> {
    let app = TestApp::start().await?;
    let desk = Desk::open(&app, json!({})).await?;
    desk.visitor.request_person(&desk.chat).await?;
    let input = json!({"chatId": desk.chat, "text": "Hello?", "idempotencyKey": idempotency_key()});
    let first = desk.visitor.graphql("ask_question", json!({"input": input})).await?.ok();
    let again = desk.visitor.graphql("ask_question", json!({"input": input})).await?.ok();
    assert_eq!(first.text("/askQuestion/message/id"), again.text("/askQuestion/message/id"));
    app.run_jobs().await?;
    assert_eq!(app.recorder.told(), ["OPENED", "SAID VISITOR Hello?"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn visitors_see_a_name_only_where_it_is_shown() -> Result<()> {
    let app = TestApp::start().await?;
    let desk = Desk::open(&app, json!({})).await?;
    desk.acme.graphql("set_staff_name", json!({"input": {"name": "Ann"}})).await?.ok();
    desk.acme.reply(&desk.chat, "Hello!").await?;
    let seen = async |who: &consigne_tests::client::Client| -> Result<Value> {
        let shown = who.graphql("chat", json!({"id": desk.chat})).await?.ok();
        Ok(shown.get("/chat/messages/nodes/0").clone())
    };
    let by_visitor = seen(&desk.visitor).await?;
    for hidden in ["staffName", "staffAccountId", "channelId", "channelSender"] {
        assert_eq!(by_visitor[hidden], Value::Null, "{by_visitor}");
    }
    assert_eq!(by_visitor["author"], "STAFF");
    let by_colleague = seen(&desk.acme).await?;
    assert_eq!(by_colleague["staffName"], "Ann");
    assert!(by_colleague["staffAccountId"].is_string());
    let input = json!({"assistantId": desk.assistant, "showsStaffNames": true});
    desk.acme.graphql("configure_escalation", json!({"input": input})).await?.ok();
    let by_visitor = seen(&desk.visitor).await?;
    assert_eq!((&by_visitor["staffName"], &by_visitor["staffAccountId"]), (&json!("Ann"), &Value::Null));
    Ok(())
}

/// A person takes the chat while a model speaks: it is heard no further.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_under_way_stops_when_a_person_takes_the_chat() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    acme.add_text("Handbook", texts::HANDBOOK).await?;
    app.run_jobs().await?;
    let server = StandIn::start().await;
    let settings = json!({"baseUrl": server.base_url(), "model": "slow"});
    acme.graphql("enable_plugin", json!({"input": {"pluginId": "openai", "settings": settings}})).await?.ok();
    let input = json!({"name": "Ada", "languages": ["en"], "policy": {"chatModel": "openai"}});
    let made = acme.graphql("create_assistant", json!({"input": input})).await?.ok();
    let visitor = acme.visitor(&made.text("/createAssistant/assistant/id")).await?;
    let chat = visitor.start_chat().await?;
    let answer = visitor.ask(&chat, "How much is a standard inspection?").await?;
    let pieces: Vec<String> = (0..200).map(|n| format!("piece{n} ")).collect();
    server.script([Turn::Slow(pieces, 100)]);
    let took = async {
        let mut events = visitor.chat_events(&chat, None).await?;
        events.until(|event| event["data"]["chatEvents"]["__typename"] == "AnswerDelta").await?;
        acme.does("take_chat", &chat).await
    };
    let (ran, took) = tokio::join!(app.run_jobs(), took);
    ran?;
    assert_eq!(took?, None);
    let ended = visitor.answer(&answer).await?;
    assert_eq!(
        (&ended["status"], &ended["outcome"], &ended["text"]),
        (&json!("COMPLETED"), &json!("ESCALATED"), &Value::Null)
    );
    let heard = visitor.chat_events(&chat, None).await?;
    let heard = { heard }.until(|event| event["data"]["chatEvents"]["state"] == "WITH_PERSON").await?;
    let last = heard.last().context("events")?["data"]["chatEvents"]["seq"].as_i64();
    let chat_now = visitor.graphql("chat_state", json!({"id": chat})).await?.ok();
    assert_eq!(Some(chat_now.number("/chat/lastEvent")), last, "a delta came after the person");
    Ok(())
}
