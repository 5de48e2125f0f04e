//! What staff does with a request: takes it, says whom it is about, extends the period, fulfils or refuses it.

use super::{
    PrivacyRequest, RefusalGround, RequestState, Verified, advance,
    events::{self, Kind},
    find, hold, is_own, key_of, place_of, read, save, table, unknown,
};
use crate::{
    audit::{self, Event},
    error::{Error, ErrorKind, Result},
    id::{PrivacyRequestId, SubjectId},
    privacy::{
        calendar,
        mails::{self, MailKind},
        subjects,
    },
    scope::{Permission, Scope},
    store::{Store, WorkspaceTx},
};

/// Takes a request: the controller has it now.
///
/// # Errors
/// `Forbidden` without `PRIVACY_WRITE`; `NotFound`; `Conflict` where it is closed or taken.
pub async fn take(scope: &Scope, store: &Store, id: PrivacyRequestId) -> Result<PrivacyRequest> {
    scope.require(Permission::PrivacyWrite)?;
    let tx = store.write(scope).await?;
    let mut row = hold(&tx, id).await?;
    advance(&mut row, RequestState::InProgress)?;
    row.forwarded_at.get_or_insert(store.now());
    row.taken_by = scope.actor().id();
    changed(scope, tx, row, (Kind::Taken, Event::new("privacy_request.taken"))).await
}

/// Says whose data a request is about, once staff found out. The request's token opens that person's rights from then on.
///
/// # Errors
/// `Forbidden` without `PRIVACY_WRITE`; `NotFound` request or person; `Conflict` where it is closed.
pub async fn link(scope: &Scope, store: &Store, id: PrivacyRequestId, person: SubjectId) -> Result<PrivacyRequest> {
    scope.require(Permission::PrivacyWrite)?;
    let tx = store.write(scope).await?;
    let mut row = hold(&tx, id).await?;
    refuse_closed(&row)?;
    subjects::hold_active(&tx, person).await?;
    row.concerns = Some(person);
    let event = Event::new("privacy_request.linked").detail("person", person.to_string());
    changed(scope, tx, row, (Kind::Linked, event)).await
}

/// Extends the period by two further months (GDPR art. 12(3)): once, before it ends, and the person is told why.
///
/// # Errors
/// `Forbidden` without `PRIVACY_WRITE`; `Invalid` words; `NotFound`; `Conflict` where it is closed, over or extended.
pub async fn extend(scope: &Scope, store: &Store, id: PrivacyRequestId, words: &str) -> Result<PrivacyRequest> {
    scope.require(Permission::PrivacyWrite)?;
    let words = check_words(words)?;
    let tx = store.write(scope).await?;
    let mut row = hold(&tx, id).await?;
    refuse_closed(&row)?;
    if row.extended_at.is_some() || row.due_at <= store.now() {
        return Err(Error::new(ErrorKind::Conflict, "A period is extended once, and before it ends."));
    }
    row.due_at = calendar::three_months_after(row.received_at)?;
    row.extended_at = Some(store.now());
    seal_words(&tx, &mut row, words).await?;
    mails::put(&tx, Some(id), MailKind::Extended).await?;
    changed(scope, tx, row, (Kind::Extended, Event::new("privacy_request.extended"))).await
}

/// Closes a request as served. The person is told in these words.
///
/// # Errors
/// `Forbidden` without `PRIVACY_WRITE`; `Invalid` words; `NotFound`; `Conflict` where it is not known who asks, or nobody has
/// taken it.
pub async fn fulfil(scope: &Scope, store: &Store, id: PrivacyRequestId, words: &str) -> Result<PrivacyRequest> {
    scope.require(Permission::PrivacyWrite)?;
    let words = check_words(words)?;
    let tx = store.write(scope).await?;
    let request = Verified::hold(&tx, id).await?;
    close(scope, tx, request, words).await
}

/// Serving takes a verified request, so that none is served on an address that somebody typed.
async fn close(scope: &Scope, tx: WorkspaceTx, request: Verified<table::Model>, words: &str) -> Result<PrivacyRequest> {
    let mut row = request.into_row();
    advance(&mut row, RequestState::Fulfilled)?;
    row.closed_at = Some(tx.store().now());
    seal_words(&tx, &mut row, words).await?;
    mails::put(&tx, Some(row.id), MailKind::Fulfilled).await?;
    changed(scope, tx, row, (Kind::Fulfilled, Event::new("privacy_request.fulfilled"))).await
}

/// Refuses a request, with a ground, with words for the person, and with where to complain (art. 12(4)).
///
/// # Errors
/// `Forbidden` without `PRIVACY_WRITE`; `Invalid` words; `NotFound`; `Conflict` where it is closed.
pub async fn refuse(
    scope: &Scope,
    store: &Store,
    id: PrivacyRequestId,
    ground: RefusalGround,
    words: &str,
) -> Result<PrivacyRequest> {
    scope.require(Permission::PrivacyWrite)?;
    let words = check_words(words)?;
    let tx = store.write(scope).await?;
    let mut row = hold(&tx, id).await?;
    advance(&mut row, RequestState::Refused)?;
    row.forwarded_at.get_or_insert(store.now());
    row.closed_at = Some(store.now());
    row.refusal = Some(ground.name().to_owned());
    seal_words(&tx, &mut row, words).await?;
    mails::put(&tx, Some(id), MailKind::Refused).await?;
    let event = Event::new("privacy_request.refused").detail("ground", ground.name());
    changed(scope, tx, row, (Kind::Refused, event)).await
}

/// Takes a request back: whoever made it, by their token.
///
/// # Errors
/// `NotFound` where it is not theirs; `Conflict` where it is closed.
pub async fn withdraw(scope: &Scope, store: &Store, id: PrivacyRequestId) -> Result<PrivacyRequest> {
    let tx = store.write(scope).await?;
    let mut row = hold(&tx, id).await?;
    if !is_own(scope, &row) {
        return Err(unknown());
    }
    advance(&mut row, RequestState::Withdrawn)?;
    row.closed_at = Some(store.now());
    changed(scope, tx, row, (Kind::Withdrawn, Event::new("privacy_request.withdrawn"))).await
}

/// Writes the row and the entry, and answers with the request.
async fn changed(
    scope: &Scope,
    tx: WorkspaceTx,
    row: table::Model,
    (kind, event): (Kind, Event),
) -> Result<PrivacyRequest> {
    let id = row.id;
    save(&tx, row).await?;
    events::append(&tx, id, kind).await?;
    let request = read(&tx, find(&tx, id).await?).await?;
    audit::append(scope, &tx, event.target("privacy_request", id.0)).await?;
    tx.commit().await?;
    Ok(request)
}

async fn seal_words(tx: &WorkspaceTx, row: &mut table::Model, words: &str) -> Result<()> {
    if let Some(key) = key_of(tx, row).await? {
        row.words_sealed = Some(key.seal_text(&place_of(row, "words_sealed"), words));
    }
    Ok(())
}

fn refuse_closed(row: &table::Model) -> Result<()> {
    match row.closed_at {
        None => Ok(()),
        Some(_) => Err(Error::new(ErrorKind::Conflict, "The request is closed.")),
    }
}

fn check_words(words: &str) -> Result<&str> {
    let words = words.trim();
    let fits = (10..=5_000).contains(&words.chars().count());
    if fits { Ok(words) } else { Err(Error::invalid("words", "Write to the person in 10 to 5,000 characters.")) }
}
