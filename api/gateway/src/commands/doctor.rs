//! `consigne doctor`: what is wrong, and how to mend it.

use std::process::ExitCode;

use anyhow::Result;
use consigne_foundation::{Clock, Timestamp, blobs::Blobs, store::Store};
use consigne_sdk::{EmbedKind, Partition};
use uuid::Uuid;

use crate::{config::Config, plugins};

/// This source is from after then; a clock before it is wrong.
const NOT_BEFORE: Timestamp = Timestamp(1_793_000_000_000);

/// Checks one part after the other, prints each, and fails if one did.
///
/// # Errors
/// None of its own; what is wrong is printed.
pub async fn doctor(config: Config) -> Result<ExitCode> {
    let mut report = Report { is_well: true };
    report.check(
        "data folder",
        std::fs::create_dir_all(&config.data.data_dir).map(|()| config.data.data_dir.display().to_string()),
        "make it writable, or set CONSIGNE_DATA_DIR",
    );
    let root = report.check(
        "root key",
        config.keys.provider(&config.data),
        "give the key this data was made with, in CONSIGNE_ROOT_KEY_FILE, mode 0600",
    );
    let store = match root {
        Some(root) => {
            let store = Store::open_to_fill(&config.data.store(), root, Clock::system()).await;
            report.check(
                "database",
                store,
                "check CONSIGNE_DATABASE_URL; on Postgres run `consigne migrate` as the owner",
            )
        }
        None => None,
    };
    if let Some(store) = &store {
        let pending =
            consigne_migrations::pending(store.connection_for_migrations()).await.map_err(anyhow::Error::from);
        let pending = pending.and_then(|names| {
            if names.is_empty() { Ok("none pending") } else { Err(anyhow::anyhow!("pending: {}", names.join(", "))) }
        });
        let migrated = report.check("migrations", pending, "run `consigne migrate`").is_some();
        if migrated {
            report.check(
                "root key and data",
                store.vault().doctor().await.map(|()| "the key opens what is stored"),
                "give the root key this data was made with",
            );
        }
    }
    let blobs = match config.data.blobs().and_then(|settings| Blobs::open(&settings)) {
        Ok(blobs) => blobs.ping().await,
        Err(error) => Err(error),
    };
    report.check("file store", blobs.map(|()| "reachable"), "check the folder or the bucket's settings");
    report.check(
        "embedding model",
        embed(&config).await,
        "run `make parts`, or set CONSIGNE_PARTS_DIR and ORT_DYLIB_PATH",
    );
    report.check(
        "vector index",
        count_vectors(&config).await,
        "check the address and the key of CONSIGNE_QDRANT_URL, and that the server runs",
    );
    let now = Clock::system().now();
    let clock = if now >= NOT_BEFORE { Ok(now.rfc3339()) } else { Err(anyhow::anyhow!("it says {}", now.rfc3339())) };
    report.check("clock", clock, "set the machine's clock: tokens and deadlines depend on it");
    println!();
    println!("{}", if report.is_well { "All is well." } else { "Something needs mending." });
    Ok(if report.is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn embed(config: &Config) -> Result<String> {
    let registry = plugins::registry(config)?;
    registry.open_defaults().await?;
    let embedder = registry.embedder()?;
    let vectors = embedder.embed(EmbedKind::Question, vec!["Does it work?".to_owned()]).await?;
    let dimensions = vectors.first().map_or(0, Vec::len);
    Ok(format!("{} answers with {dimensions} dimensions", embedder.model().name))
}

/// Whether the index answers at all; nobody's workspace holds nothing.
async fn count_vectors(config: &Config) -> Result<&'static str> {
    let registry = plugins::registry(config)?;
    registry.open_defaults().await?;
    let nobody = Partition::new(Uuid::nil(), registry.embedder()?.model().fingerprint);
    registry.vector_index()?.count(&nobody).await?;
    Ok("answers")
}

struct Report {
    is_well: bool,
}

impl Report {
    fn check<T: Described, E: std::fmt::Display>(&mut self, what: &str, result: Result<T, E>, mend: &str) -> Option<T> {
        match result {
            Ok(value) => {
                println!("  ok    {what:<20} {}", value.describe());
                Some(value)
            }
            Err(error) => {
                self.is_well = false;
                println!("  WRONG {what:<20} {error}");
                println!("        {:<20} to mend it: {mend}", "");
                None
            }
        }
    }
}

/// What a passed check says.
trait Described {
    fn describe(&self) -> String;
}

impl Described for String {
    fn describe(&self) -> String {
        self.clone()
    }
}

impl Described for &str {
    fn describe(&self) -> String {
        (*self).to_owned()
    }
}

impl Described for Store {
    fn describe(&self) -> String {
        format!("{:?}", self.backend())
    }
}

impl Described for consigne_foundation::vault::Provider {
    fn describe(&self) -> String {
        format!("kept by the {}", self.name())
    }
}
