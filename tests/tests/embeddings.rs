//! The embedding model is changed under everybody's hands: what is found stays found, before, during and after.

use std::{
    path::Path,
    sync::{Arc, OnceLock},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use consigne_gateway::{
    plugins::InstanceDefaults,
    sdk::{Plugin, PluginErrorKind},
};
use consigne_tests::{
    app::{Furnish, TestApp},
    client::{Client, Reply},
    people::Member,
    plugins::{SERVED, Served, WORD_HASH, WordHash},
    source, texts,
};
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};

use crate::crash::program::Installation;

const TOWNS: [&str; 20] = [
    "Aachen", "Bergen", "Calais", "Delft", "Exeter", "Fulda", "Ghent", "Hasselt", "Ilmenau", "Jena", "Kassel",
    "Leuven", "Mechelen", "Namur", "Ostend", "Passau", "Quimper", "Rennes", "Siena", "Trier",
];

fn text_of(town: &str) -> String {
    format!("The workshop in {town} repairs gearboxes and lends bicycles to guests of the town.")
}

fn question_about(town: &str) -> String {
    format!("What does the workshop in {town} repair?")
}

/// A document about each town.
async fn add_towns(member: &Member, towns: &[&str]) -> Result<()> {
    for town in towns {
        let input = json!({"title": town, "text": text_of(town), "mediaType": "text/plain"});
        member.graphql("add_text_document", json!({"input": input})).await?.ok();
    }
    Ok(())
}

async fn best(member: &Member, question: &str) -> Result<String> {
    let found = member.search(question).await?;
    found.into_iter().next().with_context(|| format!("nothing is found for {question}"))
}

async fn change(member: &Member, plugin: &str) -> Result<Reply> {
    member.graphql("change_embedding_model", json!({"input": {"pluginId": plugin}})).await
}

/// The model that is searched with, and the last change.
async fn standing(member: &Client) -> Result<(String, Value)> {
    let workspace = member.graphql("workspace", json!({})).await?.ok();
    let change = workspace.body["data"]["workspace"]["embeddingChange"].clone();
    Ok((workspace.text("/workspace/embeddingModel/name"), change))
}

/// How many passages have their own vector of another model than the first one found.
async fn models_of_passages(app: &TestApp) -> Result<i64> {
    let db = app.database.connections().await?.into_iter().next().context("there is a database")?;
    let sql = "SELECT count(DISTINCT model_fingerprint) AS n FROM passages";
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql.to_owned())).await?;
    Ok(row.context("a count has a row")?.try_get("", "n")?)
}

fn beside(second: &WordHash) -> impl Fn(&mut Vec<Arc<dyn Plugin>>, &mut InstanceDefaults) + Sync + use<> {
    let second = second.clone();
    move |all, _| all.push(Arc::new(second.clone()))
}

