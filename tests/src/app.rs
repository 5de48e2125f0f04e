//! The product as one test sees it: a gateway of its own on a free port, on a database of its own, with a clock that only
//! the test turns and jobs that only the test runs.

use std::{
    collections::BTreeMap,
    io,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use consigne_gateway::{
    Clock, Timestamp,
    app::{App, Parts, Running},
    commands::serve,
    config::Config,
    plugins::{self, InstanceDefaults, Registry},
    sdk::Plugin,
    telemetry,
};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use serde_json::json;
use tempfile::TempDir;
use tokio::{process::Command, sync::OnceCell};

use crate::{
    canary::{Canary, Place, files_below},
    client::Client,
    database::Database,
    people::Member,
    recorder::Recorder,
    source,
};

/// A gateway, its database and its clock. A SQLite folder goes with it; a Postgres database goes with its server.
pub struct TestApp {
    /// Where its rows are.
    pub database: Database,
    /// The clock of the whole product.
    pub clock: Clock,
    /// Two channels to people: the plugins `recorder` and `second`.
    pub recorder: Recorder,
    /// The other one.
    pub second: Recorder,
    running: Running,
    folder: TempDir,
    flags: Vec<String>,
    owner: Credentials,
    first: OnceCell<Member>,
}

/// How the owner of the first workspace signs in.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The e-mail address.
    pub email: String,
    /// The password.
    pub password: String,
}

/// Monday, 23 November 2026, in the morning.
const BEGINNING: Timestamp = Timestamp(1_795_420_800_000);

/// The product's own flags, as `consigne serve` takes them.
#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    config: Config,
}

impl TestApp {
    /// An empty installation with a first owner, in development.
    pub async fn start() -> Result<Self> {
        Self::start_with(&[]).await
    }

    /// The same, in production.
    pub async fn start_in_production() -> Result<Self> {
        Self::start_with(&["--production"]).await
    }

    /// The same, with these flags more.
    pub async fn start_with(flags: &[&str]) -> Result<Self> {
        Self::start_among(flags, &|_, _| ()).await
    }

