//! The guard from end to end: a name whose answer is inside is not connected to. Here, because only here a test can say
//! what a name resolves to.

use std::sync::Arc;

use serde_json::json;
use tokio::net::TcpListener;

use super::*;
use crate::CapabilityKind;

fn manifest(hosts: Vec<HostRule>) -> Manifest {
    Manifest {
        id: "probe",
        name: "Probe",
        summary: "Tries the doors.",
        capabilities: vec![CapabilityKind::PageFetcher],
        hosts,
        settings_schema: json!({}),
    }
}

/// A way out for which every name has these addresses.
fn resolving_to(addresses: &[&str]) -> Egress {
    let addresses: Vec<SocketAddr> =
        addresses.iter().map(|ip| SocketAddr::new(ip.parse().expect("an address"), 0)).collect();
    let look_up: LookUp = Arc::new(move |_| {
        let addresses = addresses.clone();
        Box::pin(async move { Ok(addresses) })
    });
    Egress::with_look_up(&manifest(vec![HostRule::PublicInternet]), &json!({}), look_up).expect("usable settings")
}

async fn kind(egress: &Egress, url: &str) -> PluginErrorKind {
    let url = Url::parse(url).expect("a URL");
    let (headers, timeout) = (HeaderMap::new(), Duration::from_millis(200));
    let sent = egress.send(EgressRequest { method: Method::GET, url, headers, json: None, timeout }).await;
    sent.err().expect("nobody answers").kind
}

#[tokio::test]
async fn a_public_name_with_an_inside_address_is_refused() {
    for inside in ["127.0.0.1", "10.0.0.1", "169.254.169.254", "100.64.0.1", "224.0.0.1", "240.0.0.1", "0.0.0.0"] {
        assert_eq!(kind(&resolving_to(&[inside]), "https://www.example.com/").await, PluginErrorKind::HostNotAllowed);
    }
    for inside in ["::1", "::ffff:10.0.0.1", "2002:7f00:1::", "64:ff9b::a00:1", "fd00::1", "fe80::1", "ff02::1"] {
        assert_eq!(kind(&resolving_to(&[inside]), "https://www.example.com/").await, PluginErrorKind::HostNotAllowed);
    }
}

#[tokio::test]
async fn one_inside_address_spoils_the_answer() {
    let mixed = resolving_to(&["93.184.215.14", "127.0.0.1"]);
    assert_eq!(kind(&mixed, "https://www.example.com/").await, PluginErrorKind::HostNotAllowed);
}

#[tokio::test]
async fn a_name_without_an_address_is_unavailable() {
    assert_eq!(kind(&resolving_to(&[]), "https://www.example.com/").await, PluginErrorKind::Unavailable);
}

#[tokio::test]
async fn a_host_that_was_not_declared_is_counted() {
    let egress = Egress::new(&manifest(vec![HostRule::Exact("api.example")]), &json!({})).expect("usable settings");
    take_refused();
    let refused = |url: &str| egress.check(&Url::parse(url).expect("a URL")).is_err();
    assert!(!refused("https://api.example/") && refused("https://elsewhere.example/"));
    assert!(take_refused() >= 1, "nobody is told of it");
}

#[tokio::test]
async fn an_address_that_was_let_through_is_reached_by_its_address_and_port_alone() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let rules = vec![HostRule::Address(address), HostRule::PublicInternet];
    let egress = Egress::new(&manifest(rules), &json!({})).expect("usable settings");
    let allowed = |url: String| egress.check(&Url::parse(&url).expect("a URL")).is_ok();
    let (port, next) = (address.port(), address.port() ^ 1);
    assert!(allowed(format!("http://127.0.0.1:{port}/")) && allowed(format!("https://127.0.0.1:{port}/")));
    for other in [
        format!("http://127.0.0.1:{next}/"),
        format!("http://localhost:{port}/"),
        format!("http://127.0.0.2:{port}/"),
        format!("http://[::1]:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        format!("ftp://127.0.0.1:{port}/"),
        format!("http://a@127.0.0.1:{port}/"),
    ] {
        assert!(!allowed(other.clone()), "{other}");
    }
    assert_eq!(egress.hosts(), [address.to_string(), "*".to_owned()]);
}

