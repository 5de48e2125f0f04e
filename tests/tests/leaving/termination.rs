//! The end of the contract, by the clock: closed, given back, deleted, certified; taken back; held; refused; and not undone by a restore.

use std::path::Path;

use anyhow::ensure;
use consigne_tests::{
    app::days,
    canary::files_below,
    standins::{
        mail::{Smtp, SmtpMode},
        qdrant::Qdrant,
    },
};

use crate::crash::program::Installation;

use super::*;

/// A workspace whose document, member and visitor name the canary.
async fn furnished(app: &TestApp, canary: &Canary) -> Result<(Member, Visitor, String)> {
    let acme = app.workspace("acme").await?;
    acme.add_text(&format!("Handbook of {canary}"), texts::HANDBOOK).await?;
    app.run_jobs().await?;
    let visitor = acme.visitor(&acme.assistant("Ada").await?).await?;
    let chat = visitor.start_chat().await?;
    visitor.ask(&chat, "How much is a standard inspection?").await?;
    app.run_jobs().await?;
    Ok((acme, visitor, chat))
}

async fn ends(owner: &Member, choice: &str) -> Result<(Value, String)> {
    let input = json!({"workspaceId": owner.workspace, "choice": choice});
    let asked = owner.graphql("terminate_workspace", json!({"input": input})).await?.ok();
    Ok((asked.get("/terminateWorkspace/termination").clone(), asked.text("/terminateWorkspace/receiptUrl")))
}

async fn receipt(app: &TestApp, url: &str) -> Result<Value> {
    Ok(fetched(app, url).await?.error_for_status()?.json().await?)
}

/// What a certificate says, whoever signed it.
fn claims(jws: &Value) -> Result<Value> {
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
    let body = jws.as_str().and_then(|jws| jws.split('.').nth(1)).context("a compact JWS")?;
    Ok(serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(body)?)?)
}

/// Lets the hours pass that duties need.
async fn a_day_passes(app: &TestApp) -> Result<()> {
    app.run_duties().await?;
    app.run_jobs().await?;
    app.run_duties().await
}

/// Whether it is a file of Postgres' own, which does not overwrite a deleted row there. Names of documents are not sealed, so of
/// Postgres the rows alone are looked at.
fn is_of_postgres(place: &str) -> bool {
    place.contains("/base/") || place.contains("/pg_wal/")
}

