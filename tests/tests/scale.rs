//! One person is erased from a large workspace, and no byte of theirs is left.
//!
//! `CONSIGNE_SCALE_MESSAGES` says how many messages other visitors wrote (20,000 where it is not set). Two hundred
//! thousand, without nextest's time limit, and with the times:
//!
//! ```console
//! $ CONSIGNE_SCALE_MESSAGES=200000 cargo test -p consigne-tests scale:: -- --nocapture
//! ```
//!
//! What the size of a workspace costs is printed, not judged: one of ten thousand visitors is erased from a million messages
//! in the time that it takes among ten thousand, where `CONSIGNE_SCALE_MESSAGES` is 1000000.

pub mod bytes;
mod crowd;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use consigne_tests::{
    app::{TestApp, minutes, program},
    canary::Canary,
    people::{Member, Visitor},
    standins::openai::{StandIn, Turn},
    texts,
};
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};
use tokio::process::Command;

use self::{bytes::Secrets, crowd::Crowd};

/// Messages of other visitors where the environment names no number.
const MESSAGES: u64 = 20_000;

/// Messages of the person who is erased.
const OF_THE_PERSON: u64 = 1_000;

/// How many of those are asked through the API, within the points of one visitor; the rest are their copies.
const ASKED: u64 = 20;

/// Messages of an ordinary visitor, who is erased to see what the size of the workspace costs.
const OF_ANYBODY: u64 = 100;

/// Messages in the small workspace that a large one is compared with.
const FEW: u64 = 10_000;

/// How many places of a certificate are flipped.
const FLIPS: usize = 8;

#[expect(clippy::disallowed_methods, reason = "the environment says how large this test is")]
fn messages() -> u64 {
    std::env::var("CONSIGNE_SCALE_MESSAGES").ok().and_then(|number| number.parse().ok()).unwrap_or(MESSAGES)
}

#[expect(clippy::disallowed_methods, reason = "what a person waits for is measured, not what the product's clock says")]
fn stopwatch() -> Instant {
    Instant::now()
}

/// A workspace that knows the handbook and answers through this server, and the assistant.
async fn shop(app: &TestApp, server: &StandIn) -> Result<(Member, String)> {
    let acme = app.workspace("acme").await?;
    acme.add_text("Handbook", texts::HANDBOOK).await?;
    app.run_jobs().await?;
    let settings = json!({"baseUrl": server.base_url(), "model": "any"});
    acme.graphql("enable_plugin", json!({"input": {"pluginId": "openai", "settings": settings}})).await?.ok();
    let input = json!({"name": "Ada", "languages": ["en"], "policy": {"chatModel": "openai"}});
    let made = acme.graphql("create_assistant", json!({"input": input})).await?.ok();
    Ok((acme, made.text("/createAssistant/assistant/id")))
}

