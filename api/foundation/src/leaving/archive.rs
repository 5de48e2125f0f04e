//! An archive that was brought along, opened and checked before anything of it is believed.

use std::{
    collections::HashSet,
    fs::File as OnDisk,
    io::{BufRead, BufReader, Read},
    path::Path,
};

use sha2::{Digest, Sha256};
use zip::ZipArchive;

use super::manifest::{self, File, Manifest};
use crate::error::{Error, ErrorKind, Result};

/// The most bytes of a manifest.
const LONGEST_MANIFEST: u64 = 64 << 20;

/// The longest line: no value that one row holds comes near it.
const LONGEST_LINE: u64 = 64 << 20;

/// An archive on disk.
pub struct Archive {
    zip: ZipArchive<OnDisk>,
    manifest: Manifest,
}

impl Archive {
    /// Opens it and reads its manifest.
    ///
    /// # Errors
    /// `NotFound`; `Corrupt` where it is no archive of ours; `Misconfigured` where it is laid out in another way.
    pub fn open(path: &Path) -> Result<Self> {
        let file = OnDisk::open(path).map_err(|error| {
            Error::new(ErrorKind::NotFound, format!("{} cannot be read.", path.display())).because(error)
        })?;
        let mut zip = ZipArchive::new(file).map_err(|_| corrupt("It is no ZIP archive, or it was cut."))?;
        let mut text = Vec::new();
        {
            let entry = zip.by_name(manifest::PATH).map_err(|_| corrupt("It has no manifest.json."))?;
            entry
                .take(LONGEST_MANIFEST)
                .read_to_end(&mut text)
                .map_err(|_| corrupt("manifest.json cannot be read."))?;
        }
        let said: serde_json::Value =
            serde_json::from_slice(&text).map_err(|_| corrupt("manifest.json is not JSON."))?;
        let format = said["format"].as_str().unwrap_or("an unknown format");
        if format != manifest::FORMAT {
            let message = format!("The archive is laid out as {format}; this program reads {}.", manifest::FORMAT);
            return Err(Error::new(ErrorKind::Misconfigured, message));
        }
        let manifest = serde_json::from_value(said)
            .map_err(|error| corrupt("manifest.json is not what such a manifest is.").because(error))?;
        Ok(Self { zip, manifest })
    }

    /// What it says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Reads every file and compares it with the manifest.
    ///
    /// # Errors
    /// `Corrupt`, with the file that is missing, changed, or not named.
    pub fn check(&mut self) -> Result<()> {
        let told: Vec<File> = self.manifest.all_files().cloned().collect();
        let named: HashSet<&str> = told.iter().map(|file| file.path.as_str()).chain([manifest::PATH]).collect();
        for name in self.zip.file_names() {
            let name = name.map_err(|_| corrupt("The name of a file in it cannot be read."))?;
            if !named.contains(&*name) {
                return Err(corrupt(format!("{name} is not named by the manifest.")));
            }
        }
        for file in &told {
            let mut entry = self.zip.by_name(&file.path).map_err(|_| corrupt(format!("{} is missing.", file.path)))?;
            let (mut hash, mut bytes, mut piece) = (Sha256::new(), 0, vec![0; 64 * 1024]);
            loop {
                let read = entry.read(&mut piece).map_err(|_| changed(&file.path))?;
                if read == 0 {
                    break;
                }
                hash.update(&piece[..read]);
                bytes += read as u64;
            }
            if bytes != file.bytes || hex::encode(hash.finalize()) != file.sha256 {
                return Err(changed(&file.path));
            }
        }
        Ok(())
    }

    /// The lines of a file, one after the other.
    pub(crate) fn lines(&mut self, path: &str) -> Result<impl Iterator<Item = Result<String>> + use<'_>> {
        let entry = self.zip.by_name(path).map_err(|_| corrupt(format!("{path} is missing.")))?;
        let mut reader = BufReader::new(entry);
        let path = path.to_owned();
        Ok(std::iter::from_fn(move || {
            let mut line = String::new();
            match (&mut reader).take(LONGEST_LINE).read_line(&mut line) {
                Ok(0) => None,
                Ok(_) if line.ends_with('\n') => Some(Ok(line)),
                _ => Some(Err(changed(&path))),
            }
        }))
    }

    /// The bytes of a file, piece by piece.
    pub(crate) fn pieces(&mut self, path: &str) -> Result<impl Iterator<Item = Result<bytes::Bytes>> + use<'_>> {
        let mut entry = self.zip.by_name(path).map_err(|_| corrupt(format!("{path} is missing.")))?;
        let path = path.to_owned();
        Ok(std::iter::from_fn(move || {
            let mut piece = vec![0; 64 * 1024];
            match entry.read(&mut piece) {
                Ok(0) => None,
                Ok(read) => {
                    piece.truncate(read);
                    Some(Ok(piece.into()))
                }
                Err(_) => Some(Err(changed(&path))),
            }
        }))
    }
}

fn changed(path: &str) -> Error {
    corrupt(format!("{path} is not what the manifest says."))
}

pub(crate) fn corrupt(message: impl AsRef<str>) -> Error {
    Error::new(ErrorKind::Corrupt, format!("The archive cannot be used. {}", message.as_ref()))
}
