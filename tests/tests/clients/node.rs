//! Node, the packages and the scripts.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use consigne_tests::{app::program, source};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

/// The oldest Node that the clients run on.
const OLDEST: u32 = 20;

/// How long a script may be silent.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running script of `tests/clients`.
pub struct Script {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    stdin: ChildStdin,
}

/// Starts a script with this argument; `None`, with a line that says why, where the machine lacks Node or npm.
pub async fn start(script: &str, argument: &Value) -> Result<Option<Script>> {
    if let Err(reason) = is_there().await {
        println!("skipped: {reason}");
        return Ok(None);
    }
    let folder = tokio::task::spawn_blocking(installed).await??;
    let mut child = Command::new("node")
        .arg(folder.join(script))
        .arg(argument.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let stdout = child.stdout.take().context("its output is piped")?;
    let stdin = child.stdin.take().context("its input is piped")?;
    Ok(Some(Script { child, lines: BufReader::new(stdout).lines(), stdin }))
}

impl Script {
    /// Waits until it says this line.
    pub async fn says(&mut self, line: &str) -> Result<()> {
        let said = timeout(PATIENCE, self.lines.next_line()).await.context("the script is silent")??;
        ensure!(said.as_deref() == Some(line), "it said {said:?} instead of {line}");
        Ok(())
    }

    /// Tells it a line, and answers the line that it says to that.
    pub async fn ask(&mut self, wish: &Value) -> Result<Value> {
        self.stdin.write_all(format!("{wish}\n").as_bytes()).await?;
        let said = timeout(PATIENCE, self.lines.next_line()).await.context("the script is silent")??;
        Ok(serde_json::from_str(&said.context("the script ended")?)?)
    }

    /// Has nothing more to tell it, and waits until it ends.
    pub async fn ends(self) -> Result<()> {
        let Self { mut child, stdin, lines } = self;
        drop(stdin);
        timeout(PATIENCE, child.wait()).await.context("the script does not end")??;
        drop(lines);
        Ok(())
    }

    /// What it says until it ends well.
    pub async fn rest(mut self) -> Result<String> {
        let mut said = String::new();
        while let Some(line) = timeout(PATIENCE, self.lines.next_line()).await.context("the script is silent")?? {
            said += &line;
            said.push('\n');
        }
        let ended = timeout(PATIENCE, self.child.wait()).await.context("the script does not end")??;
        ensure!(ended.success(), "the script failed: {ended}; it said: {said}");
        Ok(said)
    }
}

/// Says what is missing, if anything is.
async fn is_there() -> Result<(), String> {
    let version = output("node", &["--version"]).await.ok_or("there is no Node on this machine")?;
    let major = version.trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_none_or(|major| major < OLDEST) {
        return Err(format!("Node {OLDEST} is needed, and this is {}", version.trim()));
    }
    output("npm", &["--version"]).await.map(drop).ok_or_else(|| "there is no npm on this machine".to_owned())
}

async fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().await.ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A folder beside the build with the scripts as they are now and the packages of `package-lock.json`. One test at a time
/// fills it.
fn installed() -> Result<PathBuf> {
    let ours = source::root().join("tests/clients");
    let built = program()?;
    let folder = built.parent().context("a program is in a folder")?.join("npm-clients");
    fs::create_dir_all(&folder)?;
    let lock = File::create(folder.join("lock"))?;
    lock.lock()?;
    let is_current = same(&ours, &folder.join("node_modules"), "package-lock.json");
    for entry in fs::read_dir(&ours)? {
        let file = entry?.file_name();
        if !same(&ours, &folder, &file.to_string_lossy()) {
            fs::copy(ours.join(&file), folder.join(&file))?;
        }
    }
    if !is_current {
        install(&folder)?;
        // Inside what it speaks for, and last: an installation that was cut off is made anew.
        fs::copy(ours.join("package-lock.json"), folder.join("node_modules/package-lock.json"))?;
    }
    Ok(folder)
}

fn same(one: &Path, other: &Path, file: &str) -> bool {
    fs::read(one.join(file)).ok() == fs::read(other.join(file)).ok()
}

fn install(folder: &Path) -> Result<()> {
    let arguments = ["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"];
    let npm = std::process::Command::new("npm").args(arguments).current_dir(folder).output()?;
    if !npm.status.success() {
        bail!("npm could not install the clients: {}", String::from_utf8_lossy(&npm.stderr));
    }
    Ok(())
}
