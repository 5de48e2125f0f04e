//! What the tests share beyond the conformance suite: an opened index, and vectors from a seed.

use std::sync::Arc;

use consigne_plugin_flat::{Flat, FlatOptions};
pub use consigne_sdk::conformance::world::{id, point};
use consigne_sdk::{
    Capability, CapabilityKind, Egress, Hit, Partition, Plugin, Result, VectorIndex,
    conformance::world::{MODEL, near},
};
use serde_json::json;

pub async fn open(memory_bytes: usize) -> Arc<dyn VectorIndex> {
    let plugin = Flat::new(FlatOptions { memory_bytes });
    let egress = Egress::new(plugin.manifest(), &json!({})).expect("no setting names a host");
    match plugin.open(CapabilityKind::VectorIndex, json!({}), egress).await.expect("flat opens") {
        Capability::VectorIndex(index) => index,
        _ => panic!("flat is a vector index"),
    }
}

pub async fn open_default() -> Arc<dyn VectorIndex> {
    open(FlatOptions::default().memory_bytes).await
}

pub fn workspace(n: u128) -> Partition {
    Partition::new(id(n), MODEL)
}

/// The nearest by the vector alone.
pub async fn search(
    index: &Arc<dyn VectorIndex>,
    partition: &Partition,
    vector: &[f32],
    limit: usize,
) -> Result<Vec<Hit>> {
    index.search(partition, &near(vector, limit)).await
}

/// A small deterministic generator (splitmix64): the same seed, the same vectors.
pub struct Seed(pub u64);

impl Seed {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// About a normal distribution: the sum of four even ones.
    pub fn number(&mut self) -> f32 {
        (0..4).map(|_| (self.next() >> 40) as f32 / (1 << 24) as f32 - 0.5).sum()
    }

    pub fn unit(&mut self, dimensions: usize) -> Vec<f32> {
        normalised((0..dimensions).map(|_| self.number()).collect())
    }

    /// Near `centre`: 0 gives the centre itself, larger values spread.
    pub fn near(&mut self, centre: &[f32], spread: f32) -> Vec<f32> {
        normalised(centre.iter().map(|value| value + spread * self.number()).collect())
    }
}

pub fn normalised(mut vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    vector.iter_mut().for_each(|value| *value /= length);
    vector
}

pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum()
}
