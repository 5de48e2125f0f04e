//! People's rights over what a workspace holds about them.
//!
//! The engine knows [`DataHolder`]s, never chats: a feature crate owns tables, so it holds personal data, so it answers
//! here. No method has a default body; the compiler lists who has to answer when a right is added.
//!
//! Reading order: [`subjects`], [`identifiers`] (what people are known by), [`merges`] (who is one), [`register`], [`holder`],
//! [`holding`] (what tables have about somebody), [`persons`]; then the rights: [`exports`] (GDPR art. 15 and 20),
//! [`restriction`] (art. 18) with [`recipients`] (who got data), [`erasure`] (art. 17), [`ledger`], [`second_reader`],
//! [`certificate`].
//!
//! Invariants, as absences:
//! - Nothing reports done what it did not count: a step whose store is down stays PENDING.
//! - No erasure can be undone by a restore: its ledger entry stands outside the database and was written first.
//! - No certificate is signed over a remainder.

pub mod certificate;
pub mod erasure;
pub mod exports;
pub mod holder;
pub mod holding;
pub mod identifiers;
pub mod identity_holder;
pub mod ledger;
pub mod member_holder;
pub mod merges;
pub mod persons;
pub mod recipients;
pub mod register;
pub mod restriction;
pub mod rights_holder;
pub mod second_reader;
pub mod subjects;

use std::sync::Arc;

pub use self::{
    erasure::{EraseHandler, Erasure, ErasureState, ErasureStep, LedgerReplay, StepState},
    exports::{ExportHandler, ExportSweep},
    holder::DataHolder,
    identity_holder::IdentityHolder,
    member_holder::MemberHolder,
    rights_holder::RightsHolder,
};
use crate::{blobs::Blobs, store::Store};

/// The engine: the stores it reaches and everyone who holds personal data. Cheap to clone.
#[derive(Clone)]
pub struct Privacy {
    store: Store,
    blobs: Blobs,
    holders: Arc<[Arc<dyn DataHolder>]>,
}

impl Privacy {
    /// An engine over these holders, asked in this order.
    pub fn new(store: Store, blobs: Blobs, holders: Vec<Arc<dyn DataHolder>>) -> Self {
        Self { store, blobs, holders: holders.into() }
    }

    /// The database.
    pub fn store(&self) -> &Store {
        &self.store
    }
}
