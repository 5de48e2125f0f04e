//! Other people's documents, where they are at hand.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::*;

/// The folder of test data, or `None` with a printed reason.
fn data(folder: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(folder);
    if !path.exists() {
        println!("skipped: no {}", path.display());
        return None;
    }
    Some(path)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

/// Words of a text, and how often each comes.
fn words(text: &str) -> HashMap<String, usize> {
    let mut words = HashMap::new();
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        *words.entry(word.to_lowercase()).or_default() += 1;
    }
    words
}

/// A document read, measured in words.
struct Score {
    name: String,
    hits: usize,
    found: usize,
    expected: usize,
}

impl Score {
    fn of(name: String, found: &str, expected: &str) -> Self {
        let (found, expected) = (words(found), words(expected));
        let hits = expected.iter().map(|(word, count)| *count.min(found.get(word).unwrap_or(&0))).sum();
        Self { name, hits, found: found.values().sum(), expected: expected.values().sum() }
    }

    fn recall(&self) -> f64 {
        self.hits as f64 / self.expected.max(1) as f64
    }

    fn precision(&self) -> f64 {
        self.hits as f64 / self.found.max(1) as f64
    }
}

/// The text of a document, without what we put before the titles of slides.
fn text(document: &ParsedDocument) -> String {
    let text = |block: &Block| match block.page {
        Some(page) => block.text.trim_start_matches(&format!("Slide {page}")).to_owned(),
        None => block.text.clone(),
    };
    document.blocks.iter().map(text).collect::<Vec<_>>().join("\n")
}

/// The expected Markdown as text, read by our own reader: without its marks, its escapes, the targets of its links and
/// the comments that stand for pictures. What our reader does not take for content on a page of ours is taken here too:
/// an expected text has no front matter and no HTML.
fn expected(markdown: &str) -> String {
    let markdown = markdown.replace("<!-- image -->", "");
    parse("text/markdown", "", markdown.as_bytes(), &ParseLimits::default())
        .map_or(String::new(), |document| text(&document))
}

/// The documents of a format that have an expected text, each score printed.
fn scores(format: &str) -> Option<Vec<Score>> {
    let folder = data("parsers/docling")?.join(format);
    let mut scores = vec![];
    for path in files(&folder.join("sources")) {
        let truth =
            if format == "pdf" { path.file_stem().unwrap().to_string_lossy().into_owned() } else { name(&path) };
        let Ok(truth) = fs::read_to_string(folder.join("groundtruth").join(truth + ".md")) else { continue };
        let document = parse("", &name(&path), &fs::read(&path).unwrap(), &ParseLimits::default());
        let found = document.map_or(String::new(), |document| text(&document));
        let score = Score::of(name(&path), &found, &expected(&truth));
        println!("{:40} recall {:.3} precision {:.3}", score.name, score.recall(), score.precision());
        scores.push(score);
    }
    println!("{format}: F1 {:.3} over {} documents", f1(&scores), scores.len());
    Some(scores)
}

/// F1 over all words of all documents together.
fn f1(scores: &[Score]) -> f64 {
    let sum = |of: fn(&Score) -> usize| scores.iter().map(of).sum::<usize>() as f64;
    2.0 * sum(|s| s.hits) / (sum(|s| s.found) + sum(|s| s.expected)).max(1.0)
}

fn mean(scores: &[Score], of: fn(&Score) -> f64) -> f64 {
    scores.iter().map(of).sum::<f64>() / scores.len() as f64
}

#[test]
fn markdown_of_others_is_read_whole() {
    let Some(scores) = scores("md") else { return };
    assert!(mean(&scores, Score::recall) > 0.95 && mean(&scores, Score::precision) > 0.9);
    assert!(f1(&scores) >= 0.9);
}

#[test]
fn web_pages_of_others_are_read_without_loss() {
    let Some(scores) = scores("html") else { return };
    assert!(mean(&scores, Score::recall) > 0.9 && mean(&scores, Score::precision) > 0.9);
    assert!(f1(&scores) >= 0.9);
}

#[test]
fn pdfs_of_others_are_read_without_loss() {
    let Some(scores) = scores("pdf") else { return };
    assert!(f1(&scores) >= 0.9);
    assert!(mean(&scores, Score::recall) > 0.9);
    let left: Vec<_> = scores.into_iter().filter(|score| !score.name.starts_with("right_to_left")).collect();
    assert!(mean(&left, Score::recall) > 0.95 && mean(&left, Score::precision) > 0.9);
}

#[test]
fn word_documents_of_others_are_read_without_loss() {
    let Some(scores) = scores("docx") else { return };
    assert!(f1(&scores) >= 0.9);
}

#[test]
fn presentations_of_others_are_read_without_loss() {
    let Some(scores) = scores("pptx") else { return };
    assert!(f1(&scores) >= 0.9);
}

#[test]
fn opendocument_files_of_others_are_read_without_loss() {
    let Some(scores) = scores("odf") else { return };
    assert!(f1(&scores) >= 0.9);
}

