//! The few words in which SQLite and Postgres differ.

use sea_orm_migration::sea_orm::DbBackend;

const ADD_COLUMN: &str = "ADD COLUMN ";

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
    let sqlite: String = statement.split_inclusive('\n').map(column_in_words_of_sqlite).collect();
    if sqlite.starts_with("CREATE TABLE") { format!("{sqlite} STRICT") } else { sqlite }
}

/// A column's line has its name first and its type second, behind `ADD COLUMN` where it comes later; other lines stay as
/// they are.
fn column_in_words_of_sqlite(line: &str) -> String {
    const TYPES: [(&str, &str); 6] = [
        ("uuid", "BLOB"),
        ("bytea", "BLOB"),
        ("bigint", "INTEGER"),
        ("boolean", "INTEGER"),
        ("double precision", "REAL"),
        ("text", "TEXT"),
    ];
    let before = line.find(ADD_COLUMN).map_or(line.len() - line.trim_start().len(), |at| at + ADD_COLUMN.len());
    let Some((name, rest)) = line[before..].split_once(' ') else { return line.to_owned() };
    let found = TYPES.iter().find(|(postgres, _)| {
        rest.strip_prefix(postgres).is_some_and(|after| !after.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
    });
    match found {
        Some((postgres, sqlite)) => format!("{}{name} {sqlite}{}", &line[..before], &rest[postgres.len()..]),
        None => line.to_owned(),
    }
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
        assert_eq!(
            all,
            ["CREATE TABLE things (\n    id BLOB NOT NULL,\n    n INTEGER\n) STRICT", "CREATE INDEX i ON things (n)"]
        );
    }

    #[test]
    fn a_column_whose_name_begins_like_a_type_keeps_its_name() {
        assert_eq!(column_in_words_of_sqlite("    text_sealed bytea NOT NULL,\n"), "    text_sealed BLOB NOT NULL,\n");
        assert_eq!(column_in_words_of_sqlite("    score double precision\n"), "    score REAL\n");
    }

    #[test]
    fn a_column_that_comes_later_gets_its_type_too() {
        let all = statements("ALTER TABLE things ADD COLUMN hash bytea;", DbBackend::Sqlite);
        assert_eq!(all, ["ALTER TABLE things ADD COLUMN hash BLOB"]);
    }

    #[test]
    fn postgres_gets_the_schema_of_the_key_store() {
        assert!(statements(SCRIPT, DbBackend::Postgres)[0].starts_with("CREATE TABLE keys.things ("));
        assert_eq!(tables(SCRIPT), ["things"]);
    }
}
