//! The processing declaration: which personal data a plugin is handed, why, where, and for how long it is kept.
//!
//! From the declarations of the enabled plugins come the sub-processor register (GDPR art. 28(2)), the recipients of an
//! access request (art. 15(1)(c)) and the records of processing (art. 30).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who the operator of the plugin's other side is, in the sense of GDPR art. 4 and 28.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ProcessorRole {
    /// Runs inside this installation; nobody else gets data.
    Internal,
    /// Another party that processes on our behalf.
    SubProcessor,
}

/// Kinds of personal data that a plugin may be handed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DataCategory {
    /// Passages of the customer's knowledge.
    Knowledge,
    /// What visitors write and what they are answered.
    Conversation,
    /// Numbers derived from text, without the text.
    Vectors,
    /// Contact details that a person volunteered.
    Contact,
    /// Texts that are corrected, with personal data masked.
    Drafts,
}

/// Why data is processed. Closed: a purpose outside this list cannot be named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Purpose {
    /// Making the customer's knowledge searchable.
    KnowledgeIndexing,
    /// Answering a visitor's question.
    Answering,
    /// Handing a chat over to people.
    Escalation,
    /// Correcting a text before it is sent.
    Correction,
    /// Serving people's rights: codes, notices, answers.
    Rights,
    /// Showing that the rules were kept.
    Accountability,
}

/// Where the other side processes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Region {
    /// On this installation's own machines.
    Local,
    /// Inside the European Economic Area.
    Eea,
    /// In another country, by ISO 3166-1 alpha-2 code.
    Country(String),
    /// Nobody has declared it; treated as outside the EEA.
    Undeclared,
}

/// What makes a transfer lawful (GDPR chapter V).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Safeguard {
    /// Nothing leaves the EEA.
    NotNeeded,
    /// Adequacy decision (art. 45).
    Adequacy,
    /// Standard contractual clauses (art. 46).
    StandardClauses,
    /// Nobody has declared one.
    Undeclared,
}

/// How long the other side keeps what it is handed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Retention {
    /// Not beyond the request.
    None,
    /// As long as the workspace keeps the source.
    WithSource,
    /// This many days.
    Days(u32),
    /// Nobody has declared it.
    Undeclared,
}

/// The members of the European Economic Area: a declared `FR` is the EEA, not a third country.
const EEA: [&str; 30] = [
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IS", "IT", "LI", "LT",
    "LU", "LV", "MT", "NL", "NO", "PL", "PT", "RO", "SE", "SI", "SK",
];

impl Region {
    /// What [`Region::code`] gives, or the code of a country; `UNDECLARED` where it is neither.
    pub fn of_code(code: &str) -> Self {
        match code {
            "LOCAL" => Self::Local,
            "EEA" => Self::Eea,
            country if EEA.contains(&country) => Self::Eea,
            country if country.len() == 2 && country.bytes().all(|b| b.is_ascii_uppercase()) => {
                Self::Country(country.to_owned())
            }
            _ => Self::Undeclared,
        }
    }

    /// `LOCAL`, `EEA`, an ISO 3166-1 alpha-2 code, or `UNDECLARED`.
    pub fn code(&self) -> String {
        match self {
            Self::Local => "LOCAL".to_owned(),
            Self::Eea => "EEA".to_owned(),
            Self::Country(code) => code.clone(),
            Self::Undeclared => "UNDECLARED".to_owned(),
        }
    }
}

impl Safeguard {
    /// The name in settings and in the schema.
    pub fn code(self) -> &'static str {
        match self {
            Self::NotNeeded => "NOT_NEEDED",
            Self::Adequacy => "ADEQUACY",
            Self::StandardClauses => "STANDARD_CLAUSES",
            Self::Undeclared => "UNDECLARED",
        }
    }
}

impl Retention {
    /// `NONE`, `WITH_SOURCE`, a number of days, or `UNDECLARED`.
    pub fn code(self) -> String {
        match self {
            Self::None => "NONE".to_owned(),
            Self::WithSource => "WITH_SOURCE".to_owned(),
            Self::Days(days) => days.to_string(),
            Self::Undeclared => "UNDECLARED".to_owned(),
        }
    }
}

/// The declaration itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Processing {
    /// Inside this installation, or another party.
    pub role: ProcessorRole,
    /// Who operates the other side, as a contract would name them.
    pub operator: String,
    /// Where.
    pub region: Region,
    /// Under which transfer safeguard.
    pub safeguard: Safeguard,
    /// Which categories it is handed.
    pub categories: Vec<DataCategory>,
    /// For which purposes.
    pub purposes: Vec<Purpose>,
    /// How long the other side keeps it.
    pub retention: Retention,
}

impl Processing {
    /// A plugin that works inside this process and keeps nothing of its own.
    pub fn internal(categories: Vec<DataCategory>, purposes: Vec<Purpose>) -> Self {
        Self {
            role: ProcessorRole::Internal,
            operator: "this installation".into(),
            region: Region::Local,
            safeguard: Safeguard::NotNeeded,
            categories,
            purposes,
            retention: Retention::None,
        }
    }
}
