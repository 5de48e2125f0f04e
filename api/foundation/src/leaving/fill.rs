//! Columns that were left out of an archive, made anew: what keys make from other columns under the keys of here, and in place of a
//! secret one that nobody knows.

use std::collections::HashMap;

use async_trait::async_trait;
use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
use serde_json::{Map, Value};

use super::{
    archive::corrupt,
    opened::{id_at, value_at},
    plan::TablePlan,
};
use crate::{
    error::Result,
    id::{VisitorSigningKeyId, encode, fill_random, random_uuid},
    identity::{email, known_visitors, visitor_keys},
    plugins::settings,
    privacy::{identifiers, requests::receive},
    store::WorkspaceTx,
    vault::{Place, TermNumbers},
};

/// A passage, as an archive says it.
pub struct Passage<'a> {
    /// The headings above it, a line each.
    pub headings: &'a str,
    /// Its text.
    pub text: &'a str,
    /// Its language, where it is known.
    pub language: Option<&'a str>,
    /// Whether it can be found.
    pub is_found: bool,
}

/// What is made of a passage.
pub struct Made {
    /// The text that was embedded.
    pub embedded: String,
    /// Its terms, as they are stored.
    pub terms: Vec<u8>,
}

/// Counts words: whoever knows what a passage is.
#[async_trait]
pub trait Words: Send {
    /// The words of a passage.
    fn passage(&mut self, passage: Passage<'_>, numbers: &TermNumbers) -> Made;

    /// Writes how many passages have which word.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn write(&mut self, tx: &WorkspaceTx) -> Result<()>;
}

/// Makes what was left out.
pub(crate) struct Filling<'a> {
    pub tx: &'a WorkspaceTx,
    pub words: &'a mut dyn Words,
    pub numbers: TermNumbers,
    /// SHA-256 of files, by where they are.
    pub files: HashMap<String, Vec<u8>>,
    /// The hash of a password that nobody knows.
    pub password_hash: String,
    /// Of the passage that is being filled.
    pub terms: Option<Vec<u8>>,
}

impl Filling<'_> {
    /// The value of a column, as a backup says it; absent where nothing has to be there.
    ///
    /// # Errors
    /// `Corrupt` where the row says too little; `Unavailable`.
    pub async fn value(
        &mut self,
        plan: &TablePlan,
        column: &str,
        said: &Map<String, Value>,
        values: &[Value],
    ) -> Result<Value> {
        let store = self.tx.store();
        let (vault, workspace) = (store.vault(), self.tx.workspace());
        let text = |name: &str| said.get(name).and_then(Value::as_str);
        let lacks = |name: &str| corrupt(format!("A row of {} has no {name}.", plan.name));
        let needed = |name: &'static str| text(name).ok_or_else(|| lacks(name));
        let made = match (plan.name, column) {
            ("accounts", "email_index") => email::index_of_typed(store, needed("email")?),
            ("accounts", "password_hash") => return Ok(self.password_hash.clone().into()),
            ("api_keys", "secret_hash") => unknown(),
            ("visitor_signing_keys", "key_sealed") => {
                let id = id_at(plan, "id", values).ok_or_else(|| lacks("id"))?;
                vault
                    .workspace_key(workspace)
                    .await?
                    .seal(&visitor_keys::place(workspace, VisitorSigningKeyId(id)), &unknown())
            }
            ("plugin_settings", "settings_sealed") => {
                let version =
                    value_at(plan, "version", values).and_then(Value::as_i64).ok_or_else(|| lacks("version"))?;
                let place = settings::place(workspace, needed("plugin_id")?, version);
                vault.workspace_key(workspace).await?.seal_text(&place, "{}")
            }
            ("escalations", "reply_token") => return Ok(encode(random_uuid()).into()),
            ("documents" | "uploads", "content_hash") => match text("blob_key").and_then(|path| self.files.get(path)) {
                Some(digest) => vault.content_hash(workspace, digest).await?,
                None => unknown(),
            },
            ("passages", "content_hash") => {
                let passage = Passage {
                    headings: text("headings").unwrap_or_default(),
                    text: needed("text")?,
                    language: text("language"),
                    is_found: said.get("knowledge_version").and_then(Value::as_i64).unwrap_or(0) > 0,
                };
                let made = self.words.passage(passage, &self.numbers);
                self.terms = Some(made.terms);
                vault.content_hash(workspace, made.embedded.as_bytes()).await?
            }
            ("passages", "terms_sealed") => {
                let id = id_at(plan, "id", values).ok_or_else(|| lacks("id"))?;
                let place = Place::new(workspace, "passages", "terms_sealed", id);
                let terms = self.terms.take().ok_or_else(|| lacks("text"))?;
                vault.workspace_key(workspace).await?.seal(&place, &terms)
            }
            ("invitations", "address_index") => email::index_of_typed(store, needed("address")?),
            ("privacy_requests", "contact_index") => match text("contact") {
                Some(contact) => receive::contact_index(store, workspace, &email::normalised(contact)?).await?,
                None => return Ok(Value::Null),
            },
            ("subject_identifiers", "value_index") => {
                identifiers::index_again(self.tx, needed("kind")?, needed("value")?).await?
            }
            ("visitor_identities", "external_index") => {
                known_visitors::index_of(store, workspace, needed("external")?).await?
            }
            _ => return Ok(Value::Null),
        };
        Ok(BASE64_STANDARD_NO_PAD.encode(made).into())
    }
}

/// What nobody knows.
fn unknown() -> Vec<u8> {
    let mut bytes = vec![0; 32];
    fill_random(&mut bytes);
    bytes
}

/// SHA-256 as a manifest says it.
pub(crate) fn digest_of(hexadecimal: &str) -> Option<Vec<u8>> {
    hex::decode(hexadecimal).ok()
}

/// Nothing at all, sealed: what a withdrawn quotation is.
pub(crate) fn emptied() -> Value {
    Value::String(String::new())
}
