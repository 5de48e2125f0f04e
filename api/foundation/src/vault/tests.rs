//! What the vault promises.

use std::os::unix::fs::PermissionsExt;

use uuid::Uuid;

use super::{
    key::LookUp,
    support::{self, ROOT},
    *,
};

fn place(row: Uuid) -> Place {
    Place::new(WorkspaceId(Uuid::from_u128(1)), "documents", "title", row)
}

fn key() -> Key {
    Key::single(Kind::Workspace, aead::random_secret())
}

/// Each copy of `bytes` with exactly one bit flipped.
fn every_bit(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    (0..bytes.len() * 8).map(|bit| {
        let mut flipped = bytes.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        flipped
    })
}

#[test]
fn a_sealed_text_reads_back_and_shows_nothing() {
    let (key, place) = (key(), place(Uuid::from_u128(2)));
    let sealed = key.seal_text(&place, "Zoë prefers tea");
    assert_eq!(key.open_text(&place, &sealed).unwrap(), "Zoë prefers tea");
    assert_eq!(sealed.len(), 6 + 12 + "Zoë prefers tea".len() + 16);
    assert!(!sealed.windows(3).any(|part| part == b"tea"));
    assert_ne!(sealed, key.seal_text(&place, "Zoë prefers tea"), "each sealing has a nonce of its own");
    assert_eq!(format!("{key:?}"), "Key(Workspace, Sealed(..))");
}

#[test]
fn one_flipped_bit_anywhere_is_corrupt() {
    let (key, place) = (key(), place(Uuid::from_u128(2)));
    for flipped in every_bit(&key.seal(&place, b"a")) {
        assert_eq!(key.open(&place, &flipped).unwrap_err().kind(), ErrorKind::Corrupt);
    }
}

#[test]
fn a_cut_value_is_corrupt() {
    let (key, place) = (key(), place(Uuid::from_u128(2)));
    let sealed = key.seal(&place, b"text");
    for length in 0..sealed.len() {
        assert_eq!(key.open(&place, &sealed[..length]).unwrap_err().kind(), ErrorKind::Corrupt);
    }
}

#[test]
fn a_value_opens_in_no_other_place() {
    let (key, row, workspace) = (key(), Uuid::from_u128(2), WorkspaceId(Uuid::from_u128(1)));
    let here = Place::new(workspace, "answers", "text", row).part(1);
    let sealed = key.seal(&here, b"text");
    let elsewhere = [
        Place::new(workspace, "answers", "text", Uuid::from_u128(3)).part(1),
        Place::new(WorkspaceId(Uuid::from_u128(9)), "answers", "text", row).part(1),
        Place::new(workspace, "messages", "text", row).part(1),
        Place::new(workspace, "answers", "title", row).part(1),
        Place::new(workspace, "answerst", "ext", row).part(1),
        Place::new(workspace, "answers", "text", row).part(2),
        Place::new(workspace, "answers", "text", row),
        Place::new(workspace, "answers", "text", row).part(1).part(0),
        Place::instance("answers", "text", row).part(1),
    ];
    assert!(key.open(&here, &sealed).is_ok());
    for place in elsewhere {
        assert_eq!(key.open(&place, &sealed).unwrap_err().kind(), ErrorKind::Corrupt, "{place}");
    }
}

#[test]
fn a_rotated_key_opens_what_its_predecessor_sealed() {
    let (old, new, place) = (aead::random_secret(), aead::random_secret(), place(Uuid::from_u128(2)));
    let before = Key::single(Kind::Workspace, old.clone());
    let after = Key::ring(Kind::Workspace, vec![(1, old), (2, new)]).unwrap();
    assert_eq!(after.open_text(&place, &before.seal_text(&place, "old")).unwrap(), "old");
    let sealed = after.seal_text(&place, "new");
    assert_eq!(sealed[2..6], 2u32.to_be_bytes());
    assert!(before.open(&place, &sealed).is_err());
    assert_eq!(before.derive("index"), after.derive("index"), "look-up values outlive a rotation");
}

#[test]
fn look_up_values_are_what_they_were_before_they_were_kept_apart() {
    let (first, next) = (aead::random_secret(), aead::random_secret());
    let before = Key::single(Kind::Workspace, first.clone());
    let kept = LookUp::from_bytes(LookUp::from_first(&first).as_bytes().to_vec().into()).unwrap();
    let after = Key::of(Kind::Workspace, vec![(2, next)], 2, Some(kept.clone())).unwrap();
    for info in [
        "consigne/blind-index/1",
        "consigne/content-hash/1",
        "consigne/terms/1",
        "consigne/audit-subject/1",
        "consigne/audit-anchor/1",
        "consigne/audit-checkpoint/1",
    ] {
        assert_eq!(after.derive(info), before.derive(info), "{info}");
    }
    assert_ne!(after.derive("consigne/something-new/1"), before.derive("consigne/something-new/1"));
    let sealing = before.derive("consigne/seal/1");
    assert!(!kept.as_bytes().windows(32).any(|window| *window == sealing[..] || *window == first[..]));
    assert!(LookUp::from_bytes(kept.as_bytes()[1..].to_vec().into()).is_none());
}

