//! No workspace reaches another's: generated from the schema, so that it holds for every operation there is.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use consigne_gateway::graphql::sdl;
use consigne_tests::{
    app::TestApp,
    client::Client,
    contract::{Contract, Place, RootField},
    database::Database,
    listen::over_sse,
    people::Member,
    texts,
};
use reqwest::Method;
use sea_orm::{ConnectionTrait, Database as Connect, Statement, TransactionTrait, TryGetable};
use serde_json::json;

/// One of everything that has an id, in a workspace: what kind it is, and its id.
pub(crate) type World = BTreeMap<&'static str, String>;

pub(crate) async fn world(app: &TestApp, member: &Member) -> Result<World> {
    let document = member.upload("handbook.md", "text/markdown", texts::HANDBOOK.as_bytes()).await?;
    app.run_jobs().await?;
    let assistant = member.assistant("Ada").await?;
    let visitor = member.visitor(&assistant).await?;
    let chat = visitor.start_chat().await?;
    let answer = visitor.ask(&chat, "How much is a standard inspection?").await?;
    app.run_jobs().await?;
    let erased = member.visitor(&assistant).await?;
    let erasure = member.erase(&erased.subject).await?;
    app.run_jobs().await?;
    member.program(&["KNOWLEDGE_READ"]).await?;
    let keys = member.graphql("api_keys", json!({})).await?.ok();
    let messages = visitor.graphql("chat", json!({"id": chat})).await?.ok();
    let input = json!({"fileName": "a.md", "mediaType": "text/markdown", "bytes": 5});
    let upload = member.graphql("create_upload", json!({"input": input})).await?.ok();
    // Paused at once, so that nobody goes out for it.
    let input = json!({"name": "the site", "startUrl": "https://www.example.com/", "idempotencyKey": "1"});
    let source = member.graphql("create_website_source", json!({"input": input})).await?.ok();
    let source = source.text("/createWebsiteSource/source/id");
    member.graphql("pause_source", json!({"input": {"sourceId": source}})).await?.ok();
    member.graphql("enable_plugin", json!({"input": {"pluginId": "recorder"}})).await?.ok();
    let input = json!({"assistantId": assistant, "channelIds": ["recorder"]});
    member.graphql("configure_escalation", json!({"input": input})).await?.ok();
    let lost = member.visitor(&assistant).await?;
    let waiting = lost.start_chat().await?;
    lost.graphql("request_person", json!({"input": {"chatId": waiting}})).await?.ok();
    member.graphql("add_note", json!({"input": {"chatId": waiting, "text": "Call back."}})).await?.ok();
    app.run_jobs().await?;
    let escalations = member.graphql("escalations", json!({})).await?.ok();
    let deliveries = member.graphql("deliveries", json!({})).await?.ok();
    // Somebody who is a member here alone.
    let colleague =
        member.agent(&app.public(), &format!("agent@{}.example", member.workspace.replace('_', "-"))).await?;
    let viewer = colleague.graphql("viewer", json!({})).await?.ok();
    let sessions = colleague.graphql("sessions", json!({})).await?.ok();
    let visitor_key = member.graphql("add_visitor_signing_key", json!({"input": {"name": "the site"}})).await?.ok();
    let input = json!({"email": "guest@example.org", "role": "AGENT"});
    let invited = member.graphql("invite_member", json!({"input": input})).await?.ok();
    let identity = json!({"externalId": "4711", "email": "ana@example.org"});
    let known = member.visitor_known_as(&assistant, identity).await?;
    let shown = member.graphql("subject", json!({"id": known.subject})).await?.ok();
    let absorbed = member.visitor(&assistant).await?;
    let input = json!({"absorbedSubjectId": absorbed.subject, "intoSubjectId": known.subject});
    let merged = member.graphql("merge_subjects", json!({"input": input})).await?.ok();
    let input = json!({"subjectId": known.subject, "idempotencyKey": "1"});
    let export = member.graphql("request_access", json!({"input": input})).await?.ok();
    let noted = member.graphql("add_note", json!({"input": {"chatId": waiting, "text": "Or write."}})).await?.ok();
    let archive = member.graphql("export_workspace", json!({"input": {"idempotencyKey": "1"}})).await?.ok();
    let input = json!({"title": "Hello", "text": "Good morning!"});
    let canned = member.graphql("create_canned_reply", json!({"input": input})).await?.ok();
    let input = json!({"name": "Reader", "role": "AGENT", "permissions": ["CHATS_READ"]});
    let role = member.graphql("create_custom_role", json!({"input": input})).await?.ok();
    member.graphql("set_staff_name", json!({"input": {"name": "Ann"}})).await?.ok();
    member.graphql("mark_chat_read", json!({"input": {"chatId": waiting}})).await?.ok();
    let input = json!({"subjectId": visitor.subject, "ground": "LEGAL_CLAIMS", "endsAt": "2100-01-01T00:00:00Z"});
    let hold = member.graphql("place_hold", json!({"input": input})).await?.ok();
    let input = json!({"kind": "ACCESS", "source": "STAFF", "subjectId": visitor.subject});
    let request = member.graphql("record_privacy_request", json!({"input": input})).await?.ok();
    Ok(World::from([
        ("privacyRequest", request.text("/recordPrivacyRequest/privacyRequest/id")),
        ("account", viewer.text("/viewer/actorId")),
        ("visitorSigningKey", visitor_key.text("/addVisitorSigningKey/visitorSigningKey/id")),
        ("invitation", invited.text("/inviteMember/invitation/id")),
        ("session", sessions.text("/sessions/0/id")),
        ("export", export.text("/requestAccess/export/id")),
        ("workspaceExport", archive.text("/exportWorkspace/workspaceExport/id")),
        ("identifier", shown.text("/subject/identifiers/0/id")),
        ("merge", merged.text("/mergeSubjects/merge/id")),
        ("note", noted.text("/addNote/note/id")),
        ("visitor", known.id.clone()),
        ("customRole", role.text("/createCustomRole/customRole/id")),
        ("cannedReply", canned.text("/createCannedReply/cannedReply/id")),
        ("delivery", deliveries.text("/deliveries/nodes/0/id")),
        ("escalation", escalations.text("/escalations/nodes/0/id")),
        ("answer", answer),
        ("apiKey", keys.text("/apiKeys/0/id")),
        ("assistant", assistant),
        ("chat", chat),
        ("document", document),
        ("embeddingChange", unlike("emc_01JDAAAAAAAAAAAAAAAAAAAAAA")),
        ("erasure", erasure),
        ("job", unlike("job_01JDAAAAAAAAAAAAAAAAAAAAAA")),
        // A device makes one: `access::passkeys` tries it.
        ("passkey", unlike("pk_01JDAAAAAAAAAAAAAAAAAAAAAA")),
        ("hold", hold.text("/placeHold/hold/id")),
        ("message", messages.text("/chat/messages/nodes/0/id")),
        ("source", source),
        ("subject", visitor.subject.clone()),
        ("upload", upload.text("/createUpload/upload/id")),
        ("workspace", member.workspace.clone()),
    ]))
}

