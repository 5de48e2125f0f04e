//! What objects promise.

use std::path::Path as FolderPath;

use futures::stream;
use tempfile::TempDir;

use super::{sealed::SEALED_CHUNK, *};
use crate::vault::{Kind, aead};

struct World {
    folder: TempDir,
    blobs: Blobs,
    key: Key,
    workspace: WorkspaceId,
}

const NAME: Uuid = Uuid::from_u128(7);
const NO_LIMIT: u64 = u64::MAX;

fn world() -> World {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::open(&BlobSettings::Folder(folder.path().join("files"))).unwrap();
    let key = Key::single(Kind::Workspace, aead::random_secret());
    World { folder, blobs, key, workspace: WorkspaceId(Uuid::from_u128(1)) }
}

/// Bytes in which every position tells itself from its neighbours.
fn text(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i % 251) as u8 ^ (i >> 16) as u8).collect()
}

fn body(bytes: &[u8]) -> impl Stream<Item = Result<Bytes>> + Send + use<> {
    stream::iter(bytes.chunks(10_000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect::<Vec<_>>())
}

impl World {
    async fn put(&self, name: Uuid, bytes: &[u8]) -> Stored {
        self.blobs.put(&self.key, self.workspace, name, body(bytes), NO_LIMIT).await.unwrap()
    }

    async fn read(&self, path: &str) -> Result<Zeroizing<Vec<u8>>> {
        self.blobs.read(&self.key, self.workspace, path, NO_LIMIT).await
    }

    fn file(&self, stored: &Stored) -> PathBuf {
        self.folder.path().join("files").join(&stored.path)
    }

    /// All files below the folder, staged ones too.
    fn files(&self) -> Vec<PathBuf> {
        fn below(folder: &FolderPath, found: &mut Vec<PathBuf>) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { below(&path, found) } else { found.push(path) }
            }
        }
        let mut found = Vec::new();
        below(self.folder.path(), &mut found);
        found
    }

    /// A body that gives so many MiB and then hangs; and word that it hangs.
    fn hanging(mebibytes: usize) -> (impl Stream<Item = Result<Bytes>> + Send, tokio::sync::oneshot::Receiver<()>) {
        let (says, hears) = tokio::sync::oneshot::channel();
        let pieces = stream::iter((0..mebibytes).map(|_| Ok(Bytes::from(vec![7; 1 << 20]))));
        let hangs = stream::once(async move {
            let _ = says.send(());
            std::future::pending().await
        });
        (pieces.chain(hangs), hears)
    }
}

#[tokio::test]
async fn objects_of_every_length_read_back_and_show_nothing() {
    let w = world();
    for length in [0, 1, 65_535, 65_536, 65_537, 131_072, 131_073, 300_000] {
        let plain = text(length);
        let stored = w.put(NAME, &plain).await;
        assert_eq!(stored.bytes, length as u64);
        assert_eq!(w.read(&stored.path).await.unwrap().as_slice(), plain, "{length}");
        let sealed = std::fs::read(w.file(&stored)).unwrap();
        assert!(length < 100 || !sealed.windows(64).any(|window| window == &plain[..64]));
    }
    assert_eq!(w.files().len(), 1, "the same name is replaced");
}

#[tokio::test]
async fn one_flipped_bit_in_any_region_is_corrupt() {
    let w = world();
    let stored = w.put(NAME, &text(70_000)).await;
    let good = std::fs::read(w.file(&stored)).unwrap();
    let header: Vec<usize> = (0..90).collect();
    let rest = (90..good.len()).step_by(4_001).chain([good.len() - 1, 73 + SEALED_CHUNK - 1, 73 + SEALED_CHUNK]);
    for at in header.into_iter().chain(rest) {
        let mut flipped = good.clone();
        flipped[at] ^= 0x10;
        std::fs::write(w.file(&stored), &flipped).unwrap();
        assert_eq!(w.read(&stored.path).await.unwrap_err().kind(), ErrorKind::Corrupt, "byte {at}");
    }
}