/// Where the database and the files say the canary, backups apart: those are noise without their identity.
async fn places(app: &TestApp, canary: &Canary) -> Result<Vec<String>> {
    let all = app.places_with(canary).await?;
    Ok(all.into_iter().filter(|place| place != "the log" && !is_of_postgres(place)).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clock_of_an_end_strikes_at_0_30_31_60_and_90() -> Result<()> {
    let (app, canary) = (TestApp::start().await?, Canary::new());
    let (acme, visitor, chat) = furnished(&app, &canary).await?;
    let other = app.workspace("other").await?;
    other.add_text("Elsewhere", texts::ELSEWHERE).await?;
    let agent = acme.agent(&app.public(), "agent@acme.example").await?;

    // Day 0: closed and read-only, and everything is there.
    let wrong = json!({"workspaceId": other.workspace, "choice": "RETURN"});
    let refused = acme.graphql("terminate_workspace", json!({"input": wrong})).await?;
    assert_eq!(refused.user_error(), Some("NOT_FOUND"), "{}", refused.body);
    let mine = json!({"workspaceId": acme.workspace, "choice": "RETURN"});
    let refused = agent.graphql("terminate_workspace", json!({"input": mine})).await?;
    assert_eq!(refused.error(), Some("FORBIDDEN"), "{}", refused.body);
    let (ended, url) = ends(&acme, "RETURN").await?;
    assert_eq!(ended["state"], "CLOSING");
    let again = acme.graphql("terminate_workspace", json!({"input": mine})).await?.ok();
    assert_eq!(again.get("/terminateWorkspace/termination/id"), &ended["id"]);
    let input = json!({"chatId": chat, "text": "And express?", "idempotencyKey": idempotency_key()});
    let refused = visitor.graphql("ask_question", json!({"input": input})).await?;
    assert_eq!(refused.error().or(refused.user_error()), Some("WORKSPACE_CLOSED"), "{}", refused.body);
    let refused = acme.graphql("add_text_document", json!({"input": {"title": "more", "text": "# More"}})).await?;
    assert_eq!(refused.error(), Some("WORKSPACE_CLOSED"), "{}", refused.body);
    assert_eq!(acme.graphql("documents", json!({})).await?.ok().number("/documents/totalCount"), 1);
    app.run_jobs().await?;
    a_day_passes(&app).await?;
    let archive = ended["workspaceExportId"].as_str().context("RETURN promises an archive")?.to_owned();
    assert!(!places(&app, &canary).await?.is_empty(), "the canary is nowhere, so the test proves nothing");
    assert_eq!(receipt(&app, &url).await?["state"], "CLOSING");

    // Day 29: the archive is still there, by a new link.
    app.advance(days(29));
    a_day_passes(&app).await?;
    let owner = app.owner_in(&acme.workspace).await?;
    let response = fetched(&app, &link_of(&owner, &archive).await?).await?;
    assert_eq!(response.status(), 200);
    let files = unpacked(&response.bytes().await?)?;
    assert!(String::from_utf8_lossy(&files["tables/documents.ndjson"]).contains(&canary.to_string()));

    // Day 30: nothing live is left, and what is left of it says so.
    app.advance(days(1));
    a_day_passes(&app).await?;
    assert_eq!(places(&app, &canary).await?, Vec::<String>::new());
    let told = receipt(&app, &url).await?;
    assert_eq!(told["state"], "PURGED", "{told}");
    let live = claims(&told["certificate"])?;
    assert_eq!((&live["extent"], &live["typ"]), (&json!("LIVE"), &json!("termination-certificate")), "{live}");
    for receipt in live["receipts"].as_array().context("receipts")? {
        assert_eq!((&receipt["state"], &receipt["remaining"]), (&json!("DONE"), &json!(0)), "{receipt}");
    }
    let kept = live["keptByLaw"].as_array().context("what the law keeps")?;
    ensure!(kept.iter().any(|kept| kept["class"] == "audit_entries"), "{live}");
    for kept in kept {
        ensure!(kept["rows"].as_u64() > Some(0) && kept["until"].as_str() > Some("2027"), "{kept}");
    }

    // Day 31: it stays so; who was in it alone is nobody any more, who is elsewhere too goes on there.
    app.advance(days(1));
    a_day_passes(&app).await?;
    assert_eq!(places(&app, &canary).await?, Vec::<String>::new());
    for table in app.scoped_tables().await? {
        let sees = app.rows_of_workspace(&table, &acme.workspace).await?;
        ensure!(sees == 0 || table.starts_with("audit_"), "{table} has {sees} rows of it");
    }
    ensure!(is_nobody(&app.public(), "agent@acme.example").await?, "the account is closed with its only workspace");
    let other = app.owner_in(&other.workspace).await?;
    assert_eq!(other.graphql("documents", json!({})).await?.ok().number("/documents/totalCount"), 1);
    let file = app.file("live.json", &told.to_string())?;
    let said = app.program_says(&["verify", &file]).await?;
    ensure!(said.contains("is genuine") && said.contains("\"LIVE\""), "{said}");
    let flipped = told.to_string().replacen("eyJ", "eyK", 1);
    let file = app.file("flipped.json", &flipped)?;
    ensure!(app.program_says(&["verify", &file]).await.is_err(), "one letter was changed");

    // Day 60: the last backup is gone. Day 90: nobody is called.
    app.advance(days(29));
    a_day_passes(&app).await?;
    a_day_passes(&app).await?;
    let told = receipt(&app, &url).await?;
    assert_eq!(told["state"], "FINAL", "{told}");
    assert_eq!(claims(&told["certificate"])?["extent"], "FINAL");
    app.advance(days(30));
    a_day_passes(&app).await?;
    ensure!(app.metrics().contains("consigne_terminations_overdue 0"), "{}", app.metrics());

    // Half a year after the purge the law wants nothing more of the chain.
    app.advance(days(130));
    a_day_passes(&app).await?;
    assert_eq!(app.rows_of_workspace("audit_entries", &acme.workspace).await?, 0);
    Ok(())
}

/// Whether nobody signs in with this address any more.
async fn is_nobody(public: &Client, email: &str) -> Result<bool> {
    let input = json!({"email": email, "password": "Pelican-Harbour-31-Lantern"});
    let reply = public.graphql("sign_in", json!({"input": input})).await?;
    Ok(reply.user_error() == Some("INVALID_CREDENTIALS"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_is_taken_back_leaves_everything_as_it_was() -> Result<()> {
    let (app, canary) = (TestApp::start().await?, Canary::new());
    let (acme, ..) = furnished(&app, &canary).await?;
    ends(&acme, "DELETE").await?;
    app.advance(days(6));
    a_day_passes(&app).await?;
    let owner = app.owner_in(&acme.workspace).await?;
    let input = json!({"input": {"workspaceId": acme.workspace}});
    let cancelled = owner.graphql("cancel_termination", input.clone()).await?.ok();
    assert_eq!(cancelled.text("/cancelTermination/termination/state"), "CANCELLED");
    assert_eq!(owner.graphql("cancel_termination", input).await?.user_error(), Some("NOT_FOUND"));
    let next = owner.visitor(&owner.assistant("Bea").await?).await?;
    let answer = next.ask(&next.start_chat().await?, "How much is a standard inspection?").await?;
    app.run_jobs().await?;
    assert_eq!(next.answer(&answer).await?["outcome"], "ANSWERED");
    owner.add_text("More", "# More\n\nAn express inspection costs 129 euros.").await?;
    app.advance(days(30));
    a_day_passes(&app).await?;
    let owner = app.owner_in(&acme.workspace).await?;
    assert_eq!(owner.graphql("documents", json!({})).await?.ok().number("/documents/totalCount"), 2);

    // It can end later, all the same.
    let (ended, url) = ends(&owner, "DELETE").await?;
    assert_eq!(ended["workspaceExportId"], Value::Null);
    app.advance(days(7));
    a_day_passes(&app).await?;
    assert_eq!(receipt(&app, &url).await?["state"], "PURGED");
    assert_eq!(places(&app, &canary).await?, Vec::<String>::new());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_stays_and_is_named_until_the_hold_is_over() -> Result<()> {
    let (app, canary) = (TestApp::start().await?, Canary::new());
    let (acme, visitor, _) = furnished(&app, &canary).await?;
    let free = acme.visitor(&acme.assistant("Bea").await?).await?;
    let ends_at = app.clock.now().plus(days(40)).rfc3339();
    let input = json!({"subjectId": visitor.subject, "ground": "LEGAL_CLAIMS", "endsAt": ends_at});
    acme.graphql("place_hold", json!({"input": input})).await?.ok();
    let (_, url) = ends(&acme, "DELETE").await?;
    app.advance(days(7));
    a_day_passes(&app).await?;
    let told = receipt(&app, &url).await?;
    assert_eq!(told["state"], "INCOMPLETE", "{told}");
    let missing = claims(&told["certificate"])?;
    let holds = missing["missing"].as_array().context("what is missing")?;
    ensure!(
        holds.iter().any(|hold| hold["subject"] == json!(visitor.subject) && hold["until"] == json!(ends_at)),
        "{missing}"
    );
    assert_eq!(places(&app, &canary).await?, Vec::<String>::new(), "the knowledge is not held");
    ensure!(app.rows_of_person("messages", &visitor.subject).await? > 0);
    assert_eq!(app.rows_of_person("subjects", &free.subject).await?, 0);

    app.advance(days(34));
    a_day_passes(&app).await?;
    assert_eq!(receipt(&app, &url).await?["state"], "PURGED");
    assert_eq!(app.rows_of_person("messages", &visitor.subject).await?, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_refuses_is_named_and_asked_until_it_is_empty() -> Result<()> {
    let mut qdrant = Qdrant::standin().await;
    let flags = qdrant.flags();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let (app, canary) = (TestApp::start_with(&flags).await?, Canary::new());
    let (acme, ..) = furnished(&app, &canary).await?;
    ensure!(!qdrant.points().await?.is_empty());
    let (_, url) = ends(&acme, "DELETE").await?;
    app.advance(days(7));
    qdrant.stop().await?;
    // The index is down: a duty that compares it with the rows fails, too.
    let _ = app.run_duties().await;
    app.run_jobs().await?;
    let told = receipt(&app, &url).await?;
    assert_eq!(told["state"], "INCOMPLETE", "{told}");
    let missing = claims(&told["certificate"])?;
    assert_eq!(missing["extent"], "INCOMPLETE");
    ensure!(missing["missing"].to_string().contains("vectors"), "{missing}");
    qdrant.start_again().await?;
    app.advance(days(1));
    a_day_passes(&app).await?;
    let told = receipt(&app, &url).await?;
    assert_eq!(told["state"], "PURGED", "{told}");
    assert_eq!(qdrant.points().await?, Vec::<String>::new());
    assert_eq!(places(&app, &canary).await?, Vec::<String>::new());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn owners_are_told_at_once_a_week_before_and_a_day_before() -> Result<()> {
    let Some(smtp) = Smtp::start(SmtpMode::Plain, None).await? else { return Ok(()) };
    let url = smtp.url();
    let app = TestApp::start_with(&["--smtp-url", &url, "--mail-from", "accounts@consigne.example"]).await?;
    let acme = app.workspace("acme").await?;
    acme.agent(&app.public(), "agent@acme.example").await?;
    ends(&acme, "RETURN").await?;
    for (passes, mails) in [(0, 1), (1, 1), (22, 2), (5, 2), (1, 3)] {
        app.advance(days(passes));
        app.run_duties().await?;
        let arrived: Vec<_> = smtp.arrived()?.into_iter().filter(|mail| mail.raw.contains("will be deleted")).collect();
        assert_eq!(arrived.len(), mails, "after {passes} days more");
        assert!(arrived.iter().all(|mail| mail.to == ["owner@acme.example"]));
    }
    Ok(())
}

/// Takes what an operator keeps elsewhere into a new folder: the root key, the identity, the place of backups.
fn keep_elsewhere(app: &TestApp, folder: &Path) -> Result<()> {
    for file in ["root.key", "backup-identity.txt"] {
        std::fs::rename(app.folder().join(file), folder.join(file))?;
    }
    std::fs::rename(app.folder().join("backups"), folder.join("kept"))?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_day_5_does_not_bring_back_what_ended_at_day_30() -> Result<()> {
    let (app, canary) = (TestApp::start_now(&[]).await?, Canary::new());
    let (acme, ..) = furnished(&app, &canary).await?;
    let other = app.workspace("other").await?;
    other.add_text("Elsewhere", texts::ELSEWHERE).await?;
    app.run_jobs().await?;
    let (_, url) = ends(&acme, "RETURN").await?;
    app.run_jobs().await?;
    app.program_says(&["backup"]).await?;
    app.advance(days(30));
    let told = {
        // Not the duty of backups: the one of day 5 is the newest.
        app.run_duty("terminations").await?;
        app.run_jobs().await?;
        receipt(&app, &url).await?
    };
    assert_eq!(told["state"], "PURGED", "{told}");

    let folder = tempfile::tempdir()?;
    keep_elsewhere(&app, folder.path())?;
    drop(app);
    let (kept, identity) = (folder.path().join("kept"), folder.path().join("backup-identity.txt"));
    let (from, with) = (kept.to_string_lossy().into_owned(), identity.to_string_lossy().into_owned());
    let installation = Installation::new(folder.path()).await?;
    let said = installation.says(&["restore", "--from", &from, "--identity", &with]).await?;
    ensure!(said.contains("workspaces ended again           1"), "{said}");
    let mut places = installation.database.places().await?;
    places.extend(files_below(folder.path()));
    places.retain(|place| !is_of_postgres(&place.name));
    assert_eq!(canary.found_in(&places), Vec::<String>::new());
    ensure!(said.contains(&other.workspace) && said.contains("intact"), "the other workspace came back: {said}");
    Ok(())
}
