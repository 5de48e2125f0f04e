//! The tokenizer of a SentencePiece unigram model (<https://arxiv.org/abs/1808.06226>), as XLM-R and its descendants have it.
//!
//! The crate `tokenizers` keeps the 250,002 pieces of such a model in a tree of hash maps: 270 MB for each instance, and
//! twice that while it is read. Here they are a double array (Aoe 1989, doi:10.1109/32.31365) of some 8 MB that all
//! instances share. Everything around it is still done by `tokenizers`: what is normalised how, where words begin,
//! which tokens stand apart. The ids are the same, which its tests hold against the original.

use consigne_sdk::{PluginError, PluginErrorKind, Result};
use fastembed::TokenizerFiles;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokenizers::{OffsetReferential, OffsetType, PreTokenizer, Tokenizer, models::wordlevel::WordLevel};
use yada::{DoubleArray, builder::DoubleArrayBuilder};

/// What a character costs that is in no piece, below the least likely piece. SentencePiece's `kUnkPenalty`.
const UNKNOWN_PENALTY: f64 = 10.0;

/// What turns a text into the ids of its tokens.
pub(crate) struct Vocabulary {
    /// All of the tokenizer but its pieces.
    around: Tokenizer,
    /// From the bytes of a piece to its id.
    pieces: DoubleArray<Vec<u8>>,
    /// How likely each piece is, by its id, as a logarithm.
    scores: Vec<f64>,
    unknown: u32,
    unknown_score: f64,
    /// What the model wants before and after every text.
    ends: [u32; 2],
}

/// A `tokenizer.json`.
#[derive(Deserialize)]
struct File {
    model: Unigram,
    added_tokens: Vec<Added>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Deserialize)]
struct Unigram {
    unk_id: u32,
    vocab: Vec<(String, f64)>,
    #[serde(default)]
    byte_fallback: bool,
}

