//! A visitor writes what nobody should read: it is refused before anything of it is kept or sent.

use anyhow::Result;
use consigne_tests::{
    app::TestApp,
    canary::Canary,
    people::{Member, Visitor, idempotency_key},
    standins::openai::{Dialect, StandIn},
    texts,
};
use serde_json::{Value, json};

/// A shop that answers by another party's model.
async fn shop(app: &TestApp) -> Result<(Member, Visitor, StandIn)> {
    let acme = app.workspace("acme").await?;
    acme.upload("handbook.md", "text/markdown", texts::HANDBOOK.as_bytes()).await?;
    app.run_jobs().await?;
    let model = StandIn::start_as(Dialect::Mistral).await;
    let settings = json!({"baseUrl": model.base_url(), "apiKey": "k", "region": "EEA"});
    acme.graphql("enable_plugin", json!({"input": {"pluginId": "mistral", "settings": settings}})).await?.ok();
    let input = json!({"name": "Ada", "languages": ["en"], "policy": {"chatModel": "mistral"}});
    let assistant =
        acme.graphql("create_assistant", json!({"input": input})).await?.ok().text("/createAssistant/assistant/id");
    let visitor = acme.visitor(&assistant).await?;
    Ok((acme, visitor, model))
}

async fn error_for(visitor: &Visitor, chat: &str, text: &str) -> Result<Value> {
    let input = json!({"chatId": chat, "text": text, "idempotencyKey": idempotency_key()});
    let reply = visitor.graphql("ask_question", json!({"input": input})).await?;
    Ok(reply.body["data"]["askQuestion"]["userErrors"][0].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_and_special_categories_are_refused_before_anything_is_kept_or_sent() -> Result<()> {
    let app = TestApp::start().await?;
    let (acme, visitor, model) = shop(&app).await?;
    let chat = visitor.start_chat().await?;
    let canary = Canary::new();
    for (text, notice) in [
        (format!("My password is {canary}!9, why can I not sign in?"), "seems to hold a password"),
        (
            format!("Ich bin schwanger, kann ich {canary} zurückgeben und bekomme ich mein Geld zurück?"),
            "enthält offenbar",
        ),
        (
            format!("J'ai un cancer, est-ce que je peux rendre la commande {canary} plus tard ?"),
            "informations sensibles",
        ),
    ] {
        let error = error_for(&visitor, &chat, &text).await?;
        assert_eq!(
            (&error["code"], &error["field"]),
            (&json!("SENSITIVE_CONTENT"), &json!(["input", "text"])),
            "{error}"
        );
        assert!(error["message"].as_str().is_some_and(|message| message.contains(notice)), "{error}");
        assert!(!error.to_string().contains(&canary.to_string()));
    }
    app.run_jobs().await?;
    assert_eq!((app.rows("messages").await?, app.rows("answers").await?, model.requests().len()), (0, 0, 0));
    app.assert_absent(&canary).await?;
    let refused = acme.audited_actions().await?.into_iter().filter(|action| action == "message.refused").count();
    assert_eq!(refused, 3);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_about_the_matter_is_answered_and_a_ground_on_record_lets_the_rest_through() -> Result<()> {
    let app = TestApp::start().await?;
    let (acme, visitor, model) = shop(&app).await?;
    let chat = visitor.start_chat().await?;
    let answer = visitor.ask(&chat, "Do pregnant customers have more than 45 days to return an order?").await?;
    app.run_jobs().await?;
    assert_eq!(visitor.answer(&answer).await?["status"], "COMPLETED");
    assert!(!model.requests().is_empty());
    let told = "I am pregnant: do I have more days to return an order?";
    assert_eq!(error_for(&visitor, &chat, told).await?["code"], "SENSITIVE_CONTENT");
    // A ground for corrections is none for chats.
    for (concern, refused) in [("SPECIAL_CATEGORIES", true), ("SPECIAL_CATEGORIES_IN_CHATS", false)] {
        let input = json!({"concern": concern, "ground": "Explicit consent at the beginning of the chat"});
        acme.graphql("record_processing_ground", json!({"input": input})).await?.ok();
        assert_eq!(error_for(&visitor, &chat, told).await?["code"] == "SENSITIVE_CONTENT", refused, "{concern}");
    }
    app.run_jobs().await?;
    assert!(model.requests().iter().any(|request| request.body.to_string().contains("I am pregnant")));
    let input = json!({"concern": "SPECIAL_CATEGORIES_IN_CHATS"});
    acme.graphql("withdraw_processing_ground", json!({"input": input})).await?.ok();
    assert_eq!(error_for(&visitor, &chat, told).await?["code"], "SENSITIVE_CONTENT");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_refused_as_well_where_a_person_has_the_chat() -> Result<()> {
    let app = TestApp::start().await?;
    let (_, visitor, _) = shop(&app).await?;
    let chat = visitor.start_chat().await?;
    visitor.request_person(&chat).await?;
    let canary = Canary::new();
    let error = error_for(&visitor, &chat, &format!("my password is {canary}!9")).await?;
    assert_eq!(error["code"], "SENSITIVE_CONTENT");
    app.assert_absent(&canary).await?;
    visitor.say(&chat, "I cannot sign in").await?;
    let own = visitor.messages(&chat).await?.into_iter().filter(|(author, _)| author == "VISITOR").count();
    assert_eq!(own, 1);
    Ok(())
}
