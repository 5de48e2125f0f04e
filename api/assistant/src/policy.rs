//! What a workspace allows with texts: into which regions they may go, what may be spent, and who may have some corrected.
//!
//! A workspace that said nothing allows the European Economic Area and nothing else.

use consigne_foundation::{
    Error, Permission, Result, Scope, Timestamp,
    audit::{self, Event},
    detector::Group,
    scope::Actor,
    store::{Store, WorkspaceTx},
};
use consigne_sdk::{Processing, Region, Safeguard};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, sea_query::OnConflict};
use uuid::Uuid;

use crate::entity::{processing_grounds as grounds_table, processing_policies as table};

/// The most that a budget can say: what a double holds exactly.
const MOST: i64 = 1 << 53;

/// Into which regions texts may go (GDPR chapter V).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Transfers {
    /// This installation and the European Economic Area.
    #[default]
    EuOnly,
    /// Also a country for which an adequacy decision or standard clauses are declared.
    Safeguarded,
    /// Anywhere, undeclared places too.
    Any,
}

impl Transfers {
    /// The name in the database and in the audit log.
    pub fn name(self) -> &'static str {
        match self {
            Self::EuOnly => "EU_ONLY",
            Self::Safeguarded => "SAFEGUARDED",
            Self::Any => "ANY",
        }
    }

    fn of(name: &str) -> Self {
        match name {
            "SAFEGUARDED" => Self::Safeguarded,
            "ANY" => Self::Any,
            // What cannot be read is the strictest.
            _ => Self::EuOnly,
        }
    }

    /// Whether a text may go there.
    pub fn allows(self, processing: &Processing) -> bool {
        let inside = matches!(processing.region, Region::Local | Region::Eea);
        let declared = matches!(processing.region, Region::Country(_));
        let safeguarded = matches!(processing.safeguard, Safeguard::Adequacy | Safeguard::StandardClauses);
        match self {
            Self::EuOnly => inside,
            Self::Safeguarded => inside || (declared && safeguarded),
            Self::Any => true,
        }
    }
}

/// What a workspace allows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    /// Into which regions.
    pub transfers: Transfers,
    /// Tokens a calendar month (UTC); no limit where `None`.
    pub monthly_tokens: Option<i64>,
    /// Money a calendar month (UTC), in millionths of the currency that prices are given in; no limit where `None`.
    pub monthly_micros: Option<i64>,
    /// The plugin that corrects; the first that the workspace uses where `None`.
    pub corrector: Option<String>,
    /// Whether visitors may have their texts corrected.
    pub visitors_may_correct: bool,
}

/// What is to change; `None` stays.
#[derive(Debug, Clone, Default)]
pub struct PolicyChange {
    /// See [`Policy::transfers`].
    pub transfers: Option<Transfers>,
    /// See [`Policy::monthly_tokens`]; `Some(None)` takes the limit away.
    pub monthly_tokens: Option<Option<i64>>,
    /// See [`Policy::monthly_micros`]; `Some(None)` takes the limit away.
    pub monthly_micros: Option<Option<i64>>,
    /// See [`Policy::corrector`]; `Some(None)` goes back to the first.
    pub corrector: Option<Option<String>>,
    /// See [`Policy::visitors_may_correct`].
    pub visitors_may_correct: Option<bool>,
}

/// What a text can hold that is not processed without a recorded ground.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concern {
    /// Passwords, keys and tokens in a text to be corrected. They are masked even then.
    Secrets,
    /// Special categories of personal data (GDPR art. 9) in a text to be corrected. They cannot be masked.
    SpecialCategories,
    /// Passwords, keys and tokens in what a visitor writes.
    SecretsInChats,
    /// Special categories of personal data in what a visitor writes about a person.
    SpecialCategoriesInChats,
}

impl Concern {
    /// What the detector finds for it.
    pub(crate) fn group(self) -> Group {
        match self {
            Self::Secrets | Self::SecretsInChats => Group::Secret,
            Self::SpecialCategories | Self::SpecialCategoriesInChats => Group::Special,
        }
    }

    /// The name in the database and in the audit log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Secrets => "SECRETS",
            Self::SpecialCategories => "SPECIAL_CATEGORIES",
            Self::SecretsInChats => "SECRETS_IN_CHATS",
            Self::SpecialCategoriesInChats => "SPECIAL_CATEGORIES_IN_CHATS",
        }
    }

    fn of(name: &str) -> Option<Self> {
        [Self::Secrets, Self::SpecialCategories, Self::SecretsInChats, Self::SpecialCategoriesInChats]
            .into_iter()
            .find(|concern| concern.name() == name)
    }
}