    /// The same, at the time that it is for everybody else: what others sign bears their time.
    #[expect(clippy::disallowed_methods, reason = "somebody else's clock is what the product's is set by")]
    pub async fn start_now(flags: &[&str]) -> Result<Self> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
        Self::start_at(Timestamp(now.try_into()?), flags, &|_, _| ()).await
    }

    /// The same, among other plugins, or with another choice of them.
    pub async fn start_among(flags: &[&str], furnish: Furnish<'_>) -> Result<Self> {
        Self::start_at(BEGINNING, flags, furnish).await
    }

    async fn start_at(beginning: Timestamp, flags: &[&str], furnish: Furnish<'_>) -> Result<Self> {
        Log::get();
        let folder = tempfile::tempdir()?;
        let database = Database::fresh(folder.path()).await?;
        let flags = all_flags(folder.path(), &database, flags)?;
        let config = config(&flags)?;
        let clock = Clock::fixed(beginning);
        let (recorder, second) = (Recorder::new("recorder"), Recorder::new("second"));
        let channels = [recorder.clone(), second.clone()];
        let app = build(config, clock.clone(), &channels, furnish).await?;
        let owner = Credentials { email: "owner@acme.example".into(), password: "Mustard-Lantern-47-Quarry".into() };
        serve::first_owner(&app.services, &owner.email, &owner.password, "first").await?;
        let running = app.start(Parts::GatewayAlone).await?;
        Ok(Self { database, clock, recorder, second, running, folder, flags, owner, first: OnceCell::new() })
    }

    /// Stops, and starts over the same data among other plugins.
    pub async fn restart_among(self, furnish: Furnish<'_>) -> Result<Self> {
        let Self { database, clock, recorder, second, running, folder, owner, .. } = self;
        running.stop().await;
        let flags = all_flags(folder.path(), &database, &[])?;
        let channels = [recorder.clone(), second.clone()];
        let app = build(config(&flags)?, clock.clone(), &channels, furnish).await?;
        let running = app.start(Parts::GatewayAlone).await?;
        Ok(Self { database, clock, recorder, second, running, folder, flags, owner, first: OnceCell::new() })
    }

    /// Signed in to this workspace again, as its owner.
    pub async fn owner_in(&self, workspace: &str) -> Result<Member> {
        Member::sign_in(&self.public(), &self.owner.email, &self.owner.password, Some(workspace)).await
    }

    /// Another gateway over the same data, with the same flags. Stop it before the test ends.
    pub async fn another_gateway(&self) -> Result<Running> {
        let flags = all_flags(self.folder.path(), &self.database, &[])?;
        let channels = [self.recorder.clone(), self.second.clone()];
        let app = build(config(&flags)?, self.clock.clone(), &channels, &|_, _| ()).await?;
        app.start(Parts::GatewayAlone).await
    }

    /// Somebody without a token.
    pub fn public(&self) -> Client {
        Client::new(&self.running.url)
    }

    /// How the first owner signs in.
    pub fn owner_credentials(&self) -> Credentials {
        self.owner.clone()
    }

    /// The owner of the first workspace, signed in anew.
    pub async fn owner(&self) -> Result<Member> {
        Member::sign_in(&self.public(), &self.owner.email, &self.owner.password, None).await
    }

    /// A further workspace and its owner, signed in to it.
    pub async fn workspace(&self, name: &str) -> Result<Member> {
        let owner = self.first.get_or_try_init(|| self.owner()).await?;
        let input = json!({"name": name, "languages": ["en", "de", "fr"]});
        let made = owner.graphql("create_workspace", json!({"input": input})).await?.ok();
        let id = made.text("/createWorkspace/workspace/id");
        Member::sign_in(&self.public(), &self.owner.email, &self.owner.password, Some(&id)).await
    }

    /// From now on the gateway works as one whose worker is in its process: questions are embedded when they are asked.
    pub fn embed_ahead(&self) {
        self.running.app.services.knowledge.answers_are_made_here();
    }

    /// Runs all jobs that are due, and those that they enqueue, until none is left.
    pub async fn run_jobs(&self) -> Result<()> {
        self.running.app.runner.run_until_idle().await?;
        Ok(())
    }

    /// Runs jobs as [`TestApp::run_jobs`] does, until this happens; then the worker dies as a process does.
    pub async fn run_jobs_until(&self, happened: impl Fn() -> bool) -> Result<()> {
        let runner = self.running.app.runner.clone();
        let worker = tokio::spawn(async move { runner.run_until_idle().await });
        for _ in 0..600 {
            if happened() {
                worker.abort();
                let _ = worker.await;
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        anyhow::bail!("what was waited for did not happen")
    }

    /// What metrics say.
    pub fn metrics(&self) -> String {
        self.running.app.metrics.to_text()
    }

    /// Runs every recurring duty once, due or not.
    pub async fn run_duties(&self) -> Result<()> {
        self.running.app.runner.run_duties_once().await?;
        Ok(())
    }

    /// Runs one recurring duty, due or not.
    pub async fn run_duty(&self, name: &str) -> Result<()> {
        self.running.app.runner.run_duty_once(name).await?;
        Ok(())
    }

    /// What another process of the same installation says when it is called with these words: `["verify"]`.
    pub async fn program_says(&self, words: &[&str]) -> Result<String> {
        program_says(words, &self.flags).await
    }

    /// A file of this text beside the product's own, for another process to read.
    pub fn file(&self, name: &str, text: &str) -> Result<String> {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text)?;
        Ok(path.to_string_lossy().into_owned())
    }

    /// The folder of all that the product keeps here.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Turns the clock forward.
    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// Where the API is.
    pub fn url(&self) -> &str {
        &self.running.url
    }

    /// Where its metrics are.
    pub fn metrics_url(&self) -> String {
        self.running.metrics_url.clone()
    }

    /// Where this canary is found: tables, files of the database and of the key store, blobs, log lines.
    pub async fn places_with(&self, canary: &Canary) -> Result<Vec<String>> {
        let mut places = self.database.places().await?;
        places.extend(files_below(self.folder.path()));
        places.push(Place { name: "the log".to_owned(), bytes: Log::get().bytes() });
        Ok(canary.found_in(&places))
    }

    /// Fails where this canary is found anywhere.
    pub async fn assert_absent(&self, canary: &Canary) -> Result<()> {
        let found = self.places_with(canary).await?;
        ensure!(found.is_empty(), "the canary is in {found:?}");
        ensure!(!Log::get().bytes().is_empty(), "nothing was logged at all, so the log proves nothing");
        Ok(())
    }

    /// What this process logged.
    pub fn log(&self) -> Vec<u8> {
        Log::get().bytes()
    }

    /// The files of blobs.
    pub fn blobs(&self) -> Vec<String> {
        files_below(&self.folder.path().join("blobs")).into_iter().map(|place| place.name).collect()
    }

    /// How many rows a table has, in all workspaces.
    pub async fn rows(&self, table: &str) -> Result<i64> {
        let counts = self.row_counts().await?;
        counts.get(table).copied().with_context(|| format!("there is no table {table}"))
    }

    /// How many rows each table has, in all workspaces.
    pub async fn row_counts(&self) -> Result<BTreeMap<String, i64>> {
        let mut counts = BTreeMap::new();
        for db in self.database.connections().await? {
            for table in tables(&db).await? {
                let sql = format!("SELECT count(*) AS n FROM {table}");
                let row = one(&db, &sql).await?;
                counts.insert(table.rsplit('.').next().unwrap_or_default().to_owned(), row.try_get("", "n")?);
            }
        }
        Ok(counts)
    }

    /// How many rows a table has of a workspace.
    pub async fn rows_of_workspace(&self, table: &str, workspace: &str) -> Result<i64> {
        self.rows_with(table, "workspace_id", workspace).await
    }

    /// How many rows a table has of a person.
    pub async fn rows_of_person(&self, table: &str, subject: &str) -> Result<i64> {
        self.rows_with(table, if table == "subjects" { "id" } else { "subject_id" }, subject).await
    }

    async fn rows_with(&self, table: &str, column: &str, id: &str) -> Result<i64> {
        let data = self.database.connections().await?.into_iter().next().context("there is a database")?;
        let sql = format!("SELECT count(*) AS n FROM {table} WHERE {column} = $1");
        let statement = Statement::from_sql_and_values(data.get_database_backend(), sql, [uuid_of(id)?.into()]);
        Ok(data.query_one_raw(statement).await?.context("a count has a row")?.try_get("", "n")?)
    }

    /// The tables that belong to a workspace.
    pub async fn scoped_tables(&self) -> Result<Vec<String>> {
        let columns = self.database.columns().await?;
        Ok(columns.into_iter().filter(|(_, column)| column == "workspace_id").map(|(table, _)| table).collect())
    }

    /// Does to the data what only somebody with the database in their hands can do.
    pub async fn tamper(&self, sql: &str) -> Result<()> {
        let data = self.database.connections().await?.into_iter().next().context("there is a database")?;
        let changed = data.execute_unprepared(sql).await?.rows_affected();
        ensure!(changed == 1, "{changed} rows were tampered with");
        Ok(())
    }
}