/// Which kinds of things an argument may name. A new argument that takes an id needs a line here.
pub(crate) fn kinds(place: &Place) -> Vec<&'static str> {
    match (place.field.as_str(), place.argument.as_str()) {
        ("node", _) => vec!["answer", "assistant", "chat", "document", "erasure", "escalation", "message", "source"],
        ("answer", "id") | (_, "answerId") => vec!["answer"],
        ("assistant", "id") | (_, "assistantId") => vec!["assistant"],
        ("chat", "id") | (_, "chatId") => vec!["chat"],
        ("document", "id") | (_, "documentId" | "replacesDocumentId") => vec!["document"],
        ("erasure", "id") => vec!["erasure"],
        ("source", "id") | (_, "sourceId" | "sourceIds") => vec!["source"],
        ("escalation", "id") | (_, "escalationId") => vec!["escalation"],
        ("delivery", "id") | (_, "deliveryId") => vec!["delivery"],
        (_, "accountId" | "accountIds" | "breakGlassAccountId") => vec!["account"],
        (_, "sessionId") => vec!["session"],
        (_, "invitationId") => vec!["invitation"],
        (_, "visitorSigningKeyId") => vec!["visitorSigningKey"],
        (_, "customRoleId") => vec!["customRole"],
        (_, "cannedReplyId") => vec!["cannedReply"],
        (_, "apiKeyId") => vec!["apiKey"],
        (_, "embeddingChangeId") => vec!["embeddingChange"],
        (_, "jobId") => vec!["job"],
        (_, "holdId") => vec!["hold"],
        (_, "passkeyId") => vec!["passkey"],
        ("subject", "id") | (_, "subjectId" | "absorbedSubjectId" | "intoSubjectId") => vec!["subject"],
        ("privacyRequest", "id") | (_, "privacyRequestId") => vec!["privacyRequest"],
        ("dataExport", "id") | (_, "exportId") => vec!["export"],
        ("workspaceExport", "id") | (_, "workspaceExportId") => vec!["workspaceExport"],
        (_, "identifierId") => vec!["identifier"],
        (_, "mergeId") => vec!["merge"],
        (_, "messageId") => vec!["message"],
        (_, "noteId") => vec!["note"],
        (_, "visitorId") => vec!["visitor"],
        (_, "uploadId") => vec!["upload"],
        // Both are the same owner's here; `access::sessions` tries it with somebody who is a member of one alone.
        ("switchWorkspace", "workspaceId") => vec![],
        (_, "workspaceId") => vec!["workspace"],
        _ => panic!("what does {}({}) name? Add it to the isolation test", place.field, place.argument),
    }
}

