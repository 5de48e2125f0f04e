//! The real program is killed at each step of an erasure, and its Postgres is cut off: what is said of the erasure is true at
//! every moment, and in the end the person is gone.
//!
//! `CONSIGNE_KILLS` says at how many of the steps, spread evenly; at all of them where it is larger than their number.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use consigne_tests::{client::Client, database::Database, people::Member, texts, wire::Wire};
use sea_orm::{ConnectionTrait, DatabaseConnection, QueryResult, Statement};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::{
    KILLS, number,
    program::{Installation, Program, readiness, until_ready},
};
use crate::scale::bytes::Secrets;

/// How long an erasure may take after a kill: a lease of 15 s, and what waits before it.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long Postgres is away.
const AWAY: Duration = Duration::from_secs(4);

/// Steps that are looked for; there are fewer.
const MOST_STEPS: u64 = 40;

/// A person whose erasure was asked for: as the API names them, and as the database does.
struct Gone {
    subject: String,
    id: Uuid,
    secrets: Secrets,
    erasure: Option<String>,
}

/// A workspace that knows the handbook, and its assistant.
async fn furnish(owner: &Member) -> Result<String> {
    let handbook = owner.add_text("Handbook", texts::HANDBOOK).await?;
    let mut progress = owner.listen("document_progress", serde_json::json!({"documentId": handbook})).await?;
    progress.until(|event| event["data"]["documentProgress"]["state"] == "READY").await?;
    owner.assistant("Ada").await
}

/// A visitor who asked something and was answered; with the sealed bytes of it.
async fn talkative(owner: &Member, assistant: &str, database: &Database) -> Result<Gone> {
    let visitor = owner.visitor(assistant).await?;
    let chat = visitor.start_chat().await?;
    let mut events = visitor.chat_events(&chat, None).await?;
    visitor.ask(&chat, "How much is a standard inspection?").await?;
    events.until(|event| event["data"]["chatEvents"]["__typename"] == "AnswerCompleted").await?;
    let secrets = Secrets::of_the_newest(database).await?;
    let db = data(database).await?;
    let newest = "SELECT subject_id FROM visitors ORDER BY created_at DESC, id DESC LIMIT 1";
    let newest = rows(&db, newest).await?.into_iter().next().context("somebody came")?;
    Ok(Gone { subject: visitor.subject, id: newest.try_get("", "subject_id")?, secrets, erasure: None })
}

async fn data(database: &Database) -> Result<DatabaseConnection> {
    database.connections().await?.into_iter().next().context("there is a database")
}

async fn rows(db: &DatabaseConnection, sql: &str) -> Result<Vec<QueryResult>> {
    Ok(db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await?)
}

/// Waits until so many steps of the newest erasure are done.
async fn until_done(db: &DatabaseConnection, before: i64, steps: i64) -> Result<()> {
    let sql = "SELECT (SELECT count(*) FROM erasures) AS erasures, (SELECT count(*) FROM erasure_steps WHERE state = 'DONE' \
               AND erasure_id = (SELECT id FROM erasures ORDER BY id DESC LIMIT 1)) AS done";
    for _ in 0..30_000 {
        let row = rows(db, sql).await?.into_iter().next().context("a count has a row")?;
        let (erasures, done): (i64, i64) = (row.try_get("", "erasures")?, row.try_get("", "done")?);
        if erasures > before && done >= steps {
            return Ok(());
        }
        sleep(Duration::from_millis(1)).await;
    }
    anyhow::bail!("the erasure did not come so far")
}

/// While nothing runs: what is written of erasures is true.
async fn judge_what_lies_there(database: &Database, gone: &[Gone]) -> Result<()> {
    let db = data(database).await?;
    let sql = "SELECT e.state, e.subject_id, e.certificate_jws IS NOT NULL AS has_certificate, \
               (SELECT count(*) FROM erasure_steps s WHERE s.erasure_id = e.id AND s.state <> 'DONE') AS left_over, \
               (SELECT count(*) FROM messages m WHERE m.subject_id = e.subject_id) AS messages FROM erasures e ORDER BY e.id";
    let mut completed = Vec::<Uuid>::new();
    for row in rows(&db, sql).await? {
        let state: String = row.try_get("", "state")?;
        let (left, messages): (i64, i64) = (row.try_get("", "left_over")?, row.try_get("", "messages")?);
        if state == "COMPLETED" {
            completed.push(row.try_get("", "subject_id")?);
        }
        let is_certified: bool = row.try_get("", "has_certificate")?;
        ensure!(is_certified == (state == "COMPLETED"), "{state}, and certified: {is_certified}");
        ensure!(
            state != "COMPLETED" || (left == 0 && messages == 0),
            "COMPLETED with {left} steps, {messages} messages"
        );
    }
    db.close().await?;
    for person in gone.iter().filter(|person| completed.contains(&person.id)) {
        person.secrets.assert_absent(database)?;
    }
    Ok(())
}

