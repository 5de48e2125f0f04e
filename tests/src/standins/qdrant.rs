//! The Qdrant server of a story: the stand-in always; the real one where `QDRANT_BIN` names its binary. Either can be
//! killed, started again, wiped, and tampered with behind the product's back.

use std::{net::TcpListener, path::PathBuf, process::Stdio, time::Duration};

use anyhow::{Context, Result, ensure};
use consigne_qdrant_standin::Standin;
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    process::{Child, Command},
    time::{sleep, timeout},
};
use uuid::Uuid;

use crate::{canary::files_below, client::Client};

/// How long a start may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server.
pub enum Qdrant {
    /// The strict one in this process.
    Standin(Standin),
    /// The original.
    Real(Program),
}

/// The original, over a folder that goes with it.
pub struct Program {
    binary: PathBuf,
    folder: TempDir,
    grpc: u16,
    http: u16,
    child: Option<Child>,
}

impl Qdrant {
    /// The stand-in.
    pub async fn standin() -> Self {
        Self::Standin(Standin::start().await)
    }

    /// The original, or `None` with a printed reason.
    ///
    /// # Errors
    /// It does not start.
    #[expect(clippy::disallowed_methods, reason = "a test hears from its environment whether there is a server")]
    pub async fn real() -> Result<Option<Self>> {
        let Some(binary) = std::env::var_os("QDRANT_BIN") else {
            println!("skipped: QDRANT_BIN names no server's binary");
            return Ok(None);
        };
        let port = || Ok::<u16, std::io::Error>(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port());
        let (folder, binary) = (tempfile::tempdir()?, PathBuf::from(binary));
        let mut program = Program { binary, folder, grpc: port()?, http: port()?, child: None };
        program.start().await?;
        Ok(Some(Self::Real(program)))
    }

    /// The gateway's flags for it.
    pub fn flags(&self) -> Vec<String> {
        let (url, key) = match self {
            Self::Standin(standin) => (standin.url(), standin.key()),
            Self::Real(program) => (format!("http://127.0.0.1:{}", program.grpc), "none is asked for"),
        };
        ["--qdrant-url", &url, "--qdrant-api-key", key, "--qdrant-purge-seconds", "120"].map(str::to_owned).to_vec()
    }

    /// SIGKILL.
    ///
    /// # Errors
    /// It cannot be killed.
    pub async fn stop(&mut self) -> Result<()> {
        match self {
            Self::Standin(standin) => standin.stop().await,
            Self::Real(program) => program.kill().await?,
        }
        Ok(())
    }

    /// Starts it again over what it kept.
    ///
    /// # Errors
    /// It does not start.
    pub async fn start_again(&mut self) -> Result<()> {
        match self {
            Self::Standin(standin) => standin.start_again().await,
            Self::Real(program) => program.start().await?,
        }
        Ok(())
    }

    /// Loses its disk, and comes back without it.
    ///
    /// # Errors
    /// It does not start.
    pub async fn wipe(&mut self) -> Result<()> {
        match self {
            Self::Standin(standin) => standin.wipe(),
            Self::Real(program) => {
                program.kill().await?;
                std::fs::remove_dir_all(program.folder.path().join("storage"))?;
                program.start().await?;
            }
        }
        Ok(())
    }

