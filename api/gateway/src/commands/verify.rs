//! `consigne verify`: a deletion certificate, offline; or every audit chain of this installation.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, Result};
use clap::Args;
use consigne_foundation::{
    Clock,
    audit::{self, Verdict},
    identity::signing,
    store::Store,
};
use serde_json::Value;

use crate::config::Config;

/// What to verify.
#[derive(Args)]
pub struct VerifyArgs {
    /// A deletion certificate: a file with a compact JWS, alone or as the `certificate` of a JSON object. Without it, every
    /// audit chain of this installation is read and judged.
    certificate: Option<PathBuf>,
    /// The keys, as `/.well-known/jwks.json` answers them; those that stand in the certificate's file where left out.
    #[arg(long)]
    keys: Option<PathBuf>,
    #[command(flatten)]
    config: Box<Config>,
}

/// Verifies, prints, and says by its exit code whether it held.
///
/// # Errors
/// A file or the database cannot be read.
pub async fn verify(args: VerifyArgs) -> Result<ExitCode> {
    match &args.certificate {
        Some(path) => verify_certificate(path, args.keys.as_deref()),
        None => verify_chains(&args.config).await,
    }
}

fn verify_certificate(path: &std::path::Path, keys: Option<&std::path::Path>) -> Result<ExitCode> {
    let text = std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let (jws, inside) = match serde_json::from_str::<Value>(&text) {
        Ok(Value::Object(object)) => {
            let jws = object.get("certificate").and_then(Value::as_str).context("the file has no `certificate`")?;
            (jws.to_owned(), object.get("keys").map(|_| Value::Object(object.clone())))
        }
        _ => (text.trim().to_owned(), None),
    };
    let keys = match keys {
        Some(keys) => {
            let text = std::fs::read_to_string(keys).with_context(|| format!("{} cannot be read", keys.display()))?;
            serde_json::from_str(&text).context("the keys are not JSON")?
        }
        None => inside.context("give the keys with --keys; they are at /.well-known/jwks.json")?,
    };
    match signing::verify_offline(&jws, &keys) {
        Ok(claims) => {
            println!("{}", serde_json::to_string_pretty(&claims)?);
            println!("The certificate is genuine.");
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            println!("The certificate is NOT genuine: {error}");
            Ok(ExitCode::FAILURE)
        }
    }
}

async fn verify_chains(config: &Config) -> Result<ExitCode> {
    let store = Store::open(&config.data.store(), config.data.root_key()?, Clock::system()).await?;
    let mut is_intact = true;
    for workspace in audit::audited_workspaces(&store).await? {
        match audit::verify(&store, workspace).await? {
            Verdict::Intact { entries } => println!("{workspace}: {entries} entries, intact"),
            Verdict::Broken { seq, why } => {
                is_intact = false;
                println!("{workspace}: BROKEN at entry {seq}: {why}");
            }
        }
    }
    store.close().await?;
    Ok(if is_intact { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
