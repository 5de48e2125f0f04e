//! Rotations on whichever database the tests run, by the clock.

use std::{
    future::Future,
    path::{Path, PathBuf},
    pin::pin,
    task::Poll,
};

use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};
use tempfile::TempDir;

use super::{check::Thoroughness, *};
use crate::{
    ErrorKind, Scope,
    audit::{self, Event},
    backups::{BackupOptions, Backups, Identity, Recipients, Target, TargetSettings, restore},
    blobs::{BlobSettings, Blobs},
    id::{SubjectId, WorkspaceId},
    identity::{
        accounts,
        signing::{self, SigningPurpose},
    },
    jobs::{Duty, DutyContext},
    privacy::subjects,
    store::Store,
    vault::{
        Provider, RootKey,
        support::{self, TestStore},
        versions::INSTALLATION,
    },
};

const HOUR: Duration = Duration::from_secs(3_600);
const EMAIL: &str = "ann@acme.example";
const PASSWORD: &str = "Mustard-Lantern-47-Quarry";

/// An installation whose root key is in a file, with one workspace and three people.
struct World {
    test: TestStore,
    store: Store,
    backups: Backups,
    blobs: Blobs,
    identity: Identity,
    workspace: WorkspaceId,
    people: Vec<SubjectId>,
    folder: TempDir,
}

impl World {
    async fn new() -> Self {
        let test = support::open_to_fill().await;
        let folder = tempfile::tempdir().unwrap();
        let store = open(&test, &root_key(&folder)).await.unwrap();
        let blobs = Blobs::open(&BlobSettings::Folder(folder.path().join("blobs"))).unwrap();
        let (identity, _) = Identity::load_or_create(&folder.path().join("identity.txt")).unwrap();
        let backups = Backups::new(store.clone(), blobs.clone(), options(&folder, &identity));
        let workspace = accounts::create_first(&store, EMAIL, PASSWORD, "acme").await.unwrap().workspace;
        let mut world = Self { test, store, backups, blobs, identity, workspace, people: Vec::new(), folder };
        for _ in 0..3 {
            let person = world.somebody().await;
            world.people.push(person);
        }
        world
    }

    async fn somebody(&self) -> SubjectId {
        let scope = Scope::duty(self.workspace, "test");
        let tx = self.store.write(&scope).await.unwrap();
        let person = subjects::create(&tx, "visitor").await.unwrap();
        audit::append(&scope, &tx, Event::new("test.came").subject(person).detail("how", "by train")).await.unwrap();
        tx.commit().await.unwrap();
        let tx = self.store.write(&scope).await.unwrap();
        audit::append(&scope, &tx, Event::new("test.opened").detail("what", "the door")).await.unwrap();
        tx.commit().await.unwrap();
        person
    }

    /// Another process.
    async fn another(&self) -> Store {
        open(&self.test, &root_key(&self.folder)).await.unwrap()
    }

    async fn turn(&self, store: &Store) {
        KeyRotation { elsewhere: Vec::new() }.run(&DutyContext::new(store.clone(), "test")).await.unwrap();
    }

    async fn turn_root(&self, store: &Store) {
        RootRotation(self.backups.clone()).run(&DutyContext::new(store.clone(), "test")).await.unwrap();
    }

    fn advance(&self, by: Duration) {
        self.test.clock.advance(by);
    }

    /// All that was written before is read, by this process.
    async fn reads_everything(&self, store: &Store) {
        for person in &self.people {
            store.vault().subject_key(self.workspace, *person).await.unwrap();
        }
        let verdict = audit::verify(store, self.workspace).await.unwrap();
        assert!(verdict.is_intact(), "{verdict:?}");
        signing::sign(store, SigningPurpose::Reports, &serde_json::json!({ "typ": "test" })).await.unwrap();
        super::refuse_missing_versions(store, Thoroughness::Whole).await.unwrap();
    }

    async fn versions(&self, workspace: WorkspaceId) -> Vec<u32> {
        self.store.vault().key_versions(workspace).await.unwrap().into_iter().map(|version| version.number).collect()
    }

    /// The key store, as its owner sees it.
    async fn keys(&self) -> (DatabaseConnection, &'static str) {
        let (data, keys) = crate::store::connect::connect_as_owner(&self.test.settings).await.unwrap();
        match self.store.backend() {
            sea_orm::DbBackend::Postgres => (self.test.owner.clone(), "keys."),
            _ => {
                drop(data);
                (keys, "")
            }
        }
    }

