//! Consent and objection: given and withdrawn by one call, held at once, and kept through a restore.

use std::time::Duration;

use anyhow::Result;
use consigne_tests::{
    app::{TestApp, days},
    canary::Canary,
    people::{Member, Visitor, idempotency_key},
    texts,
};
use serde_json::{Value, json};

const TEXT: &str = "I agree that my questions are counted, without my name, in groups of ten or more.";

async fn published(acme: &Member, text: &str) -> Result<Value> {
    let input = json!({"purpose": "ANALYTICS", "language": "en", "text": text});
    let made = acme.graphql("publish_consent_text", json!({"input": input})).await?.ok();
    Ok(made.get("/publishConsentText/consentText").clone())
}

async fn agrees(visitor: &Visitor) -> Result<Value> {
    let shown = visitor.graphql("consent_text", json!({"purpose": "ANALYTICS"})).await?.ok();
    let text = shown.get("/consentText");
    let input = json!({"purpose": "ANALYTICS", "version": text["version"], "sha256": text["sha256"]});
    Ok(visitor.graphql("give_consent", json!({"input": input})).await?.ok().get("/giveConsent/consent").clone())
}

async fn counted(app: &TestApp, acme: &Member) -> Result<Value> {
    let now = app.clock.now();
    let period = json!({"from": now.minus(days(1)).rfc3339(), "to": now.plus(days(1)).rfc3339()});
    let counts = acme.graphql("outcome_counts", period).await?.ok();
    Ok(counts.get("/outcomeCounts").clone())
}

