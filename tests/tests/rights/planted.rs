//! Generated from the database's own catalogue and the column register: in every table about people something is planted
//! through the public API; then a copy holds it, other words are put in its place, a restriction guards it, an erasure takes
//! it, and the backup of before does not bring it back. A table that is added and has no holder fails here, and so does one in
//! which nothing is planted, and a column whose words nobody can put right.

mod plant;

use std::collections::BTreeSet;

use self::plant::Planted;
use super::*;
use crate::{
    backups::{keep_elsewhere, opened},
    crash::program::Installation,
};
use consigne_tests::{
    canary::{Place, files_below},
    source,
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

/// Words that are not put right, and why. Of each the test sees that it is so.
const STAYS_AS_IT_WAS: &[(&str, &str)] = &[
    ("audit_details.details_sealed", "The log says what was done then; it would be none if it could be changed."),
    ("citations.title_sealed", "It is the customer's document that is quoted, which is put right by itself."),
    ("citations.quote_sealed", "It is the customer's document that is quoted, which is put right by itself."),
    ("citations.location_sealed", "It is the customer's document that is quoted, which is put right by itself."),
    ("consents.evidence_sealed", "It proves what was agreed to then (art. 7(1)); another word stands beside it."),
    ("consents.withdrawal_evidence_sealed", "It proves what was withdrawn then; another word stands beside it."),
    ("privacy_requests.contact_sealed", "It is what was asked, and where it was answered; it goes 30 days after that."),
    ("privacy_requests.message_sealed", "It is what was asked; it goes 30 days after the answer."),
    ("privacy_requests.evidence_sealed", "It proves how somebody was known; it goes 30 days after the answer."),
    ("privacy_requests.words_sealed", "It is what was answered; it goes 30 days after that."),
];

/// Names the person by surrogate id as the proof of their erasure; nothing of it is there before.
const PROOF: &str = "erasures";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_planted_anywhere_is_copied_put_right_guarded_and_erased_for_good() -> Result<()> {
    let app = TestApp::start_now(&[]).await?;
    let planted = Planted::in_(&app).await?;
    let people = planted.people().map(|id| uuid_of(id).expect("an id"));
    let db = app.database.connections().await?.into_iter().next().context("a database")?;
    let (tables, register) = (tables_about_people(&db).await?, register());

    // Every table has a holder.
    let copies = planted.copies(&app).await?;
    let holders = holders_of(&json_of(&copies[0], "manifest.json")?);
    let without: Vec<&String> = tables.iter().filter(|table| !holders.contains_key(*table)).collect();
    assert!(without.is_empty(), "no holder answers for {without:?}");

    // What is planted is in the copy: every row, and of every sealed column a value that was opened.
    for table in tables.iter().filter(|table| *table != PROOF) {
        let mut held = 0;
        for (person, copy) in people.iter().zip(&copies) {
            let here = count(&db, table, "*", person).await?;
            // That the copy was made and fetched is on record since.
            let since = if table == "audit_details" { 3 } else { 0 };
            assert_eq!(rows(copy, &holders[table], table)?.len() as i64 + since, here, "{table} is not copied whole");
            held += here - since;
        }
        assert!(held > 0, "nothing is planted in {table}: plant it through the public API");
    }
    let sealed = sealed_columns(&tables, &register);
    let said = |copies: &[BTreeMap<String, String>; 2], (table, column): &(String, String)| -> Result<Vec<String>> {
        let mut all = Vec::new();
        for row in copies.iter().map(|copy| rows(copy, &holders[table], table)).collect::<Result<Vec<_>>>()?.concat() {
            match &row[column.trim_end_matches("_sealed")] {
                Value::Null => {}
                Value::String(text) => all.push(text.clone()),
                other => all.push(other.to_string()),
            }
        }
        Ok(all)
    };
    let mut before = BTreeMap::new();
    for column in &sealed {
        let values = said(&copies, column)?;
        assert!(!values.is_empty(), "nothing is planted in {column:?}, or it is not opened");
        before.insert(column.clone(), values);
    }
    let whole: String = copies.iter().flat_map(BTreeMap::values).map(|text| text.to_lowercase()).collect();
    for word in planted.words.all() {
        assert!(whole.contains(&word.to_string().to_lowercase()), "{word} is in no copy");
    }

    // Other words are put in its place, or somebody says why not.
    let new = planted.rectify(&app).await?;
    let copies = planted.copies(&app).await?;
    for column in &sealed {
        let (was, is, name) = (&before[column], said(&copies, column)?, format!("{}.{}", column.0, column.1));
        if STAYS_AS_IT_WAS.iter().any(|(stays, _)| *stays == name) {
            assert!(was.iter().all(|value| is.contains(value)), "{name} was changed: say no longer that it stays");
            continue;
        }
        let (was, is) = (was.concat(), is.concat());
        assert!(planted.words.are_in(&was), "no word of ours is in {name}: plant one");
        assert!(!planted.words.are_in(&is), "{name} still says what was wrong: {is}");
        assert!(new.are_in(&is), "{name} does not say what is right: {is}");
    }
    for (stays, _) in STAYS_AS_IT_WAS {
        let is_known = sealed.iter().any(|(table, column)| *stays == format!("{table}.{column}"));
        assert!(is_known, "{stays} is no column that a person's words are in");
    }

    // Restricted, nothing is written about them.
    let input = json!({"subjectId": planted.visitor.subject, "ground": "UNLAWFUL"});
    planted.visitor.graphql("restrict_processing", json!({"input": input})).await?.ok();
    for table in tables.iter().filter(|table| !NOT_GUARDED.contains(&table.as_str())) {
        let update = format!("UPDATE {table} SET subject_id = subject_id WHERE {}", is_subject(&db, &people[0]));
        let why = db.execute_unprepared(&update).await.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(why.contains("restricted"), "{table} can be written about somebody whose data is restricted: {why}");
    }
    let again = access(&app, &planted.visitor, None).await?;
    assert_eq!(rows(&again, "chats", "messages")?.len(), rows(&copies[0], "chats", "messages")?.len());

    // Erased, nothing is left, anywhere.
    app.program_says(&["backup"]).await?;
    for person in planted.people() {
        let erasure = planted.acme.erase(person).await?;
        app.run_jobs().await?;
        let erasure = planted.acme.erasure(&erasure).await?;
        assert_eq!(erasure["state"], "COMPLETED", "{erasure}");
    }
    let goes = |table: &&String| register[*table]["subject_id"]["on_erasure"] != "KEEP";
    for table in tables.iter().filter(goes) {
        for person in &people {
            assert_eq!(count(&db, table, "*", person).await?, 0, "{table} is not erased");
        }
    }
    let words = || planted.words.all().chain(new.all());
    for word in words() {
        app.assert_absent(word).await?;
    }

    // The backup of before brings nobody back.
    let folder = tempfile::tempdir()?;
    keep_elsewhere(&app, folder.path())?;
    drop((db, app));
    let (kept, identity) = (folder.path().join("kept"), folder.path().join("backup-identity.txt"));
    let (from, with) = (kept.to_string_lossy().into_owned(), identity.to_string_lossy().into_owned());
    let installation = Installation::new(folder.path()).await?;
    let told = installation.says(&["restore", "--from", &from, "--identity", &with]).await?;
    let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("erasures done again 2"), "{told}");
    let data = std::fs::read_dir(kept.join("backups"))?.next().context("there is a backup")??.path().join("data.age");
    let mut places = installation.database.places().await?;
    places.extend(files_below(folder.path()));
    places.push(Place { name: "the opened backup".to_owned(), bytes: opened(&data, &identity)? });
    for word in words() {
        assert_eq!(word.found_in(&places), Vec::<String>::new());
    }
    let db = installation.database.connections().await?.into_iter().next().context("a database")?;
    for table in tables.iter().filter(goes) {
        for person in &people {
            assert_eq!(count(&db, table, "*", person).await?, 0, "{table} came back");
        }
    }
    Ok(())
}

