//! Asking and searching while the index is down.

use std::time::Duration;

use anyhow::{Context, Result};
use consigne_tests::{app::TestApp, standins::qdrant::Qdrant, texts};
use serde_json::json;
use tokio::{net::TcpListener, time::timeout};

use super::{house, on_both, program_of};

on_both! {
    a_question_ends_in_a_clear_failure_and_the_next_one_is_answered
    two_workspaces_with_the_same_texts_never_meet
}

const QUESTION: &str = "How much is a standard inspection?";

/// What a step may take, however the index is down; a query that took 10 s would be answered with another code.
const SOON: Duration = Duration::from_secs(30);

async fn a_question_ends_in_a_clear_failure_and_the_next_one_is_answered(mut qdrant: Qdrant) -> Result<()> {
    let (app, acme) = house(&qdrant).await?;
    acme.add_text("Handbook", texts::HANDBOOK).await?;
    app.run_jobs().await?;
    let visitor = acme.visitor(&acme.assistant("Ada").await?).await?;
    let chat = visitor.start_chat().await?;

    qdrant.stop().await?;
    let searched = timeout(SOON, acme.graphql("search_knowledge", json!({"question": QUESTION}))).await??;
    assert_eq!(searched.error(), Some("TEMPORARILY_UNAVAILABLE"), "{}", searched.body);
    let said = searched.body["errors"][0]["message"].as_str().unwrap_or_default().to_owned();
    assert!(said.contains("later") && !said.contains("qdrant"), "it is for a person: {said}");
    let failed = visitor.ask(&chat, QUESTION).await?;
    for _ in 0..3 {
        timeout(SOON, app.run_jobs()).await??;
        app.advance(Duration::from_secs(5));
    }
    let answer = visitor.answer(&failed).await?;
    assert_eq!((&answer["status"], &answer["failureCode"]), (&json!("FAILED"), &json!("TEMPORARILY_UNAVAILABLE")));
    let mut events = visitor.chat_events(&chat, None).await?;
    let is_failure = |event: &serde_json::Value| event["data"]["chatEvents"]["__typename"] == "AnswerFailed";
    events.until(is_failure).await.context("whoever listens is told")?;

    qdrant.start_again().await?;
    let asked = visitor.ask(&chat, QUESTION).await?;
    app.run_jobs().await?;
    let answer = visitor.answer(&asked).await?;
    assert_eq!((&answer["status"], &answer["outcome"]), (&json!("COMPLETED"), &json!("ANSWERED")), "{answer}");
    Ok(())
}

async fn two_workspaces_with_the_same_texts_never_meet(qdrant: Qdrant) -> Result<()> {
    let (app, acme) = house(&qdrant).await?;
    let other = program_of(&app, "other").await?;
    let own = acme.add_text("Handbook", texts::HANDBOOK).await?;
    let foreign = other.add_text("Handbook", texts::HANDBOOK).await?;
    app.run_jobs().await?;
    let found_by = async |member: &consigne_tests::people::Member| {
        let found = member.graphql("search_knowledge", json!({"question": QUESTION, "first": 50})).await?.ok();
        let found = found.get("/searchKnowledge").as_array().cloned().unwrap_or_default();
        Ok::<_, anyhow::Error>(found.iter().map(|passage| passage["documentId"].clone()).collect::<Vec<_>>())
    };
    let (by_acme, by_other) = (found_by(&acme).await?, found_by(&other).await?);
    assert!(!by_acme.is_empty() && by_acme.iter().all(|id| *id == json!(own)), "{by_acme:?}");
    assert!(!by_other.is_empty() && by_other.iter().all(|id| *id == json!(foreign)), "{by_other:?}");

    acme.graphql("delete_document", json!({"input": {"documentId": own}})).await?.ok();
    app.run_jobs().await?;
    assert!(found_by(&acme).await?.is_empty());
    assert_eq!(found_by(&other).await?, by_other, "another's deletion takes nothing away");
    Ok(())
}

/// Not refused, but silent: a machine that is gone, or a server that hangs.
#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_never_answers_keeps_nobody_waiting() -> Result<()> {
    let silent = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", silent.local_addr()?);
    let app = TestApp::start_with(&["--qdrant-url", &url]).await?;
    let acme = app.workspace("acme").await?;
    let mut searched = timeout(SOON, acme.graphql("search_knowledge", json!({"question": QUESTION}))).await??;
    // The first questions wait for the embedding model, which a busy machine loads for a while.
    for _ in 0..3 {
        if searched.error() == Some("TIMEOUT") {
            searched = timeout(SOON, acme.graphql("search_knowledge", json!({"question": QUESTION}))).await??;
        }
    }
    assert_eq!(searched.error(), Some("TEMPORARILY_UNAVAILABLE"), "{}", searched.body);
    let visitor = acme.visitor(&acme.assistant("Ada").await?).await?;
    let chat = visitor.start_chat().await?;
    let answer = visitor.ask(&chat, QUESTION).await?;
    for _ in 0..3 {
        timeout(SOON, app.run_jobs()).await??;
        app.advance(Duration::from_secs(5));
    }
    assert_eq!(visitor.answer(&answer).await?["failureCode"], "TEMPORARILY_UNAVAILABLE");
    Ok(())
}
