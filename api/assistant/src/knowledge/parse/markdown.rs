//! Markdown: CommonMark, tables, footnotes, task lists, front matter, and what documentation generators add to it.

mod dialect;

use pulldown_cmark::{CodeBlockKind, Event, MetadataBlockKind, Options, Parser, Tag, TagEnd};

use super::collect::{Collector, too_complex};
use super::{BlockKind, ParseFailure, html};

/// Reads a Markdown text.
pub fn read(text: &str, out: &mut Collector) -> Result<(), ParseFailure> {
    let text = dialect::plain(text);
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_HEADING_ATTRIBUTES
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS
        | Options::ENABLE_PLUSES_DELIMITED_METADATA_BLOCKS;
    let mut reader = Reader { out, text: String::new(), open: Open::Nothing, within: vec![] };
    for event in Parser::new_ext(&text, options) {
        reader.event(event)?;
    }
    reader.flush()
}

/// What the text so far belongs to.
#[derive(PartialEq)]
enum Open {
    Nothing,
    Heading(u8),
    /// Whether it may be a console recording with colours as HTML.
    Code {
        console: bool,
    },
    Table,
    Html,
    FrontMatter,
}

/// What the text is inside of.
enum Within {
    /// The number of the next item, in an ordered list.
    List(Option<u64>),
    Item,
    Quote,
    Other,
}

struct Reader<'a> {
    out: &'a mut Collector,
    text: String,
    open: Open,
    within: Vec<Within>,
}

impl Reader<'_> {
    fn event(&mut self, event: Event<'_>) -> Result<(), ParseFailure> {
        match event {
            Event::Start(tag) => return self.start(tag),
            Event::End(tag) => return self.end(tag),
            Event::Text(text) | Event::Code(text) | Event::InlineMath(text) | Event::DisplayMath(text) => {
                self.text.push_str(&text);
            }
            Event::Html(html) => self.text.push_str(&html),
            Event::InlineHtml(html) if html.starts_with("<br") => self.text.push('\n'),
            Event::InlineHtml(_) | Event::TaskListMarker(_) | Event::FootnoteReference(_) => {}
            Event::SoftBreak | Event::HardBreak => self.text.push('\n'),
            Event::Rule => self.flush()?,
        }
        Ok(())
    }

    fn start(&mut self, tag: Tag<'_>) -> Result<(), ParseFailure> {
        match tag {
            Tag::Paragraph => {}
            Tag::Heading { level, .. } => {
                self.flush()?;
                self.open = Open::Heading(level as u8);
            }
            Tag::CodeBlock(kind) => {
                self.flush()?;
                let console =
                    matches!(&kind, CodeBlockKind::Fenced(info) if info.contains("console") || info.is_empty());
                self.open = Open::Code { console };
            }
            Tag::HtmlBlock => {
                self.flush()?;
                self.open = Open::Html;
            }
            Tag::MetadataBlock(MetadataBlockKind::YamlStyle | MetadataBlockKind::PlusesStyle) => {
                self.open = Open::FrontMatter;
            }
            Tag::Table(_) => {
                self.flush()?;
                self.open = Open::Table;
            }
            Tag::List(first) => self.enter(Within::List(first))?,
            Tag::Item => {
                self.enter(Within::Item)?;
                self.number();
            }
            Tag::BlockQuote(_) => self.enter(Within::Quote)?,
            Tag::FootnoteDefinition(_)
            | Tag::DefinitionList
            | Tag::DefinitionListTitle
            | Tag::DefinitionListDefinition => {
                self.enter(Within::Other)?;
            }
            // Within a block: their text is the block's. A picture's text is its description.
            Tag::TableHead | Tag::TableRow | Tag::TableCell | Tag::Emphasis | Tag::Strong | Tag::Strikethrough => {}
            Tag::Superscript | Tag::Subscript | Tag::Link { .. } | Tag::Image { .. } => {}
        }
        Ok(())
    }

    fn end(&mut self, tag: TagEnd) -> Result<(), ParseFailure> {
        match tag {
            TagEnd::TableCell => self.text.push('\u{1F}'),
            TagEnd::TableHead | TagEnd::TableRow => {
                let start = self.text.rfind('\n').map_or(0, |at| at + 1);
                let cells = self.text[start..].trim_end_matches('\u{1F}').split('\u{1F}');
                let row = cells.map(str::trim).collect::<Vec<_>>().join(" | ");
                self.text.truncate(start);
                self.text.push_str(&row);
                self.text.push('\n');
            }
            TagEnd::Paragraph
            | TagEnd::Heading(_)
            | TagEnd::CodeBlock
            | TagEnd::HtmlBlock
            | TagEnd::Table
            | TagEnd::MetadataBlock(_) => self.flush()?,
            TagEnd::List(_)
            | TagEnd::Item
            | TagEnd::BlockQuote(_)
            | TagEnd::FootnoteDefinition
            | TagEnd::DefinitionList
            | TagEnd::DefinitionListTitle
            | TagEnd::DefinitionListDefinition => {
                self.flush()?;
                self.within.pop();
            }
            _ => {}
        }
        Ok(())
    }

    fn enter(&mut self, within: Within) -> Result<(), ParseFailure> {
        self.flush()?;
        self.within.push(within);
        if self.within.len() > self.out.limits.depth {
            return Err(too_complex(format!("lists or quotes more than {} deep", self.out.limits.depth)));
        }
        Ok(())
    }

    /// Begins an item of an ordered list with its number: "step 3" is asked for.
    fn number(&mut self) {
        let list = self.within.iter_mut().rev().find_map(|within| match within {
            Within::List(next) => Some(next),
            _ => None,
        });
        if let Some(Some(next)) = list {
            self.text = format!("{next}. ");
            *next += 1;
        }
    }

    fn flush(&mut self) -> Result<(), ParseFailure> {
        let text = std::mem::take(&mut self.text);
        match std::mem::replace(&mut self.open, Open::Nothing) {
            Open::Nothing => self.out.push(self.kind(), &text),
            Open::Heading(level) => self.out.push(BlockKind::Heading(level), dialect::without_anchor(&text)),
            Open::Code { console: true } if dialect::is_coloured(&text) => {
                self.out.push(BlockKind::Code, &html::text_of(&text))
            }
            Open::Code { .. } => self.out.push(BlockKind::Code, &text),
            Open::Table => self.out.push(BlockKind::Table, &text),
            Open::Html => html::read_fragment(&text, self.out),
            Open::FrontMatter => {
                dialect::front_matter(&text, self.out);
                Ok(())
            }
        }
    }

    fn kind(&self) -> BlockKind {
        let innermost = self.within.iter().rev().find(|within| !matches!(within, Within::List(_) | Within::Other));
        match innermost {
            Some(Within::Item) => BlockKind::ListItem,
            Some(Within::Quote) => BlockKind::Quote,
            _ => BlockKind::Paragraph,
        }
    }
}
