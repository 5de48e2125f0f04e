//! `consigne`: the gateway, the worker, and what an operator does from a terminal.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use consigne_assistant::{corrections::leave_no_core, knowledge::sandbox};
use consigne_gateway::{
    app::Parts,
    commands::{
        account, ask, backup, demo, doctor, drill, evaluate, import, keys, reindex, restore, retention, schema, serve,
        terminations, verify,
    },
    config::Config,
    telemetry,
};

/// Thousands of streams at once ask for and give back a great many small pieces of memory; this gives what is not needed back
/// to the system, too.
#[cfg(target_os = "linux")]
#[global_allocator]
static MEMORY: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// A support assistant that answers from a customer's own knowledge, and keeps its promises about people's data.
#[derive(Parser)]
#[command(name = "consigne", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Starts the gateway, with the worker in the same process.
    Serve {
        #[command(flatten)]
        config: Box<Config>,
        /// Leaves the worker out; run `consigne worker` elsewhere.
        #[arg(long, env = "CONSIGNE_WITHOUT_WORKER")]
        without_worker: bool,
    },
    /// Starts the worker alone.
    Worker {
        #[command(flatten)]
        config: Box<Config>,
    },
    /// Brings the database up to date, as its owner.
    Migrate {
        #[command(flatten)]
        config: Box<Config>,
    },
    /// Prints the GraphQL schema.
    Schema,
    /// Loads a folder, asks, erases: the main job, through the public API.
    Demo(demo::DemoArgs),
    /// Asks one question and prints the answer as it streams.
    Ask(ask::AskArgs),
    /// Makes a backup now, or lists them; the worker makes one a day by itself.
    Backup(Box<backup::BackupArgs>),
    /// Restores a backup into an empty place, without bringing back who was erased.
    Restore(Box<restore::RestoreArgs>),
    /// Reads an archive of a workspace into an empty place, and compares what came in with what was there.
    Import(Box<import::ImportArgs>),
    /// Restores the newest backup into scratch, compares it, and signs a report.
    Drill(Box<drill::DrillArgs>),
    /// Counts what was kept long enough; the worker deletes it each hour.
    Retention(Box<retention::RetentionArgs>),
    /// Lists the ends of workspaces, and opens what a law keeps of one.
    Terminations(Box<terminations::TerminationArgs>),
    /// Verifies a deletion certificate or a drill's report offline, or every audit chain of this installation.
    Verify(verify::VerifyArgs),
    /// Makes, closes, opens and erases accounts, and prints links to choose a password with.
    Account(account::AccountArgs),
    /// Puts another root key to use, lists them, and looks whether all keys are there.
    Keys(keys::KeyArgs),
    /// Checks database, root key, model, plugins and clock: what is wrong and how to mend it.
    Doctor {
        #[command(flatten)]
        config: Box<Config>,
    },
    /// Fills the vector index from the database, without embedding anything again.
    Reindex(Box<reindex::ReindexArgs>),
    /// Measures the search on questions whose answers are known.
    Evaluate(Box<evaluate::EvaluateArgs>),
    /// Reads one document in a process of its own; the ingest starts it.
    #[command(name = "parse-document", hide = true)]
    ParseDocument,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if matches!(cli.command, Command::ParseDocument) {
        return sandbox::run_child();
    }
    leave_no_core();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("consigne: no threads can be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(cli.command)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("consigne: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve { config, without_worker } => {
            telemetry::start(config.logs.format(), &config.logs.log)?;
            let parts = if without_worker { Parts::GatewayAlone } else { Parts::GatewayAndWorker };
            serve::serve(*config, parts).await.map(|()| ExitCode::SUCCESS)
        }
        Command::Worker { config } => {
            telemetry::start(config.logs.format(), &config.logs.log)?;
            serve::serve(*config, Parts::WorkerAlone).await.map(|()| ExitCode::SUCCESS)
        }
        Command::Migrate { config } => serve::migrate(*config).await.map(|()| ExitCode::SUCCESS),
        Command::Schema => {
            schema::print();
            Ok(ExitCode::SUCCESS)
        }
        Command::Backup(args) => backup::backup(*args).await,
        Command::Restore(args) => restore::restore(*args).await,
        Command::Import(args) => import::import(*args).await,
        Command::Terminations(args) => terminations::terminations(*args).await,
        Command::Retention(args) => retention::retention(*args).await,
        Command::Drill(args) => drill::drill(*args).await,
        Command::Demo(args) => demo::demo(args).await,
        Command::Ask(args) => ask::ask(args).await,
        Command::Verify(args) => verify::verify(args).await,
        Command::Account(args) => account::account(args).await,
        Command::Keys(args) => keys::keys(args).await,
        Command::Doctor { config } => doctor::doctor(*config).await,
        Command::Reindex(args) => reindex::reindex(*args).await,
        Command::Evaluate(args) => evaluate::evaluate(*args).await,
        Command::ParseDocument => Ok(sandbox::run_child()),
    }
}