#[test]
fn a_root_key_is_read_in_both_spellings_and_never_repeated() {
    let hex = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    let expected = RootKey::from_bytes(std::array::from_fn(|i| i as u8)).derive("x");
    for text in [hex, " AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"]
    {
        assert_eq!(RootKey::parse(text).unwrap().derive("x"), expected);
    }
    for text in ["", "secret", &hex[1..], &hex.replace('0', "g"), &"00".repeat(32)] {
        let error = RootKey::parse(text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured);
        assert!(text.is_empty() || !format!("{error:?}").contains(text));
    }
}

#[test]
fn a_root_key_file_is_made_once_and_for_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("root.key");
    let (first, created) = RootKey::load_or_create(&path).unwrap();
    assert_eq!(created, Created::Now);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let (second, created) = RootKey::load_or_create(&path).unwrap();
    assert_eq!(created, Created::Before);
    assert_eq!(first.derive("x"), second.derive("x"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
}

#[test]
fn processes_that_make_the_root_key_at_once_agree() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("root.key");
    let made: Vec<_> = std::thread::scope(|threads| {
        let all: Vec<_> = (0..8).map(|_| threads.spawn(|| RootKey::load_or_create(&path).unwrap())).collect();
        all.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(made.iter().all(|(key, _)| key.derive("x") == made[0].0.derive("x")));
    assert_eq!(made.iter().filter(|(_, created)| *created == Created::Now).count(), 1);
}

#[test]
fn a_root_key_file_that_others_can_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("root.key");
    RootKey::load_or_create(&path).unwrap();
    for mode in [0o640, 0o604, 0o622] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let error = RootKey::load_or_create(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured);
        assert!(error.message().contains("chmod 600"), "{error}");
    }
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(&path, "").unwrap();
    assert_eq!(RootKey::load_or_create(&path).unwrap_err().kind(), ErrorKind::Misconfigured, "an empty file is no key");
}

fn ids(test: &support::TestStore) -> (WorkspaceId, SubjectId) {
    (WorkspaceId::new(&test.clock), SubjectId::new(&test.clock))
}

