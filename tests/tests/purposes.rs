//! What a workspace does not instruct is not done: refused before a byte leaves, and written down.

use anyhow::Result;
use consigne_tests::{
    app::{TestApp, minutes},
    people::{Member, Visitor, idempotency_key},
    standins::openai::{Dialect, StandIn},
    texts,
};
use serde_json::{Value, json};

const QUESTION: &str = "How many days do I have to return an order?";

/// A workspace whose answers and corrections come from another party.
struct Shop {
    app: TestApp,
    acme: Member,
    visitor: Visitor,
    assistant: String,
    provider: StandIn,
}

impl Shop {
    async fn open() -> Result<Self> {
        let app = TestApp::start().await?;
        let acme = app.workspace("acme").await?;
        acme.upload("handbook.md", "text/markdown", texts::HANDBOOK.as_bytes()).await?;
        app.run_jobs().await?;
        let provider = StandIn::start_as(Dialect::Mistral).await;
        let settings = json!({"baseUrl": provider.base_url(), "apiKey": "k", "region": "EEA"});
        acme.graphql("enable_plugin", json!({"input": {"pluginId": "mistral", "settings": settings}})).await?.ok();
        let input = json!({"name": "Ada", "languages": ["en"], "policy": {"chatModel": "mistral"}});
        let made = acme.graphql("create_assistant", json!({"input": input})).await?.ok();
        let assistant = made.text("/createAssistant/assistant/id");
        let visitor = acme.visitor(&assistant).await?;
        Ok(Self { app, acme, visitor, assistant, provider })
    }

    /// How often the other party was spoken to.
    fn spoken_to(&self) -> (usize, usize) {
        (self.provider.connections(), self.provider.requests().len())
    }

    async fn refusals(&self) -> Result<Vec<Value>> {
        let log = self.acme.graphql("audit_log", json!({"first": 100})).await?.ok();
        let all = log.get("/auditLog/nodes").as_array().cloned().unwrap_or_default();
        let refused = all.into_iter().filter(|entry| entry["action"] == "purpose.refused");
        Ok(refused.map(|entry| entry["details"].clone()).collect())
    }
}

async fn revoke(acme: &Member, purpose: &str) -> Result<()> {
    let input = json!({"purpose": purpose, "reason": "The works council has to look at it first."});
    let revoked = acme.graphql("revoke_purpose", json!({"input": input})).await?.ok();
    assert_eq!(revoked.get("/revokePurpose/isInstructed"), &json!(false));
    Ok(())
}