/// Changes which plugins are compiled in, and which of them the operator chose.
pub type Furnish<'a> = &'a (dyn Fn(&mut Vec<Arc<dyn Plugin>>, &mut InstanceDefaults) + Sync);

/// Two channels of the tests, the compiled-in plugins, and what `furnish` makes of them.
async fn build(config: Config, clock: Clock, channels: &[Recorder], furnish: Furnish<'_>) -> Result<App> {
    let (mut all, mut defaults) = plugins::compiled_in(&config)?;
    all.splice(0..0, channels.iter().map(|channel| Arc::new(channel.clone()) as Arc<dyn Plugin>));
    furnish(&mut all, &mut defaults);
    App::build_with(config, clock, Registry::new(all, defaults)?).await
}

/// The configuration of a gateway under these flags.
fn config(flags: &[String]) -> Result<Config> {
    let words = std::iter::once("consigne").chain(flags.iter().map(String::as_str));
    Ok(Flags::try_parse_from(words)?.config)
}

/// The flags of a gateway in this folder, over this database, on ports that are free.
fn all_flags(folder: &Path, database: &Database, more: &[&str]) -> Result<Vec<String>> {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    // The gateway says where it listens, its metrics do not: a port that was free a moment ago is.
    let metrics = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
    let mut flags = vec![
        ("--data-dir", text(folder)),
        ("--parts-dir", text(&source::root().join("parts"))),
        ("--listen", "127.0.0.1:0".to_owned()),
        ("--metrics-listen", metrics),
        ("--http-threads", "1".to_owned()),
        ("--embed-workers", "1".to_owned()),
        ("--stop-seconds", "2".to_owned()),
        ("--parser", text(&program()?)),
    ];
    if let Database::Postgres { owner, application, .. } = database {
        flags.push(("--database-url", application.clone()));
        flags.push(("--database-owner-url", owner.clone()));
    }
    let flags = flags.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]);
    Ok(flags.chain(more.iter().map(|&word| word.to_owned())).collect())
}

