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

/// The share of the expected words that were found, and of the found ones that were expected.
fn score(found: &str, expected: &str) -> (f64, f64) {
    let (found, expected) = (words(found), words(expected));
    let hits: usize = expected.iter().map(|(word, count)| *count.min(found.get(word).unwrap_or(&0))).sum();
    let share = |all: &HashMap<String, usize>| hits as f64 / all.values().sum::<usize>().max(1) as f64;
    (share(&expected), share(&found))
}

fn text(document: &ParsedDocument) -> String {
    document.blocks.iter().map(|block| block.text.as_str()).collect::<Vec<_>>().join("\n")
}

/// The expected Markdown as text: without its pictures' marks and links' targets.
fn expected(markdown: &str) -> String {
    let markdown = markdown.replace("<!-- image -->", "");
    parse("text/markdown", "", markdown.as_bytes(), &ParseLimits::default())
        .map_or(String::new(), |document| text(&document))
}

/// Mean recall and precision over the documents of a format that have an expected text, each printed.
fn scores(format: &str) -> Option<Vec<(String, f64, f64)>> {
    let folder = data("parsers/docling")?.join(format);
    let mut scores = vec![];
    for path in files(&folder.join("sources")) {
        let truth =
            if format == "pdf" { path.file_stem().unwrap().to_string_lossy().into_owned() } else { name(&path) };
        let Ok(truth) = fs::read_to_string(folder.join("groundtruth").join(truth + ".md")) else { continue };
        let document = parse("", &name(&path), &fs::read(&path).unwrap(), &ParseLimits::default());
        let (recall, precision) = document.map_or((0.0, 0.0), |document| score(&text(&document), &expected(&truth)));
        println!("{:40} recall {recall:.3} precision {precision:.3}", name(&path));
        scores.push((name(&path), recall, precision));
    }
    Some(scores)
}

fn mean(scores: &[(String, f64, f64)], of: fn(&(String, f64, f64)) -> f64) -> f64 {
    scores.iter().map(of).sum::<f64>() / scores.len() as f64
}

#[test]
fn markdown_of_others_is_read_whole() {
    let Some(scores) = scores("md") else { return };
    let (recall, precision) = (mean(&scores, |s| s.1), mean(&scores, |s| s.2));
    println!("markdown: recall {recall:.3} precision {precision:.3}");
    assert!(recall > 0.95 && precision > 0.9);
}

#[test]
fn web_pages_of_others_are_read_without_loss() {
    let Some(scores) = scores("html") else { return };
    let (recall, precision) = (mean(&scores, |s| s.1), mean(&scores, |s| s.2));
    println!("html: recall {recall:.3} precision {precision:.3}");
    assert!(recall > 0.9 && precision > 0.9);
}

#[test]
fn pdfs_of_others_are_read_without_loss() {
    let Some(scores) = scores("pdf") else { return };
    let left: Vec<_> = scores.iter().filter(|(name, ..)| !name.starts_with("right_to_left")).cloned().collect();
    let (recall, precision) = (mean(&left, |s| s.1), mean(&left, |s| s.2));
    println!("pdf: recall {recall:.3} precision {precision:.3}, with right to left {:.3}", mean(&scores, |s| s.1));
    assert!(recall > 0.95 && precision > 0.9);
    assert!(mean(&scores, |s| s.1) > 0.9);
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
