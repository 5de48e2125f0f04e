//! `consigne retention --dry-run`: what was kept long enough, and what is held. The worker deletes it each hour.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;
use consigne_foundation::{Clock, identity::operator};

use crate::{app::App, config::Config};

/// Only to look.
#[derive(Args)]
pub struct RetentionArgs {
    /// Counts and deletes nothing. The worker deletes; there is no other way.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    config: Config,
}

/// Counts by the path that deletes, and prints a line a class that has something.
///
/// # Errors
/// The database cannot be reached; holds cannot be read.
pub async fn retention(args: RetentionArgs) -> Result<ExitCode> {
    if !args.dry_run {
        bail!("the worker deletes what was kept long enough, each hour; say --dry-run to see what it would delete");
    }
    let app = App::build(args.config, Clock::system()).await?;
    let store = &app.services.store;
    let scopes = operator::scopes(store, "retention").await?;
    let mut expired = 0;
    for (workspace, class) in app.services.retention.dry_run(&scopes).await? {
        if class.expired == 0 && class.held == 0 {
            continue;
        }
        expired += class.expired;
        let of = workspace.map_or_else(|| "installation".to_owned(), |workspace| workspace.to_string());
        let since = class.over_since.map(|since| format!(", over since {}", since.rfc3339())).unwrap_or_default();
        println!("{of}: {} {} rows ({} held) after {}{since}", class.class, class.expired, class.held, class.period);
    }
    println!("{expired} rows would go.");
    store.close().await?;
    Ok(ExitCode::SUCCESS)
}
