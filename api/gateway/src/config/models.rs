//! Models, plugins and what they may use.

use std::path::PathBuf;

use clap::Args;
use consigne_assistant::knowledge::sandbox::Recognizer;

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
    /// Passages that a reranker is shown for an answer, where a workspace enabled one: the best that the search found.
    #[arg(long, env = "CONSIGNE_RERANK_PASSAGES", default_value_t = 20)]
    pub rerank_passages: usize,
    /// Milliseconds that an answer waits for a reranker; after that, or where it fails, the search's own order holds.
    #[arg(long, env = "CONSIGNE_RERANK_MS", default_value_t = 2_000)]
    pub rerank_ms: u64,
    /// Answers that one process makes at once; further questions wait.
    #[arg(long, env = "CONSIGNE_ANSWERS_AT_ONCE", default_value_t = 1_000)]
    pub answers_at_once: usize,
    /// The program whose `parse-document` reads files in a process of its own; this program where left out.
    #[arg(long, env = "CONSIGNE_PARSER", hide = true)]
    pub parser: Option<PathBuf>,
    /// Tesseract, which recognises the text of scanned PDFs; the `tesseract` of the search path where left out.
    #[arg(long, env = "CONSIGNE_TESSERACT")]
    pub tesseract: Option<PathBuf>,
    /// Languages of scanned PDFs, as Tesseract names them; those that are not installed are passed over.
    #[arg(long, env = "CONSIGNE_OCR_LANGUAGES", default_value = "eng+fra+deu+spa+ita+por+nld")]
    pub ocr_languages: String,
}

impl ModelConfig {
    /// What recognises the text of scanned PDFs, where it is installed.
    pub fn recognizer(&self) -> Option<Recognizer> {
        let tesseract = self.tesseract.clone().or_else(|| on_search_path("tesseract"))?;
        Some(Recognizer { tesseract, languages: self.ocr_languages.clone() })
    }
}

#[expect(clippy::disallowed_methods, reason = "only gateway::config reads the environment")]
fn on_search_path(program: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).map(|folder| folder.join(program)).find(|path| path.is_absolute() && path.is_file())
}