    /// The versions by which people's keys are wrapped.
    async fn wraps_of_people(&self) -> Vec<Vec<u8>> {
        let (keys, schema) = self.keys().await;
        let sql = format!("SELECT DISTINCT substr(wrapped, 1, 6) AS header FROM {schema}subject_keys");
        let rows = keys.query_all_raw(Statement::from_string(keys.get_database_backend(), sql)).await.unwrap();
        rows.iter().map(|row| row.try_get("", "header").unwrap()).collect()
    }

    fn root_files(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.folder.path().join("root"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    async fn alerts(&self) -> Vec<String> {
        self.store.signals().write(&self.store).await.unwrap();
        let tx = self.store.read_instance().await.unwrap();
        let sql = "SELECT DISTINCT rule FROM alert_signals ORDER BY rule";
        let rows = tx.query_all_raw(Statement::from_string(self.store.backend(), sql)).await.unwrap();
        rows.iter().map(|row| row.try_get("", "rule").unwrap()).collect()
    }
}

fn root_key(folder: &TempDir) -> PathBuf {
    let root = folder.path().join("root");
    std::fs::create_dir_all(&root).unwrap();
    root.join("root.key")
}

async fn open(test: &TestStore, root: &Path) -> crate::Result<Store> {
    Store::open(&test.settings, Provider::in_file(root)?.0, test.clock.clone()).await
}

fn options(folder: &TempDir, identity: &Identity) -> BackupOptions {
    let place = folder.path().join("backups");
    let store = BlobSettings::Folder(place.clone());
    BackupOptions {
        target: Target::open(&TargetSettings { store, prefix: String::new(), name: place.display().to_string() })
            .unwrap(),
        recipients: Recipients::parse([identity.recipient().as_str()]).unwrap(),
        keep: 30 * DAY,
        keys: Provider::in_file(&root_key(folder)).unwrap().0,
        identity_file: folder.path().join("identity.txt"),
    }
}

/// Runs until it waited so often, and dies there; none where it was done before.
async fn killed_after<T>(waits: usize, work: impl Future<Output = T>) -> Option<T> {
    let (mut work, mut left) = (pin!(work), waits);
    std::future::poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending if left == 0 => Poll::Ready(None),
        Poll::Pending => {
            left -= 1;
            Poll::Pending
        }
    })
    .await
}

#[tokio::test]
async fn a_key_turns_after_ninety_days_and_the_old_one_goes_when_nothing_refers_to_it() {
    let w = World::new().await;
    let other = w.another().await;
    let index = w.store.vault().blind_index(w.workspace, "email", EMAIL).await.unwrap();
    let instance_index = w.store.vault().instance_index("account e-mail", EMAIL);
    w.turn(&w.store).await;
    assert_eq!(w.versions(w.workspace).await, [1], "its time has not come");

    w.advance(90 * DAY);
    w.turn(&w.store).await;
    assert_eq!((w.versions(w.workspace).await, w.versions(INSTALLATION).await), (vec![1, 2], vec![1, 2]));
    assert_eq!(
        w.store.vault().workspace_key(w.workspace).await.unwrap().sealing_version(),
        1,
        "not everybody knows it"
    );
    w.reads_everything(&other).await;

    w.advance(HOUR);
    let sealing = |store: &Store| {
        let vault = store.vault().clone();
        async move { vault.workspace_key(w.workspace).await.unwrap().sealing_version() }
    };
    assert_eq!((sealing(&w.store).await, sealing(&other).await), (2, 2));
    w.turn(&other).await;
    assert_eq!(w.wraps_of_people().await, [[1, 2, 0, 0, 0, 2]]);
    w.reads_everything(&w.store).await;
    w.reads_everything(&other).await;
    assert_eq!(w.versions(w.workspace).await, [1, 2], "something may still hold it");

    w.advance(DAY);
    w.turn(&w.store).await;
    assert_eq!((w.versions(w.workspace).await, w.versions(INSTALLATION).await), (vec![2], vec![2]));
    for store in [&w.store, &other, &w.another().await] {
        w.reads_everything(store).await;
        assert_eq!(store.vault().blind_index(w.workspace, "email", EMAIL).await.unwrap(), index);
        assert_eq!(store.vault().instance_index("account e-mail", EMAIL), instance_index);
    }
    accounts::sign_in(&other, EMAIL, PASSWORD, None).await.unwrap();
    let (keys, schema) = w.keys().await;
    let sql = format!(
        "SELECT COUNT(*) AS n FROM {schema}workspace_keys WHERE removed_at IS NOT NULL AND length(wrapped) = 0"
    );
    let row = keys.query_one_raw(Statement::from_string(keys.get_database_backend(), sql)).await.unwrap().unwrap();
    assert_eq!(row.try_get::<i64>("", "n").unwrap(), 2);
    let said: Vec<String> = {
        let tx = w.store.read(&Scope::duty(w.workspace, "test")).await.unwrap();
        let sql = "SELECT action FROM audit_entries WHERE action LIKE 'key.%' ORDER BY seq";
        let rows = tx.query_all_raw(Statement::from_string(w.store.backend(), sql)).await.unwrap();
        rows.iter().map(|row| row.try_get("", "action").unwrap()).collect()
    };
    assert_eq!(
        said,
        ["key.rotated", "key.rotated", "key.removed", "key.removed"],
        "the workspace's and the installation's"
    );
}

