//! What is quoted, and when nothing is.

use std::sync::Arc;

use consigne_sdk::{ChatDelta, PluginErrorKind};
use serde_json::json;

use crate::world::{WordEmbedder, ask};

const CANCELLING: &str = "Our offices are in Lyon. You can cancel your contract at the end of every month. \
    Members receive a printed magazine.";
const SHIPPING: &str = "Parcels are shipped on Tuesdays. Shipping abroad takes two weeks.";

#[tokio::test]
async fn the_sentence_that_answers_is_quoted_with_the_number_of_its_passage() {
    let answer = ask("How do I cancel my contract?").among(SHIPPING).among(CANCELLING).answer().await;
    assert_eq!(answer.as_deref(), Some("You can cancel your contract at the end of every month. [2]"));
}

#[tokio::test]
async fn a_question_beside_the_knowledge_is_not_answered() {
    let deltas =
        ask("When does the aquarium of Lisbon open?").among(CANCELLING).among(SHIPPING).deltas().await.unwrap();
    assert_eq!(deltas, [ChatDelta::NotInKnowledge]);
}

#[tokio::test]
async fn without_passages_or_without_a_question_nothing_is_answered() {
    assert_eq!(ask("How do I cancel my contract?").answer().await, None);
    assert_eq!(ask(" \u{200B} ").among(CANCELLING).answer().await, None);
    assert_eq!(ask("How do I cancel my contract?").among("").answer().await, None);
}

#[tokio::test]
async fn a_stricter_policy_answers_less() {
    let mut visitor = ask("How do I cancel my contract?").among(CANCELLING);
    visitor.request.answer_threshold = 0.99;
    assert_eq!(visitor.answer().await, None);
}

#[tokio::test]
async fn a_passage_in_the_language_of_the_question_comes_before_its_translation() {
    let answer = ask("Wie kündige ich meinen Vertrag?")
        .in_language("de")
        .among(CANCELLING)
        .among_in("de", "Sie können den Vertrag zum Ende jedes Monats kündigen.")
        .answer()
        .await;
    assert_eq!(answer.as_deref(), Some("Sie können den Vertrag zum Ende jedes Monats kündigen. [2]"));
}

#[tokio::test]
async fn a_passage_in_another_language_answers_where_there_is_no_other() {
    let answer =
        ask("Wie kündige ich den Vertrag zum Ende des Monats?").in_language("de").among(CANCELLING).answer().await;
    assert_eq!(answer.as_deref(), Some("You can cancel your contract at the end of every month. [1]"));
}

#[tokio::test]
async fn neighbours_are_joined_in_reading_order_under_one_number() {
    let answer = ask("How do I cancel my contract with the form?")
        .among("Cancel your contract in the portal. The contract form is at the bottom. Lunch is at noon.")
        .answer()
        .await;
    assert_eq!(answer.as_deref(), Some("Cancel your contract in the portal. The contract form is at the bottom. [1]"));
}

#[tokio::test]
async fn two_passages_are_two_quotes_with_their_own_numbers() {
    let answer = ask("Can I cancel my contract?")
        .among("You may cancel the contract online.")
        .among("We cancel any contract without payment.")
        .answer()
        .await;
    let expected = "You may cancel the contract online. [1]\n\nWe cancel any contract without payment. [2]";
    assert_eq!(answer.as_deref(), Some(expected));
}

#[tokio::test]
async fn what_two_overlapping_passages_share_is_quoted_once() {
    let sentence = "You can cancel your contract at the end of every month.";
    let answer = ask("How do I cancel my contract?")
        .among(sentence)
        .among(&format!("{sentence} Parcels go out daily."))
        .answer()
        .await;
    assert_eq!(answer.as_deref(), Some(format!("{sentence} [1]").as_str()));
}

#[tokio::test]
async fn of_a_list_of_questions_the_answer_is_quoted_and_not_the_question() {
    let in_text = ask("Can I cancel my contract?")
        .among("Can I cancel my contract? Yes, by the end of the month. Is there parking? No.");
    assert_eq!(in_text.answer().await.as_deref(), Some("Yes, by the end of the month. [1]"));
    let as_heading =
        ask("Can I cancel my contract?").under("Help > Can I cancel my contract?", "en", "Yes, by letter.");
    assert_eq!(as_heading.answer().await.as_deref(), Some("Yes, by letter. [1]"));
}

#[tokio::test]
async fn no_more_sentences_are_chosen_than_was_set() {
    let passage = "Cancel the contract online.\n\nCancel the contract by phone.\n\nCancel the contract by letter.";
    for most in 1..=3 {
        let visitor = ask("How do I cancel the contract: online, phone, letter?").among(passage);
        let answer = visitor.with_settings(json!({ "maxSentences": most })).answer().await.unwrap();
        assert_eq!(answer.matches("Cancel").count(), most);
    }
}

#[tokio::test]
async fn the_answer_comes_in_pieces_that_together_are_the_answer() {
    let visitor = || ask("How do I cancel my contract?").among(CANCELLING);
    let deltas = visitor().deltas().await.unwrap();
    assert!(deltas.len() >= 3, "{} pieces", deltas.len());
    assert!(deltas.iter().all(|delta| matches!(delta, ChatDelta::Text(text) if text.split_whitespace().count() <= 4)));
    assert_eq!(
        visitor().answer().await.as_deref(),
        Some("You can cancel your contract at the end of every month. [1]")
    );
}

#[tokio::test]
async fn an_answer_keeps_to_its_longest_length_and_to_its_number() {
    let mut visitor = ask("How do I cancel my contract?").among(CANCELLING);
    visitor.request.max_tokens = 10;
    assert_eq!(visitor.answer().await.as_deref(), Some("You can cancel your contract… [1]"));
}

#[tokio::test]
async fn an_embedder_that_fails_fails_the_call_before_any_text() {
    let mut visitor = ask("How do I cancel my contract?").among(CANCELLING);
    visitor.request.embedder = Arc::new(WordEmbedder::broken());
    let error = visitor.deltas().await.unwrap_err();
    assert_eq!(error.kind, PluginErrorKind::Unavailable);
    assert!(!error.message.contains("contract"));
}
