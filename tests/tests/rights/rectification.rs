//! What is wrong is put right, everywhere: the old words are gone, and who got them is told.

use super::*;
use consigne_gateway::sdk::PluginErrorKind;
use consigne_tests::{canary::Canary, recorder::Answer, texts};

#[tokio::test(flavor = "multi_thread")]
async fn visitors_put_their_words_right_and_who_listens_hears_of_it() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    let assistant = acme.assistant("Ada").await?;
    let visitor = acme.visitor(&assistant).await?;
    let chat = visitor.start_chat().await?;
    visitor.ask(&chat, "My name is Anna Wrongly.").await?;
    app.run_jobs().await?;
    let old = sealed_texts(&app).await?;
    let shown = visitor.graphql("chat_messages", json!({"id": chat, "first": 5})).await?.ok();
    let message = shown.text("/chat/messages/nodes/0/id");
    let input = json!({"input": {"messageId": message, "text": "My name is Ana Rightly."}});

    let stranger = acme.visitor(&assistant).await?;
    assert_eq!(stranger.graphql("rectify_message", input.clone()).await?.user_error(), Some("NOT_FOUND"));
    let agent = acme.agent(&app.public(), "agent@acme.example").await?;
    assert_eq!(agent.graphql("rectify_message", input.clone()).await?.error(), Some("FORBIDDEN"));

    let mut listener = visitor.chat_events(&chat, None).await?;
    let done = visitor.graphql("rectify_message", input).await?.ok();
    assert_eq!(done.text("/rectifyMessage/message/text"), "My name is Ana Rightly.");
    assert!(!done.text("/rectifyMessage/message/rectifiedAt").is_empty());
    let heard = listener.until(|event| event["data"]["chatEvents"]["__typename"] == "MessageRectified").await?;
    let last = &heard[heard.len() - 1]["data"]["chatEvents"]["message"];
    assert_eq!(last["text"], "My name is Ana Rightly.");
    assert_eq!(visitor.messages(&chat).await?[0].1, "My name is Ana Rightly.");
    assert!(acme.audited_actions().await?.contains(&"message.rectified".to_owned()));

    // Even sealed the old words are nowhere, once the listener's read is over.
    drop(listener);
    let by_dpo = json!({"input": {"messageId": message, "text": "My name is Ana."}});
    acme.graphql("rectify_message", by_dpo).await?.ok();
    if matches!(app.database, consigne_tests::database::Database::Sqlite(_)) {
        for place in app.database.places().await? {
            let is_there = place.bytes.windows(old.len()).any(|window| window == old);
            assert!(!is_there, "the old words, sealed, are in {}", place.name);
        }
    }
    Ok(())
}

