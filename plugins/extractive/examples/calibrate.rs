//! How often it answers, and how often it should, over questions with the passages that a search found for them.
//!
//! ```sh
//! cargo run -p consigne-plugin-extractive --example calibrate -- parts questions.jsonl [--show]
//! ```
//!
//! One JSON object a line: `set`, `mode` (`yes` where the passages may answer, `no` where nothing does), `question`,
//! `lang`, `gold` (for each passage, whether it holds the answer), `answer` or `expect` (a text of which one part, cut at
//! `|`, has to be in what is quoted), and `passages` with `index`, `title`, `text`, `lang` and `score`.

use std::{collections::BTreeMap, error::Error, path::PathBuf, sync::Arc};

use consigne_plugin_extractive::Extractive;
use consigne_plugin_fastembed::{Fastembed, FastembedOptions};
use consigne_sdk::{
    Capability, CapabilityKind, ChatDelta, ChatModel, ChatRequest, Egress, Embedder, Plugin, PromptPassage,
};
use futures::StreamExt;
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
struct Task {
    set: String,
    mode: String,
    question: String,
    lang: String,
    gold: Vec<bool>,
    answer: Option<String>,
    expect: Option<String>,
    passages: Vec<Found>,
}

#[derive(Deserialize)]
struct Found {
    index: u32,
    title: String,
    text: String,
    lang: Option<String>,
    score: f32,
}

/// What became of the questions of one set.
#[derive(Default)]
struct Tally {
    answerable: usize,
    answered: usize,
    cites_gold: usize,
    holds_answer: usize,
    unanswerable: usize,
    answered_wrongly: usize,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: calibrate PARTS QUESTIONS.jsonl [--show]";
    let (parts, questions) = (arguments.next().ok_or(usage)?, arguments.next().ok_or(usage)?);
    let shows = arguments.next().is_some();

    let fastembed = Fastembed::new(FastembedOptions { parts: PathBuf::from(parts), onnxruntime: None, workers: 2 });
    let Capability::Embedder(embedder) = open(&fastembed).await? else { return Err("no embedder".into()) };
    let Capability::ChatModel(model) = open(&Extractive::new()).await? else { return Err("no chat model".into()) };

    let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
    for line in std::fs::read_to_string(questions)?.lines() {
        let task: Task = serde_json::from_str(line)?;
        let text = answer(&*model, &embedder, &task).await?;
        if shows {
            println!(
                "## {} [{}] {}\n{}\n",
                task.lang,
                task.mode,
                task.question,
                text.as_deref().unwrap_or("(not in the knowledge)")
            );
        }
        tallies.entry(task.set.clone()).or_default().count(&task, text.as_deref());
    }
    println!(
        "{:<10} {:>10} {:>9} {:>10} {:>12} | {:>12} {:>8}",
        "set", "answerable", "answered", "cites gold", "holds answer", "unanswerable", "answered"
    );
    for (set, t) in tallies {
        let of = |part: usize, whole: usize| if whole == 0 { f64::NAN } else { part as f64 / whole as f64 };
        println!(
            "{set:<10} {:>10} {:>9.2} {:>10.2} {:>12.2} | {:>12} {:>8.2}",
            t.answerable,
            of(t.answered, t.answerable),
            of(t.cites_gold, t.answered),
            of(t.holds_answer, t.answered),
            t.unanswerable,
            of(t.answered_wrongly, t.unanswerable)
        );
    }
    Ok(())
}

async fn open(plugin: &dyn Plugin) -> consigne_sdk::Result<Capability> {
    plugin.open(CapabilityKind::ChatModel, json!({}), Egress::new(plugin.manifest(), &json!({}))?).await
}

async fn answer(
    model: &dyn ChatModel,
    embedder: &Arc<dyn Embedder>,
    task: &Task,
) -> consigne_sdk::Result<Option<String>> {
    let passages = task.passages.iter().map(|found| PromptPassage {
        index: found.index,
        title: found.title.clone(),
        text: found.text.clone(),
        language: found.lang.clone(),
        score: found.score,
    });
    let request = ChatRequest {
        messages: Vec::new(),
        question: task.question.clone(),
        language: Some(task.lang.clone()),
        passages: passages.collect(),
        max_tokens: 1_024,
        answer_threshold: embedder.model().answer_threshold,
        embedder: Arc::clone(embedder),
    };
    let mut stream = model.answer(request).await?;
    let mut text = String::new();
    while let Some(delta) = stream.next().await {
        match delta? {
            ChatDelta::Text(piece) => text.push_str(&piece),
            ChatDelta::NotInKnowledge => return Ok(None),
            ChatDelta::Usage { .. } => {}
        }
    }
    Ok(Some(text))
}

impl Tally {
    fn count(&mut self, task: &Task, text: Option<&str>) {
        if task.mode == "no" {
            self.unanswerable += 1;
            self.answered_wrongly += usize::from(text.is_some());
            return;
        }
        if !task.gold.contains(&true) {
            return; // The search missed it: no fault and no merit of this model.
        }
        self.answerable += 1;
        let Some(text) = text else { return };
        self.answered += 1;
        let is_cited = |(found, gold): (&Found, &bool)| *gold && text.contains(&format!("[{}]", found.index));
        self.cites_gold += usize::from(task.passages.iter().zip(&task.gold).any(is_cited));
        let wanted =
            task.answer.iter().map(String::as_str).chain(task.expect.iter().flat_map(|expect| expect.split('|')));
        let lower = text.to_lowercase();
        self.holds_answer += usize::from(wanted.map(str::to_lowercase).any(|wanted| lower.contains(&wanted)));
    }
}
