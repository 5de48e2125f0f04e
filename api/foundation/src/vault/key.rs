//! A key and the places it seals for.
//!
//! # The sealed format
//! ```text
//! byte   0      1      2..6          6..18   18..
//!        format kind   key version   nonce   cipher text and tag (16 bytes)
//!        = 1           u32 BE
//! ```
//! `kind` says which of the keys it was (0 the wrapping of workspace keys, 1 instance, 2 workspace, 3 subject),
//! `key version` which version of it, so that a rotated key still opens what its predecessor sealed.
//!
//! The additional data is the header and the place: `consigne place 1`, 0 or 1 for instance or workspace, the workspace
//! (16 bytes), the table and the column (each a u16 BE length and the name), the row (16 bytes), and each further part of
//! a composite key (i64 BE). A value that is moved to another row, column, table or workspace does not open.

use std::{fmt, sync::Arc};

use uuid::Uuid;
use zeroize::Zeroizing;

use super::aead::{self, KEY, NONCE, Secret, TAG};
use crate::{
    error::{Error, ErrorKind, Result},
    id::WorkspaceId,
};

const FORMAT: u8 = 1;
pub(super) const HEADER: usize = 6;

/// Which key it is; part of what is authenticated. 0 is the root key, whose provider seals ([`super::provider`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Instance = 1,
    Workspace = 2,
    Subject = 3,
}

/// A key that seals and opens. Cheap to clone; its bytes are overwritten when the last clone goes.
///
/// A workspace key holds every version that something may still be sealed under: one of them seals, the one named in the
/// header opens.
#[derive(Clone)]
pub struct Key(Arc<Ring>);

struct Ring {
    kind: Kind,
    /// Oldest first; never empty.
    versions: Vec<Version>,
    /// Which of them seals.
    sealing: usize,
    /// What look-up values are made with, where it is kept apart from the versions.
    look_up: Option<LookUp>,
}

/// One version of a key. What seals is derived from it, so that the same bytes never serve two algorithms.
struct Version {
    number: u32,
    material: Secret,
    sealing: Secret,
}

impl Key {
    /// A key of one version.
    pub(crate) fn single(kind: Kind, material: Secret) -> Self {
        Self::ring(kind, vec![(1, material)]).expect("one version is not none")
    }

    /// A key of several versions, oldest first, of which the newest seals. None without a version.
    pub(crate) fn ring(kind: Kind, versions: Vec<(u32, Secret)>) -> Option<Self> {
        let newest = versions.last()?.0;
        Self::of(kind, versions, newest, None)
    }

    /// A key of several versions, oldest first, of which this one seals. None without it.
    pub(crate) fn of(kind: Kind, versions: Vec<(u32, Secret)>, sealing: u32, look_up: Option<LookUp>) -> Option<Self> {
        let sealing = versions.iter().position(|(number, _)| *number == sealing)?;
        let versions = versions
            .into_iter()
            .map(|(number, material)| Version { number, sealing: aead::derive(&material, "consigne/seal/1"), material })
            .collect();
        Some(Self(Arc::new(Ring { kind, versions, sealing, look_up })))
    }

    /// A key for another use. It comes from what is kept for look-ups, or from the oldest version: look-up values must not
    /// change when the key does.
    pub(crate) fn derive(&self, info: &str) -> Secret {
        match &self.0.look_up {
            Some(look_up) => look_up.derive(info),
            None => aead::derive(&self.0.versions[0].material, info),
        }
    }

    /// The bytes of a version that is known already.
    pub(super) fn material(&self, number: u32) -> Option<Secret> {
        self.0.versions.iter().find(|version| version.number == number).map(|version| version.material.clone())
    }

    /// What look-up values are made with, where it is kept.
    pub(super) fn look_up(&self) -> Option<LookUp> {
        self.0.look_up.clone()
    }

    /// The same key, with this to make look-up values with.
    pub(super) fn looking_up_by(&self, look_up: LookUp) -> Self {
        let again = |version: &Version| Version {
            number: version.number,
            material: version.material.clone(),
            sealing: version.sealing.clone(),
        };
        let versions = self.0.versions.iter().map(again).collect();
        Self(Arc::new(Ring { kind: self.0.kind, versions, sealing: self.0.sealing, look_up: Some(look_up) }))
    }

    /// The version that seals.
    pub(crate) fn sealing_version(&self) -> u32 {
        self.0.versions[self.0.sealing].number
    }

    /// What everything that a version sealed begins with.
    pub(crate) fn header_of(kind: Kind, number: u32) -> Vec<u8> {
        [[FORMAT, kind as u8].as_slice(), &number.to_be_bytes()].concat()
    }

    /// Seals bytes for one place.
    pub fn seal(&self, place: &Place, plain: &[u8]) -> Vec<u8> {
        let newest = &self.0.versions[self.0.sealing];
        let nonce = aead::random_nonce();
        let mut out = Vec::with_capacity(HEADER + NONCE + plain.len() + TAG);
        out.extend([FORMAT, self.0.kind as u8]);
        out.extend(newest.number.to_be_bytes());
        let aad = place.bind(&out);
        out.extend(nonce);
        out.extend_from_slice(plain);
        aead::seal(&newest.sealing, &nonce, &aad, &mut out, HEADER + NONCE);
        out
    }

