//! From the tree of a page to blocks.

use scraper::{ElementRef, Node};

use super::boilerplate::{self, Rules};
use super::table::{Spanning, is_data};
use crate::knowledge::parse::collect::{Collector, too_complex};
use crate::knowledge::parse::{BlockKind, ParseFailure, clean};

/// Walks a tree once, in reading order. Text gathers until a block begins or ends.
pub struct Walker<'a> {
    out: &'a mut Collector,
    rules: Rules,
    text: String,
    depth: usize,
    within: Within,
}

/// What the text gathered belongs to.
#[derive(Clone, Copy)]
struct Within {
    kind: BlockKind,
    /// The number of the next item, in an ordered list.
    number: Option<u64>,
}

impl<'a> Walker<'a> {
    /// A walker that leaves out what the rules say.
    pub fn new(out: &'a mut Collector, rules: Rules) -> Self {
        let within = Within { kind: BlockKind::Paragraph, number: None };
        Self { out, rules, text: String::new(), depth: 0, within }
    }

    /// Reads an element and all in it.
    pub fn read(mut self, root: ElementRef<'_>) -> Result<(), ParseFailure> {
        self.children(root)?;
        self.flush()
    }

    fn children(&mut self, element: ElementRef<'_>) -> Result<(), ParseFailure> {
        self.depth += 1;
        if self.depth > self.out.limits.depth {
            return Err(too_complex(format!("elements more than {} deep", self.out.limits.depth)));
        }
        for child in element.children() {
            match child.value() {
                Node::Text(text) => self.text.push_str(text),
                Node::Element(_) => {
                    if let Some(child) = ElementRef::wrap(child) {
                        self.element(child)?;
                    }
                }
                _ => {}
            }
        }
        self.depth -= 1;
        Ok(())
    }

    fn element(&mut self, element: ElementRef<'_>) -> Result<(), ParseFailure> {
        if boilerplate::is_left_out(element, self.rules) {
            return Ok(());
        }
        match element.value().name() {
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                let level = element.value().name().as_bytes()[1] - b'0';
                self.block(element, BlockKind::Heading(level))
            }
            "pre" | "listing" => self.code(element),
            "table" if is_data(element) => self.table(element),
            "blockquote" => self.block(element, BlockKind::Quote),
            "li" => self.item(element),
            "ol" => {
                let first = element.attr("start").and_then(|start| start.parse().ok()).unwrap_or(1);
                self.list(element, Some(first))
            }
            "ul" => self.list(element, None),
            "dd" => self.block(element, BlockKind::ListItem),
            "br" => {
                self.text.push('\n');
                Ok(())
            }
            "hr" => self.flush(),
            "img" => {
                self.text.push_str(element.attr("alt").filter(|alt| !alt.starts_with('[')).unwrap_or_default());
                Ok(())
            }
            "a" if is_anchor_sign(element) => Ok(()),
            "td" | "th" | "option" => {
                self.text.push(' ');
                self.block(element, self.within.kind)
            }
            name if is_block(name) => self.block(element, self.within.kind),
            _ => self.children(element),
        }
    }

    /// A block of its own; what was gathered before it is another.
    fn block(&mut self, element: ElementRef<'_>, kind: BlockKind) -> Result<(), ParseFailure> {
        self.flush_before_block()?;
        let outer = self.within;
        self.within.kind = kind;
        self.children(element)?;
        self.flush()?;
        self.within = outer;
        Ok(())
    }

    fn list(&mut self, element: ElementRef<'_>, first: Option<u64>) -> Result<(), ParseFailure> {
        self.flush()?;
        let outer = std::mem::replace(&mut self.within, Within { kind: BlockKind::ListItem, number: first });
        self.children(element)?;
        self.flush()?;
        self.within = outer;
        Ok(())
    }

    fn item(&mut self, element: ElementRef<'_>) -> Result<(), ParseFailure> {
        self.flush()?;
        if let Some(number) = &mut self.within.number {
            self.text = format!("{number}. ");
            *number += 1;
        }
        self.block(element, BlockKind::ListItem)
    }

    /// The number of a list item stays with the paragraph that follows it.
    fn flush_before_block(&mut self) -> Result<(), ParseFailure> {
        let number = self.text.trim_end().strip_suffix('.').is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()));
        if number && self.within.kind == BlockKind::ListItem { Ok(()) } else { self.flush() }
    }

    fn code(&mut self, element: ElementRef<'_>) -> Result<(), ParseFailure> {
        self.flush()?;
        self.out.push(BlockKind::Code, &element.text().collect::<String>())
    }

    fn table(&mut self, table: ElementRef<'_>) -> Result<(), ParseFailure> {
        self.flush()?;
        let mut rows = vec![];
        let mut spanning = Spanning::default();
        for element in table.descendent_elements() {
            match element.value().name() {
                "caption" => self.out.push(self.within.kind, &shown_text(element, self.rules))?,
                "tr" => {
                    let cells = spanning.row(element, |cell| clean::one_line(&shown_text(cell, self.rules)));
                    if cells.iter().any(|cell| !cell.is_empty()) {
                        rows.push(cells.join(" | "));
                    }
                }
                _ => {}
            }
        }
        self.out.push(BlockKind::Table, &rows.join("\n"))
    }

    fn flush(&mut self) -> Result<(), ParseFailure> {
        let text = std::mem::take(&mut self.text);
        self.out.push(self.within.kind, &text)
    }
}

/// The text of a table's cell, a space where a block or a line ends.
fn shown_text(element: ElementRef<'_>, rules: Rules) -> String {
    let mut text = String::new();
    for node in element.descendants() {
        match node.value() {
            Node::Text(piece) => {
                let mut above =
                    node.ancestors().take_while(|above| above.id() != element.id()).filter_map(ElementRef::wrap);
                if !above.any(|above| boilerplate::is_left_out(above, rules)) {
                    text.push_str(piece);
                }
            }
            Node::Element(inner) if inner.name() == "img" => text.push_str(inner.attr("alt").unwrap_or_default()),
            Node::Element(inner) if is_block(inner.name()) || matches!(inner.name(), "br" | "li") => text.push(' '),
            _ => {}
        }
    }
    text
}

/// The sign beside a heading that links to itself.
fn is_anchor_sign(element: ElementRef<'_>) -> bool {
    element.attr("href").is_some_and(|href| href.starts_with('#'))
        && matches!(element.text().collect::<String>().trim(), "¶" | "#" | "§" | "🔗" | "\u{200B}" | "")
}

fn is_block(name: &str) -> bool {
    matches!(
        name,
        "p" | "div"
            | "section"
            | "article"
            | "main"
            | "header"
            | "footer"
            | "aside"
            | "address"
            | "details"
            | "summary"
            | "figure"
            | "figcaption"
            | "dl"
            | "dt"
            | "fieldset"
            | "legend"
            | "form"
            | "center"
            | "table"
            | "tbody"
            | "thead"
            | "tfoot"
            | "tr"
            | "td"
            | "th"
            | "caption"
            | "body"
            | "nav"
            | "menu"
            | "label"
    )
}
