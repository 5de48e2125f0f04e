//! `consigne reindex`: fills the index from the database, without embedding anything again, and counts both sides.

use std::{io::Write, process::ExitCode};

use anyhow::{Result, bail};
use clap::Args;
use consigne_assistant::knowledge::search;
use consigne_foundation::{Clock, Scope, id::WorkspaceId, identity::operator};

use crate::{app::App, config::Config};

/// What to fill.
#[derive(Args)]
pub struct ReindexArgs {
    /// One workspace; all of them where left out.
    #[arg(long)]
    workspace: Option<String>,
    #[command(flatten)]
    config: Config,
}

/// Brings the index to what the database says, workspace by workspace. Stopped and started again, it goes on.
///
/// # Errors
/// An unknown workspace; a database or an index that is down.
pub async fn reindex(args: ReindexArgs) -> Result<ExitCode> {
    let app = App::build(args.config, Clock::system()).await?;
    let mut scopes = operator::scopes(&app.services.store, "reindex").await?;
    if let Some(name) = &args.workspace {
        let wanted = WorkspaceId::parse_or_unknown(name);
        scopes.retain(|scope| scope.workspace() == wanted);
        if scopes.is_empty() {
            bail!("there is no workspace {name}");
        }
    }
    let mut is_whole = true;
    for scope in &scopes {
        is_whole &= fill(&app, scope).await?;
    }
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Fills the index of every workspace; says whether each is whole then.
///
/// # Errors
/// A database or an index that is down.
pub async fn fill_all(app: &App) -> Result<bool> {
    let mut is_whole = true;
    for scope in operator::scopes(&app.services.store, "restore").await? {
        is_whole &= fill(app, &scope).await?;
    }
    Ok(is_whole)
}

async fn fill(app: &App, scope: &Scope) -> Result<bool> {
    let workspace = scope.workspace();
    let filled = search::reconcile(scope, &app.services.knowledge, |done, all| {
        print!("\r  {workspace}: {done} of {all} passages compared   ");
        // A terminal that is gone does not stop the work.
        let _ = std::io::stdout().flush();
    })
    .await?;
    println!(
        "\r  {workspace}: {} passages stored, {} indexed; {} put, {} removed   ",
        filled.stored, filled.indexed, filled.put, filled.removed
    );
    Ok(filled.stored == filled.indexed)
}