async fn objects(who: &Visitor, operation: &str, purpose: &str) -> Result<Option<String>> {
    let said = who.graphql(operation, json!({"input": {"purpose": purpose}})).await?;
    Ok(said.user_error().map(str::to_owned))
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_counted_without_consent_and_nobody_in_a_group_of_nine() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    acme.add_text("Handbook", texts::HANDBOOK).await?;
    app.run_jobs().await?;
    let period = json!({"from": "2026-01-01T00:00:00Z", "to": "2027-01-01T00:00:00Z"});
    let refused = acme.graphql("outcome_counts", period).await?;
    assert_eq!(refused.error(), Some("PURPOSE_REFUSED"), "analytics is off until it is instructed: {}", refused.body);
    let input = json!({"purpose": "ANALYTICS", "reason": "We want to know what is asked."});
    acme.graphql("instruct_purpose", json!({"input": input})).await?.ok();
    published(&acme, TEXT).await?;
    let assistant = acme.assistant("Ada").await?;
    let mut visitors = Vec::new();
    for _ in 0..12 {
        let visitor = acme.visitor(&assistant).await?;
        let chat = visitor.start_chat().await?;
        visitor.ask(&chat, "How much is a standard inspection?").await?;
        visitors.push(visitor);
    }
    app.run_jobs().await?;
    assert_eq!(counted(&app, &acme).await?, json!([]), "twelve were answered, none agreed");
    for visitor in &visitors[..9] {
        agrees(visitor).await?;
    }
    assert_eq!(counted(&app, &acme).await?, json!([{"outcome": "ANSWERED", "answers": null}]));
    agrees(&visitors[9]).await?;
    assert_eq!(counted(&app, &acme).await?, json!([{"outcome": "ANSWERED", "answers": 10}]));

    let input = json!({"purpose": "ANALYTICS"});
    let withdrawn = visitors[0].graphql("withdraw_consent", json!({"input": input})).await?.ok();
    withdrawn.get("/withdrawConsent/consent/withdrawnAt");
    assert_eq!(counted(&app, &acme).await?, json!([{"outcome": "ANSWERED", "answers": null}]), "at once");
    acme.erase(&visitors[1].subject).await?;
    app.run_jobs().await?;
    for visitor in &visitors[10..] {
        agrees(visitor).await?;
    }
    assert_eq!(counted(&app, &acme).await?, json!([{"outcome": "ANSWERED", "answers": 10}]), "without who was erased");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consent_holds_what_was_shown_when_and_by_whom() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    let visitor = acme.visitor(&acme.assistant("Ada").await?).await?;
    let first = published(&acme, TEXT).await?;
    // The SHA-256 of the text, as `sha256sum` says it.
    assert_eq!(first["sha256"], "e167106ede04683cc5e1c6798993c2b2cfd2ecba75edc4f15fed1ed227e41d2d");
    let given = agrees(&visitor).await?;
    assert_eq!((&given["version"], &given["sha256"]), (&json!(1), &first["sha256"]));
    assert_eq!((&given["givenByKind"], &given["givenAt"]), (&json!("visitor"), &json!(app.clock.now().rfc3339())));
    assert_eq!(agrees(&visitor).await?["id"], given["id"], "given again, it is the same");

    let wrong = json!({"purpose": "ANALYTICS", "version": 1, "sha256": "00"});
    let refused = visitor.graphql("give_consent", json!({"input": wrong})).await?;
    assert_eq!(refused.user_error(), Some("INVALID_INPUT"), "{}", refused.body);
    published(&acme, &format!("{TEXT} For two years.")).await?;
    let old = json!({"purpose": "ANALYTICS", "version": 1, "sha256": first["sha256"]});
    let refused = visitor.graphql("give_consent", json!({"input": old})).await?;
    assert!(refused.body.to_string().contains("newer text"), "{}", refused.body);
    app.advance(Duration::from_secs(60));
    assert_eq!(agrees(&visitor).await?["version"], 2);
    let mine = visitor.graphql("consents", json!({})).await?.ok();
    let mine = mine.get("/consents").as_array().cloned().unwrap_or_default();
    assert_eq!(mine.len(), 2);
    assert!(mine[0]["withdrawnAt"].is_null() && !mine[1]["withdrawnAt"].is_null(), "{mine:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_records_a_word_with_its_evidence_which_is_sealed_and_goes_with_the_person() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    let visitor = acme.visitor(&acme.assistant("Ada").await?).await?;
    let text = published(&acme, TEXT).await?;
    let canary = Canary::new();
    let mut input =
        json!({"purpose": "ANALYTICS", "version": 1, "sha256": text["sha256"], "subjectId": visitor.subject});
    let refused = acme.graphql("give_consent", json!({"input": input})).await?;
    assert_eq!(refused.user_error(), Some("INVALID_INPUT"), "without evidence: {}", refused.body);
    input["evidence"] = json!(format!("Signed by {canary} on paper."));
    let given = acme.graphql("give_consent", json!({"input": input})).await?.ok();
    assert!(given.text("/giveConsent/consent/evidence").contains(&canary.to_string()));
    let objected =
        json!({"purpose": "ESCALATION", "subjectId": visitor.subject, "evidence": format!("{canary} called.")});
    acme.graphql("object_to_purpose", json!({"input": objected})).await?.ok();
    app.assert_absent(&canary).await?;
    let shown = acme.graphql("objections", json!({"subjectId": visitor.subject})).await?.ok();
    assert!(shown.text("/objections/0/evidence").contains(&canary.to_string()));
    let erasure = acme.erase(&visitor.subject).await?;
    app.run_jobs().await?;
    assert_eq!(acme.erasure(&erasure).await?["state"], "COMPLETED");
    assert_eq!((app.rows("consents").await?, app.rows("objections").await?), (0, 0));
    app.run_duties().await?;
    assert_eq!(app.rows("objections").await?, 0, "an erased person's objection is not written anew");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_speaks_for_nobody_else() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    let assistant = acme.assistant("Ada").await?;
    let (visitor, other) = (acme.visitor(&assistant).await?, acme.visitor(&assistant).await?);
    let input = json!({"purpose": "ESCALATION", "subjectId": other.subject, "evidence": "They told me."});
    let refused = visitor.graphql("object_to_purpose", json!({"input": input})).await?;
    assert_eq!(refused.user_error(), Some("NOT_FOUND"), "{}", refused.body);
    let none = visitor.graphql("objections", json!({"subjectId": other.subject})).await?.ok();
    assert_eq!(none.body["data"]["objections"], Value::Null);
    let agent = acme.agent(&app.public(), "ann@acme.example").await?;
    let refused = agent.graphql("object_to_purpose", json!({"input": input})).await?;
    assert_eq!(refused.error(), Some("FORBIDDEN"), "{}", refused.body);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_objection_holds_at_once_and_survives_a_restore() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    let assistant = acme.assistant("Ada").await?;
    acme.call_people(&assistant, &["recorder"], json!({})).await?;
    let (visitor, other) = (acme.visitor(&assistant).await?, acme.visitor(&assistant).await?);
    let chat = visitor.start_chat().await?;
    visitor.request_person(&chat).await?;
    assert_eq!(objects(&visitor, "object_to_purpose", "ESCALATION").await?, None);
    app.run_jobs().await?;
    assert!(app.recorder.told().is_empty(), "what waited to be told is not told: {:?}", app.recorder.told());
    let second = visitor.start_chat().await?;
    assert_eq!(visitor.does_ask_for_a_person(&second).await?.as_deref(), Some("PURPOSE_REFUSED"));
    assert_eq!(other.does_ask_for_a_person(&other.start_chat().await?).await?, None, "it is about one person");

    // The database as it was before the objection.
    app.tamper("DELETE FROM objections").await?;
    assert_eq!(visitor.does_ask_for_a_person(&visitor.start_chat().await?).await?, None);
    app.run_duties().await?;
    let third = visitor.start_chat().await?;
    assert_eq!(visitor.does_ask_for_a_person(&third).await?.as_deref(), Some("PURPOSE_REFUSED"));

    assert_eq!(objects(&visitor, "take_back_objection", "ESCALATION").await?, None);
    assert_eq!(visitor.does_ask_for_a_person(&third).await?, None);
    app.run_duties().await?;
    assert_eq!(visitor.does_ask_for_a_person(&visitor.start_chat().await?).await?, None, "the newest word holds");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_objects_to_being_answered_is_not_answered() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    acme.add_text("Handbook", texts::HANDBOOK).await?;
    app.run_jobs().await?;
    let visitor = acme.visitor(&acme.assistant("Ada").await?).await?;
    let chat = visitor.start_chat().await?;
    let answer = visitor.ask(&chat, "How much is a standard inspection?").await?;
    assert_eq!(objects(&visitor, "object_to_purpose", "ANSWERING").await?, None);
    app.run_jobs().await?;
    assert_eq!(visitor.answer(&answer).await?["failureCode"], "PURPOSE_REFUSED");
    let input = json!({"chatId": chat, "text": "And now?", "idempotencyKey": idempotency_key()});
    let refused = visitor.graphql("ask_question", json!({"input": input})).await?;
    assert_eq!(refused.user_error(), Some("PURPOSE_REFUSED"), "{}", refused.body);
    for (purpose, says) in
        [("ANALYTICS", "withdraw it instead"), ("OPERATION", "privacy request"), ("RIGHTS", "needed by law")]
    {
        let refused = visitor.graphql("object_to_purpose", json!({"input": {"purpose": purpose}})).await?;
        assert!(refused.body.to_string().contains(says), "{purpose}: {}", refused.body);
    }
    Ok(())
}
