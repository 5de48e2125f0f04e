//! `consigne backup`: makes one now, or lists them.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use consigne_foundation::{
    Clock,
    backups::{BackupState, Manifest, Sweep, Target, record},
};

use crate::{app::App, config::Config};

/// Where to.
#[derive(Args)]
pub struct BackupArgs {
    /// Somewhere else than the settings say: a folder, or `s3://BUCKET/FOLDER`. The key store does not go there: it is one
    /// current file, at the place of the settings.
    #[arg(long)]
    to: Option<String>,
    /// Lists what is known of backups and drills, and makes none.
    #[arg(long)]
    list: bool,
    /// Makes none, and removes what was kept long enough there; what somebody else removed is noted as gone.
    #[arg(long, conflicts_with = "list")]
    prune: bool,
    #[command(flatten)]
    config: Config,
}

/// Makes a backup and says what is in it.
///
/// # Errors
/// The place or the database cannot be reached; a backup is being made already.
pub async fn backup(args: BackupArgs) -> Result<ExitCode> {
    let elsewhere = match &args.to {
        Some(to) => Some(Target::open(&args.config.backups.target(&args.config.data, Some(to))?)?),
        None => None,
    };
    let app = App::build(args.config, Clock::system()).await?;
    if args.list {
        list(&app).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let backups = &app.services.backups;
    if args.prune {
        let target = elsewhere.as_ref().unwrap_or_else(|| backups.target());
        let removed = backups.prune(target, Sweep::Nothing).await?;
        println!("{removed} backups were removed at {}.", target.name());
        app.services.store.close().await?;
        return Ok(ExitCode::SUCCESS);
    }
    let (made, place) = match &elsewhere {
        Some(target) => (backups.make_elsewhere(target).await?, target.name()),
        None => (backups.make().await?, backups.target().name()),
    };
    say(&made, place);
    app.services.store.close().await?;
    Ok(ExitCode::SUCCESS)
}

fn say(made: &Manifest, place: &str) {
    println!("{} is at {place}", made.id);
    println!("  recovery point   {}", made.began_at.rfc3339());
    println!("  rows             {} in {} tables", made.rows(), made.tables.len());
    println!("  files            {} ({} bytes)", made.files, made.file_bytes);
    println!("  erasure ledger   {} entries", made.ledger.entries);
    println!("  opened by        {}", made.recipients.join(", "));
}

async fn list(app: &App) -> Result<()> {
    for backup in record::list(&app.services.store).await? {
        let state = match backup.state {
            BackupState::Running => "running",
            BackupState::Kept => "kept",
            BackupState::Failed => "FAILED",
            BackupState::Gone => "gone",
        };
        let why = backup.failure.map(|why| format!(": {why}")).unwrap_or_default();
        println!("{} {} {state:<8} {}{why}", backup.id, backup.began_at.rfc3339(), backup.place);
    }
    for drill in record::drills(&app.services.store).await? {
        let verdict = if drill.has_passed { "passed" } else { "FAILED" };
        let why = drill.failure.map(|why| format!(": {why}")).unwrap_or_default();
        println!("{} {} {verdict}{why}", drill.id, drill.finished_at.rfc3339());
    }
    Ok(())
}