/// The binary `consigne` of the build that these tests are of.
///
/// # Errors
/// It was not built: `cargo build --bin consigne`.
pub fn program() -> Result<PathBuf> {
    let tests = std::env::current_exe()?;
    let program = tests.ancestors().nth(2).context("tests are in target/PROFILE/deps")?.join("consigne");
    ensure!(program.is_file(), "{} is missing: cargo build --bin consigne", program.display());
    Ok(program)
}

/// A place in which nothing is yet: for what is brought in by a command.
pub struct Vacant {
    /// Where its rows will be.
    pub database: Database,
    folder: TempDir,
    flags: Vec<String>,
}

impl Vacant {
    /// An empty database and an empty folder.
    pub async fn new() -> Result<Self> {
        Log::get();
        let folder = tempfile::tempdir()?;
        let database = Database::fresh(folder.path()).await?;
        let flags = all_flags(folder.path(), &database, &[])?;
        Ok(Self { database, folder, flags })
    }

    /// What the program says when it is called with these words, if it is content.
    pub async fn program_says(&self, words: &[&str]) -> Result<String> {
        program_says(words, &self.flags).await
    }

    /// A gateway over what is there now, at the time and with the owner of another.
    pub async fn open(self, like: &TestApp) -> Result<TestApp> {
        let Self { database, folder, flags } = self;
        let clock = Clock::fixed(like.clock.now());
        let (recorder, second) = (Recorder::new("recorder"), Recorder::new("second"));
        let app = build(config(&flags)?, clock.clone(), &[recorder.clone(), second.clone()], &|_, _| ()).await?;
        let running = app.start(Parts::GatewayAlone).await?;
        let (owner, first) = (like.owner.clone(), OnceCell::new());
        Ok(TestApp { database, clock, recorder, second, running, folder, flags, owner, first })
    }
}

async fn program_says(words: &[&str], flags: &[String]) -> Result<String> {
    let mut command = Command::new(program()?);
    command.args(words).args(flags).env_clear().stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    Ok(said)
}

/// What a database calls an id.
pub fn uuid_of(id: &str) -> Result<uuid::Uuid> {
    let (_, digits) = id.split_once('_').context("an id says its kind")?;
    let mut number = 0;
    for digit in digits.bytes() {
        let value = b"0123456789abcdefghjkmnpqrstvwxyz".iter().position(|known| *known == digit);
        number = (number << 5) | value.context("an id is in base 32")? as u128;
    }
    Ok(uuid::Uuid::from_u128(number))
}

/// A time in days.
pub const fn days(count: u64) -> Duration {
    Duration::from_secs(count * 24 * 60 * 60)
}

/// A time in minutes.
pub const fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}

async fn tables(db: &DatabaseConnection) -> Result<Vec<String>> {
    let sql = match db.get_database_backend() {
        DbBackend::Postgres => {
            "SELECT schemaname || '.' || tablename AS name FROM pg_tables \
             WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        }
        _ => "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
    };
    let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await?;
    Ok(rows.iter().map(|row| row.try_get("", "name")).collect::<Result<_, _>>()?)
}

async fn one(db: &DatabaseConnection, sql: &str) -> Result<sea_orm::QueryResult> {
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql.to_owned())).await?;
    row.context("a count has a row")
}

/// Everything that this process logs, however small, as the product writes it.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn get() -> &'static Self {
        static LOG: OnceLock<Log> = OnceLock::new();
        LOG.get_or_init(|| {
            let log = Log::default();
            let writer = log.clone();
            let lines = telemetry::subscriber(telemetry::Format::Json, "trace", move || writer.clone());
            tracing::subscriber::set_global_default(lines).expect("only this starts logging in a test");
            log
        })
    }

    fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl io::Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
