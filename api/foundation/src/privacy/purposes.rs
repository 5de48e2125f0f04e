//! Why personal data is processed: a closed list, and what is true of each purpose.
//!
//! The legal bases are the customer's, who is the controller; they are what this product is made for, and go into the
//! records of processing (GDPR art. 30) and into the answer to an access request (art. 15(1)(a)).

use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::error::Error;

/// A purpose. Closed: one outside this list cannot be named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Answering a visitor's question.
    Answering,
    /// Handing a chat over to people.
    Escalation,
    /// Correcting a text before it is sent.
    Correction,
    /// Making the customer's knowledge searchable.
    KnowledgeIndexing,
    /// Counting what was asked and how it ended, of those who agreed.
    Analytics,
    /// Letting the right people in.
    AccessControl,
    /// Showing that the rules were kept (art. 5(2)).
    Accountability,
    /// Keeping what the customer configured.
    Configuration,
    /// Sealing what is stored (art. 32).
    Encryption,
    /// Keeping the installation running.
    Operation,
    /// Serving people's rights (chapter III).
    Rights,
}

/// What makes processing lawful (art. 6(1)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LegalBasis {
    /// The person agreed (a).
    Consent,
    /// A contract with the person needs it (b).
    Contract,
    /// The law asks for it (c).
    LegalObligation,
    /// The controller's legitimate interests (f).
    LegitimateInterests,
}

/// How a person objects (art. 21).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Objection {
    /// Holds at once, without a person in between.
    AtOnce,
    /// By a privacy request: somebody has to weigh the grounds, or to find the person in the customer's documents.
    ByRequest,
    /// There is nothing to object to: consent is withdrawn instead, and what the law asks for stays.
    None,
}

/// How long what is processed is kept, by kind. `personal_data.toml` says it for each column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetentionClass {
    /// For the call alone.
    Call,
    /// 12 months after a chat's last message.
    Conversation,
    /// As long as the document that it came from.
    Document,
    /// No longer than what it is counted from; numbers alone leave.
    Count,
    /// As long as the membership, and 3 years restricted after.
    Membership,
    /// 6 months for the audit log; 3 years for what proves that a right was served.
    Record,
    /// As long as the contract, and 90 days at most after.
    Contract,
}

impl Purpose {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Answering,
        Self::Escalation,
        Self::Correction,
        Self::KnowledgeIndexing,
        Self::Analytics,
        Self::AccessControl,
        Self::Accountability,
        Self::Configuration,
        Self::Encryption,
        Self::Operation,
        Self::Rights,
    ];

    /// The name in the database, in the register and in the schema.
    pub fn name(self) -> &'static str {
        match self {
            Self::Answering => "ANSWERING",
            Self::Escalation => "ESCALATION",
            Self::Correction => "CORRECTION",
            Self::KnowledgeIndexing => "KNOWLEDGE_INDEXING",
            Self::Analytics => "ANALYTICS",
            Self::AccessControl => "ACCESS_CONTROL",
            Self::Accountability => "ACCOUNTABILITY",
            Self::Configuration => "CONFIGURATION",
            Self::Encryption => "ENCRYPTION",
            Self::Operation => "OPERATION",
            Self::Rights => "RIGHTS",
        }
    }

    /// What it is, for a person.
    pub fn summary(self) -> &'static str {
        match self {
            Self::Answering => "Answering a visitor's question from the customer's knowledge.",
            Self::Escalation => "Handing a chat over to people, and bringing their answers back.",
            Self::Correction => "Correcting a text before it is sent.",
            Self::KnowledgeIndexing => "Making the customer's documents and websites searchable.",
            Self::Analytics => {
                "Counting what was asked and how it ended, of visitors who agreed, in groups of ten or more."
            }
            Self::AccessControl => "Letting the right people and programs in, and nobody else.",
            Self::Accountability => "Showing that the rules were kept: the audit log, proofs, records.",
            Self::Configuration => "Keeping what the customer configured.",
            Self::Encryption => "Sealing what is stored, and destroying keys.",
            Self::Operation => "Keeping the installation running: jobs, budgets, deliveries.",
            Self::Rights => "Serving people's rights, and recording that it was done.",
        }
    }

    /// What makes it lawful.
    pub fn legal_basis(self) -> LegalBasis {
        match self {
            Self::Analytics => LegalBasis::Consent,
            Self::AccessControl | Self::Configuration => LegalBasis::Contract,
            Self::Accountability | Self::Encryption | Self::Rights => LegalBasis::LegalObligation,
            Self::Answering | Self::Escalation | Self::Correction | Self::KnowledgeIndexing | Self::Operation => {
                LegalBasis::LegitimateInterests
            }
        }
    }

    /// How long what is processed for it is kept.
    pub fn retention(self) -> RetentionClass {
        match self {
            Self::Answering | Self::Escalation => RetentionClass::Conversation,
            Self::Correction => RetentionClass::Call,
            Self::KnowledgeIndexing => RetentionClass::Document,
            Self::Analytics => RetentionClass::Count,
            Self::AccessControl => RetentionClass::Membership,
            Self::Accountability | Self::Rights => RetentionClass::Record,
            Self::Configuration | Self::Encryption | Self::Operation => RetentionClass::Contract,
        }
    }

    /// How a person objects to it.
    pub fn objection(self) -> Objection {
        match self {
            Self::Answering | Self::Escalation | Self::Correction => Objection::AtOnce,
            Self::KnowledgeIndexing | Self::Operation => Objection::ByRequest,
            _ => Objection::None,
        }
    }

    /// Whether nothing may be done for it without the person's consent.
    pub fn rests_on_consent(self) -> bool {
        self.legal_basis() == LegalBasis::Consent
    }

    /// Whether it is done on the workspace's instruction, which can be revoked (art. 28(3)(a)). The others are what any
    /// processing here needs, or what the law asks for: they end with the contract.
    pub fn is_instructed(self) -> bool {
        matches!(
            self,
            Self::Answering | Self::Escalation | Self::Correction | Self::KnowledgeIndexing | Self::Analytics
        )
    }

    /// Whether the agreement itself instructs it, so that it holds until it is revoked.
    pub fn is_instructed_from_the_start(self) -> bool {
        self != Self::Analytics
    }
}

