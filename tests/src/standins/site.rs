//! A website on a free port of this machine, whose pages a test writes, changes, moves and takes away.
//!
//! It knows conditional requests as RFC 9110 describes them, and it remembers who asked for what: what a crawl did not ask
//! for, or was not sent whole, is what is tested here.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::Result;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinHandle,
};

/// The running site. It ends when this is dropped.
pub struct Site {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    released: Notify,
}

#[derive(Default)]
struct State {
    pages: BTreeMap<String, Answer>,
    is_down: bool,
    held: Option<String>,
    asked: Vec<(String, u16)>,
    connections: usize,
}

#[derive(Clone)]
enum Answer {
    Page { media_type: &'static str, body: Vec<u8> },
    Redirect(String),
    Failure,
}

impl Site {
    /// A site without pages, inside the current tokio runtime.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let accepting = tokio::spawn(accept(listener, shared.clone()));
        Ok(Self { address, shared, accepting })
    }

    /// A site of the HTML files in a folder, under their names; answers their paths.
    pub async fn of_folder(folder: &Path) -> Result<(Self, Vec<String>)> {
        let site = Self::start().await?;
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with(".html") {
                let path = format!("/{name}");
                let text = String::from_utf8_lossy(&std::fs::read(entry.path())?).into_owned();
                site.put(&path, &text);
                paths.push(path);
            }
        }
        paths.sort();
        Ok((site, paths))
    }

    /// Where it listens, as the operator lets it through.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Puts a page there: HTML, or what its ending says.
    pub fn put(&self, path: &str, body: &str) {
        let media_type = match path.rsplit_once('.').map(|(_, ending)| ending) {
            Some("txt") => "text/plain",
            Some("xml") => "application/xml",
            Some("bin") => "application/octet-stream",
            _ => "text/html; charset=utf-8",
        };
        let body = body.as_bytes().to_vec();
        self.shared.lock().pages.insert(path.to_owned(), Answer::Page { media_type, body });
    }

    /// The page there.
    pub fn text(&self, path: &str) -> String {
        match self.shared.lock().pages.get(path) {
            Some(Answer::Page { body, .. }) => String::from_utf8_lossy(body).into_owned(),
            _ => String::new(),
        }
    }

    /// Takes the page away.
    pub fn take_away(&self, path: &str) {
        self.shared.lock().pages.remove(path);
    }

    /// Sends whoever asks for this somewhere else.
    pub fn redirect(&self, path: &str, to: &str) {
        self.shared.lock().pages.insert(path.to_owned(), Answer::Redirect(to.to_owned()));
    }

    /// From now on answers this path with 503.
    pub fn fail(&self, path: &str) {
        self.shared.lock().pages.insert(path.to_owned(), Answer::Failure);
    }

    /// From now on answers 503, or answers again.
    pub fn set_down(&self, is_down: bool) {
        self.shared.lock().is_down = is_down;
    }

    /// From now on does not answer this path, until it is released.
    pub fn hold(&self, path: &str) {
        self.shared.lock().held = Some(path.to_owned());
    }

    /// Hangs up on whoever was held, and answers the path again.
    pub fn release(&self) {
        self.shared.lock().held = None;
        self.shared.released.notify_waiters();
    }

    /// What was asked for since the last time, and the statuses of the answers.
    pub fn take_requests(&self) -> Vec<(String, u16)> {
        std::mem::take(&mut self.shared.lock().asked)
    }

    /// Whether this path was asked for since the requests were taken.
    pub fn was_asked_for(&self, path: &str) -> bool {
        self.shared.lock().asked.iter().any(|(asked, _)| asked == path)
    }

    /// Connections that were ever made.
    pub fn connections(&self) -> usize {
        self.shared.lock().connections
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_held(&self, path: &str) -> bool {
        self.lock().held.as_deref() == Some(path)
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((socket, _)) = listener.accept().await {
        shared.lock().connections += 1;
        tokio::spawn(serve(socket, shared.clone()));
    }
}

/// A connection that breaks is the client's business.
async fn serve(socket: TcpStream, shared: Arc<Shared>) -> Result<()> {
    let (read, mut write) = socket.into_split();
    let mut lines = BufReader::new(read).lines();
    while let Some(start) = lines.next_line().await? {
        let path = start.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut known = None;
        while let Some(line) = lines.next_line().await?.filter(|line| !line.is_empty()) {
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("if-none-match")
            {
                known = Some(value.trim().to_owned());
            }
        }
        let released = shared.released.notified();
        if shared.is_held(&path) {
            shared.lock().asked.push((path, 0));
            released.await;
            return Ok(());
        }
        let (status, response) = answer(&shared, &path, known.as_deref());
        shared.lock().asked.push((path, status));
        write.write_all(&response).await?;
    }
    Ok(())
}

fn answer(shared: &Shared, path: &str, known: Option<&str>) -> (u16, Vec<u8>) {
    let state = shared.lock();
    let empty = |status: u16, more: &str| {
        (status, format!("HTTP/1.1 {status} Scripted\r\n{more}content-length: 0\r\n\r\n").into_bytes())
    };
    if state.is_down {
        return empty(503, "");
    }
    match state.pages.get(path) {
        None => empty(404, ""),
        Some(Answer::Failure) => empty(503, ""),
        Some(Answer::Redirect(to)) => empty(302, &format!("location: {to}\r\n")),
        Some(Answer::Page { media_type, body }) => {
            let mut hasher = DefaultHasher::new();
            body.hash(&mut hasher);
            let etag = format!("\"{:x}\"", hasher.finish());
            if known == Some(etag.as_str()) {
                return (304, format!("HTTP/1.1 304 Not Modified\r\netag: {etag}\r\n\r\n").into_bytes());
            }
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: {media_type}\r\netag: {etag}\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            (200, [head.into_bytes(), body.clone()].concat())
        }
    }
}
