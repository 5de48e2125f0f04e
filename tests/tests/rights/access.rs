//! Copies: everything for the person (GDPR art. 15), and what they provided for other programs (art. 20).

use super::*;
use std::sync::Arc;

use consigne_tests::{
    app::days,
    canary::Canary,
    people::{Member, Visitor},
    plugins::{Outside, WORD_HASH, WORD_OVERLAP, WordHash, WordOverlap},
    texts,
};

const NASTY: &str = "<script>alert('gotcha')</script> <img src=x onerror=alert(1)>";

async fn talkative(app: &TestApp, acme: &Member, words: &str) -> Result<(Visitor, String)> {
    acme.add_text("Handbook", texts::HANDBOOK).await?;
    app.run_jobs().await?;
    let visitor = acme.visitor(&acme.assistant("Ada").await?).await?;
    let chat = visitor.start_chat().await?;
    // Alone, so that the knowledge answers it.
    let answer = visitor.ask(&chat, "How much is a standard inspection?").await?;
    app.run_jobs().await?;
    if !words.is_empty() {
        visitor.ask(&chat, words).await?;
        app.run_jobs().await?;
    }
    visitor.graphql("rate_answer", json!({"input": {"answerId": answer, "rating": "UP"}})).await?.ok();
    Ok((visitor, chat))
}

