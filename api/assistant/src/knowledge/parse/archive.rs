//! A ZIP archive, unpacked member by member and within limits: what Word, Excel, PowerPoint, OpenDocument and EPUB files
//! are.
//!
//! Invariants, as absences:
//! - No size that the archive declares is believed: what is unpacked is counted, over all members together.
//! - No member is unpacked that nobody asks for, so pictures and films cost nothing.

use std::borrow::Cow;
use std::io::{Cursor, Read};

use zip::ZipArchive;
use zip::result::ZipError;

use super::collect::too_complex;
use super::{FailureCode, ParseFailure, ParseLimits};

/// More members than this is no document.
const MOST_MEMBERS: usize = 20_000;

/// An archive, and how much of it may still be unpacked.
pub struct Archive<'a> {
    zip: ZipArchive<Cursor<&'a [u8]>>,
    left: u64,
    limit: u64,
}

impl<'a> Archive<'a> {
    /// Opens an archive.
    ///
    /// # Errors
    /// `Damaged` where it is none, `TooComplex` where it has too many members.
    pub fn open(bytes: &'a [u8], limits: &ParseLimits) -> Result<Self, ParseFailure> {
        let zip = ZipArchive::new(Cursor::new(bytes)).map_err(|_| damaged())?;
        if zip.len() > MOST_MEMBERS {
            return Err(too_complex(format!("more than {MOST_MEMBERS} files in it")));
        }
        Ok(Self { zip, left: limits.unpacked_bytes, limit: limits.unpacked_bytes })
    }

    /// The members' names, in the archive's order. One that is no text is none.
    pub fn names(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.zip.file_names().filter_map(Result::ok)
    }

    /// Whether there is a member of this name.
    pub fn has(&self, name: &str) -> bool {
        self.zip.index_for_name(name).is_some()
    }

    /// A member's bytes; `None` where there is none of this name.
    ///
    /// # Errors
    /// `TooLarge` where all that was unpacked is above the limit, `Encrypted`, `Damaged`.
    pub fn read(&mut self, name: &str) -> Result<Option<Vec<u8>>, ParseFailure> {
        let Some(index) = self.zip.index_for_name(name) else { return Ok(None) };
        let member = self.zip.by_index(index).map_err(unreadable)?;
        let mut bytes = vec![];
        let read = member.take(self.left + 1).read_to_end(&mut bytes).map_err(|_| damaged())? as u64;
        self.spend(read)?;
        Ok(Some(bytes))
    }

    /// Counts what the members whose names pass would unpack to, and keeps nothing.
    ///
    /// # Errors
    /// Those of [`Archive::read`].
    pub fn count(&mut self, is_counted: impl Fn(&str) -> bool) -> Result<(), ParseFailure> {
        let names: Vec<String> = self.names().filter(|name| is_counted(name)).map(Cow::into_owned).collect();
        for name in names {
            let member = self.zip.by_name(&name).map_err(unreadable)?;
            let counted = std::io::copy(&mut member.take(self.left + 1), &mut std::io::sink());
            self.spend(counted.map_err(|_| damaged())?)?;
        }
        Ok(())
    }

    fn spend(&mut self, read: u64) -> Result<(), ParseFailure> {
        self.left = self.left.checked_sub(read).ok_or_else(|| {
            let message = format!(
                "The document unpacks to more than {} MiB. Save it again with fewer embedded objects, or split it.",
                self.limit >> 20
            );
            ParseFailure::new(FailureCode::TooLarge, message)
        })?;
        Ok(())
    }
}

/// The failure for an archive, or XML in it, that cannot be read.
pub fn damaged() -> ParseFailure {
    ParseFailure::new(FailureCode::Damaged, "The document is damaged. Open it, save it again and upload that.")
}

/// The failure for a document that opens with a password.
pub fn encrypted() -> ParseFailure {
    let message = "The document opens with a password only. Save it without a password and upload that.";
    ParseFailure::new(FailureCode::Encrypted, message)
}

fn unreadable(error: ZipError) -> ParseFailure {
    match error {
        ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED) => encrypted(),
        _ => damaged(),
    }
}
