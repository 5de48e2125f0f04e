//! Vectors of passages under a model that is not their own, sealed.

use sea_orm::entity::prelude::*;

use consigne_foundation::id::{PassageId, WorkspaceId};

/// A row of `passage_vectors`; `personal_data.toml` says what each column holds.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "passage_vectors")]
#[expect(missing_docs, reason = "the column register describes every column")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace_id: WorkspaceId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub passage_id: PassageId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub model_fingerprint: Vec<u8>,
    pub vector_sealed: Vec<u8>,
}

/// Joined by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
