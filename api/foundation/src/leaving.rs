//! Leaving with everything: all of a workspace as one archive that other programs read, and back into an empty installation.
//!
//! The archive is a ZIP: each table as NDJSON and as CSV, opened; the files of documents; a manifest with counts, hashes and what
//! was left out, with the reason. What an import reads in gives the same archive again, to the hash of each NDJSON file.
//!
//! Reading order: [`plan`] (which tables and columns), [`opened`] (values opened, and sealed again), [`csv`], [`lines`] (a table as
//! lines), [`pour`] (an archive while it streams), [`manifest`]; then [`exports`] (asking for one, and its link), [`make`], [`keep`];
//! then [`archive`] and [`import`]; and [`termination`], the end of the contract.
//!
//! Invariants, as absences:
//! - No column is left out in silence: the manifest names it, and why.
//! - No secret leaves: passwords, keys, tokens, settings of plugins.
//! - No archive is whole in memory, or stands anywhere unsealed.
//! - No archive outlives the erasure of somebody who is in it.
//! - Nothing is imported over anything, or before every hash was checked.

pub mod archive;
pub(crate) mod csv;
pub mod exports;
pub mod fill;
pub mod import;
pub mod keep;
pub(crate) mod lines;
pub mod make;
pub mod manifest;
pub(crate) mod opened;
pub(crate) mod plan;
pub(crate) mod pour;
pub mod termination;

pub use self::{
    exports::{WorkspaceExport, WorkspaceExportState},
    keep::{ArchiveHolder, ArchiveSweep},
    make::ArchiveHandler,
    termination::{
        Termination, TerminationState,
        duty::{TerminationDuty, TerminationMeter},
        purge::{Estate, TerminationHandler},
    },
};
