//! Visitors of a customer's site: known by nothing but a token, unless they say more.

use std::time::Duration;

use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};

use super::{
    SecretText,
    api_keys::{self, ApiKeyKind},
    known_visitors,
    tokens::{self, TokenKind, VisitorClaims},
    unauthenticated,
    visitor_jwt::{self, Known},
    visitor_keys,
};
use crate::{
    audit::{self, Event},
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::{ApiKeyId, AssistantId, SubjectId, VisitorId},
    privacy::{
        identifiers::{self, IdentifierKind, IdentifierSource, Volunteered},
        subjects,
    },
    scope::{Actor, Permission, Permissions, Scope, closed},
    store::{Store, WorkspaceTx, entity::visitors},
    workspaces,
};

/// How long after its end a visitor token still continues its visitor.
pub const RENEWABLE: Duration = Duration::from_secs(24 * 3600);

/// The kind of subject that a visitor is.
const SUBJECT_KIND: &str = "VISITOR";

/// A visitor's way in.
#[derive(Debug, Clone)]
pub struct VisitorSession {
    /// For the `Authorization` header.
    pub token: SecretText,
    /// When the token ends.
    pub expires_at: Timestamp,
    /// Who.
    pub visitor: VisitorId,
    /// The person, as the workspace holds data about them.
    pub subject: SubjectId,
    /// The only assistant that may be asked.
    pub assistant: AssistantId,
}

/// Starts a visitor by a publishable key from a page at `origin`, or continues the one of `existing_token` if it is
/// valid or ended less than [`RENEWABLE`] ago. Any other token is as good as none. With an `identity_token` of the
/// customer's server ([`visitor_keys`]) it starts or continues the person of its `sub`; whom one was shown for is continued
/// by nothing else.
///
/// # Errors
/// `Unauthenticated` for the key or the identity token; `Forbidden` for the origin, or none; `SubjectErased` where the
/// person's data was erased: come back without the token.
pub async fn start(
    store: &Store,
    key: &str,
    origin: Option<&str>,
    existing_token: Option<&str>,
    identity_token: Option<&str>,
) -> Result<VisitorSession> {
    let (workspace, key) = api_keys::by_text(store, key, ApiKeyKind::Publishable).await?;
    if !origin.is_some_and(|origin| key.origins.iter().any(|allowed| allowed == origin)) {
        return Err(Error::new(ErrorKind::Forbidden, "This key may not be used from this page."));
    }
    if workspaces::is_closing(&store.read_instance().await?, workspace).await? {
        return Err(closed());
    }
    let assistant = key.assistant.ok_or_else(unauthenticated)?;
    let scope = Scope::new(workspace, Actor::ApiKey(key.id), Permissions::of(&[Permission::VisitorsWrite]));
    if let Some(token) = identity_token {
        let known = visitor_jwt::verify(store, workspace, assistant, token).await?;
        return start_known(&scope, store, assistant, key.id, &known).await;
    }
    start_or_continue(&scope, store, assistant, Some(key.id), existing_token, Volunteered::default()).await
}

/// Starts or continues the visitor whom the customer's server vouched for.
async fn start_known(
    scope: &Scope,
    store: &Store,
    assistant: AssistantId,
    key: ApiKeyId,
    known: &Known,
) -> Result<VisitorSession> {
    let signer = tokens::signer(store).await?;
    let index = known_visitors::index(store, scope.workspace(), known).await?;
    let (visitor, subject) = match admit(scope, store, assistant, &index, known).await {
        // Somebody opened two pages at once, and the other was first.
        Err(error) if error.kind() == ErrorKind::Conflict => admit(scope, store, assistant, &index, known).await?,
        admitted => admitted?,
    };
    let claims = VisitorClaims {
        sub: visitor,
        workspace: scope.workspace(),
        subject,
        assistant,
        key: Some(key),
        vouched_by: Some(known.key),
    };
    let (token, expires_at) = tokens::issue(&signer, TokenKind::Visitor, claims, store.now())?;
    Ok(VisitorSession { token, expires_at, visitor, subject, assistant })
}

