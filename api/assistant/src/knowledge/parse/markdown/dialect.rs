//! What documentation generators add to Markdown, turned back into Markdown.
//!
//! Admonitions (`/// tip | Title`, `!!! note "Title"`, `:::warning`) keep their title and text, includes
//! (`{* file.py *}`, `--8<-- "file"`) go, since the file is not here. Nothing within a fenced code block is touched.

use crate::knowledge::parse::collect::Collector;

/// The text as plain Markdown.
pub fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut fence: Option<Fence> = None;
    let mut indented = false;
    for line in text.lines() {
        let line = match (indented, line.strip_prefix("    ").or_else(|| line.strip_prefix('\t'))) {
            (true, Some(inner)) => inner,
            (true, None) if line.trim().is_empty() => "",
            _ => {
                indented = false;
                line
            }
        };
        if let Some(open) = &fence {
            if open.closes(line) {
                fence = None;
            }
            push(&mut plain, line);
            continue;
        }
        fence = Fence::opening(line);
        if fence.is_some() {
            push(&mut plain, line);
            continue;
        }
        match special(line.trim()) {
            Special::No => push(&mut plain, line),
            Special::Drop => push(&mut plain, ""),
            Special::Title(title) => push(&mut plain, &format!("\n{title}\n")),
            Special::Indented(title) => {
                indented = true;
                push(&mut plain, &format!("\n{title}\n"));
            }
        }
    }
    plain
}

/// A heading without the anchor behind it: `First Steps { #first-steps }`.
pub fn without_anchor(heading: &str) -> &str {
    let trimmed = heading.trim_end();
    let Some(at) = trimmed.rfind('{').filter(|_| trimmed.ends_with('}')) else { return trimmed };
    let inner = trimmed[at + 1..trimmed.len() - 1].trim().trim_start_matches(':').trim();
    if inner.starts_with('#') || inner.starts_with('.') { trimmed[..at].trim_end() } else { trimmed }
}

/// Whether this is console output whose colours are HTML.
pub fn is_coloured(code: &str) -> bool {
    code.contains("</font>") || code.contains("</span>")
}

/// Takes the title and the language from front matter, YAML or TOML. The rest is the generator's business.
pub fn front_matter(text: &str, out: &mut Collector) {
    for line in text.lines() {
        let Some((key, value)) = line.split_once([':', '=']) else { continue };
        let value = value.trim().trim_matches(['"', '\'']);
        match key.trim() {
            "title" => out.title(value),
            "lang" | "language" | "locale" => out.language(value),
            _ => {}
        }
    }
}

/// An open code fence: its mark and length.
struct Fence {
    mark: char,
    length: usize,
}

impl Fence {
    fn opening(line: &str) -> Option<Self> {
        let line = line.trim_start().trim_start_matches(['>', ' ']);
        let mark = line.chars().next().filter(|c| matches!(c, '`' | '~'))?;
        let length = line.chars().take_while(|c| *c == mark).count();
        let info = &line[length..];
        (length >= 3 && !(mark == '`' && info.contains('`'))).then_some(Self { mark, length })
    }

    fn closes(&self, line: &str) -> bool {
        let line = line.trim().trim_start_matches(['>', ' ']);
        line.chars().count() >= self.length && line.chars().all(|c| c == self.mark)
    }
}

enum Special<'a> {
    No,
    Drop,
    Title(&'a str),
    Indented(&'a str),
}

fn special(line: &str) -> Special<'_> {
    if (line.starts_with("{*") && line.ends_with("*}"))
        || (line.starts_with("{!") && line.ends_with("!}"))
        || line.starts_with("--8<--")
    {
        return Special::Drop;
    }
    for mark in ["!!!", "???+", "???"] {
        if let Some(rest) = line.strip_prefix(mark) {
            return Special::Indented(quoted(rest));
        }
    }
    for mark in ['/', ':'] {
        let rest = line.trim_start_matches(mark);
        if line.len() - rest.len() < 3 {
            continue;
        }
        let rest = rest.trim();
        if rest.is_empty() {
            return Special::Drop;
        }
        let word_first = rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '{');
        return match rest.split_once('|') {
            Some((_, title)) => Special::Title(title.trim()),
            None if mark == ':' => Special::Title(bracketed(rest)),
            None if word_first => Special::Drop,
            None => Special::No,
        };
    }
    Special::No
}

fn quoted(text: &str) -> &str {
    text.split('"').nth(1).unwrap_or_default()
}

/// The title of `:::tip[Title]` or `:::tip Title`.
fn bracketed(text: &str) -> &str {
    if let Some((_, title)) = text.split_once('[') {
        return title.trim_end_matches(']');
    }
    text.split_once(' ').map_or("", |(_, title)| title)
}

fn push(plain: &mut String, line: &str) {
    plain.push_str(line);
    plain.push('\n');
}
