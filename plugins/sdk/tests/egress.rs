//! What `Egress` lets out, seen from the other side: servers on this machine that count who came.

use std::{
    net::SocketAddr,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use consigne_sdk::{
    CapabilityKind, Egress, EgressRequest, EgressResponse, HostRule, Manifest, PluginError, PluginErrorKind, Result,
    egress::{EgressConnection, Method, TlsTerms, header::HeaderMap},
};
use futures::TryStreamExt;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use url::Url;

/// A server that answers every connection with the same bytes and closes.
struct Server {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    first_bytes: mpsc::UnboundedReceiver<Vec<u8>>,
}

impl Server {
    async fn answering(response: &str) -> Self {
        Self::on("127.0.0.1:0", Some(response)).await
    }

    async fn on(address: &str, response: Option<&str>) -> Self {
        let listener = TcpListener::bind(address).await.expect("a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let connections = Arc::new(AtomicUsize::new(0));
        let (seen, first_bytes) = mpsc::unbounded_channel();
        let (count, response) = (connections.clone(), response.map(str::to_owned));
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(socket, response.clone(), seen.clone()));
            }
        });
        Self { address, connections, first_bytes }
    }

    fn url(&self, host: &str) -> String {
        format!("http://{host}:{}/v1", self.address.port())
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn serve(mut socket: TcpStream, response: Option<String>, seen: mpsc::UnboundedSender<Vec<u8>>) {
    let mut buffer = vec![0; 16 * 1024];
    let length = socket.read(&mut buffer).await.unwrap_or(0);
    let _ = seen.send(buffer[..length].to_vec());
    match response {
        Some(response) => drop(socket.write_all(response.as_bytes()).await),
        None => drop(socket.read(&mut buffer).await),
    }
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn manifest(hosts: Vec<HostRule>) -> Manifest {
    Manifest {
        id: "probe",
        name: "Probe",
        summary: "Tries the doors.",
        capabilities: vec![CapabilityKind::ChatModel],
        hosts,
        settings_schema: json!({}),
    }
}

fn egress(settings: Value) -> Egress {
    try_egress(settings).expect("usable settings")
}

fn try_egress(settings: Value) -> Result<Egress> {
    Egress::new(&manifest(vec![HostRule::Exact("api.openai.com"), HostRule::FromSetting("baseUrl")]), &settings)
}

async fn get(egress: &Egress, url: &str) -> Result<EgressResponse> {
    let url = Url::parse(url).expect("a URL");
    let timeout = Duration::from_secs(5);
    egress.send(EgressRequest { method: Method::GET, url, headers: HeaderMap::new(), json: None, timeout }).await
}

fn error(result: Result<EgressResponse>) -> PluginError {
    result.err().expect("a failure")
}

async fn refused(egress: &Egress, url: &str) -> bool {
    matches!(get(egress, url).await, Err(PluginError { kind: PluginErrorKind::HostNotAllowed, .. }))
}

#[tokio::test]
async fn an_allowed_host_is_reached() {
    let server = Server::answering(OK).await;
    let response = get(&egress(json!({ "baseUrl": server.url("127.0.0.1") })), &server.url("127.0.0.1")).await;
    let response = response.expect("an answer");
    let body: Vec<_> = response.body.try_collect().await.expect("a body");
    assert_eq!((response.status, body.concat()), (200, b"ok".to_vec()));
}

#[tokio::test]
async fn a_host_the_manifest_does_not_name_sees_no_connection() {
    let server = Server::answering(OK).await;
    let egress = egress(json!({ "baseUrl": "http://localhost" }));
    let port = server.address.port();
    for host in ["127.0.0.1", "2130706433", "0x7f.1", "127.1", "[::ffff:127.0.0.1]", "0.0.0.0"] {
        for scheme in ["http", "https"] {
            assert!(refused(&egress, &format!("{scheme}://{host}:{port}/")).await, "{scheme} {host}");
        }
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_name_that_looks_like_an_allowed_one_is_another_host() {
    let server = Server::answering(OK).await;
    let port = server.address.port();
    let egress = egress(json!({}));
    for url in [
        "https://evil-api.openai.com/",
        "https://openai.com/",
        "https://x.api.openai.com/",
        "https://api.openai.com.evil.example/",
        "https://api.openai.com./",
        "https://\u{430}pi.openai.com/",
        &format!("https://api.openai.com@127.0.0.1:{port}/"),
        &format!("https://api.openai.com:x@127.0.0.1:{port}/"),
        &format!("https://127.0.0.1:{port}/api.openai.com"),
        "ftp://api.openai.com/",
        "http://api.openai.com/",
        "https://key@api.openai.com/",
    ] {
        assert!(refused(&egress, url).await, "{url}");
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn one_host_in_several_spellings_is_the_same_host() {
    let server = Server::answering(OK).await;
    let upper = egress(json!({ "baseUrl": server.url("LOCALHOST") }));
    assert_eq!(get(&upper, &server.url("LocalHost")).await.expect("an answer").status, 200);
    let ipv6 = egress(json!({ "baseUrl": "http://[0:0:0:0:0:0:0:1]:1/" }));
    assert_eq!(ipv6.hosts(), ["api.openai.com", "[::1]"]);
    assert!(!refused(&ipv6, "http://[::1]:1/").await);
    let unicode = egress(json!({ "baseUrl": "https://Bücher.example/" }));
    assert_eq!(unicode.hosts(), ["api.openai.com", "xn--bcher-kva.example"]);
}

#[tokio::test]
async fn plain_http_stays_on_loopback_unless_the_settings_allow_it() {
    let server = Server::on("0.0.0.0:0", Some(OK)).await;
    let url = server.url("0.0.0.0");
    assert!(refused(&egress(json!({ "baseUrl": url })), &url).await);
    assert!(refused(&egress(json!({ "baseUrl": url, "allowPlainHttp": "true" })), &url).await);
    assert_eq!(server.connections(), 0);
    let allowed = egress(json!({ "baseUrl": url, "allowPlainHttp": true }));
    assert_eq!(get(&allowed, &url).await.expect("an answer").status, 200);
    assert!(refused(&allowed, "http://api.openai.com/").await, "the setting speaks for its own host only");
}

#[tokio::test]
async fn a_redirect_comes_back_and_is_not_followed() {
    let elsewhere = Server::answering(OK).await;
    let target = elsewhere.url("127.0.0.1");
    let redirect = format!("HTTP/1.1 307 Moved\r\nlocation: {target}\r\ncontent-length: 0\r\n\r\n");
    let server = Server::answering(&redirect).await;
    let egress = egress(json!({ "baseUrl": server.url("127.0.0.1") }));
    assert_eq!(get(&egress, &server.url("127.0.0.1")).await.expect("an answer").status, 307);
    assert_eq!(elsewhere.connections(), 0);
}

#[test]
fn a_setting_that_names_no_usable_host_is_misconfigured_and_not_repeated() {
    for url in ["nonsense-secret", "file:///secret", "ftp://secret.example/", "https://user:secret@host.example/"] {
        let error = try_egress(json!({ "baseUrl": url })).err().expect("refused");
        assert_eq!(error.kind, PluginErrorKind::Misconfigured, "{url}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[tokio::test]
async fn an_error_names_the_host_and_neither_path_nor_query() {
    let closed = TcpListener::bind("127.0.0.1:0").await.expect("a free port").local_addr().expect("an address");
    let egress = egress(json!({ "baseUrl": "http://127.0.0.1" }));
    let unreachable = error(get(&egress, &format!("http://127.0.0.1:{}/secret?key=secret", closed.port())).await);
    assert_eq!(unreachable.kind, PluginErrorKind::Unavailable);
    assert_eq!(unreachable.to_string(), "probe: 127.0.0.1: no connection");
    let refused = error(get(&egress, "https://other.example/secret?key=secret").await);
    assert_eq!(refused.to_string(), "probe may not reach other.example: its manifest does not name that host");
}

#[tokio::test]
async fn silence_and_a_cut_body_are_unavailable() {
    let silent = Server::on("127.0.0.1:0", None).await;
    let egress = egress(json!({ "baseUrl": "http://127.0.0.1" }));
    let url = Url::parse(&silent.url("127.0.0.1")).expect("a URL");
    let timeout = Duration::from_millis(100);
    let request =
        EgressRequest { method: Method::POST, url, headers: HeaderMap::new(), json: Some(json!({})), timeout };
    assert_eq!(error(egress.send(request).await).kind, PluginErrorKind::Unavailable);

    let cut = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nok").await;
    let response = get(&egress, &cut.url("127.0.0.1")).await.expect("a head");
    let broken = response.body.try_collect::<Vec<_>>().await.expect_err("fewer bytes than announced");
    assert_eq!(broken.to_string(), "probe: 127.0.0.1: the connection broke");
}

#[tokio::test]
async fn the_handshake_offers_tls_1_3_alone() {
    let mut server = Server::answering("").await;
    let url = server.url("localhost").replace("http:", "https:");
    let failed = error(get(&egress(json!({ "baseUrl": url })), &url).await);
    assert_eq!(failed.kind, PluginErrorKind::Unavailable);
    let hello = server.first_bytes.recv().await.expect("a client hello");
    assert_eq!(offered_versions(&hello), Some(vec![[3, 4]]));
}

/// The versions of the extension `supported_versions` (43) in a TLS client hello, RFC 8446 section 4.1.2 and 4.2.1.
fn offered_versions(record: &[u8]) -> Option<Vec<[u8; 2]>> {
    let length = |at: usize| Some(usize::from(u16::from_be_bytes([*record.get(at)?, *record.get(at + 1)?])));
    let mut at = 5 + 4 + 2 + 32;
    at += 1 + usize::from(*record.get(at)?);
    at += 2 + length(at)?;
    at += 1 + usize::from(*record.get(at)?);
    at += 2;
    loop {
        let (kind, size) = (length(at)?, length(at + 2)?);
        if kind == 43 {
            let list = record.get(at + 5..at + 4 + size)?;
            return Some(list.chunks_exact(2).map(|v| [v[0], v[1]]).collect());
        }
        at += 4 + size;
    }
}

/// Set for the process that plays [`a_proxy_in_the_environment_is_ignored`]'s child: the URL it must reach directly.
const TARGET: &str = "CONSIGNE_TEST_TARGET";

#[tokio::test]
async fn a_proxy_in_the_environment_is_ignored() {
    let (server, proxy) = (Server::answering(OK).await, Server::answering(OK).await);
    let proxy_url = proxy.url("127.0.0.1");
    let mut child = Command::new(std::env::current_exe().expect("this test's binary"));
    child.args(["--exact", "reaches_the_target_of_its_environment", "--ignored"]);
    child.env(TARGET, server.url("127.0.0.1")).env_remove("NO_PROXY").env_remove("no_proxy");
    for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
        child.env(name, &proxy_url);
    }
    let outcome = tokio::task::spawn_blocking(move || child.output()).await.expect("joined").expect("a child process");
    assert!(outcome.status.success(), "{}", String::from_utf8_lossy(&outcome.stdout));
    assert_eq!((server.connections(), proxy.connections()), (1, 0));
}

#[tokio::test]
#[ignore = "run by `a_proxy_in_the_environment_is_ignored`, in an environment of its own"]
#[expect(clippy::disallowed_methods, reason = "a child process hears from its parent by its environment")]
async fn reaches_the_target_of_its_environment() {
    let target = std::env::var(TARGET).expect("set by the parent");
    let egress = egress(json!({ "baseUrl": target }));
    assert_eq!(get(&egress, &target).await.expect("an answer").status, 200);
}

/// What plugins other than those that speak HTTP are handed.
async fn connect(egress: &Egress, url: &str) -> Result<EgressConnection> {
    let terms = TlsTerms { protocol: "h2", authorities: None };
    egress.connect(&Url::parse(url).expect("a URL"), &terms).await
}

#[tokio::test]
async fn a_bare_connection_carries_bytes_both_ways() {
    let mut server = Server::answering("pong").await;
    let url = server.url("127.0.0.1");
    let mut connection = connect(&egress(json!({ "baseUrl": url })), &url).await.expect("a connection");
    connection.write_all(b"ping").await.expect("written");
    assert_eq!(server.first_bytes.recv().await.expect("a connection"), b"ping");
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).await.expect("read");
    assert_eq!(answer, b"pong");
}

#[tokio::test]
async fn a_bare_connection_goes_nowhere_that_a_request_may_not() {
    let server = Server::answering(OK).await;
    let egress = egress(json!({ "baseUrl": "http://localhost" }));
    for url in [server.url("127.0.0.1"), "http://api.openai.com".into(), "https://key@api.openai.com".into()] {
        let refused = connect(&egress, &url).await.err().expect("refused");
        assert_eq!(refused.kind, PluginErrorKind::HostNotAllowed, "{url}");
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_bare_connection_offers_tls_1_3_alone() {
    let mut server = Server::answering("").await;
    let url = server.url("localhost").replace("http:", "https:");
    let failed = connect(&egress(json!({ "baseUrl": url })), &url).await.err().expect("a failure");
    assert_eq!(failed.kind, PluginErrorKind::Unavailable);
    let hello = server.first_bytes.recv().await.expect("a client hello");
    assert_eq!(offered_versions(&hello), Some(vec![[3, 4]]));
}

#[test]
fn authorities_that_are_no_certificates_are_misconfigured_and_not_repeated() {
    for pem in ["secret", "-----BEGIN CERTIFICATE-----\nc2VjcmV0\n-----END CERTIFICATE-----\n"] {
        let terms = TlsTerms { protocol: "h2", authorities: Some(pem.into()) };
        let error = terms.check().expect_err("refused");
        assert_eq!(error.kind, PluginErrorKind::Misconfigured);
        assert!(!error.message.contains("secret"), "{error}");
    }
}
