//! Restricted data is stored, and nothing else, and the database itself sees to it.

use super::*;
use consigne_gateway::sdk::PluginErrorKind;
use consigne_tests::{
    app::minutes,
    database::Database,
    people::{Member, Visitor},
    recorder::Answer,
    texts,
};
use sea_orm::{ConnectionTrait, Database as Connect, Statement};

struct World {
    app: TestApp,
    acme: Member,
    assistant: String,
    visitor: Visitor,
    chat: String,
}

async fn world() -> Result<World> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    acme.add_text("Handbook", texts::HANDBOOK).await?;
    app.run_jobs().await?;
    let assistant = acme.assistant("Ada").await?;
    acme.call_people(&assistant, &["recorder"], json!({})).await?;
    let visitor = acme.visitor(&assistant).await?;
    let chat = visitor.start_chat().await?;
    visitor.ask(&chat, "How much is a standard inspection?").await?;
    app.run_jobs().await?;
    Ok(World { app, acme, assistant, visitor, chat })
}

async fn restrict(by: &Client, subject: &str) -> Result<consigne_tests::client::Reply> {
    let input = json!({"subjectId": subject, "ground": "ACCURACY_CONTESTED"});
    by.graphql("restrict_processing", json!({"input": input})).await
}

async fn lift(by: &Client, subject: &str) -> Result<consigne_tests::client::Reply> {
    by.graphql("lift_restriction", json!({"input": {"subjectId": subject}})).await
}

