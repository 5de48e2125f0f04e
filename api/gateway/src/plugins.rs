//! The compiled-in plugins, one line each.

use std::{collections::BTreeMap, sync::Arc};

use consigne_foundation::plugins::{InstanceDefaults, Registry};
use consigne_plugin_extractive::Extractive;
use consigne_plugin_fastembed::{Fastembed, FastembedOptions};
use consigne_plugin_flat::{Flat, FlatOptions};
use consigne_plugin_openai::OpenAi;
use consigne_sdk::Plugin;

use crate::config::ModelConfig;

/// The registry of what is compiled in.
///
/// # Errors
/// `Misconfigured` where two plugins have one name, or a default names none.
pub fn registry(config: &ModelConfig) -> consigne_foundation::Result<Registry> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let fastembed = FastembedOptions {
        parts: config.parts_dir.clone(),
        onnxruntime: config.onnxruntime.clone(),
        workers: config.embed_workers.unwrap_or(cores),
    };
    let plugins: Vec<Arc<dyn Plugin>> = vec![
        Arc::new(Fastembed::new(fastembed)),
        Arc::new(Flat::new(FlatOptions { memory_bytes: config.index_mb << 20 })),
        Arc::new(Extractive::new()),
        Arc::new(OpenAi::new()),
    ];
    let defaults = InstanceDefaults {
        embedder: "fastembed".to_owned(),
        vector_index: "flat".to_owned(),
        chat_model: "extractive".to_owned(),
        settings: BTreeMap::new(),
    };
    Registry::new(plugins, defaults)
}