#[tokio::test]
async fn cut_lengthened_reordered_and_foreign_chunks_are_corrupt() {
    let w = world();
    let (stored, other) = (w.put(NAME, &text(4 * 65_536)).await, w.put(Uuid::from_u128(8), &text(4 * 65_536)).await);
    let good = std::fs::read(w.file(&stored)).unwrap();
    let foreign = std::fs::read(w.file(&other)).unwrap();
    let head = good.len() - 4 * SEALED_CHUNK;
    let chunk = |from: &[u8], i: usize| from[head + i * SEALED_CHUNK..head + (i + 1) * SEALED_CHUNK].to_vec();
    let with = |chunks: &[Vec<u8>]| [good[..head].to_vec(), chunks.concat()].concat();
    let [a, b, c, d] = [0, 1, 2, 3].map(|i| chunk(&good, i));
    let all = [a.clone(), b.clone(), c.clone(), d.clone()];
    let mut broken = vec![
        ("two swapped", with(&[a.clone(), c.clone(), b.clone(), d.clone()])),
        ("one missing", with(&[a.clone(), c.clone(), d.clone()])),
        ("one twice", with(&[a.clone(), a.clone(), c.clone(), d.clone()])),
        ("the last alone", with(std::slice::from_ref(&d))),
        ("a foreign one", with(&[a.clone(), chunk(&foreign, 1), c.clone(), d.clone()])),
        ("a foreign header", [foreign[..head].to_vec(), good[head..].to_vec()].concat()),
        ("the whole of another", foreign.clone()),
        ("something behind", [with(&all), vec![0]].concat()),
        ("a chunk behind", [with(&all), d.clone()].concat()),
    ];
    for length in
        [0, 1, head - 1, head, head + 1, head + 28, head + SEALED_CHUNK, head + 3 * SEALED_CHUNK, good.len() - 1]
    {
        broken.push(("cut", good[..length].to_vec()));
    }
    for (what, bytes) in broken {
        std::fs::write(w.file(&stored), &bytes).unwrap();
        assert_eq!(w.read(&stored.path).await.unwrap_err().kind(), ErrorKind::Corrupt, "{what}, {} bytes", bytes.len());
    }
    std::fs::write(w.file(&stored), with(&all)).unwrap();
    assert!(w.read(&stored.path).await.is_ok());
}

#[tokio::test]
async fn an_object_opens_for_its_own_workspace_name_and_key_alone() {
    let w = world();
    let stored = w.put(NAME, b"text").await;
    let other = WorkspaceId(Uuid::from_u128(2));
    let refused = w.blobs.read(&w.key, other, &stored.path, NO_LIMIT).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NotFound);
    for path in ["", "blobs", "../secret", "blobs/x/../y", &format!("/{}", stored.path), &stored.path.to_uppercase()] {
        assert_eq!(w.read(path).await.unwrap_err().kind(), ErrorKind::NotFound, "{path}");
    }
    let moved = stored.path.replace("0007", "0008");
    std::fs::copy(w.file(&stored), w.folder.path().join("files").join(&moved)).unwrap();
    assert_eq!(w.read(&moved).await.unwrap_err().kind(), ErrorKind::Corrupt);
    let strange = Key::single(Kind::Workspace, aead::random_secret());
    let refused = w.blobs.read(&strange, w.workspace, &stored.path, NO_LIMIT).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Corrupt);
}

#[tokio::test]
async fn a_stream_beyond_its_limit_leaves_nothing() {
    let w = world();
    for (limit, length) in [(0, 1), (99_999, 100_000), (6_000_000, 6_000_001)] {
        let refused = w.blobs.put(&w.key, w.workspace, NAME, body(&text(length)), limit).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::LimitExceeded);
        assert_eq!(w.files(), Vec::<PathBuf>::new());
    }
    let stored = w.blobs.put(&w.key, w.workspace, NAME, body(&text(100)), 100).await.unwrap();
    assert_eq!(stored.bytes, 100, "the limit itself is allowed");
    let refused = w.blobs.read(&w.key, w.workspace, &stored.path, 99).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::LimitExceeded);
}

