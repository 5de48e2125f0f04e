//! How long a search takes, at 1,000, 10,000 and 100,000 passages of 384 numbers.
//!
//! `cargo run --release -p consigne-plugin-flat --example scan`

#![expect(clippy::disallowed_methods, reason = "a bench reads the time")]

use std::time::Instant;

use consigne_plugin_flat::{Flat, FlatOptions};
use consigne_sdk::{
    Capability, CapabilityKind, Egress, Facts, Fingerprint, IndexQuery, Partition, Plugin, Point, Result, Term,
};
use serde_json::json;
use uuid::Uuid;

const DIMENSIONS: usize = 384;

fn number(state: &mut u64) -> f32 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 40) as f32 / (1 << 24) as f32 - 0.5
}

/// Terms of a passage or a question, as common as words are: the rank of a word and how often it comes go together.
fn terms(state: &mut u64, count: usize) -> Vec<Term> {
    let rank = |state: &mut u64| (1.0 / (number(state).abs() as f64 * 2.0 + 1e-5)).powf(1.05) as u32;
    let numbers: std::collections::HashSet<u32> = (0..count).map(|_| rank(state)).collect();
    numbers.into_iter().map(|number| Term { number, weight: 1.0 }).collect()
}

/// Vectors around a common centre and a topic, which is how embeddings of text lie.
fn text_like(state: &mut u64, centre: &[f32], topics: &[Vec<f32>]) -> Vec<f32> {
    let topic = &topics[(number(state).abs() * 2.0 * topics.len() as f32) as usize % topics.len()];
    let vector: Vec<f32> = centre.iter().zip(topic).map(|(c, t)| c + 0.5 * t + 0.6 * number(state)).collect();
    let length = vector.iter().map(|v| v * v).sum::<f32>().sqrt();
    vector.into_iter().map(|v| v / length).collect()
}

#[tokio::main]
async fn main() -> Result<()> {
    let plugin = Flat::new(FlatOptions::default());
    let Capability::VectorIndex(index) =
        plugin.open(CapabilityKind::VectorIndex, json!({}), Egress::new(plugin.manifest(), &json!({}))?).await?
    else {
        return Ok(());
    };
    let mut state = 1;
    let mut direction = || (0..DIMENSIONS).map(|_| number(&mut state)).collect::<Vec<f32>>();
    let centre = direction();
    let topics: Vec<Vec<f32>> = (0..200).map(|_| direction()).collect();
    println!("{:>8} {:>8} {:>12} {:>12} {:>12}", "data", "points", "fill ms", "p50 ms", "p95 ms");
    for (name, flat_centre) in [("text", false), ("random", true)] {
        for count in [1_000_usize, 10_000, 100_000] {
            let zero = vec![0.0; DIMENSIONS];
            let middle = if flat_centre { &zero } else { &centre };
            let point = |n: usize, state: &mut u64| Point {
                passage: Uuid::from_u128(n as u128),
                document: Uuid::from_u128(n as u128 / 50),
                vector: text_like(state, middle, &topics),
                terms: terms(state, 120),
                facts: Facts::default(),
            };
            let put: Vec<Point> = (0..count).map(|n| point(n, &mut state)).collect();
            let partition = Partition::new(Uuid::from_u128(count as u128), Fingerprint([u8::from(flat_centre); 32]));
            let start = Instant::now();
            index.apply(&partition, put, &[], 1).await?;
            let fill = start.elapsed();
            let mut times = Vec::new();
            for _ in 0..200 {
                let vector = text_like(&mut state, middle, &topics);
                let query = IndexQuery { vector, terms: terms(&mut state, 8), limit: 20, ..IndexQuery::default() };
                let start = Instant::now();
                index.search(&partition, &query).await?;
                times.push(start.elapsed().as_secs_f64() * 1e3);
            }
            times.sort_by(f64::total_cmp);
            println!(
                "{name:>8} {count:>8} {:>12.1} {:>12.3} {:>12.3}",
                fill.as_secs_f64() * 1e3,
                times[100],
                times[190]
            );
            index.drop_partition(&partition).await?;
        }
    }
    Ok(())
}
