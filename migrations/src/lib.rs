//! One ordered history for all tables, on SQLite and on Postgres.
//!
//! Tables are named as text and nothing of ours is imported, so that a migration written today means the same in five
//! years. Reading order: the `.sql` files, [`dialect`], [`isolation`], [`restriction`], [`expiry`], [`history`].
//!
//! Invariants, as absences:
//! - No table whose first column is `workspace_id` is without forced row-level security on Postgres.
//! - The application role owns nothing here.
//! - No table with a `subject_id` lets restricted data be written or seen.

pub mod dialect;
pub mod expiry;
pub mod history;
pub mod isolation;
mod leaving;
pub mod restriction;

pub use history::{applied, data_steps, grant_reading, migrate_data, migrate_data_to, migrate_keys, pending};
