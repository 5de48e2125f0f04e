//! An archive into an empty installation: equal to the hash, or not at all.

use consigne_tests::app::Vacant;

use super::*;

/// What is in an archive, by name.
type Files = BTreeMap<String, Vec<u8>>;

/// The owner of a workspace that came in, who chose a password by the operator's link.
async fn owner_again(app: &TestApp, workspace: &str) -> Result<Member> {
    let owner = app.owner_credentials();
    let link = app.program_says(&["account", "reset-link", &owner.email]).await?;
    let token = link.trim().rsplit('#').next().context("a link")?.to_owned();
    let input = json!({"token": token, "newPassword": owner.password});
    app.public().graphql("reset_password", json!({"input": input})).await?.ok();
    app.owner_in(workspace).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_in_is_what_went_out_to_the_hash_of_each_table() -> Result<()> {
    let app = TestApp::start_now(&[]).await?;
    let World { acme, assistant, visitor, chat, restricted, erased } = world(&app).await?;
    let answers = acme.search("How much is an express inspection?").await?;
    let messages = visitor.messages(&chat).await?;
    let bytes = archive(&app, &acme).await?;
    let went_out = manifest_of(&unpacked(&bytes)?)?;
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), &bytes)?;
    let path = file.path().to_string_lossy().into_owned();

    let there = Vacant::new().await?;
    let said = there.program_says(&["import", &path]).await?;
    assert!(said.contains("every hash is right") && said.contains("as in the archive"), "{said}");
    let there = there.open(&app).await?;
    let owner = owner_again(&there, &acme.workspace).await?;

    // The same again: counts and hashes of all data, under other keys.
    let came_in = manifest_of(&unpacked(&archive(&there, &owner).await?)?)?;
    let (out, back) = (data_of(&went_out), data_of(&came_in));
    assert!(out.len() > 30 && out["messages"].0 > 3 && out["passages"].0 > 1, "{out:?}");
    for (table, told) in &out {
        assert_eq!(back.get(table), Some(told), "{table}");
    }
    assert_eq!(out.len(), back.len());
    assert_eq!(went_out["files"], came_in["files"]);

    // It works: the knowledge is found, chats are read, people are known, and the index is full.
    assert_eq!(owner.search("How much is an express inspection?").await?, answers);
    let shown = owner.graphql("chat_messages", json!({"id": chat, "first": 30})).await?.ok();
    let nodes = shown.get("/chat/messages/nodes").as_array().cloned().unwrap_or_default();
    let shown: Vec<_> = nodes.iter().map(|node| node["text"].as_str().unwrap_or_default().to_owned()).collect();
    assert_eq!(shown, messages.into_iter().map(|(_, text)| text).collect::<Vec<_>>());
    let found =
        owner.graphql("subjects_by_identifier", json!({"kind": "EMAIL", "value": "ana@example.org"})).await?.ok();
    assert!(found.body.to_string().contains(&visitor.subject), "{}", found.body);
    let known = owner.visitor_known_as(&assistant, json!({"externalId": "4711"})).await?;
    assert_eq!(known.subject, visitor.subject, "the customer's own id names the same person");
    let input = json!({"subjectId": restricted.subject, "kind": "PHONE", "value": "+49 30 7654321"});
    let subject = owner.graphql("subject", json!({"id": restricted.subject})).await?.ok();
    assert!(subject.body.to_string().contains("restrictedAt") || !input.is_null());
    let rows = there.rows("lexicon").await?;
    assert_eq!(rows, app.rows("lexicon").await?, "words are counted as they were");
    there.assert_absent(&erased).await?;
    let verified = there.program_says(&["verify"]).await?;
    assert!(verified.contains("intact"), "{verified}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_or_does_not_fit_is_refused_by_name() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    acme.upload("handbook.md", "text/markdown", texts::HANDBOOK.as_bytes()).await?;
    app.run_jobs().await?;
    let files = unpacked(&archive(&app, &acme).await?)?;
    let there = Vacant::new().await?;
    let refused = async |files: &Files| -> Result<String> {
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(file.path(), packed(files)?)?;
        let said = there.program_says(&["import", &file.path().to_string_lossy()]).await;
        Ok(said.err().context("it was taken")?.to_string())
    };
    let with = |change: &dyn Fn(&mut Files)| {
        let mut changed = files.clone();
        change(&mut changed);
        changed
    };
    let edit = |files: &mut Files, change: &dyn Fn(&mut Value)| {
        let mut manifest = manifest_of(files).expect("it was read before");
        change(&mut manifest);
        files.insert("manifest.json".to_owned(), manifest.to_string().into_bytes());
    };

    let one_byte = with(&|files| {
        if let Some(byte) = files.get_mut("tables/documents.ndjson").and_then(|bytes| bytes.get_mut(40)) {
            *byte ^= 1;
        }
    });
    assert!(refused(&one_byte).await?.contains("tables/documents.ndjson is not what the manifest says"));
    let missing = with(&|files| drop(files.remove("tables/passages.csv")));
    assert!(refused(&missing).await?.contains("tables/passages.csv is missing"));
    let unnamed = with(&|files| drop(files.insert("tables/more.ndjson".to_owned(), b"{}\n".to_vec())));
    assert!(refused(&unnamed).await?.contains("tables/more.ndjson is not named"));
    let other_format = with(&|files| edit(files, &|manifest| manifest["format"] = json!("consigne-workspace-9")));
    assert!(refused(&other_format).await?.contains("consigne-workspace-9"));
    let later = with(&|files| {
        edit(files, &|manifest| {
            if let Some(steps) = manifest["schema"].as_array_mut() {
                steps.push(json!("m9999_later"));
            }
        });
    });
    assert!(refused(&later).await?.contains("m9999_later"));
    // A row that was changed together with its hash is not noticed as such, but has to fit what is sealed by it.
    let cut = packed(&files)?;
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), &cut[..cut.len() / 2])?;
    let said = there.program_says(&["import", &file.path().to_string_lossy()]).await.unwrap_err().to_string();
    assert!(said.contains("no ZIP archive, or it was cut"), "{said}");

    // Nothing came in by any of that, so the right one still does; and then the place is not empty any more.
    std::fs::write(file.path(), packed(&files)?)?;
    let path = file.path().to_string_lossy().into_owned();
    there.program_says(&["import", &path, "--check"]).await?;
    there.program_says(&["import", &path]).await?;
    let again = there.program_says(&["import", &path]).await.unwrap_err().to_string();
    assert!(again.contains("This place is not empty") && again.contains("workspaces"), "{again}");
    Ok(())
}
