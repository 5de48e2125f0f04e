//! HTML of a mail as lines of text, in which quotations have the sign that they have in text: `> `.
//!
//! Where a mail program marks the beginning of what it answers to, and nothing of the answer can follow, the text ends.

use scraper::{Html, Node, node::Element};

/// Longest HTML that is read.
const LONGEST: usize = 512 * 1024;

/// Deepest HTML that is read as such: the time that a parser takes grows with it, and no person writes it.
const DEEPEST: usize = 300;

/// Elements that are often not closed, and contain nothing or end by themselves.
const OPEN: [&str; 22] = [
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr", "p", "li", "td", "th",
    "tr", "dd", "dt", "option", "o:p", "tbody",
];

/// Elements whose content is not shown.
const UNSEEN: [&str; 8] = ["head", "style", "script", "title", "noscript", "template", "object", "svg"];

/// Elements that begin and end a line.
const BLOCKS: [&str; 25] = [
    "address",
    "article",
    "blockquote",
    "center",
    "dd",
    "div",
    "dl",
    "dt",
    "fieldset",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "header",
    "hr",
    "li",
    "main",
    "ol",
    "p",
    "pre",
    "section",
    "table",
    "ul",
];

/// What mail programs call the element that begins what was answered to.
const ENDS: [&str; 6] =
    ["divrplyfwdmsg", "appendonsend", "olk_src_body_section", "stopspelling", "zwchr", "reply-intro"];

/// The text of a mail's HTML.
pub(crate) fn text(html: &str) -> String {
    let end = (0..=LONGEST.min(html.len())).rev().find(|&end| html.is_char_boundary(end)).unwrap_or(0);
    let html = &html[..end];
    if is_deep(html) {
        return without_tags(html);
    }
    let page = Html::parse_document(html);
    let mut lines = Lines::default();
    let mut unseen = 0usize;
    for edge in page.tree.root().traverse() {
        match edge {
            ego_tree::iter::Edge::Open(node) => match node.value() {
                Node::Text(text) if unseen == 0 => lines.write(text),
                Node::Element(element) if UNSEEN.contains(&element.name()) => unseen += 1,
                Node::Element(element) if unseen == 0 => {
                    if ends_here(element) {
                        break;
                    }
                    lines.open(element);
                }
                _ => {}
            },
            ego_tree::iter::Edge::Close(node) => match node.value() {
                Node::Element(element) if UNSEEN.contains(&element.name()) => unseen = unseen.saturating_sub(1),
                Node::Element(element) if unseen == 0 => lines.close(element),
                _ => {}
            },
        }
    }
    lines.finish()
}

fn is_deep(html: &str) -> bool {
    let mut depth = 0usize;
    html.split('<').skip(1).any(|tag| {
        let (is_end, tag) = tag.strip_prefix('/').map_or((false, tag), |tag| (true, tag));
        let name: String = tag.chars().take(20).take_while(|c| !c.is_whitespace() && *c != '>').collect();
        let name = name.trim_end_matches('/').to_ascii_lowercase();
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || OPEN.contains(&name.as_str()) {
            return false;
        }
        depth = if is_end { depth.saturating_sub(1) } else { depth + 1 };
        depth > DEEPEST
    })
}

/// What stands between the tags, line by line.
fn without_tags(html: &str) -> String {
    let between = html.split('<').map(|piece| piece.split_once('>').map_or(piece, |(_, text)| text));
    between.map(str::trim).filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n")
}

fn ends_here(element: &Element) -> bool {
    let id = element.attr("id").unwrap_or_default().to_ascii_lowercase();
    // Some programs put something of their own before the id: `x_divRplyFwdMsg`.
    if ENDS.iter().any(|end| id == *end || id.strip_prefix("x_") == Some(end)) {
        return true;
    }
    // Outlook and its relatives draw a line above what they answer to, and give it no name.
    let style: String = element.attr("style").unwrap_or_default().to_ascii_lowercase().split_whitespace().collect();
    let is_outlook = style.contains("border-top:solid#b5c4df1.0pt") || style.contains("border-top:solid#e1e1e11.0pt");
    let is_windows_mail = style.contains("border-top-color:rgb(229,229,229)") && style.contains("border-top-width:1px");
    element.name() == "div" && (is_outlook || is_windows_mail)
}

#[derive(Default)]
struct Lines {
    whole: String,
    line: String,
    depth: usize,
    preformatted: usize,
}

impl Lines {
    fn write(&mut self, text: &str) {
        if self.preformatted > 0 {
            for (place, line) in text.split('\n').enumerate() {
                if place > 0 {
                    self.end();
                }
                self.line.push_str(line);
            }
            return;
        }
        for character in text.chars() {
            match character {
                // A hard space is a space; where lines are made of them alone they are empty.
                ' ' | '\n' | '\r' | '\t' | '\u{a0}' => {
                    if !self.line.is_empty() && !self.line.ends_with(' ') {
                        self.line.push(' ');
                    }
                }
                other => self.line.push(other),
            }
        }
    }

    fn open(&mut self, element: &Element) {
        match element.name() {
            "br" => self.end(),
            name if BLOCKS.contains(&name) || name == "tr" => self.end_unless_empty(),
            "td" | "th" if !self.line.is_empty() => self.line.push(' '),
            _ => {}
        }
        match element.name() {
            "blockquote" => self.depth += 1,
            "pre" => self.preformatted += 1,
            "li" => self.line.push_str("- "),
            _ => {}
        }
    }

    fn close(&mut self, element: &Element) {
        let name = element.name();
        if !BLOCKS.contains(&name) && name != "tr" {
            return;
        }
        self.end_unless_empty();
        match name {
            "blockquote" => self.depth = self.depth.saturating_sub(1),
            "pre" => self.preformatted = self.preformatted.saturating_sub(1),
            // Word writes every line as a paragraph without a margin.
            "p" if !element.attr("class").unwrap_or_default().contains("Mso") => self.end(),
            _ => {}
        }
    }

    fn end(&mut self) {
        let line = std::mem::take(&mut self.line);
        if self.depth > 0 {
            self.whole.push_str("> ");
        }
        self.whole.push_str(line.trim_end());
        self.whole.push('\n');
    }

    fn end_unless_empty(&mut self) {
        if !self.line.trim().is_empty() {
            self.end();
        }
        self.line.clear();
    }

    fn finish(mut self) -> String {
        self.end_unless_empty();
        self.whole
    }
}
