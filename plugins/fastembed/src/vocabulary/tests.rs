//! Held against the crate `tokenizers` itself, with the model's own file. Skipped, with a word, where `make parts` was not run.

use std::{fmt::Write, fs, path::Path};

use super::*;

/// The tokenizer that this stands in for, and this.
fn both() -> Option<(Tokenizer, Vocabulary)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../parts/multilingual-e5-small/tokenizer.json");
    let Ok(file) = fs::read(&path) else {
        println!("skipped: {} is not there; run `make parts`", path.display());
        return None;
    };
    let original = Tokenizer::from_bytes(&file).expect("the model's tokenizer can be read");
    Some((original, Vocabulary::read(&file).expect("the vocabulary can be read")))
}

/// Asserts that both make the same of these texts.
fn alike<'a>((original, vocabulary): &(Tokenizer, Vocabulary), texts: impl IntoIterator<Item = &'a str>) {
    for text in texts {
        let wanted = original.encode_fast(text, true).expect("the original tokenizes");
        let made = vocabulary.framed_ids(text, usize::MAX).expect("the text can be tokenized");
        assert_eq!(made, wanted.get_ids(), "{text:?}");
    }
}

#[test]
fn texts_of_all_kinds_become_the_same_tokens() {
    let Some(both) = both() else { return };
    let long = "naïve façade ".repeat(400);
    let texts = [
        "",
        " ",
        "query: How long can I leave a suitcase?",
        "passage: Die Aufbewahrung ist bis zu 14 Tage möglich.",
        "無料でお試しいただけます。お客様の声をお聞かせください。",
        "नमस्ते दुनिया، مرحبا بالعالم  שלום",
        "ไม่มีช่องว่างระหว่างคำในภาษาไทย",
        "🙂👩‍👩‍👧‍👦🏳️‍🌈 \u{1F9FF}\u{E000}\u{E001} \u{10FFFF}",
        "a\0b\0\0c d\0",
        "\0",
        "<s> </s> <mask>of<pad> <unk> </ s> <MASK>",
        "▁ ▁▁ under▁score",
        "ﬁne Ｆｕｌｌｗｉｄｔｈ ①②③ ½ e\u{301}\u{327} \u{AD}\u{200B}\u{FEFF}x",
        "tab\tnew\nline\r\nand\u{A0}more   spaces ",
        &long,
    ];
    alike(&both, texts);
}

#[test]
fn what_no_piece_holds_is_unknown_and_a_row_of_it_one_token() {
    let Some(both) = both() else { return };
    alike(&both, ["\u{E000}", "\u{E000}\u{E001}\u{E002}", "a\u{E000}\u{E001}b\u{E002}", "\u{E000} \u{E001}"]);
}

#[test]
fn random_texts_become_the_same_tokens() {
    let Some(both) = both() else { return };
    // A linear congruential generator (Knuth): the same texts in every run.
    let mut state = 20_261_128_u64;
    let mut next = |below: u32| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u32::try_from(state >> 33).expect("31 bits") % below
    };
    let ranges =
        [(0x20, 0x5F), (0, 0x100), (0x400, 0x100), (0x600, 0x100), (0x3040, 0x60), (0x4E00, 0x5000), (0, 0x11_0000)];
    let texts: Vec<String> = (0..3_000)
        .map(|_| {
            let (from, size) = ranges[next(7) as usize];
            let length = next(60);
            (0..length).filter_map(|_| char::from_u32(from + next(size))).collect()
        })
        .collect();
    alike(&both, texts.iter().map(String::as_str));
}

#[test]
fn real_texts_in_four_languages_become_the_same_tokens() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/retrieval");
    let Some(both) = both() else { return };
    if !folder.is_dir() {
        println!("skipped: {} is not there", folder.display());
        return;
    }
    let mut texts = String::new();
    for set in ["xquad/en", "xquad/de", "xquad/es", "piaf_fr", "cranfield_en"] {
        let corpus = fs::read_to_string(folder.join(set).join("corpus.jsonl")).expect("the set has a corpus");
        for line in corpus.lines().take(400) {
            let line: Value = serde_json::from_str(line).expect("a line is JSON");
            writeln!(texts, "{} {}", line["title"], line["text"]).expect("a string can be written to");
        }
    }
    alike(&both, texts.lines());
}

#[test]
fn a_text_is_cut_at_the_longest_input_and_framed() {
    let Some((_, vocabulary)) = both() else { return };
    let whole = vocabulary.ids(&"word ".repeat(100)).expect("the text can be tokenized");
    let cut = vocabulary.framed_ids(&"word ".repeat(100), 12).expect("the text can be tokenized");
    assert_eq!((cut.len(), cut[0], cut[11]), (12, 0, 2));
    assert_eq!(cut[1..11], whole[..10]);
}

#[test]
fn a_tokenizer_of_numbers_gives_back_what_it_was_taught_and_nothing_else() {
    let mut tokenizer = of_numbers().expect("the tokenizer is whole");
    let ids = [0, 250_001, 17, 17, 2];
    let text = teach(&mut tokenizer, &ids).expect("ids can be taught");
    assert_eq!(tokenizer.encode_fast(text.as_str(), true).expect("numbers are read").get_ids(), ids);
    teach(&mut tokenizer, &[]).expect("ids can be forgotten");
    assert_eq!(tokenizer.get_vocab_size(true), 0);
}

#[test]
fn a_file_of_another_kind_is_a_clear_error() {
    let word_piece = json!({ "added_tokens": [], "model": { "type": "WordPiece", "vocab": {} } }).to_string();
    for file in [b"".as_slice(), b"{}", word_piece.as_bytes()] {
        let error = Vocabulary::read(file).err().expect("it is none");
        assert_eq!(error.kind, PluginErrorKind::Unavailable);
        assert!(error.message.ends_with("run `make parts`"), "{error}");
    }
}