#[tokio::test(flavor = "multi_thread")]
async fn visitors_get_everything_that_is_held_about_them_and_every_holder_is_named() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    let canary = Canary::new();
    let (visitor, _) = talkative(&app, &acme, &format!("I am {canary}. {NASTY}")).await?;
    let files = access(&app, &visitor, None).await?;

    let manifest = json_of(&files, "manifest.json")?;
    let holders = manifest["holders"].as_array().context("holders")?;
    let found = |name: &str| {
        let holder = holders.iter().find(|holder| holder["name"] == name);
        holder.map(|holder| holder["found"].as_str().unwrap_or_default().to_owned()).unwrap_or_default()
    };
    for (holder, result) in [
        ("chats", "found"),
        ("identity", "found"),
        ("escalations", "nothing found"),
        ("vectors", "nothing found"),
        ("staff", "nothing found"),
        ("members", "nothing found"),
    ] {
        assert_eq!(found(holder), result, "{holder}: {manifest}");
    }
    for holder in holders {
        assert!(files.contains_key(holder["file"].as_str().unwrap_or_default()), "{holder}");
    }
    let messages = rows(&files, "chats", "messages")?;
    assert!(messages.iter().any(|row| row["text"].to_string().contains(&canary.to_string())), "{messages:?}");
    assert!(rows(&files, "chats", "answers")?.iter().any(|row| row["rating"] == "UP"));
    assert!(!rows(&files, "chats", "citations")?.is_empty());
    let of_chats = json_of(&files, "holders/chats.json")?;
    let columns = of_chats["tables"]
        .as_array()
        .context("tables")?
        .iter()
        .flat_map(|t| t["columns"].as_array().cloned().unwrap_or_default());
    for column in columns {
        for field in ["name", "category", "purpose", "retention"] {
            assert!(column[field].as_str().is_some_and(|text| !text.is_empty()), "{column} lacks {field}");
        }
    }
    for purpose in manifest["purposes"].as_array().context("purposes")? {
        assert!(purpose["legalBasis"].as_str().is_some_and(|basis| basis.contains("GDPR art.")), "{purpose}");
    }
    assert_eq!(manifest["recipients"], json!([]), "the model is inside the installation");

    let page = &files["index.html"];
    assert!(page.contains(&canary.to_string()) && page.contains("default-src 'none'"));
    assert!(!page.contains("<script") && !page.contains("<img"), "what was written is markup");
    for file in manifest["files"].as_array().context("files")? {
        let text = &files[file["name"].as_str().unwrap_or_default()];
        let hash = <sha2::Sha256 as sha2::Digest>::digest(text.as_bytes());
        assert_eq!(file["sha256"], hex::encode(hash), "{file}");
    }
    app.assert_absent(&canary).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_opens_its_file_once_and_the_file_lives_72_hours() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    let (visitor, _) = talkative(&app, &acme, "").await?;
    let before = app.blobs().len();
    let export = copy_of(&app, &visitor, "request_access", None).await?;
    assert_eq!(app.blobs().len(), before + 1);
    let unused = link_of(&visitor, &export).await?;
    let link = link_of(&visitor, &export).await?;
    assert_eq!(fetched(&app, &unused).await?.status(), 404, "an earlier link is void");
    let ok = fetched(&app, &link).await?;
    assert_eq!(ok.status(), 200);
    let header = |name: &str| ok.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    assert_eq!((header("content-type"), header("cache-control")), ("application/zip".into(), "no-store".into()));
    assert!(header("content-disposition").starts_with("attachment"));
    assert_eq!(fetched(&app, &link).await?.status(), 404, "a link works once");
    assert_eq!(fetched(&app, "/exports/nonsense").await?.status(), 404);
    let changed = format!("{}AAAA", &link[..link.len() - 4]);
    assert_eq!(fetched(&app, &changed).await?.status(), 404);

    let late = link_of(&visitor, &export).await?;
    app.advance(days(3));
    assert_eq!(fetched(&app, &late).await?.status(), 404, "72 hours are over");
    app.run_duties().await?;
    assert_eq!(app.blobs().len(), before);
    let acme = app.owner_in(&acme.workspace).await?;
    let shown = acme.graphql("data_export", json!({"id": export})).await?.ok();
    assert_eq!(shown.text("/dataExport/state"), "EXPIRED");
    let link = acme.graphql("create_export_link", json!({"input": {"exportId": export}})).await?;
    assert_eq!(link.user_error(), Some("CONFLICT"));
    let actions = acme.audited_actions().await?;
    for action in ["export.requested", "export.made", "export.link_made", "export.fetched"] {
        assert!(actions.contains(&action.to_owned()), "{action} is not on record");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_anothers_copy_and_an_erasure_takes_it() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    let (visitor, _) = talkative(&app, &acme, "").await?;
    let stranger = acme.visitor(&acme.assistant("Eve").await?).await?;
    let agent = acme.agent(&app.public(), "agent@acme.example").await?;
    let input = json!({"subjectId": visitor.subject, "idempotencyKey": "1"});
    for nobody in [&*stranger, &*agent] {
        assert_eq!(nobody.graphql("request_access", json!({"input": input})).await?.error(), Some("FORBIDDEN"));
    }
    let first = acme.graphql("request_access", json!({"input": input})).await?.ok();
    let again = acme.graphql("request_access", json!({"input": input})).await?.ok();
    assert_eq!(first.body, again.body, "the same key asks once");
    let export = first.text("/requestAccess/export/id");
    app.run_jobs().await?;
    let foreign = stranger.graphql("create_export_link", json!({"input": {"exportId": export}})).await?;
    assert_eq!(foreign.user_error(), Some("NOT_FOUND"));
    let link = link_of(&acme, &export).await?;
    let erasure = visitor.erase_myself().await?;
    app.run_jobs().await?;
    assert_eq!(acme.erasure(&erasure).await?["state"], "COMPLETED");
    assert_eq!(fetched(&app, &link).await?.status(), 404);
    assert_eq!(app.rows("data_exports").await?, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_provided_is_portable_and_says_what_its_schema_says() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    let (visitor, chat) = talkative(&app, &acme, "I provided this.").await?;
    let input = json!({"kind": "EMAIL", "value": "ana@example.org"});
    visitor.graphql("add_identifier", json!({"input": input})).await?.ok();
    let export = copy_of(&app, &visitor, "request_portability", None).await?;
    let text = fetched(&app, &link_of(&visitor, &export).await?).await?.text().await?;
    let document: Value = serde_json::from_str(&text)?;

    let schema = app.public().request(Method::GET, "/schemas/portability-1.json").send().await?;
    assert_eq!(schema.status(), 200);
    let schema: Value = schema.json().await?;
    let validator = jsonschema::draft202012::new(&schema).context("the schema is one")?;
    let errors: Vec<String> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?} in {document}");
    let mut wrong = document.clone();
    wrong["items"][0]["kind"] = json!("SOMETHING");
    assert!(!validator.is_valid(&wrong), "the schema takes anything");

    let items = document["items"].as_array().context("items")?;
    let of = |kind: &str| items.iter().filter(|item| item["kind"] == kind).cloned().collect::<Vec<_>>();
    assert_eq!(of("MESSAGE").len(), 2);
    assert_eq!(of("MESSAGE")[0]["in"], chat);
    assert!(of("MESSAGE").iter().any(|message| message["text"] == "I provided this."));
    assert_eq!(of("RATING")[0]["text"], "UP");
    assert_eq!(
        (&of("IDENTIFIER")[0]["text"], &of("IDENTIFIER")[0]["type"]),
        (&json!("ana@example.org"), &json!("EMAIL"))
    );
    assert_eq!(items.len(), 4, "what others wrote is in it: {document}");
    Ok(())
}

