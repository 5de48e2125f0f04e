//! What is on its way to people is still the visitor's: sealed, gone at delivery, gone with them. And what colleagues tell
//! each other is theirs.

use std::time::Duration;

use anyhow::Result;
use consigne_gateway::{graphql::sdl, sdk::PluginErrorKind};
use consigne_tests::{
    app::TestApp,
    canary::Canary,
    contract::Contract,
    recorder::{Answer, SECRET, inbound},
};
use serde_json::{Value, json};

use super::{Desk, text};

#[tokio::test(flavor = "multi_thread")]
async fn no_visitor_ever_sees_a_note() -> Result<()> {
    let app = TestApp::start().await?;
    let desk = Desk::open(&app, json!({})).await?;
    let canary = Canary::new();
    desk.visitor.ask(&desk.chat, "Who are you?").await?;
    app.run_jobs().await?;
    desk.visitor.request_person(&desk.chat).await?;
    let input = json!({"chatId": desk.chat, "text": format!("Difficult: {canary}.")});
    let note = desk.acme.graphql("add_note", json!({"input": input})).await?.ok().text("/addNote/note/id");
    desk.acme.reply(&desk.chat, "Good morning!").await?;
    let escalation = desk.acme.escalation().await?;
    assert!(escalation.to_string().contains(&canary.to_string()), "colleagues see it: {escalation}");
    app.assert_absent(&canary).await?;

    let contract = Contract::read(&sdl());
    let mut asked = 0;
    for root in contract.root_fields() {
        // Erasing oneself would end the test.
        if root.name == "eraseSubject" {
            continue;
        }
        // What is forbidden to a stranger of the same kind is forbidden to this one; each has a rate of their own.
        if root.kind != "subscription" {
            let stranger = desk.acme.visitor(&desk.assistant).await?;
            let refused = stranger.query(&contract.operation(&root, &|_| "unknown".to_owned()), json!({})).await?;
            asked += 1;
            if refused.error() == Some("FORBIDDEN") {
                continue;
            }
        }
        let all = [desk.chat.as_str(), text(&escalation["id"]), note.as_str()];
        let ids = if contract.id_places(&root).is_empty() { &all[..1] } else { &all[..] };
        for id in ids {
            let query = contract.operation(&root, &|_| (*id).to_owned());
            let told = if root.kind == "subscription" {
                let request = desk.visitor.request(reqwest::Method::POST, "/graphql/stream");
                match consigne_tests::listen::over_sse(request.json(&json!({"query": query}))).await {
                    Ok(mut stream) => {
                        let mut heard = String::new();
                        while let Ok(Ok(Some(event))) =
                            tokio::time::timeout(Duration::from_secs(1), stream.next()).await
                        {
                            heard.push_str(&event.to_string());
                        }
                        heard
                    }
                    Err(refused) => refused.to_string(),
                }
            } else {
                desk.visitor.query_in_turn(&query, json!({})).await?.body.to_string()
            };
            assert!(!told.contains(&canary.to_string()), "{} {} shows a note", root.kind, root.name);
            asked += 1;
        }
    }
    assert!(asked > 80, "only {asked} operations: is the schema read?");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivered_text_is_gone_and_a_waiting_one_is_sealed() -> Result<()> {
    let app = TestApp::start().await?;
    let desk = Desk::open(&app, json!({})).await?;
    let canary = Canary::new();
    desk.visitor.ask(&desk.chat, &format!("I am {canary}.")).await?;
    app.run_jobs().await?;
    app.recorder.script([Answer::Fail(PluginErrorKind::Unavailable)]);
    desk.visitor.request_person(&desk.chat).await?;
    app.run_jobs().await?;
    app.assert_absent(&canary).await?;
    assert_eq!(sealed(&app).await?, 1);
    app.advance(Duration::from_secs(6));
    app.run_jobs().await?;
    assert!(app.recorder.handed()[1].to_string().contains(&canary.to_string()), "it was told");
    assert_eq!(sealed(&app).await?, 0, "a delivered text is still there");
    assert_eq!(app.rows("deliveries").await?, 1, "its status is kept");
    app.assert_absent(&canary).await
}

/// Deliveries that hold a text.
async fn sealed(app: &TestApp) -> Result<i64> {
    use sea_orm::{ConnectionTrait, Statement};
    let mut count = 0;
    for db in app.database.connections().await? {
        let sql = "SELECT count(*) AS n FROM deliveries WHERE payload_sealed IS NOT NULL";
        if let Ok(Some(row)) = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await {
            count += row.try_get::<i64>("", "n")?;
        }
    }
    Ok(count)
}

#[tokio::test(flavor = "multi_thread")]
async fn erasing_a_visitor_kills_what_was_not_delivered() -> Result<()> {
    let app = TestApp::start().await?;
    let desk = Desk::open(&app, json!({})).await?;
    let canary = Canary::new();
    desk.visitor.ask(&desk.chat, &format!("I am {canary}.")).await?;
    app.run_jobs().await?;
    desk.visitor.request_person(&desk.chat).await?;
    app.run_jobs().await?;
    app.recorder.always(Answer::Fail(PluginErrorKind::Unavailable));
    desk.visitor.say(&desk.chat, &format!("Again: {canary}.")).await?;
    let input = json!({"chatId": desk.chat, "text": format!("Note: {canary}.")});
    desk.acme.graphql("add_note", json!({"input": input})).await?.ok();
    desk.acme.does("mark_chat_read", &desk.chat).await?;
    app.run_jobs().await?;
    assert_eq!(desk.acme.deliveries("PENDING").await?.len(), 1);
    let told = app.recorder.told().len();

    let id = desk.acme.erase(&desk.visitor.subject).await?;
    app.run_jobs().await?;
    let erasure = desk.acme.erasure(&id).await?;
    assert_eq!(erasure["state"], "COMPLETED", "{erasure}");
    assert!(erasure["steps"].to_string().contains("escalations"), "{erasure}");
    for table in [
        "escalations",
        "deliveries",
        "channel_threads",
        "chat_notes",
        "chat_reads",
        "inbox_events",
        "chats",
        "messages",
    ] {
        assert_eq!(app.rows(table).await?, 0, "{table}");
    }
    app.recorder.always(Answer::Ok);
    app.advance(Duration::from_secs(400));
    app.run_duties().await?;
    app.run_jobs().await?;
    assert_eq!(app.recorder.told().len(), told, "something was told about an erased person");
    app.assert_absent(&canary).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_to_somebody_who_was_erased_changes_nothing() -> Result<()> {
    let app = TestApp::start().await?;
    let desk = Desk::open(&app, json!({})).await?;
    desk.visitor.request_person(&desk.chat).await?;
    app.run_jobs().await?;
    let token = text(&app.recorder.handed()[0]["token"]).to_owned();
    let thread = format!("thread of {token}");
    let channels = desk.acme.graphql("channels", json!({})).await?.ok();
    let url = channels.text("/channels/0/inboundUrl");
    desk.acme.erase(&desk.visitor.subject).await?;
    // Both before and after the erasure is through.
    for (number, id) in [(1, "thread"), (2, "token")] {
        if number == 2 {
            app.run_jobs().await?;
        }
        let to = if id == "thread" { thread.as_str() } else { token.as_str() };
        let canary = Canary::new();
        let event = json!({"events": [inbound(&format!("e{number}"), (id, to), "reply", &format!("{canary}"))]});
        let request = app.public().request(reqwest::Method::POST, &url).header("X-Recorder", SECRET).json(&event);
        assert_eq!(request.send().await?.status(), 200);
        app.assert_absent(&canary).await?;
    }
    for table in ["escalations", "messages", "chat_notes", "chats"] {
        assert_eq!(app.rows(table).await?, 0, "{table}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_enabled_channel_is_a_recipient_and_a_staff_name_is_sealed() -> Result<()> {
    let app = TestApp::start().await?;
    let desk = Desk::open(&app, json!({})).await?;
    let recipients = desk.acme.graphql("recipients", json!({})).await?.ok();
    let all = recipients.get("/recipients").as_array().cloned().unwrap_or_default();
    let recorder = all.iter().find(|recipient| recipient["pluginId"] == "recorder");
    assert_eq!(recorder.map(|one| &one["processing"]["purposes"]), Some(&json!(["ESCALATION"])), "{all:?}");
    let canary = Canary::new();
    let name: String = canary.to_string().chars().take(39).collect();
    desk.acme.graphql("set_staff_name", json!({"input": {"name": name}})).await?.ok();
    let input = json!({"title": "Hello", "text": format!("{canary}")});
    desk.acme.graphql("create_canned_reply", json!({"input": input})).await?.ok();
    app.assert_absent(&canary).await?;
    let members = desk.acme.graphql("members", json!({})).await?.ok();
    assert_ne!(members.get("/members/0/staffName"), &Value::Null);
    Ok(())
}
