//! The periods of the register: the lines that people read are those that the engine keeps to.

use std::sync::LazyLock;

use super::period::Period;
use crate::{
    error::{Error, Result},
    privacy::register::{Expiry, Register, TableLine, whole},
};

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
        LazyLock::new(|| lines_of(whole()).map_err(|error| error.message().to_owned()));
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

fn lines_of(register: &Register) -> Result<Vec<Line>> {
    let with_period = register.values().filter_map(|table| Some((table, table.expiry.as_ref()?)));
    let line = |(table, expiry): (&TableLine, &Expiry)| {
        Ok(Line {
            table: table.name.clone(),
            sentence: table.retention.clone(),
            period: Period::parse(&expiry.period)?,
            from: expiry.from.clone(),
            minimum: expiry.minimum.as_deref().map(Period::parse).transpose()?,
        })
    };
    with_period.map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::privacy::register;

    /// `P12M` is written beside `12 months ...`.
    #[test]
    fn the_sentence_and_the_period_say_the_same() {
        for line in lines().unwrap() {
            let (number, unit) = line.sentence.split_once(' ').unwrap();
            let unit = match unit.split([' ', ',', ';']).next().unwrap() {
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
            ("audit_entries", "P6M"),
            ("accounts", "P3Y"),
            ("signing_keys", "P10Y"),
            ("api_keys", "P6M"),
            ("erasures", "P3Y"),
        ] {
            assert_eq!(line(table).unwrap().period.as_str(), period, "{table}");
        }
    }

    /// The page for whoever answers for it names every class, and how long.
    #[test]
    fn the_page_about_retention_says_what_the_register_says() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/retention.md");
        let page = std::fs::read_to_string(path).unwrap();
        for line in lines().unwrap() {
            let named = format!("`{}`", line.table);
            let row = page.lines().find(|row| row.starts_with('|') && row.contains(&named));
            let row = row.unwrap_or_else(|| panic!("{named} is not in the table of docs/retention.md"));
            let (number, rest) = line.sentence.split_once(' ').unwrap();
            let unit = rest.split([' ', ',', ';']).next().unwrap();
            assert!(row.contains(&format!("{number} {unit}")), "{row}: {}", line.sentence);
        }
    }

    #[test]
    fn a_line_that_does_not_say_from_when_is_refused() {
        let table = |more: &str| {
            format!(
                "[a]\nrow = {{ subject = \"NONE\", retention = \"1 days\", {more} }}\n\
                 at = {{ category = \"NONE\", purpose = \"OPERATION\" }}\n"
            )
        };
        for bad in ["period = \"P1D\"", "period = \"P1D\", from = \"then\"", "from = \"at\"", "minimum = \"P1D\""] {
            assert!(register::read(&table(bad)).is_err(), "{bad}");
        }
        let unreadable = register::read(&table("period = \"soon\", from = \"at\"")).unwrap();
        assert!(lines_of(&unreadable).is_err());
        let good = register::read(&table("period = \"P1D\", from = \"at\"")).unwrap();
        assert_eq!(lines_of(&good).unwrap()[0].from, "at");
    }
}
