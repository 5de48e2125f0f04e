//! `consigne import`: an archive of a workspace into an empty place. Everything is sealed under new keys; nobody who was erased
//! comes along, and no secret does.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, Result};
use clap::Args;
use consigne_assistant::knowledge::arrived::ArrivedWords;
use consigne_foundation::{
    Clock,
    blobs::Blobs,
    leaving::{
        archive::Archive,
        import::{self, Imported},
    },
    privacy,
    store::Store,
};

use super::{reindex, restore::prepare};
use crate::{
    app::{self, App},
    config::Config,
};

/// What from where.
#[derive(Args)]
pub struct ImportArgs {
    /// The archive: the file that `createWorkspaceExportLink` gave.
    archive: PathBuf,
    /// Only checks it: every hash, and that nothing is in it that its manifest does not name.
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    config: Config,
}

/// Checks every hash, reads everything in, compares, fills the index, and says all of it.
///
/// # Errors
/// The archive is not whole, was changed, or is of a later version; the place is not empty.
pub async fn import(args: ImportArgs) -> Result<ExitCode> {
    let config = args.config;
    let mut archive = Archive::open(&args.archive)?;
    archive.check()?;
    let manifest = archive.manifest().clone();
    println!("{}, {} as of {}: every hash is right", manifest.export, manifest.workspace, manifest.as_of);
    if args.check {
        return Ok(ExitCode::SUCCESS);
    }
    prepare(&config, &manifest.schema, "archive").await?;
    let store = Store::open(&config.data.store(), config.keys.provider(&config.data)?, Clock::system()).await?;
    let blobs = Blobs::open(&config.data.blobs()?)?;
    let privacy = app::privacy_of(&config, &store, &blobs)?;
    let imported = import::load(&privacy, &mut archive, &mut ArrivedWords::default()).await?;
    store.close().await?;
    say(&imported);

    let app = App::build(config, Clock::system()).await?;
    import::note(&app.services.store, &manifest).await?;
    privacy::replay(&app.services.privacy).await?;
    let is_whole = reindex::fill_all(&app).await.context("the index was not filled: run `consigne reindex`")?;
    println!();
    println!(
        "Nobody has a password here: `consigne account reset-link ADDRESS` prints a link to choose one, and does so for an owner."
    );
    println!("API keys, plugins, channels and second factors have no secrets: give them again. Then `consigne serve`.");
    app.services.store.close().await?;
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn say(imported: &Imported) {
    for (table, rows) in imported.tables.iter().filter(|(_, rows)| *rows > 0) {
        println!("  {table:<24} {rows:>9} rows, as in the archive");
    }
    println!("  files                    {:>9} written", imported.files);
    println!("  people with a new key    {:>9}", imported.people);
}