/// The only message's words, as they are sealed.
async fn sealed_texts(app: &TestApp) -> Result<Vec<u8>> {
    let places = app.database.places().await?;
    let place = places.into_iter().find(|place| place.name == "messages.text_sealed").context("messages")?;
    Ok(place.bytes.strip_suffix(b"\n").unwrap_or(&place.bytes).to_vec())
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_that_got_the_old_words_get_the_right_ones_and_no_others() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    let assistant = acme.assistant("Ada").await?;
    acme.call_people(&assistant, &["recorder", "second"], json!({})).await?;
    // The second is down: what it is to be told still waits.
    app.second.always(Answer::Fail(PluginErrorKind::Refused));
    let visitor = acme.visitor(&assistant).await?;
    let chat = visitor.start_chat().await?;
    let (wrong, right) = (Canary::new(), Canary::new());
    visitor.ask(&chat, &format!("I am {wrong}.")).await?;
    app.run_jobs().await?;
    visitor.request_person(&chat).await?;
    app.run_jobs().await?;
    let shown = visitor.graphql("chat_messages", json!({"id": chat, "first": 5})).await?.ok();
    let nodes = shown.get("/chat/messages/nodes").as_array().cloned().unwrap_or_default();
    let message = nodes.iter().find(|node| node["author"] == "VISITOR").context("the visitor's")?["id"].clone();
    let text = format!("I am {right}.");
    visitor.graphql("rectify_message", json!({"input": {"messageId": message, "text": text}})).await?.ok();
    app.run_jobs().await?;
    let told = app.recorder.told();
    assert!(told.contains(&format!("RECTIFIED VISITOR {text}")), "{told:?}");

    // The one that was refused is tried again by hand, and says the right words.
    app.second.always(Answer::Ok);
    let dead = acme.deliveries("DEAD").await?;
    let opened = dead.iter().find(|one| one["kind"] == "OPENED").context("a dead opening")?;
    acme.graphql("replay_delivery", json!({"input": {"deliveryId": opened["id"]}})).await?.ok();
    app.run_jobs().await?;
    let handed = app.second.handed();
    let replayed = handed.last().context("a replay")?.to_string();
    assert!(!replayed.contains(&wrong.to_string()), "the old words went out again: {replayed}");
    app.assert_absent(&wrong).await?;
    app.assert_absent(&right).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_staff_noted_is_put_right_by_who_serves_rights() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    let assistant = acme.assistant("Ada").await?;
    acme.call_people(&assistant, &["recorder"], json!({})).await?;
    let visitor = acme.visitor(&assistant).await?;
    let chat = visitor.start_chat().await?;
    visitor.request_person(&chat).await?;
    acme.graphql("add_note", json!({"input": {"chatId": chat, "text": "Owes us money."}})).await?.ok();
    let note = acme.escalation().await?["notes"][0]["id"].clone();
    let input = json!({"input": {"noteId": note, "text": "Owes us nothing."}});
    let agent = acme.agent(&app.public(), "agent@acme.example").await?;
    assert_eq!(agent.graphql("rectify_note", input.clone()).await?.error(), Some("FORBIDDEN"));
    acme.graphql("rectify_note", input).await?.ok();
    assert_eq!(acme.escalation().await?["notes"][0]["text"], "Owes us nothing.");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_assistant_said_of_somebody_is_put_right_wherever_it_was_said() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    acme.add_text("Handbook", texts::HANDBOOK).await?;
    let assistant = acme.assistant("Ada").await?;
    acme.call_people(&assistant, &["recorder", "second"], json!({})).await?;
    app.second.always(Answer::Fail(PluginErrorKind::Refused));
    app.run_jobs().await?;
    let visitor = acme.visitor(&assistant).await?;
    let chat = visitor.start_chat().await?;
    let answer = visitor.ask(&chat, "How much is a standard inspection?").await?;
    app.run_jobs().await?;
    visitor.request_person(&chat).await?;
    app.run_jobs().await?;
    let before = visitor.answer(&answer).await?;
    assert!(before["text"].to_string().contains("79 euros") && before["rectifiedAt"].is_null(), "{before}");

    let right = "For you an inspection is free.";
    let input = json!({"input": {"answerId": answer, "text": right}});
    let agent = acme.agent(&app.public(), "agent@acme.example").await?;
    for nobody in [&*visitor, &*agent] {
        assert_eq!(nobody.graphql("rectify_answer", input.clone()).await?.error(), Some("FORBIDDEN"));
    }
    let other = app.workspace("other").await?;
    assert_eq!(other.graphql("rectify_answer", input.clone()).await?.user_error(), Some("NOT_FOUND"));
    let mut listener = visitor.chat_events(&chat, None).await?;
    let done = acme.graphql("rectify_answer", input).await?.ok();
    assert_eq!(done.text("/rectifyAnswer/answer/text"), right);
    let heard = listener.until(|event| event["data"]["chatEvents"]["__typename"] == "AnswerRectified").await?;
    assert_eq!(heard[heard.len() - 1]["data"]["chatEvents"]["answer"]["text"], right);
    drop(listener);

    // Whoever comes later hears the right words alone.
    let mut listener = visitor.chat_events(&chat, None).await?;
    let replayed = listener.until(|event| event["data"]["chatEvents"]["__typename"] == "AnswerRectified").await?;
    let deltas = replayed.iter().filter_map(|event| event["data"]["chatEvents"]["text"].as_str());
    assert_eq!(deltas.collect::<String>(), right);
    drop(listener);
    app.run_jobs().await?;
    let told = app.recorder.told();
    assert!(told.contains(&format!("RECTIFIED ASSISTANT {right}")), "{told:?}");
    app.second.always(Answer::Ok);
    let dead = acme.deliveries("DEAD").await?;
    let opened = dead.iter().find(|one| one["kind"] == "OPENED").context("a dead opening")?;
    acme.graphql("replay_delivery", json!({"input": {"deliveryId": opened["id"]}})).await?.ok();
    app.run_jobs().await?;
    let replayed = app.second.handed().last().context("a replay")?.to_string();
    assert!(replayed.contains(right) && !replayed.contains("79 euros"), "{replayed}");
    let after = visitor.answer(&answer).await?;
    assert!(!after["rectifiedAt"].is_null() && after["citations"] == before["citations"], "{after}");
    assert!(acme.audited_actions().await?.contains(&"answer.rectified".to_owned()));

    // One that has no text yet cannot be wrong.
    let silent = visitor.start_chat().await?;
    let waiting = visitor.ask(&silent, "And the delivery?").await?;
    let input = json!({"input": {"answerId": waiting, "text": right}});
    assert_eq!(acme.graphql("rectify_answer", input).await?.user_error(), Some("CONFLICT"));
    Ok(())
}
