//! A model that can be opened: its facts, what is put before a text, and how an instance is loaded.

use std::{fs, path::Path, sync::Arc};

use consigne_sdk::{EmbedKind, EmbeddingModel, Fingerprint, PluginError, PluginErrorKind, Result};
use fastembed::{Error, TextEmbedding};
use sha2::{Digest, Sha256};

use crate::{
    parts,
    pool::{Instance, Load},
    vocabulary::{self, Vocabulary},
};

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

/// A fastembed model in use, with the vocabulary that it shares with all others.
pub(crate) struct FastembedInstance {
    embedding: TextEmbedding,
    vocabulary: Arc<Vocabulary>,
    /// Longest input, in tokens.
    positions: usize,
}

impl FastembedInstance {
    /// Takes a loaded model, whose tokenizer is one of numbers, and switches off the tokenizer's
    /// threads, which cost more than they bring with one text at a time.
    pub(crate) fn new(embedding: TextEmbedding, vocabulary: Arc<Vocabulary>, positions: usize) -> Self {
        tokenizers::parallelism::set_parallelism(false);
        Self { embedding, vocabulary, positions }
    }
}

impl Instance for FastembedInstance {
    fn embed(&mut self, text: &str) -> Result<Vec<f32>> {
        let ids = self.vocabulary.framed_ids(text, self.positions)?;
        let numbers = vocabulary::teach(&mut self.embedding.tokenizer, &ids)?;
        let embedded = self.embedding.embed([numbers], Some(1)).map_err(|error| failed(&error));
        // What people wrote is not kept for as long as the process lives.
        vocabulary::teach(&mut self.embedding.tokenizer, &[])?;
        embedded?
            .into_iter()
            .next()
            .ok_or_else(|| PluginError::new(PluginErrorKind::Internal, "the model gave no vector"))
    }

    fn count_tokens(&mut self, text: &str) -> Result<usize> {
        Ok(self.vocabulary.ids(text)?.len())
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
