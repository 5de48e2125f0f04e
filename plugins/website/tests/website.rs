//! The fetcher seen from the other side: a server on this machine that counts who comes.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use consigne_plugin_website::{Website, WebsiteOptions};
use consigne_sdk::{
    Capability, CapabilityKind, Egress, Fetched, Page, PageFetcher, PageRequest, Plugin, PluginErrorKind, Result,
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use url::Url;

/// Answers every connection with the same bytes and remembers what it was asked.
struct Server {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn answering(response: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (connections, asked) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
        let (count, heard) = (connections.clone(), asked.clone());
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let mut buffer = vec![0; 16 * 1024];
                let length = socket.read(&mut buffer).await.unwrap_or(0);
                let request = String::from_utf8_lossy(&buffer[..length]).to_lowercase();
                heard.lock().expect("no test panicked with it").push(request);
                drop(socket.write_all(response.as_bytes()).await);
            }
        });
        Self { address, connections, asked }
    }

    fn url(&self, path: &str) -> Url {
        Url::parse(&format!("http://{}{path}", self.address)).expect("a URL")
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    fn last_request(&self) -> String {
        self.asked.lock().expect("no test panicked with it").last().cloned().unwrap_or_default()
    }
}

async fn fetcher(let_through: Vec<SocketAddr>) -> Arc<dyn PageFetcher> {
    let plugin = Website::new(WebsiteOptions { let_through });
    let egress = Egress::new(plugin.manifest(), &json!({})).expect("usable settings");
    match plugin.open(CapabilityKind::PageFetcher, json!({}), egress).await {
        Ok(Capability::PageFetcher(fetcher)) => fetcher,
        _ => panic!("the plugin opens as what its manifest says"),
    }
}

async fn fetch(fetcher: &Arc<dyn PageFetcher>, url: Url) -> Result<Fetched> {
    fetcher.fetch(PageRequest::whole(url, 1_000)).await
}

fn is_refused(result: &Result<Fetched>) -> bool {
    result.as_ref().is_err_and(|error| error.kind == PluginErrorKind::HostNotAllowed)
}

fn page(headers: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

/// Addresses that were used against others, one a line, where the collection is at hand.
fn hostile_urls() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/security/ssrf_urls.txt");
    match std::fs::read_to_string(&path) {
        Ok(text) => text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect(),
        Err(_) => {
            println!("skipped: no {}", path.display());
            Vec::new()
        }
    }
}

#[tokio::test]
async fn a_page_comes_with_its_type_and_its_validators() {
    let headers =
        "content-type: text/html; charset=utf-8\r\netag: \"1\"\r\nlast-modified: Mon, 23 Nov 2026 08:00:00 GMT\r\n";
    let server = Server::answering(page(headers, "<p>Hello")).await;
    let fetcher = fetcher(vec![server.address]).await;
    let fetched = fetch(&fetcher, server.url("/a?b=c")).await.expect("an answer");
    let expected = Page {
        bytes: "<p>Hello".into(),
        media_type: Some("text/html".to_owned()),
        etag: Some("\"1\"".to_owned()),
        last_modified: Some("Mon, 23 Nov 2026 08:00:00 GMT".to_owned()),
    };
    assert_eq!(fetched, Fetched::Page(expected));
    let request = server.last_request();
    assert!(request.starts_with("get /a?b=c http/1.1\r\n") && request.contains("user-agent: consigne/"), "{request}");
    assert!(!request.contains("cookie") && !request.contains("referer"), "{request}");
}

#[tokio::test]
async fn what_is_known_is_asked_for_conditionally() {
    let server = Server::answering("HTTP/1.1 304 Not Modified\r\n\r\n".to_owned()).await;
    let fetcher = fetcher(vec![server.address]).await;
    let (etag, last_modified) = (Some("\"1\"".to_owned()), Some("Mon, 23 Nov 2026 08:00:00 GMT".to_owned()));
    let request = PageRequest { etag, last_modified, ..PageRequest::whole(server.url("/"), 1_000) };
    assert_eq!(fetcher.fetch(request).await.expect("an answer"), Fetched::NotModified);
    let request = server.last_request();
    assert!(request.contains("if-none-match: \"1\"\r\n"), "{request}");
    assert!(request.contains("if-modified-since: mon, 23 nov 2026 08:00:00 gmt\r\n"), "{request}");
}

#[tokio::test]
async fn a_page_that_is_too_long_is_not_taken_whether_its_length_is_announced_or_not() {
    let body = "x".repeat(1_001);
    for response in [page("", &body), format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{body}")] {
        let server = Server::answering(response).await;
        let fetcher = fetcher(vec![server.address]).await;
        assert_eq!(fetch(&fetcher, server.url("/")).await.expect("an answer"), Fetched::TooLarge);
    }
}

#[tokio::test]
async fn a_redirect_comes_back_and_nobody_goes_there() {
    let elsewhere = Server::answering(page("", "secret")).await;
    let target = elsewhere.url("/");
    let server =
        Server::answering(format!("HTTP/1.1 302 Found\r\nlocation: {target}\r\ncontent-length: 0\r\n\r\n")).await;
    let fetcher = fetcher(vec![server.address]).await;
    let fetched = fetch(&fetcher, server.url("/")).await.expect("an answer");
    assert_eq!(fetched, Fetched::Elsewhere(target.clone()));
    assert!(is_refused(&fetch(&fetcher, target).await), "the target is checked like a first request");
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn nothing_inside_is_connected_to_in_whatever_form_it_is_written() {
    let server = Server::answering(page("", "secret")).await;
    let (fetcher, port) = (fetcher(Vec::new()).await, server.address.port());
    for host in [
        "127.0.0.1",
        "localhost",
        "localhost.",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "①②⑦.⓪.⓪.①",
        "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ",
        "a@127.0.0.1",
    ] {
        for scheme in ["http", "https"] {
            let url = Url::parse(&format!("{scheme}://{host}:{port}/")).expect("a URL");
            assert!(is_refused(&fetch(&fetcher, url).await), "{scheme} {host}");
        }
    }
    assert_eq!(server.connections(), 0);
}

/// As written, over https too, and as the target of a redirect.
#[tokio::test]
async fn every_url_of_the_hostile_collection_is_refused() {
    for line in hostile_urls() {
        let fetcher = fetcher(Vec::new()).await;
        let over_tls = line.replacen("http://", "https://", 1);
        for url in [Url::parse(&line), Url::parse(&over_tls)].into_iter().flatten() {
            let is_outside_name = url.scheme() == "https" && url.domain().is_some();
            match fetch(&fetcher, url.clone()).await {
                Err(error) if error.kind == PluginErrorKind::HostNotAllowed => {}
                // A name that nobody can look up here; what it would resolve to is tested where answers can be made.
                Err(error) if is_outside_name && error.kind == PluginErrorKind::Unavailable => {}
                other => panic!("{line}: {other:?}"),
            }
        }
        let Ok(header) = line.parse::<consigne_sdk::egress::header::HeaderValue>() else { continue };
        let location = header.to_str().unwrap_or_default();
        let server = Server::answering(format!("HTTP/1.1 301 Moved\r\nlocation: {location}\r\n\r\n")).await;
        let behind_redirect = self::fetcher(vec![server.address]).await;
        if let Ok(Fetched::Elsewhere(target)) = fetch(&behind_redirect, server.url("/")).await {
            // A target on the server itself, as of a relative path, is no other place.
            let refused = is_refused(&fetch(&behind_redirect, target.clone()).await);
            assert!(refused || target.host_str() == server.url("/").host_str(), "{line} as a redirect to {target}");
        }
    }
}
