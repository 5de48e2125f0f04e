//! Requests of people about their data: who may ask, how it is known who asks, and by when an answer is due.

mod deadlines;
mod events;
mod form;
mod identity;
mod mailbox;
mod other_systems;

use std::sync::Arc;

use anyhow::Result;
use consigne_tests::{app::TestApp, canary::Canary, client::Reply, people::Member, postbox::Postbox};
use serde_json::{Value, json};

const PERSON: &str = "ana@people.example";
const OFFICER: &str = "dpo@acme.example";

/// What the office's program may do.
const ALLOWED: [&str; 9] = [
    "PRIVACY_READ",
    "PRIVACY_WRITE",
    "PRIVACY_ERASE",
    "AUDIT_READ",
    "WORKSPACE_READ",
    "WORKSPACE_WRITE",
    "VISITORS_WRITE",
    "PLUGINS_READ",
    "PLUGINS_WRITE",
];

/// A workspace with a privacy page and a mailer.
struct Office {
    app: TestApp,
    acme: Member,
    postbox: Postbox,
    address: String,
}

impl Office {
    async fn open() -> Result<Self> {
        let postbox = Postbox::new();
        let plugin = postbox.clone();
        let app = TestApp::start_among(&[], &move |all, _| all.insert(0, Arc::new(plugin.clone()))).await?;
        let owner = app.workspace("acme").await?;
        // A session would end while the clock turns.
        let acme = owner.program(&ALLOWED).await?;
        let input = json!({"dpoEmail": OFFICER, "dpoName": "Dora", "authorityName": "CNIL", "authorityUrl": "https://www.cnil.fr/plaintes"});
        let set = acme.graphql("configure_privacy", json!({"input": input})).await?.ok();
        let address = set.text("/configurePrivacy/privacySettings/address");
        Ok(Self { app, acme, postbox, address })
    }

    /// Somebody without a token asks.
    async fn asks(&self, email: &str, kind: &str) -> Result<Reply> {
        let input = json!({"address": self.address, "kind": kind, "email": email, "message": "I would like to.", "language": "en"});
        self.app.public().graphql("submit_privacy_request", json!({"input": input})).await
    }

    /// The reference of a request that was taken.
    async fn asked(&self, kind: &str) -> Result<String> {
        Ok(self.asks(PERSON, kind).await?.ok().text("/submitPrivacyRequest/reference"))
    }

    /// The newest code that went to the person.
    fn code(&self) -> String {
        let letters = self.postbox.to(PERSON);
        letters.iter().rev().find_map(|letter| letter.code()).unwrap_or_default().to_owned()
    }

    async fn verifies(&self, reference: &str, code: &str) -> Result<Reply> {
        let input = json!({"reference": reference, "code": code});
        self.app.public().graphql("verify_privacy_request", json!({"input": input})).await
    }

    /// The newest request.
    async fn newest(&self) -> Result<Value> {
        let all = self.acme.graphql("privacy_requests", json!({"onlyOpen": false, "first": 1})).await?.ok();
        Ok(all.get("/privacyRequests/nodes/0").clone())
    }