/// Waits until everybody is gone, by what the API says, and looks whether they are.
async fn judge_the_end(owner: &Member, database: &Database, gone: &[Gone]) -> Result<()> {
    for person in gone {
        // Asked again, it is the same erasure; where the first call was cut off before anything stood, it begins now.
        let id = owner.erase(&person.subject).await?;
        ensure!(person.erasure.as_ref().is_none_or(|known| *known == id), "a second erasure of the same person");
        let ended = async {
            loop {
                let erasure = owner.erasure(&id).await?;
                if erasure["state"] == "COMPLETED" {
                    return anyhow::Ok(erasure);
                }
                sleep(Duration::from_millis(200)).await;
            }
        };
        let erasure = timeout(PATIENCE, ended).await.context("an erasure does not end")??;
        ensure!(erasure["certificate"].is_string(), "{erasure}");
        let steps = erasure["steps"].as_array().context("it has steps")?;
        ensure!(
            steps.iter().all(|step| step["state"] == "DONE" && step["remaining"].as_i64().unwrap_or(0) == 0),
            "{erasure}"
        );
        person.secrets.assert_absent(database)?;
    }
    Ok(())
}

/// Asks for an erasure and kills the program when so many steps are done. Answers the id, where the call was answered.
async fn erase_and_kill(
    program: Program,
    owner: &Member,
    database: &Database,
    subject: &str,
    steps: i64,
) -> Result<Option<String>> {
    let db = data(database).await?;
    let before = rows(&db, "SELECT id FROM erasures").await?.len();
    let asked = owner.erase(subject);
    let killed = async {
        until_done(&db, i64::try_from(before)?, steps).await?;
        program.kill().await
    };
    // A call that the kill cuts off may have begun the erasure all the same.
    let (asked, killed) = tokio::join!(asked, killed);
    killed?;
    db.close().await?;
    Ok(asked.ok())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_is_true_at_every_moment_wherever_the_program_is_killed() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut installation = Installation::new(folder.path()).await?;
    let mut program = installation.start().await?;
    let owner = installation.owner(&Client::new(&program.url)).await?;
    let assistant = furnish(&owner).await?;
    // The first is erased in peace, and shows how many steps there are.
    let mut gone = vec![talkative(&owner, &assistant, &installation.database).await?];
    gone[0].secrets.assert_present(&installation.database)?;
    judge_the_end(&owner, &installation.database, &gone).await?;
    let first = owner.erase(&gone[0].subject).await?;
    let steps = owner.erasure(&first).await?["steps"].as_array().map_or(0, Vec::len);
    ensure!((10..MOST_STEPS).contains(&(steps as u64)), "{steps} steps");
    let kills = number("CONSIGNE_KILLS").unwrap_or(KILLS).clamp(2, steps as u64);
    for kill in 0..kills {
        let at = i64::try_from(kill * (steps as u64 - 1) / (kills - 1))?;
        let owner = installation.owner(&Client::new(&program.url)).await?;
        let person = talkative(&owner, &assistant, &installation.database).await?;
        let erasure = erase_and_kill(program, &owner, &installation.database, &person.subject, at).await?;
        println!("killed when {at} of {steps} steps were done");
        gone.push(Gone { erasure, ..person });
        judge_what_lies_there(&installation.database, &gone).await.with_context(|| format!("killed at step {at}"))?;
        program = installation.start().await?;
    }
    let owner = installation.owner(&Client::new(&program.url)).await?;
    let ended = judge_the_end(&owner, &installation.database, &gone).await;
    ended.with_context(|| installation.last_words())?;
    program.kill().await?;
    judge_what_lies_there(&installation.database, &gone).await?;
    installation.verify().await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_waits_for_its_database_and_ends_right() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut installation = Installation::new(folder.path()).await?;
    let Some(wire) = Wire::to(&installation.database).await? else {
        println!("skipped: an embedded database cannot be cut off");
        return Ok(());
    };
    installation.reach_its_database_by(&wire)?;
    let program = installation.start().await?;
    let owner = installation.owner(&Client::new(&program.url)).await?;
    let assistant = furnish(&owner).await?;
    let db = data(&installation.database).await?;
    let mut gone = Vec::new();
    for at in [0, 5, 12] {
        let person = talkative(&owner, &assistant, &installation.database).await?;
        let before = i64::try_from(rows(&db, "SELECT id FROM erasures").await?.len())?;
        let erasure = Some(owner.erase(&person.subject).await?);
        until_done(&db, before, at).await?;
        wire.cut();
        gone.push(Gone { erasure, ..person });
        judge_what_lies_there(&installation.database, &gone).await?;
        sleep(AWAY).await;
        let ready = readiness(&owner).await?;
        ensure!(ready == 503, "without its database it says {ready}");
        wire.mend();
        until_ready(&owner).await?;
    }
    let ended = judge_the_end(&owner, &installation.database, &gone).await;
    ended.with_context(|| installation.last_words())?;
    program.kill().await?;
    judge_what_lies_there(&installation.database, &gone).await
}