#[tokio::test(flavor = "multi_thread")]
async fn restricted_data_is_seen_by_nobody_and_written_by_nobody() -> Result<()> {
    let World { app, acme, visitor, chat, .. } = world().await?;
    visitor.request_person(&chat).await?;
    app.run_jobs().await?;
    let told = app.recorder.told().len();
    let before = app.row_counts().await?;
    restrict(&acme, &visitor.subject).await?.ok();

    for (operation, pointer) in [
        ("chats", "/chats/totalCount"),
        ("escalations", "/escalations/totalCount"),
        ("deliveries", "/deliveries/totalCount"),
    ] {
        assert_eq!(acme.graphql(operation, json!({})).await?.ok().number(pointer), 0, "{operation}");
    }
    assert_eq!(acme.graphql("chat", json!({"id": chat})).await?.body["data"]["chat"], Value::Null);
    let input = json!({"chatId": chat, "text": "Are you there?", "idempotencyKey": idempotency_key()});
    let refused = visitor.graphql("ask_question", json!({"input": input})).await?;
    assert_eq!(refused.user_error(), Some("RESTRICTED"), "{}", refused.body);
    assert_eq!(visitor.graphql("start_chat", json!({})).await?.user_error(), Some("RESTRICTED"));
    let input = json!({"chatId": chat, "text": "Hello", "idempotencyKey": idempotency_key()});
    assert_eq!(acme.graphql("reply_to_chat", json!({"input": input})).await?.user_error(), Some("RESTRICTED"));
    app.run_duties().await?;
    app.run_jobs().await?;
    assert_eq!(app.recorder.told().len(), told, "a channel was told");
    let after = app.row_counts().await?;
    for table in ["chats", "messages", "answers", "citations", "chat_events", "escalations", "deliveries"] {
        assert_eq!(before[table], after[table], "{table} is not stored as it was");
    }
    let shown = visitor.graphql("subject", json!({"id": visitor.subject})).await?.ok();
    assert_eq!(shown.text("/subject/state"), "RESTRICTED");
    assert_eq!(shown.text("/subject/restriction/ground"), "ACCURACY_CONTESTED");
    // Rights go on: a copy is whole.
    let files = access(&app, &visitor, None).await?;
    assert_eq!(rows(&files, "chats", "messages")?.len(), usize::try_from(before["messages"])?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restriction_is_lifted_once_the_person_was_told_and_everything_goes_on() -> Result<()> {
    let World { app, acme, visitor, chat, .. } = world().await?;
    restrict(&acme, &visitor.subject).await?.ok();
    let again = restrict(&acme, &visitor.subject).await?.ok();
    assert_eq!(again.text("/restrictProcessing/restriction/subjectId"), visitor.subject);
    let too_early = lift(&acme, &visitor.subject).await?;
    assert_eq!(too_early.user_error(), Some("CONFLICT"), "{}", too_early.body);
    assert!(too_early.body.to_string().contains("art. 18(3)"));
    let notice = |at: &str| json!({"input": {"subjectId": visitor.subject, "means": "LETTER", "noticedAt": at}});
    for wrong in ["2030-01-01T00:00:00Z", "2020-01-01T00:00:00Z"] {
        assert_eq!(acme.graphql("record_lifting_notice", notice(wrong)).await?.user_error(), Some("INVALID_INPUT"));
    }
    app.advance(minutes(2));
    acme.graphql("record_lifting_notice", notice("2026-11-23T08:01:00Z")).await?.ok();
    let lifted = lift(&acme, &visitor.subject).await?.ok();
    assert_eq!(lifted.text("/liftRestriction/restriction/noticedAt"), "2026-11-23T08:01:00Z");
    assert_eq!(acme.graphql("chats", json!({})).await?.ok().number("/chats/totalCount"), 1);
    visitor.ask(&chat, "And how long does it take?").await?;
    app.run_jobs().await?;
    let shown = visitor.graphql("chat", json!({"id": chat})).await?.ok();
    assert!(shown.body.to_string().contains("COMPLETED"));
    assert_eq!(lift(&acme, &visitor.subject).await?.user_error(), Some("CONFLICT"), "nothing is restricted");
    for action in ["subject.restricted", "restriction.notice_recorded", "subject.restriction_lifted"] {
        assert!(acme.audited_actions().await?.contains(&action.to_owned()), "{action}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn visitors_restrict_and_lift_by_themselves_and_come_in_meanwhile() -> Result<()> {
    let World { app, acme, assistant, visitor, .. } = world().await?;
    let stranger = acme.visitor(&acme.assistant("Eve").await?).await?;
    assert_eq!(restrict(&stranger, &visitor.subject).await?.error(), Some("FORBIDDEN"));
    restrict(&visitor, &visitor.subject).await?.ok();
    let token = visitor.token().context("a token")?.to_owned();
    let back = acme.visitor_known_as(&assistant, json!({"visitorToken": token})).await?;
    assert_eq!((&back.subject, &back.id), (&visitor.subject, &visitor.id), "they come in as who they are");
    lift(&back, &visitor.subject).await?.ok();
    back.start_chat().await?;
    app.run_jobs().await
}

/// An answer is being made, and a delivery is being tried, when the restriction comes.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_under_way_ends_and_what_waited_goes_out_after_lifting() -> Result<()> {
    let World { app, acme, visitor, chat, .. } = world().await?;
    let answer = visitor.ask(&chat, "How much is a standard inspection?").await?;
    restrict(&visitor, &visitor.subject).await?.ok();
    app.run_jobs().await?;
    lift(&visitor, &visitor.subject).await?.ok();
    let ended = visitor.answer(&answer).await?;
    assert_eq!((&ended["status"], &ended["failureCode"]), (&json!("FAILED"), &json!("RESTRICTED")));

    app.recorder.always(Answer::Fail(PluginErrorKind::Unavailable));
    visitor.request_person(&chat).await?;
    app.run_jobs().await?;
    restrict(&acme, &visitor.subject).await?.ok();
    app.recorder.always(Answer::Ok);
    let tried = app.recorder.told().len();
    app.advance(minutes(5));
    app.run_duties().await?;
    app.run_jobs().await?;
    assert_eq!(app.recorder.told().len(), tried, "it was sent though it may only be stored");
    lift(&visitor, &visitor.subject).await?.ok();
    app.run_jobs().await?;
    assert_eq!(app.recorder.told().len(), tried + 1);
    assert_eq!(acme.deliveries("DELIVERED").await?.len(), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn contested_data_is_put_right_and_erased_though_it_is_restricted() -> Result<()> {
    let World { app, acme, visitor, chat, .. } = world().await?;
    let shown = visitor.graphql("chat_messages", json!({"id": chat, "first": 5})).await?.ok();
    let message = shown.text("/chat/messages/nodes/0/id");
    restrict(&visitor, &visitor.subject).await?.ok();
    let input = json!({"messageId": message, "text": "How much is an inspection?"});
    let done = visitor.graphql("rectify_message", json!({"input": input})).await?.ok();
    assert_eq!(done.get("/rectifyMessage/isRectified"), &json!(true));
    let files = access(&app, &visitor, None).await?;
    assert_eq!(rows(&files, "chats", "messages")?[0]["text"], "How much is an inspection?");
    assert_eq!(
        visitor.graphql("start_chat", json!({})).await?.user_error(),
        Some("RESTRICTED"),
        "it is restricted still"
    );
    let erasure = acme.erase(&visitor.subject).await?;
    app.run_jobs().await?;
    let erasure = acme.erasure(&erasure).await?;
    assert_eq!(erasure["state"], "COMPLETED", "{erasure}");
    for table in ["chats", "messages", "answers", "visitors", "restrictions", "data_exports"] {
        assert_eq!(app.rows(table).await?, 0, "{table}");
    }
    Ok(())
}

/// Whatever a statement forgets: the database refuses, and shows nothing.
#[tokio::test(flavor = "multi_thread")]
async fn the_database_itself_refuses_and_hides() -> Result<()> {
    let World { app, acme, visitor, .. } = world().await?;
    restrict(&acme, &visitor.subject).await?.ok();
    let data = app.database.connections().await?.into_iter().next().context("a database")?;
    for table in ["chats", "messages", "answers", "citations", "chat_events", "visitors"] {
        let refused = data.execute_unprepared(&format!("UPDATE {table} SET subject_id = subject_id")).await;
        let why = refused.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(why.contains("restricted"), "{table}: {why}");
    }
    if let Database::Postgres { application, .. } = &app.database {
        let db = Connect::connect(application).await?;
        let workspace =
            "SELECT set_config('app.workspace_id', (SELECT id::text FROM workspaces WHERE name = 'acme'), false)";
        db.query_one_raw(Statement::from_string(db.get_database_backend(), workspace)).await?;
        for table in ["chats", "messages", "answers", "citations", "chat_events"] {
            let sql = format!("SELECT count(*) AS n FROM {table}");
            let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await?;
            assert_eq!(row.context("a count")?.try_get::<i64>("", "n")?, 0, "{table}");
        }
    }
    Ok(())
}
