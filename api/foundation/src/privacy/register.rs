//! The column register, `personal_data.toml`, read: what each column holds, why, and how long. A test compares it with the
//! migrated database, so what is made from it (an access archive, counts of what is held) is about every column there is.

use std::{collections::BTreeMap, sync::LazyLock};

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use super::purposes::Purpose;
use crate::error::{Error, Result};

static REGISTER: LazyLock<Register> = LazyLock::new(|| {
    let text = include_str!("../../personal_data.toml");
    read(text).expect("a test reads the register, and compares it with the database")
});

pub(super) type Register = BTreeMap<String, TableLine>;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Category {
    /// Nothing about a person.
    None,
    /// An id of a person.
    Pseudonym,
    /// A time, a counter, a state of what a person did.
    Technical,
    /// Who somebody is.
    Identity,
    /// How somebody is reached.
    Contact,
    /// What people wrote.
    Content,
    /// What opens something.
    Secret,
}

impl Category {
    /// The name in the register and in the schema.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Pseudonym => "PSEUDONYM",
            Self::Technical => "TECHNICAL",
            Self::Identity => "IDENTITY",
            Self::Contact => "CONTACT",
            Self::Content => "CONTENT",
            Self::Secret => "SECRET",
        }
    }
}

/// Whom a column is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Whose {
    /// A visitor.
    Visitor,
    /// A member of the workspace.
    Member,
    /// Whoever the customer's documents name.
    Anyone,
    /// Nobody.
    None,
}

/// Which key a column is sealed under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Seal {
    /// The person's.
    Subject,
    /// The workspace's.
    Workspace,
    /// The installation's.
    Root,
}

/// What the register says of a column.
#[derive(Debug, Clone)]
pub struct ColumnLine {
    /// Its name in the database.
    pub name: String,
    /// What it holds.
    pub category: Category,
    /// Why.
    pub purpose: Purpose,
    /// Whom it is about.
    pub subject: Whose,
    /// How long it is kept, unless somebody erases it sooner.
    pub retention: String,
    /// The key it is sealed under.
    pub sealed: Option<Seal>,
}

/// When the time of a table's rows is over by itself, as the register writes it.
#[derive(Debug, Clone)]
pub struct Expiry {
    /// How long, as ISO 8601 writes it.
    pub period: String,
    /// From when: a column of the table.
    pub from: String,
    /// No workspace may set less.
    pub minimum: Option<String>,
}

/// What the register says of a table.
#[derive(Debug, Clone)]
pub struct TableLine {
    /// Its name.
    pub name: String,
    /// How long its rows are kept.
    pub retention: String,
    /// Whom its rows are about.
    pub subject: Whose,
    /// When their time is over, where it runs out by itself.
    pub expiry: Option<Expiry>,
    columns: BTreeMap<String, ColumnLine>,
}

impl Whose {
    /// The name in the register.
    pub fn name(self) -> &'static str {
        match self {
            Self::Visitor => "VISITOR",
            Self::Member => "MEMBER",
            Self::Anyone => "ANYONE",
            Self::None => "NONE",
        }
    }
}

impl TableLine {
    /// What is said of a column.
    ///
    /// # Errors
    /// `Internal` where nothing is.
    pub fn column(&self, name: &str) -> Result<&ColumnLine> {
        self.columns
            .get(name)
            .ok_or_else(|| Error::internal(format!("the register has no line for {}.{name}", self.name)))
    }

    /// Its columns, by name.
    pub fn columns(&self) -> impl Iterator<Item = &ColumnLine> {
        self.columns.values()
    }
}

/// All tables, by name.
pub fn tables() -> impl Iterator<Item = &'static TableLine> {
    REGISTER.values()
}

/// All of it.
pub(super) fn whole() -> &'static Register {
    &REGISTER
}

/// What is said of a table.
///
/// # Errors
/// `Internal` where nothing is.
pub fn table(name: &str) -> Result<&'static TableLine> {
    REGISTER.get(name).ok_or_else(|| Error::internal(format!("the register has no table {name}")))
}

/// What the register's rows say, where a column does not say otherwise.
#[derive(Deserialize)]
struct Row {
    subject: Whose,
    retention: String,
    period: Option<String>,
    from: Option<String>,
    minimum: Option<String>,
}

#[derive(Deserialize)]
struct Own {
    category: Category,
    #[serde(deserialize_with = "purpose_of")]
    purpose: Purpose,
    subject: Option<Whose>,
    retention: Option<String>,
    sealed: Option<Seal>,
}

/// The one reader of the register.
pub(super) fn read(text: &str) -> Result<Register, toml::de::Error> {
    let tables: BTreeMap<String, toml::Table> = toml::from_str(text)?;
    tables.into_iter().map(|(name, lines)| Ok((name.clone(), table_of(name, lines)?))).collect()
}

fn purpose_of<'de, D: Deserializer<'de>>(from: D) -> Result<Purpose, D::Error> {
    String::deserialize(from)?.parse().map_err(|_| D::Error::custom("there is no such purpose"))
}

fn table_of(name: String, mut lines: toml::Table) -> Result<TableLine, toml::de::Error> {
    let row = lines.remove("row").unwrap_or(toml::Value::Table(toml::Table::new()));
    let row: Row = row.try_into()?;
    let mut columns = BTreeMap::new();
    for (column, own) in lines {
        let own: Own = own.try_into()?;
        let line = ColumnLine {
            name: column.clone(),
            category: own.category,
            purpose: own.purpose,
            subject: own.subject.unwrap_or(row.subject),
            retention: own.retention.unwrap_or_else(|| row.retention.clone()),
            sealed: own.sealed,
        };
        columns.insert(column, line);
    }
    let expiry = match (row.period, row.from) {
        (Some(period), Some(from)) if columns.contains_key(&from) => {
            Some(Expiry { period, from, minimum: row.minimum })
        }
        (None, None) if row.minimum.is_none() => None,
        _ => return Err(toml::de::Error::custom(format!("{name}: a period is counted `from` a column of its table"))),
    };
    Ok(TableLine { name, retention: row.retention, subject: row.subject, expiry, columns })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_register_is_read_and_names_no_purpose_that_nobody_knows() {
        let messages = table("messages").expect("there are messages");
        let text = messages.column("text_sealed").expect("they have a text");
        assert_eq!((text.sealed, text.purpose), (Some(Seal::Subject), Purpose::Answering));
        assert!(table("nothing").is_err());
        let register = "[t]\nrow = { subject = \"NONE\", retention = \"1 day\" }\n\
                        a = { category = \"NONE\", purpose = \"MARKETING\" }\n";
        assert!(read(register).unwrap_err().to_string().contains("no such purpose"));
    }

    #[test]
    fn a_column_says_otherwise_than_its_row_where_it_does() {
        let register = "[t]\nrow = { subject = \"VISITOR\", retention = \"1 day\" }\n\
                        a = { category = \"CONTENT\", purpose = \"RIGHTS\", sealed = \"SUBJECT\" }\n\
                        b = { category = \"NONE\", purpose = \"RIGHTS\", subject = \"MEMBER\" }\n";
        let register = read(register).unwrap();
        let column = |name| register["t"].column(name).unwrap();
        assert_eq!((column("a").subject.name(), column("a").sealed.is_some()), ("VISITOR", true));
        assert_eq!((column("b").subject.name(), column("b").retention.as_str()), ("MEMBER", "1 day"));
    }
}
