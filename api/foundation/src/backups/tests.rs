//! Backups of a small installation, on whichever database the tests run, and their way into another.

use std::{path::PathBuf, sync::Arc, time::Duration};

use sea_orm::{ConnectionTrait, Statement};
use tempfile::TempDir;
use uuid::Uuid;

use super::{catalogue::Schema, crypt::Identity, dump, restore::Source, *};
use crate::{
    audit::{self, Event, Verdict},
    blobs::BlobSettings,
    error::ErrorKind,
    id::{BackupId, ErasureId, SubjectId, WorkspaceId},
    identity::{accounts, signing},
    privacy::{ledger as erasure_ledger, subjects},
    scope::Scope,
    store::connect::connect_as_owner,
    vault::{
        InstanceIndex, Place, RootKey,
        support::{self, ROOT, TestStore},
    },
};

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// An installation with one workspace, two people and a file, and where it is backed up.
struct World {
    test: TestStore,
    blobs: Blobs,
    backups: Backups,
    identity: Identity,
    workspace: WorkspaceId,
    people: [SubjectId; 2],
    folder: TempDir,
}

impl World {
    async fn new() -> Self {
        let test = support::open().await;
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(&BlobSettings::Folder(folder.path().join("blobs"))).unwrap();
        let (identity, _) = Identity::load_or_create(&folder.path().join("identity.txt")).unwrap();
        let options = BackupOptions {
            target: target(&folder.path().join("backups")),
            recipients: Recipients::parse([identity.recipient().as_str()]).unwrap(),
            keep: 30 * DAY,
            keys: RootKey::from_bytes(ROOT).into(),
            identity_file: folder.path().join("identity.txt"),
        };
        let backups = Backups::new(test.store.clone(), blobs.clone(), options);
        let made = accounts::create_first(&test.store, "ann@acme.example", "Mustard-Lantern-47-Quarry", "acme").await;
        let workspace = made.unwrap().workspace;
        let scope = Scope::duty(workspace, "test");
        let mut people = Vec::new();
        for _ in 0..2 {
            let tx = test.store.write(&scope).await.unwrap();
            let person = subjects::create(&tx, "visitor").await.unwrap();
            let event = Event::new("test.came").subject(person).detail("how", "by train");
            audit::append(&scope, &tx, event).await.unwrap();
            tx.commit().await.unwrap();
            people.push(person);
        }
        let world = Self { test, blobs, backups, identity, workspace, people: people.try_into().unwrap(), folder };
        world.store_file(7, b"a file").await;
        world
    }

    async fn store_file(&self, name: u128, text: &'static [u8]) -> String {
        let key = self.test.store.vault().workspace_key(self.workspace).await.unwrap();
        let body = futures::stream::iter([Ok(bytes::Bytes::from_static(text))]);
        let stored = self.blobs.put(&key, self.workspace, Uuid::from_u128(name), body, 1 << 20).await.unwrap();
        stored.path
    }

    /// What vouches for its backups, as a restore reads it.
    async fn own(&self) -> InstanceIndex {
        restore::vouching(self.backups.target(), &self.identity, &RootKey::from_bytes(ROOT).into()).await.unwrap()
    }

    fn place(&self) -> PathBuf {
        self.folder.path().join("backups")
    }

    fn files(&self) -> usize {
        std::fs::read_dir(self.place().join("files")).map_or(0, Iterator::count)
    }

    /// Writes the ledger and destroys the key, as an erasure does.
    async fn erase(&self, person: SubjectId) {
        let entry = erasure_ledger::Entry {
            erasure: ErasureId::new(&self.test.clock),
            workspace: self.workspace,
            subject: person,
            requested_at: self.test.clock.now(),
        };
        erasure_ledger::write(&self.blobs, &entry).await.unwrap();
        self.backups.copy_ledger_entry(&entry).await.unwrap();
        self.test.store.vault().shred(self.workspace, person).await.unwrap();
    }

    async fn restore(&self, backup: &Manifest) -> crate::Result<(Elsewhere, restore::Restored)> {
        let place = Elsewhere::new().await;
        let (from, identity) = (self.backups.target(), &self.identity);
        let source = Source { backup: from, keys: from, identity, manifest: backup };
        let restored = restore::load(&place.test.store, &place.blobs, &source).await?;
        Ok((place, restored))
    }
}

