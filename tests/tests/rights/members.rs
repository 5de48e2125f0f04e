//! Members are people too: what a workspace holds about them is reachable, and theirs to have.

use super::*;
use consigne_tests::texts;

#[tokio::test(flavor = "multi_thread")]
async fn a_member_gets_what_is_held_about_them_and_not_what_is_a_visitors() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    acme.add_text("Handbook", texts::HANDBOOK).await?;
    app.run_jobs().await?;
    let visitor = acme.visitor_known_as(&acme.assistant("Ada").await?, json!({"email": "ana@example.org"})).await?;
    let chat = visitor.start_chat().await?;
    visitor.ask(&chat, "What is it that only the visitor wrote?").await?;
    app.run_jobs().await?;
    let agent = acme.agent(&app.public(), "agent@acme.example").await?;
    agent.graphql("set_staff_name", json!({"input": {"name": "Ann of the desk"}})).await?.ok();
    assert_eq!(agent.does("take_chat", &chat).await?, None);
    agent.reply(&chat, "This is what the agent wrote.").await?;
    agent.graphql("add_note", json!({"input": {"chatId": chat, "text": "The agent noted this."}})).await?.ok();

    let files = access(&app, &agent, None).await?;
    assert_eq!(rows(&files, "members", "accounts")?[0]["email"], "agent@acme.example");
    assert!(rows(&files, "members", "accounts")?[0]["password_hash"].is_null(), "a secret is shown");
    assert_eq!(rows(&files, "members", "memberships")?[0]["role"], "AGENT");
    assert_eq!(rows(&files, "members", "sessions")?.len(), 1);
    assert_eq!(rows(&files, "staff", "staff_names")?[0]["name"], "Ann of the desk");
    assert_eq!(rows(&files, "staff", "messages")?[0]["text"], "This is what the agent wrote.");
    assert_eq!(rows(&files, "staff", "chat_notes")?[0]["text"], "The agent noted this.");
    assert!(!rows(&files, "members", "audit_entries")?.is_empty());
    let whole: String = files.values().cloned().collect();
    assert!(!whole.contains("only the visitor wrote") && !whole.contains("ana@example.org"), "a visitor's data");

    // The visitor's copy holds what was said to them, and not who said it.
    let of_visitor = access(&app, &visitor, None).await?;
    let whole: String = of_visitor.values().cloned().collect();
    assert!(whole.contains("This is what the agent wrote.") && whole.contains("The agent noted this."));
    assert!(!whole.contains("Ann of the desk") && !whole.contains("agent@acme.example"), "a member's data");

    let found =
        acme.graphql("subjects_by_identifier", json!({"kind": "EMAIL", "value": "agent@acme.example"})).await?.ok();
    assert_eq!(found.text("/subjectsByIdentifier/0/kind"), "MEMBER");
    let subject = found.text("/subjectsByIdentifier/0/id");
    let restrict = json!({"subjectId": subject, "ground": "UNLAWFUL"});
    assert_eq!(acme.graphql("restrict_processing", json!({"input": restrict})).await?.user_error(), Some("CONFLICT"));
    let erase = json!({"subjectId": subject, "idempotencyKey": "1"});
    let refused = acme.graphql("erase_subject", json!({"input": erase})).await?;
    assert_eq!(refused.user_error(), Some("CONFLICT"), "a membership lasts: {}", refused.body);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_is_nobody_and_serves_whom_it_names() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    let visitor = acme.visitor(&acme.assistant("Ada").await?).await?;
    let program = acme.program(&["RIGHTS_SERVE", "SUBJECTS_READ"]).await?;
    let input = json!({"idempotencyKey": "1"});
    let nobody = program.graphql("request_access", json!({"input": input})).await?;
    assert_eq!(nobody.user_error(), Some("INVALID_INPUT"), "{}", nobody.body);
    let files = access(&app, &program, Some(&visitor.subject)).await?;
    assert_eq!(rows(&files, "identity", "visitors")?.len(), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_left_is_erased_with_the_second_factor_they_had() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    let agent = acme.agent(&app.public(), "agent@acme.example").await?;
    agent.graphql("enrol_second_factor", json!({})).await?.ok();
    let found =
        acme.graphql("subjects_by_identifier", json!({"kind": "EMAIL", "value": "agent@acme.example"})).await?.ok();
    let subject = found.text("/subjectsByIdentifier/0/id");
    let account = agent.graphql("viewer", json!({})).await?.ok().text("/viewer/actorId");
    acme.graphql("remove_member", json!({"input": {"accountId": account}})).await?.ok();
    let erasure = acme.erase(&subject).await?;
    app.run_jobs().await?;
    assert_eq!(acme.erasure(&erasure).await?["state"], "COMPLETED");
    assert_eq!((app.rows("accounts").await?, app.rows("second_factors").await?), (1, 0));
    Ok(())
}
