//! Everything that is done leaves an entry, and a changed chain is found out.

use anyhow::Result;
use consigne_tests::{
    app::{TestApp, days},
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