    /// Does this to a request; answers why not, where it is not done.
    async fn does(&self, operation: &str, request: &Value, more: Value) -> Result<Option<String>> {
        let mut input = json!({"privacyRequestId": request["id"]});
        for (name, value) in more.as_object().into_iter().flatten() {
            input[name] = value.clone();
        }
        let done = self.acme.graphql(operation, json!({"input": input})).await?;
        Ok(done.user_error().or(done.error()).map(str::to_owned))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_taken_forwarded_worked_on_and_answered() -> Result<()> {
    let office = Office::open().await?;
    office.asked("ACCESS").await?;
    office.app.run_jobs().await?;
    let told = office.postbox.to(OFFICER);
    assert_eq!(told.len(), 1);
    assert!(told[0].subject.contains("ACCESS") && !told[0].text.contains(PERSON), "{told:?}");
    let request = office.newest().await?;
    assert_eq!((&request["state"], &request["contact"]), (&json!("FORWARDED"), &json!(PERSON)), "{request}");
    assert_eq!(request["message"], "I would like to.");

    let words = json!({"words": "Here is all that we hold about you."});
    assert_eq!(office.does("fulfil_privacy_request", &request, words.clone()).await?.as_deref(), Some("CONFLICT"));
    let evidence = json!({"evidence": "She showed her identity card at the desk."});
    assert_eq!(office.does("confirm_identity", &request, evidence).await?, None);
    assert_eq!(office.does("take_privacy_request", &request, json!({})).await?, None);
    assert_eq!(office.does("take_privacy_request", &request, json!({})).await?.as_deref(), Some("CONFLICT"));
    assert_eq!(office.does("fulfil_privacy_request", &request, words.clone()).await?, None);
    office.app.run_jobs().await?;
    let letters = office.postbox.to(PERSON);
    let last = letters.last().expect("she is told");
    assert!(last.text.contains("all that we hold") && last.text.contains("CNIL"), "{last:?}");
    let request = office.newest().await?;
    assert_eq!((&request["state"], &request["verifiedBy"]), (&json!("FULFILLED"), &json!("STAFF")));
    assert_eq!(office.does("fulfil_privacy_request", &request, words).await?.as_deref(), Some("CONFLICT"));
    let actions = office.acme.audited_actions().await?;
    for action in ["received", "code_made", "forwarded", "verified", "taken", "fulfilled"] {
        assert!(actions.contains(&format!("privacy_request.{action}")), "{action} is not in {actions:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_says_why_and_where_to_complain() -> Result<()> {
    let office = Office::open().await?;
    let input = json!({"address": office.address, "kind": "ERASURE", "email": PERSON, "language": "fr"});
    office.app.public().graphql("submit_privacy_request", json!({"input": input})).await?.ok();
    let request = office.newest().await?;
    let short = json!({"ground": "EXCESSIVE", "words": "No."});
    assert_eq!(office.does("refuse_privacy_request", &request, short).await?.as_deref(), Some("INVALID_INPUT"));
    let refusal = json!({"ground": "LEGAL_OBLIGATION", "words": "Vos factures doivent être conservées dix ans."});
    assert_eq!(office.does("refuse_privacy_request", &request, refusal).await?, None);
    office.app.run_jobs().await?;
    let letters = office.postbox.to(PERSON);
    let last = letters.last().expect("she is told");
    assert!(last.subject.starts_with("Votre demande"), "{last:?}");
    assert!(last.text.contains("dix ans") && last.text.contains("CNIL (https://www.cnil.fr/plaintes)"), "{last:?}");
    assert_eq!(office.newest().await?["refusal"], "LEGAL_OBLIGATION");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_is_sealed_and_goes_thirty_days_after_the_answer() -> Result<()> {
    let office = Office::open().await?;
    let canary = Canary::new();
    let email = format!("{canary}@people.example").to_lowercase();
    let input =
        json!({"address": office.address, "kind": "OTHER", "email": email, "message": format!("I am {canary}.")});
    office.app.public().graphql("submit_privacy_request", json!({"input": input})).await?.ok();
    office.app.run_jobs().await?;
    assert!(office.newest().await?["message"].to_string().contains(&canary.to_string()));
    office.app.assert_absent(&canary).await?;

    let request = office.newest().await?;
    let refusal = json!({"ground": "NOT_APPLICABLE", "words": "This shop is not ours, sorry."});
    assert_eq!(office.does("refuse_privacy_request", &request, refusal).await?, None);
    office.app.run_jobs().await?;
    office.app.advance(consigne_tests::app::days(30) - std::time::Duration::from_secs(1));
    office.app.run_duties().await?;
    let shown = office.acme.graphql("privacy_request", json!({"id": request["id"]})).await?.ok();
    assert!(shown.text("/privacyRequest/message").contains(&canary.to_string()));
    office.app.advance(std::time::Duration::from_secs(1));
    office.app.run_duties().await?;
    let shown = office.acme.graphql("privacy_request", json!({"id": request["id"]})).await?.ok();
    let left = shown.get("/privacyRequest");
    assert_eq!((&left["message"], &left["contact"], &left["words"]), (&Value::Null, &Value::Null, &Value::Null));
    assert_eq!((&left["state"], &left["refusal"]), (&json!("REFUSED"), &json!("NOT_APPLICABLE")), "the proof stays");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_public_is_told_who_answers_and_where_to_complain() -> Result<()> {
    let office = Office::open().await?;
    let told = office.app.public().graphql("privacy_info", json!({"address": office.address})).await?.ok();
    let info = told.get("/privacyInfo");
    assert_eq!(
        (&info["controller"]["name"], &info["dataProtectionOfficer"]["email"]),
        (&json!("acme"), &json!(OFFICER))
    );
    assert_eq!(info["authority"]["name"], "CNIL");
    assert!(info["complaintRoute"].as_str().is_some_and(|route| route.contains("art. 77")), "{info}");
    assert_eq!(info["rights"].as_array().map(Vec::len), Some(7));
    assert_eq!(info["subProcessors"], json!([]));
    let settings = json!({"baseUrl": "https://llm.example.eu/v1", "model": "m", "apiKey": "k", "operator": "LLM SA", "region": "FR"});
    office.acme.graphql("enable_plugin", json!({"input": {"pluginId": "openai", "settings": settings}})).await?.ok();
    let told = office.app.public().graphql("privacy_info", json!({"address": office.address})).await?.ok();
    assert_eq!(told.text("/privacyInfo/subProcessors/0/processing/operator"), "LLM SA");
    let nobody =
        office.app.public().graphql("privacy_info", json!({"address": "00000000000000000000000000"})).await?.ok();
    assert_eq!(nobody.body["data"]["privacyInfo"], Value::Null);
    let visitor = office.acme.visitor(&office.acme.assistant("Ada").await?).await?;
    assert_eq!(visitor.graphql("privacy_info", json!({})).await?.ok().text("/privacyInfo/controller/name"), "acme");
    Ok(())
}