/// A visitor asks this many questions with these words in them, and is told them again.
async fn talk(app: &TestApp, server: &StandIn, to: (&Member, &Visitor), words: &str, questions: u64) -> Result<()> {
    let (acme, visitor) = to;
    let chat = visitor.start_chat().await?;
    for number in 0..questions {
        server.script([Turn::answer(&["A standard inspection, ", words, ", costs 79 euros [1]."])]);
        let id = visitor.ask(&chat, &format!("I am {words}. How much is inspection number {number}?")).await?;
        app.run_jobs().await?;
        let answer = acme.graphql("answer", json!({"id": id})).await?.ok().get("/answer").clone();
        ensure!(answer["outcome"] == "ANSWERED" && answer["text"].to_string().contains(words), "{answer}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn erasing_a_visitor_of_1000_messages_among_200000_leaves_no_byte() -> Result<()> {
    let (app, server, canary) = (TestApp::start().await?, StandIn::start().await, Canary::new());
    let (acme, assistant) = shop(&app, &server).await?;
    talk(&app, &server, (&acme, &acme.visitor(&assistant).await?), "somebody else", 2).await?;
    app.advance(minutes(1));
    let visitor = acme.visitor(&assistant).await?;
    talk(&app, &server, (&acme, &visitor), &canary.to_string(), ASKED).await?;
    let crowd = Crowd::of(&app.database).await?;
    let filling = stopwatch();
    crowd.of_others(messages()).await?;
    crowd.of_the_newest(OF_THE_PERSON - ASKED).await?;
    let before = crowd.count().await?;
    println!("{before:?}, filled in {:.1?}", filling.elapsed());
    ensure!(before.messages >= messages() + OF_THE_PERSON && before.of_the_person == OF_THE_PERSON, "{before:?}");
    let secrets = Secrets::of_the_newest(&app.database).await?;
    secrets.assert_present(&app.database)?;

    let erasing = stopwatch();
    let id = acme.erase(&visitor.subject).await?;
    app.run_jobs().await?;
    let took = erasing.elapsed();
    let erasure = acme.erasure(&id).await?;
    println!("erased in {took:.1?}: {}", erasure["steps"]);
    assert_eq!(erasure["state"], "COMPLETED", "{erasure}");
    let after = crowd.count().await?;
    assert_eq!((after.messages, after.of_the_person), (before.messages - OF_THE_PERSON, 0));

    let searching = stopwatch();
    app.assert_absent(&canary).await?;
    secrets.assert_absent(&app.database)?;
    println!("searched {} sealed values and the canary in {:.1?}", secrets.count(), searching.elapsed());
    let certificate = erasure["certificate"].as_str().context("it is certified")?;
    let keys = acme.request(reqwest::Method::GET, "/.well-known/jwks.json").send().await?.json().await?;
    drop(app);
    judge_certificate(certificate, &keys).await
}

#[tokio::test(flavor = "multi_thread")]
async fn erasing_a_visitor_takes_as_long_in_a_large_workspace_as_in_a_small_one() -> Result<()> {
    let few = erased_among(FEW.min(messages() / 2)).await?;
    let many = erased_among(messages()).await?;
    println!("the purges apart, {few:.1?} and {many:.1?}: {:.2} times", many.as_secs_f64() / few.as_secs_f64());
    Ok(())
}

/// How long a visitor's erasure takes, the purge of the database and the backup of all keys that is written anew apart, in a workspace of its own with so many messages of others.
async fn erased_among(others: u64) -> Result<Duration> {
    let (app, server) = (TestApp::start().await?, StandIn::start().await);
    let (acme, assistant) = shop(&app, &server).await?;
    talk(&app, &server, (&acme, &acme.visitor(&assistant).await?), "somebody else", 2).await?;
    app.advance(minutes(1));
    let visitor = acme.visitor(&assistant).await?;
    talk(&app, &server, (&acme, &visitor), "one of many", ASKED).await?;
    let crowd = Crowd::of(&app.database).await?;
    crowd.of_others(others).await?;
    crowd.of_the_newest(OF_ANYBODY - ASKED).await?;
    crowd.learn_its_size().await?;
    let erasing = stopwatch();
    let id = acme.erase(&visitor.subject).await?;
    let (done, counted) = tokio::join!(app.run_jobs(), all_but_purged(&app));
    done?;
    let took = counted?.duration_since(erasing);
    let erasure = acme.erasure(&id).await?;
    println!("{:?}: erased in {took:.1?}, with both purges {:.1?}", crowd.count().await?, erasing.elapsed());
    ensure!(erasure["state"] == "COMPLETED", "{erasure}");
    ensure!(crowd.count().await?.of_the_person == 0, "some are left");
    Ok(took)
}

/// When the last step was done that is about the person's rows and key. The backup of the key store, one file of everybody's
/// keys, is purged of it next, then the database.
async fn all_but_purged(app: &TestApp) -> Result<Instant> {
    let db = app.database.connections().await?.into_iter().next().context("there is a database")?;
    let sql = "SELECT name FROM erasure_steps WHERE state = 'PENDING' \
         AND name NOT IN ('backups', 'purge', 'certificate') ORDER BY position";
    let (mut waiting, mut since) = (Vec::new(), stopwatch());
    for _ in 0..60_000 {
        let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await?;
        let left: Vec<String> = rows.iter().map(|row| row.try_get("", "name")).collect::<Result<_, _>>()?;
        if left.len() < waiting.len() {
            let done: Vec<_> = waiting.iter().filter(|name| !left.contains(name)).collect();
            println!("  {done:?} in {:.1?}", since.elapsed());
            since = stopwatch();
        }
        if left.is_empty() {
            return Ok(stopwatch());
        }
        waiting = left;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    anyhow::bail!("the erasure did not come to its purge")
}

/// The certificate holds without the gateway, and with a letter changed anywhere it does not.
async fn judge_certificate(certificate: &str, keys: &Value) -> Result<()> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("keys.json"), keys.to_string())?;
    ensure!(is_genuine(folder.path(), certificate).await?, "{certificate} is not genuine");
    for flip in 0..FLIPS {
        let place = certificate.len() * (2 * flip + 1) / (2 * FLIPS);
        let letter = if certificate.as_bytes()[place] == b'A' { "B" } else { "A" };
        let forged = format!("{}{letter}{}", &certificate[..place], &certificate[place + 1..]);
        ensure!(!is_genuine(folder.path(), &forged).await?, "genuine with letter {place} changed");
    }
    Ok(())
}

/// What `consigne verify` says in this folder, which has the keys and no data.
async fn is_genuine(folder: &Path, certificate: &str) -> Result<bool> {
    std::fs::write(folder.join("certificate.jws"), certificate)?;
    let mut verify = Command::new(program()?);
    verify.args(["verify", "certificate.jws", "--keys", "keys.json"]).current_dir(folder).env_clear();
    let verified = verify.output().await?;
    let said = String::from_utf8_lossy(&verified.stdout);
    ensure!(said.contains("genuine"), "it said {said}{}", String::from_utf8_lossy(&verified.stderr));
    Ok(verified.status.success())
}