async fn admit(
    scope: &Scope,
    store: &Store,
    assistant: AssistantId,
    index: &[u8],
    known: &Known,
) -> Result<(VisitorId, SubjectId)> {
    let tx = store.write(scope).await?;
    // Whom the customer's server named before is the same person.
    let named = identifiers::find(&tx, IdentifierKind::ExternalId, &known.external_id).await?.first().copied();
    let subject = known_visitors::person(&tx, index, known, named, SUBJECT_KIND).await?;
    identifiers::put(&tx, subject, IdentifierKind::ExternalId, &known.external_id, IdentifierSource::Customer).await?;
    if let Some(email) = &known.email {
        identifiers::put(&tx, subject, IdentifierKind::Email, email, IdentifierSource::Customer).await?;
    }
    let visitor = visitor_of(scope, &tx, assistant, subject).await?;
    visitor_keys::note_use(&tx, known.key).await?;
    tx.commit().await?;
    Ok((visitor, subject))
}

/// The visitor that a person is for an assistant.
async fn visitor_of(scope: &Scope, tx: &WorkspaceTx, assistant: AssistantId, subject: SubjectId) -> Result<VisitorId> {
    let found = visitors::Entity::find()
        .filter(visitors::Column::WorkspaceId.eq(scope.workspace()))
        .filter(visitors::Column::SubjectId.eq(subject))
        .filter(visitors::Column::AssistantId.eq(assistant))
        .one(tx.db())
        .await?;
    let Some(row) = found else { return insert(scope, tx, assistant, subject).await };
    visitors::Entity::update_many()
        .col_expr(visitors::Column::LastSeenAt, Expr::value(tx.store().now()))
        .filter(visitors::Column::WorkspaceId.eq(scope.workspace()))
        .filter(visitors::Column::Id.eq(row.id))
        .exec(tx.db())
        .await?;
    audit::append(scope, tx, event("visitor.continued", row.id, subject)).await?;
    Ok(row.id)
}

/// Starts or continues a visitor from the customer's own server, and writes down what it says the person is known by. One whom
/// it knows by an external id is the same person on every device. The caller has checked that the workspace has the
/// assistant.
///
/// # Errors
/// `Forbidden` without `VISITORS_WRITE`; `Invalid` for what is no address or number; `SubjectErased` as in [`start`];
/// `Restricted` where something would be written about somebody whose data may only be stored.
pub async fn start_for(
    scope: &Scope,
    store: &Store,
    assistant: AssistantId,
    existing_token: Option<&str>,
    volunteered: Volunteered,
) -> Result<VisitorSession> {
    scope.require(Permission::VisitorsWrite)?;
    let key = match scope.actor() {
        Actor::ApiKey(key) => Some(key),
        _ => None,
    };
    start_or_continue(scope, store, assistant, key, existing_token, volunteered).await
}

async fn start_or_continue(
    scope: &Scope,
    store: &Store,
    assistant: AssistantId,
    key: Option<ApiKeyId>,
    existing_token: Option<&str>,
    volunteered: Volunteered,
) -> Result<VisitorSession> {
    let signer = tokens::signer(store).await?;
    let known = match existing_token {
        Some(token) => known_visitor(scope, store, assistant, token).await?,
        None => None,
    };
    let tx = store.write(scope).await?;
    let named = match &volunteered.external_id {
        Some(id) => identifiers::find(&tx, IdentifierKind::ExternalId, id).await?.first().copied(),
        None => None,
    };
    // The customer's own word on who it is goes before a device's.
    let known = known.filter(|claims| named.is_none_or(|named| named == claims.subject));
    let continued = match &known {
        Some(claims) => continue_as(scope, &tx, claims).await?,
        None => false,
    };
    let (visitor, subject) = match known {
        Some(claims) if continued => (claims.sub, claims.subject),
        _ => create(scope, &tx, assistant, named).await?,
    };
    for (kind, value) in [
        (IdentifierKind::ExternalId, &volunteered.external_id),
        (IdentifierKind::Email, &volunteered.email),
        (IdentifierKind::Phone, &volunteered.phone),
    ] {
        if let Some(value) = value {
            identifiers::put(&tx, subject, kind, value, IdentifierSource::Customer).await?;
        }
    }
    tx.commit().await?;
    let workspace = scope.workspace();
    let claims = VisitorClaims { sub: visitor, workspace, subject, assistant, key, vouched_by: None };
    let (token, expires_at) = tokens::issue(&signer, TokenKind::Visitor, claims, store.now())?;
    Ok(VisitorSession { token, expires_at, visitor, subject, assistant })
}

