//! The drill: the newest backup is restored into scratch, compared, and a report is signed. A backup that was never restored is
//! a hope.
//!
//! Scratch is a SQLite folder, wherever the backup comes from: a dump is the same from both databases.

use std::{collections::HashSet, path::Path, sync::Arc};

use futures::future::BoxFuture;
use serde_json::json;

use super::{
    Backups, Drill,
    crypt::Identity,
    files, keys, ledger,
    manifest::Manifest,
    record,
    restore::{self, Source},
    target::files_path,
};
use crate::{
    audit::{self, Event, Verdict},
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::DrillId,
    identity::signing::{self, SigningPurpose},
    store::{Store, StoreSettings},
};

/// How far to bring a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpTo {
    /// This step of the data's history, and no further.
    Step(String),
    /// The end.
    Newest,
}

/// Brings an empty database and its key store up to a step: this crate knows no migrations.
pub type Migrate = Arc<dyn Fn(StoreSettings, UpTo) -> BoxFuture<'static, Result<()>> + Send + Sync>;

/// What a drill found.
struct Found {
    manifest: Manifest,
    files: u64,
    chains: u64,
    entries: i64,
    refused: u64,
}

impl Backups {
    /// Restores the newest backup into a folder below `scratch`, compares it, and signs a report, whether it passed or not.
    ///
    /// # Errors
    /// `Unavailable` where the report cannot be written; what is wrong with the backup stands in the report.
    pub async fn drill(&self, identity: &Identity, migrate: &Migrate, scratch: &Path) -> Result<Drill> {
        let began_at = self.store().now();
        let folder = scratch.join(format!("drill-{}", crate::id::random_uuid().as_simple()));
        let outcome = match make_private(&folder) {
            Ok(()) => self.rehearse(identity, migrate, &folder).await,
            Err(error) => Err(error),
        };
        if let Err(error) = std::fs::remove_dir_all(&folder) {
            tracing::error!(kind = ?error.kind(), "what a drill restored could not be removed");
        }
        self.report(began_at, outcome).await
    }

    /// Notes that there could be no drill.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn no_drill(&self, why: Error) -> Result<Drill> {
        self.report(self.store().now(), Err(why)).await
    }

    async fn rehearse(&self, identity: &Identity, migrate: &Migrate, folder: &Path) -> Result<Found> {
        let options = self.options();
        let manifest = restore::choose(self.target(), &self.store().vault().index(), None).await?;
        let settings = StoreSettings {
            url: format!("sqlite:{}", folder.join("data.db").display()),
            key_store: folder.join("keys.db"),
            max_connections: 2,
        };
        migrate(settings.clone(), step_of(&manifest)?).await?;
        let store = Store::open_to_fill(&settings, options.keys.clone(), self.store().clock().clone()).await?;
        let found = self.compare(&store, &settings, identity, migrate, manifest).await;
        store.close().await?;
        found
    }

    async fn compare(
        &self,
        scratch: &Store,
        settings: &StoreSettings,
        identity: &Identity,
        migrate: &Migrate,
        manifest: Manifest,
    ) -> Result<Found> {
        let target = self.target();
        keys::restore(scratch, target, identity).await?;
        let entries = ledger::peek(target).await?;
        let people: HashSet<_> = entries.iter().map(|entry| (entry.workspace, entry.subject)).collect();
        restore::drop_keys(scratch, people.iter().copied()).await?;
        let source = Source { backup: target, keys: target, identity, manifest: &manifest };
        let (_, refused) = restore::load_rows(scratch, &source, &people).await?;
        let list = files::list(target, &files_path(manifest.id), Some(&manifest.file_list)).await?;
        for file in &list {
            files::restore(file, target, identity, None).await?;
        }
        migrate(settings.clone(), UpTo::Newest).await?;
        let (mut chains, mut entries) = (0, 0);
        for workspace in audit::audited_workspaces(scratch).await? {
            // It ended since: its rows are in the backup, and nothing opens them.
            if scratch.vault().is_ended(workspace).await? {
                continue;
            }
            match audit::verify(scratch, workspace).await? {
                Verdict::Intact { entries: of_chain } => (chains, entries) = (chains + 1, entries + of_chain),
                Verdict::Broken { seq, why } => {
                    let message = format!("The audit chain of {workspace} came back broken at entry {seq}: {why}.");
                    return Err(Error::new(ErrorKind::Corrupt, message));
                }
            }
        }
        Ok(Found { files: list.len() as u64, manifest, chains, entries, refused })
    }

    /// Signs what was found. It says nothing of one workspace, so that each may read it.
    async fn report(&self, began_at: Timestamp, outcome: Result<Found>) -> Result<Drill> {
        let store = self.store();
        let (id, now) = (DrillId::new(store.clock()), store.now());
        let (found, failure) = match outcome {
            Ok(found) => (Some(found), None),
            Err(error) => {
                tracing::error!(drill = %id, ?error, "a restore drill failed");
                (None, Some(error.message().to_owned()))
            }
        };
        let manifest = found.as_ref().map(|found| &found.manifest);
        let claims = json!({
            "iss": "consigne",
            "typ": REPORT,
            "jti": id.to_string(),
            "iat": now.seconds(),
            "passed": found.is_some(),
            "failure": failure,
            "backup": manifest.map(|manifest| manifest.id.to_string()),
            "recoveryPoint": manifest.map(|manifest| manifest.began_at.rfc3339()),
            "recoveryPointAgeSeconds": manifest.map(|manifest| (now.0 - manifest.began_at.0) / 1_000),
            "recoveryTimeMillis": now.0 - began_at.0,
            "tables": manifest.map(|manifest| manifest.tables.len()),
            "tablesAreEqual": found.is_some(),
            "files": found.as_ref().map(|found| found.files),
            "filesAreEqual": found.is_some(),
            "auditChains": found.as_ref().map(|found| found.chains),
            "auditEntries": found.as_ref().map(|found| found.entries),
            "peopleNotBroughtBack": found.as_ref().map(|found| found.refused),
        });
        let report = signing::sign(store, SigningPurpose::Reports, &claims).await?;
        let drill = Drill {
            id,
            backup: manifest.map(|manifest| manifest.id),
            finished_at: now,
            has_passed: found.is_some(),
            failure,
            report,
        };
        record::add_drill(store, began_at, drill.clone()).await?;
        let action = if drill.has_passed { "backup.drill_passed" } else { "backup.drill_failed" };
        record::tell_all(store, || Event::new(action).target("drill", id.0)).await?;
        Ok(drill)
    }
}

/// What a report's `typ` claim is.
pub const REPORT: &str = "restore-drill-report";

/// The step of the schema at which a backup was made.
pub(super) fn step_of(manifest: &Manifest) -> Result<UpTo> {
    let last = manifest.schema.last().ok_or_else(|| Error::new(ErrorKind::Corrupt, "The backup has no schema."))?;
    Ok(UpTo::Step(last.clone()))
}

fn make_private(folder: &Path) -> Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|error| {
        Error::new(ErrorKind::Unavailable, format!("No folder for the drill can be made ({}).", error.kind()))
    })
}