/// An empty place.
struct Elsewhere {
    test: TestStore,
    blobs: Blobs,
    _folder: TempDir,
}

impl Elsewhere {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(&BlobSettings::Folder(folder.path().join("blobs"))).unwrap();
        Self { test: support::open_to_fill().await, blobs, _folder: folder }
    }
}

fn target(folder: &std::path::Path) -> Target {
    let store = BlobSettings::Folder(folder.to_owned());
    Target::open(&TargetSettings { store, prefix: String::new(), name: folder.display().to_string() }).unwrap()
}

fn migrate() -> Migrate {
    Arc::new(|settings, up_to| {
        Box::pin(async move {
            let (data, keys) = connect_as_owner(&settings).await?;
            match up_to {
                UpTo::Step(step) => consigne_migrations::migrate_data_to(&data, None, &step).await?,
                UpTo::Newest => consigne_migrations::migrate_data(&data, None).await?,
            }
            consigne_migrations::migrate_keys(&keys, None).await?;
            data.close().await?;
            keys.close().await?;
            Ok(())
        })
    })
}

async fn digests(store: &Store) -> Vec<TableDigest> {
    let tx = store.read_instance().await.unwrap();
    let workspaces = make::workspaces_of(&tx).await.unwrap();
    dump::read(tx.db(), Schema::Data, &workspaces, None).await.unwrap()
}

#[tokio::test]
async fn every_row_and_every_file_comes_back() {
    let w = World::new().await;
    let before = digests(&w.test.store).await;
    let backup = w.backups.make().await.unwrap();
    assert_eq!(backup.files, 1);
    let (place, restored) = w.restore(&backup).await.unwrap();
    assert_eq!((restored.files, restored.refused, restored.keys_dropped), (1, 0, 0));
    let known = record::list(&place.test.store).await.unwrap();
    assert_eq!((known.len(), known[0].id, known[0].state), (1, backup.id, BackupState::Kept));
    // But for what every backup writes down of itself.
    for table in before.iter().filter(|table| table.table != "backups") {
        assert!(restored.tables.contains(table), "{table:?}");
        assert!(digests(&place.test.store).await.contains(table), "{table:?}");
    }
    assert!(before.iter().filter(|table| table.rows > 0).count() >= 6, "{before:?}");
    for person in w.people {
        place.test.store.vault().subject_key(w.workspace, person).await.unwrap();
    }
    let key = place.test.store.vault().workspace_key(w.workspace).await.unwrap();
    let path = place.blobs.list(w.workspace).await.unwrap().remove(0);
    assert_eq!(place.blobs.read(&key, w.workspace, &path, 100).await.unwrap().as_slice(), b"a file");
    let verdict = audit::verify(&place.test.store, w.workspace).await.unwrap();
    assert!(matches!(verdict, Verdict::Intact { entries: 3.. }), "{verdict:?}");
}

#[tokio::test]
async fn nobody_can_read_a_backup_without_its_identity() {
    let w = World::new().await;
    let tag = format!("{}", w.workspace.0.as_simple());
    w.backups.make().await.unwrap();
    let mut looked_at = 0;
    for file in walk(&w.place()) {
        let name = file.display().to_string();
        if name.ends_with(".age") {
            let bytes = std::fs::read(&file).unwrap();
            assert!(bytes.starts_with(b"age-encryption.org/v1\n"), "{name}");
            assert!(!String::from_utf8_lossy(&bytes).contains(&tag), "{name}");
            looked_at += 1;
        }
    }
    assert_eq!(looked_at, 3, "keys, data and a file");
    let (stranger, _) = Identity::load_or_create(&w.folder.path().join("stranger.txt")).unwrap();
    let place = Elsewhere::new().await;
    let manifest = restore::choose(w.backups.target(), &w.own().await, None).await.unwrap();
    let source =
        Source { backup: w.backups.target(), keys: w.backups.target(), identity: &stranger, manifest: &manifest };
    let refused = restore::load(&place.test.store, &place.blobs, &source).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Misconfigured, "{refused}");
}

fn walk(folder: &std::path::Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { all.extend(walk(&path)) } else { all.push(path) }
    }
    all
}

