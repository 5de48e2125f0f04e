//! A server that speaks Qdrant's gRPC over memory, and is stricter than the original: it answers no request about points
//! that does not name one tenant throughout, takes nothing into a payload but ids and numbers, and writes nothing that
//! the client does not wait for.
//!
//! It keeps deleted bytes as the original does, in its one segment and in its log, and is rid of them under the same
//! conditions. Reading order: [`rules`] (what is refused), [`memory`] (what is kept), [`scoring`], [`services`].

mod memory;
mod rules;
mod scoring;
mod services;

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use qdrant_client::qdrant::{collections_server::CollectionsServer, points_server::PointsServer};
use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
    task::spawn_blocking,
};
use tonic::{
    Request, Status,
    transport::{Identity, Server, ServerTlsConfig, server::TcpIncoming},
};
use uuid::Uuid;

use self::{memory::Memory, services::Services};

/// A request about points, as it was seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// The call.
    pub call: &'static str,
    /// The collection.
    pub collection: String,
    /// The one tenant that all of it names.
    pub tenant: String,
}

/// What goes wrong at the next call of a kind.
#[derive(Debug, Clone, Copy)]
pub enum Fault {
    /// The server is away.
    Unavailable,
    /// The server answers late.
    Slow(Duration),
    /// The server took note of a write and has not done it.
    Unconfirmed,
    /// The server says that it deleted, and did not.
    Lies,
    /// The key does not allow it.
    Denied,
}

/// What the services share.
#[derive(Default)]
struct Shared {
    memory: Memory,
    seen: Vec<Seen>,
    faults: VecDeque<(&'static str, Fault)>,
}

/// The stand-in, until it is dropped.
pub struct Standin {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
    identity: Option<(String, String)>,
    /// Its own, so that all connections end with it, as they do when a process is killed.
    running: Option<Runtime>,
}

impl Standin {
    /// A stand-in on a free port of this machine.
    pub async fn start() -> Self {
        Self::start_with(None).await
    }

    /// The same behind TLS, with this certificate and key.
    pub async fn start_with(identity: Option<(String, String)>) -> Self {
        let mut standin =
            Self { address: SocketAddr::from(([127, 0, 0, 1], 0)), shared: Arc::default(), identity, running: None };
        standin.start_again().await;
        standin
    }

    /// Where it is.
    pub fn url(&self) -> String {
        let scheme = if self.identity.is_some() { "https" } else { "http" };
        format!("{scheme}://localhost:{}", self.address.port())
    }

    /// The key it asks for.
    pub fn key(&self) -> &'static str {
        "a key for tests"
    }

    /// Closes all connections, and listens again at the same address with all it knew.
    pub async fn restart(&mut self) {
        self.stop().await;
        self.start_again().await;
    }

    /// Closes all connections and refuses new ones.
    pub async fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            let stopped = spawn_blocking(move || running.shutdown_timeout(Duration::from_secs(5)));
            stopped.await.expect("stopping does not panic");
        }
    }

    /// Listens again at the same address, with all it knew.
    pub async fn start_again(&mut self) {
        let listener = loop {
            match std::net::TcpListener::bind(self.address) {
                Ok(listener) => break listener,
                Err(_) => tokio::task::yield_now().await,
            }
        };
        self.address = listener.local_addr().expect("a bound listener has an address");
        self.serve(listener);
    }

    /// Keeps it running until the test's process ends.
    pub fn leave_running(mut self) -> Self {
        if let Some(running) = self.running.take() {
            std::mem::forget(running);
        }
        self
    }

    /// What goes wrong at the next such call; several wait for each other.
    pub fn fail(&self, call: &'static str, fault: Fault) {
        self.shared().faults.push_back((call, fault));
    }

    /// The requests about points so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared().seen.clone()
    }

    /// Whether anything of a passage is still on the disk: in a segment or in the log.
    pub fn has_bytes_of(&self, workspace: Uuid, passage: Uuid) -> bool {
        self.shared().memory.has_bytes_of(&Uuid::new_v5(&workspace, passage.as_bytes()).to_string())
    }

    /// The names of the collections, and when each vacuums: the share and the number of points.
    pub fn collections(&self) -> Vec<(String, f64, u64)> {
        self.shared().memory.thresholds()
    }

    /// The ids of everybody's points in the collections of passages.
    pub fn points(&self) -> Vec<String> {
        self.shared().memory.points()
    }

    /// Loses a point, without a word to anybody.
    pub fn lose(&self, point: &str) {
        self.shared().memory.lose(point);
    }

    /// Gets a point more than it was given: the double of one, as of this passage.
    pub fn double(&self, point: &str, passage: Uuid) {
        self.shared().memory.double(point, passage);
    }

    /// Whether anything of a point is still on the disk.
    pub fn has_bytes_of_point(&self, point: &str) -> bool {
        self.shared().memory.has_bytes_of(point)
    }

    /// Forgets everything, as a server does whose disk was lost.
    pub fn wipe(&self) {
        self.shared().memory = Memory::default();
    }

    /// As an operator might: drops a collection.
    pub fn drop_collection(&self, name: &str) {
        self.shared().memory.drop_collection(name);
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().expect("no test panics with it")
    }

    fn serve(&mut self, listener: std::net::TcpListener) {
        let services = Services::new(self.shared.clone());
        let key = self.key();
        let check = move |request: Request<()>| match request.metadata().get("api-key") {
            Some(given) if given == key => Ok(request),
            _ => Err(Status::unauthenticated("Must provide an API key or an Authorization bearer token")),
        };
        let mut server = Server::builder();
        if let Some((certificate, key)) = &self.identity {
            // Two providers are compiled in, so rustls wants to be told; a second test finds it told already.
            let _ = tokio_rustls::rustls::crypto::aws_lc_rs::default_provider().install_default();
            let tls = ServerTlsConfig::new().identity(Identity::from_pem(certificate, key));
            server = server.tls_config(tls).expect("a usable certificate");
        }
        let served = server
            .add_service(PointsServer::with_interceptor(services.clone(), check))
            .add_service(CollectionsServer::with_interceptor(services, check));
        let running = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a thread to serve on");
        listener.set_nonblocking(true).expect("a socket takes options");
        running.spawn(async move {
            let listener = TcpListener::from_std(listener).expect("a bound listener");
            let _ = served.serve_with_incoming(TcpIncoming::from(listener)).await;
        });
        self.running = Some(running);
    }
}

impl Drop for Standin {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.shutdown_background();
        }
    }
}
