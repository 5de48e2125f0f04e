//! Where data, keys and files are kept.

use std::path::PathBuf;

use clap::Args;
use consigne_foundation::{Error, Result, blobs::BlobSettings, error::ErrorKind, store::StoreSettings};

/// Where data, keys and files are kept.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Data")]
pub struct DataConfig {
    /// Folder of the embedded database, the key store, the root key and the files.
    #[arg(long, env = "CONSIGNE_DATA_DIR", default_value = "data")]
    pub data_dir: PathBuf,
    /// `sqlite:PATH`, or `postgres://...` as the application role; SQLite in the data folder where left out.
    #[arg(long, env = "CONSIGNE_DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// Postgres only: the owner's URL, for `consigne migrate`. The application role must not own the tables.
    #[arg(long, env = "CONSIGNE_DATABASE_OWNER_URL", hide_env_values = true)]
    pub database_owner_url: Option<String>,
    /// Postgres only: the URL of a second reader, another role that may read every table and nothing else; erasures are counted
    /// by it too.
    #[arg(long, env = "CONSIGNE_DATABASE_READER_URL", hide_env_values = true)]
    pub database_reader_url: Option<String>,
    /// Connections to the database.
    #[arg(long, env = "CONSIGNE_DATABASE_CONNECTIONS", default_value_t = 10)]
    pub database_connections: u32,
    /// Bucket for files instead of the data folder (S3 or compatible).
    #[arg(long, env = "CONSIGNE_S3_BUCKET")]
    pub s3_bucket: Option<String>,
    /// Region of the bucket.
    #[arg(long, env = "CONSIGNE_S3_REGION", default_value = "eu-west-3")]
    pub s3_region: String,
    /// Endpoint of a compatible store.
    #[arg(long, env = "CONSIGNE_S3_ENDPOINT")]
    pub s3_endpoint: Option<String>,
    /// Access key of the bucket.
    #[arg(long, env = "CONSIGNE_S3_ACCESS_KEY", hide_env_values = true)]
    pub s3_access_key: Option<String>,
    /// Secret key of the bucket.
    #[arg(long, env = "CONSIGNE_S3_SECRET_KEY", hide_env_values = true)]
    pub s3_secret_key: Option<String>,
    /// The time zone in whose calendar months and years of retention are counted, as in `Europe/Paris`.
    #[arg(long, env = "CONSIGNE_TIME_ZONE", default_value = "UTC")]
    pub time_zone: String,
    /// How long the audit log is kept, as ISO 8601 writes it: 90 days at the least, 6 months at the most.
    #[arg(long, env = "CONSIGNE_AUDIT_PERIOD", default_value = "P6M")]
    pub audit_period: String,
    /// Largest document, in megabytes.
    #[arg(long, env = "CONSIGNE_MAX_DOCUMENT_MB", default_value_t = 50)]
    pub max_document_mb: u64,
}

impl DataConfig {
    /// The database's settings.
    pub fn store(&self) -> StoreSettings {
        let url = self
            .database_url
            .clone()
            .unwrap_or_else(|| format!("sqlite:{}", self.data_dir.join("consigne.db").display()));
        StoreSettings { url, key_store: self.data_dir.join("keys.db"), max_connections: self.database_connections }
    }

    /// The settings with which the owner migrates: on SQLite the same, on Postgres the owner's URL where it is known.
    pub fn owner_store(&self) -> Option<StoreSettings> {
        let store = self.store();
        match (&self.database_owner_url, store.url.starts_with("sqlite:")) {
            (_, true) => Some(store),
            (Some(url), false) => Some(StoreSettings { url: url.clone(), max_connections: 2, ..store }),
            (None, false) => None,
        }
    }

    /// The application role's name, which the owner lets in; SQLite has none.
    pub fn application_role(&self) -> Option<String> {
        role_in(self.database_url.as_deref()?)
    }

    /// The second reader's role, where there is one.
    pub fn reader_role(&self) -> Option<String> {
        role_in(self.database_reader_url.as_deref()?)
    }

    /// Where files go.
    ///
    /// # Errors
    /// `Misconfigured` where a bucket lacks its keys.
    pub fn blobs(&self) -> Result<BlobSettings> {
        let Some(bucket) = &self.s3_bucket else { return Ok(BlobSettings::Folder(self.data_dir.join("blobs"))) };
        let missing =
            |name: &str| Error::new(ErrorKind::Misconfigured, format!("A bucket is set, so {name} has to be set too."));
        Ok(BlobSettings::S3 {
            bucket: bucket.clone(),
            region: self.s3_region.clone(),
            endpoint: self.s3_endpoint.clone(),
            access_key: self.s3_access_key.clone().ok_or_else(|| missing("CONSIGNE_S3_ACCESS_KEY"))?,
            secret_key: self.s3_secret_key.clone().ok_or_else(|| missing("CONSIGNE_S3_SECRET_KEY"))?,
            allow_http: self.s3_endpoint.as_deref().is_some_and(|url| url.starts_with("http:")),
        })
    }
}

fn role_in(url: &str) -> Option<String> {
    let url = url::Url::parse(url).ok()?;
    (url.scheme().starts_with("postgres")).then(|| url.username().to_owned())
}
