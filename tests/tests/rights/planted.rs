//! Generated from the database's own catalogue and the column register: in every table about people something is planted
//! through the public API; then a copy holds it, a restriction guards it, an erasure takes it. A table that is added and has
//! no holder fails here, and so does one in which nothing is planted.

use std::collections::BTreeSet;

use super::*;
use consigne_gateway::sdk::PluginErrorKind;
use consigne_tests::{
    canary::Canary,
    people::Visitor,
    recorder::{Answer, SECRET, inbound},
    source, texts,
};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};

/// Tables that serve rights, or say that one was served: a restriction does not stop them.
const NOT_GUARDED: &[&str] = &[
    "audit_details",
    "consents",
    "data_exports",
    "erasures",
    "holds",
    "objections",
    "privacy_requests",
    "restrictions",
    "subject_identifiers",
];

/// Tables with stories of their own, which nothing is planted in here: a hold would keep the erasure from its end
/// (`certificates`), and the others are in `consents`, `privacy_requests` and `access::keys`.
const ELSEWHERE: &[&str] = &["consents", "holds", "objections", "privacy_requests", "visitor_identities"];

/// Keeps the surrogate id of who was erased, as the proof of it; nothing of it is there before.
const PROOF: &str = "erasures";

/// Words that are planted, by where.
struct Planted {
    visitor: Visitor,
    words: BTreeMap<&'static str, Canary>,
}

