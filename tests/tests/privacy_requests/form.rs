//! The form that needs no script: shown, filled in, confirmed; and nothing more than the mutations let anybody do.

use anyhow::{Context, Result};
use reqwest::{Method, StatusCode, header::HeaderMap};
use serde_json::json;

use super::{Office, PERSON};

/// What a page answered.
struct Page {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Page {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

impl Office {
    async fn page(&self, language: &str) -> Result<Page> {
        let path = format!("/privacy/{}", self.address);
        let request = self.app.public().request(Method::GET, &path).header("accept-language", language);
        Page::of(request.send().await?).await
    }

    async fn sends(&self, path: &str, language: &str, fields: &[(&str, &str)]) -> Result<Page> {
        let path = format!("/privacy/{}{path}", self.address);
        let body = reqwest::Url::parse_with_params("http://form/", fields)?.query().unwrap_or_default().to_owned();
        let request = self.app.public().request(Method::POST, &path).header("accept-language", language);
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(body);
        Page::of(request.send().await?).await
    }
}

impl Page {
    async fn of(response: reqwest::Response) -> Result<Self> {
        let (status, headers) = (response.status(), response.headers().clone());
        Ok(Self { status, headers, text: response.text().await? })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_without_scripts_asks_and_confirms() -> Result<()> {
    let office = Office::open().await?;
    for (accepted, language, title) in [
        ("", "en", "Your personal data"),
        ("fr-BE, en;q=0.5", "fr", "Vos données personnelles"),
        ("de", "de", "Ihre personenbezogenen Daten"),
        ("nl, es;q=0.4", "es", "Sus datos personales"),
    ] {
        let page = office.page(accepted).await?;
        assert_eq!(page.status, 200);
        assert!(
            page.text.contains(&format!("<html lang=\"{language}\">")) && page.text.contains(title),
            "{}",
            page.text
        );
        assert_eq!(page.text.matches("<option ").count(), 8);
        assert!(page.text.contains("CNIL") && page.text.contains("Dora"), "who answers, and where to complain");
    }
    let fields = [("kind", "RECTIFICATION"), ("email", PERSON), ("message", "My name is <b>Ana</b> & not Anna.")];
    let taken = office.sends("", "fr", &fields).await?;
    assert_eq!(taken.status, 200, "{}", taken.text);
    let reference = taken.text.split("name=\"reference\"").nth(1).and_then(|rest| rest.split("value=\"").nth(1));
    let reference = reference.and_then(|rest| rest.split('"').next()).context("a reference")?.to_owned();
    office.app.run_jobs().await?;
    let request = office.newest().await?;
    assert_eq!((&request["kind"], &request["source"]), (&json!("RECTIFICATION"), &json!("FORM")), "{request}");
    assert_eq!((&request["contact"], &request["language"]), (&json!(PERSON), &json!("fr")));
    assert_eq!(request["message"], "My name is <b>Ana</b> & not Anna.");

    let wrong = office.sends("/code", "fr", &[("reference", &reference), ("code", "0")]).await?;
    assert_eq!(wrong.status, 422);
    assert!(wrong.text.contains("Ce n’est pas le bon code"), "{}", wrong.text);
    let right = office.sends("/code", "fr", &[("reference", &reference), ("code", &office.code())]).await?;
    assert_eq!(right.status, 200, "{}", right.text);
    assert_eq!(office.newest().await?["verifiedBy"], "CODE");
    assert!(!right.text.contains("eyJ"), "no token is in a page");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_does_nothing_loads_nothing_and_keeps_nothing() -> Result<()> {
    let office = Office::open().await?;
    let nasty = "Acme <script>alert(1)</script>\" onload=\"x";
    let input = json!({"controllerName": nasty, "noticeUrl": "https://acme.example/privacy?a=\"><img>"});
    office.acme.graphql("configure_privacy", json!({"input": input})).await?.ok();
    let fields = [("kind", "OTHER"), ("email", "no address"), ("message", "")];
    let known = office.sends("", "en", &[("kind", "OTHER"), ("email", PERSON)]).await?;
    for page in [office.page("en").await?, office.sends("", "en", &fields).await?, known] {
        assert!(
            !page.text.contains("<script") && !page.text.contains("<img") && !page.text.contains("\" onload"),
            "{}",
            page.text
        );
        let policy = page.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'") && policy.contains("form-action 'self'"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'") && page.headers.get("set-cookie").is_none());
        assert_eq!((page.header("cache-control"), page.header("x-content-type-options")), ("no-store", "nosniff"));
        assert_eq!(page.header("referrer-policy"), "no-referrer");
        assert!(page.header("content-type").starts_with("text/html"));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_request_is_refused_and_one_address_is_not_filled() -> Result<()> {
    let office = Office::open().await?;
    let send =
        async |fields: &[(&str, &str)]| Ok::<_, anyhow::Error>(office.sends("", "en", fields).await?.status.as_u16());
    assert_eq!(send(&[("kind", "OTHER"), ("email", "nobody")]).await?, 422);
    assert_eq!(send(&[("kind", "SOMETHING"), ("email", PERSON)]).await?, 422);
    assert_eq!(send(&[("kind", "OTHER"), ("email", PERSON), ("message", &"x".repeat(5_001))]).await?, 422);
    assert_eq!(send(&[("kind", "OTHER")]).await?, 400);
    assert_eq!(send(&[("kind", "OTHER"), ("email", PERSON), ("workspaceId", "other")]).await?, 400);
    let path = format!("/privacy/{}", office.address);
    let json = office.app.public().request(Method::POST, &path).json(&json!({"kind": "OTHER", "email": PERSON}));
    assert_eq!(json.send().await?.status(), 415);
    for nobody in ["/privacy/00000000000000000000000000", "/privacy/nonsense"] {
        assert_eq!(office.app.public().request(Method::GET, nobody).send().await?.status(), 404);
    }
    for wanted in [200, 200, 200, 429] {
        assert_eq!(send(&[("kind", "ACCESS"), ("email", PERSON)]).await?, wanted);
    }
    let all = office.acme.graphql("privacy_requests", json!({"first": 10})).await?.ok();
    assert_eq!(all.number("/privacyRequests/totalCount"), 3);
    Ok(())
}
