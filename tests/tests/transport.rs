//! What the gateway refuses before anything is executed, and what it says of itself.

use std::time::Duration;

use anyhow::Result;
use consigne_tests::{app::TestApp, canary::Canary};
use reqwest::Method;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn only_json_by_post_is_executed() -> Result<()> {
    let app = TestApp::start().await?;
    let public = app.public();
    let get = public.request(Method::GET, "/graphql?query=%7B__typename%7D").send().await?;
    assert_eq!(get.status(), 405);
    let body = json!({"query": "{ __typename }"}).to_string();
    let text = public.request(Method::POST, "/graphql").header("content-type", "text/plain").body(body.clone());
    assert_eq!(text.send().await?.status(), 415);
    let post = public.request(Method::POST, "/graphql").header("content-type", "application/json").body(body);
    let answer = post.header("accept", "application/graphql-response+json").send().await?;
    assert_eq!(answer.status(), 200);
    assert!(answer.headers()["content-type"].to_str()?.starts_with("application/graphql-response+json"));
    let batch = json!([{"query": "{ __typename }"}, {"query": "{ __typename }"}]);
    let batch = public.request(Method::POST, "/graphql").json(&batch).send().await?;
    assert!(batch.status().is_client_error());
    Ok(())
}

/// 767 bytes that took async-graphql's own depth check 14.5 seconds.
#[tokio::test(flavor = "multi_thread")]
async fn a_nest_of_fragments_is_refused_at_once() -> Result<()> {
    let app = TestApp::start().await?;
    let mut query = "query { ...A0 } ".to_owned();
    for level in 0..20 {
        query += &format!("fragment A{level} on Query {{ ...A{0} ...A{0} }} ", level + 1);
    }
    query += "fragment A20 on Query { __typename }";
    let public = app.public();
    public.query("{ __typename }", json!({})).await?;
    let refused = tokio::time::timeout(Duration::from_millis(500), public.query(&query, json!({}))).await??;
    assert!(refused.error().is_some(), "{}", refused.body);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_hold_by_their_numbers() -> Result<()> {
    let app = TestApp::start().await?;
    let owner = app.owner().await?;
    let repeat = |what: &str, times: usize| (0..times).map(|n| what.replace('#', &n.to_string())).collect::<String>();
    let too_much = [
        ("aliases", format!("{{ {} }}", repeat("a#: __typename ", 11))),
        ("text", format!("{{ __typename }} {}", "#".repeat(8_200))),
        ("root mutations", format!("mutation {{ {} }}", repeat("a#: signOut { isSignedOut } ", 6))),
        (
            "a sign-in that is not alone",
            "mutation { a: signIn(input: {email: \"a@example.org\", password: \"x\"}) { __typename } \
             b: signIn(input: {email: \"a@example.org\", password: \"y\"}) { __typename } }"
                .to_owned(),
        ),
    ];
    for (what, query) in too_much {
        let refused = owner.query(&query, json!({})).await?;
        assert!(refused.error().is_some() && refused.body.get("data").is_none(), "{what}: {}", refused.body);
    }
    let long = app.public().query(&format!("{{ __typename }} {}", "#".repeat(2_100)), json!({})).await?;
    assert!(long.error().is_some(), "visitors and the public have 2 KiB: {}", long.body);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_is_for_signed_in_members() -> Result<()> {
    let app = TestApp::start_in_production().await?;
    let query = "{ __schema { queryType { name } } }";
    assert!(app.public().query(query, json!({})).await?.error().is_some());
    let acme = app.workspace("acme").await?;
    let visitor = acme.visitor(&acme.assistant("Ada").await?).await?;
    assert!(visitor.query(query, json!({})).await?.error().is_some());
    assert_eq!(acme.query(query, json!({})).await?.ok().text("/__schema/queryType/name"), "Query");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_error_and_no_log_line_repeats_what_was_sent() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    let canary = Canary::new();
    let attempts = [
        (format!("{{ document(id: \"{canary}\") {{ id }} }}"), json!({})),
        (
            "query($first: Int) { documents(first: $first) { totalCount } }".to_owned(),
            json!({"first": canary.to_string()}),
        ),
        (format!("{{ documents(state: {canary}) {{ totalCount }} }}"), json!({})),
        (
            format!(
                "mutation {{ signIn(input: {{email: \"{canary}\", password: \"{canary}\"}}) {{ userErrors {{ message }} }} }}"
            ),
            json!({}),
        ),
    ];
    for (query, variables) in attempts {
        let reply = app.public().query(&query, variables.clone()).await?;
        assert!(!reply.body.to_string().contains(&canary.to_string()), "{}", reply.body);
        acme.query(&query, variables).await?;
    }
    // The name of a field that does not exist is said to those who may see the schema, and logged for nobody.
    acme.query(&format!("{{ {canary} }}"), json!({})).await?;
    acme.request(Method::GET, &format!("/{canary}?q={canary}")).send().await?;
    app.assert_absent(&canary).await
}

#[tokio::test(flavor = "multi_thread")]
async fn it_says_how_it_is() -> Result<()> {
    let app = TestApp::start().await?;
    for path in ["/healthz", "/readyz"] {
        assert_eq!(app.public().request(Method::GET, path).send().await?.status(), 200, "{path}");
    }
    app.public().query("{ __typename }", json!({})).await?;
    let metrics = app.public().request(Method::GET, &app.metrics_url()).send().await?.text().await?;
    assert!(metrics.contains("# EOF") && metrics.contains("consigne"), "{metrics}");
    assert_eq!(
        app.public().request(Method::GET, "/metrics").send().await?.status(),
        404,
        "metrics have their own address"
    );
    Ok(())
}
