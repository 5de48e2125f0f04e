//! The root key: the one secret that the operator keeps. Whoever has it and the key store can read everything; whoever
//! loses it can read nothing.

use std::{
    fmt,
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use base64::{Engine, alphabet, engine::general_purpose};
use zeroize::Zeroizing;

use super::aead::{self, KEY, Secret};
use crate::error::{Error, ErrorKind, Result};

/// The root key. Its bytes are overwritten when it is dropped, and it never prints them.
#[derive(Clone)]
pub struct RootKey(Secret);

/// Whether a root key file was made just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// It was not there; the operator has to be told to keep a copy.
    Now,
    /// It was there.
    Before,
}

impl RootKey {
    /// These 32 bytes, which must come from a random generator.
    pub fn from_bytes(bytes: [u8; KEY]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// A key written as 64 hexadecimal digits or as base64 of 32 bytes. White space around it is dropped.
    ///
    /// # Errors
    /// `Misconfigured`; the text is not repeated.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        let mut bytes = Secret::default();
        if text.len() == 2 * KEY {
            hex::decode_to_slice(text, bytes.as_mut()).map_err(|_| unreadable())?;
        } else {
            let decoded = Zeroizing::new(from_base64(text).ok_or_else(unreadable)?);
            *bytes = decoded.as_slice().try_into().map_err(|_| unreadable())?;
        }
        if bytes.iter().all(|byte| *byte == bytes[0]) {
            return Err(misconfigured(
                "The root key is one byte repeated, not a random key. Make one with `openssl rand -hex 32`.",
            ));
        }
        Ok(Self(bytes))
    }

    /// Reads the key file, or makes it with a random key, readable by its owner alone.
    ///
    /// A new file appears whole or not at all: it is written beside its place, flushed, and linked into it, which fails
    /// if another process was faster; then that one's key is read.
    ///
    /// # Errors
    /// `Misconfigured` where the file cannot be read, is open to other users, or holds no key.
    pub fn load_or_create(path: &Path) -> Result<(Self, Created)> {
        if let Some(key) = load(path)? {
            return Ok((key, Created::Before));
        }
        let key = Self::random();
        match create_secret_file(path, &key.text()) {
            Ok(()) => Ok((key, Created::Now)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let key = load(path)?.ok_or_else(|| at(path, "disappeared while it was read"))?;
                Ok((key, Created::Before))
            }
            Err(error) => Err(at(path, &format!("cannot be made ({})", error.kind()))),
        }
    }

    /// A new key.
    pub(super) fn random() -> Self {
        Self(aead::random_secret())
    }

    /// As [`RootKey::parse`] reads it.
    pub(super) fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{}\n", *Zeroizing::new(hex::encode(*self.0))))
    }

    /// Tells this key from another, and says nothing about it.
    pub(super) fn mark(&self) -> String {
        hex::encode(&aead::keyed_hash(self.derive("consigne/root-mark/1").as_ref(), &[])[..16])
    }

    /// A key for one use.
    pub(crate) fn derive(&self, info: &str) -> Secret {
        aead::derive(&self.0, info)
    }
}

impl fmt::Debug for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RootKey(Sealed(..))")
    }
}

/// Standard or URL-safe, with or without padding.
fn from_base64(text: &str) -> Option<Vec<u8>> {
    let any_padding = general_purpose::GeneralPurposeConfig::new()
        .with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent);
    [alphabet::STANDARD, alphabet::URL_SAFE]
        .iter()
        .find_map(|alphabet| general_purpose::GeneralPurpose::new(alphabet, any_padding).decode(text).ok())
}

pub(super) fn load(path: &Path) -> Result<Option<RootKey>> {
    let Some(text) = read_secret_file(path)? else { return Ok(None) };
    RootKey::parse(&text).map(Some).map_err(|_| at(path, "holds no key: 64 hexadecimal digits or base64 of 32 bytes"))
}

/// The text of a file that its owner alone may read; none where it is not there.
///
/// # Errors
/// `Misconfigured` where it cannot be read, is open to other users, or is no text.
pub(crate) fn read_secret_file(path: &Path) -> Result<Option<Zeroizing<String>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(at(path, &format!("cannot be read ({})", error.kind()))),
    };
    refuse_open_to_others(path, &file)?;
    let mut text = Zeroizing::new(String::with_capacity(1024));
    Read::take(file, 1024).read_to_string(&mut text).map_err(|_| at(path, "is not text"))?;
    Ok(Some(text))
}

/// Looks at the file that was opened, not at the path: it cannot be exchanged in between.
#[cfg(unix)]
fn refuse_open_to_others(path: &Path, file: &File) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;

    let metadata = file.metadata().map_err(|error| at(path, &format!("cannot be read ({})", error.kind())))?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let path = path.display();
        return Err(misconfigured(format!(
            "The key file {path} is open to other users (mode {mode:04o}). Run `chmod 600 {path}`."
        )));
    }
    Ok(())
}

#[cfg(not(unix))]
fn refuse_open_to_others(_: &Path, _: &File) -> Result<()> {
    Ok(())
}

/// Writes a file that its owner alone may read, whole or not at all, and never over another.
pub(crate) fn create_secret_file(path: &Path, text: &str) -> io::Result<()> {
    let folder = folder_of(path);
    let draft = folder.join(format!(".key-{}", crate::id::random_uuid().as_simple()));
    let made = write_draft(&draft, text).and_then(|()| std::fs::hard_link(&draft, path));
    let removed = std::fs::remove_file(&draft);
    made?;
    removed?;
    sync_folder(folder)
}

fn write_draft(draft: &PathBuf, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Overwrites a key's file and takes it away. One that is not there is gone already.
pub(super) fn destroy_secret_file(path: &Path) -> io::Result<()> {
    let mut file = match OpenOptions::new().write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let length = usize::try_from(file.metadata()?.len()).unwrap_or(0).min(1024);
    file.write_all(&vec![0; length])?;
    file.sync_all()?;
    std::fs::remove_file(path)?;
    sync_folder(folder_of(path))
}

pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

pub(super) fn misconfigured(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Misconfigured, message)
}

fn unreadable() -> Error {
    misconfigured("The root key cannot be read: write 64 hexadecimal digits or base64 of 32 bytes.")
}

pub(super) fn at(path: &Path, what: &str) -> Error {
    misconfigured(format!("The key file {} {what}.", path.display()))
}
