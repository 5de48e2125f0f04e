//! What outlives the contract because a law says so: sealed apart under the installation's key, out of everybody's reach, until its
//! last day. Ids, times and the workspace's own words about itself; nothing that anybody said.

use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use super::{Kept, rows};
use crate::{
    backups::catalogue::{self, Schema},
    clock::Timestamp,
    error::{Error, Result},
    id::TerminationId,
    leaving::{
        lines::Pages,
        opened::{self, Keys},
        plan::Plan,
    },
    privacy::{Privacy, retention::period::Period},
    store::WorkspaceTx,
    vault::Place,
};

/// Classes that are sealed apart: the table, why, and for how long after the end.
const SEALED: [(&str, &str, &str); 4] = [
    ("consent_texts", "GDPR art. 7(1) and 17(3)(e): what people agreed to, to answer a claim", "P3Y"),
    ("erasure_steps", "GDPR art. 5(2) and 17(3)(e): that people were erased, to answer a claim", "P3Y"),
    ("erasures", "GDPR art. 5(2) and 17(3)(e): that people were erased, to answer a claim", "P3Y"),
    ("instructions", "GDPR art. 28(3)(a) and 17(3)(e): what was instructed, to answer a claim", "P3Y"),
];

/// The class that stays where it is, since nobody can change it.
const CHAIN: (&str, &str, &str) =
    ("audit_entries", "GDPR art. 5(2) and 32: the access log, as ids, times and hashes, without details", "P6M");

/// Seals what is kept, and says what it is.
pub(crate) async fn seal(
    tx: &WorkspaceTx,
    privacy: &Privacy,
    id: TerminationId,
    from: Timestamp,
) -> Result<(Vec<u8>, Vec<Kept>)> {
    let plan = Plan::of(catalogue::tables(tx.db(), Schema::Data).await?, privacy)?;
    let mut keys = Keys::new(tx.store().vault(), tx.workspace());
    let (mut all, mut kept) = (Map::new(), Vec::new());
    for (class, basis, period) in SEALED {
        let table = plan.tables.iter().find(|table| table.name == class);
        let table = table.ok_or_else(|| Error::internal(format!("there is no table {class} to be kept")))?;
        let (mut pages, mut found) = (Pages::new(tx.db(), table), Vec::new());
        while let Some(page) = pages.next(&mut keys).await? {
            found.extend(page.into_iter().map(|shown| opened::object(table, shown)));
        }
        if !found.is_empty() {
            kept.push(Kept {
                class: class.to_owned(),
                rows: found.len() as u64,
                basis: basis.to_owned(),
                until: until(period, from)?,
            });
            all.insert(class.to_owned(), Value::Array(found));
        }
    }
    let (class, basis, period) = CHAIN;
    let entries = rows::rows_of(tx, class, "workspace_id", tx.workspace()).await?;
    if entries > 0 {
        kept.push(Kept {
            class: class.to_owned(),
            rows: entries,
            basis: basis.to_owned(),
            until: until(period, from)?,
        });
    }
    let text = json!({ "workspace": tx.workspace(), "tables": all }).to_string();
    Ok((tx.store().vault().instance_key().seal_text(&place(id), &text), kept))
}

/// What was kept, opened: for the operator, who has to show it where a claim is made.
///
/// # Errors
/// `Corrupt`.
pub(crate) fn open(privacy: &Privacy, id: TerminationId, sealed: &[u8]) -> Result<String> {
    privacy.store().vault().instance_key().open_text(&place(id), sealed)
}

/// Whether a class is the chain of the audit log.
pub(crate) fn is_chain(kept: &Kept) -> bool {
    kept.class == CHAIN.0
}

/// The last day of a period that begins here.
pub(crate) fn until(period: &str, from: Timestamp) -> Result<Timestamp> {
    Ok(Period::parse(period)?.end(from, &TimeZone::UTC))
}

fn place(id: TerminationId) -> Place {
    Place::instance("terminations", "kept_sealed", id.0)
}