#[tokio::test]
async fn a_stream_that_fails_leaves_nothing() {
    let w = world();
    let fails = stream::iter((0..6).map(|_| Ok(Bytes::from(vec![1; 1 << 20]))))
        .chain(stream::once(async { Err(Error::new(ErrorKind::Unavailable, "The client went away.")) }));
    let failed = w.blobs.put(&w.key, w.workspace, NAME, fails, NO_LIMIT).await.unwrap_err();
    assert_eq!(failed.message(), "The client went away.");
    assert_eq!(w.files(), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_put_that_is_dropped_leaves_nothing() {
    let w = world();
    let (body, hangs) = World::hanging(6);
    {
        let put = std::pin::pin!(w.blobs.put(&w.key, w.workspace, NAME, body, NO_LIMIT));
        tokio::select! { _ = put => unreachable!("it hangs"), _ = hangs => {} }
        assert_eq!(w.files().len(), 1, "it was being written");
    }
    for _ in 0..500 {
        if w.files().is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("{:?} stays", w.files());
}

#[tokio::test]
async fn a_crash_leaves_nothing_half_visible_and_what_it_leaves_can_be_swept() {
    let w = world();
    let (body, hangs) = World::hanging(6);
    let mut put = Box::pin(w.blobs.put(&w.key, w.workspace, NAME, body, NO_LIMIT));
    tokio::select! { _ = &mut put => unreachable!("it hangs"), _ = hangs => {} }
    std::mem::forget(put);
    let path = place(w.workspace, NAME).to_string();
    assert_eq!(w.files().len(), 1);
    assert!(!w.blobs.exists(&path).await.unwrap());
    assert!(w.blobs.list(w.workspace).await.unwrap().is_empty());
    assert_eq!(w.read(&path).await.unwrap_err().kind(), ErrorKind::NotFound);
    let stored = w.put(NAME, b"again").await;
    assert_eq!(w.blobs.remove_abandoned(Timestamp(0)).await.unwrap(), 0, "it may still be written");
    assert_eq!(w.blobs.remove_abandoned(Timestamp(i64::MAX)).await.unwrap(), 1);
    assert_eq!(w.files().len(), 1);
    assert_eq!(w.read(&stored.path).await.unwrap().as_slice(), b"again");
}

/// Fifty megabytes; without optimisation, where AES is a hundred times slower, twenty.
const LARGE: u64 = if cfg!(debug_assertions) { 20_000_000 } else { 50_000_000 };

#[tokio::test]
async fn a_large_object_streams_through_in_constant_memory() {
    let Some(before) = memory() else {
        println!("skipped: this system does not tell how much memory a process has");
        return;
    };
    let w = world();
    let piece = Bytes::from(text(100_000));
    let peak = std::sync::atomic::AtomicU64::new(before);
    let look = || peak.fetch_max(memory().unwrap(), std::sync::atomic::Ordering::Relaxed);
    let body = stream::iter(0..LARGE / 100_000).map(|_| {
        look();
        Ok(piece.clone())
    });
    let stored = w.blobs.put(&w.key, w.workspace, NAME, body, LARGE).await.unwrap();
    assert_eq!(stored.bytes, LARGE);
    let mut chunks = w.blobs.get(&w.key, w.workspace, &stored.path).await.unwrap();
    let mut read = 0;
    while let Some(chunk) = chunks.try_next().await.unwrap() {
        look();
        for (offset, byte) in chunk.iter().enumerate().step_by(997) {
            assert_eq!(*byte, piece[(read + offset) % piece.len()]);
        }
        read += chunk.len();
    }
    assert_eq!(read as u64, LARGE);
    let grown = peak.into_inner() - before;
    println!("{LARGE} bytes went in and out; memory grew by {grown} at most");
    assert!(grown < 14_000_000, "memory grew by {grown} bytes");
}

/// The memory of this process that is no file's, in bytes.
fn memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? * 1024)
}

#[tokio::test]
async fn a_workspace_lists_its_own_and_a_delete_may_be_repeated() {
    let w = world();
    let (first, second) = (w.put(NAME, b"a").await, w.put(Uuid::from_u128(8), b"b").await);
    let other = WorkspaceId(Uuid::from_u128(2));
    w.blobs.put(&w.key, other, NAME, body(b"c"), NO_LIMIT).await.unwrap();
    assert_eq!(w.blobs.list(w.workspace).await.unwrap(), [first.path.clone(), second.path.clone()]);
    w.blobs.delete(&first.path).await.unwrap();
    w.blobs.delete(&first.path).await.unwrap();
    assert!(!w.blobs.exists(&first.path).await.unwrap() && w.blobs.exists(&second.path).await.unwrap());
    assert_eq!(w.blobs.delete("../outside").await.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(w.blobs.list(w.workspace).await.unwrap(), [second.path]);
}

#[tokio::test]
async fn a_ledger_line_is_written_once() {
    let w = world();
    for _ in 0..2 {
        w.blobs.append_once("ledger/a", Bytes::from_static(b"erased")).await.unwrap();
    }
    let other = w.blobs.append_once("ledger/a", Bytes::from_static(b"not erased")).await.unwrap_err();
    assert_eq!(other.kind(), ErrorKind::Conflict);
    w.blobs.append_once("ledger/b", Bytes::new()).await.unwrap();
    assert_eq!(w.blobs.list_prefix("ledger").await.unwrap(), ["ledger/a", "ledger/b"]);
    assert_eq!(w.blobs.get_small("ledger/a").await.unwrap(), "erased");
    assert_eq!(w.blobs.get_small("ledger/c").await.unwrap_err().kind(), ErrorKind::NotFound);
    assert!(w.blobs.list_prefix("nothing").await.unwrap().is_empty());
}

#[tokio::test]
async fn a_folder_that_went_away_does_not_answer() {
    let w = world();
    w.blobs.ping().await.unwrap();
    std::fs::remove_dir_all(w.folder.path().join("files")).unwrap();
    assert_eq!(w.blobs.ping().await.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[test]
fn s3_needs_tls_and_never_prints_its_secret() {
    let settings = |endpoint: &str, allow_http| BlobSettings::S3 {
        bucket: "files".into(),
        region: "eu-west-3".into(),
        endpoint: Some(endpoint.into()),
        access_key: "id".into(),
        secret_key: "a secret".into(),
        allow_http,
    };
    assert!(Blobs::open(&settings("https://s3.example.org", false)).is_ok());
    assert!(Blobs::open(&settings("http://127.0.0.1:9000", true)).is_ok());
    let refused = Blobs::open(&settings("http://127.0.0.1:9000", false)).err().unwrap();
    assert_eq!(refused.kind(), ErrorKind::Misconfigured);
    assert_eq!(format!("{:?}", settings("https://x", false)), "S3(files in eu-west-3, Sealed(..))");
}
