//! The real program is killed with SIGKILL at random moments of ingest and of answering, and started again each time.
//! What was accepted is done in the end, once.
//!
//! `CONSIGNE_KILLS` says how often (6 where it is not set), `CONSIGNE_SEED` repeats the moments and the files of an
//! earlier run. Fifty times, without nextest's time limit, and with the numbers:
//!
//! ```console
//! $ CONSIGNE_KILLS=50 cargo test -p consigne-tests crash:: -- --nocapture
//! ```

mod cut;
mod erasing;
pub mod files;
pub mod program;
mod verdict;
mod work;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use consigne_tests::{
    client::Client,
    people::Member,
    standins::openai::{StandIn, Turn},
    texts,
};
use futures::future::try_join_all;
use serde_json::json;
use tokio::time::{sleep, timeout};

use self::{
    files::Chance,
    program::{Installation, Program},
    verdict::{Tally, judge_chat, judge_passages, judge_upload},
    work::{Asker, Editor, File, Run},
};

/// Kills where the environment names no number.
const KILLS: u64 = 6;

/// The longest that the program lives between ready and kill.
const LONGEST_LIFE: u64 = 2_500;

/// How long everything may take after the last start: a lease of 15 s, sweeps that come each minute and leave alone what
/// is younger than one, and what waits behind. Each kill leaves some more.
const PATIENCE: Duration = Duration::from_secs(240);
const PATIENCE_FOR_A_KILL: Duration = Duration::from_secs(3);

#[expect(clippy::disallowed_methods, reason = "the environment says how long this test takes")]
pub fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[expect(clippy::disallowed_methods, reason = "what a person waits for is measured, not what the product's clock says")]
pub fn stopwatch() -> Instant {
    Instant::now()
}

/// Two assistants: one quotes within milliseconds, the other takes a second or two to write.
async fn furnish(owner: &Member, server: &StandIn) -> Result<[String; 2]> {
    let handbook = owner.add_text("Handbook", texts::HANDBOOK).await?;
    let settings = json!({"baseUrl": server.base_url(), "model": "slow"});
    owner.graphql("enable_plugin", json!({"input": {"pluginId": "openai", "settings": settings}})).await?.ok();
    let input = json!({"name": "Slow", "languages": ["en"], "policy": {"chatModel": "openai"}});
    let slow = owner.graphql("create_assistant", json!({"input": input})).await?.ok();
    let mut progress = owner.listen("document_progress", json!({"documentId": handbook})).await?;
    progress.until(|event| event["data"]["documentProgress"]["state"] == "READY").await?;
    Ok([owner.assistant("Quick").await?, slow.text("/createAssistant/assistant/id")])
}

/// What the slow server says each time.
fn slow_turn() -> Turn {
    let words = "A standard inspection costs 79 euros and takes two days; come before noon and we start at once [1].";
    Turn::Slow(words.split_inclusive(' ').map(str::to_owned).collect(), 80)
}

/// Lets everybody work, and kills the program in the middle of it. Answers how many documents the kill before had left
/// half read.
async fn work_until_killed(
    program: Program,
    life: Duration,
    installation: &Installation,
    editor: &mut Editor,
    askers: &mut [Asker],
) -> Result<usize> {
    let public = Client::new(&program.url);
    let killed = Arc::new(AtomicBool::new(false));
    let flag = killed.clone();
    // A busy machine takes a second to let anybody in; a life is time in which there is work.
    let (came_in, is_in) = tokio::sync::oneshot::channel();
    let work = async {
        let owner = match installation.owner(&public).await {
            Err(_) if flag.load(Ordering::SeqCst) => return Ok(0),
            owner => owner?,
        };
        came_in.send(()).ok();
        let run = Run::new(public, owner, flag);
        let half_read = editor.half_read(&run).await?;
        let asking = try_join_all(askers.iter_mut().map(|asker| asker.work(&run)));
        tokio::try_join!(editor.work(&run), asking)?;
        Ok(half_read)
    };
    let kill = async {
        timeout(Duration::from_secs(30), is_in).await.ok();
        sleep(life).await;
        killed.store(true, Ordering::SeqCst);
        program.kill().await
    };
    tokio::try_join!(work, kill).map(|(half_read, ())| half_read)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_is_done_once_however_often_the_program_is_killed() -> Result<()> {
    let (kills, seed) = (number("CONSIGNE_KILLS").unwrap_or(KILLS), number("CONSIGNE_SEED"));
    let (mut chance, begun) = (Chance::new(seed), stopwatch());
    println!("{kills} kills; to repeat them: CONSIGNE_SEED={}", chance.seed);
    let folder = tempfile::Builder::new().prefix("consigne-killed-").disable_cleanup(true).tempdir()?;
    println!("its data, if this fails: {}", folder.path().display());
    let server = StandIn::start().await;
    server.script((0..kills * 12 + 12).map(|_| slow_turn()));
    let mut installation = Installation::new(folder.path()).await?;
    let program = installation.start().await?;
    let [quick, slow] = furnish(&installation.owner(&Client::new(&program.url)).await?, &server).await?;
    program.kill().await?;

    let (mut editor, mut askers, mut half_read) = (Editor::default(), Vec::new(), 0);
    for kill in 1..=kills {
        let (name, life) = (format!("file-{kill}.md"), Duration::from_millis(chance.below(LONGEST_LIFE)));
        editor.files.push(File { name, text: chance.file(), document: None });
        askers.extend([Asker::new(&quick, 5), Asker::new(&slow, 2)]);
        let program = installation.start().await?;
        let worked = work_until_killed(program, life, &installation, &mut editor, &mut askers).await;
        half_read += worked.with_context(|| format!("before kill {kill}: {}", installation.last_words()))?;
    }

    println!("killed {kills} times in {:.1?}", begun.elapsed());
    let program = installation.start().await?;
    let patience = PATIENCE + PATIENCE_FOR_A_KILL * u32::try_from(kills)?;
    let tally = timeout(patience, settle(&program, &installation, &mut editor, &mut askers)).await;
    let tally = tally.context("not everything was done in time").and_then(|done| done);
    let tally = tally.with_context(|| installation.last_words())?;
    program.kill().await?;
    judge_passages(&installation.database).await?;
    println!("{tally:?}; {half_read} times a document was found half read; {:.1?} in all", begun.elapsed());
    println!("{}", installation.verify().await?.trim());
    let is_proof = half_read > 0 && tally.count("answer begun anew") > 0;
    ensure!(is_proof || kills < KILLS, "no kill fell into an ingest, or none into an answer: this proves nothing");
    Ok(std::fs::remove_dir_all(folder.path())?)
}

/// Lets everybody finish, and judges.
async fn settle(
    program: &Program,
    installation: &Installation,
    editor: &mut Editor,
    askers: &mut [Asker],
) -> Result<Tally> {
    let public = Client::new(&program.url);
    let owner = installation.owner(&public).await?;
    let run = Run::new(public, owner, Arc::default());
    let asking = try_join_all(askers.iter_mut().map(|asker| asker.work(&run)));
    tokio::try_join!(editor.work(&run), asking)?;
    let mut tally = Tally::default();
    for file in &editor.files {
        judge_upload(&run, file, &mut tally).await.with_context(|| file.name.clone())?;
    }
    for asker in &*askers {
        judge_chat(&run, asker, &mut tally).await.with_context(|| format!("in {:?}", asker.chat))?;
    }
    Ok(tally)
}
