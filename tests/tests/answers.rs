//! A visitor asks, and gets one streamed, cited answer; or an honest no.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use consigne_gateway::{plugins::InstanceDefaults, sdk::Plugin};
use consigne_tests::{
    app::{Furnish, TestApp},
    people::{Member, Visitor, idempotency_key},
    plugins::{WORD_HASH, WordHash},
    standins::openai::{StandIn, Turn},
    texts,
};
use serde_json::{Value, json};

/// A workspace that knows the handbook, and a visitor.
async fn shop(app: &TestApp) -> Result<(Member, Visitor, String)> {
    let acme = app.workspace("acme").await?;
    acme.upload("handbook.md", "text/markdown", texts::HANDBOOK.as_bytes()).await?;
    app.run_jobs().await?;
    let assistant = acme.assistant("Ada").await?;
    let visitor = acme.visitor(&assistant).await?;
    Ok((acme, visitor, assistant))
}

async fn answered(app: &TestApp, visitor: &Visitor, chat: &str, question: &str) -> Result<Value> {
    // Nobody asks twice in a millisecond; the order of messages is by theirs.
    app.advance(Duration::from_secs(20));
    let answer = visitor.ask(chat, question).await?;
    app.run_jobs().await?;
    visitor.answer(&answer).await
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_rests_on_a_passage_and_cites_it() -> Result<()> {
    let app = TestApp::start().await?;
    let (_, visitor, _) = shop(&app).await?;
    let chat = visitor.start_chat().await?;
    let answer = answered(&app, &visitor, &chat, "How many days do I have to return an order?").await?;
    assert_eq!((&answer["status"], &answer["outcome"]), (&json!("COMPLETED"), &json!("ANSWERED")), "{answer}");
    assert!(text(&answer["text"]).contains("45 days") && text(&answer["text"]).contains("[1]"), "{answer}");
    let cited = &answer["citations"][0];
    assert!(text(&cited["quote"]).contains("45 days"), "{answer}");
    assert!(
        texts::HANDBOOK.replace('\n', " ").contains(&text(&cited["quote"]).replace('\n', " ")),
        "not to the letter: {cited}"
    );
    assert_eq!(answer["disclosure"]["region"], "LOCAL");
    assert_eq!(cited["document"], Value::Null, "a visitor sees title and quote only");
    Ok(())
}

/// Waits until something that is counted comes to this.
async fn reaches(counted: impl Fn() -> usize, wanted: usize) -> Result<()> {
    for _ in 0..500 {
        if counted() == wanted {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    anyhow::bail!("{} where {wanted} were wanted", counted())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_embedded_once_while_it_is_on_its_way_and_only_for_its_own_workspace() -> Result<()> {
    let model = WordHash::new(7);
    let furnish = |all: &mut Vec<Arc<dyn Plugin>>, chosen: &mut InstanceDefaults| {
        all.push(Arc::new(model.clone()));
        WORD_HASH.clone_into(&mut chosen.embedder);
    };
    let app = TestApp::start_among(&[], &furnish as Furnish<'_>).await?;
    let (_, visitor, _) = shop(&app).await?;
    let globex = app.workspace("globex").await?;
    globex.upload("handbook.md", "text/markdown", texts::HANDBOOK.as_bytes()).await?;
    app.run_jobs().await?;
    let stranger = globex.visitor(&globex.assistant("Bob").await?).await?;
    let question = "How many days do I have to return an order?";

    // As a worker elsewhere does it.
    let before = model.questions();
    let first = answered(&app, &visitor, &visitor.start_chat().await?, question).await?;
    let needed = model.questions() - before;
    assert!(needed > 0);

    app.embed_ahead();
    app.advance(Duration::from_secs(20));
    let before = model.questions();
    let chat = visitor.start_chat().await?;
    let answer = visitor.ask(&chat, question).await?;
    let made = || model.questions() - before;
    reaches(made, 1).await?;
    // The same words of somebody else's visitor take nothing away, and get nothing.
    let theirs = stranger.ask(&stranger.start_chat().await?, question).await?;
    reaches(made, 2).await?;
    app.run_jobs().await?;
    assert_eq!(made(), 2 * needed, "a vector that was made ahead was made again");
    let answer = visitor.answer(&answer).await?;
    assert_eq!((&answer["text"], &answer["outcome"]), (&first["text"], &json!("ANSWERED")), "{answer}");
    assert_eq!(stranger.answer(&theirs).await?["outcome"], "ANSWERED");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_is_in_the_language_of_the_question() -> Result<()> {
    let app = TestApp::start().await?;
    let (acme, visitor, _) = shop(&app).await?;
    acme.upload("versicherung.md", "text/markdown", texts::INSURANCE_DE.as_bytes()).await?;
    app.run_jobs().await?;
    let chat = visitor.start_chat().await?;
    let answer = answered(&app, &visitor, &chat, "Was kostet die Versicherung gegen Diebstahl?").await?;
    assert_eq!(answer["outcome"], "ANSWERED", "{answer}");
    assert!(text(&answer["text"]).contains("sechs Euro im Monat"), "{answer}");
    let unknown = answered(&app, &visitor, &chat, "Wer wurde 1972 Weltmeister im Schach?").await?;
    assert!(text(&unknown["text"]).contains("keine Antwort"), "{unknown}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_knowledge_does_not_say_is_not_answered() -> Result<()> {
    let app = TestApp::start().await?;
    let (_, visitor, _) = shop(&app).await?;
    let chat = visitor.start_chat().await?;
    let answer = answered(&app, &visitor, &chat, "Who won the chess world championship in 1972?").await?;
    assert_eq!(answer["outcome"], "NOT_IN_KNOWLEDGE", "{answer}");
    assert_eq!((&answer["citations"], &answer["offersPerson"]), (&json!([]), &json!(true)), "{answer}");
    assert!(!text(&answer["text"]).is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follow_up_question_is_understood_from_the_one_before() -> Result<()> {
    let app = TestApp::start().await?;
    let (_, visitor, _) = shop(&app).await?;
    let chat = visitor.start_chat().await?;
    answered(&app, &visitor, &chat, "Do you do a standard inspection of bicycles?").await?;
    let answer = answered(&app, &visitor, &chat, "And how much is it?").await?;
    assert!(text(&answer["text"]).contains("79 euros"), "{answer}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_asks_once() -> Result<()> {
    let app = TestApp::start().await?;
    let (_, visitor, _) = shop(&app).await?;
    let chat = visitor.start_chat().await?;
    let input = json!({"chatId": chat, "text": "Do you deliver to France?", "idempotencyKey": idempotency_key()});
    let first = visitor.graphql("ask_question", json!({"input": input})).await?.ok();
    let again = visitor.graphql("ask_question", json!({"input": input})).await?.ok();
    assert_eq!(first.text("/askQuestion/answer/id"), again.text("/askQuestion/answer/id"));
    app.run_jobs().await?;
    let kept = visitor.graphql("chat", json!({"id": chat})).await?.ok();
    assert_eq!(kept.number("/chat/messages/totalCount"), 1);
    assert_eq!(kept.get("/chat/answers").as_array().map(Vec::len), Some(1));
    Ok(())
}

/// The sequence numbers, and the text that the deltas make.
fn told(events: &[Value]) -> (Vec<i64>, String) {
    let events = || events.iter().map(|event| &event["data"]["chatEvents"]);
    let text =
        events().filter(|event| event["__typename"] == "AnswerDelta").map(|event| text(&event["text"])).collect();
    (events().filter_map(|event| event["seq"].as_i64()).collect(), text)
}

fn is_completed(event: &Value) -> bool {
    event["data"]["chatEvents"]["__typename"] == "AnswerCompleted"
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_hears_the_whole_answer_on_either_transport() -> Result<()> {
    let app = TestApp::start().await?;
    let (_, visitor, _) = shop(&app).await?;
    let chat = visitor.start_chat().await?;
    let mut over_sse = visitor.chat_events(&chat, None).await?;
    let mut over_websocket = visitor.listen_over_websocket("chat_events", json!({"chatId": chat})).await?;
    let id = visitor.ask(&chat, "How much is delivery below 120 euros?").await?;
    app.run_jobs().await?;
    let (one, other) = (over_sse.until(is_completed).await?, over_websocket.until(is_completed).await?);
    assert_eq!(one, other);
    let (numbers, streamed) = told(&one);
    assert_eq!(numbers, (1..=i64::try_from(numbers.len())?).collect::<Vec<_>>());
    assert_eq!(streamed, text(&visitor.answer(&id).await?["text"]));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reconnect_loses_and_repeats_nothing() -> Result<()> {
    let app = TestApp::start().await?;
    let (_, visitor, _) = shop(&app).await?;
    let chat = visitor.start_chat().await?;
    let id = visitor.ask(&chat, "What do frames and batteries come with, and is delivery free?").await?;
    app.run_jobs().await?;
    let whole = visitor.chat_events(&chat, None).await?.until(is_completed).await?;
    let (all, _) = told(&whole);
    for cut in 0..all.len() {
        let mut first = visitor.chat_events(&chat, None).await?;
        let mut heard = Vec::new();
        for _ in 0..cut {
            heard.push(first.next().await?.context("it was heard before")?);
        }
        drop(first);
        let seen = told(&heard).0.last().copied();
        let rest = visitor.chat_events(&chat, seen).await?.until(is_completed).await?;
        heard.extend(rest);
        assert_eq!(heard, whole, "cut after {cut}");
    }
    assert_eq!(visitor.answer(&id).await?["status"], "COMPLETED");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_assistant_answers_nobody() -> Result<()> {
    let app = TestApp::start().await?;
    let (acme, visitor, assistant) = shop(&app).await?;
    let chat = visitor.start_chat().await?;
    acme.graphql("pause_assistant", json!({"input": {"assistantId": assistant}})).await?.ok();
    let input = json!({"chatId": chat, "text": "Are you there?", "idempotencyKey": idempotency_key()});
    let refused = visitor.graphql("ask_question", json!({"input": input})).await?;
    assert_eq!(refused.user_error(), Some("DISABLED"), "{}", refused.body);
    acme.graphql("resume_assistant", json!({"input": {"assistantId": assistant}})).await?.ok();
    assert_eq!(answered(&app, &visitor, &chat, "Do you deliver to France?").await?["status"], "COMPLETED");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_citation_of_a_deleted_document_is_withdrawn() -> Result<()> {
    let app = TestApp::start().await?;
    let (acme, visitor, _) = shop(&app).await?;
    let chat = visitor.start_chat().await?;
    let answer = answered(&app, &visitor, &chat, "How long are frames covered?").await?;
    let listed = acme.graphql("documents", json!({})).await?.ok();
    let input = json!({"documentId": listed.text("/documents/nodes/0/id")});
    acme.graphql("delete_document", json!({"input": input})).await?.ok();
    let after = visitor.answer(text(&answer["id"])).await?;
    let cited = &after["citations"][0];
    assert_eq!(
        (&cited["isWithdrawn"], &cited["quote"], &cited["title"]),
        (&json!(true), &json!(""), &json!("")),
        "{after}"
    );
    assert_eq!(cited["location"], Value::Null);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_can_be_rated_and_rated_anew() -> Result<()> {
    let app = TestApp::start().await?;
    let (_, visitor, _) = shop(&app).await?;
    let chat = visitor.start_chat().await?;
    let id = visitor.ask(&chat, "Do you deliver to Germany?").await?;
    app.run_jobs().await?;
    for rating in ["DOWN", "UP"] {
        let rated = visitor.graphql("rate_answer", json!({"input": {"answerId": id, "rating": rating}})).await?.ok();
        assert_eq!(rated.text("/rateAnswer/answer/rating"), rating);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_cannot_read_another_visitors_chat() -> Result<()> {
    let app = TestApp::start().await?;
    let (acme, visitor, assistant) = shop(&app).await?;
    let stranger = acme.visitor(&assistant).await?;
    let chat = visitor.start_chat().await?;
    let answer = visitor.ask(&chat, "Do you deliver to Belgium?").await?;
    assert_eq!(stranger.graphql("chat", json!({"id": chat})).await?.ok().body["data"]["chat"], Value::Null);
    assert_eq!(stranger.graphql("answer", json!({"id": answer})).await?.ok().body["data"]["answer"], Value::Null);
    assert_eq!(stranger.graphql("chats", json!({})).await?.ok().number("/chats/totalCount"), 0);
    let input = json!({"chatId": chat, "text": "May I?", "idempotencyKey": idempotency_key()});
    assert_eq!(stranger.graphql("ask_question", json!({"input": input})).await?.user_error(), Some("NOT_FOUND"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_writes_makes_a_follow_up_stand_alone_before_it_is_searched() -> Result<()> {
    let app = TestApp::start().await?;
    let (acme, _, _) = shop(&app).await?;
    let server = StandIn::start().await;
    let settings = json!({"baseUrl": server.base_url(), "model": "writer"});
    acme.graphql("enable_plugin", json!({"input": {"pluginId": "openai", "settings": settings}})).await?.ok();
    let input = json!({"name": "Writer", "languages": ["en"], "policy": {"chatModel": "openai"}});
    let made = acme.graphql("create_assistant", json!({"input": input})).await?.ok();
    let visitor = acme.visitor(&made.text("/createAssistant/assistant/id")).await?;
    let chat = visitor.start_chat().await?;
    answered(&app, &visitor, &chat, "Do you inspect bicycles?").await?;
    server.script([
        Turn::Answer(vec!["What does a standard inspection".into(), " of a bicycle cost?".into()]),
        Turn::AnswerFromPassages,
    ]);
    let answer = answered(&app, &visitor, &chat, "And how much is it?").await?;
    assert_eq!(answer["outcome"], "ANSWERED", "{answer}");
    let requests = server.requests();
    assert_eq!(requests.len(), 3, "one to answer, one to rewrite, one to answer");
    let messages = |at: usize| requests[at].body["messages"].as_array().cloned().unwrap_or_default();
    assert!(requests[1].body.get("tools").is_none(), "a rewrite is not an answer");
    assert_eq!(messages(1).last().map(|last| &last["content"]), Some(&json!("And how much is it?")));
    assert!(text(&messages(2)[0]["content"]).contains("79 euros"), "the rewritten question found no price");
    Ok(())
}

/// Answers that are written at once.
const AT_ONCE: usize = 12;

#[tokio::test(flavor = "multi_thread")]
async fn of_many_answers_at_once_those_that_are_wanted_are_heard_whole() -> Result<()> {
    let app = TestApp::start().await?;
    let (acme, _, _) = shop(&app).await?;
    let server = StandIn::start().await;
    let settings = json!({"baseUrl": server.base_url(), "model": "steady"});
    acme.graphql("enable_plugin", json!({"input": {"pluginId": "openai", "settings": settings}})).await?.ok();
    let input = json!({"name": "Steady", "languages": ["en"], "policy": {"chatModel": "openai"}});
    let assistant = acme.graphql("create_assistant", json!({"input": input})).await?.ok();
    let assistant = assistant.text("/createAssistant/assistant/id");
    let whole = "A standard inspection costs 79 euros [1]. ".to_owned() + &"word ".repeat(60);
    let pieces: Vec<String> = whole.split_inclusive(' ').map(str::to_owned).collect();
    server.script((0..AT_ONCE).map(|_| Turn::Slow(pieces.clone(), 40)));
    let mut asked = Vec::new();
    for _ in 0..AT_ONCE {
        let visitor = acme.visitor(&assistant).await?;
        let chat = visitor.start_chat().await?;
        let events = visitor.chat_events(&chat, None).await?;
        let answer = visitor.ask(&chat, "What does a standard inspection cost?").await?;
        asked.push((visitor, chat, events, answer));
    }
    let working = futures::future::join_all((0..AT_ONCE).map(|_| app.run_jobs()));
    let meanwhile = async {
        // Everybody has heard something.
        for (_, _, events, _) in &mut asked {
            events.until(|event| event["data"]["chatEvents"]["__typename"] == "AnswerDelta").await?;
        }
        asked[0].0.erase_myself().await?;
        let taken = json!({"input": {"chatId": asked[1].1}});
        acme.graphql("take_chat", taken).await?.ok();
        let objection = json!({"input": {"purpose": "ANSWERING"}});
        asked[2].0.graphql("object_to_purpose", objection).await?;
        anyhow::Ok(())
    };
    let (worked, done) = tokio::join!(working, meanwhile);
    done?;
    for one in worked {
        one?;
    }
    for (visitor, chat, _, answer) in &asked[3..] {
        let (numbers, streamed) = told(&visitor.chat_events(chat, None).await?.until(is_completed).await?);
        assert_eq!(numbers, (1..=i64::try_from(numbers.len())?).collect::<Vec<_>>(), "a gap, or twice");
        assert_eq!(streamed.trim(), whole.trim());
        assert_eq!(visitor.answer(answer).await?["status"], "COMPLETED");
    }
    let taken = acme.graphql("answer", json!({"id": asked[1].3})).await?.ok();
    assert_eq!(taken.get("/answer/outcome"), "ESCALATED", "a person had the chat");
    Ok(())
}
