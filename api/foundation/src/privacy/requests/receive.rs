//! How requests come: from the public, from a visitor with a token, from staff, from other systems.

use std::time::Duration;

use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};

use super::{
    PrivacyRequest, RequestKind, RequestSource, RequestState, VerifiedBy, events, hold, identity_check,
    place::{self, PublicPlace},
    read, table,
};
use crate::{
    audit::{self, Event},
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::{PrivacyRequestId, SubjectId, WorkspaceId, decode, encode},
    identity::email,
    privacy::{
        calendar, information,
        mails::{self, MailKind},
        subjects,
    },
    scope::{Actor, Permission, Scope},
    store::{Store, WorkspaceTx},
    vault::{Key, Place},
    workspaces,
};

/// The kind of subject that is made for whoever asks from outside.
pub(super) const SUBJECT_KIND: &str = "REQUESTER";
/// Until when the controller has to be told.
const FORWARD_WITHIN: Duration = Duration::from_secs(48 * 3_600);
/// Business days of the agreement.
const BUSINESS_DAYS: u32 = 5;
const LONGEST_MESSAGE: usize = 5_000;
/// Requests from one address in an hour.
const MOST_OF_ONE: u64 = 3;
/// Requests from the public in an hour.
const MOST_OF_ALL: u64 = 300;
/// Languages that the product writes mails in.
pub(in crate::privacy) const SPOKEN: [&str; 4] = ["en", "fr", "de", "es"];

/// What somebody asks.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// Which right.
    pub kind: RequestKind,
    /// Where to answer.
    pub email: Option<&'a str>,
    /// In their own words.
    pub message: Option<&'a str>,
    /// ISO 639-1.
    pub language: Option<&'a str>,
}

/// What the public is told of a request, whoever asked: nothing that was not in it, but when an answer is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Names the request with its workspace; it takes the code that was sent.
    pub reference: String,
    /// When it was received.
    pub received_at: Timestamp,
    /// Until when an answer is due.
    pub due_at: Timestamp,
}

/// Takes a request from the public. A code goes to the address, whether it is known here or not.
///
/// # Errors
/// `NotFound` where nobody is at the place; `Invalid` for the address or the message; `RateLimited`.
pub async fn from_public(store: &Store, place: PublicPlace<'_>, asked: Asked<'_>) -> Result<Receipt> {
    let scope = &place::resolve(store, place).await?;
    let new = New::check(asked, RequestSource::Form, store.now())?;
    if new.email.is_none() {
        return Err(Error::invalid("email", "Say where to answer."));
    }
    let index = new.index(scope, store).await?;
    let tx = store.write(scope).await?;
    refuse_too_many(&tx, index.as_deref()).await?;
    let row = new.insert(scope, &tx, None, index).await?;
    mails::put(&tx, Some(row.id), MailKind::Code).await?;
    mails::put(&tx, Some(row.id), MailKind::Arrived).await?;
    tx.commit().await?;
    Ok(Receipt { reference: reference(scope.workspace(), row.id), received_at: row.received_at, due_at: row.due_at })
}

/// Takes a request from a visitor: their token says who asks.
///
/// # Errors
/// `Forbidden` for anyone but a visitor; `Invalid`; `RateLimited`; `SubjectErased`.
pub async fn from_visitor(scope: &Scope, store: &Store, asked: Asked<'_>) -> Result<Receipt> {
    let Actor::Visitor { subject, .. } = scope.actor() else {
        return Err(Error::new(ErrorKind::Forbidden, "Only a visitor asks so."));
    };
    let new = New::check(asked, RequestSource::Visitor, store.now())?;
    let index = new.index(scope, store).await?;
    let tx = store.write(scope).await?;
    subjects::hold_active(&tx, subject).await?;
    let of_hour = table::Entity::find()
        .filter(table::Column::WorkspaceId.eq(tx.workspace()))
        .filter(table::Column::SubjectId.eq(subject))
        .filter(table::Column::RecordedAt.gt(store.now().minus(Duration::from_secs(3_600))))
        .count(tx.db())
        .await?;
    if of_hour >= MOST_OF_ONE {
        return Err(too_many());
    }
    let row = new.insert(scope, &tx, Some(subject), index).await?;
    let mut row = hold(&tx, row.id).await?;
    identity_check::mark(scope, &tx, &mut row, VerifiedBy::VisitorToken, None).await?;
    row.concerns = Some(subject);
    super::save(&tx, row.clone()).await?;
    mails::put(&tx, Some(row.id), MailKind::Arrived).await?;
    tx.commit().await?;
    Ok(Receipt { reference: reference(scope.workspace(), row.id), received_at: row.received_at, due_at: row.due_at })
}

