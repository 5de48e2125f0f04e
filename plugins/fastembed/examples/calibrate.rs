//! How the model's `answer_threshold` was chosen: what the best passage's cosine is where the knowledge holds the answer,
//! and where it does not.
//!
//! ```sh
//! cargo run --release -p consigne-plugin-fastembed --example calibrate -- parts 300 xquad/en piaf_fr mtrag_un_en
//! ```
//!
//! Each folder holds `corpus.jsonl` (`id`, `title`, `text`), `queries*.jsonl` (`id`, `text`) and `qrels*.tsv` (query,
//! passage, grade), as in BEIR; at most so many questions of each are taken, and the first 1,500 characters of a passage.
//! For questions in another language than the passages, make a folder of links. Every question is asked three times:
//!
//! - **held**: of the whole folder. The knowledge holds the answer.
//! - **removed**: of the folder without the passages that are marked relevant. The knowledge is about the right things but
//!   does not hold the answer; hard, and pessimistic, as other passages may well answer too.
//! - **foreign**: of the next folder. The knowledge is about something else.
//!
//! Where a folder has `tasks*.jsonl` (`answerability`, `conversation`), the questions that people marked UNANSWERABLE are
//! asked of the whole folder as a fourth kind.

use std::{
    collections::{HashMap, HashSet},
    error::Error,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use consigne_plugin_fastembed::{Fastembed, FastembedOptions};
use consigne_sdk::{Capability, CapabilityKind, Egress, EmbedKind, Embedder, Plugin};
use serde_json::{Value, json};

type Fallible<T> = Result<T, Box<dyn Error>>;

struct Set {
    name: String,
    passages: Vec<(String, Vec<f32>)>,
    questions: Vec<(String, Vec<f32>)>,
    relevant: HashMap<String, HashSet<String>>,
    unanswerable: Vec<Vec<f32>>,
}

#[tokio::main]
async fn main() -> Fallible<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [parts, most, folders @ ..] = arguments.as_slice() else {
        return Err("usage: calibrate PARTS QUESTIONS FOLDER FOLDER...".into());
    };
    let plugin = Fastembed::new(FastembedOptions { parts: parts.into(), onnxruntime: None, workers: 2 });
    let egress = Egress::new(plugin.manifest(), &json!({}))?;
    let Capability::Embedder(embedder) = plugin.open(CapabilityKind::Embedder, json!({}), egress).await? else {
        return Err("no embedder".into());
    };

    let mut sets = Vec::new();
    for folder in folders {
        sets.push(Set::read(&embedder, Path::new(folder), most.parse()?).await?);
        eprintln!("{folder}: embedded");
    }
    let mut all = [Vec::new(), Vec::new(), Vec::new(), Vec::new()];
    for (index, set) in sets.iter().enumerate() {
        let kinds = set.scores(&sets[(index + 1) % sets.len()]);
        println!("\n{} ({} passages, {} questions)", set.name, set.passages.len(), set.questions.len());
        report(&kinds);
        all.iter_mut().zip(kinds).for_each(|(all, kind)| all.extend(kind));
    }
    println!("\nall");
    report(&all);
    Ok(())
}

impl Set {
    async fn read(embedder: &Arc<dyn Embedder>, folder: &Path, most: usize) -> Fallible<Self> {
        let mut relevant: HashMap<String, HashSet<String>> = HashMap::new();
        for line in fs::read_to_string(find(folder, "qrels")?)?.lines().skip(1) {
            let mut columns = line.split('\t').map(str::to_owned);
            let (Some(question), Some(passage)) = (columns.next(), columns.next()) else { continue };
            relevant.entry(question).or_default().insert(passage);
        }
        let corpus = lines(&find(folder, "corpus")?)?.into_iter().map(|line| {
            let text = format!("{}\n{}", string(&line["title"]), string(&line["text"]));
            (string(&line["id"]), text.chars().take(1_500).collect())
        });
        let questions =
            lines(&find(folder, "queries")?)?.into_iter().map(|line| (string(&line["id"]), string(&line["text"])));
        let questions = spread(questions.filter(|(id, _)| relevant.contains_key(id)).collect(), most);
        let tasks = find(folder, "tasks").map_or(Ok(Vec::new()), |file| lines(&file))?;
        let unanswerable = tasks.iter().filter(|task| task["answerability"] == "UNANSWERABLE").filter_map(|task| {
            let last = task["conversation"].as_array()?.last()?;
            Some((string(&task["id"]), string(&last["text"])))
        });
        Ok(Self {
            name: folder.display().to_string(),
            passages: embed(embedder, EmbedKind::Passage, corpus.collect()).await?,
            questions: embed(embedder, EmbedKind::Question, questions).await?,
            relevant,
            unanswerable: embed(embedder, EmbedKind::Question, unanswerable.collect())
                .await?
                .into_iter()
                .map(|(_, v)| v)
                .collect(),
        })
    }

