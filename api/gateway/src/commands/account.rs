//! `consigne account`: what the operator does about accounts from the machine itself, where the root key is at hand.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};
use consigne_assistant::escalations::staff;
use consigne_foundation::{
    Clock,
    id::{WorkspaceId, encode, random_uuid},
    identity::{accounts, closing, passwords, single_sign_on::providers},
    store::Store,
};

use crate::{app, config::Config};

/// Which account, and what to do about it.
#[derive(Args)]
pub struct AccountArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Makes an account and a workspace that it owns, and prints a password.
    Create {
        #[command(flatten)]
        who: Who,
        /// The workspace's name.
        #[arg(long, default_value = "My workspace")]
        workspace_name: String,
    },
    /// Prints a link to choose another password with, which works once and for an hour.
    ResetLink(Who),
    /// Closes an account: nobody signs in with it.
    Deactivate(Who),
    /// Opens an account again.
    Reactivate(Who),
    /// Erases an account and all that is kept with it, for good.
    Erase(Who),
    /// Lets passwords open a workspace again that only its identity provider opens, where nobody can say so from inside.
    AllowPasswords {
        /// The workspace's id.
        workspace: String,
        #[command(flatten)]
        config: Box<Config>,
    },
}

/// An account, and where it is kept.
#[derive(Args)]
struct Who {
    /// Its e-mail address.
    email: String,
    #[command(flatten)]
    config: Box<Config>,
}

impl Who {
    async fn store(&self) -> Result<Store> {
        store(&self.config).await
    }
}

async fn store(config: &Config) -> Result<Store> {
    Ok(Store::open(&config.data.store(), config.keys.provider(&config.data)?, Clock::system()).await?)
}

/// Does it, and says what was done.
///
/// # Errors
/// An unknown account; a workspace that would be left without an owner; a database that is down.
pub async fn account(args: AccountArgs) -> Result<ExitCode> {
    match args.command {
        Command::Create { who, workspace_name } => {
            let password = encode(random_uuid());
            let made = accounts::create_owner(&who.store().await?, &who.email, &password, &workspace_name).await?;
            println!("  Account               {}", made.account);
            println!("  Workspace             {}", made.workspace);
            println!("  Password              {password}");
        }
        Command::ResetLink(who) => {
            let token = passwords::reset_token(&who.store().await?, &who.email).await?;
            println!("{}/reset#{}", app::console_url(&who.config), token.expose());
        }
        Command::Deactivate(who) => {
            println!("{} is closed.", closing::deactivate(&who.store().await?, &who.email).await?);
        }
        Command::Reactivate(who) => {
            println!("{} is open again.", closing::reactivate(&who.store().await?, &who.email).await?);
        }
        Command::Erase(who) => {
            let store = who.store().await?;
            let (account, scopes) = closing::workspaces_of(&store, &who.email).await?;
            closing::erase(&store, account).await?;
            for scope in &scopes {
                staff::forget(scope, &store, account).await?;
            }
            store.purge_deleted_bytes().await?;
            println!("{account} is erased.");
        }
        Command::AllowPasswords { workspace, config } => {
            let workspace = WorkspaceId::parse_or_unknown(&workspace);
            providers::lift(&store(&config).await?, workspace).await?;
            println!("Passwords open {workspace} again.");
        }
    }
    Ok(ExitCode::SUCCESS)
}
