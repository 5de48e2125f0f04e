//! `consigne drill`: restores the newest backup into scratch and signs what it found.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::Args;
use consigne_foundation::{Clock, backups::Identity};

use crate::{
    app::{App, migrator},
    config::Config,
};

/// With what.
#[derive(Args)]
pub struct DrillArgs {
    /// File of the identity that opens backups; that of the settings where left out.
    #[arg(long)]
    identity: Option<PathBuf>,
    /// Where to write the signed report; `consigne verify FILE` reads it.
    #[arg(long)]
    report: Option<PathBuf>,
    #[command(flatten)]
    config: Config,
}

/// Drills, and fails where the backup does not come back whole.
///
/// # Errors
/// The identity cannot be read; the report cannot be written.
pub async fn drill(args: DrillArgs) -> Result<ExitCode> {
    let scratch = args.config.data.data_dir.clone();
    let app = App::build(args.config, Clock::system()).await?;
    let backups = &app.services.backups;
    let identity = Identity::load(args.identity.as_ref().unwrap_or_else(|| backups.identity_file()))?;
    let drill = backups.drill(&identity, &migrator(), &scratch).await?;
    match (&drill.failure, drill.backup) {
        (Some(failure), _) => println!("The drill FAILED: {failure}"),
        (None, Some(backup)) => println!("{backup} came back whole."),
        (None, None) => println!("The drill passed."),
    }
    match &args.report {
        Some(path) => std::fs::write(path, &drill.report)?,
        None => println!("{}", drill.report),
    }
    app.services.store.close().await?;
    Ok(if drill.has_passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
