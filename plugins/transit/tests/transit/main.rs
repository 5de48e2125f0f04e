//! The plugin against a strict server, through its public API alone.

#[path = "../../../../tests/src/standins/http.rs"]
#[expect(dead_code, reason = "not every stand-in needs all of it")]
mod http;
#[path = "../../../../tests/src/standins/transit.rs"]
#[expect(dead_code, reason = "not every test needs all of it")]
mod server;

use consigne_plugin_transit::{Settings, key_server};
use consigne_sdk::{KeyServer, PluginErrorKind};
use server::{Instead, Transit};

fn settings(server: &Transit) -> Settings {
    Settings {
        url: server.url(),
        allow_plain_http: false,
        mount: "transit".to_owned(),
        key: "consigne".to_owned(),
        token: Some("a token".to_owned()),
        namespace: None,
        timeout_millis: 300,
    }
}

async fn world() -> (Transit, impl KeyServer) {
    let server = Transit::start("a token", "consigne").await;
    let key = key_server(settings(&server)).expect("these settings can be used");
    (server, key)
}

#[tokio::test]
async fn what_was_sealed_opens_in_its_own_place_alone() {
    let (server, key) = world().await;
    assert_eq!(key.versions().await.unwrap(), 1..=1);
    let sealed = key.seal(1, b"a place", b"a key").await.unwrap();
    assert!(sealed.starts_with("vault:v1:"), "{sealed}");
    assert_eq!(key.open(b"a place", &sealed).await.unwrap().as_slice(), b"a key");
    for (place, sealed) in [(b"another", sealed.as_str()), (b"a place", "vault:v1:bm90aGluZw==")] {
        assert_eq!(key.open(place, sealed).await.unwrap_err().kind, PluginErrorKind::Refused);
    }
    assert_eq!(server.refused().len(), 2, "{:?}", server.refused());
}

#[tokio::test]
async fn a_new_version_takes_the_place_of_an_old_one() {
    let (server, key) = world().await;
    let old = key.seal(1, b"a place", b"a key").await.unwrap();
    assert_eq!(key.rotate().await.unwrap(), 2);
    assert_eq!(key.versions().await.unwrap(), 1..=2);
    let new = key.seal_again(2, b"a place", &old).await.unwrap();
    assert!(new.starts_with("vault:v2:"), "{new}");
    assert!(key.retire_before(2).await.unwrap());
    assert_eq!(server.versions(), (2, 2));
    assert_eq!(key.versions().await.unwrap(), 2..=2);
    assert_eq!(key.open(b"a place", &new).await.unwrap().as_slice(), b"a key");
    assert_eq!(key.open(b"a place", &old).await.unwrap_err().kind, PluginErrorKind::Refused);
    assert_eq!(key.seal(1, b"a place", b"a key").await.unwrap_err().kind, PluginErrorKind::Refused);
}

#[tokio::test]
async fn a_rotation_whose_answer_got_lost_is_not_made_twice() {
    let (server, key) = world().await;
    server.answer_next_rotation(Instead::DoneAndHungUp);
    assert_eq!(key.rotate().await.unwrap(), 2);
    assert_eq!(server.versions(), (1, 2));
}

#[tokio::test]
async fn a_token_that_may_not_retire_says_so_and_nothing_else() {
    let (server, key) = world().await;
    server.let_configure(false);
    key.rotate().await.unwrap();
    assert!(!key.retire_before(2).await.unwrap());
    assert_eq!(server.versions(), (1, 2));
}

#[tokio::test]
async fn what_fails_for_a_moment_is_asked_again_and_no_more_than_twice() {
    let (server, key) = world().await;
    server.instead([Instead::Status(503), Instead::Silence]);
    key.seal(1, b"a place", b"a key").await.unwrap();
    server.down(true);
    let error = key.seal(1, b"a place", b"a key").await.unwrap_err();
    assert_eq!(error.kind, PluginErrorKind::Unavailable);
    assert_eq!(server.refused().len(), 3, "{:?}", server.refused());
}

#[tokio::test]
async fn another_token_another_key_and_a_key_that_binds_nothing_are_told_apart() {
    let (server, key) = world().await;
    let of = |change: fn(&mut Settings)| {
        let mut settings = settings(&server);
        change(&mut settings);
        key_server(settings).unwrap()
    };
    for (stranger, says) in [
        (of(|settings| settings.token = Some("another".to_owned())), "403"),
        (of(|settings| settings.token = None), "403"),
        (of(|settings| settings.key = "other".to_owned()), "404"),
    ] {
        let error = stranger.versions().await.unwrap_err();
        assert_eq!(error.kind, PluginErrorKind::Misconfigured);
        assert!(error.message.contains(says) && !error.message.contains("another"), "{error}");
    }
    server.derive(false);
    let error = key.versions().await.unwrap_err();
    assert_eq!(error.kind, PluginErrorKind::Misconfigured);
    assert!(error.message.contains("derived=true"), "{error}");
}

#[tokio::test]
async fn an_answer_of_something_else_is_no_answer() {
    let (server, key) = world().await;
    server.instead([Instead::Nonsense]);
    assert_eq!(key.versions().await.unwrap_err().kind, PluginErrorKind::InvalidResponse);
    server.instead([Instead::Status(418)]);
    assert_eq!(key.seal(1, b"a place", b"a key").await.unwrap_err().kind, PluginErrorKind::InvalidResponse);
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_before_anything_is_sent() {
    let server = Transit::start("a token", "consigne").await;
    for change in [
        (|settings| settings.url = "http://vault.example:8200".to_owned()) as fn(&mut Settings),
        |settings| settings.url = "no address".to_owned(),
        |settings| settings.key = "../sys/seal".to_owned(),
        |settings| settings.mount = "transit/../sys".to_owned(),
        |settings| settings.token = Some("two\nlines".to_owned()),
    ] {
        let mut settings = settings(&server);
        change(&mut settings);
        let refused = match key_server(settings) {
            Ok(key) => key.versions().await.map(drop).unwrap_err(),
            Err(error) => error,
        };
        assert!(matches!(refused.kind, PluginErrorKind::Misconfigured | PluginErrorKind::HostNotAllowed), "{refused}");
    }
    assert!(server.refused().is_empty(), "{:?}", server.refused());
}