#[tokio::test]
async fn an_old_version_stays_as_long_as_a_backup_needs_it_and_the_backup_comes_back() {
    let w = World::new().await;
    let backup = w.backups.make().await.unwrap();
    w.advance(90 * DAY);
    w.turn(&w.store).await;
    w.advance(HOUR);
    // Nobody prunes here: the backup is there as if it had been made just now.
    w.turn(&w.store).await;
    w.turn_root_at_once().await;
    w.advance(2 * DAY);
    w.turn(&w.store).await;
    assert_eq!(w.versions(w.workspace).await, [1, 2], "the backup holds rows of version 1");
    assert_eq!(w.root_files(), ["root.key.2"]);

    let elsewhere = support::open_to_fill().await;
    elsewhere.clock.advance(93 * DAY);
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::open(&BlobSettings::Folder(folder.path().join("blobs"))).unwrap();
    let provider = Provider::in_file(&root_key(&w.folder)).unwrap().0;
    let own = restore::vouching(w.backups.target(), &w.identity, &provider).await.unwrap();
    let manifest = restore::choose(w.backups.target(), &own, Some(backup.id)).await.unwrap();
    let store = Store::open_to_fill(&elsewhere.settings, provider, elsewhere.clock.clone()).await.unwrap();
    let from = restore::Source {
        backup: w.backups.target(),
        keys: w.backups.target(),
        identity: &w.identity,
        manifest: &manifest,
    };
    restore::load(&store, &blobs, &from).await.unwrap();
    w.reads_everything(&store).await;

    // Once it is gone, so is what it needed.
    w.advance(31 * DAY);
    w.backups.make().await.unwrap();
    w.turn(&w.store).await;
    assert_eq!(w.versions(w.workspace).await, [2]);
    w.reads_everything(&w.store).await;
    assert!(w.blobs.list(w.workspace).await.unwrap().is_empty());
}

impl World {
    async fn turn_root_at_once(&self) {
        let report = rotate_root(&self.store, &self.backups).await.unwrap();
        assert_eq!(report.destroyed, [1]);
    }
}

#[tokio::test]
async fn a_rotation_that_dies_anywhere_is_gone_on_with() {
    let w = World::new().await;
    w.advance(90 * DAY);
    let mut deaths = 0;
    for steps in [HOUR, DAY, 2 * DAY] {
        for waits in 0.. {
            let store = w.another().await;
            let context = DutyContext::new(store.clone(), "test");
            let duty = KeyRotation { elsewhere: Vec::new() };
            // Further and further.
            if killed_after(waits * 5, duty.run(&context)).await.is_some() {
                break;
            }
            deaths += 1;
            if waits % 8 == 0 {
                w.reads_everything(&store).await;
            }
            store.close().await.unwrap();
        }
        w.advance(steps);
    }
    assert!(deaths > 20, "{deaths}");
    w.turn(&w.store).await;
    assert_eq!((w.versions(w.workspace).await, w.versions(INSTALLATION).await), (vec![2], vec![2]));
    assert_eq!(w.wraps_of_people().await, [[1, 2, 0, 0, 0, 2]]);
    w.reads_everything(&w.another().await).await;
}

#[tokio::test]
async fn two_that_turn_a_key_at_once_agree() {
    let w = World::new().await;
    let others = [w.another().await, w.another().await, w.another().await];
    w.advance(90 * DAY);
    for step in [HOUR, 2 * DAY, DAY] {
        futures::future::join_all(others.iter().map(|store| w.turn(store))).await;
        w.advance(step);
    }
    assert_eq!(w.versions(w.workspace).await, [2]);
    for store in &others {
        w.reads_everything(store).await;
    }
}