#[tokio::test]
async fn who_was_erased_after_a_backup_is_not_brought_back_by_it() {
    let w = World::new().await;
    let [erased, other] = w.people;
    let key = w.test.store.vault().subject_key(w.workspace, erased).await.unwrap();
    let sealed = key.seal_text(&Place::new(w.workspace, "messages", "text_sealed", Uuid::from_u128(1)), "I was here.");
    let backup = w.backups.make().await.unwrap();
    w.erase(erased).await;

    // The copy of the key store is still that of the backup: the ledger alone keeps the person away.
    let (place, restored) = w.restore(&backup).await.unwrap();
    assert_eq!((restored.ledger_entries, restored.refused, restored.keys_dropped), (1, 1, 1));
    let gone = place.test.store.vault().subject_key(w.workspace, erased).await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::SubjectErased);
    place.test.store.vault().subject_key(w.workspace, other).await.unwrap();

    // Once it was overwritten, it holds no key of theirs either.
    w.backups.back_up_keys().await.unwrap();
    let (place, restored) = w.restore(&backup).await.unwrap();
    assert_eq!((restored.refused, restored.keys_dropped), (1, 0));
    let gone = place.test.store.vault().subject_key(w.workspace, erased).await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::SubjectErased);
    assert!(!sealed.is_empty() && audit::verify(&place.test.store, w.workspace).await.is_ok());
}

#[tokio::test]
async fn a_restore_writes_over_nothing() {
    let w = World::new().await;
    let backup = w.backups.make().await.unwrap();
    let refused = restore::refuse_unless_empty(&w.test.owner).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    assert!(refused.message().contains("workspaces"), "{refused}");
    let place = Elsewhere::new().await;
    restore::refuse_unless_empty(&place.test.owner).await.unwrap();
    // Even where nobody asked first: a row that is there fails the whole.
    let before = digests(&w.test.store).await;
    let from = w.backups.target();
    let source = Source { backup: from, keys: from, identity: &w.identity, manifest: &backup };
    assert!(restore::load(&w.test.store, &w.blobs, &source).await.is_err());
    assert_eq!(digests(&w.test.store).await, before);
}

#[tokio::test]
async fn a_changed_cut_or_foreign_backup_is_refused_whole() {
    let w = World::new().await;
    let backup = w.backups.make().await.unwrap();
    let own = w.own().await;
    let folder = w.place().join("backups").join(backup.id.to_string());
    for part in ["data.age", "files.ndjson", "manifest.json"] {
        let path = folder.join(part);
        let good = std::fs::read(&path).unwrap();
        for at in [good.len() / 2, good.len() - 3] {
            let mut bad = good.clone();
            bad[at] ^= 1;
            std::fs::write(&path, &bad).unwrap();
            let outcome = match restore::choose(w.backups.target(), &own, Some(backup.id)).await {
                Ok(manifest) => w.restore(&manifest).await.map(drop),
                Err(error) => Err(error),
            };
            assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Corrupt, "byte {at} of {part}");
        }
        std::fs::write(&path, &good[..good.len() / 2]).unwrap();
        let outcome = match restore::choose(w.backups.target(), &own, Some(backup.id)).await {
            Ok(manifest) => w.restore(&manifest).await.map(drop),
            Err(error) => Err(error),
        };
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Corrupt, "{part}, cut");
        std::fs::write(&path, &good).unwrap();
    }
    let other_root = RootKey::from_bytes(*b"another root key of 32 bytes ...").into();
    let refused = restore::vouching(w.backups.target(), &w.identity, &other_root).await.map(drop).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Misconfigured);
    let foreign = InstanceIndex::random();
    let refused = restore::choose(w.backups.target(), &foreign, None).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Corrupt);
    assert!(w.restore(&backup).await.is_ok(), "nothing is wrong with it now");
    let unknown = BackupId::new(&w.test.clock);
    assert_eq!(restore::choose(w.backups.target(), &own, Some(unknown)).await.unwrap_err().kind(), ErrorKind::NotFound);
}

