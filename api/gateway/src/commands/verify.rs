//! `consigne verify`: a deletion certificate or the report of a restore drill, offline; or every audit chain of this installation.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result};
use clap::Args;
use consigne_foundation::{
    Clock,
    audit::{self, Verdict},
    backups::drill::REPORT,
    identity::signing,
    leaving::termination,
    store::Store,
};
use serde_json::Value;

use crate::config::Config;

/// What to verify.
#[derive(Args)]
pub struct VerifyArgs {
    /// A deletion certificate or the report of a drill: a file with a compact JWS, alone or as the `certificate` of a JSON object. Without it, every
    /// audit chain of this installation is read and judged.
    certificate: Option<PathBuf>,
    /// The keys, as `/.well-known/jwks.json` answers them; this installation's own where left out.
    #[arg(long)]
    keys: Option<PathBuf>,
    #[command(flatten)]
    config: Box<Config>,
}

/// Verifies, prints, and says by its exit code whether it held: 0 for genuine, 1 for not, 2 where the signature holds but
/// by keys that came with the certificate, which anyone could have made.
///
/// # Errors
/// A file or the database cannot be read.
pub async fn verify(args: VerifyArgs) -> Result<ExitCode> {
    let Some(path) = &args.certificate else { return verify_chains(&args.config).await };
    let (jws, inside) = read_certificate(path)?;
    if let Some(keys) = &args.keys {
        let text = std::fs::read_to_string(keys).with_context(|| format!("{} cannot be read", keys.display()))?;
        let keys = serde_json::from_str(&text).context("the keys are not JSON")?;
        return judge(&jws, &keys, ExitCode::SUCCESS, "The certificate is genuine.");
    }
    if let Some(keys) = own_keys(&args.config).await {
        return judge(&jws, &keys, ExitCode::SUCCESS, "The certificate is genuine: this installation signed it.");
    }
    let keys = inside.context("give the keys with --keys; they are at /.well-known/jwks.json of whoever signed")?;
    let warning = "The signature holds, by the keys in the certificate's own file. Compare them with \
                   /.well-known/jwks.json of whoever signed, or give those with --keys.";
    judge(&jws, &keys, ExitCode::from(2), warning)
}

fn read_certificate(path: &Path) -> Result<(String, Option<Value>)> {
    let text = std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    match serde_json::from_str::<Value>(&text) {
        Ok(Value::Object(object)) => {
            let jws = object.get("certificate").and_then(Value::as_str).context("the file has no `certificate`")?;
            Ok((jws.to_owned(), object.get("keys").map(|_| Value::Object(object.clone()))))
        }
        _ => Ok((text.trim().to_owned(), None)),
    }
}

/// The keys of the installation in this machine's data folder, if there is one.
async fn own_keys(config: &Config) -> Option<Value> {
    let is_here = config.data.database_url.is_some() || config.data.data_dir.join("consigne.db").exists();
    if !is_here || !config.keys.is_there(&config.data) {
        return None;
    }
    let store =
        Store::open(&config.data.store(), config.keys.provider(&config.data).ok()?, Clock::system()).await.ok()?;
    signing::jwks(&store).await.ok()
}

fn judge(jws: &str, keys: &Value, genuine: ExitCode, says: &str) -> Result<ExitCode> {
    let claims = match signing::verify_offline(jws, keys) {
        Ok(claims) => claims,
        Err(error) => {
            println!("The certificate is NOT genuine: {error}");
            return Ok(ExitCode::FAILURE);
        }
    };
    let is_known =
        ["erasure-certificate", termination::certificate::TYPE, REPORT].iter().any(|typ| claims["typ"] == **typ);
    if !is_known {
        println!("The certificate is NOT genuine: something else was signed.");
        return Ok(ExitCode::FAILURE);
    }
    println!("{}", serde_json::to_string_pretty(&claims)?);
    println!("{says}");
    Ok(genuine)
}

async fn verify_chains(config: &Config) -> Result<ExitCode> {
    let store = Store::open(&config.data.store(), config.keys.provider(&config.data)?, Clock::system()).await?;
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