#[tokio::test]
async fn who_is_erased_in_the_middle_stays_erased() {
    let w = World::new().await;
    w.advance(90 * DAY);
    w.turn(&w.store).await;
    w.advance(HOUR);
    let other = w.another().await;
    let (rewrapped, shredded) = tokio::join!(w.turn(&w.store), other.vault().shred(w.workspace, w.people[1]));
    assert_eq!((rewrapped, shredded.is_ok()), ((), true));
    w.turn(&w.store).await;
    let gone = w.store.vault().subject_key(w.workspace, w.people[1]).await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::SubjectErased);
    w.store.vault().subject_key(w.workspace, w.people[0]).await.unwrap();
}

#[tokio::test]
async fn a_workspace_that_ended_gets_no_new_key() {
    let w = World::new().await;
    w.store.vault().shred_workspace(w.workspace, &[]).await.unwrap();
    w.advance(90 * DAY);
    assert_eq!(w.store.vault().turn_key(w.workspace, 90 * DAY).await.unwrap(), None);
    assert!(w.store.vault().is_ended(w.workspace).await.unwrap());
}

#[tokio::test]
async fn a_root_key_file_turns_after_a_year_with_a_month_to_copy_it() {
    let w = World::new().await;
    let other = w.another().await;
    w.advance(334 * DAY);
    w.turn_root(&w.store).await;
    assert_eq!(w.root_files(), ["root.key"]);
    w.advance(DAY);
    w.turn_root(&w.store).await;
    assert_eq!(w.root_files(), ["root.key", "root.key.2"]);
    assert_eq!(w.alerts().await, ["ROOT_KEY_MADE"]);
    assert_eq!(mode_of(&w.folder.path().join("root/root.key.2")), 0o600);
    w.turn_root(&w.store).await;
    assert_eq!(w.store.vault().root_in_use().await.unwrap().version.number, 1, "it is there to be copied");
    w.reads_everything(&other).await;

    w.advance(30 * DAY);
    w.turn_root(&other).await;
    assert_eq!(w.root_files(), ["root.key.2"], "the old one is destroyed at zero references");
    for store in [&w.store, &other, &w.another().await] {
        w.reads_everything(store).await;
    }
    let roots = w.store.vault().roots().await.unwrap();
    assert!(roots[0].retired_at.is_some() && roots[0].destroyed_at.is_some() && roots[1].retired_at.is_none());
    // A copy of the newest may be put back under the first name.
    std::fs::rename(w.folder.path().join("root/root.key.2"), w.folder.path().join("root/root.key")).unwrap();
    w.reads_everything(&w.another().await).await;
}

fn mode_of(path: &Path) -> u32 {
    std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(path).unwrap().permissions()) & 0o777
}

#[tokio::test]
async fn a_root_rotation_that_dies_anywhere_is_gone_on_with_and_two_may_do_it_at_once() {
    let w = World::new().await;
    let mut deaths = 0;
    for waits in 0.. {
        let store = w.another().await;
        if killed_after(waits * 2, rotate_root(&store, &w.backups)).await.is_some() {
            break;
        }
        deaths += 1;
        store.close().await.unwrap();
        if waits % 6 == 0 {
            let another = w.another().await;
            w.reads_everything(&another).await;
            another.close().await.unwrap();
        }
    }
    assert!(deaths > 10, "{deaths}");
    RootRotation(w.backups.clone()).run(&DutyContext::new(w.store.clone(), "test")).await.unwrap();
    assert_eq!(w.root_files(), ["root.key.2"], "one new key was made, however often it was tried");
    w.advance(2 * HOUR);
    let (one, other) = (w.another().await, w.another().await);
    let reports = tokio::join!(rotate_root(&one, &w.backups), rotate_root(&other, &w.backups));
    assert!(reports.0.is_ok() && reports.1.is_ok(), "{reports:?}");
    RootRotation(w.backups.clone()).run(&DutyContext::new(one, "test")).await.unwrap();
    assert_eq!(w.root_files(), ["root.key.3"]);
    w.reads_everything(&w.another().await).await;
}

