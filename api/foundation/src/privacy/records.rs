//! Records of processing activities (GDPR art. 30), made from what is true: the column register, the purposes and how they
//! stand, the plugins in use and what they declare, and what the workspace set. Nobody fills in a form, so nothing is out of
//! date.

mod text;

use std::collections::BTreeSet;

use consigne_sdk::{ProcessorRole, Region};

use super::{
    information::{self, Information},
    instructions,
    purposes::Purpose,
    register::{self, Category, ColumnLine, TableLine, Whose},
};
use crate::{
    clock::Timestamp,
    error::Result,
    plugins::{Recipient, Registry},
    scope::{Permission, Scope},
    store::Store,
};

/// What is done about security in all of it (art. 30(1)(g) and 32): each is tested.
pub const MEASURES: [&str; 6] = [
    "Isolation of each workspace in the database: forced row-level security on Postgres.",
    "AES-256-GCM at rest: what a person wrote under a key of theirs, which an erasure destroys.",
    "TLS for everything that leaves the installation; egress to declared hosts alone.",
    "Roles and permissions, deny by default; sessions that end and can be revoked.",
    "An audit log as a signed hash chain, written in the transaction of the deed.",
    "Pseudonyms in logs, metrics, jobs and errors; no text of a person in any of them.",
];

/// The records.
#[derive(Debug, Clone)]
pub struct Records {
    /// When they were made.
    pub generated_at: Timestamp,
    /// Controller, data protection officer, authority.
    pub information: Information,
    /// One activity for each purpose that is instructed.
    pub activities: Vec<Activity>,
}

/// What is done for one purpose.
#[derive(Debug, Clone)]
pub struct Activity {
    /// The purpose.
    pub purpose: Purpose,
    /// Whom data is about: `VISITOR`, `MEMBER`, `ANYONE` (whoever the customer's documents name).
    pub people: Vec<String>,
    /// Which categories of data, as the register and the plugins name them.
    pub categories: Vec<String>,
    /// Where it is stored: tables.
    pub tables: Vec<String>,
    /// How long, in the words of the register.
    pub retention: Vec<String>,
    /// Who gets data.
    pub recipients: Vec<Party>,
    /// Of the columns with personal data, how many there are and how many are sealed by themselves.
    pub sealed: (usize, usize),
}

/// Somebody who gets data.
#[derive(Debug, Clone)]
pub struct Party {
    /// The plugin.
    pub plugin: String,
    /// The product.
    pub name: String,
    /// Who operates it.
    pub operator: String,
    /// Whether it is another party.
    pub is_outside: bool,
    /// Where: `LOCAL`, `EEA`, an ISO 3166-1 code, or `UNDECLARED`.
    pub region: String,
    /// Under which transfer safeguard.
    pub safeguard: String,
    /// How long they keep it.
    pub retention: String,
    /// Whether it is a transfer to a third country (chapter V).
    pub is_transfer: bool,
}

/// Makes the records of the scope's workspace.
///
/// # Errors
/// `Forbidden` without `PRIVACY_READ`.
pub async fn make(scope: &Scope, store: &Store, registry: &Registry) -> Result<Records> {
    scope.require(Permission::PrivacyRead)?;
    let recipients = registry.recipients(scope, store).await?;
    let standings = instructions::standings(scope, store).await?;
    let instructed = standings.into_iter().filter(|standing| standing.is_instructed);
    Ok(Records {
        generated_at: store.now(),
        information: information::get(scope, store).await?,
        activities: instructed.map(|standing| activity(standing.purpose, &recipients)).collect(),
    })
}

fn activity(purpose: Purpose, recipients: &[Recipient]) -> Activity {
    let serving = |recipient: &&Recipient| recipient.processing.purposes.iter().any(|p| Purpose::from(*p) == purpose);
    let serving: Vec<&Recipient> = recipients.iter().filter(serving).collect();
    let personal = |column: &&ColumnLine| column.purpose == purpose && column.category != Category::None;
    let columns: Vec<&ColumnLine> = register::tables().flat_map(TableLine::columns).filter(personal).collect();
    let own = columns.iter().map(|column| column.category.name().to_owned());
    let people = columns.iter().map(|column| column.subject).filter(|whose| *whose != Whose::None);
    let tables = register::tables().filter(|table| table.columns().any(|column| personal(&column)));
    let declared = serving.iter().flat_map(|r| r.processing.categories.iter()).map(|category| word_of(*category));
    let each = |words: &mut dyn Iterator<Item = String>| words.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>();
    Activity {
        purpose,
        people: each(&mut people.map(|whose| whose.name().to_owned())),
        categories: each(&mut own.chain(declared)),
        tables: tables.map(|table| table.name.clone()).collect(),
        retention: each(&mut columns.iter().map(|column| column.retention.clone())),
        recipients: serving.into_iter().map(Party::of).collect(),
        sealed: (columns.len(), columns.iter().filter(|column| column.sealed.is_some()).count()),
    }
}

impl Party {
    fn of(recipient: &Recipient) -> Self {
        let processing = &recipient.processing;
        Self {
            plugin: recipient.plugin.to_owned(),
            name: recipient.name.to_owned(),
            operator: processing.operator.clone(),
            is_outside: recipient.role == ProcessorRole::SubProcessor,
            region: processing.region.code(),
            safeguard: processing.safeguard.code().to_owned(),
            retention: processing.retention.code(),
            is_transfer: !matches!(processing.region, Region::Local | Region::Eea),
        }
    }
}

/// `KNOWLEDGE`, as the plugins' declarations write it.
fn word_of(category: consigne_sdk::DataCategory) -> String {
    let word = serde_json::to_value(category).ok().and_then(|word| word.as_str().map(str::to_owned));
    word.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The catalogue minus the records is empty: every personal column is in the activity of its purpose.
    #[test]
    fn every_personal_column_belongs_to_an_activity() {
        let all = register::tables().flat_map(TableLine::columns);
        let personal: Vec<&ColumnLine> = all.filter(|column| column.category != Category::None).collect();
        assert!(personal.len() > 100, "{}", personal.len());
        let recorded: usize = Purpose::ALL.into_iter().map(|purpose| activity(purpose, &[]).sealed.0).sum();
        assert_eq!(recorded, personal.len());
        for column in personal {
            assert!(!column.subject.name().is_empty() && !column.retention.is_empty(), "{}", column.name);
        }
    }
}
