//! How often somebody may have a text corrected. In memory, for each process.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use consigne_foundation::{Error, ErrorKind, Result, Scope, Timestamp, id::WorkspaceId};
use uuid::Uuid;

/// Corrections in a minute, of a member or a program, and of a visitor.
const OF_STAFF: i64 = 30;
const OF_VISITOR: i64 = 6;

const MINUTE: i64 = 60_000;

/// Somebody: a workspace, and who acts there.
type Who = (WorkspaceId, Option<Uuid>);

/// The last minute of everybody.
#[derive(Default)]
pub(super) struct Rates(Mutex<HashMap<Who, (i64, i64)>>);

impl Rates {
    /// Counts one more in this minute.
    ///
    /// # Errors
    /// `RateLimited`.
    pub(super) fn take(&self, scope: &Scope, is_visitor: bool, now: Timestamp) -> Result<()> {
        let minute = now.0.div_euclid(MINUTE);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody of an earlier minute is kept.
        all.retain(|_, (of, _)| *of == minute);
        let (_, count) = all.entry((scope.workspace(), scope.actor().id())).or_insert((minute, 0));
        *count += 1;
        if *count > if is_visitor { OF_VISITOR } else { OF_STAFF } {
            return Err(Error::new(ErrorKind::RateLimited, "Too many corrections in a minute; try again in the next."));
        }
        Ok(())
    }
}