#[tokio::test]
async fn a_root_key_of_the_environment_is_turned_by_hand() {
    let test = support::open_to_fill().await;
    let folder = tempfile::tempdir().unwrap();
    let (identity, _) = Identity::load_or_create(&folder.path().join("identity.txt")).unwrap();
    let (old, new) = (RootKey::from_bytes(*b"an old root key of 32 bytes ...."), RootKey::from_bytes([7; 32]));
    let store = Store::open(&test.settings, Provider::given(old.clone(), None), test.clock.clone()).await.unwrap();
    let blobs = Blobs::open(&BlobSettings::Folder(folder.path().join("blobs"))).unwrap();
    let backups = Backups::new(store.clone(), blobs.clone(), options(&folder, &identity));
    let workspace = accounts::create_first(&store, EMAIL, PASSWORD, "acme").await.unwrap().workspace;
    test.clock.advance(365 * DAY);
    RootRotation(backups.clone()).run(&DutyContext::new(store.clone(), "test")).await.unwrap();
    store.signals().write(&store).await.unwrap();
    let tx = store.read_instance().await.unwrap();
    let row =
        tx.query_one_raw(Statement::from_string(store.backend(), "SELECT rule FROM alert_signals")).await.unwrap();
    assert_eq!(row.unwrap().try_get::<String>("", "rule").unwrap(), "ROOT_KEY_DUE");
    drop(tx);
    assert!(rotate_root(&store, &backups).await.unwrap().by_hand.is_some());

    let both = Provider::given(old.clone(), Some(new.clone()));
    let store = Store::open(&test.settings, both, test.clock.clone()).await.unwrap();
    let backups = Backups::new(store.clone(), blobs, options(&folder, &identity));
    let report = rotate_root(&store, &backups).await.unwrap();
    assert_eq!((report.next.unwrap().0.number, report.left.len()), (2, 1), "the old one is the operator's to take out");
    let store = Store::open(&test.settings, Provider::from(new), test.clock.clone()).await.unwrap();
    assert!(audit::verify(&store, workspace).await.unwrap().is_intact());
    let wrong = Store::open(&test.settings, Provider::from(old), test.clock.clone()).await.map(drop).unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::Misconfigured);
}

#[tokio::test]
async fn a_store_does_not_open_without_a_version_that_something_refers_to() {
    let w = World::new().await;
    rotate_root(&w.store, &w.backups).await.unwrap();
    std::fs::rename(w.folder.path().join("root/root.key.2"), w.folder.path().join("kept")).unwrap();
    std::fs::write(w.folder.path().join("root/root.key"), format!("{}\n", "0123456789abcdef".repeat(4))).unwrap();
    let chmod = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(w.folder.path().join("root/root.key"), chmod).unwrap();
    let refused = open(&w.test, &root_key(&w.folder)).await.map(drop).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Misconfigured, "{refused}");
    std::fs::rename(w.folder.path().join("kept"), w.folder.path().join("root/root.key")).unwrap();

    w.advance(90 * DAY);
    w.turn(&w.store).await;
    w.advance(HOUR);
    w.turn(&w.store).await;
    let (keys, schema) = w.keys().await;
    let lose = |version: u32| {
        format!(
            "UPDATE {schema}workspace_keys SET version = version + 10 WHERE version = {version} AND removed_at IS NULL"
        )
    };
    // Rows alone refer to it.
    keys.execute_unprepared(&format!("UPDATE {schema}subject_keys SET wrapped = NULL")).await.unwrap();
    keys.execute_unprepared(&lose(2)).await.unwrap();
    let refused = super::refuse_missing_versions(&w.store, Thoroughness::Start).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Misconfigured);
    assert!(refused.message().contains("version 2 of the key of the installation"), "{refused}");
}

#[tokio::test]
async fn what_an_installation_wrote_before_its_keys_had_versions_is_read() {
    let w = World::new().await;
    let root = RootKey::parse(&std::fs::read_to_string(root_key(&w.folder)).unwrap()).unwrap();
    let index = w.store.vault().blind_index(w.workspace, "email", EMAIL).await.unwrap();
    let (keys, schema) = w.keys().await;
    // As an older program left it: no versions of the root key, no keys of the installation's own, nothing kept for look-ups.
    for table in ["look_up_keys", "root_versions"] {
        keys.execute_unprepared(&format!("DELETE FROM {schema}{table}")).await.unwrap();
    }
    let nobody = "SELECT key_workspace_id FROM {keys}workspace_keys WHERE version = 0".replace("{keys}", schema);
    let sql = format!("DELETE FROM {schema}workspace_keys WHERE version > 0 AND key_workspace_id IN ({nobody})");
    assert_eq!(keys.execute_unprepared(&sql).await.unwrap().rows_affected(), 1);
    let store = w.another().await;
    w.reads_everything(&store).await;
    assert_eq!(store.vault().blind_index(w.workspace, "email", EMAIL).await.unwrap(), index);
    let derived = crate::vault::Key::single(crate::vault::Kind::Instance, root.derive("consigne/instance/1"));
    let place = crate::vault::Place::instance("accounts", "email_sealed", w.workspace.0);
    assert!(store.vault().instance_key().open(&place, &derived.seal(&place, b"old")).is_ok());
    rotate_root(&store, &w.backups).await.unwrap();
    w.reads_everything(&w.another().await).await;
}
