//! How long a workspace keeps what: as the register says, or shorter.

use std::collections::HashMap;

use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, sea_query::OnConflict};

use super::{Retention, period::Period};
use crate::{
    audit::{self, Event},
    error::{Error, Result},
    scope::{Permission, Scope},
    store::{WorkspaceTx, entity::retention_policies},
};

/// How long a class of rows is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// The class: a table of the register.
    pub class: String,
    /// The register's sentence.
    pub sentence: String,
    /// How long, in this workspace.
    pub period: Period,
    /// The longest that it may be.
    pub longest: Period,
    /// The shortest that it may be.
    pub shortest: Option<Period>,
}

impl Retention {
    /// The policies of a workspace, in the order in which they are carried out.
    ///
    /// # Errors
    /// `Forbidden` without [`Permission::PrivacyRead`].
    pub async fn policies(&self, scope: &Scope) -> Result<Vec<Policy>> {
        scope.require(Permission::PrivacyRead)?;
        let tx = self.store.read(scope).await?;
        self.read_policies(&tx).await
    }

    pub(super) async fn read_policies(&self, tx: &WorkspaceTx) -> Result<Vec<Policy>> {
        let rows = retention_policies::Entity::find()
            .filter(retention_policies::Column::WorkspaceId.eq(tx.workspace()))
            .all(tx.db())
            .await?;
        let own: HashMap<String, String> = rows.into_iter().map(|row| (row.class, row.period)).collect();
        self.classes
            .iter()
            .filter(|class| class.is_of_workspace())
            .map(|class| self.policy(class.table(), &own))
            .collect()
    }

    /// Sets a shorter period in a workspace; none puts the register's back.
    ///
    /// # Errors
    /// `Forbidden` without [`Permission::WorkspaceWrite`]; `NotFound` where there is no such class; `Invalid` where the period
    /// cannot be read, is longer than the register's, or shorter than what has to be kept.
    pub async fn set_policy(&self, scope: &Scope, class: &str, period: Option<&str>) -> Result<Policy> {
        scope.require(Permission::WorkspaceWrite)?;
        let known = self.classes.iter().find(|known| known.table() == class && known.is_of_workspace());
        let line = self.line(known.ok_or_else(|| Error::not_found("class of data"))?.table())?;
        let tx = self.store.write(scope).await?;
        match period {
            Some(text) => {
                let wanted = Period::parse(text)?;
                if !wanted.is_within(&line.period) {
                    let message =
                        format!("At most {} are possible here: a workspace may keep less, never more.", line.period);
                    return Err(Error::invalid("period", message));
                }
                if line.minimum.as_ref().is_some_and(|minimum| !minimum.is_within(&wanted)) {
                    let minimum = line.minimum.as_ref().map(ToString::to_string).unwrap_or_default();
                    return Err(Error::invalid("period", format!("At least {minimum} have to be kept here.")));
                }
                let row = retention_policies::ActiveModel {
                    workspace_id: Set(scope.workspace()),
                    class: Set(class.to_owned()),
                    period: Set(wanted.to_string()),
                    updated_by: Set(scope.actor().id()),
                    updated_at: Set(self.store.now()),
                };
                use retention_policies::Column;
                let replace = OnConflict::columns([Column::WorkspaceId, Column::Class])
                    .update_columns([Column::Period, Column::UpdatedBy, Column::UpdatedAt])
                    .to_owned();
                retention_policies::Entity::insert(row).on_conflict(replace).exec_without_returning(tx.db()).await?;
            }
            None => {
                let key = (scope.workspace(), class.to_owned());
                retention_policies::Entity::delete_by_id(key).exec(tx.db()).await?;
            }
        }
        let event = Event::new("retention.changed").detail("class", class);
        audit::append(scope, &tx, event.detail("period", period.map_or("default".into(), str::to_owned))).await?;
        tx.commit().await?;
        let own = period.map(|period| (class.to_owned(), period.to_owned())).into_iter().collect();
        self.policy(class, &own)
    }

    /// A period of before that the register does not allow any more counts as the register's.
    fn policy(&self, class: &str, own: &HashMap<String, String>) -> Result<Policy> {
        let line = self.line(class)?;
        let own = own.get(class).map(|text| Period::parse(text)).transpose()?;
        let period = own.filter(|own| own.is_within(&line.period)).unwrap_or_else(|| line.period.clone());
        Ok(Policy {
            class: class.to_owned(),
            sentence: line.sentence,
            period,
            longest: line.period,
            shortest: line.minimum,
        })
    }
}
