//! Who may know whom, as ARCHITECTURE.md draws it. Read from the manifests, so that a new arrow is a decision.

use std::collections::{BTreeMap, BTreeSet};

use consigne_tests::source;

/// Every crate of ours, and the crates of ours that it may name.
const ARROWS: &[(&str, &[&str])] = &[
    ("consigne-sdk", &[]),
    ("consigne-migrations", &[]),
    ("consigne-foundation", &["consigne-sdk"]),
    ("consigne-assistant", &["consigne-foundation", "consigne-sdk"]),
    (
        "consigne-gateway",
        &["consigne-assistant", "consigne-foundation", "consigne-migrations", "consigne-sdk", PLUGINS],
    ),
    ("consigne-qdrant-standin", &[]),
    ("consigne-tests", &["consigne-gateway", "consigne-qdrant-standin"]),
    (PLUGINS, &["consigne-sdk"]),
];

/// Any plugin: a plugin never knows another.
const PLUGINS: &str = "consigne-plugin-*";

/// What a crate must not speak, even through a library.
const STRANGERS: &[(&str, &[&str])] = &[
    ("consigne-sdk", &["actix-web", "async-graphql", "sea-orm"]),
    ("consigne-migrations", &["actix-web", "async-graphql", "reqwest"]),
    ("consigne-foundation", &["actix-web", "async-graphql", "reqwest", "fastembed"]),
    ("consigne-assistant", &["actix-web", "async-graphql", "reqwest", "fastembed"]),
    (PLUGINS, &["actix-web", "async-graphql", "sea-orm", "object_store", "reqwest"]),
];

fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let workspace: toml::Table = read("Cargo.toml");
    let members = workspace["workspace"]["members"].as_array().expect("the workspace lists its members");
    members
        .iter()
        .map(|member| {
            let manifest = read(&format!("{}/Cargo.toml", member.as_str().expect("a member is a path")));
            let name = manifest["package"]["name"].as_str().expect("a crate has a name").to_owned();
            let mut all = BTreeSet::new();
            for (section, table) in &manifest {
                if section.ends_with("dependencies") && section != "dev-dependencies" {
                    all.extend(table.as_table().into_iter().flat_map(|table| table.keys().cloned()));
                }
            }
            (name, all)
        })
        .collect()
}

fn read(path: &str) -> toml::Table {
    let text = std::fs::read_to_string(source::root().join(path)).expect("a manifest can be read");
    text.parse().expect("a manifest is TOML")
}

fn is(name: &str, pattern: &str) -> bool {
    pattern.strip_suffix('*').map_or(name == pattern, |start| name.starts_with(start))
}

#[test]
fn crates_know_only_what_the_arrows_allow() {
    for (name, dependencies) in dependencies() {
        let (_, allowed) =
            ARROWS.iter().find(|(from, _)| is(&name, from)).unwrap_or_else(|| panic!("{name} has no arrow"));
        for ours in dependencies.iter().filter(|dependency| dependency.starts_with("consigne-")) {
            assert!(allowed.iter().any(|to| is(ours, to)), "{name} must not depend on {ours}");
        }
    }
}

#[test]
fn every_arrow_has_a_crate() {
    let crates = dependencies();
    for (from, _) in ARROWS {
        assert!(crates.keys().any(|name| is(name, from)), "no crate is called {from}");
    }
}

#[test]
fn crates_do_not_speak_what_is_not_theirs() {
    for (name, dependencies) in dependencies() {
        for (_, strangers) in STRANGERS.iter().filter(|(from, _)| is(&name, from)) {
            for stranger in *strangers {
                assert!(!dependencies.contains(*stranger), "{name} must not depend on {stranger}");
            }
        }
    }
}
