//! Many answers streamed at once: is every token heard, how long is the pause between two, and what does it take.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use consigne_tests::client::Client;
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::json;

use crate::{
    gateway::{Gateway, change, now},
    model, number,
    watching::Watching,
};

/// Questions that are asked at once.
const ASKING: usize = 16;

/// What one answer was like.
struct Heard {
    first: Instant,
    last: Instant,
    /// When each delta came.
    at: Vec<Instant>,
}

/// Streams as many answers at once as `CONSIGNE_LOAD_STREAMS` says, each for `CONSIGNE_LOAD_SECONDS`.
pub async fn run() -> Result<()> {
    let count = number("CONSIGNE_LOAD_STREAMS", 1_000);
    let tokens = number("CONSIGNE_LOAD_SECONDS", 90) * 20;
    let gateway = Gateway::start().await?;
    let assistant = assistant(&gateway, tokens).await?;
    let visitors = gateway.visitors(&assistant, count).await?;
    let began = now();
    let open: Vec<(Client, String, Watching)> = stream::iter(visitors)
        .map(async |visitor| {
            let made = change(&visitor, "start_chat", json!({})).await?;
            let chat = made.pointer("/startChat/chat/id").and_then(|id| id.as_str()).context("a chat")?.to_owned();
            let watching = Watching::open(&gateway.url, &visitor, &chat).await?;
            anyhow::Ok((visitor, chat, watching))
        })
        .buffer_unordered(ASKING)
        .try_collect()
        .await?;
    println!("streams: {count} visitors listen after {:.1} s", began.elapsed().as_secs_f64());
    let streaming = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(Mutex::new((0_usize, 0.0_f64)));
    let whole: Arc<str> = model::whole(tokens).into();
    let (began, cpu) = (now(), gateway.cpu()?);
    let mut hearing = Vec::new();
    let mut asking = Vec::new();
    for (visitor, chat, watching) in open {
        hearing.push(tokio::spawn(hear(watching, whole.clone(), streaming.clone())));
        asking.push((visitor, chat));
    }
    let asked = stream::iter(asking)
        .map(async |(visitor, chat)| {
            let question = json!({"chatId": chat, "text": "When does the desk open?", "idempotencyKey": "first"});
            change(&visitor, "ask_question", question).await
        })
        .buffer_unordered(ASKING)
        .try_for_each(async |_| Ok(()));
    let watched = async {
        loop {
            let (streams, memory) = (streaming.load(Ordering::SeqCst), gateway.memory()?);
            raise(&most, streams, memory);
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        #[expect(unreachable_code, reason = "names the error of the loop")]
        anyhow::Ok(())
    };
    let all = async {
        asked.await?;
        println!("streams: all were asked after {:.1} s", began.elapsed().as_secs_f64());
        let mut heard = Vec::new();
        for one in futures::future::join_all(hearing).await {
            heard.push(one??);
        }
        anyhow::Ok(heard)
    };
    let heard = tokio::select! {
        heard = all => heard?,
        failed = watched => { failed?; unreachable!("it watches until all is heard") }
    };
    let took = began.elapsed().as_secs_f64();
    let busy = (gateway.cpu()? - cpu) / took;
    let (at_once, memory) = *most.lock().expect("nobody panicked");
    tell(&heard, at_once);
    println!("streams: {:.0} % of a core over {took:.0} s, memory at most {memory:.0} MiB", busy * 100.0);
    Ok(())
}

fn raise(most: &Mutex<(usize, f64)>, streams: usize, memory: f64) {
    let mut most = most.lock().expect("nobody panicked");
    *most = (most.0.max(streams), most.1.max(memory));
}

/// Listens until the answer is whole, and checks that it is what the model said, and that the deltas were.
async fn hear(mut watching: Watching, whole: Arc<str>, streaming: Arc<AtomicUsize>) -> Result<Heard> {
    let (mut at, mut text) = (Vec::new(), String::new());
    loop {
        let event = watching.next().await?.context("the socket was closed")?;
        match event["__typename"].as_str() {
            Some("AnswerDelta") => {
                if at.is_empty() {
                    streaming.fetch_add(1, Ordering::SeqCst);
                }
                at.push(now());
                text.push_str(event["text"].as_str().unwrap_or_default());
            }
            Some("AnswerCompleted") => {
                streaming.fetch_sub(1, Ordering::SeqCst);
                ensure!(text == *whole, "deltas were lost: {} of {} bytes", text.len(), whole.len());
                ensure!(event["answer"]["text"] == *whole, "the answer is another than the deltas");
                let (first, last) = (at.first().copied().context("a delta")?, at.last().copied().context("a delta")?);
                return Ok(Heard { first, last, at });
            }
            Some("AnswerFailed") => anyhow::bail!("an answer failed"),
            Some("AnswerStarted") => ensure!(at.is_empty(), "an answer began anew"),
            _ => {}
        }
    }
}

/// Pauses between two deltas of one answer: all of them, and those while every answer was under way.
fn tell(heard: &[Heard], at_once: usize) {
    let (from, to) = (heard.iter().map(|one| one.first).max(), heard.iter().map(|one| one.last).min());
    let mut pauses: Vec<(Instant, Duration)> = Vec::new();
    for one in heard {
        pauses.extend(one.at.windows(2).map(|two| (two[1], two[1] - two[0])));
    }
    let at = |mut all: Vec<Duration>, share: f64| {
        all.sort_unstable();
        all.get((all.len() as f64 * share) as usize).map_or(0.0, |pause| pause.as_secs_f64() * 1e3)
    };
    let print = |name: &str, all: Vec<Duration>| {
        let (p50, p99, worst) = (at(all.clone(), 0.5), at(all.clone(), 0.99), at(all.clone(), 0.999_999));
        println!("streams: {name}: {} pauses, p50 {p50:.0} ms, p99 {p99:.0} ms, longest {worst:.0} ms", all.len());
    };
    print("from the first to the last", pauses.iter().map(|(_, pause)| *pause).collect());
    if let (Some(from), Some(to)) = (from, to) {
        let together: Vec<Duration> =
            pauses.iter().filter(|(when, _)| (from..to).contains(when)).map(|(_, pause)| *pause).collect();
        let seconds = to.saturating_duration_since(from).as_secs_f64();
        print(&format!("{seconds:.0} s in which all {at_once} were under way"), together);
    }
}

/// An assistant that answers from a text about a desk by the steady model.
async fn assistant(gateway: &Gateway, tokens: usize) -> Result<String> {
    let owner = &gateway.owner;
    let settings =
        json!({"baseUrl": format!("http://{}/v1", model::start(tokens).await?), "model": "steady", "useTools": false});
    change(owner, "enable_plugin", json!({"pluginId": "openai", "settings": settings})).await?;
    let text = "# Desk\n\nThe desk opens at nine in the morning and closes at five.";
    change(owner, "add_text_document", json!({"title": "Desk", "text": text})).await?;
    while owner.graphql("documents", json!({"first": 1, "state": "PENDING"})).await?.get("/documents/totalCount") != 0 {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let input = json!({"name": "Desk", "languages": ["en"], "policy": {"chatModel": "openai"}});
    let made = change(owner, "create_assistant", input).await?;
    Ok(made.pointer("/createAssistant/assistant/id").and_then(|id| id.as_str()).context("an assistant")?.to_owned())
}
