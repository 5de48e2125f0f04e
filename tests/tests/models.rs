//! Where a question may go, what it may cost, and who served it.

use std::time::Duration;

use anyhow::Result;
use consigne_tests::{
    app::{TestApp, days},
    people::{Member, Visitor},
    standins::openai::{Dialect, StandIn, Turn},
    texts,
};
use serde_json::{Value, json};

const QUESTION: &str = "How many days do I have to return an order?";

/// A workspace that knows the handbook, with an assistant that answers by Mistral, then by Anthropic.
struct Shop {
    app: TestApp,
    acme: Member,
    visitor: Visitor,
    european: StandIn,
    american: StandIn,
}

impl Shop {
    async fn open(american: Value, mistral: Value) -> Result<Self> {
        let app = TestApp::start().await?;
        let acme = app.workspace("acme").await?;
        acme.upload("handbook.md", "text/markdown", texts::HANDBOOK.as_bytes()).await?;
        app.run_jobs().await?;
        let (european, other) =
            (StandIn::start_as(Dialect::Mistral).await, StandIn::start_as(Dialect::Anthropic).await);
        let settings = with(json!({"baseUrl": european.base_url(), "apiKey": "k", "region": "EEA"}), mistral);
        acme.graphql("enable_plugin", json!({"input": {"pluginId": "mistral", "settings": settings}})).await?.ok();
        let settings = with(json!({"baseUrl": other.base_url(), "apiKey": "k", "model": "m"}), american);
        acme.graphql("enable_plugin", json!({"input": {"pluginId": "anthropic", "settings": settings}})).await?.ok();
        let policy = json!({"chatModel": "mistral", "fallbackModels": ["anthropic"]});
        let input = json!({"name": "Ada", "languages": ["en"], "policy": policy});
        let assistant = acme.graphql("create_assistant", json!({"input": input})).await?.ok();
        let visitor = acme.visitor(&assistant.text("/createAssistant/assistant/id")).await?;
        Ok(Self { app, acme, visitor, european, american: other })
    }

    async fn configure(&self, processing: Value) -> Result<Value> {
        let input = json!({"processing": processing});
        let reply = self.acme.graphql("configure_workspace", json!({"input": input})).await?;
        Ok(reply.body["data"]["configureWorkspace"]["userErrors"].clone())
    }

    async fn answered(&self) -> Result<Value> {
        let chat = self.visitor.start_chat().await?;
        let answer = self.visitor.ask(&chat, QUESTION).await?;
        for _ in 0..8 {
            self.app.run_jobs().await?;
            let now = self.visitor.answer(&answer).await?;
            if now["status"] == "COMPLETED" || now["status"] == "FAILED" {
                return Ok(now);
            }
            self.app.advance(Duration::from_secs(20));
        }
        anyhow::bail!("the answer has no end: {}", self.visitor.answer(&answer).await?)
    }

    async fn usage(&self) -> Result<Value> {
        Ok(self.acme.graphql("usage", json!({})).await?.ok().get("/usage").clone())
    }
}

fn with(mut settings: Value, more: Value) -> Value {
    if let (Some(settings), Value::Object(more)) = (settings.as_object_mut(), more) {
        settings.extend(more);
    }
    settings
}