#[derive(Deserialize, Serialize)]
struct Added {
    id: u32,
    content: String,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl Vocabulary {
    /// Reads a `tokenizer.json`. Takes half a second.
    ///
    /// # Errors
    /// `Unavailable` where it is none, or not that of a unigram model with something before and after every text.
    pub(crate) fn read(file: &[u8]) -> Result<Self> {
        let File { model, added_tokens, rest } =
            serde_json::from_slice(file).map_err(|_| unusable("of another kind"))?;
        if model.byte_fallback {
            return Err(unusable("one that falls back to bytes"));
        }
        let scores: Vec<f64> = model.vocab.iter().map(|(_, score)| *score).collect();
        let least = scores.iter().copied().fold(f64::INFINITY, f64::min);
        let around = around(rest, &added_tokens)?;
        let ends = around.encode_fast("", true).map_err(|_| unusable("damaged"))?;
        let ends = ends.get_ids().try_into().map_err(|_| unusable("one that does not frame its texts"))?;
        Ok(Self {
            around,
            pieces: pieces(model.vocab)?,
            scores,
            unknown: model.unk_id,
            unknown_score: least - UNKNOWN_PENALTY,
            ends,
        })
    }

    /// The tokens of all of a text, without what the model wants around it.
    ///
    /// # Errors
    /// `Internal` where the text cannot be cut into words.
    pub(crate) fn ids(&self, text: &str) -> Result<Vec<u32>> {
        let uncountable = |_| PluginError::new(PluginErrorKind::Internal, "a text could not be tokenized");
        let normalizer = self.around.get_normalizer();
        let mut words = self.around.get_added_vocabulary().extract_and_normalize(normalizer, text);
        if let Some(cut) = self.around.get_pre_tokenizer() {
            cut.pre_tokenize(&mut words).map_err(uncountable)?;
        }
        let mut ids = Vec::new();
        for (word, _, added) in words.get_splits(OffsetReferential::Normalized, OffsetType::None) {
            match added {
                Some(tokens) => ids.extend(tokens.iter().map(|token| token.id)),
                None => self.segment(word, &mut ids),
            }
        }
        Ok(ids)
    }

    /// The tokens of a text as the model takes them: cut to its longest input, with what it wants around it.
    ///
    /// # Errors
    /// As [`ids`](Self::ids).
    pub(crate) fn framed_ids(&self, text: &str, at_most: usize) -> Result<Vec<u32>> {
        let [before, after] = self.ends;
        let mut ids = self.ids(text)?;
        ids.truncate(at_most.saturating_sub(self.ends.len()));
        ids.insert(0, before);
        ids.push(after);
        Ok(ids)
    }

    /// The likeliest sequence of pieces that make this word: the sum of their scores is largest (Viterbi). Characters that no
    /// piece holds are unknown, several of them in a row one token.
    fn segment(&self, word: &str, ids: &mut Vec<u32>) {
        #[derive(Clone, Copy)]
        struct Best {
            score: f64,
            begins: usize,
            id: u32,
        }
        let bytes = word.as_bytes();
        let mut ends: Vec<Option<Best>> = vec![None; bytes.len() + 1];
        for (at, character) in word.char_indices() {
            let so_far = ends[at].map_or(0.0, |best| best.score);
            let mut reach = |length: usize, id: u32, score: f64| {
                let end = &mut ends[at + length];
                let score = score + so_far;
                if end.is_none_or(|best| score > best.score) {
                    *end = Some(Best { score, begins: at, id });
                }
            };
            let mut single = false;
            for (id, length) in self.pieces.common_prefix_search(&bytes[at..]) {
                // The double array has no word for a zero byte: what it says beyond one means nothing.
                let Some(score) = self.scores.get(id as usize).filter(|_| !bytes[at..at + length].contains(&0)) else {
                    break;
                };
                reach(length, id, *score);
                single |= length == character.len_utf8();
            }
            if !single {
                reach(character.len_utf8(), self.unknown, self.unknown_score);
            }
        }
        let (first, mut end) = (ids.len(), bytes.len());
        while let Some(best) = ends[end].filter(|_| end > 0) {
            let again = best.id == self.unknown && ids.len() > first && ids.last() == Some(&self.unknown);
            if !again {
                ids.push(best.id);
            }
            end = best.begins;
        }
        ids[first..].reverse();
    }
}

/// The same tokenizer whose only pieces are the tokens that stand apart from all text, as `<s>` does.
fn around(mut rest: Map<String, Value>, added: &[Added]) -> Result<Tokenizer> {
    let apart: Map<String, Value> = added.iter().map(|token| (token.content.clone(), token.id.into())).collect();
    rest.insert("model".into(), json!({ "type": "WordLevel", "vocab": apart, "unk_token": "<unk>" }));
    rest.insert("added_tokens".into(), json!(added));
    rest.insert("truncation".into(), Value::Null);
    rest.insert("padding".into(), Value::Null);
    let file = serde_json::to_vec(&rest).map_err(|_| unusable("damaged"))?;
    Tokenizer::from_bytes(file).map_err(|_| unusable("damaged"))
}

/// # Errors
/// `Unavailable` where a piece holds a zero byte.
fn pieces(vocabulary: Vec<(String, f64)>) -> Result<DoubleArray<Vec<u8>>> {
    let numbered = vocabulary.into_iter().zip(0_u32..);
    let mut pieces: Vec<(String, u32)> = numbered.map(|((piece, _), id)| (piece, id)).collect();
    // Of a piece that is there twice, the last counts.
    pieces.sort_by(|(a, m), (b, n)| a.cmp(b).then(n.cmp(m)));
    pieces.dedup_by(|(a, _), (b, _)| a == b);
    pieces.retain(|(piece, _)| !piece.is_empty());
    let built = DoubleArrayBuilder::build(&pieces).and_then(DoubleArray::new);
    built.map_err(|_| unusable("one whose pieces cannot be told apart"))
}

/// What is put in place of the model's tokenizer in fastembed: it reads ids, written as numbers with a space between.
///
/// # Errors
/// `Internal` where the crate does not take it.
#[cfg(any(test, feature = "online"))]
pub(crate) fn of_numbers() -> Result<Tokenizer> {
    serde_json::from_value(of_numbers_file()).map_err(|_| not_handed_over())
}

/// The same as the files of a model.
pub(crate) fn of_numbers_files() -> TokenizerFiles {
    TokenizerFiles {
        tokenizer_file: of_numbers_file().to_string().into_bytes(),
        config_file: json!({ "pad_token_id": 0 }).to_string().into_bytes(),
        special_tokens_map_file: b"{}".to_vec(),
        tokenizer_config_file: json!({ "model_max_length": 1_000_000, "pad_token": "<unk>" }).to_string().into_bytes(),
    }
}

fn of_numbers_file() -> Value {
    json!({
        "version": "1.0",
        "added_tokens": [],
        "pre_tokenizer": { "type": "WhitespaceSplit" },
        "model": { "type": "WordLevel", "vocab": { "<unk>": 0 }, "unk_token": "<unk>" },
    })
}

/// Teaches such a tokenizer these ids, and forgets all others.
///
/// Returns the text that it makes them from.
///
/// # Errors
/// `Internal` where they cannot be taught.
pub(crate) fn teach(tokenizer: &mut Tokenizer, ids: &[u32]) -> Result<String> {
    let words: Vec<String> = ids.iter().map(u32::to_string).collect();
    let text = words.join(" ");
    let known = words.into_iter().zip(ids.iter().copied()).collect();
    let model = WordLevel::builder().vocab(known).unk_token("<unk>".into()).build();
    tokenizer.with_model(model.map_err(|_| not_handed_over())?);
    Ok(text)
}

fn not_handed_over() -> PluginError {
    PluginError::new(PluginErrorKind::Internal, "ids could not be handed over")
}

fn unusable(what: &str) -> PluginError {
    let message = format!("The embedding model's tokenizer.json is {what}: run `make parts`");
    PluginError::new(PluginErrorKind::Unavailable, message)
}

#[cfg(test)]
mod tests;
