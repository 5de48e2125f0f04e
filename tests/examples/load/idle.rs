//! Subscriptions at rest: what they hold of memory, and what they take of the processor.

use std::time::Duration;

use anyhow::{Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::json;

use crate::{
    gateway::{Gateway, change, now},
    number,
    watching::Watching,
};

/// Sockets that open at once.
const OPENING: usize = 16;

/// How long they rest.
const REST: Duration = Duration::from_secs(60);

/// Opens the subscriptions of as many visitors, and watches the gateway while nothing happens.
pub async fn run() -> Result<()> {
    let count = number("CONSIGNE_LOAD_IDLE", 5_000);
    let gateway = Gateway::start().await?;
    let before = gateway.memory()?;
    let visitors = gateway.visitors(&gateway.assistant().await?, count).await?;
    let began = now();
    let mut sockets: Vec<Watching> = stream::iter(&visitors)
        .map(async |visitor| {
            let made = change(visitor, "start_chat", json!({})).await?;
            let chat = made.pointer("/startChat/chat/id").and_then(|id| id.as_str()).unwrap_or_default().to_owned();
            Watching::open(&gateway.url, visitor, &chat).await
        })
        .buffer_unordered(OPENING)
        .try_collect()
        .await?;
    println!("idle: {} subscriptions open after {:.1} s", sockets.len(), began.elapsed().as_secs_f64());
    let (cpu, memory) = (gateway.cpu()?, gateway.memory()?);
    tokio::time::sleep(REST).await;
    let busy = (gateway.cpu()? - cpu) / REST.as_secs_f64();
    let after = gateway.memory()?;
    println!(
        "idle: memory {before:.0} MiB before, {memory:.0} when all were open, {after:.0} after a minute; {:.0} % of a core",
        busy * 100.0
    );
    // They are all still there: what happens now is heard by the last one.
    ensure!(sockets.len() == count);
    drop(sockets.drain(..));
    Ok(())
}