fn us() -> Value {
    json!({"region": "US", "safeguard": "STANDARD_CLAUSES"})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_that_is_down_is_never_replaced_by_one_in_another_region() -> Result<()> {
    let shop = Shop::open(us(), json!({})).await?;
    shop.european.script(vec![Turn::Status(503, None); 40]);
    let answer = shop.answered().await?;
    let ended = (&answer["status"], &answer["failureCode"]);
    assert_eq!(ended, (&json!("FAILED"), &json!("TEMPORARILY_UNAVAILABLE")), "{answer}");
    assert!(!shop.european.requests().is_empty());
    assert_eq!((shop.american.connections(), shop.american.requests().len()), (0, 0), "not a byte");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_that_allows_safeguarded_transfers_fails_over_and_says_so() -> Result<()> {
    let shop = Shop::open(us(), json!({})).await?;
    assert_eq!(shop.configure(json!({"transfers": "SAFEGUARDED"})).await?, json!([]));
    let answer = shop.answered().await?;
    assert_eq!(answer["disclosure"]["pluginId"], "mistral", "{answer}");
    assert_eq!(answer["disclosure"]["region"], "EEA");
    shop.european.script(vec![Turn::Status(503, None); 40]);
    let answer = shop.answered().await?;
    let disclosed = &answer["disclosure"];
    assert_eq!(answer["outcome"], "ANSWERED", "{answer}");
    assert_eq!((&disclosed["pluginId"], &disclosed["region"]), (&json!("anthropic"), &json!("US")));
    assert_eq!(disclosed["safeguard"], "STANDARD_CLAUSES");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_in_a_region_that_is_not_allowed_is_not_asked_at_all() -> Result<()> {
    let shop = Shop::open(us(), json!({"region": "US"})).await?;
    let answer = shop.answered().await?;
    assert_eq!(answer["failureCode"], "TRANSFER_NOT_ALLOWED", "{answer}");
    assert_eq!((shop.european.connections(), shop.american.connections()), (0, 0));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_warns_and_stops_and_begins_anew_with_the_month() -> Result<()> {
    let shop = Shop::open(us(), json!({"inputPrice": 1.0, "outputPrice": 2.0})).await?;
    shop.answered().await?;
    let used = shop.usage().await?;
    let tokens = used["budget"]["tokens"].as_f64().unwrap_or_default();
    assert!(tokens > 10.0 && used["budget"]["money"].as_f64().unwrap_or_default() > 0.0, "{used}");
    assert_eq!((&used["days"][0]["pluginId"], &used["days"][0]["calls"]), (&json!("mistral"), &json!(1.0)));
    assert_eq!(shop.configure(json!({"monthlyTokens": tokens})).await?, json!([]));
    let asked = shop.european.requests().len();
    let refused = shop.answered().await?;
    assert_eq!(refused["failureCode"], "BUDGET_EXHAUSTED", "{refused}");
    assert_eq!(shop.european.requests().len(), asked, "nobody was asked");
    assert!(!shop.usage().await?["budget"]["stoppedAt"].is_null());
    // What an answer may take at most fits; what it took is four fifths of that and more.
    assert_eq!(shop.configure(json!({"monthlyTokens": tokens + 20_000.0})).await?, json!([]));
    assert_eq!(shop.answered().await?["status"], "COMPLETED");
    assert!(shop.usage().await?["budget"]["warnedAt"].is_null());
    let tokens = shop.usage().await?["budget"]["tokens"].as_f64().unwrap_or_default();
    assert_eq!(shop.configure(json!({"monthlyTokens": tokens * 1.2 + 4_000.0})).await?, json!([]));
    let mut warned = false;
    for _ in 0..200 {
        let answer = shop.answered().await?;
        warned |= !shop.usage().await?["budget"]["warnedAt"].is_null();
        if answer["status"] == "FAILED" {
            break;
        }
        shop.app.advance(Duration::from_millis(10));
    }
    assert!(warned);
    let actions = shop.acme.audited_actions().await?;
    assert!(actions.iter().any(|action| action == "budget.warned" || action == "budget.exhausted"), "{actions:?}");
    shop.app.advance(days(31));
    let (acme, owner) = (&shop.acme, shop.app.owner_credentials());
    let again = Member::sign_in(&shop.app.public(), &owner.email, &owner.password, Some(&acme.workspace)).await?;
    let used = again.graphql("usage", json!({})).await?.ok().get("/usage/budget").clone();
    assert_eq!((&used["tokens"], &used["stoppedAt"]), (&json!(0.0), &Value::Null));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_is_checked_shown_and_audited() -> Result<()> {
    let shop = Shop::open(us(), json!({})).await?;
    for bad in [json!({"monthlyTokens": -1}), json!({"monthlyMoney": -0.5}), json!({"corrector": ""})] {
        assert_eq!(shop.configure(bad.clone()).await?[0]["code"], "INVALID_INPUT", "{bad}");
    }
    let policy = json!({"transfers": "ANY", "monthlyMoney": 12.5, "visitorsMayCorrect": true, "corrector": "mistral"});
    assert_eq!(shop.configure(policy).await?, json!([]));
    assert_eq!(shop.configure(json!({"corrector": null})).await?, json!([]));
    let shown = shop.acme.graphql("processing_policy", json!({})).await?.ok().get("/processingPolicy").clone();
    let expected = json!({
        "transfers": "ANY", "monthlyTokens": null, "monthlyMoney": 12.5, "corrector": null, "visitorsMayCorrect": true,
        "grounds": [],
    });
    assert_eq!(shown, expected);
    assert!(shop.acme.audited_actions().await?.iter().any(|action| action == "processing.configured"));
    let models = shop.acme.graphql("models", json!({"pluginId": "mistral"})).await?.ok();
    assert_eq!(models.get("/models"), &json!(["mistral-medium-latest", "mistral-small-latest"]));
    Ok(())
}
