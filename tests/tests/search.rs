//! What is found, by meaning and by words, and what is left out.

use anyhow::Result;
use consigne_tests::{app::TestApp, people::Member};
use serde_json::{Value, json};

/// Titles of what a search finds.
async fn found(member: &Member, variables: Value) -> Result<Vec<String>> {
    let reply = member.graphql("search_knowledge", variables).await?.ok();
    let passages = reply.get("/searchKnowledge").as_array().cloned().unwrap_or_default();
    Ok(passages.iter().map(|passage| passage["title"].as_str().unwrap_or_default().to_owned()).collect())
}

async fn add(member: &Member, title: &str, text: &str, more: Value) -> Result<()> {
    let mut input = json!({"title": title, "text": text, "mediaType": "text/plain"});
    for (name, value) in more.as_object().into_iter().flatten() {
        input[name] = value.clone();
    }
    member.graphql("add_text_document", json!({"input": input})).await?.ok();
    Ok(())
}

const PUMPS: [(&str, &str); 4] = [
    ("Pump A", "The garden pump with order number KX-4417 delivers forty litres of water a minute."),
    ("Pump B", "The garden pump with order number KX-4471 delivers fifty litres of water a minute."),
    ("Pump C", "The garden pump with order number RT-9902 delivers sixty litres of water a minute."),
    ("Pump D", "The garden pump with order number RT-9920 delivers eighty litres of water a minute."),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_part_number_is_found_among_things_that_mean_the_same() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    for (title, text) in PUMPS {
        add(&acme, title, text, json!({})).await?;
    }
    app.run_jobs().await?;
    for (number, title) in [("KX-4417", "Pump A"), ("KX-4471", "Pump B"), ("RT-9902", "Pump C"), ("RT-9920", "Pump D")]
    {
        let question = format!("How much water does the pump {number} deliver?");
        assert_eq!(found(&acme, json!({"question": question})).await?[0], title);
        let by_words = found(&acme, json!({"question": number, "ranking": "WORDS", "first": 1})).await?;
        assert_eq!(by_words, [title]);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn words_are_found_in_any_inflection_and_in_no_other_workspace() -> Result<()> {
    let app = TestApp::start().await?;
    let (acme, other) = (app.workspace("acme").await?, app.workspace("other").await?);
    add(&acme, "Annulation", "Vous annulez une commande dans votre espace client, avant son départ.", json!({}))
        .await?;
    add(&acme, "Livraison", "Le transporteur livre les colis le matin, du lundi au samedi.", json!({})).await?;
    app.run_jobs().await?;
    let question = json!({"question": "comment annuler mes commandes ?", "ranking": "WORDS", "first": 1});
    assert_eq!(found(&acme, question.clone()).await?, ["Annulation"]);
    assert!(found(&other, question).await?.is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_holds_for_tags_languages_and_dates() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    let returns = "An order can be sent back within thirty days of its delivery, and the money is paid back at once.";
    add(&acme, "Shoes", returns, json!({"tags": ["Shop", "shoes"], "datedAt": "2025-01-10T00:00:00Z"})).await?;
    add(&acme, "Books", returns, json!({"tags": ["shop", "books"], "datedAt": "2026-03-01T00:00:00Z"})).await?;
    let german = "Eine Bestellung kann innerhalb von dreißig Tagen nach der Lieferung zurückgeschickt werden.";
    add(&acme, "Schuhe", german, json!({"tags": ["schuhe"]})).await?;
    app.run_jobs().await?;
    let search = async |filter: Value| {
        let mut titles = found(&acme, json!({"question": "May I send an order back?", "filter": filter})).await?;
        titles.sort();
        anyhow::Ok(titles)
    };
    assert_eq!(search(json!({})).await?, ["Books", "Schuhe", "Shoes"]);
    assert_eq!(search(json!({"tags": ["SHOES"]})).await?, ["Shoes"]);
    assert_eq!(search(json!({"tags": ["shop"]})).await?, ["Books", "Shoes"]);
    assert_eq!(search(json!({"tags": ["shop"], "datedFrom": "2026-01-01T00:00:00Z"})).await?, ["Books"]);
    assert_eq!(search(json!({"tags": ["shop"], "datedUntil": "2026-01-01T00:00:00Z"})).await?, ["Shoes"]);
    assert_eq!(search(json!({"languages": ["de"]})).await?, ["Schuhe"]);
    assert!(search(json!({"tags": ["shop"], "languages": ["de"]})).await?.is_empty());
    assert!(search(json!({"sourceIds": ["src_01m8d9jd4gfjas8jvykttwxpzt"]})).await?.is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_goes_takes_its_words_out_of_the_counts() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    let id = acme.add_text("Pumps", PUMPS[0].1).await?;
    app.run_jobs().await?;
    assert!(app.rows("lexicon").await? > 5);
    acme.upload_in_place_of(Some(&id), "Pumps", "text/plain", b"Kites.").await?;
    app.run_jobs().await?;
    assert_eq!(app.rows("lexicon").await?, 1, "only what is in the new version counts");
    acme.graphql("delete_document", json!({"input": {"documentId": id}})).await?.ok();
    assert_eq!(app.rows("lexicon").await?, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn searchers_never_see_both_versions_of_a_document_or_neither() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    let text =
        |version: u32| format!("The ferry leaves at {version} o'clock from the old harbour, every day but Monday.");
    let id = acme.upload("ferry", "text/plain", text(1).as_bytes()).await?;
    app.run_jobs().await?;
    for version in 2..8 {
        acme.upload_in_place_of(Some(&id), "ferry", "text/plain", text(version).as_bytes()).await?;
        let search = async {
            let mut seen = Vec::new();
            loop {
                let reply =
                    acme.graphql("search_knowledge", json!({"question": "When does the ferry leave?"})).await?.ok();
                let passages = reply.get("/searchKnowledge").as_array().cloned().unwrap_or_default();
                assert_eq!(passages.len(), 1, "{passages:?}");
                seen.push(passages[0]["text"].clone());
                if seen.last() == Some(&json!(text(version))) {
                    return anyhow::Ok(());
                }
                assert_eq!(seen.last(), Some(&json!(text(version - 1))));
            }
        };
        tokio::try_join!(search, app.run_jobs())?;
    }
    Ok(())
}

/// Passages from before words were counted: what the migration left of them.
#[tokio::test(flavor = "multi_thread")]
async fn passages_that_were_stored_without_words_get_them_and_are_not_embedded_again() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    acme.add_text("Spare parts", "# Spare parts\n\nThe brake pad ZX-4711 fits every tandem.\n").await?;
    app.run_jobs().await?;
    let by_words = async || {
        let asked = json!({"question": "ZX-4711", "ranking": "WORDS"});
        let found = acme.graphql("search_knowledge", asked).await?.ok();
        Ok::<_, anyhow::Error>(found.get("/searchKnowledge").as_array().map_or(0, Vec::len))
    };
    assert_eq!(by_words().await?, 1);
    let terms = app.rows("lexicon").await?;
    app.tamper("UPDATE passages SET terms_sealed = NULL").await?;
    for _ in 0..terms {
        app.tamper("DELETE FROM lexicon WHERE term = (SELECT min(term) FROM lexicon)").await?;
    }
    assert_eq!(by_words().await?, 0);
    let before = app.rows("passages").await?;
    app.run_duties().await?;
    assert_eq!(by_words().await?, 1);
    assert_eq!((app.rows("lexicon").await?, app.rows("passages").await?), (terms, before));
    app.run_duties().await?;
    assert_eq!(app.rows("lexicon").await?, terms, "counted once");
    Ok(())
}
