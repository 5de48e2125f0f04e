//! What calls people, and when they are there.

use std::time::Duration;

use anyhow::{Context, Result};
use consigne_tests::{
    app::{TestApp, days, minutes},
    texts,
};
use serde_json::{Value, json};

use super::{Desk, text};

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_the_knowledge_does_not_answer_calls_people() -> Result<()> {
    let app = TestApp::start().await?;
    let desk = Desk::open(&app, json!({"triggers": ["NOT_IN_KNOWLEDGE"]})).await?;
    let answer = desk.visitor.ask(&desk.chat, "Who won the chess world championship in 1972?").await?;
    app.advance(Duration::from_secs(1));
    app.run_jobs().await?;
    let answer = desk.visitor.answer(&answer).await?;
    assert_eq!((&answer["status"], &answer["outcome"]), (&json!("COMPLETED"), &json!("ESCALATED")), "{answer}");
    assert_eq!(answer["offersPerson"], false, "{answer}");
    assert!(!text(&answer["text"]).contains("Would you like"), "{answer}");
    assert_eq!(desk.visitor.state(&desk.chat).await?, "WAITING_FOR_PERSON");
    let escalation = desk.acme.escalation().await?;
    assert_eq!((&escalation["reason"], &escalation["state"]), (&json!("NOT_IN_KNOWLEDGE"), &json!("WAITING")));
    let handed = app.recorder.handed();
    assert_eq!(app.recorder.told(), ["OPENED"]);
    assert_eq!((&handed[0]["reason"], &handed[0]["assistant"]), (&json!("NotInKnowledge"), &json!("Ada")));
    assert_eq!(handed[0]["conversation"][0]["text"], "Who won the chess world championship in 1972?");
    assert_eq!(handed[0]["conversation"][1]["speaker"], "ASSISTANT");
    let events = desk.visitor.chat_events(&desk.chat, None).await?;
    let heard = heard_until(events, "ChatHandedOver").await?;
    assert_eq!(heard.last().context("an event")?["state"], "WAITING_FOR_PERSON");
    let (author, said) = desk.visitor.messages(&desk.chat).await?.pop().context("the waiting text")?;
    assert_eq!((author.as_str(), said.contains("our team")), ("ASSISTANT", true), "{said}");
    Ok(())
}

