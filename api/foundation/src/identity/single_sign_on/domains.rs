//! Domains whose people sign in at a workspace's provider. A workspace shows that a domain is its own by a TXT record: mail
//! addresses are the domain owner's to give out, and the domain name system is where that owner speaks. A page of a website
//! would show no more than that somebody runs the website.
//!
//! Anybody may say that a domain is theirs; it counts once the record was seen, and for one workspace. Domains change hands, so
//! the record is looked at again every day: a week after it went, the domain counts no more.

use std::time::Duration;

use async_trait::async_trait;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, Select, sea_query::Expr,
};
use url::Host;

use super::SingleSignOn;
use crate::{
    alerts::Rule,
    audit::{self, Event},
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::{WorkspaceId, fill_random},
    jobs::{Duty, DutyContext},
    leaving::exports::require_owner,
    scope::{Permission, Scope},
    store::{Store, WorkspaceTx, entity::sign_on_domains as table},
};

/// Most domains of a workspace.
const MOST: u64 = 20;

/// How long a record may be gone before its domain counts no more: time to notice, and to write it again.
const GRACE: Duration = Duration::from_secs(7 * 24 * 3_600);

/// Longest name of a domain (RFC 1035, 2.3.4).
const LONGEST: usize = 253;

/// A domain, and how its owner shows that it is theirs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignOnDomain {
    /// In lower case, its labels in punycode.
    pub domain: String,
    /// The name that the TXT record belongs to.
    pub record_name: String,
    /// What it has to say.
    pub record_text: String,
    /// Named at.
    pub created_at: Timestamp,
    /// Seen at; none while it does not count.
    pub verified_at: Option<Timestamp>,
    /// Since when the record of one that counts is not there.
    pub missing_since: Option<Timestamp>,
}

/// The workspace's domains, by name.
///
/// # Errors
/// `Forbidden` without `WORKSPACE_WRITE`.
pub async fn list(scope: &Scope, store: &Store) -> Result<Vec<SignOnDomain>> {
    scope.require(Permission::WorkspaceWrite)?;
    let tx = store.read(scope).await?;
    let rows = table::Entity::find()
        .filter(table::Column::DomainWorkspaceId.eq(scope.workspace()))
        .order_by_asc(table::Column::Domain)
        .all(tx.db())
        .await?;
    Ok(rows.into_iter().map(read).collect())
}

/// Says that a domain is the workspace's. Again answers the same record.
///
/// # Errors
/// `Forbidden` for anyone but an owner; `ConfirmationRequired`; `Invalid`; `LimitExceeded` after twenty.
pub async fn add(scope: &Scope, store: &Store, typed: &str) -> Result<SignOnDomain> {
    let tx = begin(scope, store).await?;
    let domain =
        normalised(typed).ok_or_else(|| Error::invalid("domain", "This is no domain, as example.com is one."))?;
    if let Some(row) = find(&tx, &domain).await? {
        return Ok(read(row));
    }
    let own = table::Entity::find().filter(table::Column::DomainWorkspaceId.eq(scope.workspace()));
    if own.count(tx.db()).await? >= MOST {
        return Err(Error::new(ErrorKind::LimitExceeded, "A workspace has at most 20 domains."));
    }
    let mut secret = [0; 24];
    fill_random(&mut secret);
    let row = table::Model {
        domain_workspace_id: scope.workspace(),
        domain,
        proof: BASE64_URL_SAFE_NO_PAD.encode(secret),
        created_at: store.now(),
        verified_at: None,
        missing_since: None,
    };
    let active = table::ActiveModel::from(row.clone()).reset_all();
    table::Entity::insert(active).exec_without_returning(tx.db()).await?;
    audit::append(scope, &tx, event("sign_on_domain.added", scope, &row.domain)).await?;
    tx.commit().await?;
    Ok(read(row))
}

