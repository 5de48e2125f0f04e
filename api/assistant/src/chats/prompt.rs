//! The prompt for language models: a Markdown file with places for what changes.

use consigne_sdk::{PromptMessage, PromptPassage, PromptRole};

use crate::assistants::Assistant;

const ANSWER: &str = include_str!("prompts/answer.md");
const STAND_ALONE: &str = include_str!("prompts/stand_alone.md");

/// An earlier question and its answer.
pub(crate) struct Turn {
    pub question: String,
    pub answer: Option<String>,
}

/// The rendered prompt: instructions with the passages, the history, the question.
pub(crate) fn render(
    assistant: &Assistant,
    language: Option<&str>,
    passages: &[PromptPassage],
    history: &[Turn],
    question: &str,
) -> Vec<PromptMessage> {
    let listed: String = passages.iter().map(|p| format!("[{}] {}\n{}\n\n", p.index, p.title, p.text)).collect();
    let language = language.map(|code| format!(" (ISO 639-1 code: {code})")).unwrap_or_default();
    let instructions = match assistant.instructions.trim() {
        "" => String::new(),
        text => format!("The site's own instructions, which do not override the rules:\n{text}\n"),
    };
    // The passages go in last: nothing a passage contains is taken for a place to be filled.
    let system = ANSWER
        .replace("{{assistant}}", &assistant.name)
        .replace("{{language}}", &language)
        .replace("{{instructions}}", &instructions)
        .replace("{{passages}}", listed.trim_end());
    conversation(system, history, question)
}

/// The rendered prompt that asks for a question which needs no history.
pub(crate) fn stand_alone(history: &[Turn], question: &str) -> Vec<PromptMessage> {
    conversation(STAND_ALONE.to_owned(), history, question)
}

fn conversation(system: String, history: &[Turn], question: &str) -> Vec<PromptMessage> {
    let mut messages = vec![PromptMessage { role: PromptRole::System, content: system }];
    for turn in history {
        messages.push(PromptMessage { role: PromptRole::User, content: turn.question.clone() });
        if let Some(answer) = &turn.answer {
            messages.push(PromptMessage { role: PromptRole::Assistant, content: answer.clone() });
        }
    }
    messages.push(PromptMessage { role: PromptRole::User, content: question.to_owned() });
    messages
}