#[test]
fn the_public_internet_is_https_on_its_own_port() {
    let egress = resolving_to(&[]);
    let allowed = |url: &str| egress.check(&Url::parse(url).expect("a URL")).is_ok();
    assert!(
        allowed("https://www.example.com/") && allowed("https://93.184.215.14/") && allowed("https://a.example:443/")
    );
    for url in [
        "http://www.example.com/",
        "https://www.example.com:8443/",
        "https://key@www.example.com/",
        "https://10.0.0.1/",
        "https://[::1]/",
        "https://localhost/",
        "ftp://www.example.com/",
        "file:///etc/passwd",
    ] {
        assert!(!allowed(url), "{url}");
    }
}

#[test]
fn a_mail_server_is_compared_as_any_other() {
    let server = |url| super::server(url).map(|url| url.to_string());
    assert_eq!(server("smtps://Mail.Example").as_deref(), Some("https://mail.example:465/"));
    assert_eq!(server("smtp://mail.example").as_deref(), Some("http://mail.example:587/"));
    assert_eq!(server("smtp://127.1:2525").as_deref(), Some("http://127.0.0.1:2525/"));
    assert_eq!(server("imaps://[::1]").as_deref(), Some("https://[::1]:993/"));
    assert_eq!(
        server("imap://mail.example:80").and_then(|url| Url::parse(&url).ok()?.port_or_known_default()),
        Some(80)
    );
    assert_eq!(server("https://mail.example").as_deref(), Some("https://mail.example/"));
    assert_eq!(["ftp://a", "smtp://", "mail.example", "smtp:mail.example"].map(server), [const { None }; 4]);
}

#[test]
fn plain_text_to_a_mail_server_needs_a_word_or_loopback() {
    let may = |settings: Value, url: &str| {
        let egress =
            Egress::new(&manifest(vec![HostRule::FromSetting("smtpUrl")]), &settings).expect("usable settings");
        egress.check(&super::server(url).expect("a server")).is_ok()
    };
    assert!(may(json!({ "smtpUrl": "smtps://mail.example" }), "smtps://mail.example"));
    assert!(!may(json!({ "smtpUrl": "smtps://mail.example" }), "smtp://mail.example"));
    assert!(!may(json!({ "smtpUrl": "smtp://mail.example" }), "smtp://mail.example"));
    assert!(may(json!({ "smtpUrl": "smtp://localhost:1025" }), "smtp://localhost:1025"));
    assert!(may(json!({ "smtpUrl": "smtp://mail.example", "allowPlainText": true }), "smtp://mail.example"));
}

#[tokio::test]
async fn a_host_can_be_looked_up_without_being_connected_to() {
    let url = |text| Url::parse(text).expect("a URL");
    assert!(resolving_to(&["93.184.215.14"]).look_up(&url("https://www.example.com/")).await.is_ok());
    let inside = resolving_to(&["93.184.215.14", "10.0.0.1"]).look_up(&url("https://www.example.com/")).await;
    assert_eq!(inside.expect_err("an inside address").kind, PluginErrorKind::HostNotAllowed);
    let nobody = resolving_to(&[]).look_up(&url("https://www.example.com/")).await;
    assert_eq!(nobody.expect_err("no address").kind, PluginErrorKind::Unavailable);
}

#[test]
fn a_wait_is_read_from_seconds_and_from_a_date() {
    let wait = |value: &'static str| {
        retry_after(
            &HeaderMap::from_iter([(header::RETRY_AFTER, header::HeaderValue::from_static(value))]),
            1_445_412_420_500,
        )
    };
    assert_eq!(wait("7"), Some(Duration::from_secs(7)));
    assert_eq!(wait("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::from_secs(60)));
    assert_eq!(wait("Wed, 21 Oct 2015 07:20:00 GMT"), Some(Duration::ZERO));
    assert_eq!(wait("99999999"), Some(Duration::from_secs(86_400)));
    assert_eq!([wait("-1"), wait("soon"), wait("1.5")], [None; 3]);
}
