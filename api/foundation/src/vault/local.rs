//! Root keys that are here: in files, or in the environment.
//!
//! The first version is in the file of the settings, `root.key`; the next ones lie beside it, as `root.key.2`, `root.key.3`. Which
//! number a key has in the key store is told by its mark, not by its file: a copy of the newest may be put back as `root.key`.

use std::{
    path::{Path, PathBuf},
    sync::{PoisonError, RwLock},
    time::Duration,
};

use async_trait::async_trait;
use zeroize::Zeroizing;

use super::{
    aead::{self, NONCE, Secret},
    key::Place,
    provider::{FirstSecrets, KeyProvider, Retired, RootVersion, Rotated, cannot_unwrap, lacks},
    root::{self, Created, RootKey, at, misconfigured},
};
use crate::error::Result;

/// Time to copy a new file to where the old one's copy is, and to every gateway that does not share the folder.
const LEAD: Duration = Duration::from_secs(30 * 24 * 3_600);

/// Root keys that this process holds.
pub(crate) struct LocalKeys {
    from: From,
    keys: RwLock<Vec<Held>>,
}

enum From {
    File(PathBuf),
    Environment,
}

#[derive(Clone)]
struct Held {
    key: RootKey,
    /// None: from the environment.
    file: Option<PathBuf>,
}

impl LocalKeys {
    /// The key of this file and those beside it; the first is made where there is none.
    pub fn in_files(path: &Path) -> Result<(Self, Created)> {
        let mut held = files(path)?;
        let mut created = Created::Before;
        if held.is_empty() {
            let key;
            (key, created) = RootKey::load_or_create(path)?;
            held.push(Held { key, file: Some(path.to_owned()) });
        }
        Ok((Self { from: From::File(path.to_owned()), keys: RwLock::new(held) }, created))
    }

    /// The key that the environment gives, and the one that follows it.
    pub fn given(key: RootKey, next: Option<RootKey>) -> Self {
        let keys = [Some(key), next].into_iter().flatten().map(|key| Held { key, file: None }).collect();
        Self { from: From::Environment, keys: RwLock::new(keys) }
    }

    fn held(&self) -> Vec<Held> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Another process may have made a file.
    fn look_again(&self) -> Result<Vec<Held>> {
        if let From::File(path) = &self.from {
            *self.keys.write().unwrap_or_else(PoisonError::into_inner) = files(path)?;
        }
        Ok(self.held())
    }

    fn find(&self, version: &RootVersion) -> Result<RootKey> {
        let of = |held: Vec<Held>| held.into_iter().find(|held| held.key.mark() == version.mark).map(|held| held.key);
        match of(self.held()) {
            Some(key) => Ok(key),
            None => of(self.look_again()?).ok_or_else(|| lacks(version, self.name())),
        }
    }
}

