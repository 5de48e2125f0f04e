//! The same hits as a brute-force scan in 64-bit arithmetic, on data that is easy and on data that is not.

use std::sync::Arc;

use consigne_sdk::{Point, VectorIndex};

use crate::world::{Seed, cosine, id, normalised, open_default, point, search, workspace};

const DIMENSIONS: usize = 384;
const LIMIT: usize = 20;

/// How far a cosine may be off: what 16 bits a number cannot tell.
const TOLERANCE: f64 = 2e-5;

/// The share of the true nearest that was found. Passages whose cosines differ by less than the tolerance count as one.
async fn recall(index: &Arc<dyn VectorIndex>, points: &[Point], questions: &[Vec<f32>]) -> f64 {
    let acme = workspace(1);
    index.apply(&acme, points.to_vec(), &[], 1).await.expect("it fits");
    let (mut found, mut wanted) = (0, 0);
    for question in questions {
        let mut truth: Vec<f64> = points.iter().map(|p| cosine(&p.vector, question)).collect();
        truth.sort_by(|a, b| b.total_cmp(a));
        let worst = truth[LIMIT - 1] - 2.0 * TOLERANCE;
        let hits = search(index, &acme, question, LIMIT).await.expect("it was filled");
        assert!(hits.windows(2).all(|pair| pair[0].score >= pair[1].score), "best first");
        for hit in &hits {
            let vector = &points[hit.passage.as_u128() as usize].vector;
            let exact = cosine(vector, question);
            assert!((f64::from(hit.score) - exact).abs() < TOLERANCE, "the score is the cosine");
            found += usize::from(exact >= worst);
        }
        wanted += LIMIT;
    }
    found as f64 / wanted as f64
}

fn points(vectors: Vec<Vec<f32>>) -> Vec<Point> {
    vectors.into_iter().enumerate().map(|(n, vector)| point(n as u128, 0, &vector)).collect()
}

#[tokio::test]
async fn nothing_is_missed_in_random_data() {
    let mut seed = Seed(1);
    let data = points((0..4000).map(|_| seed.unit(DIMENSIONS)).collect());
    let questions: Vec<_> = (0..20).map(|_| seed.unit(DIMENSIONS)).collect();
    assert_eq!(recall(&open_default().await, &data, &questions).await, 1.0);
}

#[tokio::test]
async fn nothing_is_missed_where_all_vectors_lie_close_as_those_of_e5_do() {
    let mut seed = Seed(2);
    let centre = seed.unit(DIMENSIONS);
    let topics: Vec<_> = (0..40).map(|_| seed.near(&centre, 0.04)).collect();
    let data = points((0..4000).map(|n| seed.near(&topics[n % 40], 0.03)).collect());
    let questions: Vec<_> = (0..20).map(|n| seed.near(&topics[n], 0.03)).collect();
    assert_eq!(recall(&open_default().await, &data, &questions).await, 1.0);
}

#[tokio::test]
async fn nothing_is_missed_among_thousands_of_near_twins() {
    let mut seed = Seed(3);
    let centre = seed.unit(DIMENSIONS);
    let data = points((0..4000).map(|_| seed.near(&centre, 0.0005)).collect());
    let questions: Vec<_> = (0..10).map(|_| seed.near(&centre, 0.0005)).collect();
    assert_eq!(recall(&open_default().await, &data, &questions).await, 1.0);
}

#[tokio::test]
async fn nothing_is_missed_where_one_number_dwarfs_the_others_and_bytes_keep_little() {
    let mut seed = Seed(4);
    let spiky = |seed: &mut Seed| {
        let mut vector = seed.unit(DIMENSIONS);
        vector[7] = 30.0;
        normalised(vector)
    };
    let data = points((0..4000).map(|_| spiky(&mut seed)).collect());
    let questions: Vec<_> = (0..10).map(|_| spiky(&mut seed)).collect();
    assert_eq!(recall(&open_default().await, &data, &questions).await, 1.0);
}

#[tokio::test]
async fn nothing_is_missed_after_many_changes() {
    let mut seed = Seed(5);
    let (index, acme) = (open_default().await, workspace(1));
    let data = points((0..2000).map(|_| seed.unit(DIMENSIONS)).collect());
    for (n, batch) in data.chunks(37).enumerate() {
        let stale: Vec<_> = (0..50).map(|m| point(100_000 + m, 9, &seed.unit(DIMENSIONS))).collect();
        index.apply(&acme, stale, &[], n as i64).await.unwrap();
        index
            .apply(&acme, batch.to_vec(), &(0..20).map(|m| id(100_000 + m)).collect::<Vec<_>>(), n as i64)
            .await
            .unwrap();
    }
    assert_eq!(index.remove_document(&acme, id(9)).await.unwrap(), 30);
    assert_eq!(index.count(&acme).await.unwrap(), 2000);
    let questions: Vec<_> = (0..10).map(|_| seed.unit(DIMENSIONS)).collect();
    assert_eq!(recall(&index, &data, &questions).await, 1.0);
}

#[tokio::test]
async fn vectors_that_are_not_of_unit_length_are_compared_by_cosine_all_the_same() {
    let (index, acme) = (open_default().await, workspace(1));
    index
        .apply(&acme, vec![point(1, 1, &[30.0, 40.0]), point(2, 1, &[0.0, 0.001]), point(3, 1, &[0.0, 0.0])], &[], 1)
        .await
        .unwrap();
    let hits = search(&index, &acme, &[0.0, 7.0], 3).await.unwrap();
    let scores: Vec<_> = hits.iter().map(|hit| (hit.passage, (hit.score * 100.0).round())).collect();
    assert_eq!(scores, [(id(2), 100.0), (id(1), 80.0), (id(3), 0.0)]);
}