#[tokio::test]
async fn a_workspace_key_outlives_a_restart_and_is_no_other_workspaces() {
    let test = support::open().await;
    let (acme, _) = ids(&test);
    let other = WorkspaceId::new(&test.clock);
    let place = place(Uuid::from_u128(2));
    let sealed = test.store.vault().workspace_key(acme).await.unwrap().seal(&place, b"text");
    let reopened = test.reopened().await;
    assert!(reopened.vault().workspace_key(acme).await.unwrap().open(&place, &sealed).is_ok());
    assert!(reopened.vault().workspace_key(other).await.unwrap().open(&place, &sealed).is_err());
    assert_eq!(reopened.vault().workspace_key(WorkspaceId(Uuid::nil())).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn processes_that_make_a_workspace_key_at_once_agree() {
    let test = support::open().await;
    let (acme, _) = ids(&test);
    let vaults = [test.reopened().await, test.reopened().await, test.reopened().await];
    let keys = futures::future::join_all(vaults.iter().map(|store| store.vault().workspace_key(acme))).await;
    let derived: Vec<_> = keys.into_iter().map(|key| key.unwrap().derive("x")).collect();
    assert!(derived.iter().all(|secret| *secret == derived[0]));
}

#[tokio::test]
async fn a_subject_key_is_made_once() {
    let test = support::open().await;
    let ((acme, zoe), vault) = (ids(&test), test.store.vault());
    assert_eq!(vault.subject_key(acme, zoe).await.unwrap_err().kind(), ErrorKind::NotFound);
    let made = vault.create_subject_key(acme, zoe).await.unwrap();
    let sealed = made.seal(&place(zoe.0), b"text");
    assert!(vault.subject_key(acme, zoe).await.unwrap().open(&place(zoe.0), &sealed).is_ok());
    assert_eq!(vault.create_subject_key(acme, zoe).await.unwrap_err().kind(), ErrorKind::Conflict);
    let other = WorkspaceId::new(&test.clock);
    assert_eq!(vault.subject_key(other, zoe).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_shredded_person_stays_erased() {
    let test = support::open().await;
    let ((acme, zoe), vault) = (ids(&test), test.store.vault());
    vault.create_subject_key(acme, zoe).await.unwrap();
    assert!(!vault.is_shredded(acme, zoe).await.unwrap());
    vault.shred(acme, zoe).await.unwrap();
    vault.shred(acme, zoe).await.unwrap();
    assert!(vault.is_shredded(acme, zoe).await.unwrap());
    let reopened = test.reopened().await;
    for vault in [vault, reopened.vault()] {
        assert_eq!(vault.subject_key(acme, zoe).await.unwrap_err().kind(), ErrorKind::SubjectErased);
        assert_eq!(vault.create_subject_key(acme, zoe).await.unwrap_err().kind(), ErrorKind::SubjectErased);
    }
    assert_eq!(vault.shredded_subjects(acme).await.unwrap(), [zoe]);
}

#[tokio::test]
async fn a_shred_of_nobody_leaves_a_tombstone_too() {
    let test = support::open().await;
    let ((acme, zoe), vault) = (ids(&test), test.store.vault());
    vault.shred(acme, zoe).await.unwrap();
    assert_eq!(vault.create_subject_key(acme, zoe).await.unwrap_err().kind(), ErrorKind::SubjectErased);
    assert_eq!(vault.subject_key(acme, zoe).await.unwrap_err().kind(), ErrorKind::SubjectErased);
}

#[tokio::test]
async fn a_shredded_key_is_gone_from_the_bytes_of_the_key_store() {
    let test = support::open().await;
    if test.store.backend() != DbBackend::Sqlite {
        println!("skipped: on Postgres dead rows are left to autovacuum");
        return;
    }
    let ((acme, zoe), vault) = (ids(&test), test.store.vault());
    let neighbours: Vec<_> = (0..40).map(|_| SubjectId::new(&test.clock)).collect();
    for neighbour in &neighbours {
        vault.create_subject_key(acme, *neighbour).await.unwrap();
    }
    vault.create_subject_key(acme, zoe).await.unwrap();
    let select = vault.sql("SELECT wrapped FROM subject_keys WHERE subject_id = $1", [zoe.into()]);
    let row = vault.0.db.query_one_raw(select).await.unwrap().unwrap();
    let wrapped: Vec<u8> = row.try_get("", "wrapped").unwrap();
    // The nonce and what follows: 76 bytes that stand nowhere else.
    let canary = &wrapped[6..];
    assert_eq!(files_with(&test, canary), ["keys.db"], "the search finds what is there");
    vault.shred(acme, zoe).await.unwrap();
    for part in canary.chunks_exact(12) {
        assert_eq!(files_with(&test, part), Vec::<String>::new());
    }
    assert!(vault.subject_key(acme, neighbours[7]).await.is_ok(), "the neighbours keep theirs");
}

fn files_with(test: &support::TestStore, needle: &[u8]) -> Vec<String> {
    let files = std::fs::read_dir(test.folder.path()).unwrap().map(Result::unwrap);
    files
        .filter(|file| std::fs::read(file.path()).unwrap().windows(needle.len()).any(|window| window == needle))
        .map(|file| file.file_name().into_string().unwrap())
        .collect()
}

#[tokio::test]
async fn another_root_key_is_refused_before_it_wraps_anything() {
    let test = support::open().await;
    let (acme, zoe) = ids(&test);
    test.store.vault().doctor().await.unwrap();
    let stranger = Vault::new(test.store.vault().0.db.clone(), RootKey::from_bytes([9; 32]), test.clock.clone());
    for error in [
        stranger.doctor().await.unwrap_err(),
        stranger.workspace_key(acme).await.unwrap_err(),
        stranger.create_subject_key(acme, zoe).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Misconfigured);
        assert!(error.message().contains("not the one"), "{error}");
    }
    assert!(test.store.vault().workspace_key(acme).await.is_ok());
}

#[tokio::test]
async fn a_key_store_that_lost_its_check_value_is_not_taken_over() {
    let test = support::open().await;
    let ((acme, _), vault) = (ids(&test), test.store.vault());
    vault.workspace_key(acme).await.unwrap();
    if test.store.backend() == DbBackend::Postgres {
        test.owner.execute_unprepared("DELETE FROM keys.workspace_keys WHERE version = 0").await.unwrap();
    } else {
        vault.0.db.execute_unprepared("DELETE FROM workspace_keys WHERE version = 0").await.unwrap();
    }
    let stranger = Vault::new(vault.0.db.clone(), RootKey::from_bytes([9; 32]), test.clock.clone());
    assert_eq!(stranger.doctor().await.unwrap_err().kind(), ErrorKind::Misconfigured);
    let owner = Vault::new(vault.0.db.clone(), RootKey::from_bytes(ROOT), test.clock.clone());
    owner.doctor().await.unwrap();
    owner.doctor().await.unwrap();
}

#[tokio::test]
async fn look_up_values_depend_on_workspace_and_purpose() {
    let test = support::open().await;
    let ((acme, _), vault) = (ids(&test), test.store.vault());
    let other = WorkspaceId::new(&test.clock);
    let value = vault.blind_index(acme, "email", "zoe@example.org").await.unwrap();
    assert_eq!(value.len(), 32);
    assert_eq!(value, test.reopened().await.vault().blind_index(acme, "email", "zoe@example.org").await.unwrap());
    assert_ne!(value, vault.blind_index(other, "email", "zoe@example.org").await.unwrap());
    assert_ne!(value, vault.blind_index(acme, "phone", "zoe@example.org").await.unwrap());
    assert_ne!(value, vault.blind_index(acme, "emailzoe", "@example.org").await.unwrap());
    assert_ne!(value, vault.instance_index("email", "zoe@example.org"));
    assert_eq!(vault.instance_index("email", "a"), vault.instance_index("email", "a"));
    let hash = vault.content_hash(acme, b"text").await.unwrap();
    assert_eq!(hash, vault.content_hash(acme, b"text").await.unwrap());
    assert_ne!(hash, vault.content_hash(other, b"text").await.unwrap());
}
