//! `consigne keys`: what keys there are, another root key, and whether every version is there (`docs/keys.md`).

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use consigne_foundation::{
    Clock,
    keys::{self, check::Thoroughness},
};

use crate::{app::App, config::Config};

/// What to do about keys.
#[derive(Args)]
pub struct KeyArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Puts another root key to use, wraps everything by it, and destroys the old one. May be repeated where it was broken off.
    RotateRoot {
        #[command(flatten)]
        config: Box<Config>,
    },
    /// Lists the versions of the root key.
    List {
        #[command(flatten)]
        config: Box<Config>,
    },
    /// Looks whether every version that a row refers to is there, row by row.
    Check {
        #[command(flatten)]
        config: Box<Config>,
    },
}

/// Does it, and says what was done.
///
/// # Errors
/// The root key is another one, or cannot be reached; the database is down.
pub async fn keys(args: KeyArgs) -> Result<ExitCode> {
    match args.command {
        Command::RotateRoot { config } => rotate_root(*config).await?,
        Command::List { config } => list(*config).await?,
        Command::Check { config } => {
            let app = App::build(*config, Clock::system()).await?;
            keys::refuse_missing_versions(&app.services.store, Thoroughness::Whole).await?;
            app.services.store.close().await?;
            println!("Every version that a row refers to is there.");
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn rotate_root(config: Config) -> Result<()> {
    let app = App::build(config, Clock::system()).await?;
    let report = keys::rotate_root(&app.services.store, &app.services.backups).await?;
    app.services.store.close().await?;
    if let Some(how) = report.by_hand {
        bail!("Another root key has to be made by hand. {how}");
    }
    if let Some((version, _)) = &report.next {
        println!("Version {} of the root key is in use; {} keys were wrapped anew.", version.number, report.rewrapped);
        println!("Copy it to where the old one's copy is: without it no backup can be read.");
    }
    for number in &report.destroyed {
        println!("Version {number} is destroyed.");
    }
    for (number, why) in &report.left {
        println!("Version {number} is not needed any more, and still there. {why}");
    }
    Ok(())
}

async fn list(config: Config) -> Result<()> {
    let app = App::build(config, Clock::system()).await?;
    for root in app.services.store.vault().roots().await? {
        let state = match (root.destroyed_at, root.retired_at) {
            (Some(at), _) => format!("destroyed {}", at.rfc3339()),
            (None, Some(at)) => format!("not needed since {}", at.rfc3339()),
            (None, None) => "there".to_owned(),
        };
        println!("{:>4}  from {}  {state}", root.version.number, root.begins_at.rfc3339());
    }
    app.services.store.close().await?;
    Ok(())
}