    /// The ids of everybody's points, in order.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn points(&self) -> Result<Vec<String>> {
        let mut points = match self {
            Self::Standin(standin) => standin.points(),
            Self::Real(program) => program.points().await?.iter().map(id_of).collect(),
        };
        points.sort();
        Ok(points)
    }

    /// Takes a point away behind the product's back.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn lose(&self, point: &str) -> Result<()> {
        match self {
            Self::Standin(standin) => standin.lose(point),
            Self::Real(program) => {
                program.call(Method::POST, "/points/delete?wait=true", json!({"points": [point]})).await?;
            }
        }
        Ok(())
    }

    /// Puts a point's double beside it, as of a passage that nobody stored.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn double(&self, point: &str) -> Result<()> {
        let passage = Uuid::from_u128(404);
        match self {
            Self::Standin(standin) => standin.double(point, passage),
            Self::Real(program) => {
                let points = program.points().await?;
                let mut double =
                    points.into_iter().find(|other| id_of(other) == point).context("there is no such point")?;
                let workspace: Uuid = double["payload"]["workspace_id"].as_str().unwrap_or_default().parse()?;
                double["id"] = json!(Uuid::new_v5(&workspace, passage.as_bytes()));
                double["payload"]["passage_id"] = json!(passage);
                program.call(Method::PUT, "/points?wait=true", json!({"points": [double]})).await?;
            }
        }
        Ok(())
    }

    /// Whether the disk has anything of one of these points.
    pub fn has_bytes_of(&self, points: &[String]) -> bool {
        match self {
            Self::Standin(standin) => points.iter().any(|point| standin.has_bytes_of_point(point)),
            Self::Real(program) => {
                let ids = points.iter().filter_map(|point| point.parse::<Uuid>().ok());
                let forms: Vec<Vec<u8>> =
                    ids.flat_map(|id| [id.as_bytes().to_vec(), id.to_string().into_bytes()]).collect();
                let search = aho_corasick::AhoCorasick::new(forms).expect("a few short patterns");
                files_below(program.folder.path()).iter().any(|file| search.is_match(&file.bytes))
            }
        }
    }
}

impl Program {
    async fn start(&mut self) -> Result<()> {
        let folder = |name: &str| self.folder.path().join(name);
        let log = std::fs::File::create(folder("log"))?;
        let mut command = Command::new(&self.binary);
        command
            .current_dir(self.folder.path())
            .env("QDRANT__SERVICE__HOST", "127.0.0.1")
            .env("QDRANT__SERVICE__GRPC_PORT", self.grpc.to_string())
            .env("QDRANT__SERVICE__HTTP_PORT", self.http.to_string())
            .env("QDRANT__STORAGE__STORAGE_PATH", folder("storage"))
            .env("QDRANT__STORAGE__SNAPSHOTS_PATH", folder("snapshots"))
            .env("QDRANT__TELEMETRY_DISABLED", "true")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true);
        self.child = Some(command.spawn()?);
        let ready = async {
            let client = self.client();
            while !client.request(Method::GET, "/readyz").send().await.is_ok_and(|answer| answer.status().is_success())
            {
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(PATIENCE, ready).await.context("the server does not become ready")
    }

    async fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill().await?;
        }
        Ok(())
    }

    fn client(&self) -> Client {
        Client::new(&format!("http://127.0.0.1:{}", self.http))
    }

    /// The one collection of passages; none before there are any.
    async fn collection(&self) -> Result<Option<String>> {
        let answer: Value = self.client().request(Method::GET, "/collections").send().await?.json().await?;
        let all = answer["result"]["collections"].as_array().cloned().unwrap_or_default();
        let mut names = all.iter().filter_map(|collection| collection["name"].as_str().map(str::to_owned));
        Ok(names.find(|name| name != "consigne_versions"))
    }

    async fn call(&self, method: Method, path: &str, body: Value) -> Result<Value> {
        let collection = self.collection().await?.context("there is no collection yet")?;
        let request = self.client().request(method, &format!("/collections/{collection}{path}")).json(&body);
        let answer: Value = request.send().await?.json().await?;
        ensure!(answer["status"] == "ok", "{answer}");
        Ok(answer["result"].clone())
    }

    async fn points(&self) -> Result<Vec<Value>> {
        if self.collection().await?.is_none() {
            return Ok(Vec::new());
        }
        let wanted = json!({"limit": 1_000, "with_payload": true, "with_vector": true});
        let found = self.call(Method::POST, "/points/scroll", wanted).await?;
        Ok(found["points"].as_array().cloned().unwrap_or_default())
    }
}

fn id_of(point: &Value) -> String {
    point["id"].as_str().unwrap_or_default().to_owned()
}