/// Rows that do not fail any check but the comparison: the part is genuine, and is not what the manifest says.
#[tokio::test]
async fn what_comes_back_is_compared_with_what_was_there() {
    let w = World::new().await;
    let first = w.backups.make().await.unwrap();
    w.test.clock.advance(DAY);
    let second = w.backups.make().await.unwrap();
    let folder = |id: BackupId| w.place().join("backups").join(id.to_string()).join("data.age");
    std::fs::copy(folder(second.id), folder(first.id)).unwrap();
    let refused = w.restore(&first).await.map(drop).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Corrupt);
    assert!(refused.message().contains("rows that are not the"), "{refused}");
}

#[tokio::test]
async fn a_backup_is_there_for_thirty_days_and_a_file_as_long_as_a_backup_needs_it() {
    let w = World::new().await;
    let first = w.backups.make().await.unwrap();
    let path = w.blobs.list(w.workspace).await.unwrap().remove(0);
    w.test.clock.advance(DAY);
    let second = w.backups.make().await.unwrap();
    assert_eq!((second.files, w.files()), (1, 1), "a file is copied once");
    w.blobs.delete(&path).await.unwrap();
    w.store_file(8, b"another file").await;
    w.test.clock.advance(28 * DAY);
    w.backups.make().await.unwrap();
    assert_eq!(w.backups.target().backups().await.unwrap().len(), 3, "day 29");
    assert_eq!(w.files(), 2);

    w.test.clock.advance(DAY);
    assert_eq!(w.backups.prune(w.backups.target(), Sweep::Nothing).await.unwrap(), 1, "day 30");
    assert!(!w.place().join("backups").join(first.id.to_string()).join("data.age").exists());
    let listed = record::list(&w.test.store).await.unwrap();
    let of = |id| listed.iter().find(|backup| backup.id == id).unwrap();
    assert_eq!((of(first.id).state, of(second.id).state), (BackupState::Gone, BackupState::Kept));
    assert_eq!(of(first.id).gone_at, Some(w.test.clock.now()));

    w.test.clock.advance(DAY);
    w.backups.make().await.unwrap();
    assert_eq!(w.files(), 1, "nothing needs the deleted file any more");
    assert!(record::is_any_left_from_before(&w.test.store, second.began_at.plus(30 * DAY)).await.unwrap());
    assert!(!record::is_any_left_from_before(&w.test.store, second.began_at).await.unwrap());
}

#[tokio::test]
async fn one_backup_is_made_at_a_time_and_a_killed_one_leaves_no_backup() {
    let w = World::new().await;
    let killed = BackupId::new(&w.test.clock);
    record::begin(&w.test.store, killed, w.backups.target().name()).await.unwrap();
    let data = w.place().join("backups").join(killed.to_string());
    std::fs::create_dir_all(&data).unwrap();
    std::fs::write(data.join("data.age"), "half").unwrap();
    let refused = w.backups.make().await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    assert!(record::is_any_left_from_before(&w.test.store, w.test.clock.now()).await.unwrap(), "half of it is there");
    w.test.clock.advance(Duration::from_secs(7 * 3_600));
    w.backups.make().await.unwrap();
    assert!(!data.join("data.age").exists());
    let killed = record::list(&w.test.store).await.unwrap().into_iter().find(|b| b.id == killed).unwrap();
    assert_eq!(killed.state, BackupState::Failed);
}

#[tokio::test]
async fn a_place_that_is_down_fails_a_backup_aloud() {
    let w = World::new().await;
    std::fs::remove_dir_all(w.place()).unwrap();
    std::fs::write(w.place(), "not a folder").unwrap();
    assert!(w.backups.make().await.is_err());
    let listed = record::list(&w.test.store).await.unwrap();
    assert_eq!((listed.len(), listed[0].state), (1, BackupState::Failed));
    assert!(listed[0].failure.is_some());
    assert!(!record::is_any_left_from_before(&w.test.store, w.test.clock.now()).await.unwrap());
}

