//! `personal_data.toml` against the migrated database: no column without a line, no line without a column.

use std::collections::BTreeSet;

use anyhow::Result;
use consigne_gateway::Purpose;
use consigne_tests::{app::TestApp, source};

const CATEGORIES: &[&str] = &["NONE", "PSEUDONYM", "TECHNICAL", "IDENTITY", "CONTACT", "CONTENT", "SECRET"];
const SUBJECTS: &[&str] = &["VISITOR", "MEMBER", "ANYONE", "NONE"];
const EFFECTS: &[&str] = &["DELETE", "SHRED", "KEEP"];
const KEYS: &[&str] = &["SUBJECT", "WORKSPACE", "ROOT"];

/// A column's line, with what its row says filled in.
struct Line {
    place: String,
    fields: toml::Table,
}

impl Line {
    fn text(&self, field: &str) -> &str {
        self.fields.get(field).and_then(toml::Value::as_str).unwrap_or_default()
    }
}

fn register() -> Vec<Line> {
    let path = source::root().join("api/foundation/personal_data.toml");
    let text = std::fs::read_to_string(path).expect("the register can be read");
    let tables: toml::Table = text.parse().expect("the register is TOML");
    let mut lines = Vec::new();
    for (table, columns) in &tables {
        let columns = columns.as_table().expect("a table has columns");
        let row = columns
            .get("row")
            .and_then(toml::Value::as_table)
            .unwrap_or_else(|| panic!("{table} says nothing of its rows"));
        for (column, own) in columns.iter().filter(|(column, _)| *column != "row") {
            let mut fields = row.clone();
            fields.extend(own.as_table().expect("a column has a line").clone());
            lines.push(Line { place: format!("{table}.{column}"), fields });
        }
    }
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn every_column_has_a_line_and_every_line_a_column() -> Result<()> {
    let app = TestApp::start().await?;
    let columns = app.database.columns().await?;
    let columns: BTreeSet<String> = columns.into_iter().map(|(table, column)| format!("{table}.{column}")).collect();
    let lines: BTreeSet<String> = register().into_iter().map(|line| line.place).collect();
    let without_line: Vec<_> = columns.difference(&lines).collect();
    let without_column: Vec<_> = lines.difference(&columns).collect();
    assert!(without_line.is_empty(), "no line in personal_data.toml: {without_line:?}");
    assert!(without_column.is_empty(), "no such column: {without_column:?}");
    Ok(())
}

#[test]
fn every_line_says_what_it_has_to() {
    for line in register() {
        let one_of = |field: &str, values: &[&str]| {
            assert!(values.contains(&line.text(field)), "{}: {field} is {:?}", line.place, line.text(field));
        };
        one_of("category", CATEGORIES);
        assert!(line.text("purpose").parse::<Purpose>().is_ok(), "{}: {}", line.place, line.text("purpose"));
        one_of("subject", SUBJECTS);
        one_of("on_erasure", EFFECTS);
        let retention = line.text("retention");
        assert!(retention.chars().any(|c| c.is_ascii_digit()), "{}: how long is {retention:?}?", line.place);
        if line.fields.contains_key("sealed") {
            one_of("sealed", KEYS);
        }
    }
}

#[test]
fn what_is_called_sealed_is_sealed_and_nothing_else() {
    for line in register() {
        let is_called_sealed = line.place.ends_with("_sealed") || line.place.ends_with(".wrapped");
        assert_eq!(is_called_sealed, line.fields.contains_key("sealed"), "{}", line.place);
    }
}

/// What a visitor writes is under the visitor's own key, so that shredding it reaches every copy.
#[test]
fn a_visitors_words_are_under_the_visitors_key() {
    for line in register() {
        let is_theirs = line.text("subject") == "VISITOR" && line.text("category") == "CONTENT";
        if is_theirs {
            assert_eq!(line.text("sealed"), "SUBJECT", "{}", line.place);
        }
    }
}

/// Personal data of a visitor that outlives an erasure is a pseudonym or a time, never words.
#[test]
fn nothing_that_names_a_visitor_survives_an_erasure() {
    for line in register().iter().filter(|line| line.text("subject") == "VISITOR" && line.text("on_erasure") == "KEEP")
    {
        let category = line.text("category");
        assert!(matches!(category, "NONE" | "PSEUDONYM" | "TECHNICAL"), "{} keeps {category}", line.place);
    }
}
