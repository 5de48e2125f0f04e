//! Postgres is taken away under load, again and again: nothing that was accepted is lost, no connection is left behind, and
//! `/readyz` says how it is. `CONSIGNE_KILLS` says how often.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use consigne_tests::{
    client::Client,
    database::Database,
    people::{Member, idempotency_key},
    wire::Wire,
};
use sea_orm::{ConnectionTrait, Database as Connect, DbBackend, Statement};
use serde_json::json;
use tokio::time::sleep;

use super::{
    KILLS, number,
    program::{Installation, readiness, until_ready},
};

/// Clients at work.
const AT_ONCE: usize = 4;

/// How long Postgres is there, and is not.
const THERE: Duration = Duration::from_millis(1_500);
const AWAY: Duration = Duration::from_millis(1_200);

/// Adds documents until it is told to stop, and keeps the ids of those that were accepted.
async fn work(owner: &Member, accepted: &Mutex<Vec<String>>, is_over: &AtomicBool) -> Result<()> {
    while !is_over.load(Ordering::SeqCst) {
        let title = idempotency_key();
        let input = json!({"title": title, "text": format!("# {title}\n\nThe desk opens at nine.")});
        // What is not accepted is said to be so, or not said at all; neither is counted on.
        if let Ok(reply) = owner.graphql("add_text_document", json!({"input": input})).await
            && let Some(id) = reply.body["data"]["addTextDocument"]["document"]["id"].as_str()
        {
            accepted.lock().unwrap_or_else(PoisonError::into_inner).push(id.to_owned());
        }
        sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// Connections of the application's role, and how many of them are inside a transaction and idle.
async fn connections(database: &Database) -> Result<(i64, i64)> {
    let Database::Postgres { superuser, application, .. } = database else { return Ok((0, 0)) };
    let url: reqwest::Url = application.parse()?;
    let db = Connect::connect(superuser).await?;
    let sql = "SELECT count(*) AS n, count(*) FILTER (WHERE state LIKE 'idle in transaction%') AS idle \
               FROM pg_stat_activity WHERE usename = $1";
    let row = db.query_one_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, [url.username().into()]));
    let row = row.await?.context("a count has a row")?;
    let counts = (row.try_get("", "n")?, row.try_get("", "idle")?);
    db.close().await?;
    Ok(counts)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_accepted_is_lost_however_often_postgres_goes_away() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut installation = Installation::new(folder.path()).await?.under(&["--database-connections", "6"]);
    let Some(wire) = Wire::to(&installation.database).await? else {
        println!("skipped: an embedded database cannot be cut off");
        return Ok(());
    };
    installation.reach_its_database_by(&wire)?;
    let program = installation.start().await?;
    let owner = installation.owner(&Client::new(&program.url)).await?;
    let owner = owner.program(&["KNOWLEDGE_READ", "KNOWLEDGE_WRITE"]).await?;
    let (accepted, is_over) = (Mutex::default(), AtomicBool::new(false));
    let working = futures::future::try_join_all((0..AT_ONCE).map(|_| work(&owner, &accepted, &is_over)));
    let cutting = async {
        let times = number("CONSIGNE_KILLS").unwrap_or(KILLS);
        for _ in 0..times {
            sleep(THERE).await;
            wire.cut();
            sleep(AWAY).await;
            let said = readiness(&owner).await?;
            ensure!(said == 503, "without its Postgres it says {said}");
            wire.mend();
            until_ready(&owner).await?;
        }
        sleep(THERE).await;
        is_over.store(true, Ordering::SeqCst);
        anyhow::Ok(times)
    };
    let (worked, times) = tokio::join!(working, cutting);
    let times = times.with_context(|| installation.last_words())?;
    worked?;
    let accepted = accepted.into_inner().unwrap_or_else(PoisonError::into_inner);
    println!("{} documents accepted, Postgres gone {times} times", accepted.len());
    ensure!(accepted.len() as u64 > times, "too little was accepted for this to prove anything");
    for id in &accepted {
        let found = owner.graphql_in_turn("document", json!({"id": id})).await?.ok();
        ensure!(!found.body["data"]["document"].is_null(), "{id} was accepted and is lost");
    }
    // Six for data, four for keys, one that listens. While documents are read some are inside a transaction: a moment without any
    // shows that none was left in one.
    let (mut all, mut idle) = connections(&installation.database).await?;
    for _ in 0..300 {
        ensure!(all <= 11, "{all} connections");
        if idle == 0 {
            break;
        }
        sleep(Duration::from_millis(100)).await;
        (all, idle) = connections(&installation.database).await?;
    }
    ensure!(idle == 0, "{idle} of {all} connections are left inside a transaction");
    program.kill().await?;
    installation.verify().await.map(drop)
}
