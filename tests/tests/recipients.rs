//! The operator lets another party process: every workspace is told thirty days before, may object, and sends nothing there until then.

use std::sync::Arc;

use anyhow::Result;
use consigne_gateway::{plugins::InstanceDefaults, sdk::Plugin};
use consigne_tests::{
    app::{TestApp, days, minutes},
    people::Member,
    plugins::{Outside, WORD_HASH, WordHash},
    postbox::Postbox,
    texts,
};
use serde_json::{Value, json};

/// What the programs of a workspace may do; a session would end while the clock turns.
const ALLOWED: [&str; 8] = [
    "PRIVACY_READ",
    "PRIVACY_WRITE",
    "PLUGINS_READ",
    "KNOWLEDGE_READ",
    "KNOWLEDGE_WRITE",
    "WORKSPACE_WRITE",
    "VISITORS_WRITE",
    "AUDIT_READ",
];

/// The operator's choice from now on: an embedder of somebody else's.
fn chosen(embedder: &WordHash, postbox: &Postbox) -> impl Fn(&mut Vec<Arc<dyn Plugin>>, &mut InstanceDefaults) + Sync {
    let (embedder, postbox) = (embedder.clone(), postbox.clone());
    move |all, defaults| {
        all.insert(0, Arc::new(postbox.clone()));
        all.push(Arc::new(Outside(Arc::new(embedder.clone()))));
        defaults.embedder = WORD_HASH.to_owned();
    }
}

async fn program(owner: &Member) -> Result<Member> {
    owner.program(&ALLOWED).await
}

async fn change(member: &Member) -> Result<Value> {
    Ok(member.graphql("recipient_changes", json!({})).await?.ok().get("/recipientChanges/0").clone())
}

async fn names(member: &Member) -> Result<bool> {
    Ok(member.graphql("recipients", json!({})).await?.ok().body.to_string().contains(WORD_HASH))
}