/// An id that is well-formed and nobody's.
fn unlike(id: &str) -> String {
    let (head, tail) = id.split_at(id.len() - 6);
    format!("{head}{}", if tail == "9K3M7Q" { "9K3M7R" } else { "9K3M7Q" })
}

/// What somebody is told, without the id that was sent and without what differs from call to call.
async fn told(who: &Client, contract: &Contract, root: &RootField<'_>, id: &str) -> Result<String> {
    let text = heard(who, root, &contract.operation(root, &|_| id.to_owned())).await?;
    assert!(!text.contains("RATE_LIMITED"), "{}: {text}", root.name);
    Ok(text.replace(id, "THE-ID"))
}

/// Everything that comes back on an operation of this root field.
pub(crate) async fn heard(who: &Client, root: &RootField<'_>, query: &str) -> Result<String> {
    if root.kind == "subscription" {
        let request = who.request(Method::POST, "/graphql/stream").json(&json!({"query": query}));
        return Ok(match over_sse(request).await {
            Ok(mut stream) => format!("{:?}", stream.rest().await?),
            Err(refused) => refused.to_string(),
        });
    }
    // Long lists are dear.
    let reply = who.query_in_turn(query, json!({})).await?;
    Ok(format!("{} {}", reply.status, reply.body))
}