async fn instruct(acme: &Member, purpose: &str) -> Result<()> {
    let input = json!({"purpose": purpose, "reason": "The works council agreed."});
    let instructed = acme.graphql("instruct_purpose", json!({"input": input})).await?.ok();
    assert_eq!(instructed.get("/instructPurpose/isInstructed"), &json!(true));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_under_a_revoked_purpose_reaches_no_provider() -> Result<()> {
    let shop = Shop::open().await?;
    revoke(&shop.acme, "ANSWERING").await?;
    let chat = shop.visitor.start_chat().await?;
    let input = json!({"chatId": chat, "text": QUESTION, "idempotencyKey": idempotency_key()});
    let refused = shop.visitor.graphql("ask_question", json!({"input": input})).await?;
    assert_eq!(refused.user_error(), Some("PURPOSE_REFUSED"), "{}", refused.body);
    let found = shop.acme.graphql("search_knowledge", json!({"question": QUESTION})).await?;
    assert_eq!(found.error(), Some("PURPOSE_REFUSED"), "{}", found.body);
    shop.app.run_jobs().await?;
    assert_eq!(shop.spoken_to(), (0, 0), "not a byte");
    let refusals = shop.refusals().await?;
    assert_eq!(refusals[1], json!({"purpose": "ANSWERING", "why": "NOT_INSTRUCTED"}), "{refusals:?}");
    assert!(shop.visitor.messages(&chat).await?.is_empty(), "nothing of the question is kept");

    instruct(&shop.acme, "ANSWERING").await?;
    let answer = shop.visitor.ask(&chat, QUESTION).await?;
    shop.app.run_jobs().await?;
    assert_eq!(shop.visitor.answer(&answer).await?["status"], "COMPLETED");
    assert!(shop.spoken_to().1 > 0, "the same question is sent once it is instructed");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_was_asked_before_is_not_sent_after() -> Result<()> {
    let shop = Shop::open().await?;
    let chat = shop.visitor.start_chat().await?;
    let answer = shop.visitor.ask(&chat, QUESTION).await?;
    revoke(&shop.acme, "ANSWERING").await?;
    shop.app.run_jobs().await?;
    let ended = shop.visitor.answer(&answer).await?;
    assert_eq!((&ended["status"], &ended["failureCode"]), (&json!("FAILED"), &json!("PURPOSE_REFUSED")), "{ended}");
    assert_eq!(shop.spoken_to(), (0, 0));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correction_under_a_revoked_purpose_reaches_no_provider() -> Result<()> {
    let shop = Shop::open().await?;
    revoke(&shop.acme, "CORRECTION").await?;
    let asked = json!({"input": {"text": "Teh bag is hear.", "aim": "GRAMMAR"}});
    let events = shop.acme.listen("correct_text", asked).await?.rest().await?;
    assert!(format!("{events:?}").contains("PURPOSE_REFUSED"), "{events:?}");
    assert_eq!(shop.spoken_to(), (0, 0));
    assert_eq!(shop.refusals().await?, [json!({"purpose": "CORRECTION", "why": "NOT_INSTRUCTED"})]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_called_where_handing_over_is_revoked() -> Result<()> {
    let shop = Shop::open().await?;
    let rules = json!({"triggers": ["VISITOR_ASKED", "NOT_IN_KNOWLEDGE"]});
    shop.acme.call_people(&shop.assistant, &["recorder"], rules).await?;
    let (early, late) = (shop.visitor.start_chat().await?, shop.visitor.start_chat().await?);
    shop.visitor.request_person(&early).await?;
    revoke(&shop.acme, "ESCALATION").await?;
    let refused = shop.visitor.graphql("request_person", json!({"input": {"chatId": late}})).await?;
    assert_eq!(refused.user_error(), Some("PURPOSE_REFUSED"), "{}", refused.body);
    assert_eq!(shop.acme.does("take_chat", &late).await?.as_deref(), Some("PURPOSE_REFUSED"));
    shop.visitor.say(&late, "Can I talk to a human, please?").await?;
    shop.app.run_jobs().await?;
    assert!(shop.app.recorder.told().is_empty(), "{:?}", shop.app.recorder.told());
    assert_eq!(shop.visitor.state(&late).await?, "ASSISTANT");
    let dead = shop.acme.deliveries("DEAD").await?;
    assert_eq!((dead.len(), &dead[0]["lastErrorCode"]), (1, &json!("PURPOSE_REFUSED")), "{dead:?}");
    assert!(!shop.refusals().await?.is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_waits_until_indexing_is_instructed_again() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    // A session would end while the clock turns.
    let acme = acme.program(&["KNOWLEDGE_READ", "KNOWLEDGE_WRITE", "PRIVACY_WRITE", "AUDIT_READ"]).await?;
    let document = acme.add_text("Handbook", texts::HANDBOOK).await?;
    revoke(&acme, "KNOWLEDGE_INDEXING").await?;
    let input = json!({"title": "More", "text": texts::ELSEWHERE});
    let refused = acme.graphql("add_text_document", json!({"input": input})).await?;
    assert_eq!(refused.user_error(), Some("PURPOSE_REFUSED"), "{}", refused.body);
    for _ in 0..3 {
        app.run_jobs().await?;
        app.advance(minutes(11));
    }
    let waiting = acme.document(&document).await?.unwrap_or_default();
    assert_eq!((&waiting["state"], &waiting["stage"]), (&json!("PENDING"), &json!("WAITING_FOR_INSTRUCTION")));
    let refusals = acme.audited_actions().await?.into_iter().filter(|action| action == "purpose.refused").count();
    assert_eq!(refusals, 2, "the upload, and the document once");
    instruct(&acme, "KNOWLEDGE_INDEXING").await?;
    app.run_jobs().await?;
    assert_eq!(acme.document(&document).await?.unwrap_or_default()["state"], "READY");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_word_is_kept_with_who_said_it_and_why() -> Result<()> {
    let app = TestApp::start().await?;
    let (acme, other) = (app.workspace("acme").await?, app.workspace("other").await?);
    revoke(&acme, "CORRECTION").await?;
    revoke(&acme, "CORRECTION").await?;
    instruct(&acme, "CORRECTION").await?;
    let log = acme.graphql("instructions", json!({})).await?.ok();
    let said = |at: usize| {
        (log.text(&format!("/instructions/nodes/{at}/kind")), log.text(&format!("/instructions/nodes/{at}/reason")))
    };
    assert_eq!(said(0), ("INSTRUCTED".into(), "The works council agreed.".into()));
    assert_eq!(said(1).0, "REVOKED");
    assert_eq!(log.number("/instructions/totalCount"), 2, "what holds already is not said again");
    assert_eq!(log.text("/instructions/nodes/1/recordedByKind"), "member");
    assert_eq!(other.graphql("instructions", json!({})).await?.ok().number("/instructions/totalCount"), 0);
    let actions = acme.audited_actions().await?;
    assert_eq!(&actions[..2], ["purpose.instructed", "purpose.revoked"]);

    let input = json!({"purpose": "ACCESS_CONTROL", "reason": "We would rather not."});
    let refused = acme.graphql("revoke_purpose", json!({"input": input})).await?;
    assert_eq!(refused.user_error(), Some("CONFLICT"), "{}", refused.body);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_purpose_has_a_basis_and_each_plugin_a_purpose() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    let purposes = acme.graphql("purposes", json!({})).await?.ok();
    let all = purposes.get("/purposes").as_array().cloned().unwrap_or_default();
    assert_eq!(all.len(), 11);
    for purpose in &all {
        let article = purpose["article"].as_str().unwrap_or_default();
        assert!(article.starts_with("GDPR art. 6(1)("), "{purpose}");
        assert_eq!(purpose["isInstructed"], json!(purpose["purpose"] != "ANALYTICS"), "{purpose}");
    }
    let plugins = acme.graphql("plugins", json!({})).await?.ok();
    for plugin in plugins.get("/plugins").as_array().into_iter().flatten() {
        let declared = plugin["processing"]["purposes"].as_array().cloned().unwrap_or_default();
        assert!(!declared.is_empty(), "{} reaches others for no purpose", plugin["id"]);
    }
    let searchable = all.iter().find(|purpose| purpose["purpose"] == "KNOWLEDGE_INDEXING").expect("it is listed");
    assert!(searchable["recipientIds"].to_string().contains("fastembed"), "{searchable}");
    Ok(())
}
