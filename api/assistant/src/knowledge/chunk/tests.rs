//! Chunking counted by a stand-in for a model.

use std::collections::HashMap;
use std::sync::Mutex;

use async_trait::async_trait;
use consigne_sdk::{EmbedKind, EmbeddingModel, Fingerprint};
use proptest::prelude::*;

use super::*;
use crate::knowledge::parse::BlockKind::{self, Code, Heading, ListItem, Paragraph, Records, Table};

/// A token is at most four letters of a word, as a subword tokenizer's is about; each call is remembered.
struct FourLetters {
    model: EmbeddingModel,
    asked: Mutex<HashMap<String, usize>>,
    /// Tokens more for a whole than for its parts, for each line break: counts need not add up.
    extra: usize,
}

impl FourLetters {
    fn new(max_tokens: usize, extra: usize) -> Self {
        let fingerprint = Fingerprint([0; 32]);
        let model = EmbeddingModel {
            name: "four letters".into(),
            fingerprint,
            dimensions: 1,
            max_tokens,
            answer_threshold: 0.0,
        };
        Self { model, asked: Mutex::default(), extra }
    }

    fn count(&self, text: &str) -> usize {
        let words: usize = text.split_whitespace().map(|word| word.chars().count().div_ceil(4)).sum();
        words + self.extra * text.matches('\n').count()
    }
}

#[async_trait]
impl Embedder for FourLetters {
    fn model(&self) -> &EmbeddingModel {
        &self.model
    }

    async fn warm(&self) -> Result<()> {
        Ok(())
    }

    async fn embed(&self, _: EmbedKind, _: Vec<String>) -> Result<Vec<Vec<f32>>> {
        Ok(vec![])
    }

    async fn count_tokens(&self, texts: Vec<String>) -> Result<Vec<usize>> {
        let mut asked = self.asked.lock().unwrap();
        texts.iter().for_each(|text| *asked.entry(text.clone()).or_default() += 1);
        Ok(texts.iter().map(|text| self.count(text)).collect())
    }
}

/// Blocks with their headings filled in, as a parser leaves them.
fn blocks(given: &[(BlockKind, &str)]) -> Vec<Block> {
    let mut above: Vec<(u8, String)> = vec![];
    let mut blocks = vec![];
    for (kind, text) in given {
        if let Heading(level) = kind {
            above.retain(|(other, _)| other < level);
        }
        let headings = above.iter().map(|(_, text)| text.clone()).collect();
        blocks.push(Block {
            kind: *kind,
            text: (*text).to_owned(),
            page: Some(blocks.len() as u32 + 1),
            part: 0,
            headings,
        });
        if let Heading(level) = kind {
            above.push((*level, (*text).to_owned()));
        }
    }
    blocks
}

async fn chunks(given: &[(BlockKind, &str)], target: usize, max: usize) -> Vec<Chunk> {
    let options = ChunkOptions { target, max, overlap_sentences: 1 };
    chunk(&blocks(given), &FourLetters::new(512, 0), options).await.unwrap()
}

fn sentence(n: usize) -> String {
    format!("Sentence {n} has some words in it.")
}

