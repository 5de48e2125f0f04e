//! What any vector index has to do, and what one in memory does beyond it.

use std::sync::Arc;

use consigne_sdk::VectorIndex;

use crate::world::{id, open_default, point, search, workspace};

const EAST: [f32; 4] = [1.0, 0.0, 0.0, 0.0];

async fn open() -> Option<Arc<dyn VectorIndex>> {
    Some(open_default().await)
}

consigne_sdk::vector_index_conformance!(open);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn searchers_see_all_of_a_change_or_nothing_of_it() {
    let index = open_default().await;
    let acme = workspace(1);
    let generation = |n: u128| (0..300).map(|p| point(n * 1000 + p, n, &EAST)).collect::<Vec<_>>();
    let ids = |n: u128| (0..300).map(|p| id(n * 1000 + p)).collect::<Vec<_>>();
    index.apply(&acme, generation(0), &[], 0).await.unwrap();

    let changes = {
        let index = index.clone();
        tokio::spawn(async move {
            for n in 1..60 {
                index.apply(&acme, generation(n), &ids(n - 1), n as i64).await.unwrap();
            }
        })
    };
    let mut seen = 0;
    while !changes.is_finished() || seen == 0 {
        let hits = search(&index, &acme, &EAST, 1000).await.unwrap();
        let first = hits[0].passage.as_u128() / 1000;
        assert_eq!(hits.len(), 300);
        assert!(hits.iter().all(|hit| hit.passage.as_u128() / 1000 == first));
        seen += 1;
    }
    changes.await.unwrap();
}
