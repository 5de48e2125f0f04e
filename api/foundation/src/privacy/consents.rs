//! Consent (GDPR art. 7): what a person was shown, in which version, and that they agreed.
//!
//! A text is published once and never changed; a newer version stands beside it. A consent holds the version and the
//! SHA-256 of the text, the time and who recorded it. Withdrawing takes one call and less than giving, and holds at once:
//! what rests on consent asks the row each time.

use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, sea_query::Expr};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{purposes::Purpose, subjects};
use crate::{
    audit::{self, Event},
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::{ConsentId, SubjectId, WorkspaceId},
    scope::{Permission, Scope},
    store::{
        Store, WorkspaceTx,
        entity::{consent_texts as texts_table, consents as table},
    },
    vault::{Key, Place},
};

/// A text that people are asked to consent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsentText {
    /// For which purpose.
    pub purpose: Purpose,
    /// Counts the purpose's texts, from 1.
    pub version: i64,
    /// ISO 639-1.
    pub language: String,
    /// The text.
    pub text: String,
    /// SHA-256 of its UTF-8 bytes, in lower-case hexadecimal.
    pub sha256: String,
    /// Since when.
    pub published_at: Timestamp,
}

/// A consent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consent {
    /// The consent.
    pub id: ConsentId,
    /// Of whom.
    pub subject: SubjectId,
    /// To what.
    pub purpose: Purpose,
    /// To which version of the text.
    pub version: i64,
    /// SHA-256 of that text.
    pub sha256: String,
    /// When.
    pub given_at: Timestamp,
    /// Who recorded it, by kind: `visitor` where the person did.
    pub given_by_kind: String,
    /// Who.
    pub given_by: Option<Uuid>,
    /// How staff knows, where staff recorded it.
    pub evidence: Option<String>,
    /// When it was withdrawn.
    pub withdrawn_at: Option<Timestamp>,
    /// Who recorded that, by kind.
    pub withdrawn_by_kind: Option<String>,
}

/// For whom something is recorded: oneself, or somebody whose word staff has evidence of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose<'a> {
    /// The visitor's own.
    Own,
    /// This person's, with the evidence.
    Of(SubjectId, &'a str),
}

impl<'a> Whose<'a> {
    /// The person and the evidence, where the scope may record it.
    ///
    /// # Errors
    /// `Forbidden` for staff without `PRIVACY_WRITE`, and for a visitor about somebody else; `Invalid` for the evidence.
    pub(super) fn resolve(self, scope: &Scope) -> Result<(SubjectId, Option<&'a str>)> {
        match (self, scope.subject()) {
            (Self::Own, Some(own)) => Ok((own, None)),
            (Self::Of(named, _), Some(own)) if named == own => Ok((own, None)),
            (Self::Of(..), Some(_)) => Err(Error::not_found("person")),
            (Self::Own, None) => {
                scope.require(Permission::PrivacyWrite)?;
                Err(Error::invalid("subjectId", "Name the person."))
            }
            (Self::Of(subject, evidence), None) => {
                scope.require(Permission::PrivacyWrite)?;
                let evidence = evidence.trim();
                if !(3..=2_000).contains(&evidence.chars().count()) {
                    return Err(Error::invalid("evidence", "Say in 3 to 2,000 characters how you know."));
                }
                Ok((subject, Some(evidence)))
            }
        }
    }
}