/// A channel outside the installation got the conversation: the copy says so.
#[tokio::test(flavor = "multi_thread")]
async fn recipients_are_those_that_really_got_data() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    let assistant = acme.assistant("Ada").await?;
    acme.call_people(&assistant, &["recorder"], json!({})).await?;
    let (told, untold) = (acme.visitor(&assistant).await?, acme.visitor(&assistant).await?);
    let chat = told.start_chat().await?;
    told.say(&chat, "Who won the chess world championship in 1972?").await?;
    app.run_jobs().await?;
    told.request_person(&chat).await?;
    app.run_jobs().await?;
    untold.start_chat().await?;
    let of_told = json_of(&access(&app, &told, None).await?, "manifest.json")?;
    let recipient = &of_told["recipients"][0];
    assert_eq!((&recipient["plugin"], &recipient["purpose"]), (&json!("recorder"), &json!("ESCALATION")), "{of_told}");
    assert_eq!(recipient["operator"], "whoever listens to the recorder");
    let of_untold = json_of(&access(&app, &untold, None).await?, "manifest.json")?;
    assert_eq!(of_untold["recipients"], json!([]));
    Ok(())
}

/// The question goes to whoever embeds it and to whoever takes a second look at what was found: they are named, before they get it.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_outside_searches_with_somebodys_words_is_a_recipient() -> Result<()> {
    let app = TestApp::start_among(&[], &|all, defaults| {
        all.push(Arc::new(Outside(Arc::new(WordHash::new(7)))));
        all.push(Arc::new(Outside(Arc::new(WordOverlap::default()))));
        defaults.embedder = WORD_HASH.to_owned();
    })
    .await?;
    let acme = app.workspace("acme").await?;
    acme.graphql("enable_plugin", json!({"input": {"pluginId": WORD_OVERLAP}})).await?.ok();
    acme.add_text("Handbook", texts::HANDBOOK).await?;
    acme.add_text("Elsewhere", texts::ELSEWHERE).await?;
    app.run_jobs().await?;
    let assistant = acme.assistant("Ada").await?;
    let (asking, silent) = (acme.visitor(&assistant).await?, acme.visitor(&assistant).await?);
    let chat = asking.start_chat().await?;
    asking.ask(&chat, "How much is a standard inspection?").await?;
    app.run_jobs().await?;
    silent.start_chat().await?;
    let named = async |by: &Client| -> Result<Vec<(String, String)>> {
        let manifest = json_of(&access(&app, by, None).await?, "manifest.json")?;
        let all = manifest["recipients"].as_array().cloned().unwrap_or_default();
        let text = |got: &Value, field: &str| got[field].as_str().unwrap_or_default().to_owned();
        Ok(all.iter().map(|got| (text(got, "plugin"), text(got, "purpose"))).collect())
    };
    let both = [WORD_HASH, WORD_OVERLAP].map(|plugin| (plugin.to_owned(), "ANSWERING".to_owned()));
    assert_eq!(named(&asking).await?, both);
    assert_eq!(named(&silent).await?, []);
    // A member who searches is somebody, too.
    acme.search("What does delivery cost?").await?;
    assert_eq!(named(&acme).await?, both[..1], "a search takes no second look");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_says_who_answers_for_the_data() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    let input = json!({
        "controllerName": "Acme & Daughters", "controllerAddress": "1 Alder Lane", "controllerEmail": "hello@acme.example",
        "dpoName": "Dora", "dpoEmail": "dpo@acme.example", "authorityName": "CNIL",
        "authorityUrl": "https://www.cnil.fr/plaintes", "noticeUrl": "https://acme.example/privacy",
    });
    acme.graphql("configure_privacy", json!({"input": input})).await?.ok();
    let (visitor, _) = talkative(&app, &acme, "").await?;
    let files = access(&app, &visitor, None).await?;
    let manifest = json_of(&files, "manifest.json")?;
    assert_eq!(manifest["controller"]["name"], "Acme & Daughters");
    assert_eq!(manifest["controller"]["address"], "1 Alder Lane");
    assert_eq!(manifest["dataProtectionOfficer"], json!({"name": "Dora", "email": "dpo@acme.example"}));
    assert_eq!(manifest["authority"]["url"], "https://www.cnil.fr/plaintes");
    assert!(manifest["complaint"].as_str().is_some_and(|text| text.contains("CNIL")), "{manifest}");
    let page = &files["index.html"];
    for shown in
        ["Acme &amp; Daughters", "1 Alder Lane", "Dora", "dpo@acme.example", "CNIL", "https://acme.example/privacy"]
    {
        assert!(page.contains(shown), "{shown} is not on the page");
    }
    // What is said of a purpose here is what the records of processing say.
    let records = acme.graphql("records_of_processing", json!({})).await?.ok();
    let table = records.text("/recordsOfProcessing/csv");
    for purpose in manifest["purposes"].as_array().context("purposes")? {
        let text = |field: &str| purpose[field].as_str().unwrap_or_default();
        let (basis, _) = text("legalBasis").split_once(':').context("an article, and what it means")?;
        let recorded =
            table.lines().find(|line| line.starts_with(&format!("\"{}\"", text("name")))).context("it is recorded")?;
        assert!(
            recorded.contains(basis) && recorded.contains(text("meaning").trim_end_matches('.')),
            "{purpose}: {recorded}"
        );
    }
    Ok(())
}