    /// Opens what was sealed for this place.
    ///
    /// # Errors
    /// `Corrupt` where a bit is flipped, the value belongs to another place, or another key sealed it.
    pub fn open(&self, place: &Place, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        self.try_open(place, sealed).ok_or_else(|| {
            Error::new(
                ErrorKind::Corrupt,
                format!("The value at {place} cannot be opened: it is not what was stored there."),
            )
        })
    }

    fn try_open(&self, place: &Place, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (header, rest) = sealed.split_first_chunk::<HEADER>()?;
        let [format, kind, number @ ..] = *header;
        if format != FORMAT || kind != self.0.kind as u8 {
            return None;
        }
        let number = u32::from_be_bytes(number);
        let version = self.0.versions.iter().find(|version| version.number == number)?;
        let (nonce, cipher_text) = rest.split_first_chunk::<NONCE>()?;
        aead::open(&version.sealing, nonce, &place.bind(header), cipher_text).ok()
    }

    /// Seals text.
    pub fn seal_text(&self, place: &Place, plain: &str) -> Vec<u8> {
        self.seal(place, plain.as_bytes())
    }

    /// Opens text.
    ///
    /// # Errors
    /// `Corrupt`, as [`Key::open`].
    pub fn open_text(&self, place: &Place, sealed: &[u8]) -> Result<String> {
        let mut plain = self.open(place, sealed)?;
        String::from_utf8(std::mem::take(&mut *plain))
            .map_err(|_| Error::new(ErrorKind::Corrupt, format!("The value at {place} is not text.")))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({:?}, Sealed(..))", self.0.kind)
    }
}

/// What look-up values of a workspace are made with. It was made of the first version and outlives it: none of it leads back
/// to what that version seals with.
#[derive(Clone)]
pub(crate) struct LookUp(Zeroizing<Vec<u8>>);

impl LookUp {
    /// What values were looked up by before this was kept apart, in the order in which it is kept. Never change it.
    const USES: [&str; 6] = [
        "consigne/blind-index/1",
        "consigne/content-hash/1",
        "consigne/terms/1",
        "consigne/audit-subject/1",
        "consigne/audit-anchor/1",
        "consigne/audit-checkpoint/1",
    ];

    /// Of a first version.
    pub fn from_first(material: &Secret) -> Self {
        let mut kept = Zeroizing::new(Vec::with_capacity((1 + Self::USES.len()) * KEY));
        kept.extend_from_slice(aead::derive(material, "consigne/look-up/1").as_ref());
        for info in Self::USES {
            kept.extend_from_slice(aead::derive(material, info).as_ref());
        }
        Self(kept)
    }

    /// As it is kept.
    pub fn from_bytes(bytes: Zeroizing<Vec<u8>>) -> Option<Self> {
        (bytes.len() == (1 + Self::USES.len()) * KEY).then_some(Self(bytes))
    }

    /// To be kept, wrapped.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn derive(&self, info: &str) -> Secret {
        let mut secret = Secret::default();
        match Self::USES.iter().position(|known| *known == info) {
            Some(at) => secret.copy_from_slice(&self.0[(1 + at) * KEY..(2 + at) * KEY]),
            None => {
                let mut seed = Secret::default();
                seed.copy_from_slice(&self.0[..KEY]);
                secret = aead::derive(&seed, info);
            }
        }
        secret
    }
}

/// Where a sealed value stands: workspace, table, column, row. Ids are made before the row, so that it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    workspace: Option<WorkspaceId>,
    table: &'static str,
    column: &'static str,
    row: Uuid,
    parts: Vec<i64>,
}

impl Place {
    /// A column of a row in a workspace.
    pub fn new(workspace: WorkspaceId, table: &'static str, column: &'static str, row: Uuid) -> Self {
        Self { workspace: Some(workspace), table, column, row, parts: Vec::new() }
    }

    /// A column of a row that belongs to no workspace.
    pub fn instance(table: &'static str, column: &'static str, row: Uuid) -> Self {
        Self { workspace: None, table, column, row, parts: Vec::new() }
    }

    /// One more part of a composite key: a position, a sequence number, a version.
    pub fn part(mut self, n: i64) -> Self {
        self.parts.push(n);
        self
    }

    /// What an outside provider of keys binds a wrapped key to.
    pub(super) fn context(&self) -> Vec<u8> {
        self.bind(&[])
    }

    pub(super) fn bind(&self, header: &[u8]) -> Vec<u8> {
        let mut aad = Vec::with_capacity(128);
        aad.extend_from_slice(header);
        aad.extend_from_slice(b"consigne place 1");
        aad.push(u8::from(self.workspace.is_some()));
        aad.extend_from_slice(self.workspace.map_or(Uuid::nil(), |workspace| workspace.0).as_bytes());
        for name in [self.table, self.column] {
            aad.extend((name.len() as u16).to_be_bytes());
            aad.extend_from_slice(name.as_bytes());
        }
        aad.extend_from_slice(self.row.as_bytes());
        for part in &self.parts {
            aad.extend(part.to_be_bytes());
        }
        aad
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{} of row {}", self.table, self.column, self.row)?;
        self.parts.iter().try_for_each(|part| write!(f, "/{part}"))
    }
}