fn paragraph(sentences: std::ops::Range<usize>) -> String {
    sentences.map(sentence).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn a_short_section_is_one_chunk_under_its_path() {
    let chunks = chunks(
        &[(Heading(1), "Guide"), (Heading(2), "Install"), (Paragraph, "Run it."), (ListItem, "Then wait.")],
        50,
        90,
    )
    .await;
    assert_eq!(chunks.len(), 1);
    assert_eq!(chunks[0].headings, ["Guide", "Install"]);
    assert_eq!(chunks[0].text, "Run it.\n- Then wait.");
    assert_eq!(chunks[0].embedded_text(), "Guide > Install\nRun it.\n- Then wait.");
    assert_eq!(chunks[0].page, Some(3));
}

#[tokio::test]
async fn sections_of_some_size_stay_apart() {
    let (one, two) = (paragraph(0..3), paragraph(3..6));
    let chunks = chunks(
        &[(Heading(1), "Guide"), (Heading(2), "One"), (Paragraph, &one), (Heading(2), "Two"), (Paragraph, &two)],
        60,
        90,
    )
    .await;
    assert_eq!(chunks.iter().map(|chunk| chunk.headings.join("/")).collect::<Vec<_>>(), ["Guide/One", "Guide/Two"]);
}

#[tokio::test]
async fn tiny_sections_are_joined_under_their_parent() {
    let chunks = chunks(
        &[(Heading(1), "Terms"), (Heading(2), "A"), (Paragraph, "First."), (Heading(2), "B"), (Paragraph, "Second.")],
        60,
        90,
    )
    .await;
    assert_eq!(chunks.len(), 1);
    assert_eq!(chunks[0].headings, ["Terms"]);
    assert_eq!(chunks[0].text, "A\n\nFirst.\n\nB\n\nSecond.");
}

#[tokio::test]
async fn a_long_section_is_cut_between_sentences_that_overlap() {
    let text = paragraph(0..30);
    let chunks = chunks(&[(Heading(1), "Guide"), (Paragraph, &text)], 60, 90).await;
    assert!(chunks.len() > 3);
    for pair in chunks.windows(2) {
        let last = units::sentences(&pair[0].text).last().copied().unwrap().to_owned();
        assert!(pair[1].text.starts_with(&last), "{:?} then {:?}", pair[0].text, pair[1].text);
    }
    assert!(chunks.iter().all(|chunk| chunk.tokens <= 90));
    let small = chunks.iter().filter(|chunk| chunk.tokens < 15).count();
    assert_eq!(small, 0, "no tiny rest");
}

#[tokio::test]
async fn code_stays_whole_where_it_fits() {
    let code = (0..10).map(|n| format!("let value_{n} = call({n});")).collect::<Vec<_>>().join("\n");
    let text = paragraph(0..5);
    let chunks = chunks(&[(Heading(1), "Guide"), (Paragraph, &text), (Code, &code)], 60, 100).await;
    assert!(chunks.iter().any(|chunk| chunk.text.contains(&code)), "{chunks:#?}");
}

#[tokio::test]
async fn a_long_table_repeats_its_header() {
    let rows: Vec<String> = (0..60).map(|n| format!("row {n} | value {n}")).collect();
    let table = format!("Name | Value\n{}", rows.join("\n"));
    let chunks = chunks(&[(Heading(1), "Prices"), (Table, &table)], 60, 90).await;
    assert!(chunks.len() > 3);
    assert!(chunks.iter().all(|chunk| chunk.text.starts_with("Name | Value\n")));
    assert!(rows.iter().all(|row| chunks.iter().any(|chunk| chunk.text.lines().any(|line| line == row))));
}

#[tokio::test]
async fn a_giant_word_is_cut() {
    let word = "x".repeat(5_000);
    let chunks = chunks(&[(Paragraph, &word)], 60, 90).await;
    assert!(chunks.iter().all(|chunk| chunk.tokens <= 90));
    assert_eq!(chunks.iter().map(|chunk| chunk.text.as_str()).collect::<String>(), word);
}

#[tokio::test]
async fn a_heading_alone_is_not_lost() {
    let chunks = chunks(&[(Heading(1), "Only a title"), (Heading(2), "And another")], 60, 90).await;
    assert_eq!(chunks.len(), 1);
    assert_eq!(
        (chunks[0].headings.as_slice(), chunks[0].text.as_str()),
        (&["Only a title".to_owned()][..], "And another")
    );
}

#[tokio::test]
async fn no_text_is_no_chunk() {
    assert_eq!(chunks(&[], 60, 90).await, []);
}

#[tokio::test]
async fn a_text_is_counted_once() {
    let counter = FourLetters::new(512, 0);
    let repeated = "The same sentence again and again.";
    let given = blocks(&[(Heading(1), "A"), (Paragraph, repeated), (Heading(1), "B"), (Paragraph, repeated)]);
    chunk(&given, &counter, ChunkOptions::default()).await.unwrap();
    assert_eq!(counter.asked.lock().unwrap()[repeated], 1);
}

#[test]
fn sentences_do_not_end_at_abbreviations() {
    let text = "See Dr. Who, e.g. The first one. Art. 28 applies. Yes. Is it so? No!";
    assert_eq!(
        units::sentences(text),
        ["See Dr. Who, e.g. The first one.", "Art. 28 applies.", "Yes. Is it so?", "No!"]
    );
}

fn any_block() -> impl Strategy<Value = (BlockKind, String)> {
    let words = |most| prop::collection::vec("[a-zA-Zäßéñ0-9]{1,12}", 1..most).prop_map(|words| words.join(" "));
    let prose = prop::collection::vec(words(14).prop_map(|words| words + "."), 1..12).prop_map(|all| all.join(" "));
    let lines = prop::collection::vec(words(8), 1..40).prop_map(|lines| lines.join("\n"));
    let giant = "[a-z]{1,900}";
    prop_oneof![
        3 => (1u8..=6, words(9)).prop_map(|(level, text)| (Heading(level), text)),
        5 => prose.clone().prop_map(|text| (Paragraph, text)),
        2 => prose.prop_map(|text| (ListItem, text)),
        1 => lines.clone().prop_map(|text| (Code, text)),
        1 => lines.prop_map(|text| (Table, text)),
        1 => giant.prop_map(|text| (Paragraph, text)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_text_is_lost_and_no_chunk_is_too_large(
        given in prop::collection::vec(any_block(), 0..25),
        target in 20usize..120,
        more in 0usize..100,
        overlap_sentences in 0usize..3,
        extra in 0usize..2,
    ) {
        let given: Vec<(BlockKind, &str)> = given.iter().map(|(kind, text)| (*kind, text.as_str())).collect();
        let blocks = blocks(&given);
        let options = ChunkOptions { target, max: target + more, overlap_sentences };
        let counter = FourLetters::new(128, extra);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let chunks = runtime.block_on(chunk(&blocks, &counter, options)).unwrap();
        let again = runtime.block_on(chunk(&blocks, &counter, options)).unwrap();
        prop_assert_eq!(&chunks, &again, "deterministic");

        for chunk in &chunks {
            prop_assert!(chunk.tokens <= options.max.min(120), "{} tokens", chunk.tokens);
            prop_assert_eq!(chunk.tokens, counter.count(&chunk.embedded_text()));
            prop_assert!(!chunk.text.trim().is_empty());
        }
        let everything: Vec<String> =
            chunks.iter().flat_map(|chunk| chunk.headings.iter().cloned().chain([chunk.text.clone()])).collect();
        for (kind, text) in given {
            let pieces: Vec<&str> = match kind {
                Heading(_) => vec![text],
                Code | Table => text.lines().collect(),
                _ => units::sentences(text),
            };
            // A piece that alone is near the maximum may itself be cut.
            for piece in pieces.into_iter().filter(|piece| counter.count(piece) + 2 < options.max.min(120) / 3) {
                prop_assert!(everything.iter().any(|text| text.contains(piece)), "lost: {piece}");
            }
            for word in text.split_whitespace().filter(|word| word.len() <= 12) {
                prop_assert!(everything.iter().any(|text| text.contains(word)), "lost: {word}");
            }
        }
    }
}

#[tokio::test]
async fn a_row_of_a_sheet_is_a_chunk_with_its_header() {
    let rows = "Plan | Price | Seats\nBasic | 5\nTeam | 50 | 10\nodd | one | more | cells";
    let chunks =
        chunks(&[(Heading(1), "Prices"), (Paragraph, "In euros."), (Records, rows), (Paragraph, "End.")], 50, 90).await;
    let texts: Vec<&str> = chunks.iter().map(|chunk| chunk.text.as_str()).collect();
    assert_eq!(
        texts,
        [
            "In euros.",
            "Plan: Basic\nPrice: 5",
            "Plan: Team\nPrice: 50\nSeats: 10",
            "Plan | Price | Seats\nodd | one | more | cells",
            "End.",
        ]
    );
    assert!(chunks.iter().all(|chunk| chunk.headings == ["Prices"]));
}

#[tokio::test]
async fn a_long_row_is_parted_and_says_which_it_is() {
    let rows = format!("Plan | Terms\nBasic | {}", paragraph(0..20));
    let chunks = chunks(&[(Records, &rows)], 50, 60).await;
    assert!(chunks.len() > 2);
    assert!(chunks.iter().all(|chunk| chunk.text.starts_with("Plan: Basic\n") && chunk.tokens <= 60), "{chunks:?}");
}

#[tokio::test]
async fn a_chunk_holds_text_of_one_part() {
    let given =
        [(Heading(2), "How long?"), (Paragraph, "Three weeks."), (Heading(2), "How much?"), (Paragraph, "Five.")];
    let mut blocks = blocks(&given);
    blocks.iter_mut().zip([1, 1, 2, 2]).for_each(|(block, part)| block.part = part);
    let options = ChunkOptions { target: 50, max: 90, overlap_sentences: 1 };
    let chunks = chunk(&blocks, &FourLetters::new(512, 0), options).await.unwrap();
    let found: Vec<_> = chunks.iter().map(|chunk| (chunk.headings.join("/"), chunk.text.as_str())).collect();
    assert_eq!(found, [("How long?".to_owned(), "Three weeks."), ("How much?".to_owned(), "Five.")]);
}
