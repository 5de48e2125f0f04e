//! On a real server whose storage can be read: after a purge no file of it has anything of what was deleted.
//!
//! `QDRANT_STORAGE` names the folder; it holds segments, log and, if there are any, snapshots.

use std::{
    fs,
    path::{Path, PathBuf},
};

use consigne_sdk::{
    Fingerprint, Partition, Point,
    conformance::world::{id, point, terms},
};
use uuid::Uuid;

use crate::world::{fresh, open, server};

const DIMENSIONS: usize = 64;
const MODEL: Fingerprint = Fingerprint([0xCA; 32]);

#[expect(clippy::disallowed_methods, reason = "a test hears from its environment where the server's files are")]
fn storage() -> Option<PathBuf> {
    Some(std::env::var_os("QDRANT_STORAGE")?.into())
}

/// Of unit length to the last bit, so that the server keeps it as it is; its signs are those of `id`.
fn signs(id: Uuid) -> Vec<f32> {
    let bits = id.as_u128() as u64 ^ (id.as_u128() >> 64) as u64;
    (0..DIMENSIONS).map(|bit| if bits >> bit & 1 == 1 { 0.125 } else { -0.125 }).collect()
}

/// What a passage can be known by on a disk: ids as text and as bytes, its vector.
fn traces(workspace: Uuid, passages: &[Point]) -> Vec<Vec<u8>> {
    let of = |passage: &Point| {
        let point = Uuid::new_v5(&workspace, passage.passage.as_bytes());
        let ids = [point, passage.passage, passage.document];
        let bytes = passage.vector.iter().flat_map(|number| number.to_le_bytes()).collect();
        ids.iter().flat_map(|id| [id.as_bytes().to_vec(), id.to_string().into_bytes()]).chain([bytes]).collect()
    };
    passages.iter().flat_map::<Vec<Vec<u8>>, _>(of).collect()
}

/// The files that have one of the traces.
fn find(folder: &Path, traces: &[Vec<u8>], into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            find(&path, traces, into);
        } else if let Ok(bytes) = fs::read(&path) {
            let found = aho_corasick::AhoCorasick::new(traces).expect("patterns").is_match(&bytes);
            into.extend(found.then_some(path));
        }
    }
}

fn files_with(folder: &Path, traces: &[Vec<u8>]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    find(folder, traces, &mut found);
    found
}

async fn nothing_is_left(others: u128, deleted: u128) {
    let (Some(settings), Some(storage)) = (server(), storage()) else {
        println!("skipped: QDRANT_URL and QDRANT_STORAGE name no server and its files");
        return;
    };
    let index = open(settings).await.expect("usable settings");
    let acme = Partition::new(fresh(), MODEL);
    let canary = fresh();
    let passage = |number: u128| {
        let own = Uuid::from_u128(canary.as_u128() ^ number << 1);
        Point { passage: own, document: canary, terms: terms(&[(7, 1.0)]), ..point(0, 0, &signs(own)) }
    };
    let canaries: Vec<Point> = (1..=deleted).map(passage).collect();
    let kept = (0..others).map(|number| point(number, number, &signs(id(number * 977))));
    index.apply(&acme, kept.chain(canaries.clone()).collect(), &[], 1).await.expect("it fits");
    let traces = traces(acme.workspace(), &canaries);
    assert!(!files_with(&storage, &traces).is_empty(), "nothing could have been found");

    assert_eq!(u128::from(index.remove_document(&acme, canary).await.expect("it was there")), deleted);
    assert!(!files_with(&storage, &traces).is_empty(), "a deletion only marks");
    index.purge(&acme).await.expect("purged");
    assert_eq!(files_with(&storage, &traces), Vec::<PathBuf>::new());
    assert_eq!(u128::from(index.count(&acme).await.expect("an answer")), others);
    index.drop_partition(&acme).await.expect("it was there");
}

#[tokio::test]
async fn a_few_passages_among_a_few_leave_no_byte_behind() {
    nothing_is_left(3, 2).await;
}

#[tokio::test]
async fn a_few_passages_among_thousands_leave_no_byte_behind() {
    nothing_is_left(8_000, 5).await;
}
