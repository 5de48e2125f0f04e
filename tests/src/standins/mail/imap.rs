//! Dovecot with one mailbox, as packaged by Debian (`dovecot-imapd`). It wants to be started by root, and reads mail as
//! the user `nobody`.

use std::{
    fs,
    io::{Error, Result},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command as Blocking, Stdio},
    time::{Duration, SystemTime},
};

use tempfile::TempDir;
use tokio::{
    net::TcpStream,
    process::{Child, Command},
};

use super::PASSWORD;

/// How often a server that starts is asked whether it did.
const LOOKS: u32 = 100;

/// The running server. It ends when this is dropped.
pub struct Imap {
    child: Child,
    folder: TempDir,
    port: u16,
    is_encrypted: bool,
    count: u32,
}

impl Imap {
    /// Starts with an empty mailbox, encrypted where there is a certificate with its key (PEM); `None`, with a line that
    /// says why, where the machine lacks dovecot or this is not root.
    pub async fn start(identity: Option<(&str, &str)>) -> Result<Option<Self>> {
        let has_dovecot = Command::new("dovecot").arg("--version").output().await;
        if !has_dovecot.is_ok_and(|output| output.status.success()) {
            println!("skipped: there is no dovecot on this machine (Debian: dovecot-imapd)");
            return Ok(None);
        }
        let who = Command::new("id").arg("-u").output().await?;
        if who.stdout.trim_ascii() != b"0" {
            println!("skipped: dovecot wants to be started by root");
            return Ok(None);
        }
        let folder = TempDir::new()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let root = folder.path();
        for part in ["cur", "new", "tmp"] {
            fs::create_dir_all(root.join("mail").join(part))?;
        }
        if let Some((certificate, key)) = identity {
            fs::write(root.join("certificate.pem"), certificate)?;
            fs::write(root.join("key.pem"), key)?;
        }
        fs::write(root.join("dovecot.conf"), configuration(root, port, identity.is_some()))?;
        run("chmod", &["755", &root.to_string_lossy()])?;
        run("chown", &["-R", "nobody", &root.join("mail").to_string_lossy()])?;
        let child = Command::new("dovecot")
            .args(["-F", "-c"])
            .arg(root.join("dovecot.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(root.join("errors"))?)
            .spawn()?;
        let imap = Self { child, port, is_encrypted: identity.is_some(), count: 0, folder };
        for _ in 0..LOOKS {
            if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                return Ok(Some(imap));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let read = |name: &str| fs::read_to_string(imap.folder.path().join(name)).unwrap_or_default();
        Err(Error::other(format!("dovecot does not start: {}{}", read("errors"), read("log"))))
    }

    /// What to write into the plugin's setting `imapUrl`.
    pub fn url(&self) -> String {
        format!("{}://localhost:{}", if self.is_encrypted { "imaps" } else { "imap" }, self.port)
    }

    /// Puts a mail into the mailbox.
    pub fn put(&mut self, raw: &[u8]) -> Result<()> {
        self.put_at(raw, None)
    }

    /// Puts a mail into the mailbox that the server received at this time: dovecot reads it from the file.
    pub fn put_received(&mut self, raw: &[u8], at: SystemTime) -> Result<()> {
        self.put_at(raw, Some(at))
    }

    fn put_at(&mut self, raw: &[u8], at: Option<SystemTime>) -> Result<()> {
        self.count += 1;
        let mail = self.folder.path().join("mail");
        let name = format!("{:010}.consigne.{}", 1_700_000_000 + self.count, std::process::id());
        let written = mail.join("tmp").join(&name);
        fs::write(&written, raw)?;
        if let Some(at) = at {
            fs::File::options().write(true).open(&written)?.set_modified(at)?;
        }
        run("chown", &["nobody", &written.to_string_lossy()])?;
        fs::rename(written, mail.join("new").join(name))
    }

    /// How many mails are there, and how many of them are marked as seen.
    pub fn seen(&self) -> Result<(usize, usize)> {
        let names = |part: &str| -> Result<Vec<PathBuf>> {
            Ok(fs::read_dir(self.folder.path().join("mail").join(part))?.filter_map(|e| Some(e.ok()?.path())).collect())
        };
        let (new, cur) = (names("new")?, names("cur")?);
        let is_seen =
            |path: &&PathBuf| path.to_string_lossy().rsplit_once(":2,").is_some_and(|(_, flags)| flags.contains('S'));
        Ok((new.len() + cur.len(), cur.iter().filter(is_seen).count()))
    }
}

impl Drop for Imap {
    /// A master that is asked to end takes its own along.
    fn drop(&mut self) {
        if let Some(id) = self.child.id() {
            drop(Blocking::new("kill").arg(id.to_string()).status());
        }
    }
}

fn configuration(root: &Path, port: u16, is_encrypted: bool) -> String {
    let root = root.display();
    let (ssl, listener) = match is_encrypted {
        true => (format!("required\nssl_cert = <{root}/certificate.pem\nssl_key = <{root}/key.pem"), "yes"),
        false => ("no".to_owned(), "no"),
    };
    format!(
        "protocols = imap\nlisten = 127.0.0.1\nbase_dir = {root}/run\nstate_dir = {root}/state\nlog_path = {root}/log\n\
         ssl = {ssl}\ndisable_plaintext_auth = no\nauth_mechanisms = plain\nfirst_valid_uid = 0\n\
         mail_location = maildir:{root}/mail\n\
         passdb {{\n  driver = static\n  args = password={PASSWORD}\n}}\n\
         userdb {{\n  driver = static\n  args = uid=nobody gid=nogroup home={root}/mail\n}}\n\
         service imap-login {{\n  inet_listener imap {{\n    port = {}\n  }}\n  inet_listener imaps {{\n    port = {}\n    ssl = {listener}\n  }}\n}}\n",
        if is_encrypted { 0 } else { port },
        if is_encrypted { port } else { 0 },
    )
}

fn run(program: &str, arguments: &[&str]) -> Result<()> {
    let ended = Blocking::new(program).args(arguments).output()?;
    match ended.status.success() {
        true => Ok(()),
        false => Err(Error::other(format!("{program} failed: {}", String::from_utf8_lossy(&ended.stderr)))),
    }
}
