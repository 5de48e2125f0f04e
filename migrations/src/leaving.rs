//! What becomes of the chain of the audit log when its workspace is gone and the law wants it no longer: the application's role cannot
//! delete from it, so the owner's function does, and only for a workspace that is not there any more.

use sea_orm_migration::sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr};

use crate::isolation;

/// Makes the function, on Postgres, and lets the application role call it.
///
/// # Errors
/// What the database answers.
pub async fn install(db: &DatabaseConnection, application_role: Option<&str>) -> Result<(), DbErr> {
    if db.get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    db.execute_unprepared(FORGET).await?;
    for statement in isolation::grant_function("forget_audit_chain(uuid)", application_role) {
        db.execute_unprepared(&statement).await?;
    }
    Ok(())
}

const FORGET: &str = "CREATE OR REPLACE FUNCTION forget_audit_chain(ended uuid) RETURNS void LANGUAGE plpgsql \
    SECURITY DEFINER SET search_path FROM CURRENT AS $$ BEGIN \
    IF EXISTS (SELECT 1 FROM workspaces w WHERE w.id = ended) THEN RAISE EXCEPTION 'the workspace is there'; END IF; \
    PERFORM set_config('app.workspace_id', ended::text, true); \
    DELETE FROM audit_anchors WHERE workspace_id = ended; DELETE FROM audit_checkpoints WHERE workspace_id = ended; DELETE FROM audit_entries WHERE workspace_id = ended; \
    DELETE FROM audit_heads WHERE workspace_id = ended; END $$";
