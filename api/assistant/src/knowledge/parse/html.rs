//! Web pages: the content, without what surrounds it.

mod boilerplate;
mod table;
mod walk;

use scraper::{ElementRef, Html, Selector};

use super::ParseFailure;
use super::collect::Collector;
use boilerplate::Rules;
use walk::Walker;

/// Below this share of the page's text, a `main` is not where the content is.
const MAIN_SHARE: f32 = 0.25;

/// Reads a web page.
pub fn read(text: &str, out: &mut Collector) -> Result<(), ParseFailure> {
    let page = Html::parse_document(text);
    if let Some(language) = page.root_element().attr("lang").or(page.root_element().attr("xml:lang")) {
        out.language(language);
    }
    if let Some(title) = first(&page, "head > title") {
        out.title(&title.text().collect::<String>());
    }
    let Some(body) = first(&page, "body") else { return Ok(()) };
    let (root, rules) = content(&page, body);
    Walker::new(out, rules).read(root)?;
    // A page of links alone, or content in the wrong elements: better with its frame than not at all.
    for rules in [Rules::Content, Rules::Lenient] {
        if out.is_empty() {
            Walker::new(out, rules).read(body)?;
        }
    }
    Ok(())
}

/// Reads a piece of HTML within another document.
pub fn read_fragment(text: &str, out: &mut Collector) -> Result<(), ParseFailure> {
    let fragment = Html::parse_fragment(text);
    Walker::new(out, Rules::Lenient).read(fragment.root_element())
}

/// Reads a page without a frame, all of it: a chapter of a book, an e-mail.
pub fn read_chapter(text: &str, out: &mut Collector) -> Result<(), ParseFailure> {
    let page = Html::parse_document(text);
    match first(&page, "body") {
        Some(body) => Walker::new(out, Rules::Lenient).read(body),
        None => Ok(()),
    }
}

/// The text of a piece of HTML, white space kept.
pub fn text_of(text: &str) -> String {
    // A pre keeps what a browser would keep.
    Html::parse_fragment(&format!("<pre>\n{text}</pre>")).root_element().text().collect()
}

/// The element that holds the content: a `main` or an only `article`, where it holds a fair part of the text.
fn content<'a>(page: &'a Html, body: ElementRef<'a>) -> (ElementRef<'a>, Rules) {
    let whole = visible_length(body);
    for selector in ["main", "[role=main]", "article", "[itemprop=articleBody]"] {
        let Ok(selector) = Selector::parse(selector) else { continue };
        let mut found = page.select(&selector);
        let (Some(root), None) = (found.next(), found.next()) else { continue };
        let length = visible_length(root);
        if length > 0 && length as f32 >= MAIN_SHARE * whole as f32 {
            return (root, Rules::Content);
        }
    }
    (body, Rules::Page)
}

fn visible_length(root: ElementRef<'_>) -> usize {
    let texts = root.descendants().filter(|node| node.value().is_text());
    let shown = texts.filter(|node| {
        !node.parent().and_then(ElementRef::wrap).is_some_and(|parent| boilerplate::is_machine(parent.value().name()))
    });
    boilerplate::letters(shown.filter_map(|node| node.value().as_text().map(|text| &**text)))
}

fn first<'a>(page: &'a Html, selector: &str) -> Option<ElementRef<'a>> {
    page.select(&Selector::parse(selector).ok()?).next()
}
