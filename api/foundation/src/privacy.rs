//! People's rights over what a workspace holds about them.
//!
//! The engine knows [`DataHolder`]s, never chats: a feature crate owns tables, so it holds personal data, so it answers
//! here. No method has a default body; the compiler lists who has to answer when a right is added.
//!
//! Reading order: [`subjects`], [`identifiers`] (what people are known by), [`merges`] (who is one), [`register`], [`holder`],
//! [`holding`] (what tables have about somebody), [`persons`]; then the rights: [`exports`] (GDPR art. 15 and 20),
//! [`restriction`] (art. 18) with [`recipients`] (who got data) and [`recipient_changes`] (who is to), [`erasure`] (art. 17), [`ledger`], [`second_reader`], [`holds`],
//! [`certificate`], [`finality`]; [`retention`] (art. 5(1)(e)); then [`purposes`], [`instructions`], [`consents`] (art. 7),
//! [`objections`] (art. 21), and [`admission`], which asks them all; then [`calendar`], [`requests`] (who asks, and by when),
//! [`mails`], [`information`] (what the public is told), [`records`] (art. 30).
//!
//! Invariants, as absences:
//! - Nothing reports done what it did not count: a step whose store is down stays PENDING.
//! - No erasure can be undone by a restore: its ledger entry stands outside the database and was written first.
//! - No certificate is signed over a remainder.
//! - Nothing is done for a purpose that the workspace revoked, or that the person objected to or did not consent to.

pub mod admission;
pub mod calendar;
pub mod certificate;
pub mod consents;
pub mod erasure;
pub mod exports;
pub mod finality;
pub mod holder;
pub mod holding;
pub mod holds;
pub mod identifiers;
pub mod identity_holder;
pub mod information;
pub mod instructions;
pub mod ledger;
pub mod mails;
pub mod member_holder;
pub mod merges;
pub mod objections;
pub mod persons;
pub mod purposes;
pub mod recipient_changes;
pub mod recipients;
pub mod records;
pub mod register;
pub mod requests;
pub mod restriction;
pub mod retention;
pub mod rights_holder;
pub mod second_reader;
pub mod subjects;
pub mod word_holder;

use std::sync::Arc;

pub use self::{
    erasure::{EraseHandler, Erasure, ErasureState, ErasureStep, LedgerReplay, StepState, replay},
    exports::{ExportHandler, ExportSweep},
    finality::FinalCertificates,
    holder::DataHolder,
    identity_holder::IdentityHolder,
    mails::PrivacyMailHandler,
    member_holder::MemberHolder,
    objections::ObjectionReplay,
    purposes::Purpose,
    recipient_changes::RecipientNotices,
    requests::{PrivacyDeadlines, PrivacyMailboxes},
    rights_holder::RightsHolder,
    second_reader::OtherRole,
    word_holder::WordHolder,
};
use crate::{backups::Backups, blobs::Blobs, store::Store};

/// The engine: the stores it reaches and everyone who holds personal data. Cheap to clone.
#[derive(Clone)]
pub struct Privacy {
    store: Store,
    blobs: Blobs,
    holders: Arc<[Arc<dyn DataHolder>]>,
    backups: Option<Backups>,
    other_role: Option<OtherRole>,
}

impl Privacy {
    /// An engine over these holders, asked in this order.
    pub fn new(store: Store, blobs: Blobs, holders: Vec<Arc<dyn DataHolder>>) -> Self {
        Self { store, blobs, holders: holders.into(), backups: None, other_role: None }
    }

    /// With backups, from whose copy of the key store an erased person's key has to go too.
    pub fn with_backups(self, backups: Backups) -> Self {
        Self { backups: Some(backups), ..self }
    }

    /// With a second reader under another database role.
    pub fn with_other_role(self, other_role: OtherRole) -> Self {
        Self { other_role: Some(other_role), ..self }
    }

    /// The database.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The files.
    pub(crate) fn blobs(&self) -> &Blobs {
        &self.blobs
    }

    /// Backups of the installation, where it makes any.
    pub(crate) fn backups(&self) -> Option<&Backups> {
        self.backups.as_ref()
    }

    /// The tables that holders answer for.
    pub(crate) fn held_tables(&self) -> impl Iterator<Item = &'static holding::Table> {
        self.holders.iter().flat_map(|holder| holder.tables())
    }
}