async fn objects(member: &Member, plugin: &str) -> Result<Option<String>> {
    let said = member.graphql("object_to_recipient", json!({"input": {"pluginId": plugin}})).await?;
    Ok(said.user_error().or(said.error()).map(str::to_owned))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_party_that_the_operator_chose_waits_for_thirty_days_and_an_objection_stays() -> Result<()> {
    let (embedder, postbox) = (WordHash::new(7), Postbox::new());
    let app = TestApp::start().await?;
    let (calm, wary) = (app.workspace("calm").await?, app.workspace("wary").await?);
    let agent = calm.agent(&app.public(), "agent@calm.example").await?;
    let (calm, wary) = (program(&calm).await?, program(&wary).await?);
    let officer = json!({"input": {"dpoEmail": "dpo@calm.example"}});
    calm.graphql("configure_privacy", officer).await?.ok();
    assert_eq!(calm.graphql("recipient_changes", json!({})).await?.ok().get("/recipientChanges"), &json!([]));

    app.advance(minutes(1));
    let app = app.restart_among(&chosen(&embedder, &postbox)).await?;
    let (calm, wary, agent) = (calm.at(app.url()), wary.at(app.url()), agent.at(app.url()));
    let said = change(&calm).await?;
    assert_eq!((&said["pluginId"], &said["operator"]), (&json!(WORD_HASH), &json!("somebody outside")), "{said}");
    assert_eq!((&said["toldAt"], &said["usableFrom"]), (&Value::Null, &Value::Null), "nobody was told yet");
    app.run_duties().await?;
    app.run_duties().await?;
    for to in [app.owner_credentials().email.as_str(), "dpo@calm.example"] {
        let letters = postbox.to(to);
        let told = letters.iter().filter(|letter| letter.text.contains("somebody outside")).count();
        // The owner has three workspaces: these, and the first of the installation.
        assert_eq!(told, if to == "dpo@calm.example" { 1 } else { 3 }, "{letters:?}");
        assert!(letters[0].text.contains("EEA") && letters[0].text.contains("2026-12-23"), "{letters:?}");
    }
    let said = change(&calm).await?;
    assert_eq!(said["toldAt"], json!(app.clock.now().rfc3339()));
    assert_eq!(said["usableFrom"], json!(app.clock.now().plus(days(30)).rfc3339()));

    assert_eq!(objects(&wary, "nobody").await?.as_deref(), Some("NOT_FOUND"));
    assert_eq!(
        agent.graphql("object_to_recipient", json!({"input": {"pluginId": WORD_HASH}})).await?.error(),
        Some("FORBIDDEN")
    );
    app.advance(days(29));
    assert_eq!(objects(&wary, WORD_HASH).await?, None);
    assert_eq!(objects(&wary, WORD_HASH).await?.as_deref(), Some("CONFLICT"));
    let mut documents = Vec::new();
    for member in [&calm, &wary] {
        documents.push(member.add_text("Handbook", texts::HANDBOOK).await?);
        app.run_jobs().await?;
        let searched = member.graphql("search_knowledge", json!({"question": "How much is an inspection?"})).await?;
        assert_eq!(searched.error(), Some("PURPOSE_REFUSED"), "{}", searched.body);
        assert!(!names(member).await?, "it gets nothing yet");
    }
    app.run_duties().await?;
    app.run_jobs().await?;
    assert_eq!((embedder.passages(), embedder.questions()), (0, 0), "day 29: it got something");
    let waits = calm.document(&documents[0]).await?;
    assert_eq!(waits.as_ref().map(|document| &document["stage"]), Some(&json!("WAITING_FOR_INSTRUCTION")), "{waits:?}");

    app.advance(days(1));
    app.run_duties().await?;
    app.run_jobs().await?;
    let ready = calm.document(&documents[0]).await?;
    assert_eq!(ready.as_ref().map(|document| &document["state"]), Some(&json!("READY")), "{ready:?}");
    assert!(!calm.search("How much is a standard inspection?").await?.is_empty() && names(&calm).await?);
    assert_eq!(objects(&calm, WORD_HASH).await?.as_deref(), Some("CONFLICT"), "it gets data already");
    let got = (embedder.passages(), embedder.questions());
    assert!(got.0 > 0 && got.1 > 0);
    let refused = wary.graphql("search_knowledge", json!({"question": "How much is an inspection?"})).await?;
    assert_eq!(refused.error(), Some("PURPOSE_REFUSED"), "{}", refused.body);
    app.advance(days(100));
    app.run_duties().await?;
    app.run_jobs().await?;
    assert_eq!((embedder.passages(), embedder.questions()), got, "an objection stays");
    assert!(!names(&wary).await? && !change(&wary).await?["objectedAt"].is_null());

    // A workspace that begins now agrees to the list as it is.
    let new = app.owner().await?.at(app.url());
    let made = new.graphql("create_workspace", json!({"input": {"name": "new", "languages": ["en"]}})).await?.ok();
    let new = program(&app.owner_in(&made.text("/createWorkspace/workspace/id")).await?).await?;
    new.add_text("Handbook", texts::HANDBOOK).await?;
    app.run_jobs().await?;
    assert!(!new.search("How much is a standard inspection?").await?.is_empty());
    for action in ["recipient.announced", "recipient.objected"] {
        assert!(wary.audited_actions().await?.contains(&action.to_owned()), "{action}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_from_the_start_is_agreed_to_and_another_declaration_is_not() -> Result<()> {
    let (embedder, postbox) = (WordHash::new(7), Postbox::new());
    let app = TestApp::start_among(&[], &chosen(&embedder, &postbox)).await?;
    let acme = program(&app.workspace("acme").await?).await?;
    acme.add_text("Handbook", texts::HANDBOOK).await?;
    app.run_jobs().await?;
    assert!(!acme.search("How much is a standard inspection?").await?.is_empty(), "nobody has to be told");
    let app = app.restart_among(&chosen(&embedder, &postbox)).await?;
    let acme = acme.at(app.url());
    assert!(!acme.search("How much is a standard inspection?").await?.is_empty(), "nothing changed");

    // The same plugin, operated by others.
    let other = |all: &mut Vec<Arc<dyn Plugin>>, defaults: &mut InstanceDefaults| {
        chosen(&embedder, &postbox)(all, defaults);
        let last = all.pop().expect("the embedder");
        all.push(Arc::new(Outside(last).operated_by("somebody else")));
    };
    app.advance(minutes(1));
    let app = app.restart_among(&other).await?;
    let acme = acme.at(app.url());
    app.run_duties().await?;
    let asked = embedder.questions();
    let refused = acme.graphql("search_knowledge", json!({"question": "How much is an inspection?"})).await?;
    assert_eq!(refused.error(), Some("PURPOSE_REFUSED"), "{}", refused.body);
    assert_eq!((change(&acme).await?["operator"].clone(), embedder.questions()), (json!("somebody else"), asked));
    app.advance(days(30));
    assert!(!acme.search("How much is a standard inspection?").await?.is_empty());
    Ok(())
}