/// Publishes the next version of a text. What was consented to before stays what it was.
///
/// # Errors
/// `Forbidden` without `PRIVACY_WRITE`; `Invalid`; `Conflict` for a purpose that does not rest on consent.
pub async fn publish(
    scope: &Scope,
    store: &Store,
    purpose: Purpose,
    language: &str,
    text: &str,
) -> Result<ConsentText> {
    scope.require(Permission::PrivacyWrite)?;
    if !purpose.rests_on_consent() {
        let message = format!("{} does not rest on consent.", purpose.name());
        return Err(Error::new(ErrorKind::Conflict, message));
    }
    let text = text.trim();
    if !(10..=10_000).contains(&text.chars().count()) {
        return Err(Error::invalid("text", "A text has 10 to 10,000 characters."));
    }
    let language = crate::workspaces::check_languages(&[language.to_owned()])
        .map_err(|_| Error::invalid("language", "A language is a two-letter code of ISO 639-1, such as en or fr."))?;
    let tx = store.write(scope).await?;
    let last: Option<i64> = texts_of(&tx, purpose)
        .select_only()
        .column(texts_table::Column::Version)
        .order_by_desc(texts_table::Column::Version)
        .limit(1)
        .into_tuple()
        .one(tx.db())
        .await?;
    let row = texts_table::Model {
        workspace_id: scope.workspace(),
        purpose: purpose.name().to_owned(),
        version: last.unwrap_or(0) + 1,
        language,
        text: text.to_owned(),
        text_hash: Sha256::digest(text.as_bytes()).to_vec(),
        published_by: scope.actor().id(),
        published_at: store.now(),
    };
    let new = texts_table::ActiveModel {
        workspace_id: Set(row.workspace_id),
        purpose: Set(row.purpose.clone()),
        version: Set(row.version),
        language: Set(row.language.clone()),
        text: Set(row.text.clone()),
        text_hash: Set(row.text_hash.clone()),
        published_by: Set(row.published_by),
        published_at: Set(row.published_at),
    };
    texts_table::Entity::insert(new).exec_without_returning(tx.db()).await?;
    let event = Event::new("consent_text.published").detail("purpose", purpose.name()).detail("version", row.version);
    audit::append(scope, &tx, event.detail("sha256", hex::encode(&row.text_hash))).await?;
    tx.commit().await?;
    read_text(row)
}

/// The text that is asked with: the newest in this language, or else the newest.
///
/// # Errors
/// `Unavailable`.
pub async fn text(
    scope: &Scope,
    store: &Store,
    purpose: Purpose,
    language: Option<&str>,
) -> Result<Option<ConsentText>> {
    let tx = store.read(scope).await?;
    let newest =
        |query: sea_orm::Select<texts_table::Entity>| query.order_by_desc(texts_table::Column::Version).limit(1);
    if let Some(language) = language {
        let own = texts_of(&tx, purpose).filter(texts_table::Column::Language.eq(language.to_lowercase()));
        if let Some(row) = newest(own).one(tx.db()).await? {
            return read_text(row).map(Some);
        }
    }
    newest(texts_of(&tx, purpose)).one(tx.db()).await?.map(read_text).transpose()
}

/// What was shown, as the one who consents says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown<'a> {
    /// The version of the text.
    pub version: i64,
    /// Its SHA-256, in hexadecimal.
    pub sha256: &'a str,
}

