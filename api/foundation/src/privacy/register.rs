//! The column register, `personal_data.toml`, read: what each column holds, why, and how long. A test compares it with the
//! migrated database, so what is made from it (an access archive, counts of what is held) is about every column there is.

use std::{collections::BTreeMap, sync::LazyLock};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

static REGISTER: LazyLock<Register> = LazyLock::new(|| {
    let text = include_str!("../../personal_data.toml");
    read(text).expect("a test reads the register, and compares it with the database")
});

type Register = BTreeMap<String, TableLine>;

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
    /// Why: a name of [`PURPOSES`].
    pub purpose: String,
    /// Whom it is about.
    pub subject: Whose,
    /// How long it is kept, unless somebody erases it sooner.
    pub retention: String,
    /// The key it is sealed under.
    pub sealed: Option<Seal>,
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

/// What is said of a table.
///
/// # Errors
/// `Internal` where nothing is.
pub fn table(name: &str) -> Result<&'static TableLine> {
    REGISTER.get(name).ok_or_else(|| Error::internal(format!("the register has no table {name}")))
}

/// Purposes of the register: what each means to a person, and the legal basis on which it rests.
pub const PURPOSES: [(&str, &str, &str); 8] = [
    (
        "ACCESS_CONTROL",
        "Letting the right people in, and nobody else.",
        "GDPR art. 6(1)(f) and art. 32: the legitimate interest in, and the duty of, security",
    ),
    (
        "ACCOUNTABILITY",
        "Being able to show who did what.",
        "GDPR art. 6(1)(c) with art. 5(2) and 24: a legal obligation",
    ),
    (
        "ANSWERING",
        "Answering questions, and handing over to people who can.",
        "GDPR art. 6(1)(b) or (f), as the controller declares: a contract or its preparation, or the legitimate interest in answering",
    ),
    (
        "CONFIGURATION",
        "Working the way the workspace set it up.",
        "GDPR art. 6(1)(f): the legitimate interest in running the service",
    ),
    ("ENCRYPTION", "Sealing what is kept.", "GDPR art. 6(1)(c) with art. 32: a legal obligation"),
    (
        "KNOWLEDGE_INDEXING",
        "Finding answers in the workspace's own documents.",
        "GDPR art. 6(1)(f), as the controller declares: the legitimate interest in answering from one's own documents",
    ),
    (
        "OPERATION",
        "Keeping the service running, and repeating nothing twice.",
        "GDPR art. 6(1)(f): the legitimate interest in a service that works",
    ),
    (
        "RIGHTS",
        "Serving the rights that people have over their data.",
        "GDPR art. 6(1)(c) with art. 12 to 22: a legal obligation",
    ),
];

/// What the register's rows say, where a column does not say otherwise.
#[derive(Deserialize)]
struct Row {
    subject: Whose,
    retention: String,
}

#[derive(Deserialize)]
struct Own {
    category: Category,
    purpose: String,
    subject: Option<Whose>,
    retention: Option<String>,
    sealed: Option<Seal>,
}

fn read(text: &str) -> Result<Register, toml::de::Error> {
    let tables: BTreeMap<String, toml::Table> = toml::from_str(text)?;
    tables.into_iter().map(|(name, lines)| Ok((name.clone(), table_of(name, lines)?))).collect()
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
    Ok(TableLine { name, retention: row.retention, subject: row.subject, columns })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_register_is_read_and_every_purpose_has_a_legal_basis() {
        let messages = table("messages").expect("there are messages");
        assert_eq!(messages.column("text_sealed").expect("they have a text").sealed, Some(Seal::Subject));
        for line in REGISTER.values().flat_map(TableLine::columns) {
            assert!(PURPOSES.iter().any(|(name, ..)| *name == line.purpose), "{}: {}", line.name, line.purpose);
        }
        assert!(table("nothing").is_err());
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
