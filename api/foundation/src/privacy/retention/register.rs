//! The periods of `personal_data.toml`, read once: the lines that people read are those that the engine keeps to.

use std::sync::LazyLock;

use super::period::Period;
use crate::error::{Error, Result};

const REGISTER: &str = include_str!("../../../personal_data.toml");

/// What the register says of the rows of a table whose time runs out by itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// The table, which names the class.
    pub table: String,
    /// The sentence for people.
    pub sentence: String,
    /// How long.
    pub period: Period,
    /// From when: a column.
    pub from: String,
    /// No workspace may set less.
    pub minimum: Option<Period>,
}

/// Every table with a period.
///
/// # Errors
/// `Internal` where the register cannot be read: nothing is deleted by what is not understood.
pub fn lines() -> Result<&'static [Line]> {
    static LINES: LazyLock<std::result::Result<Vec<Line>, String>> =
        LazyLock::new(|| read(REGISTER).map_err(|error| error.message().to_owned()));
    LINES.as_ref().map(Vec::as_slice).map_err(|message| Error::internal(message.clone()))
}

/// The line of a table.
///
/// # Errors
/// `Internal` where the register has no period for it.
pub fn line(table: &str) -> Result<&'static Line> {
    let found = lines()?.iter().find(|line| line.table == table);
    found.ok_or_else(|| Error::internal(format!("the register has no period for {table}")))
}

fn read(text: &str) -> Result<Vec<Line>> {
    let tables: toml::Table =
        text.parse().map_err(|error| Error::internal("the register of personal data is no TOML").because(error))?;
    let mut lines = Vec::new();
    for (table, columns) in &tables {
        let Some(row) = columns.get("row").and_then(toml::Value::as_table) else { continue };
        let word = |name: &str| row.get(name).and_then(toml::Value::as_str);
        let Some(period) = word("period") else { continue };
        let missing = |what: &str| Error::internal(format!("the register has no {what} for {table}"));
        let from = word("from").ok_or_else(|| missing("`from`"))?;
        if columns.get(from).is_none() {
            return Err(missing("column that its period is counted from"));
        }
        lines.push(Line {
            table: table.clone(),
            sentence: word("retention").ok_or_else(|| missing("`retention`"))?.to_owned(),
            period: Period::parse(period)?,
            from: from.to_owned(),
            minimum: word("minimum").map(Period::parse).transpose()?,
        });
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `P12M` is written beside `12 months ...`.
    #[test]
    fn the_sentence_and_the_period_say_the_same() {
        for line in lines().unwrap() {
            let (number, unit) = line.sentence.split_once(' ').unwrap();
            let unit = match unit.split([' ', ',']).next().unwrap() {
                "hours" => format!("PT{number}H"),
                "days" => format!("P{number}D"),
                "months" => format!("P{number}M"),
                "years" => format!("P{number}Y"),
                other => panic!("{}: {other}?", line.table),
            };
            assert_eq!(line.period.as_str(), unit, "{}: {}", line.table, line.sentence);
        }
    }

    #[test]
    fn the_periods_that_were_promised_stand_there() {
        for (table, period) in [
            ("chats", "P12M"),
            ("visitors", "P12M"),
            ("deliveries", "P90D"),
            ("inbox_events", "P30D"),
            ("channel_events", "P30D"),
            ("sessions", "P30D"),
            ("audit_details", "P6M"),
            ("api_keys", "P6M"),
            ("erasures", "P3Y"),
        ] {
            assert_eq!(line(table).unwrap().period.as_str(), period, "{table}");
        }
    }

    #[test]
    fn a_line_that_does_not_say_from_when_is_refused() {
        for bad in [
            "[a]\nrow = { retention = \"1 days\", period = \"P1D\" }\nat = {}",
            "[a]\nrow = { retention = \"1 days\", period = \"P1D\", from = \"then\" }\nat = {}",
            "[a]\nrow = { retention = \"1 days\", period = \"soon\", from = \"at\" }\nat = {}",
            "not = [toml",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
