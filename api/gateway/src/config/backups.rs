//! Where backups go, who can open them, and how long they are kept.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use consigne_foundation::{
    Error, Result,
    backups::{BackupOptions, Identity, Recipients, Target, TargetSettings},
    blobs::BlobSettings,
    error::ErrorKind,
    vault::{Created, Provider},
};

use super::DataConfig;

/// The longest that a backup may be kept: what the agreements promise.
const MOST_DAYS: u64 = 30;

/// Backups: one a day, encrypted with age.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Backups")]
pub struct BackupConfig {
    /// A folder, or `s3://BUCKET/FOLDER`; `backups` in the data folder where left out, which is no help when the disk dies.
    #[arg(long, env = "CONSIGNE_BACKUP_TO")]
    pub backup_to: Option<String>,
    /// Who can open backups: `age1...`, several with commas. Where left out, an identity is made on this machine.
    #[arg(long, env = "CONSIGNE_BACKUP_RECIPIENTS", value_delimiter = ',')]
    pub backup_recipients: Vec<String>,
    /// File of the identity that opens backups, for drills; `backup-identity.txt` in the data folder where left out.
    #[arg(long, env = "CONSIGNE_BACKUP_IDENTITY_FILE")]
    pub backup_identity_file: Option<PathBuf>,
    /// Days that a backup is kept: 30 at the most.
    #[arg(long, env = "CONSIGNE_BACKUP_KEEP_DAYS", default_value_t = MOST_DAYS)]
    pub backup_keep_days: u64,
    /// Region of the bucket of backups; that of the files where left out, as the next ones.
    #[arg(long, env = "CONSIGNE_BACKUP_S3_REGION")]
    pub backup_s3_region: Option<String>,
    /// Endpoint of a compatible store.
    #[arg(long, env = "CONSIGNE_BACKUP_S3_ENDPOINT")]
    pub backup_s3_endpoint: Option<String>,
    /// Access key of the bucket of backups.
    #[arg(long, env = "CONSIGNE_BACKUP_S3_ACCESS_KEY", hide_env_values = true)]
    pub backup_s3_access_key: Option<String>,
    /// Secret key of the bucket of backups.
    #[arg(long, env = "CONSIGNE_BACKUP_S3_SECRET_KEY", hide_env_values = true)]
    pub backup_s3_secret_key: Option<String>,
}

impl BackupConfig {
    /// How backups are made.
    ///
    /// # Errors
    /// `Misconfigured`, with what to change.
    pub fn options(&self, data: &DataConfig, keys: Provider) -> Result<BackupOptions> {
        if !(1..=MOST_DAYS).contains(&self.backup_keep_days) {
            let message = format!("CONSIGNE_BACKUP_KEEP_DAYS has to be from 1 to {MOST_DAYS}.");
            return Err(Error::new(ErrorKind::Misconfigured, message));
        }
        let identity_file = self.identity_file(data);
        let recipients: Vec<&str> =
            self.backup_recipients.iter().map(|name| name.trim()).filter(|name| !name.is_empty()).collect();
        let recipients = if recipients.is_empty() {
            let (identity, created) = Identity::load_or_create(&identity_file)?;
            if created == Created::Now {
                tracing::warn!(
                    file = %identity_file.display(),
                    "this file opens every backup: move a copy to another machine, set CONSIGNE_BACKUP_RECIPIENTS to the \
                     public key in it, and take it away from here"
                );
            }
            Recipients::parse([identity.recipient().as_str()])?
        } else {
            Recipients::parse(recipients)?
        };
        Ok(BackupOptions {
            target: Target::open(&self.target(data, self.backup_to.as_deref())?)?,
            recipients,
            keep: Duration::from_secs(self.backup_keep_days * 24 * 3_600),
            keys,
            identity_file,
        })
    }

    /// Where the identity is, if it is here.
    pub fn identity_file(&self, data: &DataConfig) -> PathBuf {
        self.backup_identity_file.clone().unwrap_or_else(|| data.data_dir.join("backup-identity.txt"))
    }

    /// A place of backups: a folder, or `s3://BUCKET/FOLDER`; the default one for none.
    ///
    /// # Errors
    /// `Misconfigured` where a bucket lacks its keys, or the address is of another kind.
    pub fn target(&self, data: &DataConfig, address: Option<&str>) -> Result<TargetSettings> {
        let Some(address) = address else {
            let folder = data.data_dir.join("backups");
            let name = folder.display().to_string();
            return Ok(TargetSettings { store: BlobSettings::Folder(folder), prefix: String::new(), name });
        };
        if let Some(place) = address.strip_prefix("s3://") {
            let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
            let store = self.bucket(data, bucket)?;
            let prefix = prefix.trim_matches('/').to_owned();
            return Ok(TargetSettings { store, prefix, name: address.trim_end_matches('/').to_owned() });
        }
        let folder = address.strip_prefix("file://").unwrap_or(address);
        if folder.contains("://") {
            let message = "Backups go to a folder or to s3://BUCKET/FOLDER; other addresses are not known.";
            return Err(Error::new(ErrorKind::Misconfigured, message));
        }
        Ok(TargetSettings {
            store: BlobSettings::Folder(folder.into()),
            prefix: String::new(),
            name: folder.to_owned(),
        })
    }

    fn bucket(&self, data: &DataConfig, bucket: &str) -> Result<BlobSettings> {
        let missing = |name: &str| {
            Error::new(
                ErrorKind::Misconfigured,
                format!("Backups go to a bucket, so CONSIGNE_BACKUP_S3_{name} has to be set."),
            )
        };
        let endpoint = self.backup_s3_endpoint.clone().or_else(|| data.s3_endpoint.clone());
        let access_key = self.backup_s3_access_key.clone().or_else(|| data.s3_access_key.clone());
        let secret_key = self.backup_s3_secret_key.clone().or_else(|| data.s3_secret_key.clone());
        Ok(BlobSettings::S3 {
            bucket: bucket.to_owned(),
            region: self.backup_s3_region.clone().unwrap_or_else(|| data.s3_region.clone()),
            allow_http: endpoint.as_deref().is_some_and(|url| url.starts_with("http:")),
            endpoint,
            access_key: access_key.ok_or_else(|| missing("ACCESS_KEY"))?,
            secret_key: secret_key.ok_or_else(|| missing("SECRET_KEY"))?,
        })
    }
}
