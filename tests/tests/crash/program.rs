//! The real program over one data folder: started, killed, started again.

use std::{
    fs::OpenOptions,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use consigne_tests::{app::program, client::Client, database::Database, people::Member, source, wire::Wire};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::{sleep, timeout},
};

/// How long a start may take: a debug build on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long the program may take to find its database again.
const BACK_WITHIN: Duration = Duration::from_secs(30);

/// The owner of the first workspace, whose password the first start prints.
const OWNER: &str = "owner@consigne.localhost";

/// What every start over one data folder has in common.
pub struct Installation {
    /// Where its rows are.
    pub database: Database,
    folder: PathBuf,
    flags: Vec<String>,
    password: Option<String>,
}

/// The program while it runs. Dropped, it is killed.
pub struct Program {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    /// Where the API is.
    pub url: String,
}

impl Installation {
    /// An empty one.
    pub async fn new(folder: &Path) -> Result<Self> {
        let database = Database::fresh(folder).await?;
        let parts = source::root().join("parts");
        let mut flags = ["--data-dir", &folder.to_string_lossy(), "--parts-dir", &parts.to_string_lossy()]
            .into_iter()
            .chain(["--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"])
            .chain(["--http-threads", "1", "--embed-workers", "1"])
            .map(str::to_owned)
            .collect::<Vec<_>>();
        if let Database::Postgres { owner, application, .. } = &database {
            flags.extend(["--database-url", application, "--database-owner-url", owner].map(str::to_owned));
        }
        Ok(Self { database, folder: folder.to_owned(), flags, password: None })
    }

    /// Takes its parts from this folder from now on, as after an upgrade.
    pub fn take_parts_from(&mut self, folder: &Path) {
        let at = self.flags.iter().position(|flag| flag == "--parts-dir");
        if let Some(value) = at.and_then(|at| self.flags.get_mut(at + 1)) {
            *value = folder.to_string_lossy().into_owned();
        }
    }

    /// Reaches its Postgres by this wire from now on.
    pub fn reach_its_database_by(&mut self, wire: &Wire) -> Result<()> {
        for flag in ["--database-url", "--database-owner-url"] {
            let at = self.flags.iter().position(|given| given == flag).context("it is told where its database is")?;
            let url = self.flags.get_mut(at + 1).context("a flag has a value")?;
            *url = wire.through(url)?;
        }
        Ok(())
    }

    /// The same, at the loudest log level.
    pub fn louder(self) -> Self {
        self.under(&["--log", "trace"])
    }

    /// The same, under these flags too.
    pub fn under(mut self, flags: &[&str]) -> Self {
        self.flags.extend(flags.iter().map(|&flag| flag.to_owned()));
        self
    }

    /// Starts the program and waits until it says where it answers.
    pub async fn start(&mut self) -> Result<Program> {
        let log = OpenOptions::new().create(true).append(true).open(self.log())?;
        let mut child = self.command("serve")?.stdout(Stdio::piped()).stderr(log).spawn()?;
        let stdout = child.stdout.take().context("its output is piped")?;
        let mut program = Program { child, lines: BufReader::new(stdout).lines(), url: String::new() };
        while program.url.is_empty() {
            let line = program.next_line().await.with_context(|| self.last_words())?;
            if let Some(password) = line.trim().strip_prefix("Password ") {
                self.password = Some(password.trim().to_owned());
            } else if let Some(api) = line.trim().strip_prefix("Consigne answers at ") {
                program.url = api.trim().trim_end_matches("/graphql").to_owned();
            }
        }
        Ok(program)
    }

    /// The owner, signed in.
    pub async fn owner(&self, public: &Client) -> Result<Member> {
        let password = self.password.as_deref().context("the first start says the password")?;
        Member::sign_in(public, OWNER, password, None).await
    }

    /// What `consigne verify` says of the audit chains, if it is content.
    pub async fn verify(&self) -> Result<String> {
        self.says(&["verify"]).await
    }

    /// What the program says when it is called with these words, if it is content.
    pub async fn says(&self, words: &[&str]) -> Result<String> {
        let (first, rest) = words.split_first().context("a command has a word")?;
        let output = self.command(first)?.args(rest).output().await?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        Ok(said)
    }

    /// The last complaints of the log, for an error.
    pub fn last_words(&self) -> String {
        let log = std::fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<_> = log.lines().filter(|line| !line.contains("\"level\":\"INFO\"")).collect();
        format!("it complained last:\n{}", lines[lines.len().saturating_sub(10)..].join("\n"))
    }

    fn log(&self) -> PathBuf {
        self.folder.join("consigne.log")
    }

    /// Nothing of this process's own environment, which might name another database.
    fn command(&self, what: &str) -> Result<Command> {
        let mut command = Command::new(program()?);
        command.arg(what).args(&self.flags).env_clear().stdin(Stdio::null()).kill_on_drop(true);
        Ok(command)
    }
}

impl Program {
    /// SIGKILL, and the wait until it is gone.
    pub async fn kill(mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }

    async fn next_line(&mut self) -> Result<String> {
        let line = timeout(PATIENCE, self.lines.next_line()).await.context("it is silent")??;
        line.context("it ended before it said where it answers")
    }
}

/// What `/readyz` answers.
pub async fn readiness(who: &Client) -> Result<u16> {
    Ok(who.request(reqwest::Method::GET, "/readyz").send().await?.status().as_u16())
}

/// Waits until the program has found its database again.
pub async fn until_ready(who: &Client) -> Result<()> {
    let ready = async {
        while readiness(who).await? != 200 {
            sleep(Duration::from_millis(50)).await;
        }
        anyhow::Ok(())
    };
    timeout(BACK_WITHIN, ready).await.context("it does not come back")?
}
