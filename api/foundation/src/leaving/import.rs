//! An archive into an empty installation. Ids stay, everything is sealed under new keys, and before the transaction ends an archive
//! of what was written is compared with what was read: the same counts, the same hashes.
//!
//! Files and keys come first and rows last, in one transaction: a place is empty as long as it has no rows, so what failed before can
//! be tried again.

use std::collections::HashMap;

use futures::stream;
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    archive::{Archive, corrupt},
    fill::{self, Filling, Words},
    lines, manifest,
    opened::{self, Keys},
    plan::{Plan, Role, TablePlan},
};
use crate::{
    audit::{self, Event},
    backups::{
        catalogue::{self, Schema},
        restore,
        rows::{self, Existing, TableWriter},
    },
    blobs::Blobs,
    error::{Error, ErrorKind, Result},
    id::{SubjectId, WorkspaceId, encode, random_uuid},
    identity::password,
    privacy::{Privacy, ledger, subjects::state::ACTIVE},
    scope::Scope,
    store::{Store, WorkspaceTx},
};

/// Values that are emptied rather than absent, where something was withdrawn.
const EMPTIED: [(&str, &str); 2] = [("citations", "quote_sealed"), ("citations", "title_sealed")];

/// Largest file of a document: nothing but a fault makes more.
const LARGEST: u64 = 1 << 44;

/// What came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// Rows by table, each compared with the manifest.
    pub tables: Vec<(String, u64)>,
    /// Files.
    pub files: u64,
    /// People who got a key of here.
    pub people: u64,
}

/// Reads a checked archive in, into a store that is empty and whose schema stands where the archive's stood.
///
/// # Errors
/// `Corrupt` where a row is not what such a row is, or where what was written is not what was read; `Conflict` for another schema;
/// `Unavailable`. Rows are there all or not at all.
pub async fn load(privacy: &Privacy, archive: &mut Archive, words: &mut dyn Words) -> Result<Imported> {
    let (store, blobs) = (privacy.store(), privacy.blobs());
    let manifest = archive.manifest().clone();
    let (workspace, scope) = (manifest.workspace, Scope::duty(manifest.workspace, "import"));
    let people = make_keys(store, archive, workspace).await?;
    let files = bring_files(store, blobs, archive, &manifest).await?;

    let tx = store.write(&scope).await?;
    let plan = Plan::of(catalogue::tables(tx.db(), Schema::Data).await?, privacy)?;
    let mut keys = Keys::new(store.vault(), workspace);
    let mut filling = Filling {
        tx: &tx,
        words,
        numbers: store.vault().term_numbers(workspace).await?,
        files,
        password_hash: password::hash(&encode(random_uuid())).await?,
        terms: None,
    };
    for table in plan.tables.iter().filter(|table| table.role == Role::Data) {
        let told = manifest.tables.iter().find(|told| told.name == table.name).ok_or_else(|| {
            Error::new(ErrorKind::Conflict, format!("The archive has no table {}, which this program has.", table.name))
        })?;
        refuse_other_columns(table, told)?;
        read_in(archive, table, told, &mut keys, &mut filling).await?;
    }
    filling.words.write(&tx).await?;
    restore::restrict_again(&tx, &[workspace]).await?;
    let mut tables = Vec::new();
    for table in plan.tables.iter().filter(|table| table.role == Role::Data) {
        let found = lines::digest(tx.db(), table, &mut keys).await?;
        let told = manifest.tables.iter().find(|told| told.name == table.name);
        if told.is_none_or(|told| found != (told.rows, told.ndjson.sha256.clone())) {
            return Err(corrupt(format!("{} did not come in as it is there.", table.name)));
        }
        tables.push((table.name.to_owned(), found.0));
    }
    write_ledger(&tx, blobs).await?;
    tx.commit().await?;
    Ok(Imported { workspace, tables, files: manifest.files.len() as u64, people })
}

/// A key for everybody who is alive, and a tombstone for everybody who is not.
async fn make_keys(store: &Store, archive: &mut Archive, workspace: WorkspaceId) -> Result<u64> {
    let vault = store.vault();
    vault.workspace_key(workspace).await?;
    let path = archive.manifest().tables.iter().find(|table| table.name == "subjects");
    let path = path.map(|table| table.ndjson.path.clone()).ok_or_else(|| corrupt("It has no table subjects."))?;
    let (mut made, mut people) = (0, Vec::new());
    for line in archive.lines(&path)? {
        let said: Value = serde_json::from_str(&line?).map_err(|_| corrupt("A line of subjects is not JSON."))?;
        let id = said["id"].as_str().and_then(|id| Uuid::parse_str(id).ok());
        let id = id.ok_or_else(|| corrupt("A row of subjects has no id."))?;
        people.push((SubjectId(id), said["state"] == ACTIVE));
    }
    for (person, is_alive) in people {
        if !is_alive {
            vault.shred(workspace, person).await?;
            continue;
        }
        match vault.create_subject_key(workspace, person).await {
            Ok(_) => {}
            // From a try that failed later.
            Err(error) if error.kind() == ErrorKind::Conflict => {}
            Err(error) => return Err(error),
        }
        made += 1;
    }
    Ok(made)
}