async fn plant(app: &TestApp) -> Result<(consigne_tests::people::Member, Planted)> {
    let acme = app.workspace("acme").await?;
    let words = ["question", "said", "note", "email", "external"].map(|place| (place, Canary::new()));
    let words = BTreeMap::from(words);
    // A paper has pages, so a citation of it says where.
    let paper = texts::pdf("A standard inspection costs 79 euros and takes two days.");
    acme.upload("paper.pdf", "application/pdf", &paper).await?;
    app.run_jobs().await?;
    let assistant = acme.assistant("Ada").await?;
    acme.call_people(&assistant, &["recorder", "second"], json!({})).await?;
    // The second is down: what it is to be told waits in the outbox.
    app.second.always(Answer::Fail(PluginErrorKind::Unavailable));
    let identity =
        json!({"externalId": words["external"].to_string(), "email": format!("{}@example.org", words["email"])});
    let visitor = acme.visitor_known_as(&assistant, identity).await?;
    let chat = visitor.start_chat().await?;
    // Alone, so that the knowledge answers it, with citations.
    visitor.ask(&chat, "How much is a standard inspection?").await?;
    app.run_jobs().await?;
    visitor.say(&chat, &format!("I am {}.", words["question"])).await?;
    app.run_jobs().await?;
    visitor.request_person(&chat).await?;
    app.run_jobs().await?;
    // Somebody answers through the channel, a colleague notes and reads.
    let channels = acme.graphql("channels", json!({})).await?.ok();
    let all = channels.get("/channels").as_array().cloned().unwrap_or_default();
    let recorder = all.iter().find(|one| one["pluginId"] == "recorder").context("the recorder is a channel")?;
    let thread = format!("thread of {}", app.recorder.handed()[0]["token"].as_str().unwrap_or_default());
    let url = recorder["inboundUrl"].as_str().context("an address")?;
    let event = inbound("e1", ("thread", &thread), "reply", "A colleague of the channel answers.");
    let sent = app.public().request(Method::POST, url).header("x-recorder", SECRET).json(&json!({"events": [event]}));
    assert_eq!(sent.send().await?.status(), 200);
    visitor.say(&chat, &format!("I also say {}.", words["said"])).await?;
    acme.graphql("add_note", json!({"input": {"chatId": chat, "text": format!("Noted: {}", words["note"])}}))
        .await?
        .ok();
    acme.graphql("mark_chat_read", json!({"input": {"chatId": chat}})).await?.ok();
    app.run_jobs().await?;
    // A right was served before, and a restriction lifted.
    copy_of(app, &visitor, "request_portability", None).await?;
    let input = json!({"subjectId": visitor.subject, "ground": "UNLAWFUL"});
    visitor.graphql("restrict_processing", json!({"input": input})).await?.ok();
    visitor.graphql("lift_restriction", json!({"input": {"subjectId": visitor.subject}})).await?.ok();
    Ok((acme, Planted { visitor, words }))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_planted_anywhere_is_copied_guarded_and_erased() -> Result<()> {
    let app = TestApp::start().await?;
    let (acme, planted) = plant(&app).await?;
    let subject = uuid_of(&planted.visitor.subject).context("an id")?;
    let db = app.database.connections().await?.into_iter().next().context("a database")?;
    let tables = tables_about_people(&db).await?;

    // Every table has a holder.
    let files = access(&app, &planted.visitor, None).await?;
    let manifest = json_of(&files, "manifest.json")?;
    let mut holders: BTreeMap<String, String> = BTreeMap::new();
    for holder in manifest["holders"].as_array().context("holders")? {
        for table in holder["tables"].as_array().into_iter().flatten() {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            holders.entry(text(&table["table"])).or_insert_with(|| text(&holder["name"]));
        }
    }
    let without: Vec<&String> = tables.iter().filter(|table| !holders.contains_key(*table)).collect();
    assert!(without.is_empty(), "no holder answers for {without:?}");

    // What is planted is in the copy: every row, and of every sealed column a value that was opened.
    let register = register();
    for table in tables.iter().filter(|table| *table != PROOF && !ELSEWHERE.contains(&table.as_str())) {
        let held = count(&db, table, "*", &subject).await?;
        assert!(held > 0, "nothing is planted in {table}: plant it through the public API");
        let copied = rows(&files, &holders[table], table)?;
        // That the copy was made and fetched is on record since.
        let since = if table == "audit_details" { 3 } else { 0 };
        assert_eq!(copied.len() as i64 + since, held, "{table} is not copied whole");
        for (column, line) in &register[table] {
            let is_theirs = line["subject"] != "MEMBER" && line["category"] != "SECRET";
            if line["sealed"].is_null() || !is_theirs {
                continue;
            }
            assert!(count(&db, table, column, &subject).await? > 0, "nothing is planted in {table}.{column}");
            let name = column.trim_end_matches("_sealed");
            assert!(copied.iter().any(|row| !row[name].is_null()), "{table}.{column} is not opened in the copy");
        }
    }
    let whole: String = files.values().cloned().collect();
    for (place, word) in &planted.words {
        assert!(whole.contains(&word.to_string()), "{place} is not in the copy");
    }

    // Restricted, nothing is written about them.
    let input = json!({"subjectId": planted.visitor.subject, "ground": "UNLAWFUL"});
    planted.visitor.graphql("restrict_processing", json!({"input": input})).await?.ok();
    let guarded = |table: &&String| ![NOT_GUARDED, ELSEWHERE].concat().contains(&table.as_str());
    for table in tables.iter().filter(guarded) {
        let update = format!("UPDATE {table} SET subject_id = subject_id WHERE {}", is_subject(&db, &subject));
        let why = db.execute_unprepared(&update).await.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(why.contains("restricted"), "{table} can be written about somebody whose data is restricted: {why}");
    }
    let again = access(&app, &planted.visitor, None).await?;
    assert_eq!(rows(&again, "chats", "messages")?.len(), rows(&files, "chats", "messages")?.len());

    // Erased, nothing is left, anywhere.
    let erasure = acme.erase(&planted.visitor.subject).await?;
    app.run_jobs().await?;
    let erasure = acme.erasure(&erasure).await?;
    assert_eq!(erasure["state"], "COMPLETED", "{erasure}");
    for table in tables.iter().filter(|table| *table != PROOF) {
        assert_eq!(count(&db, table, "*", &subject).await?, 0, "{table} is not erased");
    }
    for word in planted.words.values() {
        app.assert_absent(word).await?;
    }
    Ok(())
}

/// The tables with a `subject_id`, as the database knows them.
async fn tables_about_people(db: &DatabaseConnection) -> Result<BTreeSet<String>> {
    let sql = match db.get_database_backend() {
        DbBackend::Postgres => {
            "SELECT table_name::text AS name FROM information_schema.columns \
             WHERE column_name = 'subject_id' AND table_schema = 'public'"
        }
        _ => {
            "SELECT m.name AS name FROM sqlite_master m JOIN pragma_table_info(m.name) c \
             WHERE m.type = 'table' AND c.name = 'subject_id'"
        }
    };
    let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await?;
    Ok(rows.iter().map(|row| row.try_get("", "name")).collect::<Result<_, _>>()?)
}

async fn count(db: &DatabaseConnection, table: &str, what: &str, subject: &str) -> Result<i64> {
    let sql = format!("SELECT count({what}) AS n FROM {table} WHERE {}", is_subject(db, subject));
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await?;
    Ok(row.context("a count")?.try_get("", "n")?)
}

fn is_subject(db: &DatabaseConnection, subject: &str) -> String {
    match db.get_database_backend() {
        DbBackend::Postgres => format!("replace(subject_id::text, '-', '') = '{subject}'"),
        _ => format!("lower(hex(subject_id)) = '{subject}'"),
    }
}

/// The UUID behind a public id, in hexadecimal (Crockford's base 32 of 128 bits).
fn uuid_of(id: &str) -> Option<String> {
    let digits = id.split_once('_')?.1;
    let value = digits.chars().try_fold(0_u128, |value, digit| {
        "0123456789abcdefghjkmnpqrstvwxyz".find(digit).map(|place| (value << 5) | place as u128)
    });
    value.map(|value| format!("{value:032x}"))
}

/// The register: of each table, what is said of its columns.
fn register() -> BTreeMap<String, BTreeMap<String, Value>> {
    let text = std::fs::read_to_string(source::root().join("api/foundation/personal_data.toml")).expect("it is there");
    let tables: toml::Table = text.parse().expect("the register is TOML");
    let json = |value: &toml::Value| serde_json::to_value(value).expect("TOML is JSON");
    let table_of = |lines: &toml::Value| {
        let row = json(&lines["row"]);
        let columns = lines.as_table().into_iter().flatten().filter(|(name, _)| *name != "row");
        let whole = columns.map(|(name, own)| {
            let mut line = row.clone();
            for (field, value) in json(own).as_object().into_iter().flatten() {
                line[field] = value.clone();
            }
            (name.clone(), line)
        });
        whole.collect()
    };
    tables.iter().map(|(name, lines)| (name.clone(), table_of(lines))).collect()
}