async fn heard_until(mut events: consigne_tests::listen::Listener, last: &str) -> Result<Vec<Value>> {
    let heard = events.until(|event| event["data"]["chatEvents"]["__typename"] == last).await?;
    Ok(heard.into_iter().map(|event| event["data"]["chatEvents"].clone()).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_rule_nobody_is_called() -> Result<()> {
    let app = TestApp::start().await?;
    let desk = Desk::open(&app, json!({})).await?;
    let answer = desk.visitor.ask(&desk.chat, "Can I talk to a human about the chess world champion?").await?;
    app.run_jobs().await?;
    assert_eq!(desk.visitor.answer(&answer).await?["outcome"], "NOT_IN_KNOWLEDGE");
    assert_eq!(desk.visitor.state(&desk.chat).await?, "ASSISTANT");
    assert!(app.recorder.told().is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn asking_for_a_person_is_understood_in_four_languages_and_the_button_in_any() -> Result<()> {
    let app = TestApp::start().await?;
    let desk = Desk::open(&app, json!({"triggers": ["VISITOR_ASKED"]})).await?;
    for (asked, said) in [
        ("Can I talk to a human?", "our team"),
        ("Je voudrais parler à un conseiller.", "notre équipe"),
        ("Ich möchte mit einem Menschen sprechen.", "unser Team"),
        ("Quiero hablar con una persona.", ""), // The assistant speaks no Spanish, and understands all the same.
    ] {
        app.advance(Duration::from_secs(1));
        let visitor = desk.acme.visitor(&desk.assistant).await?;
        let chat = visitor.start_chat().await?;
        assert_eq!(visitor.say(&chat, asked).await?, None, "an answer was opened to {asked}");
        assert_eq!(visitor.state(&chat).await?, "WAITING_FOR_PERSON", "{asked}");
        let messages = visitor.messages(&chat).await?;
        assert!(messages.iter().any(|(author, text)| author == "ASSISTANT" && text.contains(said)), "{messages:?}");
        assert_eq!(desk.acme.escalation().await?["reason"], "VISITOR_ASKED");
    }
    desk.visitor.request_person(&desk.chat).await?;
    desk.visitor.request_person(&desk.chat).await?;
    assert_eq!(desk.visitor.state(&desk.chat).await?, "WAITING_FOR_PERSON");
    app.run_jobs().await?;
    assert_eq!(app.recorder.told().len(), 5, "the button was pressed twice, and called once");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn asking_for_a_person_is_heard_in_any_language_and_in_other_words() -> Result<()> {
    let app = TestApp::start().await?;
    let desk = Desk::open(&app, json!({"triggers": ["VISITOR_ASKED"]})).await?;
    for (asked, asks) in [
        ("Posso parlare con un operatore?", true),
        ("Chcę porozmawiać z człowiekiem", true),
        ("担当者と話せますか？", true),
        ("أريد التحدث إلى شخص حقيقي", true),
        ("I'd rather deal with a living being", true),
        ("Quanto costa a persona?", false),
        ("Ilu pracowników ma firma?", false),
        ("How long can I leave a suitcase?", false),
    ] {
        app.advance(Duration::from_secs(20));
        let visitor = desk.acme.visitor(&desk.assistant).await?;
        let chat = visitor.start_chat().await?;
        let answer = visitor.ask(&chat, asked).await?;
        app.run_jobs().await?;
        let outcome = visitor.answer(&answer).await?["outcome"].clone();
        assert_eq!(outcome == "ESCALATED", asks, "{asked}: {outcome}");
        let state = if asks { "WAITING_FOR_PERSON" } else { "ASSISTANT" };
        assert_eq!(visitor.state(&chat).await?, state, "{asked}");
        if asks {
            assert_eq!(desk.acme.escalation().await?["reason"], "VISITOR_ASKED", "{asked}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn yes_to_the_offer_of_a_person_calls_one() -> Result<()> {
    let app = TestApp::start().await?;
    let desk = Desk::open(&app, json!({"triggers": ["VISITOR_ASKED"]})).await?;
    let answer = desk.visitor.ask(&desk.chat, "Who won the chess world championship in 1972?").await?;
    app.run_jobs().await?;
    assert_eq!(desk.visitor.answer(&answer).await?["offersPerson"], true);
    app.advance(Duration::from_secs(20));
    assert_eq!(desk.visitor.say(&desk.chat, "Yes, please!").await?, None);
    assert_eq!(desk.visitor.state(&desk.chat).await?, "WAITING_FOR_PERSON");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listed_word_calls_people() -> Result<()> {
    let app = TestApp::start().await?;
    let desk = Desk::open(&app, json!({"triggers": ["KEYWORD"], "keywords": ["refund"]})).await?;
    assert_eq!(desk.visitor.say(&desk.chat, "I want my REFUND now").await?, None);
    assert_eq!(desk.acme.escalation().await?["reason"], "KEYWORD");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_not_sure_is_given_and_calls_people() -> Result<()> {
    let app = TestApp::start().await?;
    let desk = Desk::open(&app, json!({"triggers": ["LOW_CONFIDENCE"], "confidenceMargin": 0.0})).await?;
    desk.acme.add_text("Handbook", texts::HANDBOOK).await?;
    app.run_jobs().await?;
    let sure = desk.visitor.ask(&desk.chat, "How many days do I have to return an order?").await?;
    app.run_jobs().await?;
    assert_eq!(desk.visitor.answer(&sure).await?["outcome"], "ANSWERED");
    assert_eq!(desk.visitor.state(&desk.chat).await?, "ASSISTANT");

    let input = json!({"assistantId": desk.assistant, "confidenceMargin": 1.0});
    desk.acme.graphql("configure_escalation", json!({"input": input})).await?.ok();
    app.advance(Duration::from_secs(20));
    let unsure = desk.visitor.ask(&desk.chat, "How many days do I have to return an order?").await?;
    app.run_jobs().await?;
    let unsure = desk.visitor.answer(&unsure).await?;
    assert_eq!(unsure["outcome"], "ANSWERED", "{unsure}");
    assert_eq!(desk.acme.escalation().await?["reason"], "LOW_CONFIDENCE");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thumbs_down_call_people_and_one_does_not() -> Result<()> {
    let app = TestApp::start().await?;
    let desk = Desk::open(&app, json!({"triggers": ["BAD_RATINGS"], "badRatings": 2})).await?;
    for (question, state) in [("What is it?", "ASSISTANT"), ("And who wrote it down?", "WAITING_FOR_PERSON")] {
        app.advance(Duration::from_secs(20));
        let answer = desk.visitor.ask(&desk.chat, question).await?;
        app.run_jobs().await?;
        for _ in 0..2 {
            let input = json!({"answerId": answer, "rating": "DOWN"});
            desk.visitor.graphql("rate_answer", json!({"input": input})).await?.ok();
        }
        assert_eq!(desk.visitor.state(&desk.chat).await?, state, "after {question}");
    }
    assert_eq!(desk.acme.escalation().await?["reason"], "BAD_RATINGS");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_fails_calls_people() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    let settings = json!({"baseUrl": "https://llm.example.eu/v1", "model": "a-model"});
    acme.graphql("enable_plugin", json!({"input": {"pluginId": "openai", "settings": settings}})).await?.ok();
    let input = json!({"name": "Ada", "languages": ["en"], "policy": {"chatModel": "openai"}});
    let made = acme.graphql("create_assistant", json!({"input": input})).await?.ok();
    let assistant = made.text("/createAssistant/assistant/id");
    acme.graphql("disable_plugin", json!({"input": {"pluginId": "openai"}})).await?.ok();
    acme.call_people(&assistant, &["recorder"], json!({"triggers": ["ANSWER_FAILED"]})).await?;
    let visitor = acme.visitor(&assistant).await?;
    let chat = visitor.start_chat().await?;
    let answer = visitor.ask(&chat, "Are you there?").await?;
    app.run_jobs().await?;
    let answer = visitor.answer(&answer).await?;
    assert_eq!((&answer["status"], &answer["failureCode"]), (&json!("FAILED"), &json!("MODEL_MISCONFIGURED")));
    assert_eq!(visitor.state(&chat).await?, "WAITING_FOR_PERSON");
    assert_eq!(app.recorder.handed()[0]["reason"], "AnswerFailed");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn by_default_a_link_goes_out_and_no_word_of_the_chat() -> Result<()> {
    let app = TestApp::start().await?;
    let more = json!({"content": "LINK_ONLY", "consoleLink": "https://desk.example/chats/{chatId}"});
    let desk = Desk::open(&app, more).await?;
    desk.visitor.ask(&desk.chat, "My name is Ann.").await?;
    desk.visitor.request_person(&desk.chat).await?;
    app.advance(Duration::from_secs(1));
    desk.visitor.say(&desk.chat, "Hello?").await?;
    app.run_jobs().await?;
    let handed = app.recorder.handed();
    assert_eq!(handed[0]["link"], format!("https://desk.example/chats/{}", desk.chat));
    assert_eq!(handed[0]["conversation"], json!([]));
    assert_eq!((&handed[1]["kind"], &handed[1]["line"]["text"]), (&json!("SAID"), &Value::Null));
    let settings = desk.acme.graphql("escalation_settings", json!({"assistantId": desk.assistant})).await?.ok();
    assert_eq!(settings.text("/escalationSettings/content"), "LINK_ONLY");
    Ok(())
}

fn nine_to_five(zone: &str) -> Value {
    let days = ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY"];
    json!({"timeZone": zone, "periods": days.map(|day| json!({"day": day, "from": "09:00", "to": "17:00"}))})
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_there_says_so_by_the_clock_on_their_wall() -> Result<()> {
    let app = TestApp::start().await?;
    let more = json!({"hours": nine_to_five("Europe/Brussels"), "offHoursText": "Back at nine."});
    let desk = Desk::open(&app, more).await?;
    let program = desk.program().await?;
    // From Monday, 23 November 2026, 08:00 UTC.
    let half_past_seven = days(123) - minutes(30);
    for (wait, is_off) in [
        (Duration::ZERO, false), // Monday 09:00 in winter time
        (half_past_seven, true), // Friday 26 March 2027, 08:30 in winter time
        (days(3), false),        // Monday 29 March 2027, 09:30 in summer time
        (minutes(8 * 60), true), // 17:30
    ] {
        app.advance(wait);
        let visitor = program.visitor(&desk.assistant).await?;
        let chat = visitor.start_chat().await?;
        visitor.request_person(&chat).await?;
        let escalation = program.escalation().await?;
        assert_eq!(escalation["isOffHours"], is_off, "{escalation}");
        let messages = visitor.messages(&chat).await?;
        assert_eq!(messages.iter().any(|(_, text)| text == "Back at nine."), is_off, "{messages:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_cannot_work_are_refused() -> Result<()> {
    let app = TestApp::start().await?;
    let desk = Desk::open(&app, json!({})).await?;
    for bad in [
        json!({"consoleLink": "http://desk.example/{chatId}"}),
        json!({"consoleLink": "https://desk.example/"}),
        json!({"channelIds": ["openai"]}),
        json!({"channelIds": ["recorder", "recorder"]}),
        json!({"hours": nine_to_five("Mars/Olympus")}),
        json!({"hours": {"timeZone": "UTC", "periods": [{"day": "MONDAY", "from": "9", "to": "17:00"}]}}),
        json!({"hours": {"timeZone": "UTC", "periods": [{"day": "MONDAY", "from": "17:00", "to": "09:00"}]}}),
        json!({"keywords": [""]}),
        json!({"badRatings": 0}),
        json!({"resolveAfterHours": 0}),
        json!({"waitingText": " "}),
    ] {
        let mut input = json!({"assistantId": desk.assistant});
        for (name, value) in bad.as_object().into_iter().flatten() {
            input[name] = value.clone();
        }
        let refused = desk.acme.graphql("configure_escalation", json!({"input": input})).await?;
        assert_eq!(refused.user_error(), Some("INVALID_INPUT"), "{bad}: {}", refused.body);
    }
    Ok(())
}