/// The files of documents, sealed under the new key; answers the hash of each by where it is.
async fn bring_files(
    store: &Store,
    blobs: &Blobs,
    archive: &mut Archive,
    manifest: &manifest::Manifest,
) -> Result<HashMap<String, Vec<u8>>> {
    let workspace = manifest.workspace;
    let key = store.vault().workspace_key(workspace).await?;
    let mut files = HashMap::new();
    for file in &manifest.files {
        let name = file.path.strip_prefix("files/").and_then(|name| Uuid::try_parse(name).ok());
        let name = name.ok_or_else(|| corrupt(format!("{} is not the name of a file.", file.path)))?;
        let pieces = stream::iter(archive.pieces(&file.path)?);
        let stored = blobs.put(&key, workspace, name, pieces, LARGEST).await?;
        let digest = fill::digest_of(&file.sha256).ok_or_else(|| corrupt("A hash in its manifest is none."))?;
        files.insert(stored.path, digest);
    }
    Ok(files)
}

fn refuse_other_columns(plan: &TablePlan, told: &manifest::Table) -> Result<()> {
    let ours: Vec<_> = plan.columns.iter().map(|column| (column.name, column.kind)).collect();
    let theirs: Vec<_> = told.columns.iter().map(|column| (column.name.as_str(), column.kind)).collect();
    if ours == theirs {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Conflict, format!("The archive has other columns of {} than this program.", plan.name)))
}

async fn read_in(
    archive: &mut Archive,
    plan: &TablePlan,
    told: &manifest::Table,
    keys: &mut Keys<'_>,
    filling: &mut Filling<'_>,
) -> Result<()> {
    let tx = filling.tx;
    let known = [plan.table.clone()];
    let mut writer = TableWriter::new(tx.db(), &known, &rows::head(&plan.table), Existing::Refuse)?;
    let mut lines = archive.lines(&told.ndjson.path)?;
    while let Some(line) = lines.next().transpose()? {
        let said: Map<String, Value> =
            serde_json::from_str(&line).map_err(|_| corrupt(format!("A line of {} is not a row.", plan.name)))?;
        let values = row(plan, &said, keys, filling).await?;
        writer.line(&Value::Array(values).to_string()).await?;
    }
    writer.finish().await.map(drop)
}

/// A row as a backup says it: plain values first, since what is sealed stands at them.
async fn row(
    plan: &TablePlan,
    said: &Map<String, Value>,
    keys: &mut Keys<'_>,
    filling: &mut Filling<'_>,
) -> Result<Vec<Value>> {
    let mut values = vec![Value::Null; plan.table.columns.len()];
    let of_row = |name: &str| said.get(name).ok_or_else(|| corrupt(format!("A row of {} has no {name}.", plan.name)));
    for column in plan.columns.iter().filter(|column| column.line.sealed.is_none()) {
        values[column.at] = opened::plain_in(column.kind, of_row(column.name)?)
            .ok_or_else(|| corrupt(format!("A value of {}.{} is none.", plan.name, column.name)))?;
    }
    for column in &plan.columns {
        let Some(seal) = column.line.sealed else { continue };
        let said = of_row(column.name)?;
        let is_emptied = said.is_null() && EMPTIED.contains(&(plan.name, column.line.name.as_str()));
        values[column.at] =
            if is_emptied { fill::emptied() } else { opened::seal(plan, column, seal, said, &values, keys).await? };
    }
    for (column, _) in &plan.left_out {
        if let Some(at) = plan.position(column) {
            values[at] = filling.value(plan, column, said, &values).await?;
        }
    }
    Ok(values)
}

/// Who was erased stays erased here, whatever backup of here is restored.
async fn write_ledger(tx: &WorkspaceTx, blobs: &Blobs) -> Result<()> {
    // By name, since the schema may be older than the entities.
    let sql = "SELECT id, subject_id, requested_at FROM erasures WHERE workspace_id = $1";
    let all = Statement::from_sql_and_values(tx.get_database_backend(), sql, [tx.workspace().into()]);
    for row in tx.query_all_raw(all).await? {
        let entry = ledger::Entry {
            erasure: row.try_get("", "id")?,
            workspace: tx.workspace(),
            subject: row.try_get("", "subject_id")?,
            requested_at: row.try_get("", "requested_at")?,
        };
        ledger::write(blobs, &entry).await?;
    }
    Ok(())
}

/// Writes down that the workspace came in; with it, its audit log begins here.
///
/// # Errors
/// `Unavailable`.
pub async fn note(store: &Store, manifest: &manifest::Manifest) -> Result<()> {
    let scope = Scope::duty(manifest.workspace, "import");
    let tx = store.write(&scope).await?;
    let event = Event::new("workspace.imported").target("workspace_export", manifest.export.0);
    audit::append(&scope, &tx, event.detail("rows", manifest.rows())).await?;
    tx.commit().await
}
