//! `consigne terminations`: the ends of workspaces, and what the law keeps of them.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use consigne_foundation::{Clock, id::TerminationId, leaving::termination};

use crate::{app::App, config::Config};

/// Which, and what of it.
#[derive(Args)]
pub struct TerminationArgs {
    /// Prints what is kept of one because a law says so, as JSON: ids, times, instructions.
    #[arg(long, value_name = "ID")]
    kept: Option<String>,
    #[command(flatten)]
    config: Config,
}

/// Lists them, newest first, or opens what is kept of one.
///
/// # Errors
/// The database cannot be reached; nothing is kept of it.
pub async fn terminations(args: TerminationArgs) -> Result<ExitCode> {
    let app = App::build(args.config, Clock::system()).await?;
    let privacy = &app.services.privacy;
    if let Some(id) = &args.kept {
        println!("{}", termination::kept_of(privacy, TerminationId::parse_or_unknown(id)).await?);
    } else {
        for ended in termination::list(privacy).await? {
            let (id, workspace, state) = (ended.id, ended.workspace, ended.state.name());
            println!("{id} {workspace} {} {state} since {}", ended.choice.name(), ended.requested_at.rfc3339());
            for step in ended.steps.iter().filter(|step| !step.is_done) {
                println!("  {} is not empty: {}", step.name, step.detail.as_deref().unwrap_or("something is left"));
            }
            for kept in &ended.kept {
                println!("  {} {} are kept until {}: {}", kept.rows, kept.class, kept.until.rfc3339(), kept.basis);
            }
        }
    }
    app.services.store.close().await?;
    Ok(ExitCode::SUCCESS)
}
