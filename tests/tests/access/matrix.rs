//! Who may do what: every root field, tried by every role against the running schema. `docs/permissions.md` is written from
//! here, so that a field that somebody new may use is seen in a review.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Result;
use consigne_gateway::graphql::sdl;
use consigne_tests::{
    app::{Credentials, TestApp},
    client::Client,
    contract::{Contract, RootField},
    listen::over_sse,
    source,
};
use serde_json::json;
use tokio::time::{sleep, timeout};

use super::SignedIn;

const PASSWORD: &str = "Pelican-Harbour-31-Lantern";

const ROLES: [&str; 6] = ["OWNER", "ADMIN", "DPO", "AGENT", "EDITOR", "AUDITOR"];

/// They end the session that asks, so they come last.
const LAST: [&str; 2] = ["signOut", "revokeAllSessions"];

const HEAD: &str = "\
# Who may use which field

Written by a test that tries every root field as every role, with ids that are unknown. A visitor reaches their own chats alone,
and erases nobody but themselves. What a member may do to another depends on both roles besides (`docs/accounts.md`).

";

/// Whether somebody is refused before anything is looked at.
async fn is_refused(who: &Client, contract: &Contract, root: &RootField<'_>) -> Result<bool> {
    let query = contract.operation(root, &|_| "unknown".to_owned());
    let codes = ["UNAUTHENTICATED", "FORBIDDEN"];
    if root.kind == "subscription" {
        return is_refused_stream(who, &query, &codes).await;
    }
    loop {
        let reply = who.query(&query, json!({})).await?;
        match reply.error() {
            Some("RATE_LIMITED") => sleep(Duration::from_millis(500)).await,
            code => return Ok(code.is_some_and(|code| codes.contains(&code))),
        }
    }
}

/// As [`is_refused`], of a stream. One that says nothing is one that listens.
async fn is_refused_stream(who: &Client, query: &str, codes: &[&str]) -> Result<bool> {
    loop {
        let request = who.request(reqwest::Method::POST, "/graphql/stream").json(&json!({"query": query}));
        let said = match over_sse(request).await {
            Ok(mut stream) => match timeout(Duration::from_secs(3), stream.next()).await {
                Ok(event) => format!("{event:?}"),
                Err(_) => String::new(),
            },
            Err(refused) => refused.to_string(),
        };
        if !said.contains("RATE_LIMITED") {
            return Ok(codes.iter().any(|code| said.contains(code)));
        }
        sleep(Duration::from_millis(500)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_matrix_of_roles_and_fields_is_written_down_as_it_is() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    let assistant = acme.assistant("Ada").await?;
    let mut people: Vec<(&str, Client)> = Vec::new();
    for role in ROLES {
        let email = format!("{}@roles.example", role.to_lowercase());
        let input = json!({"email": email, "password": PASSWORD, "role": role});
        acme.graphql("add_member", json!({"input": input})).await?.ok();
        let who = Credentials { email, password: PASSWORD.to_owned() };
        people.push((role, SignedIn::as_whom(&app.public(), &who).await?.client));
    }
    let contract = Contract::read(&sdl());
    let mut roots = contract.root_fields();
    roots.sort_by_key(|root| (LAST.contains(&root.name), root.kind, root.name.to_owned()));
    let mut rows = BTreeMap::new();
    for root in &roots {
        let mut row = Vec::new();
        for (_, who) in &people {
            row.push(!is_refused(who, &contract, root).await?);
        }
        // One visitor would run out of points.
        row.push(!is_refused(&*acme.visitor(&assistant).await?, &contract, root).await?);
        row.push(!is_refused(&app.public(), &contract, root).await?);
        rows.insert((root.kind, root.name), row);
    }
    let mut real = format!("{HEAD}| field | {} | VISITOR | nobody |\n|---|{}\n", ROLES.join(" | "), "---|".repeat(8));
    for ((kind, name), row) in rows {
        let cells: Vec<&str> = row.into_iter().map(|may| if may { "yes" } else { "" }).collect();
        real.push_str(&format!("| {kind} `{name}` | {} |\n", cells.join(" | ")));
    }
    let path = source::root().join("docs/permissions.md");
    if std::fs::read_to_string(&path).unwrap_or_default() != real {
        std::fs::write(&path, real)?;
        panic!("docs/permissions.md was out of date and is written anew: read the difference and commit it");
    }
    Ok(())
}
