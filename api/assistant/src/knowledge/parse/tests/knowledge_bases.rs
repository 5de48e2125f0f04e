//! Whole knowledge bases, where they are at hand: what a customer uploads on the first day.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::*;

/// A document and where it was.
type Read = (PathBuf, ParsedDocument);

/// An archive unpacked, or `None` with a printed reason.
fn unpacked(archive: &str) -> Option<tempfile::TempDir> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/kb").join(archive);
    if !path.exists() {
        println!("skipped: no {}", path.display());
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let unpacked = Command::new("tar").arg("xJf").arg(&path).arg("-C").arg(folder.path()).status();
    if !unpacked.is_ok_and(|status| status.success()) {
        println!("skipped: tar cannot unpack {}", path.display());
        return None;
    }
    Some(folder)
}

fn files_below(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_below(&path, extension, found);
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found.sort();
}

/// Every `step`th document of an archive, read; the names of those that have no text.
fn read_all(archive: &str, extension: &str, step: usize) -> Option<(Vec<Read>, Vec<PathBuf>)> {
    let folder = unpacked(archive)?;
    let mut paths = vec![];
    files_below(folder.path(), extension, &mut paths);
    let (mut read, mut empty) = (vec![], vec![]);
    for path in paths.into_iter().step_by(step) {
        let bytes = fs::read(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        match parse("", &name, &bytes, &ParseLimits::default()) {
            Ok(document) => read.push((path, document)),
            Err(failure) => {
                assert_eq!(failure.code, FailureCode::NoText, "{}", path.display());
                empty.push(path);
            }
        }
    }
    let blocks: usize = read.iter().map(|(_, document)| document.blocks.len()).sum();
    println!("{archive}: {} read, {} without text, {blocks} blocks", read.len(), empty.len());
    Some((read, empty))
}

/// Paths and texts of blocks that are no code and hold one of the words.
fn blocks_with<'a>(read: &'a [Read], words: &[&str]) -> Vec<(&'a Path, &'a str)> {
    let blocks =
        read.iter().flat_map(|(path, document)| document.blocks.iter().map(move |block| (path.as_path(), block)));
    blocks
        .filter(|(_, block)| block.kind != BlockKind::Code && words.iter().any(|word| block.text.contains(word)))
        .map(|(path, block)| (path, block.text.as_str()))
        .collect()
}

#[test]
fn markdown_documentation_is_read_without_its_generator() {
    let Some((read, empty)) = read_all("fastapi_md_en_fr_de_es.tar.xz", "md", 4) else { return };
    assert!(empty.len() * 20 <= read.len(), "{empty:?}");
    let marks = blocks_with(&read, &["{ #", "{* ", "///", "!!!", "](http"]);
    assert!(marks.is_empty(), "{:?}", &marks[..marks.len().min(5)]);
    let right = read.iter().filter(|(path, document)| {
        let path = path.to_string_lossy();
        document.language.as_deref().is_some_and(|language| path.contains(&format!("/docs/{language}/")))
    });
    let right = right.count();
    println!("language right for {right} of {}", read.len());
    assert!(right * 100 >= read.len() * 97);
}

#[test]
fn an_installation_guide_is_read_without_its_navigation() {
    let Some((read, empty)) = read_all("debian_install_guide_html_en_fr_de_es.tar.xz", "html", 3) else { return };
    assert!(empty.len() * 20 <= read.len(), "{empty:?}");
    let frames = blocks_with(&read, &["Prev | ", "Zurück | ", "Navigation header"]);
    assert!(frames.is_empty(), "{:?}", &frames[..frames.len().min(5)]);
    let alone = read.iter().flat_map(|(_, document)| &document.blocks).filter(|block| {
        matches!(block.text.as_str(), "Prev" | "Next" | "Up" | "Home" | "Zurück" | "Weiter" | "Suivant" | "Précédent")
    });
    assert_eq!(alone.count(), 0);
}

#[test]
fn a_help_system_is_read_without_its_frame() {
    let Some((read, empty)) = read_all("libreoffice_help_html_fr.tar.xz", "html", 12) else { return };
    assert!(empty.len() * 10 <= read.len(), "{empty:?}");
    // One page describes the frame, and so names what is on it.
    let frames = blocks_with(&read, &["Aide LibreOffice 7.4", "Rechercher dans un module", "Index 🔎"]);
    let frames: Vec<_> = frames.into_iter().filter(|(path, _)| !path.ends_with("help/browserhelp.html")).collect();
    assert!(frames.is_empty(), "{:?}", &frames[..frames.len().min(5)]);
    let french = read.iter().filter(|(_, document)| document.language.as_deref() == Some("fr")).count();
    println!("French: {french} of {}", read.len());
    assert!(french * 100 >= read.len() * 95);
}
