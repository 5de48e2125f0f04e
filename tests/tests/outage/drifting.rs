//! An index that holds something else than the database says.

use anyhow::{Context, Result};
use consigne_tests::{app::minutes, standins::qdrant::Qdrant, texts};

use super::{house, on_both, program_of};

on_both! {
    reindex_fills_a_server_that_lost_its_disk
    a_point_too_few_and_one_too_many_are_mended_and_told
}

const QUESTION: &str = "How much is a standard inspection?";

async fn reindex_fills_a_server_that_lost_its_disk(mut qdrant: Qdrant) -> Result<()> {
    let (app, acme) = house(&qdrant).await?;
    let other = program_of(&app, "other").await?;
    acme.add_text("Handbook", texts::HANDBOOK).await?;
    other.add_text("Elsewhere", texts::ELSEWHERE).await?;
    app.run_jobs().await?;
    let (points, found) = (qdrant.points().await?, acme.search(QUESTION).await?);
    qdrant.wipe().await?;
    assert!(qdrant.points().await?.is_empty());
    assert!(acme.search(QUESTION).await?.is_empty());

    let said = app.program_says(&["reindex"]).await?;
    assert!(said.contains(&format!("{}: ", acme.workspace)) && said.contains("0 removed"), "{said}");
    assert_eq!(qdrant.points().await?, points);
    assert_eq!(acme.search(QUESTION).await?, found);
    assert!(!other.search("Where is it?").await?.is_empty());
    // What knew the server before it lost its disk goes on.
    let late = acme.add_text("Late", "# Late\n\nThe ferry leaves at noon.\n").await?;
    app.run_jobs().await?;
    app.advance(minutes(1));
    app.run_jobs().await?;
    assert_eq!(acme.document(&late).await?.context("it is kept")?["state"], "READY");
    Ok(())
}

async fn a_point_too_few_and_one_too_many_are_mended_and_told(qdrant: Qdrant) -> Result<()> {
    let (app, acme) = house(&qdrant).await?;
    acme.add_text("Handbook", texts::HANDBOOK).await?;
    acme.add_text("Elsewhere", texts::ELSEWHERE).await?;
    app.run_jobs().await?;
    let points = qdrant.points().await?;
    // The counts stay equal.
    qdrant.double(&points[1]).await?;
    qdrant.lose(&points[0]).await?;
    assert_eq!(qdrant.points().await?.len(), points.len());
    for _ in 0..2 {
        app.advance(minutes(61));
        app.run_duties().await?;
    }
    assert_eq!(qdrant.points().await?, points);
    assert!(acme.audited_actions().await?.contains(&"index.mended".to_owned()));

    // One alone.
    qdrant.lose(&points[0]).await?;
    for _ in 0..2 {
        app.advance(minutes(10));
        app.run_duties().await?;
    }
    assert_eq!(qdrant.points().await?, points);
    let mended = acme.audited_actions().await?.iter().filter(|action| *action == "index.mended").count();
    assert_eq!(mended, 2);
    Ok(())
}
