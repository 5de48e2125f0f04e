//! What has to be true afterwards, whatever was killed when.

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use consigne_tests::database::Database;
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};

use super::work::{Asker, File, Run, is_end};

/// A look at documents that are still being read.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How things ended: documents by state, answers by status, and how often an answer was begun anew.
#[derive(Debug, Default)]
pub struct Tally(BTreeMap<String, usize>);

impl Tally {
    fn add(&mut self, what: impl Into<String>) {
        self.add_many(what, 1);
    }

    fn add_many(&mut self, what: impl Into<String>, count: usize) {
        *self.0.entry(what.into()).or_default() += count;
    }

    /// How often this happened.
    pub fn count(&self, what: &str) -> usize {
        self.0.get(what).copied().unwrap_or_default()
    }
}

/// An accepted upload becomes a document that is ready or failed, once, with each passage once.
pub async fn judge_upload(run: &Run, file: &File, tally: &mut Tally) -> Result<()> {
    let id = file.document.as_deref().with_context(|| format!("{} was never accepted", file.name))?;
    let document = loop {
        let document = run.owner.document(id).await?.with_context(|| format!("{id} is gone"))?;
        if document["state"] != "PENDING" {
            break document;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    };
    let state = document["state"].as_str().unwrap_or_default();
    tally.add(format!("document {state}"));
    ensure!(matches!(state, "READY" | "FAILED"), "{document}");
    if state == "FAILED" {
        return Ok(());
    }
    let passages = document["passages"].as_i64().unwrap_or_default();
    tally.add_many("passages", usize::try_from(passages)?);
    ensure!(passages > 0 && document["passagesDone"] == passages, "not each passage once: {document}");
    let first = file.text.lines().find(|line| line.len() > 100).context("a file has paragraphs")?;
    let question: String = first.chars().take(400).collect();
    let found = run.owner.graphql_in_turn("search_knowledge", json!({"question": question, "first": 50})).await?.ok();
    let found = found.get("/searchKnowledge").as_array().context("search answers a list")?.clone();
    ensure!(found.iter().any(|passage| passage["documentId"] == id), "{id} is ready and cannot be found");
    let mut seen = HashSet::new();
    for passage in &found {
        ensure!(seen.insert(passage["id"].to_string()), "found twice: {passage}");
        ensure!(seen.insert(format!("{}{}", passage["documentId"], passage["text"])), "stored twice: {passage}");
    }
    Ok(())
}

/// What documents say of their passages is what is stored, and no document has the same text twice.
pub async fn judge_passages(database: &Database) -> Result<()> {
    let db = database.connections().await?.into_iter().next().context("there is a database")?;
    let sql = "SELECT (SELECT count(*) FROM passages) AS stored, \
               (SELECT CAST(coalesce(sum(passages_total), 0) AS bigint) FROM documents WHERE state = 'READY') AS told, \
               (SELECT count(*) FROM (SELECT 1 AS one FROM passages GROUP BY document_id, content_hash \
               HAVING count(*) > 1) AS again) AS twice, \
               (SELECT count(*) FROM (SELECT 1 AS one FROM documents GROUP BY file_name HAVING count(*) > 1 \
               AND sum(CASE WHEN state = 'FAILED' THEN 1 ELSE 0 END) = 0) AS again) AS documents_twice";
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await?.context("one row")?;
    let count = |name: &str| row.try_get::<i64>("", name);
    ensure!(count("stored")? == count("told")?, "{} passages are stored, not {}", count("stored")?, count("told")?);
    ensure!(count("twice")? == 0, "{} passages are stored twice", count("twice")?);
    ensure!(count("documents_twice")? == 0, "{} files became two documents", count("documents_twice")?);
    Ok(())
}

/// A chat's events are in step, and every accepted question has one answer, which is the text that was streamed.
pub async fn judge_chat(run: &Run, asker: &Asker, tally: &mut Tally) -> Result<()> {
    let id = asker.chat.as_deref().context("a chat was started")?;
    let client = asker.client(run)?;
    let chat = client.graphql_in_turn("chat", json!({"id": id, "first": 20})).await?.ok();
    let last = chat.number("/chat/lastEvent");
    let mut listener = client.listen("chat_events", json!({"chatId": id})).await?;
    let events = listener.until(|event| event["data"]["chatEvents"]["seq"] == last).await?;
    let events: Vec<_> = events.iter().map(|event| event["data"]["chatEvents"].clone()).collect();
    let told: Vec<_> = events.iter().map(gist).collect();
    let numbers: Vec<_> = told.iter().map(|(seq, ..)| *seq).collect();
    ensure!(numbers.iter().copied().eq(1..=last), "events are missing: {numbers:?}");
    let heard: Vec<_> = asker.heard.iter().map(gist).collect();
    ensure!(heard == told, "the listener heard {heard:?} instead of {told:?}");

    let texts: Vec<_> = asker.questions.iter().map(|question| json!(question.text)).collect();
    let messages = chat.get("/chat/messages/nodes").as_array().context("a chat has messages")?;
    let written: Vec<_> = messages.iter().map(|message| message["text"].clone()).collect();
    ensure!(written == texts, "asked were {texts:?}, and the chat has {written:?}");
    let answers = chat.get("/chat/answers").as_array().context("a chat has answers")?;
    ensure!(answers.len() == texts.len(), "{} questions have {} answers", texts.len(), answers.len());
    let posted = told.iter().filter(|(_, kind, _)| kind == "MessagePosted").count();
    ensure!(posted == texts.len(), "{posted} events of {} questions", texts.len());
    for question in &asker.questions {
        let answer = question.answer.as_deref().context("each was accepted")?;
        let again = question.ask(&client, id).await?;
        ensure!(again == answer, "the same key opened {again} beside {answer}");
        judge_answer(
            &client.graphql_in_turn("answer", json!({"id": answer})).await?.ok().get("/answer").clone(),
            &events,
            tally,
        )?;
    }
    let after = client.graphql_in_turn("chat", json!({"id": id})).await?.ok();
    ensure!(after.number("/chat/lastEvent") == last, "asking again changed the chat");
    Ok(())
}

fn judge_answer(answer: &Value, events: &[Value], tally: &mut Tally) -> Result<()> {
    let id = &answer["id"];
    let status = answer["status"].as_str().unwrap_or_default();
    tally.add(format!("answer {status}"));
    let of_it: Vec<_> =
        events.iter().filter(|event| event["answerId"] == *id || event["answer"]["id"] == *id).collect();
    let ends = of_it.iter().filter(|event| is_end(event)).count();
    let last = of_it.last().with_context(|| format!("nothing happened to {id}"))?;
    ensure!(ends == 1 && is_end(last), "{id} ended {ends} times: {of_it:?}");
    let begun = of_it.iter().filter(|event| event["__typename"] == "AnswerStarted").count();
    tally.add_many("answer begun anew", begun.saturating_sub(1));
    let end = if status == "COMPLETED" { "AnswerCompleted" } else { "AnswerFailed" };
    ensure!(matches!(status, "COMPLETED" | "FAILED") && last["__typename"] == end, "{answer} ends with {last}");
    if status == "COMPLETED" {
        let from = of_it.iter().rposition(|event| event["__typename"] == "AnswerStarted").context("it began")?;
        let streamed: String = of_it[from..].iter().filter_map(|event| event["text"].as_str()).collect();
        ensure!(answer["text"] == *streamed, "streamed was {streamed:?}, and the answer is {answer}");
    }
    Ok(())
}

/// Number, kind and text of an event: what does not change afterwards.
fn gist(event: &Value) -> (i64, String, String) {
    let text = |field: &str| event[field].as_str().unwrap_or_default().to_owned();
    (event["seq"].as_i64().unwrap_or_default(), text("__typename"), text("text"))
}
