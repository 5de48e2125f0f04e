//! Models, plugins and what they may use.

use std::path::PathBuf;

use clap::Args;

/// Models and plugins.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Models")]
pub struct ModelConfig {
    /// Folder of the embedding model, ONNX Runtime and the playground, filled by `make parts`.
    #[arg(long, env = "CONSIGNE_PARTS_DIR", default_value = "parts")]
    pub parts_dir: PathBuf,
    /// ONNX Runtime's library, if it is elsewhere.
    #[arg(long, env = "ORT_DYLIB_PATH")]
    pub onnxruntime: Option<PathBuf>,
    /// Instances of the embedding model at the most; as many as there are cores where left out.
    #[arg(long, env = "CONSIGNE_EMBED_WORKERS")]
    pub embed_workers: Option<usize>,
    /// Memory for vectors, in megabytes; workspaces that were not searched for longest go first.
    #[arg(long, env = "CONSIGNE_INDEX_MB", default_value_t = 512)]
    pub index_mb: usize,
    /// The program whose `parse-document` reads files in a process of its own; this program where left out.
    #[arg(long, env = "CONSIGNE_PARSER", hide = true)]
    pub parser: Option<PathBuf>,
}
