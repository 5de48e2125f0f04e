//! Everything that is done leaves an entry, and a changed chain is found out.

use anyhow::{Context, Result};
use consigne_tests::{
    app::{TestApp, days},
    client::Client,
    texts,
};
use serde_json::{Value, json};

async fn busy(app: &TestApp) -> Result<consigne_tests::people::Member> {
    let acme = app.workspace("acme").await?;
    let id = acme.add_text("Handbook", texts::HANDBOOK).await?;
    app.run_jobs().await?;
    let assistant = acme.assistant("Ada").await?;
    acme.program(&["KNOWLEDGE_READ"]).await?;
    let visitor = acme.visitor(&assistant).await?;
    let chat = visitor.start_chat().await?;
    visitor.ask(&chat, "Do you deliver to France?").await?;
    app.run_jobs().await?;
    acme.graphql("delete_document", json!({"input": {"documentId": id}})).await?.ok();
    Ok(acme)
}

async fn verdict(member: &consigne_tests::people::Member) -> Result<Value> {
    Ok(member.graphql("audit_verdict", json!({})).await?.ok().get("/auditVerdict").clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_is_on_record() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = busy(&app).await?;
    let actions = acme.audited_actions().await?;
    for word in ["workspace.created", "document", "assistant", "key", "visitor", "chat", "answer"] {
        assert!(actions.iter().any(|action| action.contains(word)), "nothing about {word} in {actions:?}");
    }
    let verdict = verdict(&acme).await?;
    assert_eq!(
        (&verdict["isIntact"], verdict["entries"].as_i64()),
        (&json!(true), Some(i64::try_from(actions.len())?))
    );
    Ok(())
}

/// The lines after this number, or the status where there are none.
async fn lines(who: &Client, after: i64) -> Result<Result<Vec<Value>, u16>> {
    let answer = who.request(reqwest::Method::GET, &format!("/audit.ndjson?after={after}")).send().await?;
    if !answer.status().is_success() {
        return Ok(Err(answer.status().as_u16()));
    }
    assert_eq!(answer.headers()["content-type"], "application/x-ndjson");
    Ok(Ok(answer.text().await?.lines().map(serde_json::from_str).collect::<Result<_, _>>()?))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_taken_along_as_lines_and_that_is_on_record() -> Result<()> {
    let app = TestApp::start().await?;
    let (acme, other) = (busy(&app).await?, app.workspace("other").await?);
    let program = acme.program(&["AUDIT_READ"]).await?;
    let shown = acme.audited_actions().await?;
    let all = lines(&program, 0).await?.ok().context("a log")?;
    let actions: Vec<&str> = all.iter().filter_map(|line| line["action"].as_str()).collect();
    let (last, before) = actions.split_last().context("a log is not empty")?;
    assert_eq!((*last, before.len()), ("audit.exported", shown.len()));
    assert!(before.iter().rev().zip(&shown).all(|(line, known)| line == known), "{actions:?}");
    let numbers: Vec<i64> = all.iter().filter_map(|line| line["seq"].as_i64()).collect();
    assert_eq!(numbers, (1..=i64::try_from(all.len())?).collect::<Vec<_>>());
    assert!(all.iter().all(|line| line["at"].as_str().is_some_and(|at| at.ends_with('Z'))), "{:?}", all[0]);
    let rest = lines(&program, numbers.len() as i64).await?.ok().context("a log")?;
    assert_eq!(rest.len(), 1, "only that it was taken along again: {rest:?}");
    assert!(!lines(&other, 0).await?.ok().context("a log")?.iter().any(|line| line["action"] == "document.added"));
    let stranger = acme.program(&["KNOWLEDGE_READ"]).await?;
    assert_eq!((lines(&stranger, 0).await?, lines(&app.public(), 0).await?), (Err(403), Err(401)));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn tampering_with_the_chain_is_found_out() -> Result<()> {
    let middle = "(SELECT max(seq) / 2 FROM audit_entries WHERE workspace_id = :w) AND workspace_id = :w";
    let tampering = [
        ("a changed entry", format!("UPDATE audit_entries SET action = 'nothing.happened' WHERE seq = {middle}")),
        ("a missing entry", format!("DELETE FROM audit_entries WHERE seq = {middle}")),
        (
            "a cut tail",
            "DELETE FROM audit_entries WHERE workspace_id = :w AND seq = (SELECT max(seq) FROM audit_entries WHERE \
             workspace_id = :w)"
                .to_owned(),
        ),
    ];
    for (what, sql) in tampering {
        let app = TestApp::start().await?;
        let acme = busy(&app).await?;
        let busiest = "(SELECT workspace_id FROM audit_entries GROUP BY workspace_id ORDER BY count(*) DESC LIMIT 1)";
        app.tamper(&sql.replace(":w", busiest)).await?;
        assert_eq!(verdict(&acme).await?["isIntact"], false, "{what} was not found");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_log_shows_its_own_workspace_only() -> Result<()> {
    let app = TestApp::start().await?;
    let (_, other) = (busy(&app).await?, app.workspace("other").await?);
    assert!(!other.audited_actions().await?.iter().any(|action| action.contains("document")));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn day_89_is_there_day_184_is_gone_and_what_is_left_can_be_verified() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    acme.assistant("Ada").await?;
    // A session would end while the clock turns.
    let auditor = acme.program(&["AUDIT_READ"]).await?;
    // What is on record is signed.
    app.run_duties().await?;
    let is_there = async || anyhow::Ok(auditor.audited_actions().await?.contains(&"assistant.created".to_owned()));
    app.advance(days(89));
    app.run_duties().await?;
    assert!(is_there().await?, "day 89");
    app.advance(days(95));
    app.run_duties().await?;
    assert!(!is_there().await?, "day 184");
    let judged = verdict(&auditor).await?;
    assert_eq!(judged["isIntact"], true, "{judged}");
    assert!(auditor.audited_actions().await?.contains(&"retention.deleted".to_owned()));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_of_less_than_ninety_days_refuses_to_start() -> Result<()> {
    for period in ["P30D", "P89D", "P7M", "soon"] {
        let refused = TestApp::start_with(&["--audit-period", period]).await.err().expect("it does not start");
        assert!(format!("{refused:?}").contains("audit log"), "{refused:?}");
    }
    TestApp::start_with(&["--audit-period", "P90D"]).await.map(drop)
}