#[tokio::test]
async fn a_drill_proves_that_the_newest_backup_comes_back() {
    let w = World::new().await;
    w.backups.make().await.unwrap();
    w.erase(w.people[0]).await;
    w.test.clock.advance(Duration::from_secs(90));
    let scratch = w.folder.path().join("scratch");
    let drill = w.backups.drill(&w.identity, &migrate(), &scratch).await.unwrap();
    assert!(drill.has_passed, "{:?}", drill.failure);
    let keys = signing::jwks(&w.test.store).await.unwrap();
    let report = signing::verify_offline(&drill.report, &keys).unwrap();
    assert_eq!(report["typ"], drill::REPORT);
    assert_eq!((&report["passed"], &report["recoveryPointAgeSeconds"]), (&true.into(), &90.into()));
    assert_eq!((&report["files"], &report["peopleNotBroughtBack"]), (&1.into(), &1.into()));
    assert_eq!(std::fs::read_dir(&scratch).unwrap().count(), 0, "what was restored is gone");

    let damaged = walk(&w.place().join("files")).remove(0);
    let mut bytes = std::fs::read(&damaged).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&damaged, bytes).unwrap();
    let drill = w.backups.drill(&w.identity, &migrate(), &scratch).await.unwrap();
    assert!(!drill.has_passed && drill.failure.is_some());
    let report = signing::verify_offline(&drill.report, &keys).unwrap();
    assert_eq!(report["passed"], false);
    assert_eq!(record::drills(&w.test.store).await.unwrap().len(), 2);
}

#[derive(Default)]
struct Heard(std::sync::Mutex<Vec<String>>);

impl BackupMeter for Heard {
    fn backed_up(&self, at: crate::Timestamp) {
        self.0.lock().unwrap().push(format!("backed up at {}", at.0));
    }

    fn drilled(&self, at: Option<crate::Timestamp>, is_overdue: bool) {
        self.0.lock().unwrap().push(format!("drilled at {:?}: overdue {is_overdue}", at.map(|at| at.0)));
    }
}

async fn count(w: &World, action: &str) -> i64 {
    let scope = Scope::duty(w.workspace, "test");
    let tx = w.test.store.read(&scope).await.unwrap();
    let sql = "SELECT COUNT(*) AS n FROM audit_entries WHERE action = $1";
    let statement = Statement::from_sql_and_values(w.test.store.backend(), sql, [action.into()]);
    tx.query_one_raw(statement).await.unwrap().unwrap().try_get("", "n").unwrap()
}

#[tokio::test]
async fn a_backup_a_day_a_drill_a_month_and_an_alarm_after_35_days() {
    use crate::jobs::{Duty, DutyContext};
    let w = World::new().await;
    let heard = Arc::new(Heard::default());
    let daily = BackupDuty { backups: w.backups.clone(), meter: heard.clone() };
    let monthly = RestoreDrill {
        backups: w.backups.clone(),
        migrate: migrate(),
        scratch: w.folder.path().join("scratch"),
        meter: heard.clone(),
    };
    let run = |duty: &'static str| DutyContext::new(w.test.store.clone(), duty);
    daily.run(&run("backup")).await.unwrap();
    daily.run(&run("backup")).await.unwrap();
    assert_eq!(w.backups.target().backups().await.unwrap().len(), 1, "not twice a day");
    w.test.clock.advance(DAY);
    daily.run(&run("backup")).await.unwrap();
    assert_eq!(w.backups.target().backups().await.unwrap().len(), 2);
    assert_eq!(count(&w, "backup.made").await, 2);

    monthly.run(&run("restore-drill")).await.unwrap();
    monthly.run(&run("restore-drill")).await.unwrap();
    assert_eq!(record::drills(&w.test.store).await.unwrap().len(), 1, "not twice a month");
    w.test.clock.advance(30 * DAY);
    daily.run(&run("backup")).await.unwrap();
    monthly.run(&run("restore-drill")).await.unwrap();
    assert_eq!(record::drills(&w.test.store).await.unwrap().len(), 2);

    // The identity is taken away, and nobody drills by hand.
    std::fs::remove_file(w.folder.path().join("identity.txt")).unwrap();
    w.test.clock.advance(35 * DAY - Duration::from_secs(1));
    monthly.run(&run("restore-drill")).await.unwrap();
    assert_eq!(count(&w, "backup.drill_overdue").await, 0);
    w.test.clock.advance(Duration::from_secs(1));
    monthly.run(&run("restore-drill")).await.unwrap();
    assert_eq!(count(&w, "backup.drill_overdue").await, 1);
    let last = heard.0.lock().unwrap().last().cloned().unwrap();
    assert!(last.ends_with("overdue true"), "{last}");
}
