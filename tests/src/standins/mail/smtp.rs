//! A server that takes mails, and keeps each as a file.

use std::{
    fs::File,
    io::{Error, ErrorKind, Result, Write},
    path::{Path, PathBuf},
    process::{Command as Blocking, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use super::{NAME, PASSWORD};

/// The packages; what is installed was installed for exactly these.
const REQUIREMENTS: &str = include_str!("requirements.txt");

const SERVER: &str = include_str!("server.py");

/// How it is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpMode {
    /// Never encrypted, and nobody signs in.
    Plain,
    /// Encrypted by STARTTLS before anything else; [`NAME`] signs in.
    StartTls,
    /// Encrypted from the first byte; [`NAME`] signs in.
    Tls,
    /// As `Tls`, by a version before 1.3.
    OldTls,
}

/// A mail that was taken.
#[derive(Debug, Clone)]
pub struct Arrived {
    /// The sender of the envelope.
    pub from: String,
    /// The recipients of the envelope.
    pub to: Vec<String>,
    /// Whether the connection was encrypted.
    pub is_encrypted: bool,
    /// The mail.
    pub raw: String,
}

/// Asks dkimpy about a mail on its standard input; nobody's DNS is asked.
const VERIFIER: &str = "import dkim, sys\n\
    name, record = sys.argv[1].encode(), sys.argv[2].encode()\n\
    known = lambda asked, timeout=5: record if asked.rstrip(b'.') == name else None\n\
    sys.exit(0 if dkim.verify(sys.stdin.buffer.read(), dnsfunc=known) else 3)\n";

impl Arrived {
    /// Whether somebody who finds this record under this name takes the mail's DKIM signature for good.
    pub fn verifies(&self, name: &str, record: &str) -> Result<bool> {
        let mut command = Blocking::new(installed()?);
        command.args(["-c", VERIFIER, name, record]).stdin(Stdio::piped()).stdout(Stdio::null());
        let mut child = command.spawn()?;
        if let Some(mut input) = child.stdin.take() {
            input.write_all(self.raw.as_bytes())?;
        }
        match child.wait()?.code() {
            Some(0) => Ok(true),
            Some(3) => Ok(false),
            other => Err(Error::other(format!("the verifier ended with {other:?}"))),
        }
    }
}

/// The running server. It ends when this is dropped.
pub struct Smtp {
    child: Child,
    folder: TempDir,
    mode: SmtpMode,
    port: u16,
}

impl Smtp {
    /// Starts on a free port, with this certificate and key (PEM); `None`, with a line that says why, where the machine
    /// lacks Python.
    pub async fn start(mode: SmtpMode, identity: Option<(&str, &str)>) -> Result<Option<Self>> {
        let has_python = Command::new("python3").arg("--version").output().await;
        if !has_python.is_ok_and(|output| output.status.success()) {
            println!("skipped: there is no python3 on this machine");
            return Ok(None);
        }
        let python = tokio::task::spawn_blocking(installed).await??;
        let folder = TempDir::new()?;
        std::fs::write(folder.path().join("server.py"), SERVER)?;
        if let Some((certificate, key)) = identity {
            std::fs::write(folder.path().join("certificate.pem"), certificate)?;
            std::fs::write(folder.path().join("key.pem"), key)?;
        }
        let mut command = Command::new(python);
        command.arg(folder.path().join("server.py")).arg("--folder").arg(folder.path());
        command.args([
            "--mode",
            match mode {
                SmtpMode::Plain => "plain",
                SmtpMode::StartTls => "starttls",
                SmtpMode::Tls | SmtpMode::OldTls => "tls",
            },
        ]);
        if mode == SmtpMode::OldTls {
            command.arg("--old-tls");
        }
        if mode != SmtpMode::Plain {
            command.args(["--name", NAME, "--password", PASSWORD]);
        }
        let errors = File::create(folder.path().join("errors"))?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors).kill_on_drop(true);
        let mut child = command.spawn()?;
        let said = child.stdout.take().ok_or_else(|| Error::other("no output"))?;
        let first = BufReader::new(said).lines().next_line().await?.unwrap_or_default();
        let port = first.parse().map_err(|_| {
            let errors = std::fs::read_to_string(folder.path().join("errors")).unwrap_or_default();
            Error::other(format!("the mail server does not start: {errors}"))
        })?;
        Ok(Some(Self { child, folder, mode, port }))
    }

    /// What to write into the plugin's setting `smtpUrl`.
    pub fn url(&self) -> String {
        let scheme = if matches!(self.mode, SmtpMode::Tls | SmtpMode::OldTls) { "smtps" } else { "smtp" };
        format!("{scheme}://localhost:{}", self.port)
    }

    /// Takes the next mail and hangs up before it says so.
    pub fn hang_up_after_the_next(&self) -> Result<()> {
        std::fs::write(self.folder.path().join("hang-up"), "")
    }

    /// Takes the next mail and never says so, where this is set: whoever sends it can be killed in the meantime.
    pub fn hold_the_next(&self, is_held: bool) -> Result<()> {
        let file = self.folder.path().join("hold");
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        if is_held { std::fs::write(file, "") } else { Ok(()) }
    }

    /// How many mails were taken without a word of it.
    pub fn held(&self) -> Result<usize> {
        Ok(self.files("held")?.len())
    }

    /// Takes no mail now, or takes mails again.
    pub fn be_busy(&self, is_busy: bool) -> Result<()> {
        let file = self.folder.path().join("busy");
        if is_busy { std::fs::write(file, "") } else { std::fs::remove_file(file) }
    }

    /// What was taken, in order.
    pub fn arrived(&self) -> Result<Vec<Arrived>> {
        self.files("json")?.iter().map(|path| read(path)).collect()
    }

    fn files(&self, ending: &str) -> Result<Vec<PathBuf>> {
        let mut files: Vec<PathBuf> = std::fs::read_dir(self.folder.path())?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|found| found == ending))
            .collect();
        files.sort();
        Ok(files)
    }

    /// Stops it.
    pub async fn stop(&mut self) -> Result<()> {
        self.child.kill().await
    }
}

