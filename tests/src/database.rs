//! A database for one test: SQLite in a folder, or, where `CONSIGNE_TEST_POSTGRES` names a superuser, a new database on
//! that Postgres with an owner and an application role of its own.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sea_orm::{ConnectionTrait, Database as Connect, DatabaseConnection, DbBackend, Statement};

use crate::canary::{Place, files_below};

/// A database for one test.
pub enum Database {
    /// `consigne.db` and `keys.db` in this folder.
    Sqlite(PathBuf),
    /// A database on a server.
    Postgres {
        /// The role that migrates and owns the tables.
        owner: String,
        /// The role that the product uses: owns nothing, bypasses nothing.
        application: String,
        /// The role that bypasses row-level security: for searching only.
        superuser: String,
    },
}

impl Database {
    /// A new one, empty, without tables. A Postgres database goes with its server.
    pub async fn fresh(folder: &Path) -> Result<Self> {
        match superuser_url() {
            Some(url) => fresh_postgres(&url).await,
            None => Ok(Self::Sqlite(folder.to_owned())),
        }
    }

    /// Every place where its bytes are: each table as a role sees it that sees all, and the files behind it.
    pub async fn places(&self) -> Result<Vec<Place>> {
        match self {
            Self::Sqlite(folder) => {
                let mut places = files_below(folder);
                for file in ["consigne.db", "keys.db"] {
                    let url = format!("sqlite:{}?mode=ro", folder.join(file).display());
                    places.extend(tables(&Connect::connect(url).await?).await?);
                }
                Ok(places)
            }
            Self::Postgres { superuser, .. } => {
                let db = Connect::connect(superuser).await?;
                let mut places = tables(&db).await?;
                places.extend(postgres_files(&db).await?);
                Ok(places)
            }
        }
    }

    /// Every column of every table, as `(table, column)`.
    pub async fn columns(&self) -> Result<Vec<(String, String)>> {
        let mut all = Vec::new();
        for db in self.connections().await? {
            all.extend(columns(&db).await?.into_iter().map(|column| (column.table, column.name)));
        }
        Ok(all)
    }

    /// Connections that see every row: the data and, on SQLite, the key store.
    pub async fn connections(&self) -> Result<Vec<DatabaseConnection>> {
        let urls = match self {
            Self::Sqlite(folder) => {
                ["consigne.db", "keys.db"].map(|file| format!("sqlite:{}", folder.join(file).display())).to_vec()
            }
            Self::Postgres { superuser, .. } => vec![superuser.clone()],
        };
        let mut all = Vec::new();
        for url in urls {
            all.push(Connect::connect(url).await?);
        }
        Ok(all)
    }
}

#[expect(clippy::disallowed_methods, reason = "tests are told by the environment which database to use")]
fn superuser_url() -> Option<String> {
    std::env::var("CONSIGNE_TEST_POSTGRES").ok()
}

async fn fresh_postgres(superuser: &str) -> Result<Database> {
    let name = format!("t{}", &crate::canary::Canary::new().to_string()[6..22]);
    let server = Connect::connect(superuser).await?;
    for sql in [
        format!("CREATE ROLE {name}_owner LOGIN PASSWORD 'owner'"),
        format!("CREATE ROLE {name}_application LOGIN PASSWORD 'application'"),
        format!("CREATE DATABASE {name} OWNER {name}_owner"),
    ] {
        server.execute_unprepared(&sql).await?;
    }
    server.close().await?;
    let at = |user: Option<(&str, &str)>| -> Result<String> {
        let mut url: reqwest::Url = superuser.parse()?;
        url.set_path(&name);
        if let Some((role, password)) = user {
            let is_set = url.set_username(&format!("{name}_{role}")).and_then(|()| url.set_password(Some(password)));
            is_set.ok().context("a Postgres URL names a user")?;
        }
        Ok(url.to_string())
    };
    Ok(Database::Postgres {
        owner: at(Some(("owner", "owner")))?,
        application: at(Some(("application", "application")))?,
        superuser: at(None)?,
    })
}

struct Column {
    schema: String,
    table: String,
    name: String,
    is_bytes: bool,
}

async fn columns(db: &DatabaseConnection) -> Result<Vec<Column>> {
    let sql = match db.get_database_backend() {
        DbBackend::Postgres => {
            "SELECT table_schema::text AS schema, table_name::text AS \"table\", column_name::text AS name, \
             data_type = 'bytea' AS is_bytes FROM information_schema.columns \
             WHERE table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2, ordinal_position"
        }
        _ => {
            "SELECT 'main' AS schema, t.name AS \"table\", c.name AS name, c.type = 'BLOB' AS is_bytes \
             FROM sqlite_master t, pragma_table_info(t.name) c \
             WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' ORDER BY t.name, c.cid"
        }
    };
    let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await?;
    let column = |row: &sea_orm::QueryResult| -> Result<Column, sea_orm::DbErr> {
        Ok(Column {
            schema: row.try_get("", "schema")?,
            table: row.try_get("", "table")?,
            name: row.try_get("", "name")?,
            is_bytes: row.try_get("", "is_bytes")?,
        })
    };
    Ok(rows.iter().map(column).collect::<Result<_, _>>()?)
}

/// Every row of every table, each value as its bytes.
async fn tables(db: &DatabaseConnection) -> Result<Vec<Place>> {
    let backend = db.get_database_backend();
    let mut places: Vec<Place> = Vec::new();
    for column in columns(db).await? {
        let Column { schema, table, name, is_bytes } = &column;
        let value = match (backend, is_bytes) {
            (DbBackend::Postgres, true) => format!("encode(\"{name}\", 'hex')"),
            (DbBackend::Postgres, false) => format!("encode(convert_to(\"{name}\"::text, 'UTF8'), 'hex')"),
            _ => format!("hex(CAST(\"{name}\" AS BLOB))"),
        };
        let sql = format!("SELECT {value} AS value FROM \"{schema}\".\"{table}\" WHERE \"{name}\" IS NOT NULL");
        let mut bytes = Vec::new();
        for row in db.query_all_raw(Statement::from_string(backend, sql)).await? {
            bytes.extend(hex::decode(row.try_get::<String>("", "value")?)?);
            bytes.push(b'\n');
        }
        places.push(Place { name: format!("{table}.{name}"), bytes });
    }
    Ok(places)
}

/// The files of this database and the write-ahead log, where this process may read them.
async fn postgres_files(db: &DatabaseConnection) -> Result<Vec<Place>> {
    db.execute_unprepared("CHECKPOINT").await?;
    let sql = "SELECT current_setting('data_directory') AS folder, oid::bigint AS oid FROM pg_database \
               WHERE datname = current_database()";
    let row = db.query_one_raw(Statement::from_string(DbBackend::Postgres, sql)).await?.context("one row")?;
    let folder = PathBuf::from(row.try_get::<String>("", "folder")?);
    let oid: i64 = row.try_get("", "oid")?;
    let mut places = files_below(&folder.join("base").join(oid.to_string()));
    places.extend(files_below(&folder.join("pg_wal")));
    Ok(places)
}
