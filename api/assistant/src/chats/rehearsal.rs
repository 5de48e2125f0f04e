//! An answer as it would be given, without a chat: for measuring how well questions are answered. Nothing is stored and
//! nobody hears it.

use consigne_foundation::{Result, Scope};
use consigne_sdk::ChatDelta;
use futures::StreamExt;

use super::{
    answer::{self, AnswerHandler, Asked, HISTORY_TURNS, Prepared},
    citations::{self, MarkerFilter},
    prompt::Turn,
};
use crate::{
    assistants::Assistant,
    knowledge::{parse, search::rerank::Look},
};

/// What was said before: a question and its answer.
#[derive(Clone)]
pub struct Earlier {
    /// The question.
    pub question: String,
    /// The answer.
    pub answer: String,
}

/// The answer, by the same steps as one of a chat; `None` where it is not in the knowledge.
///
/// # Errors
/// Those of the assistant's model and of the search.
pub async fn rehearse(
    scope: &Scope,
    answers: &AnswerHandler,
    assistant: &Assistant,
    history: &[Earlier],
    question: &str,
) -> Result<Option<String>> {
    let latest = history.len().saturating_sub(HISTORY_TURNS as usize);
    let turn = |earlier: &Earlier| Turn { question: earlier.question.clone(), answer: Some(earlier.answer.clone()) };
    let history: Vec<Turn> = history[latest..].iter().map(turn).collect();
    let language = answer::language_of(assistant, question);
    let look = Look::of(scope, &answers.knowledge).await;
    let asked = Asked { question, whose: None, history: &history, language, look: &look };
    let Prepared { model, request, excerpts, .. } = answers.prepare(scope, assistant, asked).await?;
    if excerpts.is_empty() {
        return Ok(None);
    }
    let mut stream = model.answer(request).await?;
    let mut filter = MarkerFilter::new(excerpts.len());
    let mut text = String::new();
    while let Some(delta) = stream.next().await {
        match delta? {
            ChatDelta::Text(piece) => text.push_str(&filter.push(&parse::clean::clean(&piece))),
            ChatDelta::NotInKnowledge => return Ok(None),
            ChatDelta::Usage { .. } => {}
        }
    }
    text.push_str(&filter.finish());
    let cited = answers.keep_true(scope, citations::cite(&text, &excerpts)).await?;
    Ok((!cited.is_empty()).then_some(text))
}
