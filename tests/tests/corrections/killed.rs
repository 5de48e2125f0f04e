//! The real program is killed with SIGKILL while a text is being corrected, at its loudest log level: the text is in none of
//! the files that it leaves behind, and one row says that something was corrected.

use anyhow::{Result, ensure};
use consigne_tests::{
    canary::{Canary, files_below},
    client::Client,
    standins::openai::{Dialect, StandIn, Turn},
};
use sea_orm::{ConnectionTrait, Statement};

use super::{ask, enable};
use crate::crash::program::Installation;

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_leaves_no_trace_when_the_process_is_killed() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut installation = Installation::new(folder.path()).await?.louder();
    let (standin, canary) = (StandIn::start_as(Dialect::Mistral).await, Canary::new());
    let program = installation.start().await?;
    let owner = installation.owner(&Client::new(&program.url)).await?;
    enable(&owner, &standin, serde_json::json!({})).await?;
    standin.script([Turn::HangAfter(vec![format!("{canary} is"), " here, and".into()])]);
    let mut listening = owner.listen("correct_text", ask(&format!("{canary} is heer"), "GRAMMAR")).await?;
    let first = listening.next().await?.unwrap_or_default();
    assert_eq!(first["data"]["correctText"]["__typename"], "CorrectionDelta", "{first}");
    program.kill().await?;
    let mut places = files_below(folder.path());
    ensure!(places.iter().any(|place| place.name.ends_with("consigne.log") && place.bytes.len() > 1_000), "no log");
    places.extend(installation.database.places().await?);
    assert_eq!(canary.found_in(&places), Vec::<String>::new());
    let mut rows = 0;
    for db in installation.database.connections().await? {
        let backend = db.get_database_backend();
        let sql = "SELECT count(*) AS n FROM usage_days";
        if let Ok(Some(row)) = db.query_one_raw(Statement::from_string(backend, sql)).await {
            rows += row.try_get::<i64>("", "n")?;
        }
    }
    assert_eq!(rows, 1, "one row of usage");
    // It starts again over what was left.
    let program = installation.start().await?;
    program.kill().await
}