/// What staff, or another system, recorded of a request that came another way.
#[derive(Clone, Copy)]
pub struct Recorded<'a> {
    /// What was asked.
    pub asked: Asked<'a>,
    /// How it came.
    pub source: RequestSource,
    /// When it was first received, by whomever; now where left out. Periods count from here.
    pub received_at: Option<Timestamp>,
    /// The person, where staff knows whom it is about.
    pub concerns: Option<SubjectId>,
    /// The id that another system knows it by; the same again answers with the same request.
    pub external_id: Option<&'a str>,
}

/// Records a request that came by mail, by letter, by telephone or from another system.
///
/// # Errors
/// `Forbidden` without `PRIVACY_WRITE`; `Invalid`, also for a receipt in the future; `NotFound` person.
pub async fn record(scope: &Scope, store: &Store, recorded: Recorded<'_>) -> Result<PrivacyRequest> {
    scope.require(Permission::PrivacyWrite)?;
    let received_at = recorded.received_at.unwrap_or(store.now());
    if received_at > store.now() {
        return Err(Error::invalid("receivedAt", "It cannot have been received in the future."));
    }
    if recorded.external_id.is_some_and(|id| id.is_empty() || id.len() > 200) {
        return Err(Error::invalid("externalId", "An id has 1 to 200 characters."));
    }
    let new = New::check(recorded.asked, recorded.source, received_at)?;
    let index = new.index(scope, store).await?;
    let tx = store.write(scope).await?;
    if let Some(external) = recorded.external_id {
        let known = table::Entity::find()
            .filter(table::Column::WorkspaceId.eq(tx.workspace()))
            .filter(table::Column::ExternalId.eq(external))
            .one(tx.db())
            .await?;
        if let Some(known) = known {
            return read(&tx, known).await;
        }
    }
    if let Some(person) = recorded.concerns {
        subjects::require_active(&tx, person).await?;
    }
    let mut row = new.insert(scope, &tx, None, index).await?;
    row.concerns = recorded.concerns;
    row.external_id = recorded.external_id.map(str::to_owned);
    super::save(&tx, row.clone()).await?;
    if row.contact_sealed.is_some() {
        mails::put(&tx, Some(row.id), MailKind::Code).await?;
    }
    mails::put(&tx, Some(row.id), MailKind::Arrived).await?;
    let made = read(&tx, row).await?;
    tx.commit().await?;
    Ok(made)
}

/// Makes a request of a mail. Where its sender asked often already no code goes out, so that nobody's mailbox is filled by mails in their name.
pub(super) async fn from_mail(
    scope: &Scope,
    tx: &WorkspaceTx,
    from: Option<&str>,
    message: &str,
    received_at: Timestamp,
) -> Result<PrivacyRequestId> {
    let message: String = message.chars().take(LONGEST_MESSAGE).collect();
    let own = workspaces::current(tx).await?.languages;
    let language = own.iter().map(String::as_str).find(|language| SPOKEN.contains(language));
    let asked = Asked {
        kind: RequestKind::Other,
        email: from.filter(|from| email::normalised(from).is_ok()),
        message: Some(&message),
        language,
    };
    let new = New::check(asked, RequestSource::Mail, received_at)?;
    let index = new.index(scope, tx.store()).await?;
    let is_often = refuse_too_many(tx, index.as_deref()).await.is_err();
    let row = new.insert(scope, tx, None, index).await?;
    if row.contact_sealed.is_some() && !is_often {
        mails::put(tx, Some(row.id), MailKind::Code).await?;
    }
    mails::put(tx, Some(row.id), MailKind::Arrived).await?;
    Ok(row.id)
}

/// A request that was checked and is not there yet.
struct New<'a> {
    asked: Asked<'a>,
    email: Option<String>,
    source: RequestSource,
    received_at: Timestamp,
}

impl<'a> New<'a> {
    fn check(asked: Asked<'a>, source: RequestSource, received_at: Timestamp) -> Result<Self> {
        if asked.message.is_some_and(|message| message.chars().count() > LONGEST_MESSAGE) {
            return Err(Error::invalid("message", "This may have 5,000 characters."));
        }
        let email = asked.email.map(email::normalised).transpose()?;
        Ok(Self { asked, email, source, received_at })
    }

    async fn index(&self, scope: &Scope, store: &Store) -> Result<Option<Vec<u8>>> {
        match &self.email {
            Some(email) => contact_index(store, scope.workspace(), email).await.map(Some),
            None => Ok(None),
        }
    }