/// Records a consent. Given again to the same version, it is the one that stands; to a newer version, it takes its place.
///
/// # Errors
/// `Forbidden`; `Invalid` where the text is not the one in force, its hash is another, or the evidence is missing;
/// `SubjectErased`, `NotFound`.
pub async fn give(
    scope: &Scope,
    store: &Store,
    purpose: Purpose,
    shown: Shown<'_>,
    whose: Whose<'_>,
) -> Result<Consent> {
    let (subject, evidence) = whose.resolve(scope)?;
    let tx = store.write(scope).await?;
    subjects::hold_active(&tx, subject).await?;
    let text = in_force(&tx, purpose, shown).await?;
    if let Some(standing) = find_standing(&tx, subject, purpose).await? {
        if standing.version == text.version {
            return open_one(&tx, standing).await;
        }
        end(&tx, scope, &standing, None).await?;
    }
    let key = store.vault().subject_key(scope.workspace(), subject).await?;
    let id = ConsentId::new(store.clock());
    let row = table::ActiveModel {
        workspace_id: Set(scope.workspace()),
        id: Set(id),
        subject_id: Set(subject),
        purpose: Set(purpose.name().to_owned()),
        version: Set(text.version),
        text_hash: Set(text.text_hash),
        given_at: Set(store.now()),
        given_by_kind: Set(scope.actor().kind().to_owned()),
        given_by: Set(scope.actor().id()),
        evidence_sealed: Set(evidence.map(|words| key.seal_text(&evidence_place(scope.workspace(), id), words))),
        withdrawn_at: Set(None),
        withdrawn_by_kind: Set(None),
        withdrawn_by: Set(None),
        withdrawal_evidence_sealed: Set(None),
    };
    table::Entity::insert(row).exec_without_returning(tx.db()).await?;
    let made = table::Entity::find_by_id((scope.workspace(), id)).one(tx.db()).await?;
    let made =
        open_one(&tx, made.ok_or_else(|| Error::internal("a consent that was just written is not there"))?).await?;
    let event = Event::new("consent.given").target("consent", id.0).subject(subject);
    let event = event.detail("purpose", purpose.name()).detail("version", text.version);
    audit::append(scope, &tx, event.detail("sha256", shown.sha256.to_lowercase())).await?;
    tx.commit().await?;
    Ok(made)
}

/// Withdraws a consent: what rested on it stops at once. Answers with nothing where there was none.
///
/// # Errors
/// `Forbidden`; `Invalid` for missing evidence; `SubjectErased`, `NotFound`.
pub async fn withdraw(scope: &Scope, store: &Store, purpose: Purpose, whose: Whose<'_>) -> Result<Option<Consent>> {
    let (subject, evidence) = whose.resolve(scope)?;
    let tx = store.write(scope).await?;
    subjects::hold_active(&tx, subject).await?;
    let Some(standing) = find_standing(&tx, subject, purpose).await? else { return Ok(None) };
    let key = store.vault().subject_key(scope.workspace(), subject).await?;
    let place = Place::new(scope.workspace(), "consents", "withdrawal_evidence_sealed", standing.id.0);
    end(&tx, scope, &standing, evidence.map(|words| key.seal_text(&place, words))).await?;
    let now = table::Entity::find_by_id((scope.workspace(), standing.id)).one(tx.db()).await?;
    let withdrawn = open_one(&tx, now.ok_or_else(|| Error::not_found("consent"))?).await?;
    let event = Event::new("consent.withdrawn").target("consent", standing.id.0).subject(subject);
    audit::append(scope, &tx, event.detail("purpose", purpose.name())).await?;
    tx.commit().await?;
    Ok(Some(withdrawn))
}

/// A person's consents, newest first: one's own, or anybody's for those who may read about people's rights.
///
/// # Errors
/// `Forbidden`; `SubjectErased`, `NotFound`.
pub async fn of(scope: &Scope, store: &Store, subject: SubjectId) -> Result<Vec<Consent>> {
    match scope.subject() {
        Some(own) if own != subject => return Err(Error::not_found("person")),
        Some(_) => {}
        None => scope.require(Permission::PrivacyRead)?,
    }
    let tx = store.read(scope).await?;
    subjects::require_active(&tx, subject).await?;
    let key = store.vault().subject_key(scope.workspace(), subject).await?;
    let rows = table::Entity::find()
        .filter(table::Column::WorkspaceId.eq(scope.workspace()))
        .filter(table::Column::SubjectId.eq(subject))
        .order_by_desc(table::Column::GivenAt)
        .order_by_desc(table::Column::Id)
        .all(tx.db())
        .await?;
    rows.into_iter().map(|row| open(&key, row)).collect()
}

/// Whether a person's consent stands.
///
/// # Errors
/// `Unavailable`.
pub async fn stands(tx: &WorkspaceTx, subject: SubjectId, purpose: Purpose) -> Result<bool> {
    Ok(find_standing(tx, subject, purpose).await?.is_some())
}

