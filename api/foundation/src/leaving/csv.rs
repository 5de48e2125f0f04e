//! A table for spreadsheets (RFC 4180), in which no cell is a formula.
//!
//! A cell that begins with `=`, `+`, `-`, `@`, a tab, a line break or an apostrophe gets an apostrophe in front (OWASP, CSV
//! Injection). Taking one apostrophe off the front of each cell that has one gives the value back. Cells stand in quotes; nothing
//! at all between two commas is an absent value, and `""` is an empty text.

use serde_json::Value;

/// What a spreadsheet takes for more than text, and the sign that says it is not.
const MARKED: [char; 7] = ['=', '+', '-', '@', '\t', '\r', '\n'];
const MARK: char = '\'';

/// The rule, as a manifest says it.
pub(crate) const RULE: &str = "A cell that begins with = + - @ tab, carriage return, line feed or an apostrophe has one \
    apostrophe more in front, so that no spreadsheet runs it (OWASP, CSV Injection). Take one apostrophe off the front of each cell \
    that begins with one to have the value. An empty cell without quotes is an absent value.";

/// The line with the names of the columns.
pub(crate) fn head<'a>(names: impl Iterator<Item = &'a str>) -> String {
    line(names.map(|name| Some(name.to_owned())))
}

/// A row.
pub(crate) fn row<'a>(values: impl Iterator<Item = &'a Value>) -> String {
    line(values.map(|value| match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }))
}

fn line(cells: impl Iterator<Item = Option<String>>) -> String {
    let cells: Vec<String> = cells.map(|cell| cell.map(quoted).unwrap_or_default()).collect();
    format!("{}\r\n", cells.join(","))
}

fn quoted(text: String) -> String {
    let mark = if text.starts_with(MARKED) || text.starts_with(MARK) { "'" } else { "" };
    format!("\"{mark}{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_cell_is_a_formula_and_every_value_can_be_had_back() {
        for text in ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\nx", "'quoted", "''twice", "plain", "a=b", "", "ü"]
        {
            let cell = quoted(text.to_owned());
            let inside = &cell[1..cell.len() - 1];
            assert!(!inside.starts_with(MARKED), "{cell}");
            assert_eq!(inside.strip_prefix('\'').unwrap_or(inside), text);
        }
    }

    #[test]
    fn an_absent_value_is_not_an_empty_one_and_quotes_stand_twice() {
        let values = [json!(null), json!(""), json!("a \"b\", c"), json!(true), json!(-5), json!({"a": 1})];
        assert_eq!(row(values.iter()), ",\"\",\"a \"\"b\"\", c\",\"true\",\"'-5\",\"{\"\"a\"\":1}\"\r\n");
        assert_eq!(head(["id", "text"].into_iter()), "\"id\",\"text\"\r\n");
    }
}