/// Looks for the record; from then on the domain counts.
///
/// # Errors
/// `Forbidden` for anyone but an owner; `ConfirmationRequired`; `NotFound`; `Conflict` where the record is not there, or the
/// domain is another workspace's; `Unavailable` where the domain name system does not answer.
pub async fn verify(scope: &Scope, sso: &SingleSignOn, typed: &str) -> Result<SignOnDomain> {
    let tx = begin(scope, &sso.store).await?;
    let row = known(&tx, typed).await?;
    drop(tx);
    let wanted = read(row.clone());
    if row.verified_at.is_some() {
        return Ok(wanted);
    }
    let texts = sso.names.texts(&wanted.record_name).await?;
    if !texts.contains(&wanted.record_text) {
        return Err(Error::new(ErrorKind::Conflict, "The record is not there, or is not seen yet. Try again later."));
    }
    let tx = begin(scope, &sso.store).await?;
    if owner_of(&tx, &row.domain).await?.is_some() {
        return Err(taken());
    }
    let now = sso.store.now();
    let seen = table::Entity::update_many()
        .col_expr(table::Column::VerifiedAt, Expr::value(now))
        .filter(table::Column::DomainWorkspaceId.eq(scope.workspace()))
        .filter(table::Column::Domain.eq(row.domain.as_str()))
        .filter(table::Column::Proof.eq(row.proof.as_str()))
        .exec(tx.db())
        .await
        // Of two workspaces that show it at the same moment the index lets one through.
        .map_err(|error| match Error::from(error) {
            error if error.kind() == ErrorKind::Conflict => taken(),
            error => error,
        })?;
    if seen.rows_affected != 1 {
        return Err(unknown());
    }
    audit::append(scope, &tx, event("sign_on_domain.verified", scope, &row.domain)).await?;
    tx.commit().await?;
    Ok(SignOnDomain { verified_at: Some(now), ..wanted })
}

/// Takes a domain away: nobody of it signs in any more. Sessions go on until they end.
///
/// # Errors
/// `Forbidden` for anyone but an owner; `ConfirmationRequired`; `NotFound`.
pub async fn remove(scope: &Scope, store: &Store, typed: &str) -> Result<()> {
    let tx = begin(scope, store).await?;
    let row = known(&tx, typed).await?;
    table::Entity::delete_by_id((scope.workspace(), row.domain.clone())).exec(tx.db()).await?;
    audit::append(scope, &tx, event("sign_on_domain.removed", scope, &row.domain)).await?;
    tx.commit().await
}

/// Looks at the records of all domains that count, every day.
pub struct DomainWatch(pub SingleSignOn);

#[async_trait]
impl Duty for DomainWatch {
    fn name(&self) -> &'static str {
        "identity.domains"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(24 * 3_600)
    }

    async fn run(&self, context: &DutyContext) -> Result<()> {
        for scope in context.scopes().await? {
            let rows = {
                let tx = self.0.store.read(&scope).await?;
                counting(scope.workspace()).all(tx.db()).await?
            };
            for row in rows {
                let wanted = read(row.clone());
                match self.0.names.texts(&wanted.record_name).await {
                    Ok(texts) => look(&scope, &self.0.store, &row, texts.contains(&wanted.record_text)).await?,
                    // Nobody said that it is gone.
                    Err(error) => tracing::warn!(kind = ?error.kind, "a sign-on domain's record cannot be looked at"),
                }
            }
        }
        Ok(())
    }
}

/// The workspace's domains that count.
fn counting(workspace: WorkspaceId) -> Select<table::Entity> {
    table::Entity::find()
        .filter(table::Column::DomainWorkspaceId.eq(workspace))
        .filter(table::Column::VerifiedAt.is_not_null())
}

/// Writes down whether the record of a domain that counts is there, where that is news.
async fn look(scope: &Scope, store: &Store, row: &table::Model, is_there: bool) -> Result<()> {
    let now = store.now();
    let (verified_at, missing_since, action) = match (is_there, row.missing_since) {
        (true, None) => return Ok(()),
        (true, Some(_)) => (row.verified_at, None, "sign_on_domain.found"),
        (false, None) => (row.verified_at, Some(now), "sign_on_domain.missing"),
        (false, Some(since)) if since.plus(GRACE) <= now => (None, None, "sign_on_domain.lapsed"),
        (false, Some(_)) => return Ok(()),
    };
    let tx = store.write(scope).await?;
    let told = table::Entity::update_many()
        .col_expr(table::Column::VerifiedAt, Expr::value(verified_at))
        .col_expr(table::Column::MissingSince, Expr::value(missing_since))
        .filter(table::Column::DomainWorkspaceId.eq(scope.workspace()))
        .filter(table::Column::Domain.eq(row.domain.as_str()))
        .filter(table::Column::Proof.eq(row.proof.as_str()))
        .filter(table::Column::VerifiedAt.is_not_null())
        .exec(tx.db())
        .await?;
    if told.rows_affected != 1 {
        return Ok(());
    }
    audit::append(scope, &tx, event(action, scope, &row.domain)).await?;
    tx.commit().await?;
    if !is_there {
        store.signals().count(Rule::DomainLost, Some(scope.workspace()));
    }
    Ok(())
}