/// The text of this version, where it is the newest of its language and the hash is its own.
async fn in_force(tx: &WorkspaceTx, purpose: Purpose, shown: Shown<'_>) -> Result<texts_table::Model> {
    let row = texts_table::Entity::find_by_id((tx.workspace(), purpose.name().to_owned(), shown.version))
        .one(tx.db())
        .await?;
    let row = row.ok_or_else(|| Error::invalid("version", "There is no such text. Ask for the one in force."))?;
    if hex::encode(&row.text_hash) != shown.sha256.to_lowercase() {
        return Err(Error::invalid("sha256", "The text that was shown is not the one of this version."));
    }
    let newer = texts_of(tx, purpose)
        .filter(texts_table::Column::Language.eq(row.language.as_str()))
        .filter(texts_table::Column::Version.gt(row.version))
        .one(tx.db())
        .await?;
    match newer {
        Some(_) => Err(Error::invalid("version", "A newer text is in force. Show it, and ask again.")),
        None => Ok(row),
    }
}

async fn find_standing(tx: &WorkspaceTx, subject: SubjectId, purpose: Purpose) -> Result<Option<table::Model>> {
    Ok(table::Entity::find()
        .filter(table::Column::WorkspaceId.eq(tx.workspace()))
        .filter(table::Column::SubjectId.eq(subject))
        .filter(table::Column::Purpose.eq(purpose.name()))
        .filter(table::Column::WithdrawnAt.is_null())
        .one(tx.db())
        .await?)
}

async fn end(tx: &WorkspaceTx, scope: &Scope, standing: &table::Model, evidence: Option<Vec<u8>>) -> Result<()> {
    table::Entity::update_many()
        .col_expr(table::Column::WithdrawnAt, Expr::value(tx.store().now()))
        .col_expr(table::Column::WithdrawnByKind, Expr::value(scope.actor().kind()))
        .col_expr(table::Column::WithdrawnBy, Expr::value(scope.actor().id()))
        .col_expr(table::Column::WithdrawalEvidenceSealed, Expr::value(evidence))
        .filter(table::Column::WorkspaceId.eq(tx.workspace()))
        .filter(table::Column::Id.eq(standing.id))
        .exec(tx.db())
        .await?;
    Ok(())
}

async fn open_one(tx: &WorkspaceTx, row: table::Model) -> Result<Consent> {
    let key = tx.store().vault().subject_key(tx.workspace(), row.subject_id).await?;
    open(&key, row)
}

fn open(key: &Key, row: table::Model) -> Result<Consent> {
    let place = evidence_place(row.workspace_id, row.id);
    Ok(Consent {
        id: row.id,
        subject: row.subject_id,
        purpose: row.purpose.parse()?,
        version: row.version,
        sha256: hex::encode(&row.text_hash),
        given_at: row.given_at,
        given_by_kind: row.given_by_kind,
        given_by: row.given_by,
        evidence: row.evidence_sealed.map(|sealed| key.open_text(&place, &sealed)).transpose()?,
        withdrawn_at: row.withdrawn_at,
        withdrawn_by_kind: row.withdrawn_by_kind,
    })
}

fn texts_of(tx: &WorkspaceTx, purpose: Purpose) -> sea_orm::Select<texts_table::Entity> {
    texts_table::Entity::find()
        .filter(texts_table::Column::WorkspaceId.eq(tx.workspace()))
        .filter(texts_table::Column::Purpose.eq(purpose.name()))
}

fn read_text(row: texts_table::Model) -> Result<ConsentText> {
    Ok(ConsentText {
        purpose: row.purpose.parse()?,
        version: row.version,
        language: row.language,
        sha256: hex::encode(&row.text_hash),
        text: row.text,
        published_at: row.published_at,
    })
}

fn evidence_place(workspace: WorkspaceId, id: ConsentId) -> Place {
    Place::new(workspace, "consents", "evidence_sealed", id.0)
}
