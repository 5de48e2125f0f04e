//! How long a search takes, what it misses and what the index holds in memory, at 1,000, 10,000 and 100,000 passages of
//! 384 numbers.
//!
//! `cargo run --release -p consigne-plugin-flat --example scan`
//!
//! Times are of a vector and some 8 words a question, one search at a time on one core; recall is that of the vector
//! alone against a scan of all vectors as they came (f32). Memory is what the process grew by while it was filled.

#![expect(clippy::disallowed_methods, reason = "a bench reads the time")]

use std::{collections::HashSet, time::Instant};

use consigne_plugin_flat::{Flat, FlatOptions};
use consigne_sdk::{
    Capability, CapabilityKind, Egress, Facts, Fingerprint, IndexQuery, Partition, Plugin, Point, Result, Term,
};
use serde_json::json;
use uuid::Uuid;

const DIMENSIONS: usize = 384;
const QUESTIONS: usize = 200;
/// Points handed over at a time.
const STEP: usize = 1_000;
/// Places that recall is counted over.
const DEPTH: usize = 10;

/// A made-up world: the same seed gives the same points.
struct World {
    centre: Vec<f32>,
    topics: Vec<Vec<f32>>,
}

impl World {
    /// Vectors around a common centre and a topic, which is how embeddings of text lie; or around a topic alone.
    fn new(centre: f32) -> Self {
        let mut state = 1;
        let mut direction = |by: f32| (0..DIMENSIONS).map(|_| by * number(&mut state)).collect::<Vec<f32>>();
        Self { centre: direction(centre), topics: (0..200).map(|_| direction(1.0)).collect() }
    }

    fn vector(&self, state: &mut u64) -> Vec<f32> {
        let topic = &self.topics[(number(state).abs() * 2.0 * self.topics.len() as f32) as usize % self.topics.len()];
        let vector: Vec<f32> = self.centre.iter().zip(topic).map(|(c, t)| c + 0.5 * t + 0.6 * number(state)).collect();
        let length = vector.iter().map(|v| v * v).sum::<f32>().sqrt();
        vector.into_iter().map(|v| v / length).collect()
    }

    fn point(&self, n: usize) -> Point {
        let mut state = n as u64 + 7;
        let vector = self.vector(&mut state);
        Point {
            passage: Uuid::from_u128(n as u128),
            document: Uuid::from_u128(n as u128 / 50),
            vector,
            terms: terms(&mut state, 120),
            facts: Facts::default(),
        }
    }
}

fn number(state: &mut u64) -> f32 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 40) as f32 / (1 << 24) as f32 - 0.5
}

/// Terms of a passage or a question, as common as words are: the rank of a word and how often it comes go together.
fn terms(state: &mut u64, count: usize) -> Vec<Term> {
    let rank = |state: &mut u64| (1.0 / (number(state).abs() as f64 * 2.0 + 1e-5)).powf(1.05) as u32;
    let numbers: HashSet<u32> = (0..count).map(|_| rank(state)).collect();
    numbers.into_iter().map(|number| Term { number, weight: 1.0 }).collect()
}

/// Megabytes of memory that this process holds.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap_or(f64::NAN) / 1e3
}

/// The nearest of `count` points to each question, by a scan of all.
fn exact(world: &World, count: usize, questions: &[Vec<f32>]) -> Vec<HashSet<Uuid>> {
    let mut best: Vec<Vec<(f32, usize)>> = vec![Vec::new(); questions.len()];
    for n in 0..count {
        let vector = world.vector(&mut (n as u64 + 7));
        for (question, best) in questions.iter().zip(&mut best) {
            let cosine = question.iter().zip(&vector).map(|(a, b)| a * b).sum::<f32>();
            if best.len() < DEPTH || cosine > best[DEPTH - 1].0 {
                let place = best.partition_point(|(other, _)| *other >= cosine);
                best.insert(place, (cosine, n));
                best.truncate(DEPTH);
            }
        }
    }
    best.into_iter().map(|of| of.into_iter().map(|(_, n)| Uuid::from_u128(n as u128)).collect()).collect()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let plugin = Flat::new(FlatOptions::default());
    let egress = Egress::new(plugin.manifest(), &json!({}))?;
    let opened = plugin.open(CapabilityKind::VectorIndex, json!({}), egress).await?;
    let Capability::VectorIndex(index) = opened else { return Ok(()) };
    println!(
        "{:>8} {:>8} {:>9} {:>9} {:>9} {:>9} {:>10} {:>10}",
        "data", "points", "fill ms", "p50 ms", "p95 ms", "p99 ms", "recall@10", "memory MB"
    );
    for (name, centre) in [("text", 1.0), ("random", 0.0)] {
        let world = World::new(centre);
        for count in [1_000_usize, 10_000, 100_000] {
            let partition = Partition::new(Uuid::from_u128(count as u128), Fingerprint([u8::from(centre > 0.0); 32]));
            let before = resident();
            let mut fill = 0.0;
            for (step, first) in (0..count).step_by(STEP).enumerate() {
                let put = (first..first + STEP).map(|n| world.point(n)).collect();
                let start = Instant::now();
                index.apply(&partition, put, &[], step as i64 + 1).await?;
                fill += start.elapsed().as_secs_f64() * 1e3;
            }
            let memory = resident() - before;
            let mut state = u64::MAX / 3;
            let asked: Vec<_> = (0..QUESTIONS).map(|_| (world.vector(&mut state), terms(&mut state, 8))).collect();
            let mut times = Vec::new();
            for (vector, terms) in &asked {
                let query =
                    IndexQuery { vector: vector.clone(), terms: terms.clone(), limit: 20, ..IndexQuery::default() };
                let start = Instant::now();
                index.search(&partition, &query).await?;
                times.push(start.elapsed().as_secs_f64() * 1e3);
            }
            times.sort_by(f64::total_cmp);
            let at = |share: f64| times[(share * times.len() as f64) as usize];
            let vectors: Vec<Vec<f32>> = asked.into_iter().map(|(vector, _)| vector).collect();
            let nearest = exact(&world, count, &vectors);
            let mut found = 0;
            for (vector, nearest) in vectors.into_iter().zip(nearest) {
                let query = IndexQuery { vector, limit: DEPTH, ..IndexQuery::default() };
                let hits = index.search(&partition, &query).await?;
                found += hits.iter().filter(|hit| nearest.contains(&hit.passage)).count();
            }
            let recall = found as f64 / (QUESTIONS * DEPTH) as f64;
            println!(
                "{name:>8} {count:>8} {fill:>9.1} {:>9.3} {:>9.3} {:>9.3} {recall:>10.4} {memory:>10.1}",
                at(0.5),
                at(0.95),
                at(0.99)
            );
            index.drop_partition(&partition).await?;
        }
    }
    Ok(())
}
