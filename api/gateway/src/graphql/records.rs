//! Records of processing activities (GDPR art. 30).

use async_graphql::{Context, Object, Result, SimpleObject};
use consigne_foundation::{Permission, privacy::records};

use super::{
    context::ContextExt,
    error::refuse,
    purposes::{LegalBasis, Purpose},
    scalars::DateTime,
};

/// Records of processing activities, made from the running system at the moment they are asked for.
#[derive(SimpleObject, Clone)]
pub struct RecordsOfProcessing {
    /// When they were made.
    pub generated_at: DateTime,
    /// The controller.
    pub controller_name: String,
    /// The data protection officer's address.
    pub dpo_email: Option<String>,
    /// One for each purpose that is instructed.
    pub activities: Vec<ProcessingActivity>,
    /// What is done about security in all of it (art. 32).
    pub measures: Vec<String>,
    /// All of it as a page in Markdown.
    pub markdown: String,
    /// The activities as a table in CSV (RFC 4180); no cell is a formula.
    pub csv: String,
}

/// What is done for one purpose.
#[derive(SimpleObject, Clone)]
pub struct ProcessingActivity {
    /// The purpose.
    pub purpose: Purpose,
    /// What makes it lawful.
    pub legal_basis: LegalBasis,
    /// Whom data is about: `VISITOR`, `MEMBER`, or `ANYONE`, whoever the customer's documents name.
    pub people: Vec<String>,
    /// Which categories of data.
    pub categories: Vec<String>,
    /// How long it is kept.
    pub retention: Vec<String>,
    /// The plugins that get data for it.
    pub recipient_ids: Vec<String>,
    /// Third countries that data goes to, with the safeguard.
    pub transfers: Vec<String>,
    /// Columns with personal data.
    pub columns: i32,
    /// Of these, how many are sealed by themselves.
    pub sealed_columns: i32,
}

/// Reading the records.
#[derive(Default)]
pub struct RecordsQuery;

#[Object]
impl RecordsQuery {
    /// The records of processing activities of the workspace (GDPR art. 30).
    async fn records_of_processing(&self, ctx: &Context<'_>) -> Result<RecordsOfProcessing> {
        let scope = ctx.scope(Permission::PrivacyRead)?;
        let made = records::make(&scope, ctx.store(), &ctx.services().registry).await;
        made.map(RecordsOfProcessing::from).map_err(refuse)
    }
}

impl From<records::Records> for RecordsOfProcessing {
    fn from(r: records::Records) -> Self {
        let (markdown, csv) = (r.markdown(), r.csv());
        Self {
            generated_at: r.generated_at.into(),
            controller_name: r.information.controller_name,
            dpo_email: r.information.dpo_email,
            activities: r.activities.into_iter().map(ProcessingActivity::from).collect(),
            measures: records::MEASURES.iter().map(|&measure| measure.to_owned()).collect(),
            markdown,
            csv,
        }
    }
}

impl From<records::Activity> for ProcessingActivity {
    fn from(a: records::Activity) -> Self {
        let number = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
        let transfers = a.recipients.iter().filter(|party| party.is_transfer);
        Self {
            purpose: a.purpose.into(),
            legal_basis: a.purpose.legal_basis().into(),
            people: a.people,
            categories: a.categories,
            retention: a.retention,
            transfers: transfers.map(|party| format!("{}: {}", party.region, party.safeguard)).collect(),
            recipient_ids: a.recipients.into_iter().map(|party| party.plugin).collect(),
            columns: number(a.sealed.0),
            sealed_columns: number(a.sealed.1),
        }
    }
}
