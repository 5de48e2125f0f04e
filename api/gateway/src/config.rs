//! What can be set. Each setting is a flag and an environment variable, read once at start, here and nowhere else.

pub mod accounts;
pub mod backups;
pub mod channels;
pub mod data;
pub mod index;
pub mod keys;
pub mod logs;
pub mod models;
pub mod server;
pub mod sign_on;
pub mod sources;

use clap::Args;

pub use self::{
    accounts::AccountConfig, backups::BackupConfig, channels::ChannelConfig, data::DataConfig, index::IndexConfig,
    keys::KeyConfig, logs::LogConfig, models::ModelConfig, server::ServerConfig, sign_on::SignOnConfig,
    sources::SourceConfig,
};

/// Everything that can be set.
#[derive(Args, Debug, Clone)]
pub struct Config {
    /// Where it listens.
    #[command(flatten)]
    pub server: ServerConfig,
    /// Where it keeps things.
    #[command(flatten)]
    pub data: DataConfig,
    /// Who keeps the root key.
    #[command(flatten)]
    pub keys: KeyConfig,
    /// Backups.
    #[command(flatten)]
    pub backups: BackupConfig,
    /// Models and plugins.
    #[command(flatten)]
    pub models: ModelConfig,
    /// The vector index.
    #[command(flatten)]
    pub index: IndexConfig,
    /// What documents are fetched from.
    #[command(flatten)]
    pub sources: SourceConfig,
    /// How people are told.
    #[command(flatten)]
    pub channels: ChannelConfig,
    /// Accounts, and mail about them.
    #[command(flatten)]
    pub accounts: AccountConfig,
    /// Single sign-on.
    #[command(flatten)]
    pub sign_on: SignOnConfig,
    /// Logs.
    #[command(flatten)]
    pub logs: LogConfig,
}
