//! How an entry is hashed.
//!
//! SHA-256 over `consigne audit entry 1`, and then, in this order and nothing between them:
//!
//! | field | as |
//! |---|---|
//! | workspace | 16 bytes |
//! | seq, at (ms since 1970) | i64 BE each |
//! | actor_kind | u32 BE length, UTF-8 |
//! | actor_id | 0, or 1 and 16 bytes |
//! | action, target_kind | u32 BE length, UTF-8, each |
//! | target_id | 0, or 1 and 16 bytes |
//! | details_hash, previous_hash | u32 BE length, bytes, each |
//!
//! Every field has a fixed length or says its own, so no two entries are written as the same bytes. The first entry
//! follows on 32 zero bytes. Anybody can compute it: the hash needs no key, an auditor needs only the rows.

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::store::entity::audit_entries;

/// What the first entry follows on.
pub const GENESIS: [u8; 32] = [0; 32];

/// The hash that an entry should carry.
pub fn hash(entry: &audit_entries::Model) -> [u8; 32] {
    let mut all = b"consigne audit entry 1".to_vec();
    all.extend_from_slice(entry.workspace_id.0.as_bytes());
    all.extend(entry.seq.to_be_bytes());
    all.extend(entry.at.0.to_be_bytes());
    bytes(&mut all, entry.actor_kind.as_bytes());
    id(&mut all, entry.actor_id);
    bytes(&mut all, entry.action.as_bytes());
    bytes(&mut all, entry.target_kind.as_bytes());
    id(&mut all, entry.target_id);
    bytes(&mut all, &entry.details_hash);
    bytes(&mut all, &entry.previous_hash);
    Sha256::digest(&all).into()
}

/// Whether an entry is what was written, and follows on the entry with this hash.
pub fn follows(entry: &audit_entries::Model, previous: &[u8]) -> bool {
    entry.previous_hash == previous && entry.hash == hash(entry)
}

fn bytes(all: &mut Vec<u8>, field: &[u8]) {
    let length = u32::try_from(field.len()).expect("a column is shorter than 4 GiB");
    all.extend(length.to_be_bytes());
    all.extend_from_slice(field);
}

fn id(all: &mut Vec<u8>, field: Option<Uuid>) {
    match field {
        None => all.push(0),
        Some(id) => {
            all.push(1);
            all.extend_from_slice(id.as_bytes());
        }
    }
}