    /// Writes the row, under the key of `subject` or of a person made for it.
    async fn insert(
        self,
        scope: &Scope,
        tx: &WorkspaceTx,
        subject: Option<SubjectId>,
        contact_index: Option<Vec<u8>>,
    ) -> Result<table::Model> {
        let store = tx.store();
        let subject = match subject {
            Some(subject) => subject,
            None => subjects::create(tx, SUBJECT_KIND).await?,
        };
        let key = store.vault().subject_key(tx.workspace(), subject).await?;
        let id = PrivacyRequestId::new(store.clock());
        let seal = |key: &Key, column, text: &str| {
            key.seal_text(&Place::new(tx.workspace(), "privacy_requests", column, id.0), text)
        };
        let message = self.asked.message.map(str::trim).filter(|message| !message.is_empty());
        let spoken = self.asked.language.map(str::to_lowercase).filter(|language| SPOKEN.contains(&language.as_str()));
        let holidays = information::holidays(tx).await?;
        let row = table::Model {
            workspace_id: tx.workspace(),
            id,
            subject_id: Some(subject),
            concerns: None,
            kind: self.asked.kind.name().to_owned(),
            state: RequestState::Received.name().to_owned(),
            source: self.source.name().to_owned(),
            language: spoken.unwrap_or_else(|| SPOKEN[0].to_owned()),
            external_id: None,
            contact_index,
            contact_sealed: self.email.as_deref().map(|email| seal(&key, "contact_sealed", email)),
            message_sealed: message.map(|message| seal(&key, "message_sealed", message)),
            received_at: self.received_at,
            recorded_at: store.now(),
            forward_due_at: self.received_at.plus(FORWARD_WITHIN),
            agreement_due_at: calendar::business_days_after(self.received_at, BUSINESS_DAYS, holidays)?,
            due_at: calendar::a_month_after(self.received_at)?,
            forwarded_at: None,
            code_hash: None,
            code_expires_at: None,
            code_tries: 0,
            codes_asked_at: None,
            codes_asked: 0,
            verified_at: None,
            verified_by: None,
            evidence_sealed: None,
            taken_by: None,
            extended_at: None,
            closed_at: None,
            refusal: None,
            words_sealed: None,
            blanked_at: None,
        };
        table::Entity::insert(table::ActiveModel::from(row.clone()).reset_all())
            .exec_without_returning(tx.db())
            .await?;
        events::append(tx, id, events::Kind::Received).await?;
        let event = Event::new("privacy_request.received").target("privacy_request", id.0);
        let event = event.detail("kind", row.kind.clone()).detail("source", row.source.clone());
        audit::append(scope, tx, event.detail("receivedAt", row.received_at.rfc3339())).await?;
        Ok(row)
    }
}

/// What an address is found by.
pub(crate) async fn contact_index(store: &Store, workspace: WorkspaceId, email: &str) -> Result<Vec<u8>> {
    store.vault().blind_index(workspace, "privacy request contact", email).await
}

/// What the public names a request by: the workspace and the request, 26 characters each.
pub fn reference(workspace: WorkspaceId, request: PrivacyRequestId) -> String {
    format!("{}{}", encode(workspace.0), encode(request.0))
}

/// The workspace and the request of a reference.
pub(super) fn read_reference(reference: &str) -> Option<(WorkspaceId, PrivacyRequestId)> {
    let (workspace, request) = reference.trim().split_at_checked(26)?;
    Some((WorkspaceId(decode(workspace)?), PrivacyRequestId(decode(request)?)))
}

/// Nobody fills somebody else's mailbox, or the inbox of the workspace.
async fn refuse_too_many(tx: &WorkspaceTx, contact_index: Option<&[u8]>) -> Result<()> {
    let of_hour = || {
        table::Entity::find()
            .filter(table::Column::WorkspaceId.eq(tx.workspace()))
            .filter(table::Column::RecordedAt.gt(tx.store().now().minus(Duration::from_secs(3_600))))
    };
    if let Some(index) = contact_index {
        let of_one = of_hour().filter(table::Column::ContactIndex.eq(index.to_vec())).count(tx.db()).await?;
        if of_one >= MOST_OF_ONE {
            return Err(too_many());
        }
    }
    let of_public = of_hour().filter(table::Column::Source.eq(RequestSource::Form.name())).count(tx.db()).await?;
    if of_public >= MOST_OF_ALL { Err(too_many()) } else { Ok(()) }
}

fn too_many() -> Error {
    Error::new(ErrorKind::RateLimited, "Too many requests. Try again in an hour.")
}