#[test]
fn books_of_others_are_read_without_loss() {
    let Some(scores) = scores("epub") else { return };
    assert!(f1(&scores) >= 0.9);
}

#[test]
fn rows_of_others_are_read_without_loss() {
    let Some(scores) = scores("csv") else { return };
    assert!(f1(&scores) >= 0.9);
}

/// What the two messages say; there is no expected text beside them.
const MAILS: &[(&str, &str)] = &[
    ("eml_simple.eml", "Simple Email Hello Bob, This is a simple email body."),
    (
        "eml_with_attachment.eml",
        "Email with Attachment Hello Bob, This email contains an attachment. Best regards, Alice Attachments: test.txt",
    ),
];

#[test]
fn mail_of_others_is_read_without_loss() {
    let Some(folder) = data("parsers/docling/email/sources") else { return };
    let scores: Vec<Score> = MAILS
        .iter()
        .map(|(name, expected)| {
            Score::of((*name).to_owned(), &text(&read(name, fs::read(folder.join(name)).unwrap())), expected)
        })
        .collect();
    println!("email: F1 {:.3} over {} documents", f1(&scores), scores.len());
    assert!(f1(&scores) >= 0.9);
    for outlook in ["msg_simple.msg", "msg_with_attachment.msg"] {
        assert_eq!(refused(outlook, fs::read(folder.join(outlook)).unwrap()), FailureCode::UnsupportedFormat);
    }
}

#[test]
fn word_documents_of_before_2007_are_refused_with_advice() {
    let Some(folder) = data("parsers/docling/doc/sources") else { return };
    for path in files(&folder) {
        let failure = parse("", &name(&path), &fs::read(&path).unwrap(), &ParseLimits::default()).unwrap_err();
        assert_eq!(failure.code, FailureCode::UnsupportedFormat);
        assert!(failure.message.contains("Save it as PDF"), "{}", failure.message);
    }
}

#[test]
fn no_document_of_others_breaks_the_reader() {
    let Some(folder) = data("parsers") else { return };
    let mut paths = vec![];
    below(&folder, &mut paths);
    let mut refusals: HashMap<FailureCode, usize> = HashMap::new();
    let total = paths.len();
    for path in paths {
        let name: &'static str = name(&path).leak();
        // Whatever it says of them, it says it in time and in words of its own.
        if let Err(failure) = hostile::survives(name, &fs::read(&path).unwrap()) {
            assert!(!failure.message.contains(name), "{name}");
            *refusals.entry(failure.code).or_default() += 1;
        }
    }
    println!("{total} documents, refused: {refusals:?}");
    assert!(refusals.values().sum::<usize>() * 4 < total, "{refusals:?}");
}

fn below(folder: &Path, found: &mut Vec<PathBuf>) {
    for path in files(folder) {
        if path.is_dir() { below(&path, found) } else { found.push(path) }
    }
}

#[test]
fn a_pdf_with_a_password_is_refused() {
    let Some(folder) = data("parsers/docling/pdf_password/sources") else { return };
    let bytes = fs::read(folder.join("2206.01062_pg3.pdf")).unwrap();
    assert_eq!(refused("a.pdf", bytes), FailureCode::Encrypted);
}

/// The encodings charset-normalizer's own tests expect of its samples.
const ENCODINGS: &[(&str, &str)] = &[
    ("sample-arabic-1.txt", "windows-1256"),
    ("sample-french-1.txt", "windows-1252"),
    ("sample-arabic.txt", "utf-8"),
    ("sample-russian-3.txt", "utf-8"),
    ("sample-french.txt", "utf-8"),
    ("sample-chinese.txt", "big5"),
    ("sample-greek.txt", "windows-1253"),
    ("sample-greek-2.txt", "windows-1253"),
    ("sample-hebrew-2.txt", "windows-1255"),
    ("sample-hebrew-3.txt", "windows-1255"),
    ("sample-bulgarian.txt", "utf-8"),
    ("sample-english.bom.txt", "utf-8"),
    ("sample-spanish.txt", "utf-8"),
    ("sample-korean.txt", "euc-kr"),
    ("sample-turkish.txt", "windows-1254"),
    ("sample-russian-2.txt", "utf-8"),
    ("sample-russian.txt", "x-mac-cyrillic"),
    ("sample-polish.txt", "utf-8"),
];

#[test]
fn texts_of_others_are_read_in_their_encodings() {
    let Some(folder) = data("parsers/encodings") else { return };
    let mut right = 0;
    for (name, label) in ENCODINGS {
        let bytes = fs::read(folder.join(name)).unwrap();
        let expected = encoding_rs::Encoding::for_label(label.as_bytes()).unwrap().decode(&bytes).0.into_owned();
        let same = crate::knowledge::parse::text::decode(&bytes, None).is_ok_and(|text| text == expected);
        println!("{name:28} {label:16} {}", if same { "right" } else { "WRONG" });
        right += usize::from(same);
    }
    println!("{right} of {} decode right", ENCODINGS.len());
    assert_eq!(right, ENCODINGS.len());
}
