//! The compiled-in plugins, one line each.

use std::sync::Arc;

use consigne_foundation::Result;
pub use consigne_foundation::plugins::{InstanceDefaults, Registry};
use consigne_plugin_anthropic::Anthropic;
use consigne_plugin_email::Email;
use consigne_plugin_extractive::Extractive;
use consigne_plugin_fastembed::{Fastembed, FastembedOptions, FastembedReranker};
use consigne_plugin_flat::{Flat, FlatOptions};
use consigne_plugin_mistral::Mistral;
use consigne_plugin_openai::OpenAi;
use consigne_plugin_qdrant::Qdrant;
use consigne_plugin_slack::Slack;
use consigne_plugin_webhook::Webhook;
use consigne_plugin_website::Website;
use consigne_sdk::Plugin;

use crate::config::Config;

/// The registry of what is compiled in.
///
/// # Errors
/// `Misconfigured` where two plugins have one name, a default names none, an operator's settings cannot work, or one is not
/// for production.
pub fn registry(config: &Config) -> Result<Registry> {
    let (plugins, defaults) = compiled_in(config)?;
    Registry::new(plugins, defaults)
}

/// What is compiled in, and what the operator chose of it.
///
/// # Errors
/// `Misconfigured` where an operator's settings cannot work, or one is not for production.
pub fn compiled_in(config: &Config) -> Result<(Vec<Arc<dyn Plugin>>, InstanceDefaults)> {
    let website = config.sources.website(config.server.production)?;
    let webhook = config.channels.webhook(config.server.production)?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let fastembed = FastembedOptions {
        parts: config.models.parts_dir.clone(),
        onnxruntime: config.models.onnxruntime.clone(),
        workers: config.models.embed_workers.unwrap_or(cores),
    };
    let plugins: Vec<Arc<dyn Plugin>> = vec![
        Arc::new(Fastembed::new(fastembed.clone())),
        Arc::new(FastembedReranker::new(fastembed)),
        Arc::new(Flat::new(FlatOptions { memory_bytes: config.index.index_mb << 20 })),
        Arc::new(Qdrant::new()),
        Arc::new(Extractive::new()),
        Arc::new(OpenAi::new()),
        Arc::new(Mistral::new()),
        Arc::new(Anthropic::new()),
        Arc::new(Website::new(website)),
        Arc::new(Slack::new()),
        Arc::new(Email::new()),
        Arc::new(Webhook::new(webhook)),
    ];
    let qdrant = config.index.qdrant()?;
    let defaults = InstanceDefaults {
        embedder: "fastembed".to_owned(),
        vector_index: if qdrant.is_some() { "qdrant" } else { "flat" }.to_owned(),
        chat_model: "extractive".to_owned(),
        settings: [("qdrant", qdrant), ("email", config.accounts.email())]
            .into_iter()
            .filter_map(|(plugin, settings)| Some((plugin.to_owned(), settings?)))
            .collect(),
    };
    Ok((plugins, defaults))
}
