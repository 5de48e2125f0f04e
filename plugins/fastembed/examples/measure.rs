//! What this machine does: loading time, memory, questions a second, passages a second.
//!
//! ```sh
//! cargo run --release -p consigne-plugin-fastembed --example measure -- parts 2
//! ```

use std::{
    error::Error,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use consigne_plugin_fastembed::{Fastembed, FastembedOptions};
use consigne_sdk::{Capability, CapabilityKind, Egress, EmbedKind, Embedder, Plugin};
use serde_json::json;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let parts = PathBuf::from(arguments.next().ok_or("usage: measure PARTS [WORKERS] [FILE WITH A PASSAGE A LINE]")?);
    let workers = arguments.next().map_or(Ok(2), |number| number.parse())?;
    let passages = match arguments.next() {
        Some(file) => std::fs::read_to_string(file)?.lines().take(300).map(str::to_owned).collect(),
        None => made_up_passages(),
    };

    let clock = Clock::start();
    let plugin = Fastembed::new(FastembedOptions { parts, onnxruntime: None, workers });
    let egress = Egress::new(plugin.manifest(), &json!({}))?;
    let Capability::Embedder(embedder) = plugin.open(CapabilityKind::Embedder, json!({}), egress).await? else {
        return Err("no embedder".into());
    };
    println!("open (hashing)         {:.2} s, {}", clock.seconds(), memory());
    let clock = Clock::start();
    embedder.warm().await?;
    println!("warm (loading)         {:.2} s, {}", clock.seconds(), memory());

    let mut each = Vec::new();
    for number in 0..200 {
        let clock = Clock::start();
        embedder.embed(EmbedKind::Question, vec![format!("How do I reset the password of account {number}?")]).await?;
        each.push(clock.seconds() * 1e3);
    }
    println!("a question             {}, {}", percentiles(&mut each), memory());

    let clock = Clock::start();
    let tokens: usize = embedder.count_tokens(passages.clone()).await?.into_iter().sum();
    let (number, milliseconds) = (passages.len(), clock.seconds() * 1e3);
    println!("counting tokens        {:.3} ms a passage of {}", milliseconds / number as f64, tokens / number);

    for round in ["loading further ones", "all loaded"] {
        let (clock, used) = (Clock::start(), processor_seconds());
        let ingest = tokio::spawn(ingest(Arc::clone(&embedder), passages.clone()));
        let mut each = Vec::new();
        while !ingest.is_finished() {
            let clock = Clock::start();
            embedder.embed(EmbedKind::Question, vec!["Wie kündige ich meinen Vertrag?".into()]).await?;
            each.push(clock.seconds() * 1e3);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        ingest.await?;
        let number = passages.len() as f64;
        let (took, used) = (clock.seconds(), processor_seconds() - used);
        println!("passages, {round:<20} {:.1}/s, {:.1} for each second of a core", number / took, number / used);
        println!("  a question meanwhile {}, {}", percentiles(&mut each), memory());
    }
    tokio::time::sleep(Duration::from_secs(62)).await;
    println!("idle for a minute      {}", memory());
    Ok(())
}

async fn ingest(embedder: Arc<dyn Embedder>, passages: Vec<String>) {
    embedder.embed(EmbedKind::Passage, passages).await.expect("the model was warmed");
}

fn made_up_passages() -> Vec<String> {
    let sentence = "The warranty covers defects in material and workmanship for two years from the day of delivery. ";
    (0..300).map(|number| format!("Section {number}. {}", sentence.repeat(13))).collect()
}

fn percentiles(each: &mut [f64]) -> String {
    each.sort_by(f64::total_cmp);
    format!("p50 {:.1} ms, p95 {:.1} ms", each[each.len() / 2], each[each.len() * 95 / 100])
}

/// Resident set and its peak, where the system says so.
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let megabytes = |key: &str| {
        let line = status.lines().find(|line| line.starts_with(key))?;
        Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? / 1024)
    };
    format!("RSS {} MB (peak {} MB)", megabytes("VmRSS").unwrap_or(0), megabytes("VmHWM").unwrap_or(0))
}

/// What this process used of the processors, which on a shared machine says more than the time that passed.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks = |field: usize| stat.split_whitespace().nth(field).and_then(|ticks| ticks.parse::<f64>().ok());
    (ticks(13).unwrap_or(0.0) + ticks(14).unwrap_or(0.0)) / 100.0
}

struct Clock(Instant);

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "a benchmark reads the time")]
    fn start() -> Self {
        Self(Instant::now())
    }

    fn seconds(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}
