//! `consigne restore`: a backup into an empty place. Nothing is written over, and nobody who was erased comes back.

use std::{path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use clap::Args;
use consigne_foundation::{
    Clock,
    audit::{self, Verdict},
    backups::{
        Identity, Target, UpTo,
        restore::{self, Restored, Source},
    },
    blobs::Blobs,
    id::BackupId,
    jobs::{JobHandler, Runner, RunnerOptions},
    leaving::termination,
    privacy::{self, EraseHandler},
    store::{Store, connect},
};

use super::reindex;
use crate::{
    app::{App, migrate_to},
    config::Config,
    worker,
};

/// What from where.
#[derive(Args)]
pub struct RestoreArgs {
    /// Where the backup is: a folder, or `s3://BUCKET/FOLDER`.
    #[arg(long)]
    from: String,
    /// Where the key store's current copy and the erasure ledger are, if not beside the backup.
    #[arg(long)]
    keys: Option<String>,
    /// Which backup, as `consigne backup --list` names it; the newest where left out.
    #[arg(long)]
    backup: Option<String>,
    /// File of the identity that opens it.
    #[arg(long)]
    identity: PathBuf,
    #[command(flatten)]
    config: Config,
}

/// Restores, erases again who was erased since, checks the audit chains, fills the index, and says all of it.
///
/// # Errors
/// The place is not empty; the root key, the identity or the backup is another one, or not whole.
pub async fn restore(args: RestoreArgs) -> Result<ExitCode> {
    let config = args.config;
    let target =
        |address: &str| -> Result<Target> { Ok(Target::open(&config.backups.target(&config.data, Some(address))?)?) };
    let (from, keys) = (target(&args.from)?, target(args.keys.as_deref().unwrap_or(&args.from))?);
    let identity = Identity::load(&args.identity)?;
    if !config.keys.is_there(&config.data) {
        bail!(
            "{} is not there. Put the root key of the installation that made the backup back first: without it nothing \
             can be read.",
            config.keys.root_key_path(&config.data).display()
        );
    }
    let provider = config.keys.provider(&config.data)?;
    let own = restore::vouching(&keys, &identity, &provider).await?;
    let wanted = args.backup.as_deref().map(BackupId::parse_or_unknown);
    let manifest = restore::choose(&from, &own, wanted).await?;
    println!("{}, as of {}", manifest.id, manifest.began_at.rfc3339());

    prepare(&config, &manifest.schema, "backup").await?;
    let store = Store::open_to_fill(&config.data.store(), provider, Clock::system()).await?;
    let blobs = Blobs::open(&config.data.blobs()?)?;
    let source = Source { backup: &from, keys: &keys, identity: &identity, manifest: &manifest };
    let restored = restore::load(&store, &blobs, &source).await?;
    store.close().await?;
    say(&restored);

    let app = App::build(config, Clock::system()).await?;
    let is_whole = finish(&app).await?;
    app.services.store.close().await?;
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// An empty database with the schema of what is to come into it.
pub(super) async fn prepare(config: &Config, schema: &[String], what: &str) -> Result<()> {
    let ours = consigne_migrations::data_steps();
    if let Some(unknown) = schema.iter().find(|step| !ours.contains(&step.as_str())) {
        bail!("The {what} was made by a later version of Consigne: this one does not know the step {unknown}.");
    }
    std::fs::create_dir_all(&config.data.data_dir)
        .with_context(|| format!("the data folder {} cannot be made", config.data.data_dir.display()))?;
    let owner = config
        .data
        .owner_store()
        .context("Give the owner's URL of the database in CONSIGNE_DATABASE_OWNER_URL to write into it.")?;
    let (data, keys) = connect::connect_as_owner(&owner).await?;
    let is_empty = restore::refuse_unless_empty(&data).await;
    data.close().await?;
    keys.close().await?;
    is_empty?;
    let last = schema.last().cloned().with_context(|| format!("the {what} has no schema"))?;
    Ok(migrate_to(&owner, config.data.application_role().as_deref(), UpTo::Step(last)).await?)
}

fn say(restored: &Restored) {
    for table in restored.tables.iter().filter(|table| table.rows > 0) {
        println!("  {:<24} {:>9} rows, as in the backup", table.table, table.rows);
    }
    println!("  files                    {:>9} written", restored.files);
    println!("  erasure ledger           {:>9} entries", restored.ledger_entries);
    println!("  people not brought back  {:>9} (their keys were dropped: {})", restored.refused, restored.keys_dropped);
}

/// Everything that has to be true before the gateway opens.
async fn finish(app: &App) -> Result<bool> {
    let services = &app.services;
    // First what ended since: nobody is left in it to be erased.
    let ended = termination::duty::replay(&services.privacy).await?;
    let handlers: Vec<Arc<dyn JobHandler>> = vec![Arc::new(worker::termination_handler(services))];
    let ender = RunnerOptions { handlers, duties: Vec::new(), poll_every: Duration::from_secs(1) };
    Runner::new(services.store.clone(), ender).run_until_idle().await?;
    println!("  workspaces ended again   {ended:>9}");
    let opened = privacy::replay(&services.privacy).await?;
    let handlers: Vec<Arc<dyn JobHandler>> = vec![Arc::new(EraseHandler(services.privacy.clone()))];
    let eraser = RunnerOptions { handlers, duties: Vec::new(), poll_every: Duration::from_secs(1) };
    Runner::new(services.store.clone(), eraser).run_until_idle().await?;
    println!("  erasures done again      {opened:>9}");
    let mut is_whole = true;
    for workspace in audit::audited_workspaces(&services.store).await? {
        match audit::verify(&services.store, workspace).await? {
            Verdict::Intact { entries } => println!("  {workspace}: {entries} audit entries, intact"),
            Verdict::Broken { seq, why } => {
                is_whole = false;
                println!("  {workspace}: audit chain BROKEN at entry {seq}: {why}");
            }
        }
    }
    match reindex::fill_all(app).await {
        Ok(is_filled) => is_whole &= is_filled,
        Err(error) => {
            is_whole = false;
            println!("  The vector index was not filled ({error}). Run `consigne reindex`.");
        }
    }
    println!();
    println!("Everybody has to sign in again. API keys and plugin settings are as they were at the recovery point:");
    println!("revoke again what was revoked since. Then `consigne serve`.");
    Ok(is_whole)
}
