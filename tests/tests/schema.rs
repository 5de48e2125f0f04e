//! The public contract: written down, described, guarded.

use std::collections::BTreeSet;

use anyhow::Result;
use consigne_gateway::graphql::sdl;
use consigne_tests::{app::TestApp, contract::Contract, source};
use serde_json::json;

/// What anybody may ask for without signing in.
const PUBLIC: &[&str] = &[
    "accountPolicy",
    "signIn",
    "completeSignIn",
    "beginSingleSignOn",
    "completeSingleSignOn",
    "beginPasskeySignIn",
    "beginPasskeySecondStep",
    "completePasskey",
    "refreshSession",
    "signUp",
    "verifyEmail",
    "requestPasswordReset",
    "resetPassword",
    "confirmEmailChange",
    "acceptInvitation",
    "startVisitorSession",
    "submitPrivacyRequest",
    "verifyPrivacyRequest",
    "sendPrivacyCode",
    "privacyInfo",
];

/// What a visitor may ask for; everything else is refused. They erase
/// themselves and nobody else, see `erasure`, and so with their other rights, see `rights`.
const FOR_VISITORS: &[&str] = &[
    "viewer",
    "node",
    "assistant",
    "chat",
    "chats",
    "answer",
    "erasure",
    "accountPolicy",
    "signIn",
    "completeSignIn",
    "beginSingleSignOn",
    "completeSingleSignOn",
    "beginPasskeySignIn",
    "beginPasskeySecondStep",
    "completePasskey",
    "refreshSession",
    "signUp",
    "verifyEmail",
    "requestPasswordReset",
    "resetPassword",
    "confirmEmailChange",
    "acceptInvitation",
    "startVisitorSession",
    "startChat",
    "askQuestion",
    "rateAnswer",
    "requestPerson",
    "chatEvents",
    "correctText",
    "dataExport",
    "createExportLink",
    "rectifyIdentifier",
    "removeIdentifier",
    "rectifyMessage",
    "consentText",
    "consents",
    "objections",
    "giveConsent",
    "withdrawConsent",
    "objectToPurpose",
    "takeBackObjection",
    "privacyInfo",
    "privacyRequest",
    "submitPrivacyRequest",
    "verifyPrivacyRequest",
    "sendPrivacyCode",
    "withdrawPrivacyRequest",
];

#[test]
fn the_schema_is_written_down_as_it_is() {
    let path = source::root().join("schema.graphql");
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    let real = sdl();
    if written != real {
        std::fs::write(&path, &real).expect("the schema can be written");
        panic!("schema.graphql was out of date and is written anew: read the difference and commit it");
    }
}

#[test]
fn everything_has_a_description_that_is_a_sentence() {
    let bad: Vec<String> = Contract::read(&sdl())
        .descriptions()
        .into_iter()
        .filter(|(_, text)| !text.as_deref().is_some_and(|text| text.trim_end().ends_with('.')))
        .map(|(place, text)| format!("{place}: {text:?}"))
        .collect();
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

#[test]
fn every_root_field_has_an_operation_that_the_tests_use() {
    let files = source::files(&["tests/operations"], &[".graphql"]);
    let used: BTreeSet<&str> = files.iter().filter_map(|file| file.text.lines().nth(1)).map(first_word).collect();
    for root in Contract::read(&sdl()).root_fields() {
        assert!(used.contains(root.name), "tests/operations has none for {} {}", root.kind, root.name);
    }
}

fn first_word(line: &str) -> &str {
    line.trim().split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default()
}

#[test]
fn every_mutation_takes_one_input_and_answers_with_a_payload() {
    let text = sdl();
    let mutations = text.split("type Mutation {").nth(1).and_then(|rest| rest.split("\n}").next()).unwrap_or_default();
    let fields = mutations.lines().map(str::trim).filter(|line| line.contains(": ") && line.ends_with("Payload!"));
    let count = fields.clone().count();
    for field in fields {
        assert!(!field.contains('(') || field.contains("(input: "), "{field}");
    }
    let contract = Contract::read(&text);
    assert_eq!(count, contract.root_fields().iter().filter(|root| root.kind == "mutation").count());
}

/// Every field has a guard: without a token nothing but signing in is served.
#[tokio::test(flavor = "multi_thread")]
async fn the_public_is_refused_everything_but_signing_in() -> Result<()> {
    let app = TestApp::start().await?;
    let contract = Contract::read(&sdl());
    for root in contract.root_fields().iter().filter(|root| root.kind != "subscription") {
        let operation = contract.operation(root, &|_| "unknown".to_owned());
        // All of the public shares one rate, and this asks for everything at once.
        let reply = app.public().query_in_turn(&operation, json!({})).await?;
        let is_refused = reply.error() == Some("UNAUTHENTICATED");
        assert_eq!(is_refused, !PUBLIC.contains(&root.name), "{}: {}", root.name, reply.body);
    }
    Ok(())
}

/// Every field has a guard: a visitor is served what visitors need, and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_is_refused_what_is_not_for_visitors() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    let assistant = acme.assistant("Ada").await?;
    let contract = Contract::read(&sdl());
    for root in contract.root_fields().iter().filter(|root| root.kind != "subscription") {
        let visitor = acme.visitor(&assistant).await?;
        let reply = visitor.query(&contract.operation(root, &|_| "unknown".to_owned()), json!({})).await?;
        let is_refused = reply.error() == Some("FORBIDDEN");
        assert_eq!(is_refused, !FOR_VISITORS.contains(&root.name), "{}: {}", root.name, reply.body);
    }
    Ok(())
}