async fn known_visitor(
    scope: &Scope,
    store: &Store,
    assistant: AssistantId,
    token: &str,
) -> Result<Option<VisitorClaims>> {
    let tx = store.read_instance().await?;
    match tokens::verify_within::<VisitorClaims>(&tx, TokenKind::Visitor, token, RENEWABLE).await {
        Ok(verified) => {
            let claims = verified.claims;
            // Whom the customer's server vouched for it vouches for again, or they are somebody new: pages are shared.
            let is_anonymous = claims.vouched_by.is_none();
            let is_of_here = is_anonymous && claims.workspace == scope.workspace() && claims.assistant == assistant;
            Ok(is_of_here.then_some(claims))
        }
        Err(error) if error.kind() == ErrorKind::Unauthenticated => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether the visitor is still there to be continued.
async fn continue_as(scope: &Scope, tx: &WorkspaceTx, claims: &VisitorClaims) -> Result<bool> {
    match subjects::hold_active(tx, claims.subject).await {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        // Whoever comes in to use a right is let in, and not written about.
        Err(error) if error.kind() == ErrorKind::Restricted => {
            return Ok(visitors::Entity::find_by_id((scope.workspace(), claims.sub)).one(tx.db()).await?.is_some());
        }
        Err(error) => return Err(error),
    }
    let seen = visitors::Entity::update_many()
        .col_expr(visitors::Column::LastSeenAt, Expr::value(tx.store().now()))
        .filter(visitors::Column::WorkspaceId.eq(scope.workspace()))
        .filter(visitors::Column::Id.eq(claims.sub))
        .filter(visitors::Column::SubjectId.eq(claims.subject))
        .filter(visitors::Column::AssistantId.eq(claims.assistant))
        .exec(tx.db())
        .await?;
    if seen.rows_affected == 0 {
        return Ok(false);
    }
    audit::append(scope, tx, event("visitor.continued", claims.sub, claims.subject)).await?;
    Ok(true)
}

/// A new visitor: a new person, or one more device of this one.
async fn create(
    scope: &Scope,
    tx: &WorkspaceTx,
    assistant: AssistantId,
    named: Option<SubjectId>,
) -> Result<(VisitorId, SubjectId)> {
    let subject = match named {
        Some(named) => {
            subjects::hold_active(tx, named).await?;
            named
        }
        None => subjects::create(tx, SUBJECT_KIND).await?,
    };
    Ok((insert(scope, tx, assistant, subject).await?, subject))
}

async fn insert(scope: &Scope, tx: &WorkspaceTx, assistant: AssistantId, subject: SubjectId) -> Result<VisitorId> {
    let (visitor, now) = (VisitorId::new(tx.store().clock()), tx.store().now());
    let row = visitors::ActiveModel {
        workspace_id: Set(scope.workspace()),
        id: Set(visitor),
        subject_id: Set(subject),
        assistant_id: Set(assistant),
        created_at: Set(now),
        last_seen_at: Set(now),
    };
    visitors::Entity::insert(row).exec_without_returning(tx.db()).await?;
    audit::append(scope, tx, event("visitor.started", visitor, subject)).await?;
    Ok(visitor)
}

fn event(action: &'static str, visitor: VisitorId, subject: SubjectId) -> Event {
    Event::new(action).target("visitor", visitor.0).subject(subject)
}

/// Whether a visitor's token still stands for somebody: the row is there, the person's data is not being erased, and
/// the key that started the visitor holds.
pub(super) async fn is_live(tx: &WorkspaceTx, claims: &VisitorClaims) -> Result<bool> {
    let row = visitors::Entity::find_by_id((tx.workspace(), claims.sub)).one(tx.db()).await?;
    if !row.is_some_and(|row| row.subject_id == claims.subject && row.assistant_id == claims.assistant) {
        return Ok(false);
    }
    match subjects::require_not_erased(tx, claims.subject).await {
        Ok(()) => {}
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::SubjectErased) => return Ok(false),
        Err(error) => return Err(error),
    }
    if let Some(key) = claims.vouched_by
        && !visitor_keys::is_usable(tx, key).await?
    {
        return Ok(false);
    }
    match claims.key {
        Some(key) => api_keys::is_usable(tx, key).await,
        None => Ok(true),
    }
}