fn read(path: &Path) -> Result<Arrived> {
    let mail: Value = serde_json::from_str(&std::fs::read_to_string(path)?).map_err(Error::other)?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok(Arrived {
        from: text(&mail["from"]),
        to: mail["to"].as_array().into_iter().flatten().map(text).collect(),
        is_encrypted: mail["tls"] == true,
        raw: text(&mail["raw"]),
    })
}

/// Python with the packages, in a folder beside the build. One test at a time fills it.
fn installed() -> Result<PathBuf> {
    let tests = std::env::current_exe()?;
    let built = tests.ancestors().nth(2).ok_or_else(|| Error::other("tests are in target/PROFILE/deps"))?;
    let folder = built.join("mail-server");
    std::fs::create_dir_all(&folder)?;
    let lock = File::create(folder.join("lock"))?;
    lock.lock()?;
    let (environment, done) = (folder.join("environment"), folder.join("installed.txt"));
    if std::fs::read_to_string(&done).ok().as_deref() != Some(REQUIREMENTS) {
        run("python3", &["-m", "venv", "--clear", &environment.to_string_lossy()])?;
        let pip = environment.join("bin/pip").to_string_lossy().into_owned();
        let wanted: Vec<&str> = REQUIREMENTS.lines().collect();
        run(&pip, &[&["install", "--quiet", "--disable-pip-version-check"], &wanted[..]].concat())?;
        std::fs::write(done, REQUIREMENTS)?;
    }
    Ok(environment.join("bin/python"))
}

fn run(program: &str, arguments: &[&str]) -> Result<()> {
    let ended = Blocking::new(program).args(arguments).output()?;
    match ended.status.success() {
        true => Ok(()),
        false => Err(Error::other(format!("{program} failed: {}", String::from_utf8_lossy(&ended.stderr)))),
    }
}
