//! The sealed bytes themselves. That no canary is readable shows only that it was sealed; that the sealed bytes and the
//! key are gone from the files shows that they were erased.

use std::{collections::BTreeMap, path::Path};

use aho_corasick::AhoCorasick;
use anyhow::{Result, ensure};
use consigne_tests::{canary::files_below, database::Database};
use sea_orm::{ConnectionTrait, Database as Connect, Statement};

use super::crowd::{NEWEST, urls};

/// What of a sealed value is looked for: enough to be nobody else's, and short enough to lie within one page.
const LENGTH: usize = 24;

/// The columns with what a person wrote, was told, or is sealed with.
const SEALED: [(&str, &str); 5] = [
    ("messages", "text_sealed"),
    ("answers", "text_sealed"),
    ("chat_events", "payload_sealed"),
    ("citations", "quote_sealed"),
    ("citations", "title_sealed"),
];

/// The sealed values of the visitor who came last, by their bytes: in which column each stood.
pub struct Secrets(BTreeMap<Vec<u8>, String>);

impl Secrets {
    /// As they stand before the erasure.
    pub async fn of_the_newest(database: &Database) -> Result<Self> {
        let [data, keys] = urls(database);
        let (data, keys) = (Connect::connect(data).await?, Connect::connect(keys).await?);
        let mut all = BTreeMap::new();
        let schema = if matches!(database, Database::Postgres { .. }) { "keys." } else { "" };
        let newest_key = format!("SELECT wrapped AS bytes FROM {schema}subject_keys ORDER BY created_at DESC LIMIT 1");
        let mut queries = vec![(&keys, "the key".to_owned(), newest_key)];
        for (table, column) in SEALED {
            let sql = format!(
                "SELECT DISTINCT {column} AS bytes FROM {table} WHERE subject_id = {NEWEST} AND {column} IS NOT NULL"
            );
            queries.push((&data, format!("{table}.{column}"), sql));
        }
        for (db, name, sql) in queries {
            let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await?;
            ensure!(!rows.is_empty(), "{name} has no value of the visitor who came last");
            for row in rows {
                let bytes: Vec<u8> = row.try_get("", "bytes")?;
                // The end is the tag and what stands before it, which is different each time.
                all.insert(bytes[bytes.len().saturating_sub(LENGTH)..].to_vec(), name.clone());
            }
        }
        Ok(Self(all))
    }

    /// How many they are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Fails where one of them is in a file of the database. On Postgres deleted rows stay in their pages until a vacuum,
    /// unreadable without their key, so only an embedded database is held to this.
    pub fn assert_absent(&self, database: &Database) -> Result<()> {
        let Database::Sqlite(folder) = database else { return Ok(()) };
        let left: Vec<_> = self.found_below(folder)?.into_values().collect();
        ensure!(left.is_empty(), "sealed bytes of the erased person are left: {left:?}");
        Ok(())
    }

    /// Fails where one of them is in no file: a search that finds nothing proves nothing.
    pub fn assert_present(&self, database: &Database) -> Result<()> {
        let Database::Sqlite(folder) = database else { return Ok(()) };
        let found = self.found_below(folder)?.len();
        ensure!(found == self.count(), "{found} of {} sealed values are found before the erasure", self.count());
        Ok(())
    }

    /// Where each that is found is, by its number.
    fn found_below(&self, folder: &Path) -> Result<BTreeMap<usize, String>> {
        let search = AhoCorasick::new(self.0.keys())?;
        let names: Vec<_> = self.0.values().collect();
        let mut places = BTreeMap::new();
        for file in files_below(folder) {
            for found in search.find_iter(&file.bytes) {
                let number = found.pattern().as_usize();
                places.entry(number).or_insert_with(|| format!("{} in {}", names[number], file.name));
            }
        }
        Ok(places)
    }
}
