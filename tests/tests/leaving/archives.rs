//! What is in an archive, who gets it, and for how long.

use consigne_tests::app::{days, minutes};
use sha2::{Digest, Sha256};

use super::*;

/// Cells of a CSV file, its quotes and apostrophes taken off; an absent value is none.
fn cells(text: &str) -> Vec<Vec<Option<String>>> {
    let (mut rows, mut row, mut cell, mut inside) = (Vec::new(), Vec::new(), None::<String>, false);
    let mut signs = text.chars().peekable();
    while let Some(sign) = signs.next() {
        match sign {
            '"' if inside && signs.peek() == Some(&'"') => {
                signs.next();
                cell.get_or_insert_default().push('"');
            }
            '"' => {
                inside = !inside;
                cell.get_or_insert_default();
            }
            ',' if !inside => row.push(cell.take()),
            '\r' if !inside => {}
            '\n' if !inside => {
                row.push(cell.take());
                rows.push(std::mem::take(&mut row));
            }
            other => cell.get_or_insert_default().push(other),
        }
    }
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_in_it_but_secrets_and_whoever_was_erased() -> Result<()> {
    let app = TestApp::start().await?;
    let World { acme, visitor, restricted, erased, .. } = world(&app).await?;
    let files = unpacked(&archive(&app, &acme).await?)?;
    let manifest = manifest_of(&files)?;

    let mut named = 0;
    for table in manifest["tables"].as_array().context("tables")? {
        for file in [&table["ndjson"], &table["csv"]] {
            let bytes = &files[file["path"].as_str().unwrap_or_default()];
            assert_eq!(file["sha256"], hex::encode(Sha256::digest(bytes)), "{file}");
            assert_eq!(file["bytes"].as_u64(), Some(bytes.len() as u64), "{file}");
            named += 1;
        }
        let name = table["name"].as_str().unwrap_or_default();
        assert_eq!(table["rows"].as_u64(), Some(rows_of(&files, name)?.len() as u64), "{name}");
    }
    for file in manifest["files"].as_array().context("files")? {
        assert_eq!(file["sha256"], hex::encode(Sha256::digest(&files[file["path"].as_str().unwrap_or_default()])));
        named += 1;
    }
    assert_eq!(files.len(), named + 1, "every file but the manifest is named by it");
    assert!(files.values().any(|bytes| bytes == texts::HANDBOOK.as_bytes()), "a document is as it was uploaded");

    // Sealed columns are open, ids are those of the database, a restricted person is in it and marked.
    let messages = rows_of(&files, "messages")?;
    assert!(messages.iter().any(|row| row["text"] == "How much is a standard inspection?"), "{messages:?}");
    assert!(messages.iter().any(|row| row["text"].to_string().contains("I am the restricted one")));
    assert_eq!(manifest["restrictedPersons"], json!([restricted.subject]));
    assert!(rows_of(&files, "subject_identifiers")?.iter().any(|row| row["value"] == "+49 30 1234567"));
    assert!(rows_of(&files, "objections")?.iter().any(|row| row["reason"] == "said so at the counter"));
    assert!(rows_of(&files, "accounts")?.iter().any(|row| row["email"] == "agent@acme.example"));
    assert!(!visitor.subject.is_empty());

    // Of who was erased, that they were.
    assert_eq!(manifest["erasedPersons"], 1);
    let all: Vec<u8> = files.values().flatten().copied().collect();
    let place = consigne_tests::canary::Place { name: "the archive".to_owned(), bytes: all };
    assert_eq!(erased.found_in(&[place]), Vec::<String>::new());

    // No table and no column is missing without a word, and nothing that opens something is there.
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let of_key_store =
        ["workspace_keys", "subject_keys", "look_up_keys", "root_versions", "key_store_migrations", "seaql_migrations"];
    let columns = app.database.columns().await?;
    for (table, column) in columns.iter().filter(|(table, _)| !of_key_store.contains(&table.as_str())) {
        let left_out = |place: &Value, name: &str| {
            let all = place.as_array().cloned().unwrap_or_default();
            all.iter().any(|one| one["name"] == name && !text(&one["because"]).is_empty())
        };
        if left_out(&manifest["leftOut"], table) {
            continue;
        }
        let of_table = manifest["tables"].as_array().and_then(|all| all.iter().find(|one| one["name"] == **table));
        let of_table = of_table.with_context(|| format!("the manifest says nothing of {table}"))?;
        let shown = column.strip_suffix("_sealed").unwrap_or(column);
        let is_in = of_table["columns"].as_array().is_some_and(|all| all.iter().any(|one| one["name"] == shown));
        assert_ne!(is_in, left_out(&of_table["leftOut"], column), "{table}.{column}");
        let opens = ["password_hash", "secret_hash", "key_sealed", "settings_sealed", "token_hash", "wrapped"];
        assert!(!(is_in && opens.contains(&column.as_str())), "{table}.{column} opens something");
    }
    app.assert_absent(&erased).await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_cell_of_a_spreadsheet_is_run_and_each_can_be_read_back() -> Result<()> {
    let app = TestApp::start().await?;
    let World { acme, .. } = world(&app).await?;
    let files = unpacked(&archive(&app, &acme).await?)?;
    let manifest = manifest_of(&files)?;
    let rule = manifest["csv"].as_str().unwrap_or_default();
    assert!(rule.contains("apostrophe"), "the rule is said: {rule}");
    let mut compared = 0;
    for table in manifest["tables"].as_array().context("tables")? {
        let name = table["name"].as_str().unwrap_or_default();
        let text = std::str::from_utf8(&files[&format!("tables/{name}.csv")])?;
        let rows = cells(text);
        for cell in rows.iter().flatten().flatten() {
            assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']), "{name}: {cell}");
        }
        let (head, rows) = rows.split_first().context("a head")?;
        for (row, said) in rows.iter().zip(rows_of(&files, name)?) {
            for (column, cell) in head.iter().flatten().zip(row) {
                let value = cell.as_ref().map(|cell| cell.strip_prefix('\'').unwrap_or(cell).to_owned());
                let told = match &said[column] {
                    Value::Null => None,
                    Value::String(text) => Some(text.clone()),
                    other => Some(other.to_string()),
                };
                assert_eq!(value, told, "{name}.{column}");
                compared += 1;
            }
        }
    }
    assert!(compared > 500, "only {compared} cells");
    let notes = std::str::from_utf8(&files["tables/chat_notes.csv"])?;
    assert!(notes.contains(&format!("\"'{FORMULA}\"")), "{notes}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_opens_it_once_and_within_72_hours_for_the_owner_alone() -> Result<()> {
    let app = TestApp::start().await?;
    let (acme, other) = (app.workspace("acme").await?, app.workspace("other").await?);
    acme.add_text("Handbook", texts::HANDBOOK).await?;
    app.run_jobs().await?;
    let before = app.blobs().len();
    let id = asked(&acme).await?;
    let again = acme.graphql("export_workspace", json!({"input": {"idempotencyKey": idempotency_key()}})).await?;
    assert_eq!(again.user_error(), Some("CONFLICT"), "one is made at a time");
    let early = acme.graphql("create_workspace_export_link", json!({"input": {"workspaceExportId": id}})).await?;
    assert_eq!(early.user_error(), Some("CONFLICT"));
    app.run_jobs().await?;
    assert_eq!(app.blobs().len(), before + 1);

    // Nobody but the owner, here and now.
    let unknown = json!({"input": {"workspaceExportId": "wex_01JDAAAAAAAAAAAAAAAAAAAAAA"}});
    let foreign = other.graphql("create_workspace_export_link", json!({"input": {"workspaceExportId": id}})).await?;
    assert_eq!(foreign.body, other.graphql("create_workspace_export_link", unknown).await?.body);
    assert_eq!(foreign.user_error(), Some("NOT_FOUND"));
    let agent = acme.agent(&app.public(), "agent@acme.example").await?;
    let program = acme.program(&["WORKSPACE_READ", "WORKSPACE_WRITE"]).await?;
    for who in [&agent, &program] {
        let refused = who.graphql("workspace_export", json!({"id": id})).await?;
        assert_eq!(refused.error(), Some("FORBIDDEN"), "{}", refused.body);
        let refused = who.graphql("export_workspace", json!({"input": {"idempotencyKey": "1"}})).await?;
        assert_eq!(refused.error(), Some("FORBIDDEN"), "{}", refused.body);
    }
    let unused = link_of(&acme, &id).await?;
    let link = link_of(&acme, &id).await?;
    assert_eq!(fetched(&app, &unused).await?.status(), 404, "an earlier link is void");
    assert_eq!(fetched(&app, &link).await?.status(), 200);
    assert_eq!(fetched(&app, &link).await?.status(), 404, "a link works once");
    let late = link_of(&acme, &id).await?;
    app.advance(minutes(6));
    let refused = acme.graphql("create_workspace_export_link", json!({"input": {"workspaceExportId": id}})).await?;
    assert_eq!(refused.user_error(), Some("CONFIRMATION_REQUIRED"), "{}", refused.body);

    app.advance(days(3));
    assert_eq!(fetched(&app, &late).await?.status(), 404, "72 hours are over");
    app.run_duties().await?;
    assert_eq!(app.blobs().len(), before);
    let acme = app.owner_in(&acme.workspace).await?;
    assert_eq!(export(&acme, &id).await?["state"], "EXPIRED");
    let actions = acme.audited_actions().await?;
    for action in ["requested", "made", "link_made", "fetched"] {
        assert!(actions.contains(&format!("workspace.export_{action}")), "{action} is not on record");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_erased_takes_every_archive_along_that_they_are_in() -> Result<()> {
    let app = TestApp::start().await?;
    let World { acme, visitor, .. } = world(&app).await?;
    let id = asked(&acme).await?;
    app.run_jobs().await?;
    let link = link_of(&acme, &id).await?;
    app.advance(minutes(1));
    acme.erase(&visitor.subject).await?;
    app.run_jobs().await?;
    assert_eq!(fetched(&app, &link).await?.status(), 404);
    assert_eq!(export(&acme, &id).await?["state"], "EXPIRED");
    let files = unpacked(&archive(&app, &acme).await?)?;
    // With who is one with them, and who was erased before.
    assert_eq!(manifest_of(&files)?["erasedPersons"], 3);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_over_it_leaves_nothing_and_the_next_makes_it_whole() -> Result<()> {
    let app = TestApp::start_now(&[]).await?;
    let acme = app.workspace("acme").await?;
    // Something that takes a while to be taken along.
    let bytes = vec![b'x'; 24 << 20];
    let input = json!({"fileName": "long.txt", "mediaType": "text/plain", "bytes": bytes.len()});
    let upload = acme.graphql("create_upload", json!({"input": input})).await?.ok();
    let sent = acme.request(Method::PUT, &upload.text("/createUpload/upload/url")).body(bytes).send().await?;
    assert!(sent.status().is_success());
    let before = app.blobs().len();
    let id = asked(&acme).await?;
    let mut progress = acme.listen("workspace_export_progress", json!({"workspaceExportId": id})).await?;
    let pending = progress.next().await?.context("it begins with where it stands")?;
    assert_eq!(pending["data"]["workspaceExportProgress"]["state"], "PENDING", "{pending}");
    // The worker is killed in the middle: the job stays with it until its lease is over.
    app.run_jobs_until(|| app.blobs().len() > before).await?;
    assert_eq!(export(&acme, &id).await?["state"], "RUNNING");
    app.advance(minutes(2));
    app.run_duties().await?;
    app.run_jobs().await?;
    let ready = progress.until(|event| event["data"]["workspaceExportProgress"]["state"] == "READY").await?;
    let ready = ready.last().context("it ends with what was waited for")?;
    assert_eq!(ready["data"]["workspaceExportProgress"]["percent"], 100, "{ready}");
    let response = fetched(&app, &link_of(&acme, &id).await?).await?;
    let files = unpacked(&response.bytes().await?)?;
    assert!(files.contains_key("manifest.json") && files.values().any(|bytes| bytes.len() == 24 << 20));
    app.advance(days(2));
    app.run_duties().await?;
    assert_eq!(app.blobs().len(), before, "nothing half made is left, and nothing that nobody completed");
    Ok(())
}
