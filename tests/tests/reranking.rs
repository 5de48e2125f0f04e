//! A reranker takes a second look, where a workspace wants one; and nobody waits for one that is ill.

use std::sync::Arc;

use anyhow::{Context, Result};
use consigne_tests::{
    app::TestApp,
    people::{Member, Visitor},
    plugins::{Mood, WORD_OVERLAP, WordOverlap},
    standins::openai::{StandIn, Turn},
};
use serde_json::json;

const ROOMS: [(&str, &str); 4] = [
    ("Garden room", "The garden room costs 90 euros a night and looks on the old trees."),
    ("Tower room", "The tower room costs 120 euros a night, breakfast and the view of the sea included."),
    ("Attic", "Under the roof there is a bed for 45 euros, with a shower in the hall."),
    ("Parking", "A car may stand in the yard for 10 euros a day."),
];

const QUESTION: &str = "How much is the tower room with breakfast and the view of the sea?";

struct House {
    app: TestApp,
    reranker: WordOverlap,
    server: StandIn,
    owner: Member,
    visitor: Visitor,
}

impl House {
    async fn open(flags: &[&str]) -> Result<Self> {
        let reranker = WordOverlap::default();
        let app = {
            let reranker = reranker.clone();
            TestApp::start_among(flags, &move |all, _| all.push(Arc::new(reranker.clone()))).await?
        };
        let owner = app.workspace("acme").await?;
        for (title, text) in ROOMS {
            let input = json!({"title": title, "text": text, "mediaType": "text/plain"});
            owner.graphql("add_text_document", json!({"input": input})).await?.ok();
        }
        app.run_jobs().await?;
        let server = StandIn::start().await;
        let settings = json!({"baseUrl": server.base_url(), "model": "writer"});
        owner.graphql("enable_plugin", json!({"input": {"pluginId": "openai", "settings": settings}})).await?.ok();
        let input = json!({"name": "Writer", "languages": ["en"], "policy": {"chatModel": "openai"}});
        let made = owner.graphql("create_assistant", json!({"input": input})).await?.ok();
        let visitor = owner.visitor(&made.text("/createAssistant/assistant/id")).await?;
        Ok(Self { app, reranker, server, owner, visitor })
    }

    /// Titles of the passages that the model is shown, in their order. A question is answered in any case.
    async fn shown(&self) -> Result<Vec<&'static str>> {
        self.server.script([Turn::AnswerFromPassages]);
        let chat = self.visitor.start_chat().await?;
        let answer = self.visitor.ask(&chat, QUESTION).await?;
        self.app.run_jobs().await?;
        let answer = self.visitor.answer(&answer).await?;
        assert_eq!(answer["status"], "COMPLETED", "{answer}");
        let request = self.server.requests().pop().context("the model was asked")?;
        let prompt = request.body["messages"][0]["content"].as_str().unwrap_or_default().to_owned();
        let mut places: Vec<_> = ROOMS.iter().filter_map(|(title, text)| Some((prompt.find(text)?, *title))).collect();
        places.sort_unstable();
        Ok(places.into_iter().map(|(_, title)| title).collect())
    }

    async fn counted(&self, outcome: &str) -> Result<bool> {
        let metrics = reqwest::get(self.app.metrics_url()).await?.text().await?;
        Ok(metrics.contains(&format!("consigne_answers_reranked_total{{outcome=\"{outcome}\"}} 1")))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reranker_is_asked_only_where_the_workspace_enabled_one_and_its_order_holds() -> Result<()> {
    let house = House::open(&[]).await?;
    let before = house.shown().await?;
    assert_eq!(before.first(), Some(&"Tower room"));
    assert!(house.reranker.seen().is_empty(), "nobody enabled it");
    let recipients = house.owner.graphql("recipients", json!({})).await?.ok().body.to_string();
    assert!(!recipients.contains(WORD_OVERLAP));

    house.owner.graphql("enable_plugin", json!({"input": {"pluginId": WORD_OVERLAP}})).await?.ok();
    let recipients = house.owner.graphql("recipients", json!({})).await?.ok().body.to_string();
    assert!(recipients.contains(WORD_OVERLAP), "it is handed questions and passages: {recipients}");
    house.reranker.be(Mood::Least);
    let after = house.shown().await?;
    assert_eq!(after.len(), 4);
    assert_eq!(after.last(), Some(&"Tower room"), "its order, not the search's: {after:?}");
    assert_eq!(house.reranker.seen(), [4]);
    assert!(house.counted("done").await?);

    house.owner.graphql("disable_plugin", json!({"input": {"pluginId": WORD_OVERLAP}})).await?.ok();
    assert_eq!(house.shown().await?, before);
    assert_eq!(house.reranker.seen(), [4], "switched off, it is not asked");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_best_few_are_looked_at_again() -> Result<()> {
    let house = House::open(&["--rerank-passages", "2"]).await?;
    let before = house.shown().await?;
    house.owner.graphql("enable_plugin", json!({"input": {"pluginId": WORD_OVERLAP}})).await?.ok();
    house.reranker.be(Mood::Least);
    let after = house.shown().await?;
    assert_eq!(house.reranker.seen(), [2]);
    assert_eq!((after[0], after[1]), (before[1], before[0]), "the best two change places");
    assert_eq!(after[2..], before[2..], "and nothing else");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reranker_that_fails_forgets_or_is_slow_leaves_the_order_as_it_was() -> Result<()> {
    let house = House::open(&["--rerank-ms", "300"]).await?;
    let before = house.shown().await?;
    house.owner.graphql("enable_plugin", json!({"input": {"pluginId": WORD_OVERLAP}})).await?.ok();
    house.reranker.be(Mood::Slow);
    assert_eq!(house.shown().await?, before);
    assert!(house.counted("too_late").await?);
    house.reranker.be(Mood::Failing);
    assert_eq!(house.shown().await?, before);
    assert!(house.counted("failed").await?);
    house.reranker.be(Mood::Forgetful);
    assert_eq!(house.shown().await?, before, "three scores for four passages are none");
    assert_eq!(house.reranker.seen(), [4, 4, 4]);
    house.reranker.be(Mood::Least);
    assert_eq!(house.shown().await?.last(), Some(&"Tower room"), "well again, it is heard again");
    Ok(())
}
