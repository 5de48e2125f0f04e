//! A person is erased: everything, everywhere, counted, and certified.

use anyhow::{Context, Result};
use consigne_tests::{app::TestApp, canary::Canary, people::idempotency_key, texts};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn the_canary_is_seen_where_text_is_not_sealed() -> Result<()> {
    let app = TestApp::start().await?;
    let canary = Canary::new();
    let acme = app.workspace("acme").await?;
    acme.assistant(&format!("Ada {canary}")).await?;
    let found = app.places_with(&canary).await?;
    assert!(found.iter().any(|place| place == "assistants.name"), "{found:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_visitor_writes_is_readable_nowhere() -> Result<()> {
    let app = TestApp::start().await?;
    let canary = Canary::new();
    let acme = app.workspace("acme").await?;
    acme.add_text("Handbook", texts::HANDBOOK).await?;
    app.run_jobs().await?;
    let visitor = acme.visitor(&acme.assistant("Ada").await?).await?;
    let chat = visitor.start_chat().await?;
    visitor.ask(&chat, &format!("I am {canary}. Do you deliver to France?")).await?;
    app.run_jobs().await?;
    let kept = visitor.graphql("chat", json!({"id": chat})).await?.ok();
    assert!(kept.text("/chat/messages/nodes/0/text").contains(&canary.to_string()));
    app.assert_absent(&canary).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_uploaded_text_is_readable_nowhere() -> Result<()> {
    let app = TestApp::start().await?;
    let canary = Canary::new();
    let acme = app.workspace("acme").await?;
    let text = format!("# Notes\n\n## Person {canary}\n\nThe code word of the night shift is {canary}.\n");
    acme.upload("notes.md", "text/markdown", text.as_bytes()).await?;
    app.run_jobs().await?;
    let visitor = acme.visitor(&acme.assistant("Ada").await?).await?;
    let chat = visitor.start_chat().await?;
    let answer = visitor.ask(&chat, "What is the code word of the night shift?").await?;
    app.run_jobs().await?;
    assert!(visitor.answer(&answer).await?["text"].as_str().is_some_and(|text| text.contains(&canary.to_string())));
    app.assert_absent(&canary).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_visitor_is_gone_and_certified() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    acme.add_text("Handbook", texts::HANDBOOK).await?;
    app.run_jobs().await?;
    let assistant = acme.assistant("Ada").await?;
    let (visitor, other) = (acme.visitor(&assistant).await?, acme.visitor(&assistant).await?);
    for person in [&visitor, &other] {
        let chat = person.start_chat().await?;
        person.ask(&chat, "How much is a standard inspection?").await?;
    }
    app.run_jobs().await?;

    let id = acme.erase(&visitor.subject).await?;
    app.run_jobs().await?;
    let erasure = acme.erasure(&id).await?;
    assert_eq!(erasure["state"], "COMPLETED", "{erasure}");
    for step in erasure["steps"].as_array().context("an erasure has steps")? {
        assert_eq!((&step["state"], step["remaining"].as_i64().unwrap_or(0)), (&json!("DONE"), 0), "{step}");
    }
    let certificate = erasure["certificate"].as_str().context("it is certified")?;
    assert_eq!(certificate.split('.').count(), 3, "not a compact JWS: {certificate}");
    let keys = acme.request(reqwest::Method::GET, "/.well-known/jwks.json").send().await?.text().await?;
    assert!(keys.contains("Ed25519"), "{keys}");

    assert_eq!(acme.graphql("chats", json!({})).await?.ok().number("/chats/totalCount"), 1);
    assert_eq!(app.rows("messages").await?, 1);
    assert_eq!(acme.graphql("audit_verdict", json!({})).await?.ok().get("/auditVerdict/isIntact"), &json!(true));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn visitors_erase_themselves_and_cannot_go_on() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    let visitor = acme.visitor(&acme.assistant("Ada").await?).await?;
    let chat = visitor.start_chat().await?;
    let id = visitor.erase_myself().await?;
    app.run_jobs().await?;
    assert_eq!(acme.erasure(&id).await?["state"], "COMPLETED");
    let input = json!({"chatId": chat, "text": "Do you know me?", "idempotencyKey": idempotency_key()});
    let refused = visitor.graphql("ask_question", json!({"input": input})).await?;
    let code = refused.error().or(refused.user_error());
    assert!(matches!(code, Some("UNAUTHENTICATED" | "SUBJECT_ERASED")), "{}", refused.body);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_erases_once_and_a_visitor_erases_nobody_else() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    let assistant = acme.assistant("Ada").await?;
    let (visitor, stranger) = (acme.visitor(&assistant).await?, acme.visitor(&assistant).await?);
    let input = json!({"subjectId": visitor.subject, "idempotencyKey": idempotency_key()});
    let refused = stranger.graphql("erase_subject", json!({"input": input})).await?;
    assert_ne!(refused.error().or(refused.user_error()), None, "{}", refused.body);
    let first = acme.graphql("erase_subject", json!({"input": input})).await?.ok();
    let again = acme.graphql("erase_subject", json!({"input": input})).await?.ok();
    assert_eq!(first.text("/eraseSubject/erasure/id"), again.text("/eraseSubject/erasure/id"));
    Ok(())
}

/// The erasure comes while the answer is still to be made.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_under_way_does_not_bring_an_erased_visitor_back() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    acme.add_text("Handbook", texts::HANDBOOK).await?;
    app.run_jobs().await?;
    let visitor = acme.visitor(&acme.assistant("Ada").await?).await?;
    let chat = visitor.start_chat().await?;
    visitor.ask(&chat, "How much is a standard inspection?").await?;
    let id = acme.erase(&visitor.subject).await?;
    app.run_jobs().await?;
    assert_eq!(acme.erasure(&id).await?["state"], "COMPLETED");
    for table in ["chats", "messages", "answers", "citations", "chat_events", "visitors"] {
        assert_eq!(app.rows(table).await?, 0, "{table}");
    }
    assert_eq!(acme.graphql("chat", json!({"id": chat})).await?.ok().body["data"]["chat"], Value::Null);
    Ok(())
}