#[tokio::test(flavor = "multi_thread")]
async fn another_workspaces_id_is_answered_like_an_unknown_one() -> Result<()> {
    let app = TestApp::start().await?;
    let (acme, other) = (app.workspace("acme").await?, app.workspace("other").await?);
    let foreign = world(&app, &other).await?;
    let assistant = acme.assistant("Eve").await?;
    let before = app.row_counts().await?;

    let contract = Contract::read(&sdl());
    let mut compared = 0;
    for root in contract.root_fields() {
        // One visitor would run out of points.
        let own_visitor = acme.visitor(&assistant).await?;
        for kind in contract.id_places(&root).iter().flat_map(kinds).collect::<std::collections::BTreeSet<_>>() {
            let id = &foreign[kind];
            for (name, who) in [("a member", &*acme), ("a visitor", &*own_visitor)] {
                let of_foreign = told(who, &contract, &root, id).await?;
                let of_unknown = told(who, &contract, &root, &unlike(id)).await?;
                assert_eq!(of_foreign, of_unknown, "{name}: {} {} with a foreign {kind}", root.kind, root.name);
                let of_nonsense = told(who, &contract, &root, "no id at all").await?;
                assert_eq!(of_foreign, of_nonsense, "{name}: {} {} with nonsense", root.kind, root.name);
                compared += 1;
            }
        }
    }
    assert!(compared > 30, "only {compared} comparisons: is the schema read?");

    let mut after = app.row_counts().await?;
    for (table, count) in &before {
        // What was refused is on record, tries and what was sought in vain were counted, our own visitors came in, and nothing
        // else changed.
        let may_change = ["alert_signals", "visitors", "subjects", "subject_keys", "tries", "ip_tag_keys"];
        if !table.starts_with("audit_") && !may_change.contains(&table.as_str()) {
            assert_eq!(after.remove(table), Some(*count), "{table} changed");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_workspace_finds_nothing_of_the_first() -> Result<()> {
    let app = TestApp::start().await?;
    let (acme, other) = (app.workspace("acme").await?, app.workspace("other").await?);
    let known = world(&app, &acme).await?;
    assert!(!acme.search("How much is a standard inspection?").await?.is_empty());
    assert!(other.search("How much is a standard inspection?").await?.is_empty());
    assert_eq!(other.graphql("documents", json!({})).await?.ok().number("/documents/totalCount"), 0);
    assert_eq!(other.graphql("chats", json!({})).await?.ok().number("/chats/totalCount"), 0);
    assert_eq!(other.document(&known["document"]).await?, None);
    Ok(())
}

/// On Postgres the database itself keeps workspaces apart, whatever a statement forgets.
#[tokio::test(flavor = "multi_thread")]
async fn a_statement_without_a_predicate_sees_its_own_workspace_only() -> Result<()> {
    let app = TestApp::start().await?;
    let Database::Postgres { application, superuser, .. } = &app.database else { return Ok(()) };
    let (acme, other) = (app.workspace("acme").await?, app.workspace("other").await?);
    world(&app, &acme).await?;
    world(&app, &other).await?;
    let (as_application, as_superuser) = (Connect::connect(application).await?, Connect::connect(superuser).await?);
    let acme: String = value(&as_superuser, "SELECT id::text AS value FROM workspaces WHERE name = 'acme'").await?;

    let mut seen = 0;
    for table in app.scoped_tables().await? {
        let all = format!("SELECT count(*) AS value FROM {table}");
        let nobodys: i64 = value(&as_application, &all).await?;
        assert_eq!(nobodys, 0, "{table} shows rows where no workspace is named");
        let tx = as_application.begin().await?;
        tx.execute_unprepared(&format!("SELECT set_config('app.workspace_id', '{acme}', true)")).await?;
        let own: i64 = value(&tx, &all).await?;
        let moved = tx.execute_unprepared(&format!("DELETE FROM {table} WHERE workspace_id <> '{acme}'")).await;
        assert!(
            moved.is_err() || moved.is_ok_and(|deleted| deleted.rows_affected() == 0),
            "{table} lets others' rows go"
        );
        tx.rollback().await?;
        let expected: i64 = value(&as_superuser, &format!("{all} WHERE workspace_id = '{acme}'")).await?;
        assert_eq!(own, expected, "{table}");
        seen += own;
    }
    assert!(seen > 20, "only {seen} rows: is anything there?");
    Ok(())
}

async fn value<T: TryGetable>(db: &impl ConnectionTrait, sql: &str) -> Result<T> {
    let statement = Statement::from_string(db.get_database_backend(), sql.to_owned());
    Ok(db.query_one_raw(statement).await?.context("one row")?.try_get("", "value")?)
}