/// Which part of the product answers for a table.
fn holders_of(manifest: &Value) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut holders = BTreeMap::new();
    for holder in manifest["holders"].as_array().into_iter().flatten() {
        for table in holder["tables"].as_array().into_iter().flatten() {
            holders.entry(text(&table["table"])).or_insert_with(|| text(&holder["name"]));
        }
    }
    holders
}

/// The columns in which a person's own words are, by the register.
fn sealed_columns(
    tables: &BTreeSet<String>,
    register: &BTreeMap<String, BTreeMap<String, Value>>,
) -> Vec<(String, String)> {
    let is_theirs =
        |line: &Value| !line["sealed"].is_null() && line["subject"] != "MEMBER" && line["category"] != "SECRET";
    let of_table = |table: &String| {
        let columns = register[table].iter().filter(|(_, line)| is_theirs(line));
        columns.map(|(column, _)| (table.clone(), column.clone())).collect::<Vec<_>>()
    };
    tables.iter().flat_map(of_table).collect()
}

/// An id of a person as the API shows it.
fn public_id(id: uuid::Uuid) -> String {
    let number = id.as_u128();
    let digit = |place: u32| char::from(b"0123456789abcdefghjkmnpqrstvwxyz"[(number >> (5 * place) & 31) as usize]);
    format!("sub_{}", (0..26).rev().map(digit).collect::<String>())
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
