//! People's rights over what a workspace holds about them.
//!
//! The engine knows [`DataHolder`]s, never chats: a feature crate owns tables, so it holds personal data, so it answers
//! here. No method has a default body; the compiler lists who has to answer when a right is added.
//!
//! Reading order: [`subjects`], [`holder`], [`erasure`] (GDPR art. 17), [`ledger`], [`second_reader`], [`certificate`]; then
//! [`purposes`], [`instructions`], [`consents`] (art. 7), [`objections`] (art. 21), and [`admission`], which asks them all; then
//! [`calendar`], [`requests`] (who asks, and by when), [`mails`], [`information`] (what the public is told), [`records`] (art. 30).
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
pub mod holder;
pub mod identity_holder;
pub mod information;
pub mod instructions;
pub mod ledger;
pub mod mails;
pub mod objections;
pub mod purposes;
pub mod records;
pub mod requests;
pub mod second_reader;
pub mod subjects;
pub mod word_holder;

use std::sync::Arc;

pub use self::{
    erasure::{EraseHandler, Erasure, ErasureState, ErasureStep, LedgerReplay, StepState},
    holder::DataHolder,
    identity_holder::IdentityHolder,
    mails::PrivacyMailHandler,
    objections::ObjectionReplay,
    purposes::Purpose,
    requests::PrivacyDeadlines,
    word_holder::WordHolder,
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
