//! Other people's clients against the real server: graphql-http's audits of GraphQL over HTTP, and the npm clients
//! `graphql-ws` and `graphql-sse` hearing an answer while it is written. The scripts and the pinned versions are in
//! `tests/clients`. Needs Node 20 with npm; where they are missing, the tests say so and pass.

pub mod node;

use anyhow::{Context, Result, ensure};
use consigne_tests::{
    app::TestApp,
    client::Client,
    people::{Member, Visitor},
    standins::openai::{StandIn, Turn},
    texts,
};
use serde_json::{Value, json};

/// The number of audits that the pinned graphql-http has, so that a run of none does not pass.
const MUSTS: u64 = 13;

/// Where the gateway serves this path.
fn url(client: &Client, path: &str) -> Result<String> {
    Ok(client.request(reqwest::Method::GET, path).build()?.url().to_string())
}

async fn audit(who: &str, client: &Client) -> Result<()> {
    let asked = json!({"url": url(client, "/graphql")?, "token": client.token()});
    let Some(script) = node::start("audits.mjs", &asked).await? else { return Ok(()) };
    let report: Value = serde_json::from_str(&script.rest().await?)?;
    let levels = &report["levels"];
    println!("{who}: {levels}; not ok: {}", report["failures"]);
    ensure!(levels["MUST"]["all"] == MUSTS, "{who}: {MUSTS} MUSTs were expected: {levels}");
    let failed = report["failures"].as_array().context("failures are listed")?;
    let musts: Vec<_> = failed.iter().filter(|audit| audit["level"] == "MUST").collect();
    ensure!(musts.is_empty(), "{who}: {musts:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_must_of_graphql_over_http_holds() -> Result<()> {
    let app = TestApp::start().await?;
    audit("anybody, in development", &app.public()).await?;
    audit("a member, in development", &*app.owner().await?).await?;
    drop(app);
    let app = TestApp::start_in_production().await?;
    audit("a member, in production", &*app.owner().await?).await
}

/// A workspace whose assistant answers through this server, and a visitor who has just asked.
async fn asked(app: &TestApp, server: &StandIn, turn: Turn) -> Result<(Visitor, String, String)> {
    let acme: Member = app.workspace("acme").await?;
    acme.add_text("Handbook", texts::HANDBOOK).await?;
    app.run_jobs().await?;
    let settings = json!({"baseUrl": server.base_url(), "model": "slow"});
    acme.graphql("enable_plugin", json!({"input": {"pluginId": "openai", "settings": settings}})).await?.ok();
    let input = json!({"name": "Ada", "languages": ["en"], "policy": {"chatModel": "openai"}});
    let made = acme.graphql("create_assistant", json!({"input": input})).await?.ok();
    let visitor = acme.visitor(&made.text("/createAssistant/assistant/id")).await?;
    let chat = visitor.start_chat().await?;
    server.script([turn]);
    let answer = visitor.ask(&chat, "How much is delivery?").await?;
    Ok((visitor, chat, answer))
}

/// What a listener has to hear of an event, whoever it is.
fn gist(event: &Value) -> (i64, String, String) {
    let text = |field: &str| event[field].as_str().unwrap_or_default().to_owned();
    (event["seq"].as_i64().unwrap_or_default(), text("__typename"), text("text"))
}

/// The gist of a chat, up to the end of its answer.
async fn whole(visitor: &Visitor, chat: &str) -> Result<Vec<(i64, String, String)>> {
    let is_completed = |event: &Value| event["data"]["chatEvents"]["__typename"] == "AnswerCompleted";
    let events = visitor.chat_events(chat, None).await?.until(is_completed).await?;
    Ok(events.iter().map(|event| gist(&event["data"]["chatEvents"])).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn npm_clients_hear_a_whole_answer_however_often_they_are_cut_off() -> Result<()> {
    let app = TestApp::start().await?;
    let server = StandIn::start().await;
    let words = "Delivery to Belgium, France and Germany is free above 120 euros, and costs 9 euros below that [1].";
    let slowly = Turn::Slow(words.split_inclusive(' ').map(str::to_owned).collect(), 90);
    let (visitor, chat, answer) = asked(&app, &server, slowly).await?;
    let listeners = [("ws", 0), ("sse", 0), ("ws", 1), ("ws", 3), ("sse", 2), ("sse", 4)];
    let listeners = listeners.map(|(transport, cut)| {
        let name = if cut == 0 { format!("{transport}, whole") } else { format!("{transport}, cut after {cut}") };
        json!({"name": name, "transport": transport, "cut": if cut == 0 { -1 } else { cut }})
    });
    let asked = json!({"url": url(&visitor, "")?.trim_end_matches('/'), "token": visitor.token(), "chat": chat, "listeners": listeners});
    let Some(mut script) = node::start("listen.mjs", &asked).await? else { return Ok(()) };
    script.says("listening").await?;
    let (_, report) = tokio::try_join!(app.run_jobs(), script.rest())?;
    let report: Value = serde_json::from_str(&report)?;

    let answer = visitor.answer(&answer).await?;
    assert_eq!((&answer["status"], &answer["outcome"]), (&json!("COMPLETED"), &json!("ANSWERED")), "{answer}");
    let kept = whole(&visitor, &chat).await?;
    for listener in &listeners {
        let name = listener["name"].as_str().context("each has a name")?;
        let heard = report[name]["heard"].as_array().with_context(|| format!("{name} heard nothing"))?;
        let gists: Vec<_> = heard.iter().map(gist).collect();
        assert_eq!(gists, kept, "{name}");
        let deltas: String =
            gists.iter().filter(|(_, kind, _)| kind == "AnswerDelta").map(|(.., text)| &**text).collect();
        let completed = heard.last().context("it heard the end")?;
        assert_eq!((&json!(deltas), &completed["answer"]["text"]), (&answer["text"], &answer["text"]), "{name}");
        let [connections, dropped] =
            ["connections", "droppedMeanwhile"].map(|count| report[name][count].as_u64().unwrap_or_default());
        println!("{name}: {} events over {connections} connections, {dropped} dropped in mid-answer", heard.len());
        match listener["cut"].as_i64() {
            Some(cut) if cut > 0 => assert!(dropped > 1, "{name}: the answer was over before it was cut"),
            _ => assert_eq!(connections, 1, "{name}"),
        }
    }
    Ok(())
}

/// The model says something that no passage bears out, and it was heard already. What a listener is left with is the
/// answer all the same.
#[tokio::test(flavor = "multi_thread")]
async fn words_that_cite_nothing_are_taken_back_from_those_who_heard_them() -> Result<()> {
    let app = TestApp::start().await?;
    let server = StandIn::start().await;
    let (visitor, chat, answer) = asked(&app, &server, Turn::answer(&["Delivery is ", "free for everybody."])).await?;
    app.run_jobs().await?;
    let answer = visitor.answer(&answer).await?;
    assert_eq!((&answer["status"], &answer["outcome"]), (&json!("COMPLETED"), &json!("NOT_IN_KNOWLEDGE")), "{answer}");
    let told = whole(&visitor, &chat).await?;
    let begun = told.iter().rposition(|(_, kind, _)| kind == "AnswerStarted").context("it began")?;
    let heard: String = told[begun..].iter().map(|(.., text)| &**text).collect();
    assert_eq!(json!(heard), answer["text"], "{told:?}");
    Ok(())
}
