//! The log of objections: one small object for each word, in the file store, outside what restoring the database can roll
//! back. Never changed, surrogate ids only. The path holds all that is needed to find the newest: listing reads no object.

use serde::{Deserialize, Serialize};

use crate::{
    blobs::Blobs,
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::{SubjectId, WorkspaceId},
    privacy::purposes::Purpose,
};

const PREFIX: &str = "objections";

/// What the log says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// In this workspace.
    pub workspace: WorkspaceId,
    /// Who.
    pub subject: SubjectId,
    /// To which purpose.
    pub purpose: String,
    /// Counts the person's words about this purpose, from 1.
    pub revision: i64,
    /// Whether they object; else they took it back.
    pub stands: bool,
    /// When.
    pub at: Timestamp,
}

/// Where an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// In this workspace.
    pub workspace: WorkspaceId,
    /// Who.
    pub subject: SubjectId,
    /// To which purpose.
    pub purpose: String,
    /// Which word of theirs.
    pub revision: i64,
}

impl Place {
    fn path(&self) -> String {
        format!("{PREFIX}/{}/{}/{}/{:08}", self.workspace, self.subject, self.purpose, self.revision)
    }

    fn of(path: &str) -> Option<Self> {
        let mut parts = path.strip_prefix(PREFIX)?.trim_start_matches('/').split('/');
        let (workspace, subject) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let (purpose, revision) = (parts.next()?.to_owned(), parts.next()?.parse().ok()?);
        Some(Self { workspace, subject, purpose, revision })
    }
}

/// The number of the next word of a person about a purpose. It comes from the log: a database that was restored may have
/// forgotten some.
///
/// # Errors
/// `Unavailable`.
pub async fn next_revision(blobs: &Blobs, workspace: WorkspaceId, subject: SubjectId, purpose: Purpose) -> Result<i64> {
    let paths = blobs.list_prefix(&format!("{PREFIX}/{workspace}/{subject}/{}", purpose.name())).await?;
    Ok(paths.iter().filter_map(|path| Place::of(path)).map(|place| place.revision).max().unwrap_or(0) + 1)
}

/// Writes an entry.
///
/// # Errors
/// `Unavailable`: nothing may be recorded then; `Conflict` where another word came at the same time.
pub async fn write(blobs: &Blobs, entry: &Entry) -> Result<()> {
    let bytes = serde_json::to_vec(entry).map_err(|e| Error::internal("an objection's entry").because(e))?;
    let place = Place {
        workspace: entry.workspace,
        subject: entry.subject,
        purpose: entry.purpose.clone(),
        revision: entry.revision,
    };
    blobs.append_once(&place.path(), bytes.into()).await
}

/// The newest word of each person about each purpose, in a workspace.
///
/// # Errors
/// `Unavailable`.
pub async fn newest(blobs: &Blobs, workspace: WorkspaceId) -> Result<Vec<Place>> {
    let paths = blobs.list_prefix(&format!("{PREFIX}/{workspace}")).await?;
    let mut all: Vec<Place> = Vec::new();
    // In order of their paths: each later one of the same person and purpose takes the place of the one before.
    for place in paths.iter().filter_map(|path| Place::of(path)) {
        match all.last_mut() {
            Some(last) if (last.subject, &last.purpose) == (place.subject, &place.purpose) => *last = place,
            _ => all.push(place),
        }
    }
    Ok(all)
}

/// An entry.
///
/// # Errors
/// `Unavailable`; `Corrupt`.
pub async fn read(blobs: &Blobs, place: &Place) -> Result<Entry> {
    let bytes = blobs.get_small(&place.path()).await?;
    let unreadable = "An entry of the log of objections cannot be read.";
    let entry: Entry =
        serde_json::from_slice(&bytes).map_err(|e| Error::new(ErrorKind::Corrupt, unreadable).because(e))?;
    let is_of_here = entry.workspace == place.workspace && entry.subject == place.subject;
    if is_of_here { Ok(entry) } else { Err(Error::new(ErrorKind::Corrupt, unreadable)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn a_place_is_read_back_from_its_path() {
        let clock = Clock::fixed(Timestamp(1_790_000_000_000));
        let place = Place {
            workspace: WorkspaceId::new(&clock),
            subject: SubjectId::new(&clock),
            purpose: "ESCALATION".to_owned(),
            revision: 12,
        };
        assert_eq!(Place::of(&place.path()), Some(place));
        assert_eq!(Place::of("ledger/era_1"), None);
    }
}
