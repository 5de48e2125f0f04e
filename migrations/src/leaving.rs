//! What becomes of the chain of the audit log when its workspace is gone and the law wants it no longer: the application's role cannot
//! delete from it, so the owner's function does, and only for a workspace that is not there any more.

use sea_orm_migration::sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr};

/// Makes the function, on Postgres.
///
/// # Errors
/// What the database answers.
pub async fn install(db: &DatabaseConnection) -> Result<(), DbErr> {
    if db.get_database_backend() == DbBackend::Postgres {
        db.execute_unprepared(FORGET).await?;
    }
    Ok(())
}

const FORGET: &str = "CREATE OR REPLACE FUNCTION forget_audit_chain(ended uuid) RETURNS void LANGUAGE plpgsql \
    SECURITY DEFINER SET search_path FROM CURRENT AS $$ BEGIN \
    IF EXISTS (SELECT 1 FROM workspaces w WHERE w.id = ended) THEN RAISE EXCEPTION 'the workspace is there'; END IF; \
    PERFORM set_config('app.workspace_id', ended::text, true); \
    DELETE FROM audit_checkpoints WHERE workspace_id = ended; DELETE FROM audit_entries WHERE workspace_id = ended; \
    DELETE FROM audit_heads WHERE workspace_id = ended; END $$";
