//! Which plugins a workspace uses, under settings that never come back.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod fake;
#[path = "../support/mod.rs"]
mod support;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use consigne_foundation::{
    Result,
    identity::{Role, accounts, authenticate, password},
    plugins::{InstanceDefaults, Registry},
    *,
};
use consigne_sdk::{ProcessorRole, Region, Residency};
use fake::{all, chatty};
use serde_json::{Value, json};
use support::TestStore;

const CANARY: &str = "sk-canary-5d0f0e2b9c";

struct House {
    test: TestStore,
    registry: Registry,
    opened: Arc<AtomicUsize>,
}

impl House {
    async fn open() -> Self {
        password::set_cheap_cost_for_tests();
        let opened = Arc::default();
        let registry = Registry::new(all(&opened), InstanceDefaults::default()).unwrap();
        Self { test: support::open().await, registry, opened }
    }

    async fn owner_of(&self, name: &str) -> Scope {
        let email = format!("owner@{name}.example");
        accounts::create_owner(&self.test.store, &email, "a long enough password", name).await.unwrap();
        self.sign_in(&email).await
    }

    async fn sign_in(&self, email: &str) -> Scope {
        let signed_in = accounts::sign_in(&self.test.store, email, "a long enough password", None).await.unwrap();
        let header = format!("Bearer {}", signed_in.access_token.expose());
        authenticate(&self.test.store, Some(&header)).await.unwrap().unwrap().scope
    }

    async fn enable(&self, scope: &Scope, settings: Value) -> Result<plugins::PluginInfo> {
        self.registry.enable(scope, &self.test.store, "chatty", settings).await
    }

    async fn model(&self, scope: &Scope, plugin: &str) -> Result<String> {
        let model = self.registry.chat_model(scope, &self.test.store, plugin).await?;
        Ok(model.model_name().to_owned())
    }

    async fn enabled(&self, scope: &Scope) -> Vec<&'static str> {
        let all = self.registry.list(scope, &self.test.store).await.unwrap();
        all.into_iter().filter(|plugin| plugin.enabled).map(|plugin| plugin.manifest.id).collect()
    }
}

fn settings() -> Value {
    json!({ "baseUrl": "https://api.chatty.example/v1", "apiKey": CANARY, "model": "large", "isInEurope": true })
}

#[tokio::test]
async fn what_stays_inside_is_on_and_what_goes_out_is_off_until_the_workspace_says_so() {
    let house = House::open().await;
    let (acme, other) = (house.owner_of("acme").await, house.owner_of("other").await);
    assert_eq!(house.enabled(&acme).await, ["fastembed", "flat", "extractive"]);
    assert_eq!(house.model(&acme, "extractive").await.unwrap(), "extractive");
    assert_eq!(house.model(&acme, "chatty").await.unwrap_err().kind(), ErrorKind::Disabled);

    let enabled = house.enable(&acme, settings()).await.unwrap();
    assert_eq!(enabled.hosts, ["api.chatty.example", "status.chatty.example"]);
    assert_eq!(enabled.processing.region, Region::Eea, "as the settings make it");
    assert_eq!(enabled.enabled_at, Some(house.test.clock.now()));
    assert_eq!(house.model(&acme, "chatty").await.unwrap(), "large");
    assert_eq!(house.enabled(&other).await, ["fastembed", "flat", "extractive"]);
    assert_eq!(house.model(&other, "chatty").await.unwrap_err().kind(), ErrorKind::Disabled);
}

#[tokio::test]
async fn a_plugin_that_is_switched_off_answers_no_more() {
    let house = House::open().await;
    let acme = house.owner_of("acme").await;
    house.enable(&acme, settings()).await.unwrap();
    for plugin in ["chatty", "extractive"] {
        house.model(&acme, plugin).await.unwrap();
        let off = house.registry.disable(&acme, &house.test.store, plugin).await.unwrap();
        assert!(!off.enabled && off.enabled_at.is_none());
        assert_eq!(house.model(&acme, plugin).await.unwrap_err().kind(), ErrorKind::Disabled);
    }
    assert_eq!(house.enabled(&acme).await, ["fastembed", "flat"]);
    house.registry.enable(&acme, &house.test.store, "extractive", Value::Null).await.unwrap();
    house.model(&acme, "extractive").await.unwrap();
    let forgotten = house.enable(&acme, Value::Null).await.unwrap_err();
    assert_eq!(forgotten.kind(), ErrorKind::Invalid, "the settings it had are gone");
    let entries = audit::page(&acme, &house.test.store, None, 4).await.unwrap();
    let done: Vec<&str> = entries.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(done, ["plugin.enabled", "plugin.disabled", "plugin.disabled", "plugin.enabled"]);
}

