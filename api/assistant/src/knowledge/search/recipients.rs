//! Whoever outside this installation gets a question, or what is derived from it, is written down before it does.

use consigne_foundation::{
    Result, Scope,
    id::SubjectId,
    plugins::RouteFacts,
    privacy::recipients::{self, Why},
    store::Store,
};
use consigne_sdk::ProcessorRole;

/// Writes down that these get data of whoever asks: of this person, or of whoever acts.
///
/// # Errors
/// `Restricted`, `Unavailable`: nothing may be sent then.
pub(super) async fn record(
    scope: &Scope,
    store: &Store,
    whose: Option<SubjectId>,
    parties: &[&RouteFacts],
) -> Result<()> {
    let is_outside = |facts: &&&RouteFacts| facts.processing.role != ProcessorRole::Internal;
    let outside: Vec<_> = parties.iter().filter(is_outside).collect();
    if outside.is_empty() {
        return Ok(());
    }
    let tx = store.write(scope).await?;
    for RouteFacts { plugin, processing, .. } in outside {
        match whose {
            Some(subject) => recipients::record(&tx, subject, plugin, processing, Why::Answering).await?,
            None => recipients::record_own(scope, &tx, plugin, processing, Why::Answering).await?,
        }
    }
    tx.commit().await
}
