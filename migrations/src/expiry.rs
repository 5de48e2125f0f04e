//! What of the audit log goes, and how. On Postgres the application role may append to it and nothing else, so a function of the owner lets
//! go what stands before the anchor of the workspace that the transaction names: no entry of another one, none after the anchor, and
//! none that is younger than ninety days.

use sea_orm_migration::sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr};

use crate::isolation;

/// The number is ninety days in milliseconds.
const CUT: &str = "CREATE OR REPLACE FUNCTION cut_audit_chain() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER \
    SET search_path FROM CURRENT AS $$ DECLARE own uuid; gone bigint; BEGIN \
    own := NULLIF(current_setting('app.workspace_id', true), '')::uuid; \
    DELETE FROM audit_entries e USING audit_anchors a WHERE e.workspace_id = own AND a.workspace_id = own \
    AND e.seq <= a.seq AND e.at <= a.at - 7776000000 AND NOT EXISTS (SELECT 1 FROM audit_details d \
    WHERE d.workspace_id = own AND d.seq = e.seq); GET DIAGNOSTICS gone = ROW_COUNT; RETURN gone; END $$";

/// Makes the function, on Postgres, and lets the application role call it.
///
/// # Errors
/// What the database answers.
pub async fn make(db: &DatabaseConnection, application_role: Option<&str>) -> Result<(), DbErr> {
    if db.get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    db.execute_unprepared(CUT).await?;
    for statement in isolation::grant_function("cut_audit_chain()", application_role) {
        db.execute_unprepared(&statement).await?;
    }
    Ok(())
}
