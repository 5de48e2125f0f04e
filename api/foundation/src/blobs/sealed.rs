//! The sealed format of an object: a STREAM of chunks (Hoang, Reyhanitabar, Rogaway, Vizár: Online Authenticated-
//! Encryption and its Nonce-Reuse Misuse-Resistance, 2015), as `age` uses it.
//!
//! ```text
//! header   "CNSG", format = 1, u16 BE length, the data key sealed under the workspace key (place: blobs.data_key of the name)
//! chunk    nonce (12), cipher text (65,536, the last 1 to 65,536), tag (16)      as many as it takes
//! ```
//! Every object has a random data key of its own. A chunk is AES-256-GCM with a random nonce; its additional data is
//! `consigne blob chunk 1`, the workspace, the name, the chunk's number (u64 BE) and 1 for the last chunk, else 0. So a
//! chunk opens at its own position of its own object alone, and an object that was cut has no last chunk. Only an empty
//! object has an empty chunk, its last.

use bytes::Bytes;
use uuid::Uuid;
use zeroize::{Zeroize, Zeroizing};

use crate::{
    error::{Error, ErrorKind, Result},
    id::WorkspaceId,
    vault::{
        Key, Kind, Place,
        aead::{self, NONCE, Secret, TAG},
    },
};

/// Plain bytes of a chunk.
pub(super) const CHUNK: usize = 64 * 1024;
/// Bytes of a sealed chunk that is not the last.
pub(super) const SEALED_CHUNK: usize = NONCE + CHUNK + TAG;

const MAGIC: [u8; 5] = *b"CNSG\x01";
const HEAD: usize = MAGIC.len() + 2;

/// Bytes at the beginning of an object that say by which version of a key its data key is sealed.
pub(super) const SAYS_VERSION: u64 = (HEAD + 6) as u64;

/// By which version of a workspace's key an object's data key is sealed; none where another kind of key did it.
pub(super) fn version_of(head: &[u8]) -> Option<u32> {
    let sealed = head.strip_prefix(&MAGIC)?.get(2..8)?;
    let number = sealed.strip_prefix(&Key::header_of(Kind::Workspace, 0)[..2])?;
    Some(u32::from_be_bytes(number.try_into().ok()?))
}

/// Seals an object piece by piece.
pub(super) struct Sealer {
    chunks: Chunks,
    plain: Zeroizing<Vec<u8>>,
}

impl Sealer {
    /// A sealer with a new data key, and the header to write first.
    pub fn new(key: &Key, workspace: WorkspaceId, name: Uuid) -> (Self, Vec<u8>) {
        let data_key = aead::random_secret();
        let wrapped = key.seal(&data_key_place(workspace, name), data_key.as_ref());
        let length = u16::try_from(wrapped.len()).expect("a sealed key is short");
        let header = [MAGIC.as_slice(), &length.to_be_bytes(), &wrapped].concat();
        let plain = Zeroizing::new(Vec::with_capacity(CHUNK));
        (Self { chunks: Chunks::new(&data_key, workspace, name), plain }, header)
    }

    /// Takes at most [`CHUNK`] bytes and answers a chunk once it is known not to be the last.
    pub fn push(&mut self, part: &[u8]) -> Option<Vec<u8>> {
        let (now, later) = part.split_at(part.len().min(CHUNK - self.plain.len()));
        self.plain.extend_from_slice(now);
        if later.is_empty() {
            return None;
        }
        let sealed = self.chunks.seal(&self.plain, Last::No);
        self.plain.as_mut_slice().zeroize();
        self.plain.clear();
        self.plain.extend_from_slice(later);
        Some(sealed)
    }

    /// The last chunk.
    pub fn finish(mut self) -> Vec<u8> {
        self.chunks.seal(&self.plain, Last::Yes)
    }
}

/// Opens an object piece by piece.
pub(super) struct Opener {
    key: Key,
    workspace: WorkspaceId,
    name: Uuid,
    /// None before the header was read.
    chunks: Option<Chunks>,
    sealed: Vec<u8>,
}

impl Opener {
    /// Opens the object of this name.
    pub fn new(key: Key, workspace: WorkspaceId, name: Uuid) -> Self {
        Self { key, workspace, name, chunks: None, sealed: Vec::with_capacity(2 * SEALED_CHUNK) }
    }

