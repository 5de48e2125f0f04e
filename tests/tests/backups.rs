//! A backup is made, the house burns down, and it comes back: everybody but those who were erased since.

use std::{collections::BTreeMap, io::Read, path::Path};

use anyhow::{Context, Result, ensure};
use consigne_tests::{
    app::TestApp,
    canary::{Canary, Place, files_below},
    client::Client,
    database::Database,
    people::{Member, Visitor},
    texts,
};
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::crash::program::Installation;

/// A workspace with a handbook, and two visitors who were answered; the first one's words have a canary in them.
async fn world(app: &TestApp, canary: &Canary) -> Result<(Member, [(Visitor, String); 2])> {
    let acme = app.workspace("acme").await?;
    acme.upload("handbook.md", "text/markdown", texts::HANDBOOK.as_bytes()).await?;
    app.run_jobs().await?;
    let assistant = acme.assistant("Ada").await?;
    let mut people = Vec::new();
    for words in [canary.to_string(), "somebody else".to_owned()] {
        let person = acme.visitor(&assistant).await?;
        let chat = person.start_chat().await?;
        person.ask(&chat, &format!("I am {words}. How much is a standard inspection?")).await?;
        people.push((person, chat));
    }
    app.run_jobs().await?;
    people.try_into().map(|people| (acme, people)).ok().context("two people")
}

/// Takes what an operator keeps elsewhere into a new folder: the root key, the identity, the place of backups.
pub(crate) fn keep_elsewhere(app: &TestApp, folder: &Path) -> Result<()> {
    for file in ["root.key", "backup-identity.txt"] {
        std::fs::rename(app.folder().join(file), folder.join(file))?;
    }
    std::fs::rename(app.folder().join("backups"), folder.join("kept"))?;
    Ok(())
}

/// Where a person's rows are: how many each table has.
async fn rows_of(database: &Database, subject: &str) -> Result<BTreeMap<String, i64>> {
    let data = database.connections().await?.into_iter().next().context("there is a database")?;
    let id = uuid_of(subject)?;
    let columns = database.columns().await?;
    let mut rows = BTreeMap::new();
    for (table, _) in columns.iter().filter(|(table, column)| column == "subject_id" && table != "subject_keys") {
        let sql = format!("SELECT COUNT(*) AS n FROM {table} WHERE subject_id = $1");
        let statement = Statement::from_sql_and_values(data.get_database_backend(), sql, [id.into()]);
        let count: i64 = data.query_one_raw(statement).await?.context("a count has a row")?.try_get("", "n")?;
        if count > 0 {
            rows.insert(table.clone(), count);
        }
    }
    Ok(rows)
}

/// The plain bytes of a part.
pub(crate) fn opened(part: &Path, identity: &Path) -> Result<Vec<u8>> {
    let text = std::fs::read_to_string(identity)?;
    let secret = text.lines().find(|line| line.starts_with("AGE-SECRET-KEY-")).context("an identity file")?;
    let identity: age::x25519::Identity = secret.parse().map_err(|why: &str| anyhow::anyhow!(why))?;
    let sealed = std::fs::read(part)?;
    let mut reader = age::Decryptor::new(&sealed[..])?.decrypt(std::iter::once(&identity as &dyn age::Identity))?;
    let mut plain = Vec::new();
    reader.read_to_end(&mut plain)?;
    Ok(plain)
}