#[async_trait]
impl KeyProvider for LocalKeys {
    fn name(&self) -> &'static str {
        match self.from {
            From::File(_) => "file",
            From::Environment => "environment",
        }
    }

    fn lead(&self) -> Duration {
        match self.from {
            From::File(_) => LEAD,
            From::Environment => Duration::ZERO,
        }
    }

    fn format(&self) -> u8 {
        1
    }

    async fn marks(&self) -> Result<Vec<String>> {
        Ok(self.look_again()?.iter().map(|held| held.key.mark()).collect())
    }

    async fn wrap(&self, version: &RootVersion, header: &[u8], place: &Place, plain: &[u8]) -> Result<Vec<u8>> {
        let sealing = sealing(&self.find(version)?);
        let nonce = aead::random_nonce();
        let mut out = nonce.to_vec();
        out.extend_from_slice(plain);
        aead::seal(&sealing, &nonce, &place.bind(header), &mut out, NONCE);
        Ok(out)
    }

    async fn unwrap(&self, header: &[u8], place: &Place, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        let (nonce, cipher_text) = wrapped.split_first_chunk::<NONCE>().ok_or_else(|| cannot_unwrap(place))?;
        let aad = place.bind(header);
        let open = |held: Vec<Held>| {
            held.iter().rev().find_map(|held| aead::open(&sealing(&held.key), nonce, &aad, cipher_text).ok())
        };
        match open(self.held()) {
            Some(plain) => Ok(plain),
            None => open(self.look_again()?).ok_or_else(|| cannot_unwrap(place)),
        }
    }

    async fn rewrap(
        &self,
        version: &RootVersion,
        (old_header, wrapped): (&[u8], &[u8]),
        header: &[u8],
        place: &Place,
    ) -> Result<Vec<u8>> {
        let plain = self.unwrap(old_header, place, wrapped).await?;
        self.wrap(version, header, place, &plain).await
    }

    async fn rotate(&self) -> Result<Rotated> {
        let From::File(path) = &self.from else {
            return Ok(Rotated::ByHand(
                "Set CONSIGNE_ROOT_KEY_NEXT to a new key (`openssl rand -hex 32`) beside the old one, on every gateway, \
                 start them again, and run `consigne keys rotate-root`.",
            ));
        };
        let newest = numbers(path)?.into_iter().max().unwrap_or(1);
        let next = beside(path, newest + 1);
        let key = RootKey::random();
        match root::create_secret_file(&next, &key.text()) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(at(&next, &format!("cannot be made ({})", error.kind()))),
        }
        // Another process may have been faster: then it is that one's.
        let made = root::load(&next)?.ok_or_else(|| at(&next, "disappeared while it was read"))?;
        self.look_again()?;
        Ok(Rotated::New(made.mark()))
    }

    async fn retire(&self, mark: &str) -> Result<Retired> {
        let From::File(_) = &self.from else {
            return Ok(Retired::Left("Take the old key out of CONSIGNE_ROOT_KEY, and put the new one there."));
        };
        for held in self.look_again()? {
            if held.key.mark() == mark
                && let Some(file) = &held.file
            {
                root::destroy_secret_file(file)
                    .map_err(|error| at(file, &format!("cannot be destroyed ({})", error.kind())))?;
            }
        }
        self.look_again()?;
        Ok(Retired::Destroyed)
    }

    fn first_secrets(&self) -> Option<FirstSecrets> {
        let first = self.held().into_iter().next()?.key;
        let (instance, index) = (first.derive("consigne/instance/1"), first.derive("consigne/instance-index/1"));
        Some(FirstSecrets { instance, index })
    }
}

/// What a root key wraps with.
fn sealing(key: &RootKey) -> Secret {
    aead::derive(&key.derive("consigne/wrap/1"), "consigne/seal/1")
}

/// Whether a key's file is there, or one that followed it.
pub fn is_any_there(path: &Path) -> bool {
    numbers(path).is_ok_and(|numbers| !numbers.is_empty())
}

/// The keys of a path, oldest first.
fn files(path: &Path) -> Result<Vec<Held>> {
    let mut held = Vec::new();
    for number in numbers(path)? {
        let file = beside(path, number);
        if let Some(key) = root::load(&file)? {
            held.push(Held { key, file: Some(file) });
        }
    }
    Ok(held)
}

/// The numbers of the files that are there, in order.
fn numbers(path: &Path) -> Result<Vec<u32>> {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| misconfigured("The root key's file has no name."))?;
    let mut found = Vec::new();
    // A folder that is not there has no files.
    let Ok(entries) = std::fs::read_dir(root::folder_of(path)) else { return Ok(found) };
    for entry in entries.flatten() {
        let entry = entry.file_name();
        match entry.to_str().and_then(|entry| entry.strip_prefix(name)) {
            Some("") => found.push(1),
            Some(rest) => {
                found.extend(rest.strip_prefix('.').and_then(|digits| digits.parse().ok()).filter(|n: &u32| *n > 1))
            }
            None => {}
        }
    }
    found.sort_unstable();
    Ok(found)
}

fn beside(path: &Path, number: u32) -> PathBuf {
    if number == 1 {
        return path.to_owned();
    }
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}
