//! A model that can be opened: its facts, what is put before a text, and how an instance is loaded.

use std::{fs, path::Path};

use consigne_sdk::{EmbedKind, EmbeddingModel, Fingerprint, PluginError, PluginErrorKind, Result};
use fastembed::{Error, TextEmbedding};
use sha2::{Digest, Sha256};

use crate::{parts, pool::Instance, pool::Load};

/// A model, opened but not loaded.
pub(crate) struct Model {
    /// What the host is told.
    pub(crate) facts: EmbeddingModel,
    /// What the model wants before a text.
    pub(crate) prefixes: Prefixes,
    /// Loads an instance.
    pub(crate) load: Load,
}

/// Asymmetric models tell questions and passages apart by their first words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Prefixes {
    /// Before a question.
    pub(crate) question: &'static str,
    /// Before a passage.
    pub(crate) passage: &'static str,
}

impl Prefixes {
    /// The text as the model wants it.
    pub(crate) fn put_before(self, kind: EmbedKind, text: &str) -> String {
        let prefix = match kind {
            EmbedKind::Question => self.question,
            EmbedKind::Passage => self.passage,
        };
        format!("{prefix}{text}")
    }
}

/// A fastembed model in use.
pub(crate) struct FastembedInstance(TextEmbedding);

impl FastembedInstance {
    /// Takes a loaded model and switches off what does not fit here: the tokenizer's threads, which cost more than they
    /// bring with one text at a time, and its cache, which would keep up to 10,000 words of what people wrote for as long
    /// as the process lives.
    pub(crate) fn new(mut embedding: TextEmbedding) -> Self {
        tokenizers::parallelism::set_parallelism(false);
        let mut vocabulary = embedding.tokenizer.get_model().clone();
        vocabulary.resize_cache(0);
        embedding.tokenizer.with_model(vocabulary);
        Self(embedding)
    }
}

impl Instance for FastembedInstance {
    fn embed(&mut self, text: &str) -> Result<Vec<f32>> {
        let vectors = self.0.embed([text], Some(1)).map_err(|error| failed(&error))?;
        vectors
            .into_iter()
            .next()
            .ok_or_else(|| PluginError::new(PluginErrorKind::Internal, "the model gave no vector"))
    }

    fn count_tokens(&mut self, text: &str) -> Result<usize> {
        let uncountable = |_| PluginError::new(PluginErrorKind::Internal, "a text could not be tokenized");
        // The tokenizer is set to cut at the model's longest input, for embedding; here all of the text counts.
        let tokenizer = &mut self.0.tokenizer;
        let cut = tokenizer.get_truncation().cloned();
        tokenizer.with_truncation(None).map_err(uncountable)?;
        let counted = tokenizer.encode_fast(text, false).map(|encoded| encoded.len());
        tokenizer.with_truncation(cut).map_err(uncountable)?;
        counted.map_err(uncountable)
    }
}

/// Where it went wrong, without the library's message: that may quote what was processed.
fn failed(error: &Error) -> PluginError {
    let stage = match error {
        Error::Tokenization(_) | Error::EmptyTokenizations => "tokenizing",
        Error::Ort(_) | Error::OrtSession(_) => "running the model",
        _ => "reading the model's output",
    };
    PluginError::new(PluginErrorKind::Internal, format!("{stage} failed on a text"))
}

/// The SHA-256 of these files, one after the other, as `cat model tokenizer | sha256sum` gives it.
///
/// # Errors
/// `Unavailable` where one of them cannot be read.
pub(crate) fn fingerprint(files: &[&Path]) -> Result<Fingerprint> {
    let mut digest = Sha256::new();
    for file in files {
        let mut reader = fs::File::open(file).map_err(|_| parts::missing("The embedding model", file))?;
        std::io::copy(&mut reader, &mut HashWriter(&mut digest))
            .map_err(|_| parts::missing("The embedding model", file))?;
    }
    Ok(Fingerprint(digest.finalize().into()))
}

struct HashWriter<'a>(&'a mut Sha256);

impl std::io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
