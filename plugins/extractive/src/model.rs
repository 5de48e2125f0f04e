//! The capability: read, weigh, admit, compose, stream.

use async_trait::async_trait;
use consigne_sdk::{ChatDelta, ChatModel, ChatRequest, ChatStream, PromptMessage, PromptRole, Result};
use futures::{StreamExt, stream};

use crate::{clean::visible, evidence, question, quotes};

/// Characters that a token is taken to stand for; few, so that no answer is longer than was asked for.
const CHARACTERS_OF_TOKEN: usize = 3;

/// Words of one delta.
const WORDS_OF_DELTA: usize = 4;

/// Answers with quotes.
pub(crate) struct Quoting {
    /// Sentences chosen for one answer at the most.
    pub most_sentences: usize,
}

#[async_trait]
impl ChatModel for Quoting {
    fn model_name(&self) -> &str {
        "extractive"
    }

    async fn answer(&self, request: ChatRequest) -> Result<ChatStream> {
        let text = self.text(&request).await?;
        let deltas = match text {
            Some(text) => pieces(&text).into_iter().map(ChatDelta::Text).collect(),
            None => vec![ChatDelta::NotInKnowledge],
        };
        Ok(stream::iter(deltas.into_iter().map(Ok)).boxed())
    }

    /// It only quotes.
    async fn say(&self, _: Vec<PromptMessage>, _: u32) -> Result<Option<String>> {
        Ok(None)
    }
}

impl Quoting {
    /// The quotes that answer, or `None` where the passages do not.
    async fn text(&self, request: &ChatRequest) -> Result<Option<String>> {
        let asked = ways_of_asking(request);
        if asked[0].trim().is_empty() || request.passages.is_empty() {
            return Ok(None);
        }
        let threshold = request.answer_threshold;
        let material = question::read(request);
        let candidates = evidence::weigh(&material, asked, threshold, request.embedder.as_ref()).await?;
        let admitted = evidence::admit(&material, candidates, threshold);
        let most_characters = request.max_tokens as usize * CHARACTERS_OF_TOKEN;
        let text = quotes::compose(&material, &admitted, self.most_sentences, most_characters);
        Ok((!text.is_empty()).then_some(text))
    }
}

/// The question as it stands alone and, where the visitor's own words leaned on the history, those words too: what is near
/// to both answers the new part about the old matter.
fn ways_of_asking(request: &ChatRequest) -> Vec<String> {
    let own_words =
        request.messages.last().filter(|last| last.role == PromptRole::User).map(|last| visible(&last.content));
    let alone = visible(&request.question);
    match own_words {
        Some(words) if words != alone && !words.trim().is_empty() => vec![alone, words],
        _ => vec![alone],
    }
}

/// Text in groups of words that together are the text.
fn pieces(text: &str) -> Vec<String> {
    let words: Vec<&str> = text.split_inclusive(char::is_whitespace).collect();
    words.chunks(WORDS_OF_DELTA).map(<[&str]>::concat).collect()
}
