//! The capability: read, weigh, admit, compose, stream.

use async_trait::async_trait;
use consigne_sdk::{ChatDelta, ChatModel, ChatRequest, ChatStream, PromptRole, Result};
use futures::{StreamExt, stream};

use crate::{
    clean::visible,
    evidence::{self, Candidate},
    question::{self, Material},
    quotes,
};

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
}

impl Quoting {
    /// The quotes that answer, or `None` where the passages do not.
    async fn text(&self, request: &ChatRequest) -> Result<Option<String>> {
        let asked = visible(&request.question);
        if asked.trim().is_empty() || request.passages.is_empty() {
            return Ok(None);
        }
        let threshold = request.answer_threshold;
        let material = question::read(request);
        let candidates = evidence::weigh(&material, &asked, threshold, request.embedder.as_ref()).await?;
        let mut admitted = evidence::admit(&material, candidates, threshold);
        leave_out_what_was_said(request, &material, &mut admitted);
        let most_characters = request.max_tokens as usize * CHARACTERS_OF_TOKEN;
        let text = quotes::compose(&material, &admitted, self.most_sentences, most_characters);
        Ok((!text.is_empty()).then_some(text))
    }
}

/// A follow-up question wants something new: what the last answer quoted already is left out, unless nothing else is left.
fn leave_out_what_was_said(request: &ChatRequest, material: &Material, admitted: &mut Vec<Candidate>) {
    let is_follow_up = request.messages.last().is_some_and(|asked| asked.content != request.question);
    let last_answer = request.messages.iter().rev().find(|message| message.role == PromptRole::Assistant);
    let (true, Some(said)) = (is_follow_up, last_answer) else { return };
    let is_new = |c: &Candidate| !said.content.contains(&material.passages[c.passage].units[c.unit].unit.text);
    if admitted.iter().any(is_new) {
        admitted.retain(is_new);
    }
}

/// Text in groups of words that together are the text.
fn pieces(text: &str) -> Vec<String> {
    let words: Vec<&str> = text.split_inclusive(char::is_whitespace).collect();
    words.chunks(WORDS_OF_DELTA).map(<[&str]>::concat).collect()
}