#[tokio::test(flavor = "multi_thread")]
async fn yesterdays_backup_brings_everybody_back_but_who_was_erased_since() -> Result<()> {
    let (app, canary) = (TestApp::start_now(&[]).await?, Canary::new());
    let (acme, [(erased, _), (other, chat)]) = world(&app, &canary).await?;
    let messages = other.messages(&chat).await?;
    // Somebody's data may only be stored: a backup stores it, too, and it comes back so.
    let restricted = acme.visitor(&acme.assistant("Bea").await?).await?;
    restricted.start_chat().await?;
    let input = json!({"subjectId": restricted.subject, "ground": "UNLAWFUL"});
    restricted.graphql("restrict_processing", json!({"input": input})).await?.ok();
    let of_restricted = rows_of(&app.database, &restricted.subject).await?;
    let said = app.program_says(&["backup"]).await?;
    ensure!(said.contains("opened by        age1"), "{said}");

    let id = acme.erase(&erased.subject).await?;
    app.run_jobs().await?;
    let erasure = acme.erasure(&id).await?;
    assert_eq!(erasure["state"], "COMPLETED", "{erasure}");
    let steps: Vec<_> = erasure["steps"].as_array().into_iter().flatten().map(|step| step["name"].clone()).collect();
    ensure!(steps.contains(&json!("backups")), "{steps:?}");
    let (of_other, public) = (rows_of(&app.database, &other.subject).await?, app.owner_credentials());
    ensure!(of_other.contains_key("messages") && rows_of(&app.database, &erased.subject).await?.len() == 1);

    // The house burns down. What is left is what was kept elsewhere.
    let folder = tempfile::tempdir()?;
    keep_elsewhere(&app, folder.path())?;
    drop(app);
    let (kept, identity) = (folder.path().join("kept"), folder.path().join("backup-identity.txt"));
    let (from, with) = (kept.to_string_lossy().into_owned(), identity.to_string_lossy().into_owned());
    let mut installation = Installation::new(folder.path()).await?;
    let said = installation.says(&["restore", "--from", &from, "--identity", &with]).await?;
    let told =
        |what: &str| said.lines().any(|line| line.split_whitespace().collect::<Vec<_>>().join(" ").contains(what));
    ensure!(told("people not brought back 1 (their keys were dropped: 0)"), "{said}");
    ensure!(told("erasures done again 1") && told("audit entries, intact") && told("files 1 written"), "{said}");

    // What the backup has of the erased is noise: their rows are in it, and no key.
    let data = std::fs::read_dir(kept.join("backups"))?.next().context("there is a backup")??.path().join("data.age");
    let (data, keys) = (opened(&data, &identity)?, opened(&kept.join("keys.age"), &identity)?);
    let id = base64_of(&erased.subject)?;
    ensure!(contains(&data, id.as_bytes()), "the person is not in the backup, so the test proves nothing");
    let of_person = String::from_utf8(keys)?.lines().find(|line| line.contains(&id)).map(str::to_owned);
    let key: Value = serde_json::from_str(&of_person.context("a tombstone stays")?)?;
    assert_eq!(key[2], Value::Null, "the copy of the key store has their key: {key}");
    let mut places = installation.database.places().await?;
    places.extend(files_below(folder.path()));
    places.push(Place { name: "the opened backup".to_owned(), bytes: data });
    assert_eq!(canary.found_in(&places), Vec::<String>::new());

    // The others are as they were, to the row, and their words can be read.
    assert_eq!(rows_of(&installation.database, &other.subject).await?, of_other);
    let left: Vec<_> = rows_of(&installation.database, &erased.subject).await?.into_keys().collect();
    assert_eq!(left, ["erasures"]);
    let program = installation.start().await?;
    let there = other.at(&program.url);
    let shown = there.graphql("chat_messages", json!({"id": chat, "first": 30})).await?.ok();
    let text = |node: &Value, field: &str| node[field].as_str().unwrap_or_default().to_owned();
    let nodes = shown.get("/chat/messages/nodes").as_array().context("a chat has messages")?;
    let shown: Vec<_> = nodes.iter().map(|node| (text(node, "author"), text(node, "text"))).collect();
    ensure!(shown == messages && shown[0].1.contains("somebody else"), "{shown:?} instead of {messages:?}");
    let refused = erased.at(&program.url).graphql("start_chat", json!({})).await?;
    let code = refused.error().or(refused.user_error());
    ensure!(matches!(code, Some("UNAUTHENTICATED" | "SUBJECT_ERASED")), "{}", refused.body);
    assert_eq!(rows_of(&installation.database, &restricted.subject).await?, of_restricted);
    let refused = restricted.at(&program.url).graphql("start_chat", json!({})).await?;
    assert_eq!(refused.user_error(), Some("RESTRICTED"), "{}", refused.body);
    let owner = Member::sign_in(&Client::new(&program.url), &public.email, &public.password, None).await?;
    let backups = owner.graphql("backups", json!({})).await?.ok();
    // The installation may be making its own first one by now.
    let restored = backups.get("/backups").as_array().and_then(|backups| backups.last().cloned());
    assert_eq!(restored.map(|backup| backup["state"].clone()), Some(json!("KEPT")), "{:?}", backups.body);
    program.kill().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_is_not_empty_is_not_restored_into() -> Result<()> {
    let (app, canary) = (TestApp::start().await?, Canary::new());
    world(&app, &canary).await?;
    app.program_says(&["backup"]).await?;
    let before = app.row_counts().await?;
    let path = |name: &str| app.folder().join(name).to_string_lossy().into_owned();
    let (from, identity) = (path("backups"), path("backup-identity.txt"));
    let refused = app.program_says(&["restore", "--from", &from, "--identity", &identity]).await.unwrap_err();
    ensure!(refused.to_string().contains("This place is not empty"), "{refused}");
    assert_eq!(app.row_counts().await?, before);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drill_is_signed_and_shown_to_whoever_reads_the_records() -> Result<()> {
    let (app, canary) = (TestApp::start().await?, Canary::new());
    let (acme, _) = world(&app, &canary).await?;
    app.run_duties().await?;
    let drills = acme.graphql("restore_drills", json!({})).await?.ok();
    assert_eq!(drills.get("/restoreDrills/0/hasPassed"), &json!(true), "{}", drills.body);
    let file = app.file("report.jws", &drills.text("/restoreDrills/0/report"))?;
    let said = app.program_says(&["verify", &file]).await?;
    ensure!(said.contains("this installation signed it") && said.contains("\"tablesAreEqual\": true"), "{said}");
    let said = app.program_says(&["drill"]).await?;
    ensure!(said.contains("came back whole"), "{said}");
    app.assert_absent(&canary).await?;
    let audited = acme.audited_actions().await?;
    ensure!(audited.contains(&"backup.made".to_owned()) && audited.contains(&"backup.drill_passed".to_owned()));
    ensure!(app.metrics().contains("consigne_drill_overdue 0"), "{}", app.metrics());
    Ok(())
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

/// A subject's id as a backup writes it.
fn base64_of(subject: &str) -> Result<String> {
    use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
    Ok(BASE64_STANDARD_NO_PAD.encode(uuid_of(subject)?.as_bytes()))
}

/// What a database calls an id.
pub(crate) fn uuid_of(id: &str) -> Result<Uuid> {
    let (_, digits) = id.split_once('_').context("an id says its kind")?;
    let mut number = 0;
    for digit in digits.bytes() {
        let value = b"0123456789abcdefghjkmnpqrstvwxyz".iter().position(|known| *known == digit);
        number = (number << 5) | value.context("an id is in base 32")? as u128;
    }
    Ok(Uuid::from_u128(number))
}
