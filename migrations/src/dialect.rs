//! The few words in which SQLite and Postgres differ.

use sea_orm_migration::sea_orm::DbBackend;

/// The statements of a script, in the words of `backend`. Comments are dropped.
pub fn statements(script: &str, backend: DbBackend) -> Vec<String> {
    let keys_schema = if backend == DbBackend::Postgres { "keys." } else { "" };
    let text: String = script
        .lines()
        .filter(|line| !line.trim_start().starts_with("--"))
        .map(|line| format!("{line}\n"))
        .collect::<String>()
        .replace("{keys}", keys_schema);
    text.split(';').map(str::trim).filter(|s| !s.is_empty()).map(|s| in_words_of(s, backend)).collect()
}

fn in_words_of(statement: &str, backend: DbBackend) -> String {
    if backend == DbBackend::Postgres {
        return statement.to_owned();
    }
    let sqlite = [
        (" uuid", " BLOB"),
        (" bytea", " BLOB"),
        (" bigint", " INTEGER"),
        (" boolean", " INTEGER"),
        (" double precision", " REAL"),
        (" text", " TEXT"),
    ]
    .into_iter()
    .fold(statement.to_owned(), |sql, (from, to)| sql.replace(from, to));
    if sqlite.starts_with("CREATE TABLE") { format!("{sqlite} STRICT") } else { sqlite }
}

/// The tables that a script makes, in order, without their schema.
pub fn tables(script: &str) -> Vec<&str> {
    script
        .lines()
        .filter_map(|line| line.strip_prefix("CREATE TABLE "))
        .map(|rest| rest.trim_start_matches("{keys}").trim_end_matches(" ("))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str = "-- A comment.\nCREATE TABLE {keys}things (\n    id uuid NOT NULL,\n    n bigint\n);\nCREATE INDEX i ON {keys}things (n);\n";

    #[test]
    fn sqlite_gets_its_own_types_and_strict_tables() {
        let all = statements(SCRIPT, DbBackend::Sqlite);
        assert_eq!(all, ["CREATE TABLE things (\n    id BLOB NOT NULL,\n    n INTEGER\n) STRICT", "CREATE INDEX i ON things (n)"]);
    }

    #[test]
    fn postgres_gets_the_schema_of_the_key_store() {
        assert!(statements(SCRIPT, DbBackend::Postgres)[0].starts_with("CREATE TABLE keys.things ("));
        assert_eq!(tables(SCRIPT), ["things"]);
    }
}
