//! Forced row-level security, by one template for every scoped table.
//!
//! The application role owns no table and has no `BYPASSRLS`. A transaction names its workspace with
//! `set_config('app.workspace_id', ..., true)`; without it a scoped table shows and takes nothing.

/// The statements that isolate a scoped table. `FORCE` makes the policy hold for the owner too.
pub fn isolate(table: &str) -> Vec<String> {
    let own = "workspace_id = (SELECT NULLIF(current_setting('app.workspace_id', true), '')::uuid)";
    vec![
        format!("ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"),
        format!("ALTER TABLE {table} FORCE ROW LEVEL SECURITY"),
        format!("CREATE POLICY own_workspace ON {table} USING ({own}) WITH CHECK ({own})"),
    ]
}

/// Whether a table of this script is scoped: its first column is `workspace_id`.
pub fn is_scoped(script: &str, table: &str) -> bool {
    let head = format!("CREATE TABLE {table} (");
    script
        .split_once(&head)
        .and_then(|(_, body)| body.split_whitespace().next().map(|column| column == "workspace_id"))
        .unwrap_or(false)
}

/// Lets the application role read and write a table, and nothing else. The audit chain cannot be changed by it, only
/// appended to.
pub fn grant(table: &str, role: &str) -> Vec<String> {
    let may = match table {
        "audit_entries" | "audit_checkpoints" => "SELECT, INSERT",
        "audit_heads" => "SELECT, INSERT, UPDATE",
        _ => "SELECT, INSERT, UPDATE, DELETE",
    };
    vec![format!("GRANT {may} ON {table} TO {}", quote_identifier(role))]
}

/// Lets the application role call a function of the owner's, and nobody else.
pub fn grant_function(function: &str, role: Option<&str>) -> Vec<String> {
    let revoke = format!("REVOKE ALL ON FUNCTION {function} FROM PUBLIC");
    let grant = role.map(|role| format!("GRANT EXECUTE ON FUNCTION {function} TO {}", quote_identifier(role)));
    [revoke].into_iter().chain(grant).collect()
}

/// An identifier that cannot end early.
pub fn quote_identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
