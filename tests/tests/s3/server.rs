//! A moto server of its own for one test, from the packages of `requirements.txt`.

use std::{collections::BTreeMap, fs::File, net::TcpListener, path::PathBuf, process::Stdio, time::Duration};

use anyhow::{Context, Result, ensure};
use consigne_tests::app::program;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use tokio::process::{Child, Command};

/// The packages; what is installed was installed for exactly these.
const REQUIREMENTS: &str = include_str!("requirements.txt");

const NAME: &str = "consigne-test";

/// How often a server that starts is asked whether it did.
const LOOKS: u32 = 300;

/// A bucket and the server that keeps it. Ends with it.
pub struct Bucket {
    child: Child,
    url: String,
}

impl Bucket {
    /// An empty bucket; `None`, with a line that says why, where the machine lacks Python.
    pub async fn start() -> Result<Option<Self>> {
        let has_python = Command::new("python3").arg("--version").output().await;
        if !has_python.is_ok_and(|output| output.status.success()) {
            println!("skipped: there is no python3 on this machine");
            return Ok(None);
        }
        let server = tokio::task::spawn_blocking(installed).await??;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let child = Command::new(server)
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let bucket = Self { child, url: format!("http://127.0.0.1:{port}") };
        let client = client()?;
        for _ in 0..LOOKS {
            match client.put(format!("{}/{NAME}", bucket.url)).send().await {
                Ok(made) => {
                    ensure!(made.status().is_success(), "the bucket was not made: {}", made.status());
                    return Ok(Some(bucket));
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
        anyhow::bail!("moto does not start")
    }

    /// What `consigne serve` is told of it.
    pub fn flags(&self) -> Vec<String> {
        let url = &self.url;
        let pairs = [("bucket", NAME), ("endpoint", url), ("region", "us-east-1"), ("access-key", "key")];
        let flags = pairs.into_iter().chain([("secret-key", "secret")]);
        flags.flat_map(|(name, value)| [format!("--s3-{name}"), value.to_owned()]).collect()
    }

    /// What `consigne serve` is told so that backups go there.
    pub fn flags_of_backups(&self) -> Vec<String> {
        let pairs = [("s3-endpoint", &*self.url), ("s3-region", "us-east-1"), ("s3-access-key", "key")];
        let to = format!("s3://{NAME}/house");
        let flags = [("to", &*to)].into_iter().chain(pairs).chain([("s3-secret-key", "secret")]);
        flags.flat_map(|(name, value)| [format!("--backup-{name}"), value.to_owned()]).collect()
    }

    /// All files, by name.
    pub async fn files(&self) -> Result<BTreeMap<String, Vec<u8>>> {
        let client = client()?;
        let list = client.get(format!("{}/{NAME}?list-type=2", self.url)).send().await?.text().await?;
        let mut files = BTreeMap::new();
        for name in list.split("<Key>").skip(1).filter_map(|rest| rest.split("</Key>").next()) {
            let bytes = client.get(format!("{}/{NAME}/{name}", self.url)).send().await?.bytes().await?;
            files.insert(name.to_owned(), bytes.to_vec());
        }
        Ok(files)
    }

    /// Stops the server.
    pub async fn stop(&mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }
}

/// Somebody with a key: moto does not check signatures, but shows nothing to those without.
#[expect(clippy::disallowed_methods, reason = "a test looks at the bucket from outside the product")]
fn client() -> Result<reqwest::Client> {
    let key = "AWS4-HMAC-SHA256 Credential=key/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";
    let headers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static(key))]);
    Ok(reqwest::Client::builder().no_proxy().default_headers(headers).build()?)
}

/// The program `moto_server`, in a folder beside the build. One test at a time fills it.
fn installed() -> Result<PathBuf> {
    let built = program()?;
    let folder = built.parent().context("a program is in a folder")?.join("s3-server");
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
    Ok(environment.join("bin/moto_server"))
}

fn run(program: &str, arguments: &[&str]) -> Result<()> {
    let ended = std::process::Command::new(program).args(arguments).output()?;
    ensure!(ended.status.success(), "{program} failed: {}", String::from_utf8_lossy(&ended.stderr));
    Ok(())
}
