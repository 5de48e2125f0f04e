//! The source itself, for tests that hold the house to its rules.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate is one folder below the root")
}

/// A file of the repository.
pub struct SourceFile {
    /// Its path from the root, with `/`.
    pub path: String,
    /// Its text.
    pub text: String,
}

impl SourceFile {
    /// The lines that are part of the product, with their numbers: no comments, no `mod tests { .. }`, which by custom
    /// ends a file.
    pub fn product_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let tests = self.text.find("#[cfg(test)]\nmod tests {").unwrap_or(self.text.len());
        self.text[..tests]
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line))
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    /// The paths of the modules that this file has for its tests only: `#[cfg(test)] mod name;`.
    fn test_modules(&self) -> Vec<String> {
        let folder = match self.path.rsplit_once('/') {
            Some((folder, "lib.rs" | "main.rs")) => folder,
            _ => self.path.trim_end_matches(".rs"),
        };
        let behind = self.text.split("#[cfg(test)]\n").skip(1);
        let modules = behind.filter_map(|rest| rest.lines().next()?.strip_prefix("mod ")?.strip_suffix(';'));
        modules.map(|module| format!("{folder}/{module}.rs")).collect()
    }
}

/// Every Rust file that is part of the product: no test, no example, no module for tests only.
pub fn product() -> Vec<SourceFile> {
    let all = files(&["api", "plugins", "migrations"], &[".rs"]);
    let for_tests: Vec<String> = all.iter().flat_map(SourceFile::test_modules).collect();
    all.into_iter()
        .filter(|file| file.path.contains("/src/") && !file.path.contains("/tests/"))
        .filter(|file| !for_tests.contains(&file.path))
        .collect()
}

/// Every file under these folders (or these files themselves) whose name ends with one of the endings, in order.
pub fn files(places: &[&str], endings: &[&str]) -> Vec<SourceFile> {
    let mut paths = Vec::new();
    for place in places {
        walk(&root().join(place), &mut paths);
    }
    paths.sort();
    paths
        .into_iter()
        .filter(|path| endings.iter().any(|ending| path.to_string_lossy().ends_with(ending)))
        .filter_map(|path| {
            let text = fs::read_to_string(&path).ok()?;
            let path = path.strip_prefix(root()).ok()?.to_string_lossy().replace('\\', "/");
            Some(SourceFile { path, text })
        })
        .collect()
}

fn walk(place: &Path, into: &mut Vec<PathBuf>) {
    const NOT_OURS: &[&str] = &[".git", "target", "parts", "data", "node_modules", "__pycache__"];
    if place.is_file() {
        into.push(place.to_owned());
        return;
    }
    for entry in fs::read_dir(place).into_iter().flatten().flatten() {
        let is_ours = entry.file_name().to_str().is_none_or(|name| !NOT_OURS.contains(&name));
        let is_source_folder = entry.path().join("fetch.py").is_file(); // plugins/fastembed/parts is source
        if is_ours || is_source_folder {
            walk(&entry.path(), into);
        }
    }
}