    /// Takes what was read.
    pub fn push(&mut self, piece: &[u8]) {
        self.sealed.extend_from_slice(piece);
    }

    /// The next chunk that is known not to be the last; none where more has to be read first.
    ///
    /// # Errors
    /// `Corrupt`.
    pub fn next(&mut self) -> Result<Option<Bytes>> {
        let Some(chunks) = self.chunks()? else { return Ok(None) };
        // Without a byte behind it, it may be the last.
        if self.sealed.len() <= SEALED_CHUNK {
            self.chunks = Some(chunks);
            return Ok(None);
        }
        let rest = self.sealed.split_off(SEALED_CHUNK);
        let sealed = std::mem::replace(&mut self.sealed, rest);
        self.open(chunks, &sealed, Last::No).map(Some)
    }

    /// The last chunk, once everything was read.
    ///
    /// # Errors
    /// `Corrupt`.
    pub fn finish(&mut self) -> Result<Bytes> {
        let chunks = self.chunks()?.ok_or_else(|| self.corrupt())?;
        let sealed = std::mem::take(&mut self.sealed);
        if chunks.number > 0 && sealed.len() <= NONCE + TAG {
            return Err(self.corrupt());
        }
        self.open(chunks, &sealed, Last::Yes)
    }

    /// Takes the state out, reading the header first; it is put back where the chunk was good, and never after a failure.
    fn chunks(&mut self) -> Result<Option<Chunks>> {
        if let Some(chunks) = self.chunks.take() {
            return Ok(Some(chunks));
        }
        let Some((head, rest)) = self.sealed.split_first_chunk::<HEAD>() else { return Ok(None) };
        let [magic @ .., high, low] = head;
        if *magic != MAGIC {
            return Err(self.corrupt());
        }
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let Some(wrapped) = rest.get(..length) else { return Ok(None) };
        let opened = self.key.open(&data_key_place(self.workspace, self.name), wrapped)?;
        let mut data_key = Secret::default();
        if opened.len() != data_key.len() {
            return Err(self.corrupt());
        }
        data_key.copy_from_slice(&opened);
        self.sealed.drain(..HEAD + length);
        Ok(Some(Chunks::new(&data_key, self.workspace, self.name)))
    }

    fn open(&mut self, mut chunks: Chunks, sealed: &[u8], last: Last) -> Result<Bytes> {
        let plain = chunks.open(sealed, last).ok_or_else(|| self.corrupt())?;
        self.chunks = Some(chunks);
        Ok(plain)
    }

    fn corrupt(&self) -> Error {
        Error::new(ErrorKind::Corrupt, format!("The file {} is not what was stored.", self.name.as_simple()))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    No = 0,
    Yes = 1,
}

/// The chunks of one object, in order.
struct Chunks {
    sealing: Secret,
    object: [u8; 32],
    number: u64,
}

impl Chunks {
    fn new(data_key: &Secret, workspace: WorkspaceId, name: Uuid) -> Self {
        let mut object = [0; 32];
        object[..16].copy_from_slice(workspace.0.as_bytes());
        object[16..].copy_from_slice(name.as_bytes());
        Self { sealing: aead::derive(data_key, "consigne/blob-chunk/1"), object, number: 0 }
    }

    fn seal(&mut self, plain: &[u8], last: Last) -> Vec<u8> {
        let nonce = aead::random_nonce();
        let mut out = Vec::with_capacity(NONCE + plain.len() + TAG);
        out.extend(nonce);
        out.extend_from_slice(plain);
        aead::seal(&self.sealing, &nonce, &self.bind(last), &mut out, NONCE);
        self.number += 1;
        out
    }

    fn open(&mut self, sealed: &[u8], last: Last) -> Option<Bytes> {
        let (nonce, cipher_text) = sealed.split_first_chunk::<NONCE>()?;
        let mut plain = aead::open(&self.sealing, nonce, &self.bind(last), cipher_text).ok()?;
        self.number += 1;
        Some(std::mem::take(&mut *plain).into())
    }

    fn bind(&self, last: Last) -> Vec<u8> {
        [b"consigne blob chunk 1".as_slice(), &self.object, &self.number.to_be_bytes(), &[last as u8]].concat()
    }
}

fn data_key_place(workspace: WorkspaceId, name: Uuid) -> Place {
    Place::new(workspace, "blobs", "data_key", name)
}
