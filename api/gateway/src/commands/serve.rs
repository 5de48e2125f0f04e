//! `consigne serve`, `worker` and `migrate`.

use anyhow::{Result, bail};
use consigne_assistant::assistants::{self, AssistantSettings};
use consigne_foundation::{
    Clock, Scope,
    id::{WorkspaceId, encode, random_uuid},
    identity::{accounts, authenticate, operator, password},
    privacy,
    store::Store,
};
use sea_orm::DbBackend;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    app::{self, App, Parts},
    config::Config,
    graphql::Services,
};

/// The first owner's sign-in name, until they change it.
const OWNER: &str = "owner@consigne.localhost";

/// Runs until the process is told to stop.
///
/// # Errors
/// A sentence that says what is missing and how to mend it.
pub async fn serve(config: Config, parts: Parts) -> Result<()> {
    let has_playground = !config.server.production;
    match config.accounts.bcrypt_cost {
        Some(cost) => password::set_cost(cost)?,
        None => drop(password::calibrate(&Clock::system()).await?),
    }
    println!("Opening the database, the keys and the plugins.");
    let app = App::build(config, Clock::system()).await?;
    if parts != Parts::GatewayAndWorker && app.services.store.backend() == DbBackend::Sqlite {
        bail!(
            "A SQLite database is for one process, in which gateway and worker hear of each other's work at once. Run \
             `consigne serve` as it is, or give both a Postgres (CONSIGNE_DATABASE_URL)."
        );
    }
    // A database that was put back by other means than `consigne restore` may know people who were erased since.
    match privacy::replay(&app.services.privacy).await {
        Ok(0) => {}
        Ok(opened) => println!("{opened} people were erased after this database was copied; they are erased again."),
        Err(error) => tracing::warn!(%error, "the erasure ledger could not be read; it will be as soon as it can"),
    }
    println!("Loading the embedding model.");
    app.warm().await?;
    let running = app.start(parts).await?;
    if parts != Parts::WorkerAlone {
        first_start(&running.app.services).await?;
        println!();
        println!("  Consigne answers at   {}/graphql", running.url);
        if has_playground {
            println!("  Playground            {}/playground", running.url);
        }
        println!();
    }
    tracing::info!(url = running.url, "ready");
    wait_for_stop().await?;
    tracing::info!("stopping");
    running.stop().await;
    Ok(())
}

/// Brings the database up to date.
///
/// # Errors
/// What the database answers.
pub async fn migrate(config: Config) -> Result<()> {
    std::fs::create_dir_all(&config.data.data_dir)?;
    app::migrate(&config).await?;
    println!("The database is up to date.");
    Ok(())
}

/// Makes the first workspace with its owner, an assistant and an API key, where there is none yet, and prints what is
/// shown this once.
///
/// # Errors
/// `Unavailable`.
pub async fn first_start(services: &Services) -> Result<()> {
    let store = &services.store;
    if !accounts::is_empty(store).await? {
        return Ok(());
    }
    let password = encode(random_uuid());
    let workspace = first_owner(services, OWNER, &password, "My workspace").await?;
    println!();
    println!("  Shown this once; keep it:");
    println!("  Owner                 {OWNER}");
    println!("  Password              {password}");
    let scope = owner_scope(store, &password).await?;
    let settings = AssistantSettings {
        name: Some("Assistant".to_owned()),
        languages: Some(["en", "fr", "de", "es"].map(str::to_owned).to_vec()),
        ..AssistantSettings::default()
    };
    assistants::create(&scope, store, &services.registry, settings).await?;
    let api_key = operator::create_key(store, workspace, "First key", None).await?;
    println!("  API key               {}", api_key.expose());
    Ok(())
}

/// Makes the first account and its workspace.
///
/// # Errors
/// `Conflict` where there is an account already.
pub async fn first_owner(services: &Services, email: &str, password: &str, workspace: &str) -> Result<WorkspaceId> {
    Ok(accounts::create_first(&services.store, email, password, workspace).await?.workspace)
}

async fn owner_scope(store: &Store, password: &str) -> Result<Scope> {
    let session = accounts::sign_in(store, OWNER, password, None).await?;
    let header = format!("Bearer {}", session.access_token.expose());
    let somebody = authenticate::authenticate(store, Some(&header)).await?;
    somebody.map(|s| s.scope).ok_or_else(|| anyhow::anyhow!("the first owner could not sign in"))
}

async fn wait_for_stop() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminate.recv() => {}
    }
    Ok(())
}