#[tokio::test]
async fn a_model_is_opened_once_and_again_under_new_settings() {
    let house = House::open().await;
    let acme = house.owner_of("acme").await;
    house.enable(&acme, settings()).await.unwrap();
    let (one, two) = tokio::join!(house.model(&acme, "chatty"), house.model(&acme, "chatty"));
    assert_eq!((one.unwrap(), two.unwrap()), ("large".to_owned(), "large".to_owned()));
    assert_eq!(house.opened.load(Ordering::SeqCst), 1);
    let mut smaller = settings();
    smaller["model"] = json!("small");
    house.enable(&acme, smaller).await.unwrap();
    assert_eq!(house.model(&acme, "chatty").await.unwrap(), "small");
    assert_eq!(house.opened.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn an_error_names_the_field_and_never_the_value() {
    let house = House::open().await;
    let acme = house.owner_of("acme").await;
    for (settings, words) in [
        (json!({ "apiKey": CANARY }), "settings/baseUrl is missing"),
        (json!({ "baseUrl": CANARY, "apiKey": "short" }), "settings/apiKey breaks the rule \"minLength\""),
        (json!({ "baseUrl": [CANARY], "apiKey": CANARY }), "settings/baseUrl breaks the rule \"type\""),
        (
            json!({ "baseUrl": "https://a.example", "apiKey": CANARY, CANARY: 1 }),
            "settings has a field that nobody expects",
        ),
        (json!(CANARY), "settings breaks the rule \"type\""),
        (json!({ "baseUrl": format!("not a url {CANARY}"), "apiKey": CANARY }), "baseUrl: not a URL"),
    ] {
        let error = house.enable(&acme, settings).await.unwrap_err();
        assert_eq!((error.kind(), error.field()), (ErrorKind::Invalid, Some("settings")));
        assert!(error.message().contains(words), "{error}");
        assert!(!format!("{error} {error:?}").contains(CANARY), "{words}");
    }
    assert_eq!(house.enabled(&acme).await, ["fastembed", "flat", "extractive"]);
}

#[tokio::test]
async fn settings_never_come_back_and_are_not_readable_in_the_files() {
    let house = House::open().await;
    let acme = house.owner_of("acme").await;
    let enabled = house.enable(&acme, settings()).await.unwrap();
    let listed = house.registry.list(&acme, &house.test.store).await.unwrap();
    let recipients = house.registry.recipients(&acme, &house.test.store).await.unwrap();
    let entries = audit::page(&acme, &house.test.store, None, 100).await.unwrap();
    let all = format!("{enabled:?} {listed:?} {recipients:?} {entries:?}");
    assert!(all.contains("chatty") && !all.contains(CANARY));
    if house.test.store.backend() == sea_orm::DbBackend::Sqlite {
        let holds = |words: &str| {
            std::fs::read_dir(house.test.folder.path()).unwrap().any(|file| {
                let bytes = std::fs::read(file.unwrap().path()).unwrap();
                bytes.windows(words.len()).any(|window| window == words.as_bytes())
            })
        };
        assert!(holds("chatty"), "the search finds what is there");
        assert!(!holds(CANARY));
    }
}

#[tokio::test]
async fn the_register_says_who_gets_data() {
    let house = House::open().await;
    let acme = house.owner_of("acme").await;
    house.enable(&acme, settings()).await.unwrap();
    let all = house.registry.recipients(&acme, &house.test.store).await.unwrap();
    let register: Vec<_> = all.iter().map(|r| (r.plugin, r.role, r.hosts.len(), r.since.is_some())).collect();
    assert_eq!(
        register,
        [
            ("fastembed", ProcessorRole::Internal, 0, false),
            ("flat", ProcessorRole::Internal, 0, false),
            ("extractive", ProcessorRole::Internal, 0, false),
            ("chatty", ProcessorRole::SubProcessor, 2, true),
        ]
    );
}

#[tokio::test]
async fn a_reranker_is_off_until_a_workspace_says_otherwise() {
    let house = House::open().await;
    let (acme, other) = (house.owner_of("acme").await, house.owner_of("other").await);
    let store = &house.test.store;
    assert!(house.registry.reranker(&acme, store).await.unwrap().is_none());
    house.registry.enable(&acme, store, "by-length", json!({})).await.unwrap();
    let (reranker, facts) = house.registry.reranker(&acme, store).await.unwrap().unwrap();
    assert_eq!((facts.plugin, reranker.model_name()), ("by-length", "by-length"));
    assert!(house.registry.reranker(&other, store).await.unwrap().is_none());
    house.registry.disable(&acme, store, "by-length").await.unwrap();
    assert!(house.registry.reranker(&acme, store).await.unwrap().is_none());
}

#[tokio::test]
async fn what_the_operator_chose_no_workspace_switches() {
    let house = House::open().await;
    let acme = house.owner_of("acme").await;
    for plugin in ["fastembed", "flat", "other-index"] {
        let refused = house.registry.disable(&acme, &house.test.store, plugin).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Conflict);
    }
    let unknown = house.registry.enable(&acme, &house.test.store, "nonsense", json!({})).await.unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::NotFound);
    assert_eq!(house.model(&acme, "flat").await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn the_operators_settings_serve_whoever_agrees_and_do_not_mix_with_a_workspaces_own() {
    let mut house = House::open().await;
    let operators = json!({ "baseUrl": "https://chatty.operator.example", "apiKey": CANARY });
    let defaults = InstanceDefaults {
        settings: BTreeMap::from([("chatty".to_owned(), operators)]),
        chat_model: "chatty".to_owned(),
        ..Default::default()
    };
    house.registry = Registry::new(all(&house.opened), defaults).unwrap();
    assert_eq!(house.registry.default_chat_model(), "chatty");
    let acme = house.owner_of("acme").await;
    assert_eq!(house.model(&acme, "chatty").await.unwrap_err().kind(), ErrorKind::Disabled, "it goes out");
    let agreed = house.enable(&acme, Value::Null).await.unwrap();
    assert_eq!(agreed.hosts[0], "chatty.operator.example");
    house.model(&acme, "chatty").await.unwrap();
    let mixed = house.enable(&acme, json!({ "baseUrl": "https://thief.example" })).await.unwrap_err();
    assert!(mixed.message().contains("settings/apiKey is missing"));
}

#[tokio::test]
async fn who_may_not_is_refused() {
    let house = House::open().await;
    let owner = house.owner_of("acme").await;
    for (email, role) in [("e@acme.example", Role::Editor), ("u@acme.example", Role::Auditor)] {
        accounts::add_member(&owner, &house.test.store, email, "a long enough password", role).await.unwrap();
    }
    let (editor, auditor) = (house.sign_in("e@acme.example").await, house.sign_in("u@acme.example").await);
    let store = &house.test.store;
    let refused = [
        house.registry.list(&editor, store).await.map(|_| ()).unwrap_err().kind(),
        house.registry.recipients(&editor, store).await.map(|_| ()).unwrap_err().kind(),
        house.registry.disable(&auditor, store, "extractive").await.map(|_| ()).unwrap_err().kind(),
        house.enable(&auditor, settings()).await.map(|_| ()).unwrap_err().kind(),
    ];
    assert_eq!(refused, [ErrorKind::Forbidden; 4]);
    house.registry.list(&auditor, store).await.unwrap();
}

#[tokio::test]
async fn the_defaults_are_opened_once_for_everyone() {
    let house = House::open().await;
    assert_eq!(house.registry.embedder().map(|_| ()).unwrap_err().kind(), ErrorKind::Unavailable);
    house.registry.open_defaults().await.unwrap();
    house.registry.open_defaults().await.unwrap();
    assert_eq!(house.registry.embedder().unwrap().model().name, "fake");
    assert_eq!(house.registry.vector_index().unwrap().residency(), Residency::Memory);
}

#[test]
fn a_registry_that_cannot_work_is_refused_at_start() {
    let opened = Arc::default();
    let refuse = |plugins, defaults: InstanceDefaults| {
        let error = Registry::new(plugins, defaults).map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured);
        assert!(!error.to_string().contains(CANARY));
    };
    let twice = all(&opened).into_iter().chain([chatty(&opened)]).collect();
    refuse(twice, InstanceDefaults::default());
    refuse(vec![], InstanceDefaults::default());
    refuse(all(&opened), InstanceDefaults { embedder: "flat".to_owned(), ..Default::default() });
    for (plugin, settings) in [("chatty", json!({ "apiKey": CANARY })), ("nonsense", json!({}))] {
        let settings = BTreeMap::from([(plugin.to_owned(), settings)]);
        refuse(all(&opened), InstanceDefaults { settings, ..Default::default() });
    }
}