    /// Best cosine of each question: held, removed, foreign, unanswerable.
    fn scores(&self, other: &Set) -> [Vec<f32>; 4] {
        let none = HashSet::new();
        let [mut held, mut removed, mut foreign] = [Vec::new(), Vec::new(), Vec::new()];
        for (id, question) in &self.questions {
            held.push(best(question, &self.passages, &none));
            removed.push(best(question, &self.passages, &self.relevant[id]));
            foreign.push(best(question, &other.passages, &none));
        }
        let unanswerable = self.unanswerable.iter().map(|question| best(question, &self.passages, &none)).collect();
        [held, removed, foreign, unanswerable]
    }
}

fn report(kinds: &[Vec<f32>; 4]) {
    let thresholds: Vec<f32> = (78..=90).map(|hundredths| hundredths as f32 / 100.0).collect();
    println!("  {:<13}{:>6}{:>6}{:>6}  share at or above", "best cosine", "p10", "p50", "p90");
    println!("  {:<31}  {}", "", thresholds.iter().map(|t| format!("{t:>5.2}")).collect::<String>());
    for (name, scores) in ["held", "removed", "foreign", "unanswerable"].iter().zip(kinds) {
        if scores.is_empty() {
            continue;
        }
        let mut sorted = scores.clone();
        sorted.sort_by(f32::total_cmp);
        let at = |percent: usize| sorted[(sorted.len() - 1) * percent / 100];
        let share = |t: &f32| scores.iter().filter(|score| *score >= t).count() as f32 / scores.len() as f32;
        let shares: String = thresholds.iter().map(|t| format!("{:>5.0}", 100.0 * share(t))).collect();
        println!("  {name:<13}{:>6.3}{:>6.3}{:>6.3}  {shares}", at(10), at(50), at(90));
    }
}

fn best(question: &[f32], passages: &[(String, Vec<f32>)], without: &HashSet<String>) -> f32 {
    let cosine = |vector: &Vec<f32>| question.iter().zip(vector).map(|(a, b)| a * b).sum::<f32>();
    passages.iter().filter(|(id, _)| !without.contains(id)).map(|(_, vector)| cosine(vector)).fold(-1.0, f32::max)
}

async fn embed(
    embedder: &Arc<dyn Embedder>,
    kind: EmbedKind,
    texts: Vec<(String, String)>,
) -> Fallible<Vec<(String, Vec<f32>)>> {
    let (ids, texts): (Vec<_>, Vec<_>) = texts.into_iter().unzip();
    Ok(ids.into_iter().zip(embedder.embed(kind, texts).await?).collect())
}

/// At most so many, taken evenly.
fn spread<T>(all: Vec<T>, most: usize) -> Vec<T> {
    let every = all.len().div_ceil(most).max(1);
    all.into_iter().step_by(every).collect()
}

fn find(folder: &Path, start: &str) -> Fallible<PathBuf> {
    let names = fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.path()));
    let mut found = names.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(start)));
    found.next().ok_or_else(|| format!("no {start}* in {}", folder.display()).into())
}

fn lines(file: &Path) -> Fallible<Vec<Value>> {
    Ok(fs::read_to_string(file)?.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
}

fn string(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
