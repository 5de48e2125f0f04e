//! The real program is killed with SIGKILL between sending and hearing that it was sent, and at random moments, over and
//! over. What people are to be told arrives: in Slack once, at the webhook's receiver once by its id, in the mailbox at
//! least once, since SMTP cannot be asked.
//!
//! `CONSIGNE_KILLS` and `CONSIGNE_SEED` as for the other kills:
//!
//! ```console
//! $ CONSIGNE_KILLS=100 cargo test -p consigne-tests channels::killed -- --nocapture
//! ```

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use consigne_tests::{
    client::{Client, Reply},
    people::Member,
    standins::slack::Post,
};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::{OtherSide, header, text};
use crate::crash::{
    files::Chance,
    number,
    program::{Installation, Program},
    stopwatch,
};

/// Kills where the environment names no number.
const KILLS: u64 = 6;
/// Visitors who come between two kills.
const VISITORS: usize = 3;
/// The longest that the program lives where nobody holds an answer back.
const LONGEST_LIFE: u64 = 4_000;
/// How long a held answer is waited for.
const PATIENCE_FOR_A_HOLD: Duration = Duration::from_secs(30);
/// How long everything may take after the last start: leases of 15 s, one message after the other in each thread.
const PATIENCE: Duration = Duration::from_secs(180);

/// A visitor's chat, as far as the visitor was told.
#[derive(Default)]
struct Called {
    chat: String,
    said: usize,
}

/// Visitors come, call people and say two things more, until the program is gone. Once the first of them was heard, the
/// next answer on this channel is held back.
async fn visit(
    owner: &Member,
    (other, assistant): (&OtherSide, &str),
    held_on: Option<u64>,
    called: &mut Vec<Called>,
) -> Result<()> {
    for number in 0..VISITORS {
        if number == 1 {
            hold(other, held_on)?;
        }
        let visitor = owner.visitor(assistant).await?;
        let chat = visitor.start_chat().await?;
        visitor.request_person(&chat).await?;
        called.push(Called { chat: chat.clone(), said: 0 });
        for number in 1..=2 {
            visitor.say(&chat, &format!("Hello? ({number})")).await?;
            if let Some(last) = called.last_mut() {
                last.said = number;
            }
        }
    }
    Ok(())
}

/// Holds the next answer back on this channel, and on no other.
fn hold(other: &OtherSide, channel: Option<u64>) -> Result<()> {
    other.slack.hold_the_next(channel == Some(0));
    other.smtp.hold_the_next(channel == Some(1))?;
    other.receiver.hold_the_next(channel == Some(2));
    Ok(())
}

