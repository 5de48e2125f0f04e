//! Where no request goes, and which settings cannot work.

use std::path::Path;

use consigne_sdk::{Notice, PluginErrorKind};
use serde_json::json;

use crate::{
    receiver::{Answer, Receiver},
    world::{SECRET, delivery, open},
};

/// Addresses that were used against others, one a line, where the collection is at hand.
fn hostile_urls() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/security/ssrf_urls.txt");
    match std::fs::read_to_string(&path) {
        Ok(text) => text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect(),
        Err(_) => {
            println!("skipped: no {}", path.display());
            Vec::new()
        }
    }
}

/// Whether somebody on this machine could be reached by it: they listen, and count.
async fn attempt(url: &str) -> Option<PluginErrorKind> {
    let channel = match open(json!({ "url": url, "secrets": [SECRET] }), Vec::new()).await {
        Ok(channel) => channel,
        Err(error) => return Some(error.kind),
    };
    channel.deliver(delivery("d_1", Notice::Test)).await.err().map(|error| error.kind)
}

#[tokio::test]
async fn every_url_of_the_hostile_collection_is_refused_and_nobody_is_connected_to() {
    let receiver = Receiver::start(SECRET).await;
    let port = receiver.address().port();
    let (mut refused, mut unknown) = (0, 0);
    for line in hostile_urls() {
        let over_tls = line.replacen("http://", "https://", 1);
        let with_port = url::Url::parse(&line).ok().and_then(|mut url| {
            url.set_port(Some(port)).ok()?;
            Some(url.to_string())
        });
        for url in [Some(line.clone()), Some(over_tls), with_port].into_iter().flatten() {
            let is_outside_name =
                url::Url::parse(&url).is_ok_and(|url| url.scheme() == "https" && url.domain().is_some());
            match attempt(&url).await {
                Some(PluginErrorKind::HostNotAllowed | PluginErrorKind::Misconfigured) => refused += 1,
                // A name that nobody can look up here; what it would resolve to is tested where answers can be made.
                Some(PluginErrorKind::Unavailable) if is_outside_name => unknown += 1,
                other => panic!("{url}: {other:?}"),
            }
        }
    }
    println!("{refused} refused, {unknown} names that nobody knows here");
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test]
async fn a_redirect_inside_is_a_failure_and_not_followed() {
    let (inside, receiver) = (Receiver::start(SECRET).await, Receiver::start(SECRET).await);
    receiver.script([Answer::Status(307, format!("location: {}\r\n", inside.url()))]);
    let settings = json!({ "url": receiver.url(), "secrets": [SECRET] });
    let channel = open(settings, vec![receiver.address(), inside.address()]).await.expect("usable settings");
    let error = channel.deliver(delivery("d_1", Notice::Test)).await.expect_err("a redirect is no success");
    assert_eq!((error.kind, inside.connections()), (PluginErrorKind::Unavailable, 0));
}

#[tokio::test]
async fn a_check_says_whether_it_could_deliver_and_sends_nothing() {
    let receiver = Receiver::start(SECRET).await;
    let settings = json!({ "url": receiver.url(), "secrets": [SECRET] });
    let channel = open(settings.clone(), vec![receiver.address()]).await.expect("usable settings");
    assert!(channel.check().await.expect("it could").contains("127.0.0.1"));
    let channel = open(settings, Vec::new()).await.expect("usable settings");
    assert_eq!(channel.check().await.expect_err("it is inside").kind, PluginErrorKind::HostNotAllowed);
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_without_repeating_them() {
    for (url, secrets, inbound) in [
        ("no url", json!([SECRET]), json!(null)),
        ("https://example.com/", json!(["whsec_c2hvcnQ="]), json!(null)),
        ("https://example.com/", json!(["hunter2"]), json!(null)),
        ("https://example.com/", json!(["whpk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="]), json!(null)),
        ("https://example.com/", json!([SECRET]), json!(["hunter2"])),
    ] {
        let mut settings = json!({ "url": url, "secrets": secrets });
        if !inbound.is_null() {
            settings["inboundSecrets"] = inbound;
        }
        let error = open(settings, Vec::new()).await.err().expect("they cannot work");
        assert_eq!(error.kind, PluginErrorKind::Misconfigured);
        assert!(!error.message.contains("hunter2") && !error.message.contains("c2hvcnQ"), "{}", error.message);
    }
}
