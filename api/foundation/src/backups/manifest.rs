//! What a backup is: counts and hashes, no personal data. It lies there in the clear, so that backups can be listed and pruned by
//! an installation that cannot open them, and it carries a mac by the installation's own key, so that nobody slips another backup in.

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use super::{
    digest::TableDigest,
    target::{Part, Target, manifest_path},
};
use crate::{
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::BackupId,
    vault::InstanceIndex,
};

/// The format that this program writes, and the only one that it reads.
const FORMAT: u32 = 1;

const PURPOSE: &str = "backup manifest";

/// A backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Manifest {
    format: u32,
    /// The backup.
    pub id: BackupId,
    /// The recovery point: everything that was committed by then is in it.
    pub began_at: Timestamp,
    /// When it was whole.
    pub finished_at: Timestamp,
    /// The version of the program that made it.
    pub made_by: String,
    /// The steps of the schema's history, oldest first.
    pub schema: Vec<String>,
    /// What each table held, in the order in which they can be filled.
    pub tables: Vec<TableDigest>,
    /// The tables, encrypted.
    pub data: Part,
    /// The list of files.
    pub file_list: Part,
    /// Files that belong to it.
    pub files: u64,
    /// Bytes of those files.
    pub file_bytes: u64,
    /// Where the erasure ledger stood.
    pub ledger: LedgerPosition,
    /// Who can open it.
    pub recipients: Vec<String>,
}

/// Where the erasure ledger stood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerPosition {
    /// Its entries.
    pub entries: u64,
    /// SHA-256 of their names in order, in hexadecimal.
    pub sha256: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signed {
    manifest: Manifest,
    mac: String,
}

impl Manifest {
    pub(super) const FORMAT: u32 = FORMAT;

    #[expect(clippy::too_many_arguments, reason = "each is a fact of the backup, told once")]
    pub(super) fn new(
        id: BackupId,
        (began_at, finished_at): (Timestamp, Timestamp),
        schema: Vec<String>,
        tables: Vec<TableDigest>,
        data: Part,
        (file_list, files, file_bytes): (Part, u64, u64),
        ledger: LedgerPosition,
        recipients: Vec<String>,
    ) -> Self {
        let made_by = env!("CARGO_PKG_VERSION").to_owned();
        let format = Self::FORMAT;
        Self {
            format,
            id,
            began_at,
            finished_at,
            made_by,
            schema,
            tables,
            data,
            file_list,
            files,
            file_bytes,
            ledger,
            recipients,
        }
    }

    /// All rows.
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|table| table.rows).sum()
    }

    /// Bytes that it takes, without files, which it shares with others.
    pub fn bytes(&self) -> u64 {
        self.data.bytes + self.file_list.bytes
    }

    /// Writes it: from now on there is a backup.
    pub(super) async fn write(&self, target: &Target, own: &InstanceIndex) -> Result<()> {
        let signed = Signed { mac: hex::encode(mac(own, self)?), manifest: self.clone() };
        let bytes = serde_json::to_vec_pretty(&signed).map_err(|error| unwritable().because(error))?;
        target.put(&manifest_path(self.id), bytes).await
    }

    /// Reads it without asking who wrote it: for lists.
    pub(super) async fn peek(target: &Target, id: BackupId) -> Result<Option<Self>> {
        Ok(signed(target, id).await?.map(|signed| signed.manifest))
    }

    /// Reads it.
    ///
    /// # Errors
    /// `NotFound`; `Corrupt` where it is not what was written by the installation with these keys; `Unavailable`.
    pub async fn read(target: &Target, id: BackupId, own: &InstanceIndex) -> Result<Self> {
        let signed = signed(target, id).await?.ok_or_else(|| Error::not_found("backup"))?;
        let told = hex::decode(&signed.mac).unwrap_or_default();
        if !bool::from(mac(own, &signed.manifest)?.ct_eq(&told)) || signed.manifest.id != id {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!(
                    "The manifest of {id} was not written by the installation of this key store. Give the place of the key \
                     store's copy that belongs to it."
                ),
            ));
        }
        Ok(signed.manifest)
    }
}

async fn signed(target: &Target, id: BackupId) -> Result<Option<Signed>> {
    let Some(bytes) = target.read(&manifest_path(id)).await? else { return Ok(None) };
    let unreadable = || Error::new(ErrorKind::Corrupt, format!("The manifest of {id} cannot be read."));
    let signed: Signed = serde_json::from_slice(&bytes).map_err(|error| unreadable().because(error))?;
    if signed.manifest.format != FORMAT {
        let message = format!("{id} is of the format {}, which this program does not read.", signed.manifest.format);
        return Err(Error::new(ErrorKind::Misconfigured, message));
    }
    Ok(Some(signed))
}

fn mac(own: &InstanceIndex, manifest: &Manifest) -> Result<Vec<u8>> {
    let text = serde_json::to_string(manifest).map_err(|error| unwritable().because(error))?;
    Ok(own.of(PURPOSE, &text))
}

fn unwritable() -> Error {
    Error::internal("a manifest cannot be written as JSON")
}
