//! Removing backups that were kept long enough, and files that none of the others needs.

use std::{collections::HashSet, time::Duration};

use super::{
    Backups, files,
    manifest::Manifest,
    record,
    target::{FILES, Target, files_path},
};
use crate::{audit::Event, clock::Timestamp, error::Result, id::BackupId};

/// A backup without a manifest is not being made any more after this long.
const ABANDONED: Duration = Duration::from_secs(6 * 3_600);

/// What else is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sweep {
    /// Files that no backup needs. Only while no other backup is being made: what it has written belongs to none yet.
    Files,
    /// Nothing.
    Nothing,
}

impl Backups {
    /// Removes what was kept long enough, and notes what is there. Answers how many were removed.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn prune(&self, target: &Target, sweep: Sweep) -> Result<u64> {
        let now = self.store().now();
        let (mut there, mut removed) = (Vec::new(), Vec::new());
        for id in target.backups().await? {
            let manifest = Manifest::peek(target, id).await?;
            let is_over = match &manifest {
                Some(manifest) => manifest.began_at.plus(self.keep()) <= now,
                None => made_at(id).plus(ABANDONED) <= now,
            };
            match manifest {
                _ if is_over => {
                    target.remove(id).await?;
                    removed.push(id);
                }
                Some(manifest) => there.push((id, manifest)),
                None => {}
            }
        }
        if sweep == Sweep::Files {
            remove_unneeded_files(target, &there).await?;
        }
        // The database may have been restored since: it learns what is there.
        for (_, manifest) in &there {
            record::done(self.store(), target.name(), manifest).await?;
        }
        let ids: Vec<BackupId> = there.iter().map(|(id, _)| *id).collect();
        record::only_these_are_there(self.store(), target.name(), &ids).await?;
        for id in &removed {
            record::tell_all(self.store(), || Event::new("backup.removed").target("backup", id.0)).await?;
        }
        Ok(removed.len() as u64)
    }
}

async fn remove_unneeded_files(target: &Target, there: &[(BackupId, Manifest)]) -> Result<()> {
    let mut needed = HashSet::new();
    for (id, manifest) in there {
        let list = files::list(target, &files_path(*id), Some(&manifest.file_list)).await?;
        needed.extend(list.into_iter().map(|file| file.object));
    }
    for object in target.list(FILES).await? {
        if !needed.contains(object.location.as_ref()) {
            target.delete(&object.location).await?;
        }
    }
    Ok(())
}

/// When an id was made, which it says itself (RFC 9562, version 7).
fn made_at(id: BackupId) -> Timestamp {
    let (seconds, nanos) = id.0.get_timestamp().map_or((0, 0), |at| at.to_unix());
    Timestamp(i64::try_from(seconds).unwrap_or(0) * 1_000 + i64::from(nanos / 1_000_000))
}
