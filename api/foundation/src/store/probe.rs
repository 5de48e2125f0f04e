//! Refuses to start where Postgres would not keep workspaces apart.
//!
//! Row-level security fails silently: a role that bypasses it sees everything, a table that lacks `FORCE` shows its
//! owner everything. So the catalogue is read, and then the behaviour is tried: a workspace that does not exist must
//! see no row.

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, QueryResult, Statement, TransactionTrait};

use crate::{
    error::{Error, ErrorKind, Result},
    id::random_uuid,
};

/// Checks role, tables and behaviour.
///
/// # Errors
/// `Misconfigured`, with the role or the tables by name and what to do.
pub async fn refuse_without_isolation(db: &DatabaseConnection) -> Result<()> {
    let refuse = |message: String| Err(Error::new(ErrorKind::Misconfigured, message));
    let role = one(db, "SELECT current_user::text AS name, (rolsuper OR rolbypassrls) AS bypasses FROM pg_roles WHERE rolname = current_user").await?;
    let name: String = role.try_get("", "name")?;
    if role.try_get::<bool>("", "bypasses")? {
        return refuse(format!(
            "The database role {name} bypasses row-level security. Connect as a role without SUPERUSER and BYPASSRLS."
        ));
    }
    let tables = all(
        db,
        "SELECT c.relname::text AS name, c.relrowsecurity AND c.relforcerowsecurity AS forced, \
         pg_has_role(c.relowner, 'USAGE') AS owned \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'workspace_id' AND NOT a.attisdropped \
         WHERE c.relkind IN ('r', 'p') AND n.nspname = current_schema() ORDER BY 1",
    )
    .await?;
    for table in &tables {
        let table_name: String = table.try_get("", "name")?;
        if !table.try_get::<bool>("", "forced")? {
            return refuse(format!(
                "Table {table_name} lacks forced row-level security. Run `consigne migrate` as the owner."
            ));
        }
        if table.try_get::<bool>("", "owned")? {
            return refuse(format!("The application role {name} owns table {table_name}. Migrate as another role."));
        }
    }
    let tx = db.begin().await?;
    let stranger = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT set_config('app.workspace_id', $1, true)",
        [random_uuid().to_string().into()],
    );
    tx.query_one_raw(stranger).await?;
    for table in &tables {
        let table_name: String = table.try_get("", "name")?;
        let sees = Statement::from_string(
            DbBackend::Postgres,
            format!("SELECT EXISTS (SELECT 1 FROM \"{}\") AS sees", table_name.replace('"', "\"\"")),
        );
        let row = tx.query_one_raw(sees).await?.ok_or_else(|| Error::internal("EXISTS answers one row"))?;
        if row.try_get::<bool>("", "sees")? {
            return refuse(format!("A workspace that does not exist sees rows of {table_name}. Not starting."));
        }
    }
    tx.rollback().await?;
    Ok(())
}

async fn one(db: &DatabaseConnection, sql: &str) -> Result<QueryResult> {
    let row = db.query_one_raw(Statement::from_string(DbBackend::Postgres, sql)).await?;
    row.ok_or_else(|| Error::internal("the catalogue of Postgres answered nothing"))
}

async fn all(db: &DatabaseConnection, sql: &str) -> Result<Vec<QueryResult>> {
    Ok(db.query_all_raw(Statement::from_string(DbBackend::Postgres, sql)).await?)
}
