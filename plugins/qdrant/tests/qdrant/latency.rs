//! What the plugin costs beyond the server: the same query, sent by the bare client. On a real server only.

use std::time::{Duration, Instant};

use consigne_sdk::{
    Fingerprint, IndexQuery, Partition, Point,
    conformance::world::{id, near, terms},
};
use qdrant_client::{
    Qdrant,
    qdrant::{Condition, Expression, Filter, Formula, PrefetchQueryBuilder, Query, QueryPointsBuilder, VectorInput},
};

use crate::world::{fresh, open, server};

const DIMENSIONS: usize = 384;
const PASSAGES: u128 = 5_000;
const ROUNDS: usize = 300;

/// splitmix64, the same numbers every time.
struct Seed(u64);

impl Seed {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn vector(&mut self) -> Vec<f32> {
        (0..DIMENSIONS).map(|_| (self.next() >> 40) as f32 / (1u32 << 24) as f32 - 0.5).collect()
    }

    fn terms(&mut self, count: usize) -> Vec<(u32, f32)> {
        (0..count).map(|n| ((self.next() % 2000) as u32 * 64 + n as u32 % 64, 1.0)).collect()
    }
}

fn p50(mut all: Vec<Duration>) -> Duration {
    all.sort();
    all[all.len() / 2]
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "it measures")]
async fn a_search_costs_little_more_than_the_same_query_sent_bare() {
    let Some(settings) = server() else {
        println!("skipped: QDRANT_URL names no server, so nothing was measured");
        return;
    };
    let client = Qdrant::from_url(settings["url"].as_str().expect("an address"))
        .api_key(settings["apiKey"].as_str())
        .skip_compatibility_check()
        .build()
        .expect("a client");
    let index = open(settings).await.expect("usable settings");
    let acme = Partition::new(fresh(), Fingerprint([0xBE; 32]));
    let collection = format!("consigne_{}", "be".repeat(16));
    let mut seed = Seed(1);
    let put = (0..PASSAGES).map(|number| Point {
        passage: id(number),
        document: id(number / 50),
        vector: seed.vector(),
        terms: terms(&seed.terms(60)),
        facts: Default::default(),
    });
    index.apply(&acme, put.collect(), &[], 1).await.expect("it fits");

    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (vector, asked) = (seed.vector(), seed.terms(8));
        let question = IndexQuery { terms: terms(&asked), ..near(&vector, 20) };
        let started = Instant::now();
        let hits = index.search(&acme, &question).await.expect("an answer");
        ours.push(started.elapsed());

        let filter = Filter::must([Condition::matches("workspace_id", acme.workspace().to_string())]);
        let (indices, values): (Vec<u32>, Vec<f32>) = asked.into_iter().unzip();
        let dense = Query::new_nearest(VectorInput::new_dense(vector));
        let sparse = Query::new_nearest(VectorInput::new_sparse(indices, values));
        let part = |query: &Query, using: &str| {
            PrefetchQueryBuilder::default().query(query.clone()).using(using).filter(filter.clone()).limit(100u64)
        };
        let cosines = part(&dense, "vector").limit(200u64);
        let cosines = cosines.add_prefetch(part(&dense, "vector")).add_prefetch(part(&sparse, "terms"));
        let sum = Expression::sum_with([Expression::score_idx(0), Expression::score_idx(1)]);
        let query = QueryPointsBuilder::new(&collection)
            .add_prefetch(cosines)
            .add_prefetch(part(&sparse, "terms"))
            .query(Formula { expression: Some(sum), ..Formula::default() })
            .filter(filter.clone())
            .limit(20)
            .with_payload(qdrant_client::qdrant::with_payload_selector::SelectorOptions::Include(
                qdrant_client::qdrant::PayloadIncludeSelector { fields: vec!["passage_id".to_owned()] },
            ));
        let started = Instant::now();
        let answer = client.query(query).await.expect("an answer");
        bare.push(started.elapsed());
        assert_eq!(hits.len(), answer.result.len());
    }
    index.drop_partition(&acme).await.expect("it was there");
    let (ours, bare) = (p50(ours), p50(bare));
    println!("p50 of {ROUNDS} over {PASSAGES} passages: {ours:?} by the plugin, {bare:?} bare");
    assert!(ours.as_secs_f64() <= 1.5 * bare.as_secs_f64(), "{ours:?} is more than one and a half times {bare:?}");
}
