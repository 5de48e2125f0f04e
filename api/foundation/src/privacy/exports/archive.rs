//! The archive of an access: a manifest that names every holder, also where it has nothing; a file a holder; and a page for
//! reading. A ZIP of JSON and HTML, so that no program of ours is needed to read it.

use std::io::{Cursor, Write};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use zip::{ZipWriter, write::SimpleFileOptions};

use super::{Gathered, page};
use crate::{
    error::{Error, Result},
    privacy::{holding::Holding, purposes::Purpose, recipients::GotData, register::Category},
};

/// The name of this way to lay an archive out.
pub const FORMAT: &str = "consigne-access-1";

/// What the person can do next (art. 15(1)(e) and (f)).
const RIGHTS: [&str; 5] = [
    "Rectification of what is wrong (GDPR art. 16)",
    "Erasure (art. 17)",
    "Restriction of processing (art. 18)",
    "What you provided in a format for other programs (art. 20), and objection (art. 21)",
    "A complaint to a supervisory authority (art. 77)",
];

/// Makes the archive.
pub(super) fn build(gathered: &Gathered) -> Result<Vec<u8>> {
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    for (holder, holdings) in &gathered.holders {
        let all = json!({ "holder": holder, "tables": holdings });
        files.push((file_of(holder), pretty(&all)?));
    }
    let listed: Vec<Value> = files
        .iter()
        .map(
            |(name, bytes)| json!({ "name": name, "bytes": bytes.len(), "sha256": hex::encode(Sha256::digest(bytes)) }),
        )
        .collect();
    let manifest = manifest(gathered, listed);
    files.insert(0, ("index.html".to_owned(), page::render(gathered, &manifest).into_bytes()));
    files.insert(0, ("manifest.json".to_owned(), pretty(&manifest)?));
    zipped(files)
}

fn manifest(gathered: &Gathered, files: Vec<Value>) -> Value {
    let Gathered { export, workspace, information, persons, made_at, holders, recipients } = gathered;
    let holders: Vec<Value> = holders.iter().map(|(name, holdings)| holder(name, holdings)).collect();
    let used = |purpose: Purpose| {
        let columns = gathered.holders.iter().flat_map(|(_, holdings)| holdings).filter(|h| !h.rows.is_empty());
        columns.flat_map(|holding| &holding.columns).any(|column| column.purpose == purpose)
    };
    let of_them = Purpose::ALL.into_iter().filter(|purpose| used(*purpose));
    let purposes: Vec<Value> = of_them
        .map(|purpose| {
            let basis = purpose.legal_basis();
            let basis = format!("{}: {}", basis.article(), basis.summary());
            json!({ "name": purpose.name(), "meaning": purpose.summary(), "legalBasis": basis })
        })
        .collect();
    json!({
        "format": FORMAT,
        "legalBasis": "GDPR art. 15",
        "export": export.id,
        "subject": export.subject,
        "persons": persons,
        "controller": {
            "workspace": workspace,
            "name": information.controller_name,
            "address": information.controller_address,
            "email": information.controller_email,
        },
        "dataProtectionOfficer": { "name": information.dpo_name, "email": information.dpo_email },
        "authority": { "name": information.authority_name, "url": information.authority_url },
        "privacyNotice": information.notice_url,
        "complaint": information.complaint_route("en"),
        "requestedAt": export.requested_at.rfc3339(),
        "madeAt": made_at.rfc3339(),
        "holders": holders,
        "purposes": purposes,
        "recipients": recipients.iter().map(recipient).collect::<Vec<_>>(),
        "automatedDecisions": "None with legal or similarly significant effect (GDPR art. 22): an assistant answers questions.",
        "rights": RIGHTS,
        "files": files,
    })
}

fn holder(name: &str, holdings: &[Holding]) -> Value {
    let rows: usize = holdings.iter().map(|holding| holding.rows.len()).sum();
    let tables: Vec<Value> = holdings
        .iter()
        .map(|holding| {
            let mut categories: Vec<Category> =
                holding.columns.iter().map(|c| c.category).filter(|c| *c != Category::None).collect();
            categories.sort();
            categories.dedup();
            json!({
                "table": holding.table,
                "rows": holding.rows.len(),
                "categories": categories.iter().map(|c| c.name()).collect::<Vec<_>>(),
                "source": holding.source,
                "retention": holding.retention,
            })
        })
        .collect();
    let found = if rows == 0 { "nothing found" } else { "found" };
    json!({ "name": name, "file": file_of(name), "rows": rows, "found": found, "tables": tables })
}

fn recipient(got: &GotData) -> Value {
    json!({
        "plugin": got.plugin,
        "purpose": got.purpose,
        "operator": got.operator,
        "region": got.region,
        "safeguard": got.safeguard,
        "retention": got.retention,
        "firstAt": got.first_at.rfc3339(),
        "lastAt": got.last_at.rfc3339(),
        "times": got.times,
    })
}

fn file_of(holder: &str) -> String {
    format!("holders/{holder}.json")
}

fn pretty(value: &Value) -> Result<Vec<u8>> {
    serde_json::to_vec_pretty(value).map_err(|e| Error::internal("an archive as JSON").because(e))
}

fn zipped(files: Vec<(String, Vec<u8>)>) -> Result<Vec<u8>> {
    let failed = |_| Error::internal("an archive could not be written");
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        zip.start_file(name, SimpleFileOptions::default()).map_err(failed)?;
        zip.write_all(&bytes).map_err(|e| Error::internal("an archive could not be written").because(e))?;
    }
    Ok(zip.finish().map_err(failed)?.into_inner())
}
