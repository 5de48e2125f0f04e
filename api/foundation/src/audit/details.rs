//! Details of an entry: sealed apart from the chain, so that they can be erased, and bound to it by a hash that says
//! nothing about them once they are.
//!
//! The sealed plain text is a random salt (32 bytes) and the JSON. `details_hash` in the chain is
//! ```text
//! workspace's: 1, HMAC-SHA-256(salt, JSON)
//! a person's:  2, HMAC-SHA-256(salt, JSON), tag of the person (16 bytes)
//! ```
//! The salt is only inside the sealed value: without the key nobody can try out what the details might have been. The
//! tag is a keyed hash of the person's id. It shows that missing details were a person's who was erased, and that nobody
//! gave the row to another person, without writing the id into what is never deleted.

use std::collections::HashMap;

use serde_json::Value;
use zeroize::Zeroizing;

use crate::{
    error::{Error, ErrorKind, Result},
    id::{SubjectId, WorkspaceId, fill_random},
    store::entity::audit_details,
    vault::{Key, Place, Vault, aead},
};

const SALT: usize = 32;
const MAC: usize = 32;
const TAG: usize = 16;
const WORKSPACES: u8 = 1;
const PERSONS: u8 = 2;

/// What is written for an entry.
pub(super) struct Sealed {
    pub hash: Vec<u8>,
    /// None: the person is erased, nothing about them is stored any more.
    pub sealed: Option<Vec<u8>>,
}

/// Seals the details of the entry `seq`.
pub(super) async fn seal(
    vault: &Vault,
    workspace: WorkspaceId,
    seq: i64,
    subject: Option<SubjectId>,
    details: &Value,
) -> Result<Sealed> {
    let key = match subject {
        None => Some(vault.workspace_key(workspace).await?),
        Some(subject) => match vault.subject_key(workspace, subject).await {
            Ok(key) => Some(key),
            Err(error) if error.kind() == ErrorKind::SubjectErased => None,
            Err(error) => return Err(error),
        },
    };
    let mut plain = Zeroizing::new(vec![0; SALT]);
    fill_random(&mut plain);
    plain.extend_from_slice(details.to_string().as_bytes());
    let mut hash = Vec::with_capacity(1 + MAC + TAG);
    hash.push(if subject.is_some() { PERSONS } else { WORKSPACES });
    hash.extend(mac(&plain));
    if let Some(subject) = subject {
        hash.extend(tag(&vault.workspace_key(workspace).await?, subject));
    }
    Ok(Sealed { hash, sealed: key.map(|key| key.seal(&place(workspace, seq), &plain)) })
}

/// The tag of a person in the chain of the workspace with this key.
pub(super) fn tag(workspace_key: &Key, subject: SubjectId) -> [u8; TAG] {
    let whole = aead::keyed_hash(workspace_key.derive("consigne/audit-subject/1").as_ref(), &[subject.0.as_bytes()]);
    let mut tag = [0; TAG];
    tag.copy_from_slice(&whole[..TAG]);
    tag
}

/// `details_hash`, read.
pub(super) enum Bound<'a> {
    /// The workspace's details.
    Workspace { mac: &'a [u8] },
    /// A person's details.
    Person { mac: &'a [u8], tag: &'a [u8] },
}

impl<'a> Bound<'a> {
    /// None where it is not one of the two forms.
    pub fn read(hash: &'a [u8]) -> Option<Self> {
        match hash.split_first()? {
            (&WORKSPACES, mac) if mac.len() == MAC => Some(Self::Workspace { mac }),
            (&PERSONS, rest) if rest.len() == MAC + TAG => {
                let (mac, tag) = rest.split_at(MAC);
                Some(Self::Person { mac, tag })
            }
            _ => None,
        }
    }
}

/// Details that were opened: the salt and the JSON.
pub(super) struct Opened(Zeroizing<Vec<u8>>);

impl Opened {
    /// The HMAC that the chain should carry.
    pub fn mac(&self) -> [u8; MAC] {
        mac(&self.0)
    }

    /// The details.
    pub fn value(&self) -> Result<Value> {
        read(&self.0)
    }
}

/// The JSON behind the salt.
pub(super) fn read(opened: &[u8]) -> Result<Value> {
    let json = opened.get(SALT..).unwrap_or_default();
    serde_json::from_slice(json)
        .map_err(|_| Error::new(ErrorKind::Corrupt, "The details of an audit entry are not JSON."))
}

/// The keys for a run of details of one workspace, each person's read once. It lives for one call.
pub(super) struct Keys<'a> {
    vault: &'a Vault,
    workspace: WorkspaceId,
    /// None: erased.
    persons: HashMap<SubjectId, Option<Key>>,
}

impl<'a> Keys<'a> {
    pub fn new(vault: &'a Vault, workspace: WorkspaceId) -> Self {
        Self { vault, workspace, persons: HashMap::new() }
    }

    /// The details of a row; none where the person's key was shredded.
    pub async fn open(&mut self, row: &audit_details::Model) -> Result<Option<Opened>> {
        let key = match row.subject_id {
            None => Some(self.vault.workspace_key(self.workspace).await?),
            Some(subject) => self.person(subject).await?,
        };
        let Some(key) = key else { return Ok(None) };
        let plain = key.open(&place(self.workspace, row.seq), &row.details_sealed)?;
        if plain.len() < SALT {
            return Err(Error::new(ErrorKind::Corrupt, "The details of an audit entry lack their salt."));
        }
        Ok(Some(Opened(plain)))
    }

    async fn person(&mut self, subject: SubjectId) -> Result<Option<Key>> {
        if let Some(key) = self.persons.get(&subject) {
            return Ok(key.clone());
        }
        let key = match self.vault.subject_key(self.workspace, subject).await {
            Ok(key) => Some(key),
            Err(error) if error.kind() == ErrorKind::SubjectErased => None,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(Error::new(ErrorKind::Corrupt, "An audit entry is about a person who never had a key."));
            }
            Err(error) => return Err(error),
        };
        self.persons.insert(subject, key.clone());
        Ok(key)
    }
}

fn mac(plain: &[u8]) -> [u8; MAC] {
    let (salt, json) = plain.split_at(SALT);
    aead::keyed_hash(salt, &[json])
}

fn place(workspace: WorkspaceId, seq: i64) -> Place {
    Place::new(workspace, "audit_details", "details_sealed", workspace.0).part(seq)
}
