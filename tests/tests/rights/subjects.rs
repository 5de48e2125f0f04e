//! A person is found from whatever they are known by, and persons who are one are served as one.

use super::*;
use consigne_tests::{canary::Canary, people::Member, texts};

async fn known(acme: &Member, assistant: &str, identity: Value) -> Result<consigne_tests::people::Visitor> {
    acme.visitor_known_as(assistant, identity).await
}

async fn found(by: &Client, kind: &str, value: &str) -> Result<Vec<String>> {
    let all = by.graphql("subjects_by_identifier", json!({"kind": kind, "value": value})).await?.ok();
    let all = all.get("/subjectsByIdentifier").as_array().cloned().unwrap_or_default();
    Ok(all.iter().map(|one| one["id"].as_str().unwrap_or_default().to_owned()).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_found_from_whatever_they_are_known_by_and_by_nobody_else() -> Result<()> {
    let app = TestApp::start().await?;
    let (acme, other) = (app.workspace("acme").await?, app.workspace("other").await?);
    let canary = Canary::new();
    let assistant = acme.assistant("Ada").await?;
    let email = format!("{canary}@example.org");
    let identity = json!({"externalId": format!("customer {canary}"), "email": email, "phone": "+33 1 23 45 67 89"});
    let visitor = known(&acme, &assistant, identity).await?;
    let chat = visitor.start_chat().await?;
    visitor.ask(&chat, "Do you know me?").await?;
    app.run_jobs().await?;

    for (kind, value) in [
        ("EMAIL", email.to_uppercase()),
        ("EXTERNAL_ID", format!("customer {canary}")),
        ("PHONE", "0033 1.23.45.67.89".to_owned()),
    ] {
        assert_eq!(found(&acme, kind, &value).await?, [visitor.subject.as_str()], "{kind}");
        assert!(found(&other, kind, &value).await?.is_empty(), "{kind} is found in another workspace");
    }
    let of_visitor = acme.graphql("subject_of_visitor", json!({"visitorId": visitor.id})).await?.ok();
    assert_eq!(of_visitor.text("/subjectOfVisitor/id"), visitor.subject);
    let shown = acme.graphql("subject", json!({"id": visitor.subject})).await?.ok();
    let chats = shown.get("/subject/holdings").as_array().and_then(|all| all.iter().find(|h| h["holder"] == "chats"));
    let chats = chats.context("chats are a holder")?;
    let of_messages = chats["tables"].as_array().and_then(|all| all.iter().find(|t| t["table"] == "messages"));
    assert_eq!(of_messages.context("messages")?["rows"], 1, "{chats}");
    let content = chats["categories"].as_array().and_then(|all| all.iter().find(|c| c["category"] == "CONTENT"));
    assert!(content.context("content")?["values"].as_i64() >= Some(2), "question and answer: {chats}");
    assert!(acme.audited_actions().await?.contains(&"subject.viewed".to_owned()));

    // The person looks at themselves; nobody else's visitor does, and no agent.
    let own = visitor.graphql("subject", json!({"id": visitor.subject})).await?.ok();
    assert_eq!(own.get("/subject/identifiers").as_array().map(Vec::len), Some(3));
    let stranger = acme.visitor(&assistant).await?;
    assert_eq!(stranger.graphql("subject", json!({"id": visitor.subject})).await?.error(), Some("FORBIDDEN"));
    let agent = acme.agent(&app.public(), "agent@acme.example").await?;
    assert_eq!(agent.graphql("subject", json!({"id": visitor.subject})).await?.error(), Some("FORBIDDEN"));
    app.assert_absent(&canary).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_external_id_is_the_same_person_on_every_device() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    let assistant = acme.assistant("Ada").await?;
    let first = known(&acme, &assistant, json!({"externalId": "4711"})).await?;
    let second = known(&acme, &assistant, json!({"externalId": "4711"})).await?;
    assert_eq!(first.subject, second.subject);
    assert_ne!(first.id, second.id);
    let other = known(&acme, &assistant, json!({"externalId": "4712"})).await?;
    assert_ne!(first.subject, other.subject);
    // Whoever is signed in now goes before who used this device before.
    let token = first.token().context("a token")?.to_owned();
    let switched = known(&acme, &assistant, json!({"externalId": "4712", "visitorToken": token})).await?;
    assert_eq!(switched.subject, other.subject);
    let chat = first.start_chat().await?;
    assert_eq!(second.graphql("chat_state", json!({"id": chat})).await?.ok().text("/chat/state"), "ASSISTANT");
    assert_eq!(
        acme.graphql("subject", json!({"id": first.subject}))
            .await?
            .ok()
            .get("/subject/visitorIds")
            .as_array()
            .map(Vec::len),
        Some(2)
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn visitors_say_who_they_are_and_put_it_right() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    let visitor = acme.visitor(&acme.assistant("Ada").await?).await?;
    let add = |kind: &str, value: &str| json!({"input": {"kind": kind, "value": value}});
    let added = visitor.graphql("add_identifier", add("EMAIL", "anna@example.org")).await?.ok();
    let id = added.text("/addIdentifier/identifier/id");
    assert_eq!(added.text("/addIdentifier/identifier/source"), "PERSON");
    for refused in [add("EXTERNAL_ID", "4711"), add("MEMBER", "acc_1"), add("EMAIL", "no address"), add("PHONE", "12")]
    {
        assert_eq!(visitor.graphql("add_identifier", refused).await?.user_error(), Some("INVALID_INPUT"));
    }
    let right = json!({"input": {"identifierId": id, "value": "ana@example.org"}});
    let rectified = visitor.graphql("rectify_identifier", right.clone()).await?.ok();
    assert_eq!(rectified.text("/rectifyIdentifier/identifier/value"), "ana@example.org");
    assert!(found(&acme, "EMAIL", "anna@example.org").await?.is_empty(), "the old one still finds");
    assert_eq!(found(&acme, "EMAIL", "ana@example.org").await?, [visitor.subject.as_str()]);
    let stranger = acme.visitor(&acme.assistant("Eve").await?).await?;
    assert_eq!(stranger.graphql("rectify_identifier", right).await?.user_error(), Some("NOT_FOUND"));
    visitor.graphql("remove_identifier", json!({"input": {"identifierId": id}})).await?.ok();
    assert!(found(&acme, "EMAIL", "ana@example.org").await?.is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn persons_who_are_one_are_served_as_one_and_a_split_restores_what_was() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    let assistant = acme.assistant("Ada").await?;
    let (phone, laptop) = (acme.visitor(&assistant).await?, acme.visitor(&assistant).await?);
    for (visitor, words) in [(&phone, "I wrote on the phone."), (&laptop, "I wrote on the laptop.")] {
        let chat = visitor.start_chat().await?;
        visitor.ask(&chat, words).await?;
    }
    app.run_jobs().await?;
    let input = json!({"absorbedSubjectId": phone.subject, "intoSubjectId": laptop.subject});
    let merged = acme.graphql("merge_subjects", json!({"input": input})).await?.ok();
    let merge = merged.text("/mergeSubjects/merge/id");
    let again = acme.graphql("merge_subjects", json!({"input": input})).await?;
    assert_eq!(again.user_error(), Some("CONFLICT"), "{}", again.body);

    let both = access(&app, &acme, Some(&phone.subject)).await?;
    let texts: Vec<String> = rows(&both, "chats", "messages")?.iter().map(|row| row["text"].to_string()).collect();
    assert!(texts.len() == 2 && texts.concat().contains("phone") && texts.concat().contains("laptop"), "{texts:?}");
    let shown = acme.graphql("subject", json!({"id": phone.subject})).await?.ok();
    assert_eq!(shown.text("/subject/id"), laptop.subject);
    // A visitor still sees the chats of the device alone.
    assert_eq!(phone.graphql("chats", json!({})).await?.ok().number("/chats/totalCount"), 1);

    acme.graphql("split_subject", json!({"input": {"mergeId": merge}})).await?.ok();
    let twice = acme.graphql("split_subject", json!({"input": {"mergeId": merge}})).await?;
    assert_eq!(twice.user_error(), Some("CONFLICT"));
    let one = access(&app, &acme, Some(&phone.subject)).await?;
    let of_phone = rows(&one, "chats", "messages")?;
    assert!(of_phone.len() == 1 && of_phone[0]["text"] == "I wrote on the phone.", "{of_phone:?}");

    acme.graphql("merge_subjects", json!({"input": input})).await?.ok();
    let erasure = acme.erase(&laptop.subject).await?;
    app.run_jobs().await?;
    assert_eq!(acme.erasure(&erasure).await?["state"], "COMPLETED");
    for table in ["chats", "messages", "answers", "chat_events", "visitors"] {
        assert_eq!(app.rows(table).await?, 0, "{table} of whom was one with the erased");
    }
    let shown = acme.graphql("subject", json!({"id": phone.subject})).await?.ok();
    assert_eq!(shown.text("/subject/state"), "ERASED");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_serves_rights_merges_and_a_member_is_no_visitor() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    acme.add_text("Handbook", texts::HANDBOOK).await?;
    let assistant = acme.assistant("Ada").await?;
    let (one, two) = (acme.visitor(&assistant).await?, acme.visitor(&assistant).await?);
    let agent = acme.agent(&app.public(), "agent@acme.example").await?;
    let input = json!({"absorbedSubjectId": one.subject, "intoSubjectId": two.subject});
    assert_eq!(agent.graphql("merge_subjects", json!({"input": input})).await?.error(), Some("FORBIDDEN"));
    let viewer = acme.graphql("viewer", json!({})).await?.ok().text("/viewer/actorId");
    let member = acme.graphql("subject_of_member", json!({"accountId": viewer})).await?.ok();
    let member = member.text("/subjectOfMember/id");
    let input = json!({"absorbedSubjectId": one.subject, "intoSubjectId": member});
    assert_eq!(acme.graphql("merge_subjects", json!({"input": input})).await?.user_error(), Some("CONFLICT"));
    Ok(())
}
