//! The model in the parts folder: `multilingual-e5-small` as int8, 384 dimensions, 94 languages, MIT
//! (<https://arxiv.org/abs/2402.05672>).

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use consigne_sdk::{EmbeddingModel, PluginError, PluginErrorKind, Result};
use fastembed::{InitOptionsUserDefined, Pooling, QuantizationMode, TextEmbedding, UserDefinedEmbeddingModel};

use crate::{
    model::{FastembedInstance, Model, Prefixes, fingerprint},
    parts,
    pool::Instance,
    runtime,
    vocabulary::{self, Vocabulary},
};

const NAME: &str = "multilingual-e5-small";
const DIMENSIONS: usize = 384;
/// Positions the network has.
const POSITIONS: usize = 512;
/// Of them, what every text shares: `<s>`, the two tokens of its prefix, `</s>`.
const OVERHEAD: usize = 4;
/// Chosen with `examples/calibrate.rs` on 1,663 questions about 5,115 passages: XQuAD in Spanish, English and across
/// languages (German questions, English paragraphs), PIAF in French, the index entries of LibreOffice's French help, and
/// MTRAG-UN in English. Share of questions in percent whose best passage reaches a cosine of
///
/// | the knowledge | .80 | .81 | **.82** | .83 | .84 | .85 |
/// |---|---|---|---|---|---|---|
/// | holds the answer, same language | 100 | 99 | **98** | 94 | 87 | 80 |
/// | holds the answer, other language | 70 | 57 | **46** | 32 | 21 | 10 |
/// | is about the same, without the answer | 85 | 79 | **71** | 58 | 47 | 36 |
/// | is about the same, unanswerable by people's judgement | 98 | 96 | **88** | 77 | 71 | 42 |
/// | is about something else | 43 | 20 | **7** | 2 | 0 | 0 |
///
/// .82 and .83 tell the first row from the last equally well (their difference is largest there); the lower one loses
/// fewer questions in another language. So this separates what the knowledge is about from what it is not. Whether it
/// holds the answer, a cosine cannot say: the rows in between hardly differ from the first.
const ANSWER_THRESHOLD: f32 = 0.82;

/// Opens the model: finds its files and the library, and hashes the files, which takes a tenth of a second.
///
/// # Errors
/// `Unavailable` where a part is missing.
pub(crate) fn open(parts: &Path, onnxruntime: Option<&Path>) -> Result<Model> {
    let files = Files::below(parts);
    let library = parts::onnxruntime(parts, onnxruntime)?;
    let state = files.state()?;
    let fingerprint = fingerprint(&files.fingerprinted().each_ref().map(PathBuf::as_path))?;
    let facts = EmbeddingModel {
        name: NAME.into(),
        fingerprint,
        dimensions: DIMENSIONS,
        max_tokens: POSITIONS - OVERHEAD,
        answer_threshold: ANSWER_THRESHOLD,
    };
    let prefixes = Prefixes { question: "query: ", passage: "passage: " };
    let load = Box::new(move || files.load(&library, &state));
    Ok(Model { facts, prefixes, load })
}

/// The model's folder, and the vocabulary in it once it was read.
struct Files {
    folder: PathBuf,
    vocabulary: Mutex<Option<Arc<Vocabulary>>>,
}

/// Size and time of the files that make the fingerprint. Instances are loaded for as long as the process lives, and none
/// may come from other files than those that were hashed.
type State = Vec<(u64, SystemTime)>;

impl Files {
    fn below(parts: &Path) -> Self {
        Self { folder: parts.join(NAME), vocabulary: Mutex::default() }
    }

    fn fingerprinted(&self) -> [PathBuf; 2] {
        [self.folder.join("model_int8.onnx"), self.folder.join("tokenizer.json")]
    }

    fn state(&self) -> Result<State> {
        let state = |path: PathBuf| {
            let of_file = fs::metadata(&path).and_then(|file| io::Result::Ok((file.len(), file.modified()?)));
            of_file.map_err(|_| parts::missing("The embedding model", &path))
        };
        self.fingerprinted().into_iter().map(state).collect()
    }

    fn read(&self, name: &str) -> Result<Vec<u8>> {
        let path = self.folder.join(name);
        fs::read(&path).map_err(|_| parts::missing("The embedding model", &path))
    }

    /// The vocabulary, read once for all instances.
    fn vocabulary(&self) -> Result<Arc<Vocabulary>> {
        let mut known = self.vocabulary.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = &*known {
            return Ok(Arc::clone(known));
        }
        let read = Arc::new(Vocabulary::read(&self.read("tokenizer.json")?)?);
        *known = Some(Arc::clone(&read));
        Ok(read)
    }

    /// One thread an instance and no spinning: instances share the cores with everything else in the process. The graph
    /// pools by itself, so the pooling named here passes its output through; quantisation is none of fastembed's
    /// business either, as long as texts are run one by one.
    fn load(&self, library: &Path, hashed: &State) -> Result<Box<dyn Instance>> {
        let environment = runtime::environment(library)?;
        if self.state()? != *hashed {
            let message = "The embedding model changed on the disk since the start: restart to use it";
            return Err(PluginError::new(PluginErrorKind::Unavailable, message));
        }
        let vocabulary = self.vocabulary()?;
        let model = UserDefinedEmbeddingModel::new(self.read("model_int8.onnx")?, vocabulary::of_numbers_files())
            .with_pooling(Pooling::Mean)
            .with_quantization(QuantizationMode::None);
        let options = InitOptionsUserDefined::new()
            .with_environment(environment)
            .with_max_length(POSITIONS)
            .with_intra_threads(1)
            .with_session_config("session.intra_op.allow_spinning", "0");
        let loaded = TextEmbedding::try_new_from_user_defined(model, options).map_err(|error| {
            let message =
                format!("The embedding model in {} cannot be loaded: {error}; run `make parts`", self.folder.display());
            PluginError::new(PluginErrorKind::Unavailable, message)
        })?;
        Ok(Box::new(FastembedInstance::new(loaded, vocabulary, POSITIONS)))
    }
}