/// A recorded ground.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ground {
    /// For what.
    pub concern: Concern,
    /// Why it is lawful, in the workspace's own words.
    pub ground: String,
    /// The account that recorded it; nobody where a program did.
    pub recorded_by: Option<Uuid>,
    /// When.
    pub recorded_at: Timestamp,
}

/// What the scope's workspace allows.
///
/// # Errors
/// `Forbidden` without `WORKSPACE_READ`.
pub async fn get(scope: &Scope, store: &Store) -> Result<Policy> {
    scope.require(Permission::WorkspaceRead)?;
    current(&store.read(scope).await?).await
}

/// Refuses what cannot be set.
///
/// # Errors
/// `Invalid`.
pub fn check(change: &PolicyChange) -> Result<()> {
    let fits = |limit: &Option<Option<i64>>| limit.flatten().is_none_or(|limit| (0..=MOST).contains(&limit));
    if !fits(&change.monthly_tokens) {
        return Err(Error::invalid("monthlyTokens", "A limit is a number from 0 up."));
    }
    if !fits(&change.monthly_micros) {
        return Err(Error::invalid("monthlyMoney", "A limit is an amount from 0 up."));
    }
    match change.corrector.as_ref().and_then(Option::as_ref) {
        Some(plugin) if plugin.is_empty() || plugin.len() > 64 => {
            Err(Error::invalid("corrector", "Name the plugin that corrects."))
        }
        _ => Ok(()),
    }
}

/// Changes what the workspace allows. It holds from the next question and the next correction on.
///
/// # Errors
/// `Forbidden` without `WORKSPACE_WRITE`; `Invalid`.
pub async fn configure(scope: &Scope, store: &Store, change: PolicyChange) -> Result<Policy> {
    scope.require(Permission::WorkspaceWrite)?;
    check(&change)?;
    let tx = store.write(scope).await?;
    let mut policy = current(&tx).await?;
    let PolicyChange { transfers, monthly_tokens, monthly_micros, corrector, visitors_may_correct } = change;
    policy.transfers = transfers.unwrap_or(policy.transfers);
    policy.monthly_tokens = monthly_tokens.unwrap_or(policy.monthly_tokens);
    policy.monthly_micros = monthly_micros.unwrap_or(policy.monthly_micros);
    policy.corrector = corrector.unwrap_or_else(|| policy.corrector.take());
    policy.visitors_may_correct = visitors_may_correct.unwrap_or(policy.visitors_may_correct);
    let row = table::ActiveModel {
        workspace_id: Set(scope.workspace()),
        transfers: Set(policy.transfers.name().to_owned()),
        monthly_tokens: Set(policy.monthly_tokens),
        monthly_micros: Set(policy.monthly_micros),
        corrector: Set(policy.corrector.clone()),
        visitors_may_correct: Set(policy.visitors_may_correct),
        updated_at: Set(store.now()),
    };
    let replaced = OnConflict::column(table::Column::WorkspaceId)
        .update_columns([
            table::Column::Transfers,
            table::Column::MonthlyTokens,
            table::Column::MonthlyMicros,
            table::Column::Corrector,
            table::Column::VisitorsMayCorrect,
            table::Column::UpdatedAt,
        ])
        .to_owned();
    table::Entity::insert(row).on_conflict(replaced).exec_without_returning(tx.db()).await?;
    let event = Event::new("processing.configured")
        .detail("transfers", policy.transfers.name())
        .detail("monthlyTokens", policy.monthly_tokens)
        .detail("monthlyMicros", policy.monthly_micros)
        .detail("corrector", policy.corrector.clone())
        .detail("visitorsMayCorrect", policy.visitors_may_correct);
    audit::append(scope, &tx, event).await?;
    tx.commit().await?;
    Ok(policy)
}

/// The grounds that the workspace recorded.
///
/// # Errors
/// `Forbidden` without `WORKSPACE_READ`.
pub async fn grounds(scope: &Scope, store: &Store) -> Result<Vec<Ground>> {
    scope.require(Permission::WorkspaceRead)?;
    recorded(&store.read(scope).await?).await
}