/// The workspace that an address signs in to by its provider, however the address is typed.
pub(super) async fn workspace_of(store: &Store, address: &str) -> Result<Option<WorkspaceId>> {
    let Some(domain) = of_address(address) else { return Ok(None) };
    let tx = store.read_instance().await?;
    let row = table::Entity::find()
        .filter(table::Column::Domain.eq(domain))
        .filter(table::Column::VerifiedAt.is_not_null())
        .one(tx.db())
        .await?;
    Ok(row.map(|row| row.domain_workspace_id))
}

/// Whether an address is of a domain that the transaction's workspace showed to be its own.
pub(super) async fn is_of_workspace(tx: &WorkspaceTx, address: &str) -> Result<bool> {
    let Some(domain) = of_address(address) else { return Ok(false) };
    Ok(find(tx, &domain).await?.is_some_and(|row| row.verified_at.is_some()))
}

/// Whether the workspace has a domain that counts.
pub(super) async fn has_any(tx: &WorkspaceTx) -> Result<bool> {
    Ok(counting(tx.workspace()).one(tx.db()).await?.is_some())
}

fn of_address(address: &str) -> Option<String> {
    address.trim().rsplit_once('@').and_then(|(_, domain)| normalised(domain))
}

/// A domain in the one form in which it is compared: of the URL standard. Addresses, single labels and what is longer than
/// a name can be are none.
fn normalised(typed: &str) -> Option<String> {
    let Ok(Host::Domain(domain)) = Host::parse(typed.trim().trim_end_matches('.')) else { return None };
    (domain.contains('.') && domain.len() <= LONGEST && !domain.starts_with('.')).then_some(domain)
}

/// A transaction in which an owner may change domains.
async fn begin(scope: &Scope, store: &Store) -> Result<WorkspaceTx> {
    scope.require(Permission::WorkspaceWrite)?;
    scope.require_confirmed(store.now())?;
    let tx = store.write(scope).await?;
    require_owner(scope, &tx).await?;
    Ok(tx)
}

async fn known(tx: &WorkspaceTx, typed: &str) -> Result<table::Model> {
    let domain = normalised(typed).ok_or_else(unknown)?;
    find(tx, &domain).await?.ok_or_else(unknown)
}

async fn find(tx: &WorkspaceTx, domain: &str) -> Result<Option<table::Model>> {
    Ok(table::Entity::find_by_id((tx.workspace(), domain.to_owned())).one(tx.db()).await?)
}

async fn owner_of(tx: &WorkspaceTx, domain: &str) -> Result<Option<table::Model>> {
    let verified =
        table::Entity::find().filter(table::Column::Domain.eq(domain)).filter(table::Column::VerifiedAt.is_not_null());
    Ok(verified.one(tx.db()).await?)
}

fn read(row: table::Model) -> SignOnDomain {
    SignOnDomain {
        record_name: format!("_consigne.{}", row.domain),
        record_text: format!("consigne-domain={}", row.proof),
        domain: row.domain,
        created_at: row.created_at,
        verified_at: row.verified_at,
        missing_since: row.missing_since,
    }
}

fn event(action: &'static str, scope: &Scope, domain: &str) -> Event {
    Event::new(action).target("workspace", scope.workspace().0).detail("domain", domain)
}

fn taken() -> Error {
    Error::new(ErrorKind::Conflict, "This domain is another workspace's.")
}

fn unknown() -> Error {
    Error::not_found("domain")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_has_one_form_however_it_is_typed() {
        for typed in ["acme.example", "ACME.Example", " acme.example. ", "ａｃｍｅ.example"] {
            assert_eq!(normalised(typed).as_deref(), Some("acme.example"), "{typed}");
        }
        assert_eq!(normalised("bücher.example").as_deref(), Some("xn--bcher-kva.example"));
        for none in
            ["", "localhost", "127.0.0.1", "0x7f.1", "[::1]", "acme.example/x", "a b.example", "a@b.example", "."]
        {
            assert_eq!(normalised(none), None, "{none}");
        }
    }

    #[test]
    fn an_address_is_of_what_stands_behind_its_last_at() {
        assert_eq!(of_address(" Ana@ACME.example").as_deref(), Some("acme.example"));
        assert_eq!(of_address("\"a@evil.example\"@acme.example").as_deref(), Some("acme.example"));
        assert_eq!(of_address("acme.example"), None);
        assert_eq!(of_address("ana@sub.acme.example").as_deref(), Some("sub.acme.example"));
    }
}
