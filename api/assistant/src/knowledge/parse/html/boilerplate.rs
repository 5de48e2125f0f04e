//! What on a web page is not its content: navigation, page heads and feet, adverts, forms, what a person is not shown.
//!
//! By element and role first, by the usual class names second, by the share of text that is links last, as in
//! Kohlschütter et al., "Boilerplate Detection using Shallow Text Features" (WSDM 2010).

use scraper::ElementRef;

/// How much is taken for boilerplate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rules {
    /// The whole page: everything that looks like its frame goes.
    Page,
    /// Inside the element the page declares its content: heads and lists of links belong to it.
    Content,
    /// A fragment, or a page that would be empty otherwise: only what a person is not shown goes.
    Lenient,
}

/// Elements that hold no text for people.
pub fn is_machine(name: &str) -> bool {
    matches!(
        name,
        "script"
            | "style"
            | "noscript"
            | "template"
            | "svg"
            | "canvas"
            | "iframe"
            | "object"
            | "embed"
            | "head"
            | "map"
            | "select"
            | "datalist"
            | "textarea"
            | "audio"
            | "video"
            | "input"
            | "button"
            | "dialog"
            | "math-field"
    )
}

/// Whether an element is left out under these rules.
pub fn is_left_out(element: ElementRef<'_>, rules: Rules) -> bool {
    let value = element.value();
    if is_machine(value.name()) || is_hidden(element) {
        return true;
    }
    match rules {
        Rules::Lenient => false,
        Rules::Content => is_navigation(element) || (value.name() == "aside" && is_mostly_links(element)),
        Rules::Page => {
            is_navigation(element)
                || matches!(value.name(), "header" | "aside")
                || matches!(value.attr("role"), Some("banner" | "complementary"))
                || (matches!(value.name(), "ul" | "ol" | "div" | "table" | "section") && is_menu(element))
        }
    }
}

/// Not shown to a person. Where a script shows one of several hidden variants, the last stands for all: they are the
/// default by custom, and without one the sentence has a hole.
fn is_hidden(element: ElementRef<'_>) -> bool {
    if !is_marked_hidden(element) {
        return false;
    }
    let Some(parent) = element.parent().and_then(ElementRef::wrap) else { return true };
    let all_hidden = parent.children().all(|node| match node.value().as_text() {
        Some(text) => text.trim().is_empty(),
        None => ElementRef::wrap(node).is_none_or(is_marked_hidden),
    });
    let variants = parent.child_elements().count();
    let is_last = parent.child_elements().last() == Some(element);
    !(all_hidden && variants > 1 && is_last && !matches!(parent.value().name(), "body" | "html"))
}

fn is_marked_hidden(element: ElementRef<'_>) -> bool {
    let value = element.value();
    let style = || value.attr("style").map(|style| style.to_ascii_lowercase().replace(' ', ""));
    value.attr("hidden").is_some()
        || value.attr("aria-hidden") == Some("true")
        || style().is_some_and(|style| style.contains("display:none") || style.contains("visibility:hidden"))
}

fn is_navigation(element: ElementRef<'_>) -> bool {
    let value = element.value();
    match value.name() {
        "nav" | "footer" | "menu" => return true,
        // Some generators wrap the whole page in one form.
        "form" => return !holds(element, &["main", "article", "h1", "h2"]),
        _ => {}
    }
    if matches!(value.attr("role"), Some("navigation" | "contentinfo" | "search" | "menu" | "menubar" | "toolbar")) {
        return true;
    }
    let names = value.classes().chain(value.attr("id")).chain(value.attr("itemtype"));
    names.map(str::to_ascii_lowercase).any(|name| FRAME_NAMES.contains(&name.as_str()))
        && !holds(element, &["h1", "main"])
}

/// Class names and ids that frames of pages carry, whole.
const FRAME_NAMES: &[&str] = &[
    "nav",
    "navbar",
    "navheader",
    "navfooter",
    "navigation",
    "navbox",
    "menu",
    "sidebar",
    "breadcrumb",
    "breadcrumbs",
    "pagination",
    "pager",
    "toc",
    "toctree-wrapper",
    "vector-dropdown",
    "vector-menu",
    "interlanguage-link",
    "mw-portlet",
    "mw-editsection",
    "mw-jump-link",
    "catlinks",
    "printfooter",
    "siteheader",
    "site-header",
    "sitefooter",
    "site-footer",
    "footer",
    "cookie",
    "cookies",
    "cookie-banner",
    "cookie-consent",
    "skip-link",
    "skiplink",
    "share",
    "social",
    "headerlink",
    "edit-this-page",
    "sr-only",
    "visually-hidden",
    "advert",
    "ads",
    "newsletter",
];

/// A run of at least five links with next to nothing between them, under no heading of the page's own.
fn is_menu(element: ElementRef<'_>) -> bool {
    let links = element.descendent_elements().filter(|inner| inner.value().name() == "a");
    links.take(5).count() == 5 && !holds(element, &["h1", "h2"]) && is_mostly_links(element)
}

fn is_mostly_links(element: ElementRef<'_>) -> bool {
    let links = element.descendent_elements().filter(|inner| inner.value().name() == "a");
    let links: usize = links.map(|link| letters(link.text())).sum();
    let whole = letters(element.text());
    whole > 0 && links * 10 >= whole * 8
}

/// Characters that are not white space.
pub fn letters<'a>(text: impl Iterator<Item = &'a str>) -> usize {
    text.map(|text| text.chars().filter(|c| !c.is_whitespace()).count()).sum()
}

fn holds(element: ElementRef<'_>, names: &[&str]) -> bool {
    element.descendent_elements().any(|inner| names.contains(&inner.value().name()))
}