async fn started(second: &WordHash) -> Result<TestApp> {
    let furnish = beside(second);
    TestApp::start_among(&[], &furnish as Furnish<'_>).await
}

#[tokio::test(flavor = "multi_thread")]
async fn searches_go_on_with_the_earlier_model_until_all_is_embedded_and_then_go_by_the_new_one() -> Result<()> {
    let second = WordHash::new(7);
    second.pause(Duration::from_millis(20));
    let app = started(&second).await?;
    let (acme, other) = (app.workspace("acme").await?, app.workspace("other").await?);
    add_towns(&acme, &TOWNS).await?;
    add_towns(&other, &TOWNS[..2]).await?;
    app.run_jobs().await?;
    let asked_before = second.questions();

    let first = change(&acme, WORD_HASH).await?.ok();
    assert_eq!(first.text("/changeEmbeddingModel/embeddingChange/state"), "RUNNING");
    let again = change(&acme, WORD_HASH).await?.ok();
    let id = first.text("/changeEmbeddingModel/embeddingChange/id");
    assert_eq!(again.text("/changeEmbeddingModel/embeddingChange/id"), id, "asked again, it is the same change");
    assert_eq!(second.questions(), asked_before);

    let searching = async {
        let (mut during, mut after) = (0, 0);
        loop {
            for town in ["Ghent", "Trier", "Aachen"] {
                assert_eq!(best(&acme, &question_about(town)).await?, town);
            }
            let (_, change) = standing(&acme).await?;
            if change["state"] == "RUNNING" {
                during += 1;
                assert_eq!(second.questions(), asked_before, "a question went to a model that is not searched with");
            } else {
                after += 1;
            }
            if !change["clearedAt"].is_null() && after > 2 {
                return anyhow::Ok(during);
            }
        }
    };
    let (during, ()) = tokio::try_join!(searching, app.run_jobs())?;
    assert!(during > 0, "no search fell into the change");

    let (model, done) = standing(&acme).await?;
    assert_eq!((model.as_str(), &done["state"]), ("word-hash-7", &json!("SWITCHED")), "{done}");
    assert_eq!((&done["fromModel"], &done["toModel"]), (&json!("multilingual-e5-small"), &json!("word-hash-7")));
    assert_eq!((&done["passagesDone"], &done["passagesTotal"]), (&json!(20), &json!(20)));
    assert_eq!(second.passages(), 20, "each passage was embedded once");
    assert!(second.questions() > asked_before);
    assert_eq!(standing(&other).await?, ("multilingual-e5-small".to_owned(), Value::Null), "another workspace stays");
    assert_eq!(best(&other, &question_about("Aachen")).await?, "Aachen");

    assert_eq!(app.rows("passage_vectors").await?, 0, "every vector is in its passage's own row again");
    assert_eq!(models_of_passages(&app).await?, 2, "one for each workspace");
    let audited = acme.audited_actions().await?;
    let count = |action: &str| audited.iter().filter(|known| *known == action).count();
    assert_eq!((count("embedding_change.started"), count("embedding_change.switched")), (1, 1), "{audited:?}");
    let kept = change(&acme, WORD_HASH).await?.ok();
    assert_eq!(kept.text("/changeEmbeddingModel/embeddingChange/id"), id, "there is nothing more to change");

    // And back again.
    app.advance(Duration::from_secs(1));
    change(&acme, "fastembed").await?.ok();
    app.run_jobs().await?;
    assert_eq!(standing(&acme).await?.0, "multilingual-e5-small");
    assert_eq!(best(&acme, &question_about("Siena")).await?, "Siena");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_that_come_change_and_go_during_a_change_are_right_before_and_after() -> Result<()> {
    let second = WordHash::new(7);
    let app = started(&second).await?;
    come_change_and_go(&app, &second).await
}

/// The same where the index is a server, which is written to when knowledge changes.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_has_both_models_points_during_a_change_and_the_new_ones_alone_afterwards() -> Result<()> {
    let (second, served) = (WordHash::new(7), Arc::new(OnceLock::new()));
    let app = {
        let (second, served) = (second.clone(), served.clone());
        let furnish = move |all: &mut Vec<Arc<dyn Plugin>>, chosen: &mut InstanceDefaults| {
            let flat = all.iter().find(|plugin| plugin.manifest().id == "flat").cloned();
            let server = Served::new(flat.expect("the product has an index"));
            served.set(server.clone()).ok();
            all.push(Arc::new(server));
            all.push(Arc::new(second.clone()));
            SERVED.clone_into(&mut chosen.vector_index);
        };
        TestApp::start_among(&[], &furnish).await?
    };
    come_change_and_go(&app, &second).await?;
    let served = served.get().context("it was made")?;
    let partitions = served.partitions().await?;
    assert_eq!(partitions.iter().map(|(points, _)| *points).collect::<Vec<_>>(), [0, 21]);
    assert!(partitions[0].1, "the earlier model's points did not leave the storage");
    Ok(())
}

async fn come_change_and_go(app: &TestApp, second: &WordHash) -> Result<()> {
    let acme = app.workspace("acme").await?;
    add_towns(&acme, &TOWNS).await?;
    app.run_jobs().await?;
    let listed = acme.graphql("documents", json!({"first": 100})).await?.ok();
    let nodes = listed.get("/documents/nodes").as_array().cloned().unwrap_or_default();
    let id_of = |town: &str| nodes.iter().find(|node| node["title"] == town).map(|node| node["id"].clone());

    // The first sixteen are embedded, then the new model is away: the change waits half done.
    second.fail_after(16, PluginErrorKind::Unavailable);
    change(&acme, WORD_HASH).await?.ok();
    app.run_jobs().await?;
    let (model, half) = standing(&acme).await?;
    assert_eq!(
        (model.as_str(), &half["state"], &half["passagesDone"]),
        ("multilingual-e5-small", &json!("RUNNING"), &json!(16))
    );

    add_towns(&acme, &["Ulm"]).await?;
    let new = "The workshop in Exeter has moved to Plymouth and repairs sailing boats instead.";
    acme.upload_in_place_of(id_of("Exeter").as_ref().and_then(Value::as_str), "Exeter", "text/plain", new.as_bytes())
        .await?;
    acme.graphql("delete_document", json!({"input": {"documentId": id_of("Fulda")}})).await?.ok();
    app.run_jobs().await?;
    second.recover();
    // With the new model back, an ingest embeds with both.
    let before = second.passages();
    add_towns(&acme, &["Vesoul"]).await?;
    app.run_jobs().await?;
    assert_eq!(second.passages(), before + 1);

    let look = async || {
        assert_eq!(best(&acme, &question_about("Ulm")).await?, "Ulm");
        assert_eq!(best(&acme, &question_about("Vesoul")).await?, "Vesoul");
        assert_eq!(best(&acme, "Who repairs sailing boats in Plymouth?").await?, "Exeter");
        let about = acme.graphql("search_knowledge", json!({"question": question_about("Fulda"), "first": 50})).await?;
        let about = about.ok().get("/searchKnowledge").to_string();
        ensure!(!about.contains("Fulda") && !about.contains("in Exeter repairs"), "{about}");
        anyhow::Ok(())
    };
    assert_eq!(standing(&acme).await?.1["state"], "RUNNING");
    look().await?;
    app.advance(Duration::from_secs(10));
    app.run_jobs().await?;
    let (model, done) = standing(&acme).await?;
    assert_eq!(
        (model.as_str(), &done["state"], &done["passagesDone"]),
        ("word-hash-7", &json!("SWITCHED"), &json!(21))
    );
    look().await?;
    // 16 and 4 of the first twenty, of which one was deleted and one replaced before its turn or after; and three new ones.
    assert!((21..=23).contains(&second.passages()), "{} passages were embedded", second.passages());
    assert_eq!((app.rows("passage_vectors").await?, app.rows("passages").await?), (0, 21));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_is_called_off_leaves_nothing_behind_and_can_be_made_later() -> Result<()> {
    let second = WordHash::new(7);
    let app = started(&second).await?;
    let (acme, other) = (app.workspace("acme").await?, app.workspace("other").await?);
    add_towns(&acme, &TOWNS).await?;
    app.run_jobs().await?;
    second.fail_after(16, PluginErrorKind::Unavailable);
    let id = change(&acme, WORD_HASH).await?.ok().text("/changeEmbeddingModel/embeddingChange/id");
    app.run_jobs().await?;
    assert_eq!(app.rows("passage_vectors").await?, 16);
    let refused = change(&acme, "fastembed").await?;
    assert_eq!(refused.user_error(), Some("CONFLICT"), "one change at a time");

    let cancel = json!({"input": {"embeddingChangeId": id}});
    assert_eq!(other.graphql("cancel_embedding_change", cancel.clone()).await?.user_error(), Some("NOT_FOUND"));
    for _ in 0..2 {
        let cancelled = acme.graphql("cancel_embedding_change", cancel.clone()).await?.ok();
        assert_eq!(cancelled.text("/cancelEmbeddingChange/embeddingChange/state"), "CANCELLED");
    }
    app.run_jobs().await?;
    app.run_duties().await?;
    app.run_jobs().await?;
    let (model, change_made) = standing(&acme).await?;
    assert_eq!((model.as_str(), &change_made["state"]), ("multilingual-e5-small", &json!("CANCELLED")));
    assert!(!change_made["clearedAt"].is_null(), "{change_made}");
    assert_eq!(app.rows("passage_vectors").await?, 0);
    assert_eq!(best(&acme, &question_about("Jena")).await?, "Jena");

    second.recover();
    app.advance(Duration::from_secs(1));
    change(&acme, WORD_HASH).await?.ok();
    app.run_jobs().await?;
    assert_eq!(standing(&acme).await?.0, "word-hash-7");
    let too_late = acme
        .graphql("cancel_embedding_change", json!({"input": {"embeddingChangeId": standing(&acme).await?.1["id"]}}))
        .await?;
    assert_eq!(too_late.user_error(), Some("CONFLICT"));
    assert_eq!(best(&acme, &question_about("Jena")).await?, "Jena");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_cannot_be_had_leaves_the_earlier_one_in_service_and_says_why() -> Result<()> {
    let second = WordHash::new(7);
    let app = started(&second).await?;
    let acme = app.workspace("acme").await?;
    add_towns(&acme, &TOWNS[..3]).await?;
    app.run_jobs().await?;
    for nobody in ["nobody", "extractive"] {
        assert_eq!(change(&acme, nobody).await?.user_error(), Some("INVALID_INPUT"));
    }
    acme.graphql("disable_plugin", json!({"input": {"pluginId": WORD_HASH}})).await?.ok();
    assert_eq!(change(&acme, WORD_HASH).await?.user_error(), Some("INVALID_INPUT"), "it is switched off here");
    acme.graphql("enable_plugin", json!({"input": {"pluginId": WORD_HASH}})).await?.ok();

    second.fail_after(0, PluginErrorKind::Misconfigured);
    let id = change(&acme, WORD_HASH).await?.ok().text("/changeEmbeddingModel/embeddingChange/id");
    app.run_jobs().await?;
    let (model, failed) = standing(&acme).await?;
    assert_eq!((model.as_str(), &failed["state"]), ("multilingual-e5-small", &json!("FAILED")));
    assert_eq!(failed["failure"], "the second model is told to fail");
    assert_eq!(best(&acme, &question_about("Bergen")).await?, "Bergen");
    app.run_duties().await?;
    assert_eq!(standing(&acme).await?.1["state"], "FAILED", "nothing is tried again at once");

    second.recover();
    let resumed = change(&acme, WORD_HASH).await?.ok();
    assert_eq!(resumed.text("/changeEmbeddingModel/embeddingChange/id"), id, "it goes on where it failed");
    app.run_jobs().await?;
    assert_eq!(standing(&acme).await?.0, "word-hash-7");

    // Switched off, the chosen model is not asked any more; the knowledge comes back to the installation's by itself.
    let asked = second.questions();
    acme.graphql("disable_plugin", json!({"input": {"pluginId": WORD_HASH}})).await?.ok();
    assert_eq!(best(&acme, &question_about("Bergen")).await?, "Bergen");
    app.run_duties().await?;
    app.run_jobs().await?;
    assert_eq!(standing(&acme).await?.0, "multilingual-e5-small");
    assert_eq!((best(&acme, &question_about("Bergen")).await?.as_str(), second.questions()), ("Bergen", asked));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_operator_chose_another_model_the_change_starts_by_itself() -> Result<()> {
    let second = WordHash::new(7);
    let app = started(&second).await?;
    let acme = app.workspace("acme").await?;
    add_towns(&acme, &TOWNS[..6]).await?;
    app.run_jobs().await?;
    let workspace = acme.workspace.clone();
    let app = app
        .restart_among(&|all, chosen| {
            all.push(Arc::new(second.clone()));
            WORD_HASH.clone_into(&mut chosen.embedder);
        })
        .await?;
    let acme = app.owner_in(&workspace).await?;
    assert_eq!(standing(&acme).await?.0, "multilingual-e5-small", "what is searched is what is there");
    assert_eq!(best(&acme, "Wer repariert Getriebe in Delft?").await?, "Delft", "by meaning, with the earlier model");
    assert_eq!(second.questions(), 0);
    app.run_duties().await?;
    assert_eq!(standing(&acme).await?.1["state"], "RUNNING");
    app.run_jobs().await?;
    assert_eq!(standing(&acme).await?.0, "word-hash-7");
    assert_eq!(best(&acme, &question_about("Delft")).await?, "Delft");
    assert_eq!(app.rows("passage_vectors").await?, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_earlier_model_is_gone_passages_are_found_by_words_until_the_switch() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    add_towns(&acme, &TOWNS[..6]).await?;
    acme.upload("handbook.md", "text/markdown", texts::HANDBOOK.as_bytes()).await?;
    app.run_jobs().await?;
    let workspace = acme.workspace.clone();
    let second = WordHash::new(9);
    let app = app
        .restart_among(&|all, chosen| {
            all.retain(|plugin| plugin.manifest().id != "fastembed");
            all.push(Arc::new(second.clone()));
            WORD_HASH.clone_into(&mut chosen.embedder);
        })
        .await?;
    let acme = app.owner_in(&workspace).await?;
    assert_eq!(best(&acme, &question_about("Delft")).await?, "Delft", "before anything was started");

    second.fail_after(40, PluginErrorKind::Unavailable);
    app.run_duties().await?;
    let id = standing(&acme).await?.1["id"].clone();
    for ranking in ["HYBRID", "MEANING", "WORDS"] {
        let search = json!({"question": question_about("Calais"), "ranking": ranking});
        let found = acme.graphql("search_knowledge", search).await?.ok();
        // By meaning alone the second model, which knows only words, cannot tell one town from another.
        let wanted = if ranking == "MEANING" { "The workshop in" } else { "The workshop in Calais" };
        assert!(found.text("/searchKnowledge/0/text").starts_with(wanted), "{ranking}: {}", found.body);
    }
    let refused = acme.graphql("cancel_embedding_change", json!({"input": {"embeddingChangeId": id}})).await?;
    assert_eq!(refused.user_error(), Some("CONFLICT"), "there is nothing to go back to: {}", refused.body);

    // A document that comes in the meantime, and an answer.
    add_towns(&acme, &["Ulm"]).await?;
    let visitor = acme.visitor(&acme.assistant("Ada").await?).await?;
    let chat = visitor.start_chat().await?;
    let answer = visitor.ask(&chat, "What does a standard inspection cost?").await?;
    second.recover();
    second.pause(Duration::from_millis(15));
    let searching = async {
        loop {
            assert_eq!(best(&acme, &question_about("Bergen")).await?, "Bergen");
            if standing(&acme).await?.1["state"] != "RUNNING" {
                return anyhow::Ok(());
            }
        }
    };
    tokio::try_join!(searching, app.run_jobs())?;
    let answer = visitor.answer(&answer).await?;
    assert!(answer["text"].as_str().is_some_and(|text| text.contains("79 euros")), "{answer}");
    let (model, done) = standing(&acme).await?;
    assert_eq!((model.as_str(), &done["state"]), ("word-hash-9", &json!("SWITCHED")), "{done}");
    assert_eq!(best(&acme, &question_about("Ulm")).await?, "Ulm");
    assert_eq!(models_of_passages(&app).await?, 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_erasure_and_a_deletion_reach_is_no_less_during_a_change() -> Result<()> {
    let second = WordHash::new(7);
    let app = started(&second).await?;
    let acme = app.workspace("acme").await?;
    add_towns(&acme, &TOWNS).await?;
    app.run_jobs().await?;
    second.fail_after(16, PluginErrorKind::Unavailable);
    change(&acme, WORD_HASH).await?.ok();
    app.run_jobs().await?;
    let visitor = acme.visitor(&acme.assistant("Ada").await?).await?;
    let erasure = acme.erase(&visitor.subject).await?;
    app.run_jobs().await?;
    assert_eq!(acme.erasure(&erasure).await?["state"], "COMPLETED");

    let listed = acme.graphql("documents", json!({"first": 100})).await?.ok();
    for node in listed.get("/documents/nodes").as_array().into_iter().flatten() {
        acme.graphql("delete_document", json!({"input": {"documentId": node["id"]}})).await?.ok();
    }
    assert_eq!((app.rows("passages").await?, app.rows("passage_vectors").await?), (0, 0), "vectors go with passages");
    second.recover();
    app.advance(Duration::from_secs(10));
    app.run_jobs().await?;
    assert_eq!(standing(&acme).await?.0, "word-hash-7", "there was nothing left to embed");
    Ok(())
}

/// The parts of the installation as an upgrade leaves them: the same model, with another fingerprint.
fn upgraded_parts(folder: &Path) -> Result<()> {
    let parts = source::root().join("parts");
    let model = "multilingual-e5-small";
    std::fs::create_dir_all(folder.join(model))?;
    std::os::unix::fs::symlink(parts.join("onnxruntime"), folder.join("onnxruntime"))?;
    for file in std::fs::read_dir(parts.join(model))? {
        let file = file?;
        let target = folder.join(model).join(file.file_name());
        if file.file_name() == "tokenizer.json" {
            let text = std::fs::read_to_string(file.path())?;
            std::fs::write(target, format!("{text}\n"))?;
        } else {
            std::os::unix::fs::symlink(file.path(), target)?;
        }
    }
    Ok(())
}

/// The real program, upgraded, and killed with SIGKILL in the middle of the change that it starts by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_goes_on_where_a_kill_ended_it() -> Result<()> {
    let (folder, parts) = (tempfile::tempdir()?, tempfile::tempdir()?);
    upgraded_parts(parts.path())?;
    let mut installation = Installation::new(folder.path()).await?;
    let program = installation.start().await?;
    let owner = installation.owner(&Client::new(&program.url)).await?;
    for round in 0..3 {
        let towns: Vec<String> = TOWNS.iter().map(|town| format!("{town} {round}")).collect();
        add_towns(&owner, &towns.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    }
    loop {
        let pending = owner.graphql("documents", json!({"state": "PENDING"})).await?.ok();
        if pending.number("/documents/totalCount") == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    program.kill().await?;

    installation.take_parts_from(parts.path());
    let (mut kills, mut done_at_kill) = (0, 0);
    loop {
        let program = installation.start().await?;
        let owner = installation.owner(&Client::new(&program.url)).await?;
        let wanted = if kills < 2 { done_at_kill + 1 } else { i64::MAX };
        let (state, done) = loop {
            assert_eq!(best(&owner, &question_about("Ghent 1")).await?, "Ghent 1");
            let (_, change) = standing(&owner).await?;
            let (state, done) = (change["state"].clone(), change["passagesDone"].as_i64().unwrap_or_default());
            ensure!(change.is_null() || done >= done_at_kill, "what was embedded is lost: {change}");
            if (state == "SWITCHED" && !change["clearedAt"].is_null()) || (state == "RUNNING" && done >= wanted) {
                break (state, done);
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        };
        if state == "SWITCHED" {
            ensure!(kills == 2, "only {kills} kills fell into the change");
            assert_eq!(done, 60);
            program.kill().await?;
            break;
        }
        program.kill().await?;
        (kills, done_at_kill) = (kills + 1, done);
        println!("killed with {done} of 60 passages embedded");
    }
    let db = installation.database.connections().await?.into_iter().next().context("there is a database")?;
    let sql = "SELECT (SELECT count(*) FROM passage_vectors) AS beside, (SELECT count(*) FROM passages) AS passages, \
               (SELECT count(DISTINCT model_fingerprint) FROM passages) AS models";
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await?.context("one row")?;
    let count = |name: &str| row.try_get::<i64>("", name);
    assert_eq!((count("beside")?, count("passages")?, count("models")?), (0, 60, 1));
    installation.verify().await?;
    Ok(())
}