impl LegalBasis {
    /// The place in the regulation.
    pub fn article(self) -> &'static str {
        match self {
            Self::Consent => "GDPR art. 6(1)(a)",
            Self::Contract => "GDPR art. 6(1)(b)",
            Self::LegalObligation => "GDPR art. 6(1)(c)",
            Self::LegitimateInterests => "GDPR art. 6(1)(f)",
        }
    }

    /// What it is, for the person.
    pub fn summary(self) -> &'static str {
        match self {
            Self::Consent => "you agreed",
            Self::Contract => "a contract with you, or steps before it, need it",
            Self::LegalObligation => "the law asks for it",
            Self::LegitimateInterests => "the controller's legitimate interests",
        }
    }
}

impl RetentionClass {
    /// How long, for a person.
    pub fn summary(self) -> &'static str {
        match self {
            Self::Call => "For the call alone; nothing is kept.",
            Self::Conversation => "12 months after the chat's last message.",
            Self::Document => "As long as the document that it came from.",
            Self::Count => "Counted when asked for, from chats that are there; nothing more is kept.",
            Self::Membership => "As long as the membership, and 3 years restricted after.",
            Self::Record => "6 months for the audit log; 3 years for what proves that a right was served.",
            Self::Contract => "As long as the contract, and 90 days at most after.",
        }
    }
}

/// By its name.
impl Serialize for Purpose {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.name())
    }
}

impl FromStr for Purpose {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let found = Self::ALL.into_iter().find(|purpose| purpose.name() == name);
        found.ok_or_else(|| Error::invalid("purpose", "There is no such purpose."))
    }
}

impl From<consigne_sdk::Purpose> for Purpose {
    fn from(declared: consigne_sdk::Purpose) -> Self {
        match declared {
            consigne_sdk::Purpose::KnowledgeIndexing => Self::KnowledgeIndexing,
            consigne_sdk::Purpose::Answering => Self::Answering,
            consigne_sdk::Purpose::Escalation => Self::Escalation,
            consigne_sdk::Purpose::Correction => Self::Correction,
            consigne_sdk::Purpose::Rights => Self::Rights,
            consigne_sdk::Purpose::Accountability => Self::Accountability,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_purpose_is_told_by_its_name() {
        for purpose in Purpose::ALL {
            assert_eq!(purpose.name().parse::<Purpose>().unwrap(), purpose);
        }
        assert!("MARKETING".parse::<Purpose>().is_err());
    }

    #[test]
    fn what_rests_on_consent_is_withdrawn_and_never_objected_to() {
        for purpose in Purpose::ALL {
            assert!(!purpose.rests_on_consent() || purpose.objection() == Objection::None, "{purpose:?}");
            let by_interest = purpose.legal_basis() == LegalBasis::LegitimateInterests;
            assert_eq!(purpose.objection() != Objection::None, by_interest, "{purpose:?}: art. 21 covers (e) and (f)");
        }
    }
}