/// Records why texts with such a thing in them may be processed, or replaces what was recorded.
///
/// # Errors
/// `Forbidden` without `WORKSPACE_WRITE`; `Invalid`.
pub async fn record_ground(scope: &Scope, store: &Store, concern: Concern, ground: &str) -> Result<Vec<Ground>> {
    scope.require(Permission::WorkspaceWrite)?;
    let ground = ground.trim();
    if !(10..=1_000).contains(&ground.chars().count()) {
        return Err(Error::invalid("ground", "Say in 10 to 1,000 characters why it is lawful."));
    }
    let recorded_by = match scope.actor() {
        Actor::Member { account, .. } => Some(account.0),
        _ => None,
    };
    let tx = store.write(scope).await?;
    let row = grounds_table::ActiveModel {
        workspace_id: Set(scope.workspace()),
        concern: Set(concern.name().to_owned()),
        ground: Set(ground.to_owned()),
        recorded_by: Set(recorded_by),
        recorded_at: Set(store.now()),
    };
    let replaced = OnConflict::columns([grounds_table::Column::WorkspaceId, grounds_table::Column::Concern])
        .update_columns([
            grounds_table::Column::Ground,
            grounds_table::Column::RecordedBy,
            grounds_table::Column::RecordedAt,
        ])
        .to_owned();
    grounds_table::Entity::insert(row).on_conflict(replaced).exec_without_returning(tx.db()).await?;
    let event = Event::new("processing.ground_recorded").detail("concern", concern.name()).detail("ground", ground);
    audit::append(scope, &tx, event).await?;
    let all = recorded(&tx).await?;
    tx.commit().await?;
    Ok(all)
}

/// Takes a ground back; texts with such a thing in them are refused again.
///
/// # Errors
/// `Forbidden` without `WORKSPACE_WRITE`.
pub async fn withdraw_ground(scope: &Scope, store: &Store, concern: Concern) -> Result<Vec<Ground>> {
    scope.require(Permission::WorkspaceWrite)?;
    let tx = store.write(scope).await?;
    let gone = grounds_table::Entity::delete_many()
        .filter(grounds_table::Column::WorkspaceId.eq(scope.workspace()))
        .filter(grounds_table::Column::Concern.eq(concern.name()))
        .exec(tx.db())
        .await?;
    if gone.rows_affected > 0 {
        let event = Event::new("processing.ground_withdrawn").detail("concern", concern.name());
        audit::append(scope, &tx, event).await?;
    }
    let all = recorded(&tx).await?;
    tx.commit().await?;
    Ok(all)
}

/// What the workspace of a transaction allows.
pub(crate) async fn current(tx: &WorkspaceTx) -> Result<Policy> {
    let row = table::Entity::find_by_id(tx.workspace()).one(tx.db()).await?;
    Ok(row.map_or_else(Policy::default, |row| Policy {
        transfers: Transfers::of(&row.transfers),
        monthly_tokens: row.monthly_tokens,
        monthly_micros: row.monthly_micros,
        corrector: row.corrector,
        visitors_may_correct: row.visitors_may_correct,
    }))
}

/// The grounds of the workspace of a transaction.
pub(crate) async fn recorded(tx: &WorkspaceTx) -> Result<Vec<Ground>> {
    let rows = grounds_table::Entity::find()
        .filter(grounds_table::Column::WorkspaceId.eq(tx.workspace()))
        .order_by_asc(grounds_table::Column::Concern)
        .all(tx.db())
        .await?;
    let read = |row: grounds_table::Model| {
        Some(Ground {
            concern: Concern::of(&row.concern)?,
            ground: row.ground,
            recorded_by: row.recorded_by,
            recorded_at: row.recorded_at,
        })
    };
    Ok(rows.into_iter().filter_map(read).collect())
}

#[cfg(test)]
mod tests {
    use consigne_sdk::ProcessorRole;

    use super::*;

    fn processing(region: Region, safeguard: Safeguard) -> Processing {
        let mut processing = Processing::internal(Vec::new(), Vec::new());
        processing.role = ProcessorRole::SubProcessor;
        (processing.region, processing.safeguard) = (region, safeguard);
        processing
    }

    #[test]
    fn each_setting_allows_what_it_says_and_no_more() {
        let us = || Region::Country("US".to_owned());
        for (region, safeguard, allowed) in [
            (Region::Local, Safeguard::NotNeeded, [true, true, true]),
            (Region::Eea, Safeguard::Undeclared, [true, true, true]),
            (us(), Safeguard::StandardClauses, [false, true, true]),
            (us(), Safeguard::Adequacy, [false, true, true]),
            (us(), Safeguard::NotNeeded, [false, false, true]),
            (us(), Safeguard::Undeclared, [false, false, true]),
            (Region::Undeclared, Safeguard::StandardClauses, [false, false, true]),
        ] {
            let place = processing(region, safeguard);
            let all = [Transfers::EuOnly, Transfers::Safeguarded, Transfers::Any];
            assert_eq!(all.map(|transfers| transfers.allows(&place)), allowed, "{place:?}");
        }
        assert_eq!(Transfers::of("something else"), Transfers::EuOnly);
    }
}