/// One life of the program: visitors come, and it is killed while an answer is held back, or at a random moment.
async fn live(
    program: Program,
    installation: &Installation,
    (other, assistant): (&OtherSide, &str),
    held_on: Option<u64>,
    chance: &mut Chance,
    called: &mut Vec<Called>,
) -> Result<()> {
    let (public, killed) = (Client::new(&program.url), AtomicBool::new(false));
    let before = other.held()?;
    hold(other, None)?;
    let (life, moment) = (chance.below(LONGEST_LIFE), chance.below(250));
    let work = async {
        let worked = async { visit(&installation.owner(&public).await?, (other, assistant), held_on, called).await };
        match worked.await {
            Err(_) if killed.load(Ordering::SeqCst) => Ok(()),
            other => other,
        }
    };
    let kill = async {
        match held_on {
            Some(_) => {
                let is_held = async {
                    while other.held()? == before {
                        sleep(Duration::from_millis(5)).await;
                    }
                    anyhow::Ok(())
                };
                timeout(PATIENCE_FOR_A_HOLD, is_held).await.context("nothing was sent")??;
                sleep(Duration::from_millis(moment)).await;
            }
            None => sleep(Duration::from_millis(life)).await,
        }
        killed.store(true, Ordering::SeqCst);
        program.kill().await
    };
    tokio::try_join!(work, kill).map(|_| ())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_are_to_be_told_arrives_however_often_the_program_is_killed() -> Result<()> {
    let Some(other) = OtherSide::start().await? else { return Ok(()) };
    let (kills, seed) = (number("CONSIGNE_KILLS").unwrap_or(KILLS), number("CONSIGNE_SEED"));
    let (mut chance, begun) = (Chance::new(seed), stopwatch());
    println!("{kills} kills; to repeat them: CONSIGNE_SEED={}", chance.seed);
    let folder = tempfile::Builder::new().prefix("consigne-killed-").disable_cleanup(true).tempdir()?;
    println!("its data, if this fails: {}", folder.path().display());
    let flags = other.flags();
    let mut installation = Installation::new(folder.path()).await?.under(&flags.each_ref().map(String::as_str));
    let program = installation.start().await?;
    let owner = installation.owner(&Client::new(&program.url)).await?;
    let assistant = owner.assistant("Ada").await?;
    other.furnish(&owner, &assistant, None).await?;
    program.kill().await?;

    let mut called = Vec::new();
    for kill in 1..=kills {
        let held_on = (kill % 4 != 0).then_some(kill % 3);
        let program = installation.start().await?;
        let lived = live(program, &installation, (&other, &assistant), held_on, &mut chance, &mut called).await;
        lived.with_context(|| format!("before kill {kill}: {}", installation.last_words()))?;
    }
    println!(
        "killed {kills} times in {:.1?}; answers held back (Slack, mail, webhook): {:?}",
        begun.elapsed(),
        other.held()?
    );

    hold(&other, None)?;
    let program = installation.start().await?;
    let owner = installation.owner(&Client::new(&program.url)).await?;
    let settled = timeout(PATIENCE, settled(&owner)).await.context("not everything was told in time");
    settled.and_then(|ended| ended).with_context(|| installation.last_words())?;
    judge(&owner, &other, &called).await?;
    program.kill().await?;
    println!("{:.1?} in all; {}", begun.elapsed(), installation.verify().await?.trim());
    let is_proof = other.held()?.iter().all(|count| *count > 0);
    ensure!(is_proof || kills < KILLS, "on some channel no kill fell between sending and hearing: this proves nothing");
    Ok(std::fs::remove_dir_all(folder.path())?)
}

/// Waits until nothing is left to be told.
async fn settled(owner: &Member) -> Result<()> {
    while page(owner, "deliveries", json!({"state": "PENDING", "first": 1})).await?.number("/deliveries/totalCount") > 0
    {
        sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}

/// All nodes of a paged list.
async fn all(owner: &Member, list: &str) -> Result<Vec<Value>> {
    let (mut nodes, mut after) = (Vec::new(), Value::Null);
    loop {
        let page = page(owner, list, json!({"first": 100, "after": after})).await?;
        nodes.extend(page.get(&format!("/{list}/nodes")).as_array().context("nodes")?.clone());
        if page.get(&format!("/{list}/pageInfo/hasNextPage")) == &json!(false) {
            return Ok(nodes);
        }
        after = page.get(&format!("/{list}/pageInfo/endCursor")).clone();
    }
}

/// One page of it; who asks too often waits.
async fn page(owner: &Member, list: &str, of: Value) -> Result<Reply> {
    loop {
        let page = owner.graphql(list, of.clone()).await?;
        if page.error() != Some("RATE_LIMITED") {
            return Ok(page.ok());
        }
        sleep(Duration::from_secs(1)).await;
    }
}

async fn judge(owner: &Member, other: &OtherSide, called: &[Called]) -> Result<()> {
    other.assert_content()?;
    let escalations = all(owner, "escalations").await?;
    let deliveries = all(owner, "deliveries").await?;
    for call in called {
        let escalation = escalations.iter().find(|escalation| escalation["chatId"] == call.chat.as_str());
        let escalation = escalation.with_context(|| format!("{} called people, and nobody knows", call.chat))?;
        for channel in ["slack", "email", "webhook"] {
            let told = |kind: &str| {
                let is_it = |delivery: &&Value| {
                    delivery["escalationId"] == escalation["id"]
                        && delivery["pluginId"] == channel
                        && delivery["kind"] == kind
                };
                deliveries.iter().filter(is_it).count()
            };
            let (opened, said) = (told("OPENED"), told("SAID"));
            ensure!(opened == 1 && said >= call.said, "{channel}: {opened} and {said} of {}", escalation["id"]);
        }
    }
    let is_delivered = |delivery: &Value| delivery["state"] == "DELIVERED";
    let open: Vec<_> = deliveries.iter().filter(|delivery| !is_delivered(delivery)).collect();
    ensure!(open.is_empty(), "not delivered: {open:?}");

    let (posts, requests) = (other.slack.posts(), other.receiver.once());
    let mut mails: BTreeMap<String, usize> = BTreeMap::new();
    for mail in other.smtp.arrived()? {
        *mails.entry(header(&mail, "Message-ID")).or_default() += 1;
    }
    let mut threads = BTreeMap::new();
    let mut repeated = BTreeMap::from([("email", 0), ("slack", 0), ("webhook", 0)]);
    for delivery in deliveries.iter().rev() {
        let (id, channel) = (text(&delivery["id"]), text(&delivery["pluginId"]));
        let seen = match channel {
            "slack" => other.slack.seen(id),
            "webhook" => requests.get(id).copied().unwrap_or_default(),
            _ => mails.iter().filter(|(known, _)| known.contains(&format!("{id}."))).map(|(_, count)| count).sum(),
        };
        ensure!(seen > 0, "{channel} never saw {delivery}");
        *repeated.entry(channel).or_default() += seen - 1;
        if channel == "slack" {
            ensure!(seen == 1, "Slack shows {seen} times {delivery}");
            let is_it = |post: &&Post| post.arguments["metadata"]["event_payload"]["key"] == id;
            let post = posts.iter().find(is_it).context("it was seen")?;
            let thread = threads.entry(text(&delivery["escalationId"]).to_owned()).or_insert_with(|| post.ts.clone());
            let is_first = delivery["kind"] == "OPENED";
            ensure!(post.thread.as_ref() == (!is_first).then_some(&*thread), "in another thread: {delivery}");
        }
    }
    let of = |channel: &str| deliveries.iter().filter(|delivery| delivery["pluginId"] == channel).count();
    ensure!(posts.len() == of("slack"), "{} messages in Slack of {} deliveries", posts.len(), of("slack"));
    ensure!(requests.len() == of("webhook"), "{} ids of {} deliveries", requests.len(), of("webhook"));
    ensure!(mails.len() == of("email"), "{} message ids of {} deliveries", mails.len(), of("email"));
    println!(
        "{} visitors were told that people were called, of {} escalations; {} deliveries for each channel",
        called.len(),
        escalations.len(),
        of("slack")
    );
    println!("seen more than once, and told apart by nobody but the receiver: {repeated:?}");
    Ok(())
}
